//! `oncelog publish` against a server that is well: what it reads, what it keeps, and how it
//! ends.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
    pub mod publish;
}

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde::Deserialize;
use support::client::event;
use support::dump::{dump, dump_events};
use support::publish::{Files, Store, ids, ndjson, publish, publish_stdin, real_events};

#[test]
fn the_real_events_are_stored_once_and_a_second_run_adds_only_duplicates() {
    let server = Store::start();
    let file = real_events();
    let file = file.to_str().expect("UTF-8");
    let (first, _) = publish(&server.url, &[file], 0);
    assert_eq!(first.counts(), (255, 255, 0, 0, 0));
    assert_eq!((first.first_seq, first.last_seq), (Some(1), Some(255)));
    let (second, _) = publish(&server.url, &[file], 0);
    assert_eq!(second.counts(), (255, 0, 255, 0, 0));
    assert_eq!((second.first_seq, second.last_seq), (Some(256), Some(510)));
    assert_eq!(server.client.settled().counts(), (510, 255, 255, 0));
    let sent = fs::read_to_string(file).expect("the real events");
    let stored = server.client.events("");
    assert_eq!(stored.len(), 255);
    for (stored, sent) in stored.iter().zip(sent.lines()) {
        assert!(sent.contains(stored.payload.get()), "byte for byte: {sent}");
        assert!(sent.contains(&stored.event_id));
    }
}

#[test]
fn an_array_and_standard_input_give_the_same_log_as_lines_in_a_file() {
    let text = fs::read_to_string(real_events()).expect("the real events");
    let lines: Vec<&str> = text.lines().collect();
    let array = format!("\u{feff}\n [\n{}\n]\n", lines.join(" ,\n"));
    let files = Files::new();
    let as_array = files.write("array", &array);
    let blank = format!("\u{feff}\r\n\n{}", lines.join("\r\n\r\n"));
    let hashes: Vec<String> = (0..4)
        .map(|form| {
            let server = Store::start();
            let batch = ["--batch", "100"];
            let summary = match form {
                0 => publish(&server.url, &[real_events().to_str().expect("UTF-8")], 0).0,
                1 => publish(&server.url, &[&as_array, "--batch-size", "100kB"], 0).0,
                2 => publish_stdin(&server.url, &batch, &array, 0).0,
                _ => publish_stdin(&server.url, &["--batch", "7", "-"], &blank, 0).0,
            };
            assert_eq!(summary.counts(), (255, 255, 0, 0, 0), "form {form}");
            server.client.settled().fold_hash
        })
        .collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

#[test]
fn several_files_go_in_their_order_and_in_batches_of_the_size_asked_for() {
    let server = Store::start();
    let files = Files::new();
    let first = files.write("first", ndjson(1..=7));
    let second = files.write("second", format!("[{}]", event("t", "e8", "8")));
    let third = files.write("third", "");
    let fourth = files.write("fourth", ndjson(9..=11));
    let arguments = ["--batch", "5", &first, &second, &third, &fourth];
    let (summary, _) = publish(&server.url, &arguments, 0);
    assert_eq!(summary.counts(), (11, 11, 0, 0, 0));
    assert_eq!(server.stored(), ids(1..=11));
    server.client.settled();
    assert_eq!(batches(&server), [5, 5, 1]);
}

/// How many events the batches have.
fn batches(server: &Store) -> Vec<u64> {
    #[derive(Deserialize)]
    struct Frame {
        #[serde(rename = "type")]
        kind: String,
        count: u64,
    }
    let ended = dump(server.data_dir.path(), &["--frames", "--json"]);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str::<Frame>(line).expect("a frame"))
        .filter(|frame| frame.kind == "events")
        .map(|frame| frame.count)
        .collect()
}

#[test]
fn an_event_larger_than_a_batch_goes_alone_and_keeps_its_place() {
    let server = Store::start();
    let large = event("t", "e2", &format!("\"{}\"", "x".repeat(5000)));
    let input = format!("{}{large}\n{}", ndjson([1]), ndjson(3..=4));
    let (summary, _) = publish_stdin(&server.url, &["--batch-size", "1kB"], input, 0);
    assert_eq!(summary.counts(), (4, 4, 0, 0, 0));
    assert_eq!(server.stored(), ids(1..=4));
    server.client.settled();
    assert_eq!(batches(&server), [1, 1, 2]);
}

