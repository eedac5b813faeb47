//! Configuration: engine.yaml and the lines, read, checked, and turned into one plan.

mod across;
mod embedded;
mod engine;
mod folder;
mod host;
mod rtp;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use base::Name;
use ivr::{Fault, Faults, SourceFile};
use jiff::civil::Date;
use pbx::Plan;

pub use engine::{Api, Database, Engine, Listen, Recordings, Sip, Trunk};
pub use folder::Folder;
pub use host::{host_name, host_port};
pub use rtp::Rtp;
pub use tls::{ListenerTls, TrunkTls};

/// What reading a configuration gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Where it lies.
    pub folder: Folder,
    /// `None` when engine.yaml has an error.
    pub engine: Option<Engine>,
    /// `None` when any file has an error.
    pub plan: Option<Arc<Plan>>,
    /// Every fault of every file, warnings among them, in the order of files and lines.
    pub faults: Vec<Fault>,
    /// What is to be played.
    pub prompt_files: Vec<PromptFile>,
}

/// A prompt of a line and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFile {
    /// The line.
    pub line: Name,
    /// The prompt's name in the line.
    pub prompt: Name,
    /// Its path below the configuration's folder; read it with `Loaded::read`.
    pub path: String,
}

impl Loaded {
    /// The bytes of a file of this configuration, from disk or from the binary.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.folder.read(path, LARGEST_PROMPT)
    }
}

/// The configuration that is meant: the given folder; or `./configs`; or the built-in example.
pub fn find(folder: Option<PathBuf>, today: Date) -> anyhow::Result<Loaded> {
    match folder {
        Some(folder) if folder.is_dir() => Ok(load(&folder, today)),
        Some(folder) => bail!("there is no folder {}", folder.display()),
        None if Path::new(USUAL_FOLDER).is_dir() => Ok(load(Path::new(USUAL_FOLDER), today)),
        None => Ok(built_in(today)),
    }
}

/// The example inside the binary.
pub fn built_in(today: Date) -> Loaded {
    load_from(Folder::BuiltIn, today, &variable)
}

/// Reads and checks a folder.
pub fn load(folder: &Path, today: Date) -> Loaded {
    load_from(Folder::Disk(folder.to_owned()), today, &variable)
}

/// What `sibai check` prints: every fault, and a last line that says how many.
pub fn report(loaded: &Loaded) -> String {
    let mut text = faults(loaded, |_| true);
    let errors = loaded.faults.iter().filter(|fault| fault.is_error()).count();
    let warnings = loaded.faults.len() - errors;
    let lines = loaded.plan.as_ref().map_or(0, |plan| plan.lines.len());
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "{}: no faults, lines: {lines}", loaded.folder.shown()),
        _ => writeln!(text, "{}: errors: {errors}, warnings: {warnings}", loaded.folder.shown()),
    };
    text
}

/// What does not keep anybody from serving and is to be said all the same; empty when there is nothing.
pub fn warnings(loaded: &Loaded) -> String {
    faults(loaded, |fault| !fault.keeps_from_serving())
}

/// The JSON Schema of engine.yaml.
pub fn engine_schema() -> serde_json::Value {
    ivr::shape::schema("engine/v1: what the engine needs beside the lines", &table::ENGINE)
}

/// The tables of docs/configuration.md for engine.yaml.
pub fn engine_reference() -> Vec<(String, Vec<String>)> {
    ivr::shape::reference(&table::ENGINE)
}

fn faults(loaded: &Loaded, which: impl Fn(&Fault) -> bool) -> String {
    let folder = loaded.folder.shown();
    loaded.faults.iter().filter(|fault| which(fault)).fold(String::new(), |mut text, fault| {
        let mut fault = fault.clone();
        fault.place.file = format!("{}/{}", folder.trim_end_matches('/'), fault.place.file).into();
        let _ = writeln!(text, "{fault}");
        text
    })
}

fn load_from(folder: Folder, today: Date, variable: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut faults = Vec::new();
    let source = source(&folder, ENGINE_FILE, &mut faults);
    let sources: Vec<SourceFile> = source.into_iter().collect();
    let mut noted = Faults::new(&sources);
    let engine = engine::read(&sources, variable, &mut noted);
    if let Some((engine, tree)) = &engine {
        tls::check(&folder, engine, tree, today, &mut noted);
    }
    let lines = lines(&folder, today, &mut faults);
    let plan = across::check(engine.as_ref(), &lines, &mut noted, &mut faults);
    let engine_sound = !noted.any_error();
    faults.extend(noted.finish());
    for line in &lines {
        faults.extend(line.checked.faults.iter().cloned());
    }
    faults.sort_by(|a, b| a.place.cmp(&b.place));
    let sound = !faults.iter().any(Fault::keeps_from_serving);
    let prompt_files = lines.iter().flat_map(ReadLine::prompt_files).collect();
    let engine = engine.map(|(engine, _)| engine).filter(|_| engine_sound);
    Loaded { folder, engine, plan: plan.filter(|_| sound).map(Arc::new), faults, prompt_files }
}

