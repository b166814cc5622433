//! The damage report: what is intact, what the index still knows of the rest, and what may be done;
//! the same from `verify` and from a start that refuses.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{Client, Shape, event};
use crate::process::{Ended, Oncelog, Starting, run_command, serve_command};
use crate::scene::{mixed_store, says, shown, verify};
use crate::store::{damage, frames, segments, store_of_three_lives};
use crate::tree::copy;

fn choices(said: &Value) -> Vec<&str> {
    let of = said["choices"].as_array().expect("choices");
    of.iter()
        .map(|choice| choice["what"].as_str().expect("words"))
        .collect()
}

fn refused(data_dir: &Path) -> Ended {
    let ended = run_command(serve_command(data_dir, &[]));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    ended
}

#[test]
fn what_is_damaged_is_told_with_what_the_index_knows_of_it() {
    let store = mixed_store();
    // A batch of repeats, of which two are of events that are damaged with it.
    let server = Oncelog::start(store.path());
    let repeats = ["0-0", "1-0", "new", "new"].map(|id| event("orders", id, r#"{"n": 1}"#));
    let other = event("users", "u", "1");
    let client = Client::new(server.address);
    client.publish(Shape::Array.body(&[&repeats[..], &[other]].concat()));
    assert_eq!(server.terminate().code, Some(0));
    damage(store.path(), 61);
    let said = says(store.path(), &["--log-only"], 1);
    let known = &said["damaged_events"];
    let counts = ["stored", "repeats", "repeats_of_intact", "topics_total"];
    let counts = counts.map(|name| known[name].as_u64().expect("a number"));
    assert_eq!(counts, [2, 3, 2, 2]);
    let topics = json!([{ "name": "orders", "events": 1 }, { "name": "users", "events": 1 }]);
    assert_eq!(known["topics"], topics);
    let events = known["events"].as_array().expect("events");
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let number = |name: &str| event[name].as_u64().expect("a seq");
            let verdict = event["verdict"].as_str().expect("a verdict");
            (
                number("seq"),
                verdict,
                number("original_seq"),
                event["topic"].as_str(),
            )
        })
        .collect();
    let expected = [
        (61, "duplicate", 1, None),
        (62, "duplicate", 11, None),
        (63, "stored", 63, Some("orders")),
        (64, "duplicate", 63, None),
        (65, "stored", 65, Some("users")),
    ];
    assert_eq!(told, expected);
    // The keys are those that a publisher can work out of its ids.
    let keys: Vec<_> = events.iter().map(|event| event["key"].as_str()).collect();
    assert_eq!(keys[2], keys[3]);
    assert!(
        keys.iter()
            .all(|key| key.is_some_and(|key| key.len() == 32)),
        "{keys:?}"
    );
    assert_eq!(says(store.path(), &[], 1)["damaged_events"], *known);

    // Without its index nobody knows.
    fs::remove_dir_all(store.path().join("index")).expect("the index");
    let said = says(store.path(), &[], 1);
    assert_eq!(said["damaged_events"], Value::Null);
}

