//! What the store promises, on a fresh database each.
#![allow(clippy::needless_pass_by_value, reason = "stories are given away")]

use std::collections::BTreeMap;

use base::{CallId, Cause, Name, PhoneNumber, RecordingId, Timestamp};
use history::{CallRow, Filter, OpenCall, Origin};
use recordings::{Facts, catalog};
use sip::digest::Algorithm;
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;

use super::journal::Patience;
use super::*;

#[test]
fn a_first_start_makes_secrets_that_are_told_once() {
    each_store(async |house| {
        let House { store, .. } = house;
        let new = store.provision(&extensions(), now()).await.unwrap();
        let told: Vec<&str> = new.passwords.iter().map(|(extension, _)| extension.user.as_str()).collect();
        assert_eq!(told, ["8001", "8002"]);
        let access = store.access(&new.token.unwrap()).await.unwrap().unwrap();
        assert_eq!((access.scopes.as_slice(), access.lines), (Scope::ALL, None));

        let again = store.provision(&extensions(), now()).await.unwrap();
        assert!(again.passwords.is_empty() && again.token.is_none());
    });
}

#[test]
fn a_password_is_kept_as_ha1_of_every_algorithm_and_nowhere_in_clear() {
    each_store(async |house| {
        let House { store, folder, .. } = house;
        let new = store.provision(&extensions(), now()).await.unwrap();
        let (extension, password) = &new.passwords[0];
        let users = store.users(&extensions()).await.unwrap();
        let ha1 = &users[&extension.user].ha1;
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
            let expected = algorithm.ha1(&extension.user, REALM, password);
            assert!(ha1.contains(&(algorithm, expected)), "{algorithm}");
        }
        let token = new.token.unwrap();
        store.close().await;
        for file in fs::read_dir(folder.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            for secret in [password.as_bytes(), token.as_bytes()] {
                assert!(!bytes.windows(secret.len()).any(|part| part == secret));
            }
        }
    });
}

#[test]
fn a_new_password_is_seen_by_a_running_server() {
    each_store(async |house| {
        let House { store, .. } = house;
        let new = store.provision(&extensions(), now()).await.unwrap();
        let before = (store.secrets_version().await.unwrap(), store.users(&extensions()).await.unwrap());
        let changed = store.set_password(&extensions()[0]).await.unwrap();
        assert_ne!(changed, new.passwords[0].1);
        let after = (store.secrets_version().await.unwrap(), store.users(&extensions()).await.unwrap());
        assert!(after.0 > before.0);
        assert_ne!(after.1["8001"], before.1["8001"]);
        assert_eq!(after.1["8002"], before.1["8002"]);
    });
}

#[test]
fn an_extension_that_moves_to_another_line_does_not_take_its_password_along() {
    each_store(async |house| {
        let House { store, .. } = house;
        store.provision(&extensions(), now()).await.unwrap();
        let mut moved = extensions();
        moved[0].line = "lantian".into();
        assert!(!store.users(&moved).await.unwrap().contains_key("8001"));
        let new = store.provision(&moved, now()).await.unwrap();
        assert_eq!(new.passwords.len(), 1);
        assert!(store.users(&moved).await.unwrap().contains_key("8001"));
    });
}

#[test]
fn a_token_opens_what_it_was_made_for_until_it_is_revoked() {
    each_store(async |house| {
        let House { store, .. } = house;
        let lines: [Name; 1] = ["huaning".into()];
        let token = store.new_token("crm", &[Scope::ReadCalls], Some(&lines), now()).await.unwrap();
        let access = store.access(&token).await.unwrap().unwrap();
        assert!(access.allows(Scope::ReadCalls) && !access.allows(Scope::RevealNumbers));
        assert!(access.sees(&"huaning".into()) && !access.sees(&"lantian".into()));

        let mut forged = token.clone();
        forged.replace_range(token.len() - 1.., if token.ends_with('a') { "b" } else { "a" });
        for wrong in [forged.as_str(), "", "sibai_", "sibai_x_y", &token[..token.len() - 1]] {
            assert_eq!(store.access(wrong).await.unwrap(), None, "{wrong}");
        }
        assert!(store.new_token("none", &[], None, now()).await.is_err());
        assert_eq!(store.revoke_token("crm", now()).await.unwrap(), 1);
        assert_eq!(store.access(&token).await.unwrap(), None);
    });
}