/// A line's folder, read and checked.
struct ReadLine {
    id: Name,
    files: Vec<SourceFile>,
    checked: ivr::Checked,
}

impl ReadLine {
    fn prompt_files(&self) -> impl Iterator<Item = PromptFile> {
        let prompts = self.checked.line.iter().flat_map(|line| &line.prompts);
        prompts.map(|(prompt, file)| PromptFile {
            line: self.id.clone(),
            prompt: prompt.clone(),
            path: format!("{LINES}/{}/{}", self.id, file.file),
        })
    }
}

fn lines(folder: &Folder, today: Date, faults: &mut Vec<Fault>) -> Vec<ReadLine> {
    let names = folder.folders(LINES).unwrap_or_else(|error| {
        faults.push(Fault::of_file(LINES.into(), "E001", error.to_string(), None));
        Vec::new()
    });
    if names.is_empty() && faults.iter().all(|fault| fault.place.file != LINES) {
        let proposal = Some("make lines/NAME/line.yaml; configs/lines/huaning is an example".to_owned());
        faults.push(Fault::of_file(LINES.into(), "E183", "no folder in lines/".to_owned(), proposal));
    }
    names.into_iter().filter_map(|name| line(folder, &name, today, faults)).collect()
}

fn line(folder: &Folder, name: &str, today: Date, faults: &mut Vec<Fault>) -> Option<ReadLine> {
    let path = format!("{LINES}/{name}");
    let fault = |code, message: String, proposal: &str| {
        Fault::of_file(path.as_str().into(), code, message, Some(proposal.to_owned()))
    };
    if !ivr::shape::is_name(name) {
        faults.push(fault("E020", format!("{name:?} is not a name"), "a-z, 0-9, _ and -, a letter first"));
        return None;
    }
    let mut files = Vec::new();
    let before = faults.len();
    match folder.files(&path) {
        Err(error) => faults.push(fault("E001", error.to_string(), "make it readable")),
        Ok(names) => {
            for file in names.iter().filter(|file| !file.starts_with('.')) {
                let file_path = format!("{path}/{file}");
                if has_ending(file, "yml") {
                    let message = format!("{file} would not be read");
                    let proposal = Some("call it .yaml".to_owned());
                    faults.push(Fault::of_file(file_path.as_str().into(), "E001", message, proposal));
                } else if has_ending(file, "yaml") && !file.to_lowercase().ends_with(".test.yaml") {
                    files.extend(source(folder, &file_path, faults));
                }
            }
        }
    }
    if files.is_empty() {
        if faults.len() == before {
            faults.push(fault(
                "E183",
                format!("{name} has no .yaml file"),
                "add line.yaml, or remove the folder",
            ));
        }
        return None;
    }
    let exists = |file: &str| folder.has(&format!("{path}/{file}"));
    let checked = ivr::check(name.into(), &files, &exists, today);
    Some(ReadLine { id: name.into(), files, checked })
}

fn source(folder: &Folder, path: &str, faults: &mut Vec<Fault>) -> Option<SourceFile> {
    let read = folder.read(path, LARGEST_TEXT).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
    });
    match read {
        Ok(text) => Some(SourceFile { path: path.into(), text }),
        Err(error) => {
            let message = match error.kind() {
                io::ErrorKind::NotFound => "the file is not there".to_owned(),
                _ => error.to_string(),
            };
            faults.push(Fault::of_file(path.into(), "E001", message, None));
            None
        }
    }
}

fn has_ending(file: &str, ending: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Used when no folder is given and it is there.
const USUAL_FOLDER: &str = "configs";

const ENGINE_FILE: &str = "engine.yaml";

const LINES: &str = "lines";

/// Room for the message that a file is larger than the megabyte that is read.
const LARGEST_TEXT: u64 = (1 << 20) + 1;

/// Half an hour of 16 kHz audio: more is no prompt.
const LARGEST_PROMPT: u64 = 64 << 20;
