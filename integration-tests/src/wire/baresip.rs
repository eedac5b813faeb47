//! baresip as a phone: started in a folder of its own, told what to do over its TCP control, every sample
//! that it encodes and decodes kept in WAVs.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use phones::Codec;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Who a baresip is.
#[derive(Clone, Debug)]
pub struct BaresipSetup {
    /// The user of its address.
    pub user: String,
    /// Where it sends everything.
    pub proxy: SocketAddr,
    /// The digest password; without one it does not register.
    pub password: Option<String>,
    /// Its codec.
    pub speech: Speech,
    /// How its packets are sealed.
    pub seal: Seal,
    /// What it says, mono at 8 kHz, over and over.
    pub voice: Vec<i16>,
    /// Its SIP address; the port after it must be free, too.
    pub sip: SocketAddr,
    /// Where it takes orders.
    pub control: SocketAddr,
    /// First and last port of its media; others may use them as well.
    pub media: (u16, u16),
}

/// How a baresip codes what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// As the telephone does.
    G711(Codec),
    /// At 16 kHz.
    G722,
    /// At 48 kHz.
    Opus,
}

impl From<Codec> for Speech {
    fn from(codec: Codec) -> Self {
        Self::G711(codec)
    }
}

impl Speech {
    /// In baresip's own words.
    const fn word(self) -> &'static str {
        match self {
            Self::G711(Codec::Pcma) => "pcma/8000/1",
            Self::G711(Codec::Pcmu) => "pcmu/8000/1",
            Self::G722 => "g722/16000/1",
            Self::Opus => "opus/48000/2",
        }
    }
}

/// How the packets of a baresip are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Not at all.
    Open,
    /// SRTP with keys in the description: it offers them, and takes those that it is offered.
    Sdes,
    /// SRTP with keys of a handshake.
    Dtls,
}

/// What a baresip sends everything over.
#[derive(Clone, Debug)]
pub enum Over {
    /// UDP.
    Udp,
    /// One TCP connection.
    Tcp,
    /// TLS to this address, trusting this authority.
    Tls(SocketAddr, PathBuf),
}

/// A running baresip; killed when dropped.
#[derive(Debug)]
pub struct Baresip {
    child: Child,
    control: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
    asked: u64,
    proxy: SocketAddr,
    folder: TempDir,
}

/// What a baresip leaves behind: its calls' sound as linear samples, the last call's.
#[derive(Clone, Debug)]
pub struct Dumps {
    /// What it gave to its encoder.
    pub said: Vec<i16>,
    /// What came out of its decoder.
    pub heard: Vec<i16>,
}

impl Baresip {
    /// Starts one and waits until it takes orders.
    pub fn start(setup: &BaresipSetup) -> anyhow::Result<Self> {
        Self::start_over(setup, &Over::Udp)
    }

