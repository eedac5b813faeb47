//! Stories of folders: the shipped one, the empty one, and what goes wrong between files.

mod trunks;

use std::fs;
use std::path::Path;

use jiff::civil::date;
use tempfile::TempDir;

use super::*;

fn today() -> Date {
    date(2026, 10, 12)
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

/// A folder with this engine.yaml and these lines (name, line.yaml).
fn folder(engine: &str, lines: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("engine.yaml"), engine).unwrap();
    for (name, text) in lines {
        let line = folder.path().join("lines").join(name);
        fs::create_dir_all(&line).unwrap();
        fs::write(line.join("line.yaml"), text).unwrap();
        fs::write(line.join("a.wav"), b"").unwrap();
    }
    folder
}

/// The engine of an engine.yaml with these lines, for tests elsewhere.
pub(crate) fn engine(yaml: &str) -> Engine {
    let folder = folder(&format!("{ENGINE}{yaml}\n"), &[("one", LINE)]);
    load(folder.path(), today()).engine.unwrap()
}

fn codes(loaded: &Loaded) -> Vec<(String, u32, &'static str)> {
    loaded.faults.iter().map(|fault| (fault.place.file.to_string(), fault.place.line, fault.code)).collect()
}

const ENGINE: &str = "format: engine/v1\n";

const LINE: &str = "\
format: line/v1
line: { name: 一, max_calls: 2, start: answer }
numbers:
  - number: \"400-555-0100\"
prompts:
  hello: { file: a.wav }
  press_to_accept: { file: a.wav }
