//! Risk: `oncelog dump` changes or disturbs the store it looks at, or shows of a running or a
//! killed one something else than its server does; what cannot be read ends it too soon, or
//! unnoticed.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
    pub mod skipped;
    pub mod store;
    pub mod strace;
    pub mod tree;
}

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use support::client::{Client, ShownEvent, event};
use support::dump::{dump, dump_events, events_and_damages};
use support::process::{Oncelog, command, run_command};
use support::skipped::say_skipped;
use support::store::{frames, segments, stopped_store, store_of_three_lives, wait_for_mark};
use support::strace;
use support::tree::{assert_same, copy, tree};
use tempfile::TempDir;

/// All that `dump` may be asked for.
const ASKED: [&[&str]; 7] = [
    &[],
    &["--json"],
    &["--frames"],
    &["--raw", "--json"],
    &["--last", "2"],
    &["--verdict", "duplicate"],
    &["--since", "1h", "--from", "3"],
];

/// Two lives with repeats; the second one's last batches are not in the index when it is killed.
fn killed_store() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    for id in 0..20 {
        client.publish(event("t", &id.to_string(), "1"));
    }
    process.terminate();
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.settled();
    for id in 10..30 {
        let payload = if id == 15 { "2" } else { "1.0" };
        client.publish(event("t", &id.to_string(), payload));
    }
    process.kill();
    data_dir
}

fn verdicts(events: &[ShownEvent]) -> Vec<(u64, Option<String>, Option<u64>)> {
    let verdict = |event: &ShownEvent| (event.seq, event.verdict.clone(), event.original_seq);
    events.iter().map(verdict).collect()
}

#[test]
fn nothing_below_the_data_directory_changes_after_a_clean_stop_or_a_kill() {
    for store in [stopped_store(), killed_store(), store_of_three_lives()] {
        let before = tree(store.path());
        for options in ASKED {
            let ended = dump(store.path(), options);
            assert_eq!(ended.code, Some(0), "{options:?}: {}", ended.stderr);
        }
        assert_same(&before, store.path());
    }
}

#[test]
fn verdicts_on_a_killed_store_are_those_that_its_server_gives_later() {
    let store = killed_store();
    let with_index = dump_events(store.path(), &[]);
    let last = dump_events(store.path(), &["--last", "7"]);
    assert_eq!(verdicts(&last), verdicts(&with_index[33..]));
    let index = store.path().join("index");
    let away = store.path().join("away");
    fs::rename(&index, &away).expect("it can be moved");
    let without = dump_events(store.path(), &[]);
    assert_eq!(verdicts(&with_index), verdicts(&without));
    fs::rename(&away, &index).expect("it can be moved");
    let process = Oncelog::start(store.path());
    let client = Client::new(process.address);
    client.settled();
    let served = client.events("?verdict=all");
    assert_eq!(verdicts(&with_index), verdicts(&served));
    assert_eq!(served.len(), 40);
}

#[test]
fn an_index_that_does_not_fit_is_not_believed() {
    let (store, other) = (killed_store(), stopped_store());
    let expected = verdicts(&dump_events(store.path(), &[]));
    let main = store.path().join("index/index.sqlite3");
    let good = fs::read(&main).expect("the index");
    // Of another log; damaged; no database at all.
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xA5);
    let foreign = fs::read(other.path().join("index/index.sqlite3")).expect("the index");
    for bytes in [foreign, damaged, b"no database".to_vec(), Vec::new()] {
        fs::write(&main, &bytes).expect("it can be written");
        let before = tree(store.path());
        let shown = verdicts(&dump_events(store.path(), &[]));
        assert_eq!(shown, expected);
        assert_same(&before, store.path());
    }
}