    /// The same over another transport.
    pub fn start_over(setup: &BaresipSetup, over: &Over) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("baresip").tempdir()?;
        let voice = folder.path().join("voice.wav");
        phones::audio::save(&voice, &setup.voice)?;
        let mut main = config(setup, &voice, folder.path())?;
        if let Over::Tls(_, authority) = over {
            writeln!(main, "sip_cafile {}", authority.display())?;
        }
        fs::write(folder.path().join("config"), main)?;
        fs::write(folder.path().join("accounts"), account(setup, over))?;
        fs::write(folder.path().join("contacts"), "")?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new("baresip");
        if setup.seal == Seal::Dtls {
            show_ecdsa(&mut command, folder.path())?;
        }
        let mut child = command
            .args(["-4", "-v", "-s", "-f"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("baresip does not start: ./test.sh --install installs it")?;
        match connect(setup.control, &mut child) {
            Ok(control) => {
                let (unread, events) = (Vec::new(), Vec::new());
                Ok(Self { child, control, unread, events, asked: 0, proxy: setup.proxy, folder })
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                Err(error.context(log))
            }
        }
    }

    /// Waits until it is registered. Its event may have come before we were connected, so it is asked.
    pub fn registered(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.command("reginfo", "")?.contains("OK") {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("baresip did not register:\n{}", self.log())
    }

    /// Calls a user of the proxy.
    pub fn dial(&mut self, user: &str) -> anyhow::Result<()> {
        let uri = format!("sip:{user}@{}", self.proxy);
        self.command("dial", &uri).map(drop)
    }

    /// Answers the incoming call.
    pub fn accept(&mut self) -> anyhow::Result<()> {
        self.command("accept", "").map(drop)
    }

    /// Ends the call.
    pub fn hang_up(&mut self) -> anyhow::Result<()> {
        self.command("hangup", "").map(drop)
    }

    /// Holds the other party, by a re-INVITE with `sendonly`.
    pub fn hold(&mut self) -> anyhow::Result<()> {
        self.command("hold", "").map(drop)
    }

    /// Takes it back.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.command("resume", "").map(drop)
    }

    /// Has the other party put through to a user of the proxy (REFER).
    pub fn transfer(&mut self, user: &str) -> anyhow::Result<()> {
        let uri = format!("sip:{user}@{}", self.proxy);
        self.command("transfer", &uri).map(drop)
    }

    /// Presses a key, as RFC 4733 events.
    pub fn press(&mut self, key: char) -> anyhow::Result<()> {
        self.command("sndcode", &key.to_string()).map(drop)
    }

    /// Waits for an event that comes, or has come and was not waited for yet.
    pub fn wait_for(&mut self, kind: &str) -> anyhow::Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
                return Ok(self.events.remove(at));
            }
            if !self.read(end)? {
                bail!("{kind} did not come:\n{}", self.log());
            }
        }
    }

    /// Whether such an event has come and was not waited for.
    pub fn has_seen(&mut self, kind: &str) -> anyhow::Result<bool> {
        while self.read(Instant::now() + LOOK)? {}
        Ok(self.events.iter().any(|event| event["type"] == kind))
    }

    /// Everything that it has written: its messages, both ways, and what it thinks.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it; what it said and heard.
    pub fn quit(mut self) -> anyhow::Result<Dumps> {
        // The answer may be cut off by the end itself.
        let _ = self.command("quit", "");
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < end, "baresip does not quit:\n{}", self.log());
            std::thread::sleep(LOOK);
        }
        Ok(Dumps { said: self.dump("enc")?, heard: self.dump("dec")? })
    }

    fn dump(&self, which: &str) -> anyhow::Result<Vec<i16>> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path())?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        let ending = format!("-{which}.wav");
        files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&ending)));
        files.sort();
        let Some(file) = files.last() else { return Ok(Vec::new()) };
        let reader = hound::WavReader::open(file)?;
        if (reader.spec().sample_rate, reader.spec().channels) == (8_000, 1) {
            return Ok(reader.into_samples::<i16>().collect::<Result<_, _>>()?);
        }
        let narrow = file.with_extension("narrow.wav");
        let done = Command::new("sox").arg(file).args(["-r", "8000", "-c", "1"]).arg(&narrow).status()?;
        ensure!(done.success(), "sox could not read {}", file.display());
        Ok(hound::WavReader::open(narrow)?.into_samples::<i16>().collect::<Result<_, _>>()?)
    }

    /// Asks for something; what it says to that.
    pub fn command(&mut self, command: &str, parameters: &str) -> anyhow::Result<String> {
        self.asked += 1;
        let token = self.asked.to_string();
        let text = json!({ "command": command, "params": parameters, "token": token }).to_string();
        write!(self.control, "{}:{text},", text.len())?;
        let end = Instant::now() + PATIENCE;
        loop {
            let answer =
                self.events.iter().position(|m| m["response"] == true && m["token"] == token.as_str());
            if let Some(at) = answer {
                let answer = self.events.remove(at);
                ensure!(answer["ok"] == true, "{command} {parameters}: {answer}");
                return Ok(answer["data"].as_str().unwrap_or_default().to_owned());
            }
            if !self.read(end)? {
                bail!("{command} {parameters} was not answered:\n{}", self.log());
            }
        }
    }

    /// Reads one message; `false` when none came until `end`.
    fn read(&mut self, end: Instant) -> anyhow::Result<bool> {
        loop {
            if let Some((message, rest)) = netstring(&self.unread)? {
                self.events.push(serde_json::from_slice(message)?);
                self.unread = rest.to_vec();
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.control.set_read_timeout(Some(left))?;
            let mut piece = [0; 4096];
            match self.control.read(&mut piece) {
                Ok(0) => bail!("baresip has ended:\n{}", self.log()),
                Ok(n) => self.unread.extend_from_slice(&piece[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a peer decodes of what baresip gave to its encoder: baresip codes the magnitude of a negative
/// sample, so that the codes of both signs are alike; the phones of this project follow G.711's one's
/// complement. They differ exactly on the edges of A-law's steps.
pub fn as_sent(codec: Codec, said: &[i16]) -> Vec<i16> {
    let coded = |sample: i16| codec.decode(codec.encode(sample));
    said.iter().map(|&s| if s < 0 { -coded(s.checked_neg().unwrap_or(i16::MAX)) } else { coded(s) }).collect()
}

/// The first message of a stream of netstrings, and what follows it.
fn netstring(bytes: &[u8]) -> anyhow::Result<Option<(&[u8], &[u8])>> {
    let Some(colon) = bytes.iter().position(|&b| b == b':') else { return Ok(None) };
    let length: usize = std::str::from_utf8(&bytes[..colon])?.trim().parse()?;
    let (from, to) = (colon + 1, colon + 1 + length);
    Ok(bytes.get(to + 1..).map(|rest| (&bytes[from..to], rest)))
}

fn connect(at: SocketAddr, child: &mut Child) -> anyhow::Result<TcpStream> {
    let end = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(at) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > end => return Err(error).context("baresip's control"),
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            bail!("baresip ended at once: {status}");
        }
        std::thread::sleep(LOOK);
    }
}

/// Its main file. It listens for TLS on the port after its SIP port.
fn config(setup: &BaresipSetup, voice: &Path, dumps: &Path) -> anyhow::Result<String> {
    let modules = MODULES.iter().find(|folder| Path::new(folder).is_dir()).context("baresip's modules")?;
    Ok(format!(
        "sip_listen {sip}\n\
         net_interface {ip}\n\
         rtp_ports {first}-{last}\n\
         rtcp_mux {mux}\n\
         audio_source aufile,{voice}\n\
         audio_player none,none\n\
         audio_alert none,none\n\
         ausrc_srate 8000\n\
         auplay_srate 8000\n\
         ausrc_channels 1\n\
         auplay_channels 1\n\
         snd_path {dumps}\n\
         ctrl_tcp_listen {control}\n\
         module_path {modules}\n\
         module g711.so\n\
         module g722.so\n\
         module opus.so\n\
         module srtp.so\n\
         module dtls_srtp.so\n\
         module sndfile.so\n\
         module aufile.so\n\
         module_tmp account.so\n\
         module_app menu.so\n\
         module_app contact.so\n\
         module_app ctrl_tcp.so\n\
         module_app debug_cmd.so\n",
        sip = setup.sip,
        ip = setup.sip.ip(),
        mux = if setup.seal == Seal::Dtls { "yes" } else { "no" },
        first = setup.media.0,
        last = setup.media.1,
        control = setup.control,
        voice = voice.display(),
        dumps = dumps.display(),
    ))
}

/// Has it show a certificate with an ECDSA key, for it makes none itself.
fn show_ecdsa(command: &mut Command, folder: &Path) -> anyhow::Result<()> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = rcgen::CertificateParams::new(["phone.test".to_owned()])?.self_signed(&key)?;
    let shown = folder.join("shown.pem");
    fs::write(&shown, certificate.pem() + &key.serialize_pem())?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/shown_certificate.c");
    let library = folder.join("shown_certificate.so");
    let compiled = Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    ensure!(compiled.context("gcc: ./test.sh --install installs it")?.success(), "gcc failed");
    command.env("LD_PRELOAD", library).env("SIBAI_CERTIFICATE", shown);
    Ok(())
}

fn account(setup: &BaresipSetup, over: &Over) -> String {
    let outbound = match over {
        Over::Udp => String::new(),
        Over::Tcp => format!(";outbound=\"sip:{};transport=tcp\"", setup.proxy),
        Over::Tls(at, _) => format!(";outbound=\"sip:{at};transport=tls\""),
    };
    let sealed = match setup.seal {
        Seal::Open => "",
        Seal::Sdes => ";mediaenc=srtp",
        Seal::Dtls => ";mediaenc=dtls_srtp",
    };
    let registers = match &setup.password {
        Some(password) => format!(";auth_user={};auth_pass={password};regint=60", setup.user),
        None => ";regint=0".to_owned(),
    };
    format!(
        "<sip:{}@{}>{registers}{outbound}{sealed};audio_codecs={};answermode=manual\n",
        setup.user,
        setup.proxy,
        setup.speech.word()
    )
}

/// For whatever must come: the machine may be busy with ten other tests.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(50);

/// Where Debian and a build from source put them.
const MODULES: [&str; 2] = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_come_in_pieces() {
        assert_eq!(netstring(b"").unwrap(), None);
        assert_eq!(netstring(b"5:hel").unwrap(), None);
        assert_eq!(netstring(b"5:hello").unwrap(), None);
        assert_eq!(netstring(b"5:hello,2:").unwrap(), Some((&b"hello"[..], &b"2:"[..])));
        assert!(netstring(b"x:hello,").is_err());
    }

    #[test]
    fn both_signs_are_coded_alike() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            assert_eq!(as_sent(codec, &[-16, 16, -4_096, 4_096]), {
                let up = as_sent(codec, &[16, 4_096]);
                vec![-up[0], up[0], -up[1], up[1]]
            });
        }
    }
}