#[test]
fn a_call_and_its_recording_end_in_one_commit_and_only_once() {
    each_store(async |house| {
        let House { store, .. } = house;
        let (journal, writer) = Journal::start(store.clone(), quick());
        journal.note(Entry::RecordingOpened(Box::new(facts(5))));
        journal.note(Entry::CallOpened { call: Box::new(up(1)), at: now() });
        for _ in 0..2 {
            journal.note(Entry::CallEnded(Box::new(over(1, Some(5)))));
        }
        drop(journal);
        assert_eq!(writer.await.unwrap().written, 4);
        let mut conn = store.readers().acquire().await.unwrap();
        let call = history::find(&mut conn, CallId::from_u128(1), None).await.unwrap().unwrap();
        assert_eq!(call, over(1, Some(5)));
        let row = catalog::find(&mut conn, RecordingId::from_u128(5)).await.unwrap().unwrap();
        assert_eq!(row.ended, Some(now() + Duration::from_mins(1)));
        assert_eq!(row.consent, recordings::Consent::Withdrawn, "the end's consent is the stronger one");
        drop(conn);
        assert!(store.close_lost(now()).await.unwrap().is_empty());
    });
}

#[test]
fn a_database_that_is_locked_for_a_while_loses_no_call() {
    each_store(async |house| {
        let House { store, .. } = house;
        let (journal, writer) = Journal::start(store.clone(), quick());
        let mut other = house.locked().await;
        for n in 1..=200 {
            assert!(journal.note(Entry::CallEnded(Box::new(over(n, None)))));
        }
        let mut progress = journal.progress();
        progress.wait_for(|progress| progress.retries > 0).await.unwrap();
        sqlx::query("COMMIT").execute(&mut other).await.unwrap();
        drop(journal);
        let done = writer.await.unwrap();
        assert_eq!((done.written, done.refused), (200, 0));
        let mut conn = store.readers().acquire().await.unwrap();
        let page = history::list(&mut conn, &Filter::default(), None, 500).await.unwrap();
        assert_eq!(page.calls.len(), 200);
    });
}

#[test]
fn an_entry_that_can_never_be_written_does_not_hold_up_its_neighbours() {
    each_store(async |house| {
        let House { store, .. } = house;
        let (journal, writer) = Journal::start(store.clone(), quick());
        let bad = RecordingId::from_u128(404);
        let told = journal.note_and_tell(Entry::RecordingAbsent { id: bad, why: "nothing".into() });
        let good = journal.note_and_tell(Entry::CallEnded(Box::new(over(1, None))));
        good.await.unwrap();
        assert!(told.await.is_err(), "whoever waits for it is told");
        drop(journal);
        let done = writer.await.unwrap();
        assert_eq!((done.written, done.refused, done.retries), (1, 1, 0));
    });
}

#[test]
fn a_full_journal_drops_and_counts_and_never_waits() {
    each_store(async |house| {
        let House { store, .. } = house;
        let (journal, writer) = Journal::start(store.clone(), quick());
        // Nothing awaits in between, so the writer cannot have taken anything yet.
        let taken = (0..10_005).filter(|n| journal.note(Entry::CallEnded(Box::new(over(*n, None))))).count();
        assert_eq!((taken, journal.overflowed(), journal.waiting()), (10_000, 5, 10_000));
        drop(journal);
        assert_eq!(writer.await.unwrap().written, 10_000);
    });
}

