//! The configuration of one test: the shipped example, on ports of its own, with what the test changes.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::block::{self, Block};

/// How a test's Sibai differs from the shipped example.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) at: String,
    pub(super) log: String,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    short_prompts: bool,
    engine: Vec<(String, String)>,
    line: Vec<(String, String)>,
}

impl Default for Setup {
    /// The example on a Monday at ten, with prompts of a fifth of a second.
    fn default() -> Self {
        Self {
            at: "2026-10-12T10:00".into(),
            log: "info".into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            short_prompts: true,
            engine: Vec::new(),
            line: Vec::new(),
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

    /// Lets the wall clock begin here.
    #[must_use]
    pub fn at(mut self, at: &str) -> Self {
        self.at = at.into();
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
        let (carrier, second) = (block.address(block::CARRIER), block.address(block::CARRIER + 1));
        let ports = [
            ("allow_from: [\"127.0.0.1:5080\"]", format!("allow_from: [\"{carrier}\", \"{second}\"]")),
            ("127.0.0.1:5060", block.address(block::SIP).to_string()),
            ("127.0.0.1:5080", carrier.to_string()),
            ("127.0.0.1:8080", block.address(block::API).to_string()),
            ("[20000, 20999]", format!("[{first}, {last}]")),
        ];
        let engine = ports.into_iter().map(|(from, to)| (from.to_owned(), to));
        change(&to.join("engine.yaml"), engine.chain(self.engine.iter().cloned()))?;
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
        Ok(())
    }
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