seats:
  li: { name: 李, ext: \"8001\" }
queues:
  q:
    ring: { strategy: parallel, seats: [li] }
    when_no_seats: []
    when_full: []
    when_timed_out: []
flows:
  answer:
    - play: hello
    - queue: q
";

#[test]
fn the_shipped_folder_and_the_built_in_one_are_the_same_and_faultless() {
    let (disk, inside) = (load(&shipped(), today()), built_in(today()));
    for loaded in [&disk, &inside] {
        assert!(loaded.faults.is_empty(), "{}", report(loaded));
        let plan = loaded.plan.as_ref().unwrap();
        assert_eq!(plan.lines.len(), 1);
        assert_eq!(plan.numbers.len(), 2, "the 400 number and its landing number");
        assert_eq!(plan.extensions.len(), 4);
        assert_eq!(loaded.prompt_files.len(), 12);
        for prompt in &loaded.prompt_files {
            assert!(loaded.read(&prompt.path).unwrap().starts_with(b"RIFF"), "{}", prompt.path);
        }
    }
    assert_eq!(disk.engine, inside.engine);
    assert_eq!(disk.prompt_files, inside.prompt_files);
    assert!(disk.engine.unwrap().all_trunks_on_loopback());
}

#[test]
fn the_built_in_list_is_the_shipped_folder() {
    fn walk(base: &Path, at: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, found);
            } else {
                found.push(path.strip_prefix(base).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&shipped(), &shipped(), &mut found);
    found.retain(|path| !path.starts_with("schema/") && !path.ends_with(".test.yaml"));
    found.sort();
    let mut inside: Vec<&str> = embedded::paths().collect();
    inside.sort_unstable();
    assert_eq!(inside, found);
}

#[test]
fn an_engine_file_that_says_only_its_format_is_all_defaults_and_the_shipped_one_writes_them_out() {
    let folder = folder(ENGINE, &[("one", LINE)]);
    let loaded = load(folder.path(), today());
    assert!(loaded.faults.is_empty(), "{}", report(&loaded));
    let (bare, full) = (loaded.engine.unwrap(), load(&shipped(), today()).engine.unwrap());
    assert_eq!(bare.sip, full.sip);
    assert_eq!(bare.rtp, full.rtp);
    assert_eq!(bare.database, full.database);
    assert_eq!(bare.recordings, full.recordings);
    assert_eq!(bare.api, full.api);
    assert_eq!(bare.limits.max_calls, 200);
    assert!(bare.trunks.is_empty());
    assert_eq!(loaded.plan.unwrap().limits.max_call.as_secs(), 4 * 3600);
}

#[test]
fn every_fault_of_every_file_is_told_at_once_with_its_place() {
    let engine = "format: engine/v1\nsip:\n  lisen: []\napi: { listen: nowhere }\n";
    let line = LINE.replace("queue: q", "queue: qq").replace("8001\"", "8001\", phon: x");
    let folder = folder(engine, &[("one", &line), ("Two", LINE)]);
    let loaded = load(folder.path(), today());
    assert!(loaded.plan.is_none() && loaded.engine.is_none());
    assert_eq!(
        codes(&loaded),
        [
            ("engine.yaml".to_owned(), 3, "E011"),
            ("engine.yaml".to_owned(), 4, "E182"),
            ("lines/Two".to_owned(), 1, "E020"),
            ("lines/one/line.yaml".to_owned(), 9, "E011"),
            ("lines/one/line.yaml".to_owned(), 19, "E110"),
        ]
    );
    let report = report(&loaded);
    assert!(report.contains(&format!("{}/engine.yaml:3:3  E011", folder.path().display())), "{report}");
    assert!(
        report.contains("did you mean `listen`?") && report.contains("did you mean `phone`?"),
        "{report}"
    );
    assert!(report.ends_with("errors: 5, warnings: 0\n"), "{report}");
}

#[test]
fn two_lines_cannot_own_one_number_or_extension() {
    let second = LINE.replace("400-555-0100\"", "4005550199\"\n    arrives_as: [\"400 555 0100\"]");
    let folder = folder(ENGINE, &[("one", LINE), ("two", &second)]);
    let loaded = load(folder.path(), today());
    let path = "lines/two/line.yaml".to_owned();
    assert_eq!(codes(&loaded), [(path.clone(), 5, "E156"), (path, 10, "E154")]);
    assert!(loaded.plan.is_none());
}

#[test]
fn an_outside_seat_needs_a_trunk_that_may_show_a_number() {
    let line = LINE.replace("ext: \"8001\"", "phone: \"13800138001\", confirm: \"1\"");
    let with = |trunk: &str| {
        let folder = folder(&format!("{ENGINE}trunks:\n  - {{ name: a, {trunk} }}\n"), &[("one", &line)]);
        codes(&load(folder.path(), today()))
    };
    assert_eq!(with("host: 127.0.0.1, caller_id: \"0571-55550100\""), []);
    assert_eq!(with("host: 127.0.0.1"), [("lines/one/line.yaml".to_owned(), 9, "E180")]);
    assert_eq!(with("allow_from: [127.0.0.1], caller_id: \"010-12345678\"")[0].2, "E180");
    assert_eq!(with("host: 127.0.0.1, caller_id: \"400-555-0100\""), [("engine.yaml".to_owned(), 3, "E180")]);
    let allowed = line.replace("0100\"\n", "0100\"\n    may_call_out: true\n");
    let engine =
        format!("{ENGINE}trunks:\n  - {{ name: a, host: 127.0.0.1, caller_id: \"400-555-0100\" }}\n");
    let folder = folder(&engine, &[("one", &allowed)]);
    assert_eq!(codes(&load(folder.path(), today())), []);
}

#[test]
fn secrets_come_from_the_environment_and_never_from_the_file() {
    let load = |trunk: &str| {
        let folder = folder(
            &format!("{ENGINE}trunks:\n  - {{ name: a, host: carrier.example, {trunk} }}\n"),
            &[("one", LINE)],
        );
        let variable =
            |name: &str| (name == "A_USER" || name == "A_WORD").then(|| format!("value of {name}"));
        load_from(Folder::Disk(folder.path().to_owned()), today(), &variable)
    };
    let fine = load("allow_from: [203.0.113.0/24], user: env:A_USER, password: env:A_WORD");
    assert_eq!(codes(&fine), []);
    let trunk = &fine.engine.as_ref().unwrap().trunks[0];
    assert_eq!(trunk.password.as_deref(), Some("value of A_WORD"));
    assert!(!format!("{:?}", fine.engine).contains("value of"), "secrets stay out of logs");
    assert!(!fine.engine.as_ref().unwrap().all_trunks_on_loopback());

    let literal = load("allow_from: [203.0.113.0/24], user: env:A_USER, password: hunter22");
    assert_eq!(codes(&literal)[0].2, "E160");
    let unset = load("allow_from: [203.0.113.0/24], user: env:A_USER, password: env:NOT_THERE");
    assert_eq!(codes(&unset)[0].2, "W161");
    assert!(unset.plan.is_some(), "a warning keeps nobody from checking elsewhere");
    let by_name = load("max_calls: 5");
    assert_eq!(codes(&by_name), [], "DNS will say where its calls come from");
    let engine = by_name.engine.unwrap();
    assert!(engine.trunks[0].allow_from.is_empty() && !engine.all_trunks_on_loopback());
}

#[test]
fn what_an_operator_may_write_into_engine_yaml_is_understood() {
    let engine = "\
format: engine/v1
sip:
  listen: [\"udp://0.0.0.0:5060\", { on: \"udp://[::1]:5070\", digest: [sha-512-256, sha-256, md5] }]
  public_address: 203.0.113.10
  local_networks: [\"192.168.1.0/24\"]
  answer_unknown_options: true
  name_servers: [10.0.0.2, \"[fd00::2]:5353\"]
  limits: { calls_per_second: 7, registrations_per_second: 9 }
rtp: { ports: [30000, 31999], codecs: [pcmu], workers: 3, realtime: false, web_port: 29997 }
trunks:
  - { name: b, host: \"127.0.0.1:5080\", transport: tcp, max_calls: 7 }
limits: { max_calls: 100, max_call: 1h, max_setup: 90s, confirm_within: 8s }
";
    let folder = folder(engine, &[("one", LINE)]);
    let loaded = load(folder.path(), today());
    assert!(loaded.faults.is_empty(), "{}", report(&loaded));
    let engine = loaded.engine.unwrap();
    assert_eq!(engine.sip.listen[0].digest, [sip::Algorithm::Md5]);
    assert_eq!(engine.sip.listen[1].digest.len(), 3);
    assert_eq!(engine.sip.listen[1].address, "[::1]:5070".parse().unwrap());
    assert!(engine.sip.answer_unknown_options);
    assert_eq!(engine.sip.name_servers, ["10.0.0.2:53", "[fd00::2]:5353"].map(|at| at.parse().unwrap()));
    assert_eq!(engine.sip.limits, sip::admission::Limits::of(7, 9));
    assert_eq!(engine.rtp.codecs, [codecs::Coding::Pcmu]);
    assert_eq!(
        (engine.rtp.workers, engine.rtp.realtime, engine.rtp.web_port),
        (Some(3), false, Some(29_997))
    );
    assert_eq!(engine.trunks[0].allow_from, ["127.0.0.1:5080".parse().unwrap()]);
    assert_eq!(engine.limits.confirm_within.as_secs(), 8);
}

#[test]
fn what_cannot_be_meant_in_engine_yaml_is_refused() {
    for (yaml, code) in [
        ("sip: { listen: [\"udp:127.0.0.1:5060\"] }", "E182"),
        ("sip: { listen: [\"udp://127.0.0.1:5060\", \"udp://127.0.0.1:5060\"] }", "E181"),
        ("sip: { listen: [\"tls://127.0.0.1:5061\"] }", "E190"),
        ("sip: { listen: [{ on: \"wss://[::1]:443\" }] }", "E190"),
        ("sip: { listen: [\"sctp://127.0.0.1:5061\"] }", "E182"),
        ("sip: { tls: { certificate: a.pem } }", "E013"),
        ("sip: { tls: { certificate: a.pem, key: a.pem } }", "E190"),
        ("sip: { ws_origins: [desk.example] }", "E182"),
        ("trunks: [{ name: a, host: 127.0.0.1, ca: a.pem }]", "E190"),
        ("trunks: [{ name: a, host: 127.0.0.1, transport: tls, ca: a.pem }]", "E190"),
        ("trunks: [{ name: a, host: 127.0.0.1, transport: tls, ca: engine.yaml }]", "E190"),
        ("trunks: [{ name: a, host: 127.0.0.1, transport: tls, key: engine.yaml, ca: engine.yaml }]", "E013"),
        (
            "trunks: [{ name: a, host: 127.0.0.1, transport: tls, tls_name: \"a b\", ca: engine.yaml }]",
            "E182",
        ),
        ("trunks: [{ name: a, tls_client: a.example }]", "E190"),
        ("sip: { public_address: home }", "E182"),
        ("sip: { local_networks: [10.0.0.0/99] }", "E182"),
        ("sip: { name_servers: [dns.example] }", "E182"),
        ("sip: { name_servers: [\"10.0.0.2:70000\"] }", "E182"),
        ("sip: { digest: [md4] }", "E015"),
        ("sip: { answer_unknown_options: maybe }", "E014"),
        ("sip: { limits: { calls_per_second: 0 } }", "E015"),
        ("rtp: { ports: 20000-20999 }", "E014"),
        ("rtp: { ports: [20999, 20000] }", "E015"),
        ("rtp: { ports: [20000, 20100] }", "W185"),
        ("limits: { max_calls: 5000 }", "W185"),
        ("rtp: { codecs: [gsm] }", "E015"),
        ("rtp: { srtp: maybe }", "E015"),
        ("rtp: { workers: 0 }", "E015"),
        ("rtp: { workers: 65 }", "E015"),
        ("rtp: { workers: some }", "E014"),
        ("rtp: { realtime: fifo }", "E014"),
        ("rtp: { web_port: 443 }", "E015"),
        ("rtp: { web_port: 20999 }", "E015"),
        ("rtp: { web_port: 19999, workers: 2 }", "E015"),
        ("rtp: { web_port: 19993 }", "E015"),
        ("rtp: { web_port: 65535, workers: 2 }", "E015"),
        ("rtp: { web_port: 65529 }", "E015"),
        ("trunks: [{ name: a }]", "E013"),
        ("trunks: [{ name: a, host: 300.1.1.1 }]", "E182"),
        ("trunks: [{ name: a, host: 127.0.0.1 }, { name: a, host: 127.0.0.2 }]", "E181"),
        ("trunks: [{ name: a, host: 127.0.0.1, user: env:PATH }]", "E013"),
        ("trunks: [{ name: a, host: 127.0.0.1, caller_id: 057155550100 }]", "E203"),
        ("database: { url: mysql://x }", "E182"),
        ("database: { url: \"postgres://me:word@db/x\" }", "E160"),
        ("recordings: { keep_free: 10 }", "E015"),
        ("recordings: { copy_to: { s3: env:B } }", "E012"),
        ("api: { listen: 8080 }", "E182"),
        ("api: { tokens: [] }", "E012"),
        ("limits: { max_call: 4 }", "E016"),
        ("apis: {}", "E012"),
    ] {
        let folder = folder(&format!("{ENGINE}{yaml}\n"), &[("one", LINE)]);
        let loaded = load(folder.path(), today());
        assert_eq!(loaded.faults.first().map(|fault| fault.code), Some(code), "{yaml}\n{}", report(&loaded));
    }
}

#[test]
fn a_wrong_folder_says_what_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let loaded = load(empty.path(), today());
    assert_eq!(codes(&loaded), [("engine.yaml".to_owned(), 1, "E001"), ("lines".to_owned(), 1, "E183")]);
    assert!(find(Some(empty.path().join("nowhere")), today()).is_err());

    let folder = folder(ENGINE, &[("one", LINE)]);
    fs::write(folder.path().join("lines/one/more.yml"), "format: line/v1\n").unwrap();
    fs::write(folder.path().join("lines/one/line.test.yaml"), "not: read\n").unwrap();
    fs::write(folder.path().join("lines/one/bytes.yaml"), [0xFF, 0xFE]).unwrap();
    let loaded = load(folder.path(), today());
    let files: Vec<_> = codes(&loaded).into_iter().map(|(file, _, code)| (file, code)).collect();
    assert_eq!(
        files,
        [("lines/one/bytes.yaml".to_owned(), "E001"), ("lines/one/more.yml".to_owned(), "E001")]
    );
}

#[test]
fn a_calendar_that_is_over_fails_the_check_but_the_line_still_answers() {
    let loaded = built_in(date(2027, 3, 1));
    assert!(loaded.plan.is_some());
    assert!(loaded.faults.iter().any(Fault::is_error));
    assert!(warnings(&loaded).contains("E171"), "{}", warnings(&loaded));
    assert!(report(&loaded).contains("errors: 1"), "{}", report(&loaded));
}

#[test]
fn schema_and_reference_are_those_of_the_table() {
    let committed = fs::read_to_string(shipped().join("schema/engine.v1.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&committed).unwrap(), engine_schema());
    let reference = fs::read_to_string(shipped().join("../docs/configuration.md")).unwrap();
    for row in engine_reference().into_iter().flat_map(|(_, rows)| rows) {
        assert!(reference.lines().any(|line| line == row), "docs/configuration.md lacks the row\n{row}");
    }
}

#[test]
fn certificates_are_tried_before_anybody_calls() {
    let made = |year: i32| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["pbx.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 10, 20);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((good, key), (soon, soon_key), (late, late_key)) = (made(2031), made(2026), made(2025));
    let yaml = "sip: { listen: [\"tls://127.0.0.1:5061\"], tls: { certificate: c.pem, key: k.pem, client_ca: c.pem } }";
    for (certificate, key, expected) in [
        (&good, &key, None),
        (&soon, &soon_key, Some("W190")),
        (&late, &late_key, Some("W190")),
        (&good, &soon_key, Some("E190")),
        (&key, &key, Some("E190")),
        (&good, &good, Some("E190")),
    ] {
        let folder = folder(&format!("{ENGINE}{yaml}\n"), &[("one", LINE)]);
        fs::write(folder.path().join("c.pem"), certificate).unwrap();
        fs::write(folder.path().join("k.pem"), key).unwrap();
        let loaded = load(folder.path(), today());
        let found = loaded.faults.first().map(|fault| fault.code);
        assert_eq!(found, expected, "{:?}", loaded.faults);
        assert_eq!(loaded.plan.is_some(), expected != Some("E190"));
    }
}