/// A log is taken back to an earlier state without its index, and goes on.
#[test]
fn an_index_of_what_the_log_is_no_more_is_not_believed() {
    let store = tempfile::tempdir().expect("a directory");
    let (log, index) = (store.path().join("log"), store.path().join("index"));
    let publish = |ids: std::ops::Range<u32>| {
        let process = Oncelog::start(store.path());
        let client = Client::new(process.address);
        for id in ids {
            client.publish(event("t", &id.to_string(), "1"));
        }
        assert_eq!(process.terminate().code, Some(0));
    };
    publish(0..3);
    let backup = store.path().join("backup");
    copy(&log, &backup);
    publish(3..10);
    let newer = store.path().join("newer");
    fs::rename(&index, &newer).expect("it can be moved");
    // The last one goes beyond what the index has, the first one does not.
    for repeats in [5, 12] {
        fs::remove_dir_all(&log).expect("it goes away");
        copy(&backup, &log);
        let _ = fs::remove_dir_all(&index);
        let process = Oncelog::start(store.path());
        let client = Client::new(process.address);
        for _ in 0..repeats {
            client.publish(event("t", "1", "1"));
        }
        assert_eq!(process.terminate().code, Some(0));
        fs::remove_dir_all(&index).expect("it goes away");
        let expected = verdicts(&dump_events(store.path(), &[]));
        copy(&newer, &index);
        let ended = dump(store.path(), &["--json"]);
        let (events, damages) = events_and_damages(&ended);
        assert_eq!(verdicts(&events), expected);
        assert_eq!(damages.len(), usize::from(repeats == 5), "{damages:?}");
        assert_eq!(expected[4].1.as_deref(), Some("duplicate"));
    }
}