/// A line of the file of refused events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedLine {
    input: String,
    #[serde(alias = "element")]
    line: u64,
    event_id: Option<String>,
    code: String,
    detail: String,
    text: Option<String>,
}

fn refused_lines(path: &str) -> Vec<RefusedLine> {
    let text = fs::read_to_string(path).expect("the file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a refusal"))
        .collect()
}

#[test]
fn refused_events_are_named_with_their_lines_and_the_others_are_stored() {
    let server = Store::start();
    let mut input = ndjson([1]).into_bytes();
    input.extend_from_slice(b"no JSON\n\n[1]\n");
    input.extend_from_slice(ndjson([5]).as_bytes());
    input.extend_from_slice(
        b"{\"topic\":\"t\",\"topic\":\"u\",\"event_id\":\"twice\",\"payload\":1}\n",
    );
    input.extend_from_slice(b"{\"topic\":\"t\xff\",\"event_id\":\"x\",\"payload\":1}\n");
    input.extend_from_slice(b"{\"topic\":\"\",\"event_id\":\"unnamed\",\"payload\":1}\n");
    input.extend_from_slice(b"{\"a\":1},{\"b\":2}\n");
    input.extend_from_slice(ndjson([10]).as_bytes());
    input.extend_from_slice(b"{\"topic\":\"t\",\"event_id\":\"cut");
    let files = Files::new();
    let refused = files.name("refused");
    let (summary, ended) = publish_stdin(&server.url, &["--refused", &refused], input, 1);
    assert_eq!(summary.counts(), (10, 3, 0, 0, 7));
    assert_eq!(server.stored(), ids([1, 5, 10]));
    let mut lines = refused_lines(&refused);
    lines.sort_by_key(|line| line.line);
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line.line, line.code.as_str(), line.event_id.as_deref()))
        .collect();
    let expected = [
        (2, "invalid_json", None),
        (4, "wrong_type", None),
        (6, "duplicate_member", Some("twice")),
        (7, "invalid_utf8", Some("x")),
        (8, "invalid_topic", Some("unnamed")),
        (9, "invalid_json", None),
        (11, "invalid_json", None),
    ];
    assert_eq!(found, expected, "{}", ended.stderr);
    for line in &lines {
        assert_eq!(line.input, "stdin");
        let told = format!("stdin line {}", line.line);
        assert!(ended.stderr.contains(&told), "{told}: {}", ended.stderr);
        assert!(ended.stderr.contains(&line.detail), "{}", ended.stderr);
    }
    assert_eq!(lines[0].text.as_deref(), Some("no JSON"));
    assert!(
        lines[4]
            .text
            .as_deref()
            .is_some_and(|text| text.contains("unnamed"))
    );
}

#[test]
fn all_of_many_refused_events_get_their_reason_and_only_the_first_are_told() {
    let server = Store::start();
    // Two in three are at fault: more than one answer lists.
    let faulty =
        |n: u64| format!("{{\"topic\":\"t\",\"event_id\":\"bad{n}\",\"payload\":1,\"x\":1}}");
    let elements: Vec<String> = (1..=450)
        .map(|n| match n % 3 {
            0 => ndjson([n]).trim_end().to_owned(),
            _ => faulty(n),
        })
        .collect();
    let input = format!("[{}]", elements.join(","));
    let files = Files::new();
    let refused = files.name("refused");
    let (summary, ended) = publish_stdin(&server.url, &["--refused", &refused], input, 1);
    assert_eq!(summary.counts(), (450, 150, 0, 0, 300));
    assert_eq!(server.stored(), ids((1..=450).filter(|n| n % 3 == 0)));
    let lines = refused_lines(&refused);
    let places: Vec<u64> = lines.iter().map(|line| line.line).collect();
    assert_eq!(places, (1..=450).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    for line in &lines {
        assert_eq!(line.code, "unknown_field");
        assert_eq!(line.event_id, Some(format!("bad{}", line.line)));
    }
    let told = ended.stderr.matches("refused: stdin element ").count();
    assert_eq!(told, 20, "{}", ended.stderr);
    // Nothing of it was written twice.
    assert_eq!(server.client.settled().received, 150);
}

#[test]
fn a_batch_that_is_refused_as_a_whole_is_split_until_the_events_at_fault_are_known() {
    let server = Store::with(&[
        "--max-body",
        "3kB",
        "--max-topics",
        "1",
        "--max-events",
        "20",
    ]);
    let mut lines: Vec<String> = ndjson(1..=60).lines().map(str::to_owned).collect();
    // One of another topic, one too large for any request.
    lines[30] = event("another", "e31", "1");
    lines[45] = event("t", "e46", &format!("\"{}\"", "x".repeat(4000)));
    let (summary, ended) = publish_stdin(&server.url, &[], lines.join("\n"), 1);
    assert_eq!(summary.counts(), (60, 58, 0, 0, 2));
    assert_eq!(
        server.stored(),
        ids((1..=60).filter(|n| ![31, 46].contains(n)))
    );
    for named in [
        "stdin line 31 (event_id \"e31\"): too_many_topics",
        "stdin line 46",
    ] {
        assert!(ended.stderr.contains(named), "{named}: {}", ended.stderr);
    }
    assert_eq!(server.client.settled().received, 58);
}

#[test]
fn conflicts_are_shown_with_what_they_conflict_with_and_are_no_failure() {
    let server = Store::start();
    let other = event("t", "e2", "\"another\"");
    let input = format!("{}{other}\n{}", ndjson(1..=3), ndjson([3]));
    let (summary, ended) = publish_stdin(&server.url, &[], input, 0);
    assert_eq!(summary.counts(), (5, 3, 2, 1, 0));
    let told = "conflict: stdin line 4: ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(ended.stderr.contains("seq 2;"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("conflict:").count(), 1);
}

/// A line of the file of receipts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptLine {
    log_id: String,
    topic: String,
    event_id: String,
    payload_digest: String,
    verdict: String,
    seq: u64,
    original_seq: Option<u64>,
}

