//! The command line as supervisors and operators use it: what it does, and how it ends.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
}

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use support::client::{Client, Shape, ShownEvent, event};
use support::dump::{dump, dump_events, lines};
use support::process::{Ended, Oncelog, Starting, command, run, run_command, serve_command};
use tempfile::TempDir;

/// A frame as `dump --frames --json` shows it.
#[derive(Clone, Debug, Deserialize)]
struct ShownFrame {
    segment: String,
    offset: usize,
    #[serde(rename = "type")]
    frame_type: String,
    first_seq: u64,
    count: u64,
    payload_bytes: usize,
}

/// Behind a frame's header.
const PAYLOAD_AT: usize = 64;

fn frames(data_dir: &Path) -> Vec<ShownFrame> {
    let ended = dump(data_dir, &["--frames", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let frame = |line| serde_json::from_str(line).expect("a frame");
    text.lines().map(frame).collect()
}

/// A store that was stopped: ten batches of three events, topics `even` and `odd` by turns.
fn stopped_store() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    publish_batches(&Client::new(process.address));
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    data_dir
}

fn publish_batches(client: &Client) {
    for batch in 0..10 {
        let topic = if batch % 2 == 0 { "even" } else { "odd" };
        let events: Vec<String> = (0..3)
            .map(|place| event(topic, &format!("{batch}-{place}"), r#"{"n": 1}"#))
            .collect();
        client.publish(Shape::Array.body(&events));
    }
}

fn seqs(events: &[ShownEvent]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

/// All files below a directory, but for those that every look may change.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if name != "lock" && !name.ends_with("-shm") && !name.ends_with("-wal") {
            files.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    files
}

/// Runs `serve`, which is expected to end by itself.
fn serve_to_end(data_dir: &Path, options: &[&str]) -> Ended {
    run_command(serve_command(data_dir, options))
}

#[test]
fn a_second_process_on_a_data_directory_is_refused_at_once_and_told_whose_it_is() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let first = Oncelog::start(data_dir.path());
    let second = serve_to_end(data_dir.path(), &[]);
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    let pid = format!("pid {}", first.pid());
    assert!(second.stderr.contains(&pid), "{}", second.stderr);
    // The first one does not mind, and lets go when it is killed.
    Client::new(first.address).publish(event("t", "1", "1"));
    first.kill();
    let third = Oncelog::start(data_dir.path());
    assert_eq!(Client::new(third.address).settled().received, 1);
}

#[test]
fn a_port_in_use_is_a_usage_error_that_names_it() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut command = command();
    command
        .args(["serve", "--listen", &address, "--data-dir"])
        .arg(data_dir.path().join("data"));
    let ended = run_command(command);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
}

#[test]
fn options_that_are_wrong_end_it_with_2_and_leave_no_directory() {
    let parent = tempfile::tempdir().expect("a directory");
    let data_dir = parent.path().join("data");
    for (options, named) in [
        (&["--no-such-option"][..], "--no-such-option"),
        (&["--segment-size", "many"], "--segment-size"),
        (&["--segment-size", "1kB"], "--segment-size"),
        (&["--body-timeout", "0s"], "--body-timeout"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--token-file", "/does/not/exist"], "/does/not/exist"),
    ] {
        let ended = serve_to_end(&data_dir, options);
        assert_eq!(ended.code, Some(2), "{options:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(named),
            "{options:?}: {}",
            ended.stderr
        );
    }
    assert!(!data_dir.exists());
    assert_eq!(run(&["no-such-command"]).code, Some(2));
    assert_eq!(run(&["dump", "--frames", "--topic", "t"]).code, Some(2));
}

#[test]
fn a_data_directory_that_is_a_file_ends_it_with_2() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("data");
    fs::write(&file, "not a directory").expect("a file");
    let ended = serve_to_end(&file, &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let name = file.to_string_lossy();
    assert!(ended.stderr.contains(&*name), "{}", ended.stderr);
}

#[test]
fn version_and_help_are_answers_and_no_errors() {
    let version = run(&["--version"]);
    assert_eq!(version.code, Some(0));
    let expected = format!("oncelog {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["dump", "--help"],
        &["publish", "--help"],
    ] {
        let help = run(arguments);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        assert!(!help.stdout.is_empty());
    }
}

#[test]
fn a_bare_oncelog_serves() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let mut command = command();
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir.path());
    let process = Starting::spawn(command).ready();
    let client = Client::new(process.address);
    assert_eq!(client.publish(event("t", "1", "1")).unique, 1);
    assert_eq!(process.terminate().code, Some(0));
}

#[test]
fn options_come_from_the_environment_and_a_misspelt_variable_is_warned_of() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let mut command = command();
    command
        .env("ONCELOG_LISTEN", "127.0.0.1:0")
        .env("ONCELOG_DATA_DIR", data_dir.path())
        .env("ONCELOG_SEGMENT_SIZ", "1MiB");
    let process = Starting::spawn(command).ready();
    assert!(data_dir.path().join("log").is_dir());
    let stderr = process.stderr();
    assert!(stderr.contains("ONCELOG_SEGMENT_SIZ "), "{stderr}");
}