#[test]
fn a_stop_does_not_hang_for_a_database_that_stays_away() {
    each_store(async |house| {
        let House { store, .. } = house;
        let patience = Patience { at_the_end: Duration::ZERO, ..quick() };
        let (journal, writer) = Journal::start(store.clone(), patience);
        let _other = house.locked().await;
        journal.note(Entry::CallEnded(Box::new(over(1, None))));
        drop(journal);
        assert_eq!(writer.await.unwrap().refused, 1);
    });
}

#[test]
fn a_killed_process_leaves_one_record_per_call() {
    each_store(async |house| {
        let House { store, folder, .. } = house;
        let (journal, writer) = Journal::start(store.clone(), quick());
        journal.note(Entry::CallOpened { call: Box::new(up(1)), at: now() });
        journal.note(Entry::CallOpened { call: Box::new(up(2)), at: now() });
        journal.note(Entry::CallEnded(Box::new(over(2, None))));
        drop(journal);
        writer.await.unwrap();
        store.tend(now() + Duration::from_secs(5)).await.unwrap();
        store.close().await;

        let store = Store::open(&house.url, folder.path()).await.unwrap();
        let lost = store.close_lost(now() + Duration::from_mins(1)).await.unwrap();
        assert_eq!(lost.len(), 1);
        assert_eq!((lost[0].cause, lost[0].lasted_ms), (Some(Cause::NodeLost), 5_000));
        assert!(store.close_lost(now()).await.unwrap().is_empty());
    });
}

#[test]
fn a_url_that_names_no_database_is_told_in_one_sentence() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        for url in
            ["", "mysql://x/y", "sqlite://", "sqlite://:memory:", "sqlite://a.db?mode=memory", "sqlite:a"]
        {
            let fault = Store::open(url, folder.path()).await.unwrap_err().to_string();
            assert!(fault.starts_with("database.url"), "{url}: {fault}");
        }
        let missing = Store::open("sqlite:///proc/nowhere/a.db", folder.path()).await.unwrap_err();
        assert!(missing.to_string().contains("/proc/nowhere/a.db cannot be written"), "{missing}");
    });
}

#[test]
fn a_folder_with_odd_letters_holds_a_database_that_only_we_can_read() {
    use std::os::unix::fs::PermissionsExt;
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("100% 录音 #1?");
        let store = Store::open("sqlite://sibai.db", &odd).await.unwrap();
        assert!(store.answers().await);
        let name = store.node().to_owned();
        store.close().await;
        let mode = fs::metadata(odd.join("sibai.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Store::open("sqlite://sibai.db", &odd).await.unwrap();
        assert_eq!(again.node(), name);
    });
}

fn quick() -> Patience {
    Patience { first: Duration::from_millis(1), most: Duration::from_millis(5), ..Patience::default() }
}

fn now() -> Timestamp {
    "2026-10-12T02:00:00Z".parse().unwrap()
}

fn extensions() -> Vec<Extension> {
    let plan: BTreeMap<Name, (Name, Name)> = [("8001", "li_na"), ("8002", "wang")]
        .map(|(user, seat)| (user.into(), ("huaning".into(), seat.into())))
        .into();
    Extension::all(&plan)
}

fn up(n: u128) -> OpenCall {
    OpenCall {
        id: CallId::from_u128(n),
        line: Some("huaning".into()),
        number: PhoneNumber::normalise("4005550100"),
        dialled: "4005550100".into(),
        caller: PhoneNumber::normalise("13800138000"),
        internal: false,
        started: now(),
        answered_ms: Some(20),
        connected_ms: None,
        queue: None,
        seat: None,
        transfers: Vec::new(),
        recording: None,
        consent: "notice_given".into(),
        sip_call_id: "a@b".into(),
    }
}