#[test]
fn an_index_that_is_ahead_proves_that_the_log_has_lost_something() {
    let store = stopped_store();
    let segment = segments(store.path()).pop().expect("a segment");
    let bytes = fs::read(&segment).expect("the segment");
    let last = frames(store.path());
    let cut = last.iter().find(|frame| frame.first_seq == 28).expect("it");
    fs::write(&segment, &bytes[..cut.offset]).expect("it can be written");
    let ended = dump(store.path(), &["--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let (events, damages) = events_and_damages(&ended);
    assert_eq!((events.len(), damages.len()), (27, 1));
    let damage = &damages[0];
    assert_eq!(damage["kind"], "behind_index");
    assert_eq!(
        (&damage["first_seq"], &damage["last_seq"]),
        (&28.into(), &30.into())
    );
}

#[test]
fn a_running_server_is_not_disturbed_and_shows_the_same() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let small = ["--segment-size", "64KiB", "--delta-events", "1000"];
    let process = Oncelog::start_with(data_dir.path(), &small);
    let client = Client::new(process.address);
    let publisher = {
        let client = client.clone();
        std::thread::spawn(move || {
            for round in 0..150 {
                let id = |place: u32| (round * 17 + place) % 900;
                let events: Vec<String> = (0..20)
                    .map(|place| event("t", &id(place).to_string(), "7"))
                    .collect();
                client.publish(format!("[{}]", events.join(",")));
            }
        })
    };
    let mut shown = Vec::new();
    while !publisher.is_finished() {
        shown = dump_events(data_dir.path(), &[]);
        assert!(
            shown
                .iter()
                .map(|event| event.seq)
                .eq(1..=shown.len() as u64)
        );
        for options in &ASKED[2..5] {
            assert_eq!(dump(data_dir.path(), options).code, Some(0));
        }
    }
    publisher.join().expect("it published all");
    let stats = client.settled();
    assert_eq!(stats.received, 3000);
    wait_for_mark(data_dir.path());
    let served = client.events("?verdict=all");
    let last = dump_events(data_dir.path(), &[]);
    assert_eq!(verdicts(&last), verdicts(&served));
    assert_eq!(verdicts(&shown), verdicts(&served)[..shown.len()]);
    assert_eq!(process.terminate().code, Some(0));
}

/// The many segments of a store of years.
#[test]
fn more_segments_than_files_may_be_open_are_shown() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start_with(data_dir.path(), &["--segment-size", "64KiB"]);
    let client = Client::new(process.address);
    let large = format!("\"{}\"", "x".repeat(40_000));
    for id in 0..60 {
        client.publish(event("t", &id.to_string(), &large));
    }
    assert_eq!(process.terminate().code, Some(0));
    assert!(segments(data_dir.path()).len() > 40);
    for asked in [&["dump"][..], &["dump", "--raw"], &["info"]] {
        let mut few = Command::new("sh");
        few.args(["-c", r#"ulimit -n 40; exec "$@""#, "sh"])
            .arg(command().get_program())
            .args(asked)
            .arg("--data-dir")
            .arg(data_dir.path());
        let ended = run_command(few);
        assert_eq!(ended.code, Some(0), "{asked:?}: {}", ended.stderr);
    }
}

/// Makes something of this name.
type Make = fn(&Path);

#[test]
fn what_has_a_segments_name_and_is_none_is_told_and_never_followed() {
    let make: [(&str, Make); 3] = [
        ("no_file", |path| fs::create_dir(path).expect("a directory")),
        ("no_file", |path| {
            symlink("/etc/passwd", path).expect("a link")
        }),
        ("damaged", |path| fs::write(path, b"").expect("a file")),
    ];
    for (kind, make) in make {
        let store = store_of_three_lives();
        let path = segments(store.path())[1].clone();
        // The one that was there is missing then.
        fs::rename(&path, store.path().join("elsewhere")).expect("it can be moved");
        make(&path);
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let before = tree(store.path());
        let ended = dump(store.path(), &["--json"]);
        assert_eq!(ended.code, Some(1), "{kind}: {}", ended.stderr);
        let (events, damages) = events_and_damages(&ended);
        let named = damages.iter().find(|damage| damage["kind"] == kind);
        assert_eq!(named.expect("it is told")["segment"], name);
        let lost: u64 = damages
            .iter()
            .filter_map(|damage| {
                Some(damage["last_seq"].as_u64()? + 1 - damage["first_seq"].as_u64()?)
            })
            .sum();
        assert_eq!(
            (events.len() as u64 + lost, events.len()),
            (9, 6),
            "{damages:?}"
        );
        let ended = dump(store.path(), &["--frames"]);
        assert_eq!(ended.code, Some(1));
        assert!(String::from_utf8_lossy(&ended.stdout).contains(&name));
        assert_same(&before, store.path());
    }
}

#[test]
fn what_a_later_version_wrote_and_what_may_not_be_read_is_one_line_and_2() {
    let store = store_of_three_lives();
    let path = segments(store.path())[1].clone();
    let good = fs::read(&path).expect("the segment");
    let mut newer = good.clone();
    newer[8] = 9;
    let crc = crc32fast::hash(&newer[..60]);
    newer[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, newer).expect("it can be written");
    for options in ASKED {
        let ended = dump(store.path(), options);
        assert_eq!(ended.code, Some(2), "{options:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("a later version wrote it"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1);
    }
    fs::write(&path, good).expect("it can be written");

    if fs::metadata(store.path()).expect("it").uid() != 0 {
        say_skipped("only root can start it as another user");
        return;
    }
    fs::set_permissions(store.path(), Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    let binary = tempfile::tempdir().expect("a directory");
    fs::set_permissions(binary.path(), Permissions::from_mode(0o755)).expect("a mode");
    let mut copy = Command::new("cp");
    copy.arg(command().get_program()).arg(binary.path());
    assert!(copy.status().expect("cp").success());
    let mut as_nobody = Command::new(binary.path().join("oncelog"));
    as_nobody.args(["dump", "--data-dir"]).arg(store.path());
    as_nobody.env_clear().current_dir("/").uid(10001).gid(10001);
    let ended = run_command(as_nobody);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Permission denied"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.is_empty());
}

/// Every read of one segment fails, as on a disk that has lost it.
#[test]
fn a_segment_that_cannot_be_read_is_told_and_the_others_are_shown() {
    let store = store_of_three_lives();
    for (place, lost) in [(0, 1..=3), (1, 4..=6)] {
        let segment = segments(store.path())[place].clone();
        for option in ["--json", "--frames"] {
            let mut dump = command();
            dump.args(["dump", option, "--data-dir"]).arg(store.path());
            let plan = strace::Plan::on("pread64", "error=EIO").in_file(&segment);
            let Some(command) = strace::command(dump, &plan) else {
                return;
            };
            let ended = run_command(command);
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            let text = String::from_utf8_lossy(&ended.stdout);
            assert!(text.contains("Input/output error"), "{text}");
            if option == "--json" {
                let (events, damages) = events_and_damages(&ended);
                assert_eq!((events.len(), damages.len()), (6, 1));
                let damage = &damages[0];
                assert_eq!(damage["kind"], "unreadable");
                let told = (&damage["first_seq"], &damage["last_seq"]);
                assert_eq!(told, (&(*lost.start()).into(), &(*lost.end()).into()));
            }
        }
    }
}