#[test]
fn a_clean_stop_ends_with_0_and_leaves_a_log_and_an_index_and_no_wal() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    publish_batches(&client);
    // Readers have connections of their own, which must not outlive the one that writes.
    assert_eq!(client.events("").len(), 30);
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let index: Vec<String> = fs::read_dir(data_dir.path().join("index"))
        .expect("the index")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    assert_eq!(index, ["index.sqlite3"]);
    assert_eq!(
        frames(data_dir.path())
            .last()
            .map(|frame| frame.frame_type.clone()),
        Some("mark".to_owned())
    );
}

#[test]
fn health_tells_by_its_exit_code_whether_a_server_is_well() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let url = format!("http://{}", process.address);
    for arguments in [
        &["health", "--url", &url][..],
        &["health", "--ready", "--url", &url],
    ] {
        let health = run(arguments);
        assert_eq!(
            (health.code, health.stdout.as_slice()),
            (Some(0), &b"ok\n"[..])
        );
    }
    process.kill();
    let health = run(&["health", "--url", &url]);
    assert_eq!(health.code, Some(1), "{}", health.stderr);
    assert!(!health.stderr.is_empty());
    assert_eq!(run(&["health", "--url", "ftp://nowhere"]).code, Some(2));
}

#[test]
fn a_server_that_may_not_write_lives_and_is_not_ready() {
    let data_dir = tempfile::tempdir().expect("a directory");
    // More than any disk has.
    let process = Oncelog::start_with(data_dir.path(), &["--min-free", "1000TiB"]);
    let url = format!("http://{}", process.address);
    let client = Client::new(process.address);
    let until = std::time::Instant::now() + support::process::PATIENCE;
    while client.get("/readyz").status == 200 {
        assert!(std::time::Instant::now() < until, "it is ready for ever");
    }
    assert_eq!(run(&["health", "--url", &url]).code, Some(0));
    let ready = run(&["health", "--ready", "--url", &url]);
    assert_eq!(ready.code, Some(1), "{}", ready.stderr);
    let answer = client.try_publish("", event("t", "1", "1"));
    assert_eq!(answer.expect("an answer").status, 507);
    assert_eq!(client.stats().received, 0);
    assert_eq!(process.terminate().code, Some(0));
}

#[test]
fn dump_needs_a_log_and_makes_none() {
    let parent = tempfile::tempdir().expect("a directory");
    for name in ["missing", "empty"] {
        let data_dir = parent.path().join(name);
        if name == "empty" {
            fs::create_dir(&data_dir).expect("a directory");
        }
        let ended = dump(&data_dir, &[]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
        assert!(ended.stdout.is_empty());
        let named = data_dir.to_string_lossy();
        assert!(ended.stderr.contains(&*named), "{}", ended.stderr);
    }
    assert!(!parent.path().join("missing").exists());
    assert!(files(parent.path()).is_empty());
}

#[test]
fn dump_of_a_new_log_is_empty_and_well() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    assert!(dump_events(data_dir.path(), &[]).is_empty());
    process.terminate();
    assert!(dump_events(data_dir.path(), &[]).is_empty());
}