fn over(n: u128, recording: Option<u128>) -> CallRow {
    CallRow {
        id: CallId::from_u128(n),
        origin: Origin::Engine,
        line: Some("huaning".into()),
        number: PhoneNumber::normalise("4005550100"),
        dialled: "4005550100".into(),
        diverted: Vec::new(),
        caller: PhoneNumber::normalise("13800138000"),
        internal: false,
        started: now(),
        answered_ms: Some(20),
        connected_ms: Some(1_000),
        lasted_ms: 60_000,
        talked_ms: 59_000,
        waited_ms: 500,
        cause: Some(Cause::CallerHungUp),
        keys: "21".into(),
        menus: vec!["main".into()],
        queue: Some("repair".into()),
        seat: Some("li_na".into()),
        transfers: Vec::new(),
        recording: recording.map(RecordingId::from_u128),
        consent: "withdrawn".into(),
        sip_call_id: "a@b".into(),
        legs: Vec::new(),
    }
}

fn facts(n: u128) -> Facts {
    Facts {
        recording: RecordingId::from_u128(n),
        call: CallId::from_u128(1),
        line: "huaning".into(),
        number: PhoneNumber::normalise("4005550100").unwrap(),
        caller: PhoneNumber::normalise("13800138000"),
        queue: Some("repair".into()),
        seat: Some("li_na".into()),
        kind: recordings::Kind::Call,
        consent: recordings::Consent::NoticeGiven,
        started: now(),
        caller_codec: codecs::Coding::Pcma,
        seat_codec: codecs::Coding::Pcma,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A store on a fresh database of each kind.
struct House {
    store: Store,
    folder: TempDir,
    url: String,
    /// To come from outside with.
    database: test_store::Store,
}

impl House {
    /// Another program that keeps everybody from writing calls until it commits.
    async fn locked(&self) -> AnyConnection {
        let sqlite = self.database.kind == "sqlite";
        let file = format!("sqlite://{}", self.folder.path().join("sibai.db").display());
        let url = if sqlite { &file } else { &self.url };
        let mut other = AnyConnection::connect(url).await.unwrap();
        let begin = if sqlite { "BEGIN EXCLUSIVE" } else { "BEGIN" };
        sqlx::query(begin).execute(&mut other).await.unwrap();
        if !sqlite {
            sqlx::query("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE").execute(&mut other).await.unwrap();
        }
        other
    }
}

fn each_store(told: impl AsyncFn(&House)) {
    test_store::each_store(async |database| {
        let folder = tempfile::tempdir().unwrap();
        let url =
            if database.kind == "sqlite" { "sqlite://sibai.db".to_owned() } else { database.url.clone() };
        let store = Store::open(&url, folder.path()).await.unwrap();
        let house = House { store, folder, url, database };
        told(&house).await;
        house.store.close().await;
    });
}

#[test]
fn a_ban_is_kept_replaced_lifted_and_forgotten() {
    each_store(async |house| {
        let House { store, .. } = house;
        let ban = |source: &str, offences| sip::seam::Ban {
            source: source.parse().unwrap(),
            until: now(),
            length: Duration::from_mins(10),
            offences,
        };
        let (journal, done) = Journal::start(store.clone(), Patience::default());
        for entry in [ban("203.0.113.1", 1), ban("2001:db8::", 1), ban("203.0.113.1", 2)] {
            journal.note(Entry::Banned(entry));
        }
        journal.note_and_tell(Entry::Banned(ban("203.0.113.3", 1))).await.unwrap();
        journal.note_and_tell(Entry::Unbanned("203.0.113.3".parse().unwrap())).await.unwrap();
        assert_eq!(store.bans().await.unwrap(), [ban("2001:db8::", 1), ban("203.0.113.1", 2)]);
        assert!(store.lift_ban("203.0.113.1".parse().unwrap()).await.unwrap());
        assert!(!store.lift_ban("203.0.113.9".parse().unwrap()).await.unwrap());
        assert_eq!(store.banned().await.unwrap(), [ban("2001:db8::", 1)]);
        assert_eq!(store.lifted_bans().await.unwrap(), ["203.0.113.1".parse::<std::net::IpAddr>().unwrap()]);
        assert!(store.lifted_bans().await.unwrap().is_empty(), "told once");
        assert_eq!(store.bans().await.unwrap().len(), 1);
        drop(journal);
        done.await.unwrap();
    });
}
