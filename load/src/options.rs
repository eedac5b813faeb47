//! What is asked for on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Places calls with G.711 both ways, answers them itself, and counts what is lost on the way.
///
/// Without --server it writes a configuration, starts `sibai serve` on it and measures that process.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", version)]
pub struct Options {
    /// Calls that are up at once.
    #[arg(long, default_value_t = 100)]
    pub calls: u32,
    /// New calls a second.
    #[arg(long, default_value_t = 30)]
    pub rate: u32,
    /// Seconds that a call lasts; without it, until the end of the measurement. Those that end are replaced.
    #[arg(long)]
    pub hold: Option<u64>,
    /// Seconds that are measured, once all calls are up.
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Every call is recorded (of the Sibai that is started here).
    #[arg(long)]
    pub record: bool,
    /// Offers no telephone-event, so that the server has to listen for tones of keys.
    #[arg(long)]
    pub tones: bool,
    /// Junk datagrams a second to the port of one leg.
    #[arg(long, default_value_t = 0)]
    pub junk: u32,
    /// The program to be started; without it, `sibai` beside this one.
    #[arg(long)]
    pub program: Option<PathBuf>,
    /// The first UDP port for audio of the Sibai that is started; it takes five for each call.
    #[arg(long, default_value_t = 18_000)]
    pub first_port: u16,
    /// A server that runs already, in place of the one that is started here.
    #[arg(long, requires = "dial")]
    pub server: Option<SocketAddr>,
    /// What is dialled there.
    #[arg(long)]
    pub dial: Option<String>,
    /// Our side as the carrier: who calls, and answers what the server places over its trunk.
    #[arg(long, default_value = "127.0.0.1:17080")]
    pub carrier: SocketAddr,
    /// Our side as the seats that answer.
    #[arg(long, default_value = "127.0.0.1:17081")]
    pub seats: SocketAddr,
    /// Seats to register there: a file with an extension and a password on each line. Without it, calls have to come
    /// back over the trunk or to a static contact.
    #[arg(long)]
    pub accounts: Option<PathBuf>,
    /// The realm and host in the URIs of the seats.
    #[arg(long, default_value = "sibai")]
    pub domain: String,
    /// A process of the server on this machine, to be measured.
    #[arg(long)]
    pub pid: Option<u32>,
}
