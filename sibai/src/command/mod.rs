//! The command line: what a person types, and the one sentence that says why it did not work.

mod ban;
mod check;
mod seat;
mod serve;
mod token;

use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::DateTime;

use crate::demo;

/// A cloud PBX for 400 numbers: menus in YAML, seats on any phone, recordings that are never lost.
#[derive(Debug, Parser)]
#[command(name = "sibai", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    serve: Serve,
    /// How the log is written, to standard error; RUST_LOG chooses what.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log: LogForm,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Takes calls (also without this word).
    Serve(Serve),
    /// Places a real call over loopback with scripted phones and shows it as it happens.
    Demo(Demo),
    /// Reports every fault of a configuration, with its place and a proposal.
    Check(Check),
    /// API tokens.
    #[command(subcommand)]
    Token(TokenTask),
    /// Seats.
    #[command(subcommand)]
    Seat(SeatTask),
    /// Sources that are banned for guessing passwords.
    #[command(subcommand)]
    Ban(BanTask),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogForm {
    Text,
    Json,
}

/// Where the configuration and the data are.
#[derive(Debug, Args)]
struct Places {
    /// The configuration's folder [default: ./configs, or the built-in example when there is none].
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Where database, recordings and secrets live; made when missing.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    places: Places,
    /// Lets the wall clock begin here (local time of the line), for trying out hours and holidays; refused
    /// with a trunk that is not on loopback.
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime>,
    /// How many seconds live calls may go on after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    drain: u64,
}

#[derive(Debug, Args)]
struct Demo {
    /// Lets the wall clock begin here (local time of the line).
    #[arg(long, value_name = "TIME", default_value = demo::WORKDAY)]
    at: DateTime,
    /// Keep database and recordings here instead of in a folder that is removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Check {
    /// The configuration's folder.
    #[arg(value_name = "DIR", default_value = "configs")]
    folder: PathBuf,
    /// The day for which calendars are checked [default: today].
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime>,
}

#[derive(Debug, Subcommand)]
enum TokenTask {
    /// Makes a token and prints it once.
    New {
        #[command(flatten)]
        places: Places,
        /// What it is for.
        #[arg(long, default_value = "unnamed")]
        name: String,
        /// What it may do (repeatable) [default: everything].
        #[arg(long = "may", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The lines it may see (repeatable) [default: all].
        #[arg(long = "line", value_name = "LINE")]
        lines: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum SeatTask {
    /// Gives a seat a new password and prints it once; a running server takes it within seconds.
    Password {
        /// The seat's name or extension.
        seat: String,
        #[command(flatten)]
        places: Places,
    },
}

#[derive(Debug, Subcommand)]
enum BanTask {
    /// Every source that is banned, until when, and the how-manieth time.
    List {
        #[command(flatten)]
        places: Places,
    },
    /// Lets a source in again; a running server takes it within seconds.
    Lift {
        /// Its address.
        #[arg(value_name = "ADDRESS")]
        source: IpAddr,
        #[command(flatten)]
        places: Places,
    },
}

/// Does what was asked; 0 done, 1 faults or failure, 2 wrong usage (clap's own).
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { task, serve, log } = arguments;
    let done = match task.unwrap_or(Task::Serve(serve)) {
        Task::Serve(serve) => {
            log_to_stderr(log, "info");
            let drain = Duration::from_secs(serve.drain);
            serve::serve(serve.places.config, serve.places.data, serve.at, drain)
        }
        Task::Demo(demo) => {
            log_to_stderr(log, "warn");
            demo::run(demo.at, demo.data)
        }
        Task::Check(check) => return check::check(&check.folder, check.at),
        Task::Token(TokenTask::New { places, name, scopes, lines }) => {
            token::new(places.config, &places.data, &name, &scopes, &lines)
        }
        Task::Ban(BanTask::List { places }) => ban::list(places.config, &places.data),
        Task::Ban(BanTask::Lift { source, places }) => ban::lift(places.config, &places.data, source),
        Task::Seat(SeatTask::Password { seat, places }) => seat::password(places.config, &places.data, &seat),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sibai: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(form: LogForm, usual: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    // A second attempt in one process (tests) finds the first one's; that is as good.
    let _ = match form {
        LogForm::Text => log.try_init(),
        LogForm::Json => log.json().try_init(),
    };
}

const EXAMPLES: &str = "Examples:
  sibai demo                          a whole call on this machine, checked
  sibai                               serve ./configs (or the built-in example), data in ./data
  sibai check configs                 every fault with file:line:column
  sibai seat password li_na           a new password for a seat
  sibai ban lift 203.0.113.7          let a phone in again that guessed too often
  sibai token new --name crm --may read_recordings --line huaning";