fn receipt_lines(path: &str) -> Vec<ReceiptLine> {
    let text = fs::read_to_string(path).expect("the file");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn the_file_of_receipts_has_every_event_acknowledged_as_the_log_has_it() {
    let server = Store::start();
    let files = Files::new();
    let receipts = files.name("receipts");
    let conflict = event("t", "e2", "0");
    let input = format!("{}no event\n{conflict}\n", ndjson(1..=50));
    let arguments = ["--receipts", &receipts, "--batch", "8"];
    publish_stdin(&server.url, &arguments, &input, 1);
    // As a kill may leave it.
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&receipts)
        .expect("the file");
    file.write_all(b"{\"log_id\":\"00").expect("written");
    let (summary, ended) = publish_stdin(&server.url, &arguments, &input, 1);
    assert!(ended.stderr.contains("was cut off"), "{}", ended.stderr);
    assert_eq!(summary.counts(), (52, 0, 51, 1, 1));

    let lines = receipt_lines(&receipts);
    server.client.settled();
    let logged = dump_events(server.data_dir.path(), &[]);
    assert_eq!((lines.len(), logged.len()), (102, 102));
    let mut digests = BTreeMap::new();
    for (line, logged) in lines.iter().zip(&logged) {
        assert_eq!(Some(&line.log_id), summary.log_id.as_ref());
        assert_eq!((line.seq, &line.topic), (logged.seq, &logged.topic));
        assert_eq!(line.event_id, logged.event_id);
        assert_eq!(Some(&line.verdict), logged.verdict.as_ref());
        assert_eq!(line.original_seq, logged.original_seq);
        // The same payload has the same digest, and another one another.
        let payload = logged.payload.get().to_owned();
        let known = digests
            .entry(payload)
            .or_insert(line.payload_digest.clone());
        assert_eq!(*known, line.payload_digest);
    }
    let different: BTreeSet<_> = digests.values().collect();
    assert_eq!(different.len(), digests.len());
}

#[test]
fn a_rate_is_not_exceeded() {
    let server = Store::start();
    let begun = Instant::now();
    // Ten batches of ten, a twentieth of a second apart.
    let arguments = ["--rate", "200", "--batch", "10"];
    let (summary, _) = publish_stdin(&server.url, &arguments, ndjson(1..=100), 0);
    assert!(begun.elapsed() >= Duration::from_millis(450), "{summary:?}");
    assert_eq!(summary.stored, 100);
    // A slow rate makes its own small batches.
    let (summary, _) = publish_stdin(&server.url, &["--rate", "50"], ndjson(101..=110), 0);
    assert_eq!(summary.stored, 10);
    server.client.settled();
    let expected = [vec![10; 10], vec![5; 2]].concat();
    assert_eq!(batches(&server), expected);
}
