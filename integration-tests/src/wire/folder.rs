//! The configuration of one test: the shipped example, on ports of its own, with what the test changes.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::block::{self, Block};
use super::pki::{Issued, Pki};

/// How a test's Sibai differs from the shipped example.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) at: Option<String>,
    pub(super) log: String,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    /// The soft limit of open files that it is started with.
    pub(super) files: Option<u32>,
    short_prompts: bool,
    /// The trunk's more addresses.
    callers: u16,
    /// Certificates of the listeners, when it listens over every transport.
    secure: Option<(String, Issued)>,
    engine: Vec<(String, String)>,
    line: Vec<(String, String)>,
    /// Prompt files of the test's own, at 8 kHz.
    sounds: Vec<(String, Vec<i16>)>,
}

impl Default for Setup {
    /// The example on a Monday at ten, with prompts of a fifth of a second.
    fn default() -> Self {
        Self {
            at: Some("2026-10-12T10:00".into()),
            log: "info".into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            files: None,
            short_prompts: true,
            callers: 0,
            secure: None,
            engine: Vec::new(),
            line: Vec::new(),
            sounds: Vec::new(),
        }
    }
}

impl Setup {
    /// The voices of the example instead of short tones.
    #[must_use]
    pub fn with_real_prompts(mut self) -> Self {
        self.short_prompts = false;
        self
    }

    /// Listens over TLS, WebSockets and IPv6 as well, with a certificate of this authority; the trunk may call
    /// from IPv6 too. The files are in `configs/tls`: `ca.pem`, `pbx.pem`, `pbx.key`.
    #[must_use]
    pub fn with_every_transport(mut self, pki: &Pki) -> Self {
        let issued = pki.issue(&["localhost", "pbx.example", "127.0.0.1"]);
        // An authority of our own refuses nothing.
        self.secure = issued.ok().map(|issued| (pki.authority().to_owned(), issued));
        self
    }

    /// The trunk calls from the first so many phone ports as well, every second one.
    #[must_use]
    pub fn with_callers(mut self, count: u16) -> Self {
        self.callers = count;
        self
    }

    /// Changes engine.yaml wherever `from` stands; it must stand somewhere.
    #[must_use]
    pub fn engine(mut self, from: &str, to: &str) -> Self {
        self.engine.push((from.into(), to.into()));
        self
    }

    /// Changes line.yaml wherever `from` stands; it must stand somewhere.
    #[must_use]
    pub fn line(mut self, from: &str, to: &str) -> Self {
        self.line.push((from.into(), to.into()));
        self
    }

    /// One more file of the line: `prompts/NAME.wav`.
    #[must_use]
    pub fn sound(mut self, name: &str, samples: Vec<i16>) -> Self {
        self.sounds.push((name.into(), samples));
        self
    }

    /// Lets the wall clock begin here.
    #[must_use]
    pub fn at(mut self, at: &str) -> Self {
        self.at = Some(at.into());
        self
    }

    /// By the clock of the machine: another is refused where a trunk need not be on loopback, as any name.
    #[must_use]
    pub fn by_the_real_clock(mut self) -> Self {
        self.at = None;
        self
    }

    /// One more argument of `serve`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// An environment variable: secrets of the configuration.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The shell or systemd grants it so many open files, and more if it asks.
    #[must_use]
    pub fn files(mut self, granted: u32) -> Self {
        self.files = Some(granted);
        self
    }

    /// What is logged, as RUST_LOG says it.
    #[must_use]
    pub fn logging(mut self, filter: &str) -> Self {
        self.log = filter.into();
        self
    }

    /// Writes the whole configuration.
    pub(super) fn write(&self, to: &Path, block: &Block) -> Result<()> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        copy(&shipped, to)?;
        let (first, last) = block.rtp();
        let carrier = block.address(block::CARRIER);
        let mut callers = vec![carrier, block.address(block::CARRIER + 1)];
        callers.extend((0..self.callers).map(|n| block.address(block::PHONES + 2 * n)));
        let callers: Vec<String> = callers.iter().map(|caller| format!("\"{caller}\"")).collect();
        let ports = [
            ("allow_from: [\"127.0.0.1:5080\"]", format!("allow_from: [{}]", callers.join(", "))),
            ("127.0.0.1:5060", block.address(block::SIP).to_string()),
            ("127.0.0.1:5080", carrier.to_string()),
            ("127.0.0.1:8080", block.address(block::API).to_string()),
            ("[20000, 20999]", format!("[{first}, {last}]")),
            // A test records however full the disk of its machine is.
            ("keep_free: 10%", "keep_free: 1%".to_owned()),
        ];
        if let Some((authority, issued)) = &self.secure {
            let folder = to.join("tls");
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("ca.pem"), authority)?;
            issued.write(&folder, "pbx")?;
        }
        let engine = ports.into_iter().map(|(from, to)| (from.to_owned(), to));
        let secure = self.secure.is_some().then(|| every_transport(block)).into_iter().flatten();
        change(&to.join("engine.yaml"), engine.chain(secure).chain(self.engine.iter().cloned()))?;
        let line = to.join("lines/huaning");
        change(&line.join("line.yaml"), self.line.iter().cloned())?;
        if self.short_prompts {
            for entry in std::fs::read_dir(line.join("prompts"))? {
                let file = entry?.path();
                if file.extension().is_some_and(|extension| extension == "wav") {
                    tone(&file)?;
                }
            }
        }
        for (name, samples) in &self.sounds {
            phones::audio::save(&line.join(format!("prompts/{name}.wav")), samples)?;
        }
        Ok(())
    }
}

fn every_transport(block: &Block) -> [(String, String); 2] {
    let at = |offset| block.address(offset);
    let port = at(block::SIP).port();
    let (tcp, carrier) = (format!("\"tcp://{}\"]", at(block::SIP)), at(block::CARRIER));
    let more = format!(
        "\"tcp://{}\", \"udp://[::1]:{port}\", \"tcp://[::1]:{port}\", \"tls://{}\", \"ws://{}\", \"wss://{}\"]\n  \
         tls: {{ certificate: tls/pbx.pem, key: tls/pbx.key, client_ca: tls/ca.pem }}",
        at(block::SIP),
        at(block::TLS),
        at(block::WS),
        at(block::WSS)
    );
    let allow = "allow_from: [".to_owned();
    let v6 = format!("allow_from: [\"[::1]:{}\", ", carrier.port());
    [(tcp, more), (allow, v6)]
}

fn change(file: &Path, changes: impl Iterator<Item = (String, String)>) -> Result<()> {
    let mut text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    for (from, to) in changes {
        ensure!(text.contains(&from), "{from:?} stands nowhere in {}", file.display());
        text = text.replace(&from, &to);
    }
    Ok(std::fs::write(file, text)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Puts a short tone in place of a voice: a test need not listen to sentences.
fn tone(file: &Path) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(file, spec)?;
    for n in 0..RATE / 5 {
        let phase = f64::from(n) * 600.0 * std::f64::consts::TAU / f64::from(RATE);
        writer.write_sample((phase.sin() * 8_000.0) as i16)?;
    }
    Ok(writer.finalize()?)
}

const RATE: u32 = 8_000;