#[test]
fn dump_shows_what_it_is_asked_for_and_changes_nothing() {
    let data_dir = stopped_store();
    let path = data_dir.path();
    let before = files(path);
    let all = dump_events(path, &[]);
    assert!(seqs(&all).into_iter().eq(1..=30));
    assert!(all.iter().all(|event| !event.unproven));

    let part = dump_events(path, &["--from", "5", "--to", "9"]);
    assert_eq!(seqs(&part), [5, 6, 7, 8, 9]);
    assert_eq!(seqs(&dump_events(path, &["--from", "29"])), [29, 30]);
    assert_eq!(seqs(&dump_events(path, &["--to", "1"])), [1]);
    assert!(dump_events(path, &["--from", "31"]).is_empty());

    let odd = dump_events(path, &["--topic", "odd"]);
    assert_eq!(odd.len(), 15);
    assert!(odd.iter().all(|event| event.topic == "odd"));
    let odd = dump_events(path, &["--topic", "odd", "--to", "5"]);
    assert_eq!(seqs(&odd), [4, 5]);
    assert!(dump_events(path, &["--topic", "nobody"]).is_empty());

    let text = dump(path, &["--from", "4", "--to", "4"]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 1);
    for word in ["4", "stored", "odd", "1-0", r#"{"n": 1}"#] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(files(path), before);
}

#[test]
fn dump_shows_frames_as_they_stand_in_the_segments() {
    let data_dir = stopped_store();
    let shown = frames(data_dir.path());
    let batches: Vec<&ShownFrame> = shown
        .iter()
        .filter(|frame| frame.frame_type == "events")
        .collect();
    assert_eq!(batches.len(), 10);
    for (batch, frame) in batches.iter().enumerate() {
        assert_eq!((frame.first_seq, frame.count), (batch as u64 * 3 + 1, 3));
        let segment = data_dir.path().join("log").join(&frame.segment);
        let bytes = fs::read(segment).expect("the segment");
        assert_eq!(bytes[frame.offset..frame.offset + 4], *b"\xf7OLF");
        let payload = &bytes[frame.offset + PAYLOAD_AT..][..frame.payload_bytes];
        let id = format!("{batch}-0");
        assert!(payload.windows(id.len()).any(|text| text == id.as_bytes()));
    }
    let text = dump(data_dir.path(), &["--frames", "--from", "4", "--to", "6"]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("4 to 6"), "{text}");
}

/// Flips a bit in the payload of the frame that holds this seq.
fn damage(data_dir: &Path, seq: u64) -> ShownFrame {
    let holds = |frame: &ShownFrame| {
        frame.frame_type == "events"
            && (frame.first_seq..frame.first_seq + frame.count).contains(&seq)
    };
    let frame = frames(data_dir).into_iter().find(holds);
    let frame = frame.expect("a frame with this seq");
    let path = data_dir.join("log").join(&frame.segment);
    let mut bytes = fs::read(&path).expect("the segment");
    bytes[frame.offset + PAYLOAD_AT + frame.payload_bytes / 2] ^= 1;
    fs::write(&path, bytes).expect("the segment can be written");
    frame
}

fn assert_names(stderr: &str, frame: &ShownFrame) {
    for named in [
        frame.segment.clone(),
        format!("offset {}", frame.offset),
        format!("seq {}", frame.first_seq),
    ] {
        assert!(stderr.contains(&named), "{named}: {stderr}");
    }
}

/// `serve` refuses with 3, says where, and leaves every byte; `dump` shows what stands before.
fn check_damaged(data_dir: &Path, frame: &ShownFrame) {
    let before = files(data_dir);
    for _ in 0..2 {
        let ended = serve_to_end(data_dir, &[]);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert_names(&ended.stderr, frame);
        assert!(ended.stderr.contains("nothing was changed"));
    }
    let ended = dump(data_dir, &["--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_names(&ended.stderr, frame);
    assert!(!ended.stderr.contains("this process synced it"));
    assert!(seqs(&lines(&ended)).into_iter().eq(1..frame.first_seq));

    let ended = dump(data_dir, &["--frames", "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_names(&ended.stderr, frame);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let counted = text.lines().map(|line| {
        let shown: ShownFrame = serde_json::from_str(line).expect("a frame");
        shown.count
    });
    assert_eq!(counted.sum::<u64>(), frame.first_seq - 1);
    assert!(files(data_dir) == before, "something was changed");
}

#[test]
fn damage_in_the_last_segment_is_refused_and_what_stands_before_it_is_shown() {
    for seq in [1, 14, 30] {
        let data_dir = stopped_store();
        let frame = damage(data_dir.path(), seq);
        check_damaged(data_dir.path(), &frame);
    }
}

#[test]
fn damage_in_a_sealed_segment_is_refused_and_what_stands_before_it_is_shown() {
    let data_dir = tempfile::tempdir().expect("a directory");
    // Three lives, of which two end without a stop: three segments at least.
    for life in 0..3 {
        let process = Oncelog::start(data_dir.path());
        let client = Client::new(process.address);
        for batch in 0..3 {
            client.publish(event("t", &format!("{life}-{batch}"), r#"{"n": 1}"#));
        }
        client.settled();
        if life < 2 {
            process.kill();
        } else {
            assert_eq!(process.terminate().code, Some(0));
        }
    }
    let frame = damage(data_dir.path(), 5);
    let last = last_segment(data_dir.path());
    assert_ne!(last.as_deref(), Some(frame.segment.as_str()));
    check_damaged(data_dir.path(), &frame);
}

/// The name of the last segment.
fn last_segment(data_dir: &Path) -> Option<String> {
    let entries = fs::read_dir(data_dir.join("log")).expect("the log");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".seg"))
        .max()
}

#[test]
fn a_torn_tail_is_no_damage() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.publish(event("t", "1", "1"));
    client.publish(event("t", "2", "2"));
    client.settled();
    process.kill();
    // As an unfinished write of a frame leaves it.
    let last = frames(data_dir.path()).pop().expect("a frame");
    let path = data_dir.path().join("log").join(&last.segment);
    let mut bytes = fs::read(&path).expect("the segment");
    let end = last.offset + PAYLOAD_AT + last.payload_bytes.next_multiple_of(8);
    bytes[end..end + 40].fill(0xAB);
    fs::write(&path, bytes).expect("the segment can be written");

    let ended = dump(data_dir.path(), &["--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(seqs(&lines(&ended)), [1, 2]);
    assert!(ended.stderr.contains("40 torn bytes"), "{}", ended.stderr);
    let process = Oncelog::start(data_dir.path());
    assert!(
        process.stderr().contains("40 torn bytes"),
        "{}",
        process.stderr()
    );
    let client = Client::new(process.address);
    assert_eq!(client.settled().counts(), (2, 2, 0, 0));
    assert_eq!(client.publish(event("t", "3", "3")).first_seq, 3);
}
