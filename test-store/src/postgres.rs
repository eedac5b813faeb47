//! A private PostgreSQL server: one per test process, on a Unix socket in a folder of its own.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tempfile::TempDir;

/// The server of this process, started by the first test that needs it and stopped by the last.
pub(crate) fn running() -> Arc<Server> {
    static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = running.upgrade() {
        return server;
    }
    let server = Arc::new(Server::start());
    *running = Arc::downgrade(&server);
    server
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
    databases: AtomicU32,
    stop: Option<mpsc::Sender<()>>,
    guard: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let owner = Owner::find();
        let folder = tempfile::Builder::new().prefix("sibai-pg").tempdir().expect("a folder");
        owner.give(folder.path());
        let data = folder.path().join("data");
        let made = owner.run("cp").arg("-a").arg(owner.template()).arg(&data).status();
        assert!(made.is_ok_and(|status| status.success()), "could not copy the empty database cluster");

        let (stop, stopped) = mpsc::channel();
        let mut command = owner.server(&data, folder.path());
        // The kernel ends the server with the thread that started it, so that one thread stays for it.
        let guard = thread::spawn(move || {
            let mut server: Child = command.spawn().expect("PostgreSQL starts");
            let _ = stopped.recv();
            // SIGQUIT is PostgreSQL's immediate shutdown: it takes its children and shared memory along.
            let _ = kill_process(Pid::from_child(&server), Signal::QUIT);
            let _ = server.wait();
        });
        Self { folder, databases: AtomicU32::new(0), stop: Some(stop), guard: Some(guard) }
    }

    /// Creates an empty database; returns how to reach it.
    pub(crate) async fn new_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut admin = self.connect().await;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut admin)
            .await
            .expect("a database");
        admin.close().await.expect("closes");
        self.url(&name)
    }

    async fn connect(&self) -> AnyConnection {
        let begun = Instant::now();
        loop {
            match AnyConnection::connect(&self.url("postgres")).await {
                Ok(connection) => return connection,
                Err(error) => assert!(begun.elapsed() < LONGEST_START, "PostgreSQL does not answer: {error}"),
            }
            // A child process is waited for: there is no event to listen to.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(guard) = self.guard.take() {
            let _ = guard.join();
        }
    }
}

/// Who runs the server: PostgreSQL refuses to run as root.
struct Owner {
    binaries: PathBuf,
    /// User and group `postgres`, when we are root.
    postgres: Option<(u32, u32)>,
}

impl Owner {
    fn find() -> Self {
        let binaries = binaries().expect(
            "no PostgreSQL in /usr/lib/postgresql: install it (apt-get install postgresql), \
             or set SIBAI_TEST_POSTGRES=skip to leave it out on purpose",
        );
        let root =
            fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me)).expect("/proc")
                == 0;
        Self { binaries, postgres: root.then(|| postgres_user().expect("a user named postgres")) }
    }

    fn give(&self, folder: &Path) {
        if let Some((user, group)) = self.postgres {
            chown(folder, Some(user), Some(group)).expect("the folder is given to postgres");
        }
    }

    fn run(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let Some((user, group)) = self.postgres else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={group}")]);
        command.args(["--clear-groups", "--pdeathsig=QUIT", "--"]).arg(program);
        command
    }

    fn server(&self, data: &Path, socket: &Path) -> Command {
        let mut command = self.run(self.binaries.join("postgres"));
        command.arg("-D").arg(data).arg("-k").arg(socket);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// An empty cluster to copy: made once per machine, for making one takes longer than most tests.
    fn template(&self) -> PathBuf {
        let version = self.binaries.parent().and_then(Path::file_name).expect("a version").display();
        let who = self.postgres.map_or("own", |_| "root");
        let home = std::env::temp_dir().join(format!("sibai-pg-empty-{version}-{who}"));
        fs::create_dir_all(&home).expect("a folder for the template");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("a private folder");
        self.give(&home);
        let lock = File::create(home.with_extension("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        let data = home.join("data");
        if !data.exists() {
            let fresh = home.join("fresh");
            let _ = fs::remove_dir_all(&fresh);
            let made = self
                .run(self.binaries.join("initdb"))
                .args(["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-D"])
                .arg(&fresh)
                .stdout(Stdio::null())
                .status();
            assert!(made.is_ok_and(|status| status.success()), "initdb failed");
            fs::rename(&fresh, &data).expect("the template is in place");
        }
        data
    }
}

fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    found.filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists()).max()
}

/// User and group ids of `postgres`.
fn postgres_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = users.lines().find(|line| line.starts_with("postgres:"))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// On a loaded machine a start takes seconds.
const LONGEST_START: Duration = Duration::from_mins(1);

/// A server that may lose everything needs no disk.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=16MB",
    "max_connections=40",
];