#[test]
fn it_is_the_same_to_people_and_from_a_start_that_refuses() {
    let store = mixed_store();
    let frame = damage(store.path(), 25);
    let text = shown(store.path(), &[], 1);
    let dir = store.path().to_string_lossy();
    let log_id = says(store.path(), &["--log-only"], 1)["log"]["log_id"].clone();
    let log_id = log_id.as_str().expect("an id");
    let segment = &frame.segment;
    let keys: Vec<String> = says(store.path(), &[], 1)["damaged_events"]["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["key"].as_str().expect("a key").to_owned())
        .collect();
    let mut known = String::new();
    for (number, key) in keys.iter().enumerate() {
        known += &match number {
            8 => format!("            seq 29: duplicate of 21, key {key}\n"),
            9 => format!("            seq 30: conflict of 22, key {key}\n"),
            other => format!(
                "            seq {}: topic \"orders\", key {key}\n",
                21 + other
            ),
        };
    }
    let report = format!(
        "DAMAGE      segment {segment} is damaged at offsets {} to {}, seqs 21 to 30 lost: the \
         payload's checksum does not match (it was durable: the frame at offset {} proves it up \
         to seq ",
        frame.offset,
        frame.end(),
        frame.end()
    );
    let seqs = format!(
        "intact      seqs 1 to 20, 31 to 60 (50)
damaged     seqs 21 to 30 (10), or gone
            the index knows of them: 8 had been stored, 2 were repeats (0 of events that are intact: these lose nothing)
            topic \"orders\": 8
{known}proven      all of it was durable
"
    );
    let choices = format!(
        "choices     1. keep a copy of the whole directory; then put {segment} of log {log_id} back from a backup, if it is whole there
               loses nothing
            2. see what a repair would keep, and then let it take the damage out (--yes)
               oncelog repair --data-dir {dir}
               loses 10 events, which may be sent again; all others keep seq, time and verdict
            3. take out what is intact, and publish it into a new store
               oncelog dump --data-dir {dir} --json > intact.ndjson; oncelog publish intact.ndjson
               loses 10 events; the seqs, which are given anew; and times of arrival
            4. restore the last backup of log/, without index/
               loses what came after it, but for what publishers send again
"
    );
    let from_verify = "\
index       equal: 37 rows up to seq 20; the log is not whole behind it, which goes up to seq 60
folded      40 unique, 10 duplicates (5 conflicts among them), 10 lost
            fold_hash <hash>
";
    let end = "verified    NOT WELL: the log is damaged in one place\n";
    assert!(text.contains(&report), "{text}");
    let expected = [&seqs, from_verify, &choices, end].concat();
    assert!(text.ends_with(&expected), "{text}\n{expected}");

    let said = refused(store.path()).stderr;
    let (refusal, rest) = said.split_once("\nDAMAGE ").expect("a report");
    assert!(
        refusal.contains("see \"Damage\" in docs/operations.md"),
        "{said}"
    );
    assert!(format!("DAMAGE {rest}").starts_with(&report), "{said}");
    assert!(said.ends_with(&[seqs, choices].concat()), "{said}");
}

/// Each command that is named is one that works on this store, and gives what it says.
#[test]
fn what_it_advises_can_be_done() {
    let store = mixed_store();
    let whole = tempfile::tempdir().expect("a directory");
    copy(store.path(), whole.path());
    damage(store.path(), 25);
    let said = says(store.path(), &[], 1);
    let command = said["choices"][2]["command"].as_str().expect("a command");
    let new = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(new.path());
    let binary = crate::process::command().get_program().to_owned();
    let dir = Path::new(&binary).parent().expect("a directory").to_owned();
    let mut paths = vec![dir];
    paths.extend(std::env::split_paths(
        &std::env::var_os("PATH").expect("a PATH"),
    ));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", command]).current_dir(new.path());
    shell.env("PATH", std::env::join_paths(paths).expect("a PATH"));
    shell.env("ONCELOG_URL", format!("http://{}", server.address));
    let ended = run_command(shell);
    // The damage in the dump is refused by name, and all else is sent.
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let stats = Client::new(server.address).settled();
    assert_eq!((stats.received, stats.unique_processed), (50, 40));

    // The repair, on a copy.
    let mended = tempfile::tempdir().expect("a directory");
    copy(store.path(), mended.path());
    let command = said["choices"][1]["command"].as_str().expect("a command");
    let arguments = command.split_whitespace().skip(1);
    let of_copy = |argument: &str| match argument == store.path().to_string_lossy() {
        true => mended.path().to_string_lossy().into_owned(),
        false => argument.to_owned(),
    };
    let mut repair = crate::process::command();
    repair.args(arguments.map(of_copy)).arg("--yes");
    let ended = run_command(repair);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    says(mended.path(), &[], 0);

    // The first: the segment of the backup.
    let name = segments(store.path())[0]
        .file_name()
        .expect("a name")
        .to_owned();
    fs::copy(
        whole.path().join("log").join(&name),
        segments(store.path())[0].clone(),
    )
    .expect("it");
    says(store.path(), &[], 0);
}

#[test]
fn a_log_that_is_only_short_may_go_on() {
    let store = mixed_store();
    let segment = segments(store.path()).pop().expect("a segment");
    let all = frames(store.path());
    let cut = all.iter().find(|frame| frame.first_seq == 51).expect("it");
    let bytes = fs::read(&segment).expect("the segment");
    fs::write(&segment, &bytes[..cut.offset]).expect("the segment");
    let said = says(store.path(), &[], 1);
    let named = choices(&said);
    assert_eq!(named.len(), 5, "{named:?}");
    assert!(
        named[4].starts_with("move index/ away and start"),
        "{named:?}"
    );
    let loses = "10 events, whose seqs are given to others";
    assert_eq!(said["choices"][4]["loses"], loses);
    assert!(refused(store.path()).stderr.contains(loses));
    fs::rename(store.path().join("index"), store.path().join("away")).expect("it");
    let server = Oncelog::start(store.path());
    assert_eq!(Client::new(server.address).settled().received, 50);
}

#[test]
fn an_index_that_is_wrong_is_made_anew_and_nothing_is_lost() {
    let store = mixed_store();
    fs::write(store.path().join("index/index.sqlite3"), [7; 8192]).expect("it");
    let said = says(store.path(), &[], 1);
    let dir = store.path().to_string_lossy();
    let expected = format!("oncelog rebuild --data-dir {dir}");
    assert_eq!(said["choices"][0]["command"], expected);
    assert_eq!(said["choices"][0]["loses"], "nothing");
}

/// Of a start that a later version's log refuses there is nothing to report; of one that is
/// refused by a missing segment all the others are looked at.
#[test]
fn a_start_that_refuses_reports_where_it_can() {
    let store = store_of_three_lives();
    fs::remove_file(&segments(store.path())[1]).expect("it");
    let said = refused(store.path()).stderr;
    assert!(
        said.contains("\nintact      seqs 1 to 3, 7 to 9 (6)\n"),
        "{said}"
    );
    let later = mixed_store();
    let meta = later.path().join("log/log.meta");
    let mut bytes = fs::read(&meta).expect("log.meta");
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&meta, bytes).expect("log.meta");
    let said = refused(later.path()).stderr;
    assert!(
        !said.contains("intact") && !said.contains("report"),
        "{said}"
    );
    assert_eq!(verify(later.path(), &[]).code, Some(2));
}

/// What ends the report early changes nothing of why the start was refused.
#[test]
fn a_signal_while_the_report_is_made_leaves_the_code_of_the_refusal() {
    let store = store_of_three_lives();
    damage(store.path(), 1);
    // Zeros without blocks, in which frames are looked for: that takes a while.
    let first = &segments(store.path())[0];
    let first = fs::OpenOptions::new().write(true).open(first);
    let first = first.expect("a segment");
    first.set_len(4 << 30).expect("it gets longer");
    for signal in [Signal::TERM, Signal::INT] {
        let scratch = tempfile::tempdir().expect("a directory");
        let mut serve = serve_command(store.path(), &[]);
        serve.env("TMPDIR", scratch.path());
        let mut starting = Starting::spawn(serve);
        starting.wait_for_line("starting again will not help");
        starting.signal(signal);
        let ended = starting.end();
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(!ended.stderr.contains("choices"), "{}", ended.stderr);
        let left = fs::read_dir(scratch.path()).expect("a directory").count();
        assert_eq!(left, 0);
    }
}
