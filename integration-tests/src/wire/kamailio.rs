//! Kamailio as a carrier: a registrar with digest, Record-Route, topology hiding, and outages on demand.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What this carrier does.
#[derive(Clone, Debug)]
pub struct CarrierConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who is called behind it: SIPp as the far phone.
    pub far: SocketAddr,
    /// Whoever calls from here calls the registered account.
    pub callers: SocketAddr,
    /// The account that it knows.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Whether INVITEs from Sibai must prove it too.
    pub asks_invites: bool,
    /// Hides who is behind it (topoh).
    pub hides: bool,
    /// What each new call gets in place of the far phone.
    pub refuses: Option<u16>,
}

/// A Kamailio that runs.
#[derive(Debug)]
pub struct Kamailio {
    config: CarrierConfig,
    folder: PathBuf,
    child: Option<Child>,
}

impl Kamailio {
    /// Starts it and waits until it answers.
    pub fn start(folder: &Path, name: &str, config: CarrierConfig) -> Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let mut kamailio = Self { config, folder, child: None };
        kamailio.run()?;
        Ok(kamailio)
    }

    /// Starts it (again), with nobody registered.
    pub fn run(&mut self) -> Result<()> {
        let file = self.folder.join("kamailio.cfg");
        std::fs::write(&file, script(&self.config))?;
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "64", "-M", "8"])
            .arg("-P")
            .arg(self.folder.join("pid"))
            .arg("-Y")
            .arg(&self.folder)
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.log_file())?)
            .spawn()
            .context("Kamailio cannot be started; test.sh installs it")?;
        self.child = Some(child);
        self.wait_for_answer()
    }

    /// SIGTERM by its id, and its end: its children end with it.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )?;
        let end = Instant::now() + STARTS_WITHIN;
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                child.kill()?;
                child.wait()?;
                bail!("Kamailio did not stop");
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Stops it, and begins anew in another way.
    pub fn becomes(&mut self, change: impl FnOnce(&mut CarrierConfig)) -> Result<()> {
        self.stop()?;
        change(&mut self.config);
        self.run()
    }

    /// What it logged since its last start.
    pub fn log(&self) -> String {
        super::read(&self.log_file())
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn wait_for_answer(&mut self) -> Result<()> {
        let end = Instant::now() + STARTS_WITHIN;
        let socket = UdpSocket::bind((self.config.listen.ip(), 0))?;
        socket.set_read_timeout(Some(LOOK * 3))?;
        let (to, from) = (self.config.listen, socket.local_addr()?);
        let question = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKstart;rport\r\nMax-Forwards: 9\r\n\
             From: <sip:t@{from}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: start\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("Kamailio ended with {status}:\n{}", self.log());
            }
            let _ = socket.send_to(question.as_bytes(), to);
            if socket.recv_from(&mut [0; 2_000]).is_ok() {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("Kamailio does not answer:\n{}", self.log());
            }
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let _ = self.stop();
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("--- the end of Kamailio's log\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
    }
}

/// Its script.
fn script(config: &CarrierConfig) -> String {
    format!("{}\n{}", modules(config), routes(config))
}

fn modules(config: &CarrierConfig) -> String {
    let CarrierConfig { listen, hides, .. } = config;
    let hiding = if *hides {
        "loadmodule \"topoh.so\"\nmodparam(\"topoh\", \"mask_key\", \"sibai\")\nmodparam(\"topoh\", \"mask_ip\", \"127.0.0.8\")\n"
    } else {
        ""
    };
    format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=2
auto_aliases=no
disable_tcp=yes
listen=udp:{listen}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
{hiding}modparam("rr", "enable_double_rr", 1)
modparam("rr", "append_fromtag", 1)
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 10)
modparam("auth", "nonce_expire", 60)
modparam("tm", "fr_timer", 3000)

"#
    )
}

/// Whoever is neither a caller nor the far phone is Sibai.
fn routes(config: &CarrierConfig) -> String {
    let CarrierConfig { listen, far, callers, user, password, asks_invites, refuses, .. } = config;
    let asks = if *asks_invites {
        format!(
            r#"if (!pv_proxy_authenticate("carrier.test", "{password}", "0")) {{
            proxy_challenge("carrier.test", "1"); exit;
        }}
        consume_credentials();"#
        )
    } else {
        String::new()
    };
    let refusal =
        refuses.map_or_else(String::new, |status| format!("sl_send_reply(\"{status}\", \"Not now\"); exit;"));
    format!(
        r#"request_route {{
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
        sl_send_reply("404", "Not here"); exit;
    }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("carrier.test", "{password}", "0")) {{ www_challenge("carrier.test", "1"); exit; }}
        if ($au != "{user}") {{ sl_send_reply("403", "Not yours"); exit; }}
        save("location");
        exit;
    }}
    if (!is_method("INVITE")) {{ sl_send_reply("405", "Method Not Allowed"); exit; }}
    {refusal}
    record_route();
    if ($si == "{callers_ip}" && $sp == {callers_port}) {{
        $ru = "sip:{user}@{listen}";
        if (!lookup("location")) {{ sl_send_reply("480", "Nobody is registered"); exit; }}
    }} else {{
        {asks}
        $du = "sip:{far}";
    }}
    t_relay();
}}
"#,
        callers_ip = callers.ip(),
        callers_port = callers.port(),
    )
}

/// It loads a dozen modules; the rest is for a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(40);
