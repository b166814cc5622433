//! `oncelog dump` as operators use it: it shows what is there, of a store that runs, was
//! stopped, killed or damaged, and changes nothing.

mod support {
    pub mod client;
    pub mod dump;
    pub mod operations;
    pub mod process;
    pub mod store;
}

use std::fs;
use std::path::Path;

use support::client::{Client, ShownEvent, event};
use support::dump::{dump, dump_events, events_and_damages, lines};
use support::operations::assert_documented;
use support::process::{Oncelog, run_command, serve_command};
use support::store::{
    PAYLOAD_AT, ShownFrame, damage, files, frames, segments, stopped_store, store_of_three_lives,
};

fn seqs(events: &[ShownEvent]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
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

fn assert_names(stderr: &str, frame: &ShownFrame) {
    for named in [
        frame.segment.clone(),
        format!("offset {}", frame.offset),
        format!("seq {}", frame.first_seq),
    ] {
        assert!(stderr.contains(&named), "{named}: {stderr}");
    }
}

/// `serve` refuses with 3, says where, and leaves every byte; `dump` shows everything else.
fn check_damaged(data_dir: &Path, frame: &ShownFrame) {
    let before = files(data_dir);
    for _ in 0..2 {
        let ended = run_command(serve_command(data_dir, &[]));
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert_names(&ended.stderr, frame);
        assert!(ended.stderr.contains("nothing was changed"));
    }
    let hit = frame.first_seq..frame.first_seq + frame.count;
    let check_damage = |damage: &serde_json::Value| {
        assert_eq!(damage["kind"], "damaged");
        assert_eq!(damage["segment"], frame.segment);
        assert_eq!(
            (&damage["offset"], &damage["end"]),
            (&frame.offset.into(), &frame.end().into())
        );
        assert_eq!(
            (&damage["first_seq"], &damage["last_seq"]),
            (&hit.start.into(), &(hit.end - 1).into())
        );
        assert!(
            damage["evidence"]
                .as_str()
                .is_some_and(|evidence| evidence.contains("durable"))
        );
    };
    let last = frames_of_damaged(data_dir)
        .iter()
        .map(|frame| frame.first_seq + frame.count)
        .max();
    let ended = dump(data_dir, &["--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("damaged in one place"),
        "{}",
        ended.stderr
    );
    let (events, damages) = events_and_damages(&ended);
    let left = (1..last.expect("a frame")).filter(|seq| !hit.contains(seq));
    assert!(seqs(&events).into_iter().eq(left), "{:?}", seqs(&events));
    assert_eq!(damages.len(), 1);
    check_damage(&damages[0]);

    let ended = dump(data_dir, &["--frames", "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let damages: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("{\"damage\""))
        .collect();
    let damage: serde_json::Value = serde_json::from_str(damages[0]).expect("JSON");
    assert_eq!(damages.len(), 1);
    check_damage(&damage["damage"]);

    let ended = dump(data_dir, &[]);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let line = text.lines().find(|line| line.contains("DAMAGE"));
    assert!(
        line.is_some_and(|line| line.contains(&frame.segment)),
        "{text}"
    );
    assert!(files(data_dir) == before, "something was changed");
}

/// The good frames of a log that may be damaged.
fn frames_of_damaged(data_dir: &Path) -> Vec<ShownFrame> {
    let ended = dump(data_dir, &["--frames", "--json"]);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let frames = text.lines().filter(|line| !line.starts_with("{\"damage\""));
    frames
        .map(|line| serde_json::from_str(line).expect("a frame"))
        .collect()
}

#[test]
fn damage_in_the_last_segment_is_refused_and_everything_else_is_shown() {
    for seq in [1, 14, 30] {
        let data_dir = stopped_store();
        let frame = damage(data_dir.path(), seq);
        check_damaged(data_dir.path(), &frame);
    }
}

#[test]
fn damage_in_a_sealed_segment_is_refused_and_everything_else_is_shown() {
    let data_dir = store_of_three_lives();
    let frame = damage(data_dir.path(), 5);
    let last = segments(data_dir.path()).pop().expect("a segment");
    assert!(!last.ends_with(&frame.segment));
    check_damaged(data_dir.path(), &frame);
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
    let said = process.stderr();
    assert!(said.contains("40 torn bytes"), "{said}");
    assert_documented("After a crash", &said);
    let client = Client::new(process.address);
    assert_eq!(client.settled().counts(), (2, 2, 0, 0));
    assert_eq!(client.publish(event("t", "3", "3")).first_seq, 3);
}
