//! How `oncelog publish` ends: what makes it stop, with which exit code, and what it says.

mod support {
    pub mod client;
    pub mod faulty;
    pub mod mount;
    pub mod process;
    pub mod publish;
    pub mod skipped;
}

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use support::client::event;
use support::faulty::{Act, Faulty};
use support::mount::SmallDisk;
use support::process::{Owned, Starting, address_of_its_own, command, run, run_command};
use support::publish::{
    Files, Store, Summary, ids, interrupt, ndjson, publish, publish_command, publish_stdin, start,
};

#[test]
fn a_file_that_is_not_to_be_written_is_left_alone_and_nothing_is_published() {
    let server = Store::start();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=3));
    let before = fs::read(&events).expect("the file");
    for option in ["--receipts", "--refused"] {
        let ended = run(&["publish", "--url", &server.url, option, &events, &events]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(&events), "{}", ended.stderr);
        assert_eq!(fs::read(&events).expect("the file"), before);
    }
    let receipts = files.name("receipts");
    let both = ["--receipts", &receipts, "--refused", &receipts, &events];
    let (ended, told) = (
        run(&[&["publish", "--url", &server.url][..], &both].concat()),
        "file of receipts",
    );
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(server.client.stats().received, 0);
}

#[test]
fn receipts_go_to_a_file_of_their_own_or_nothing_is_published() {
    let server = Store::start();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=3));
    let arguments = ["--receipts", "/dev/stdout", &events];
    let ended = run_command(publish_command(&server.url, &arguments));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "no regular file";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);

    // The summary would go between the receipts.
    let output = File::create(files.path("output")).expect("a file");
    let mut publishing = publish_command(&server.url, &arguments);
    publishing.stdout(output).stderr(Stdio::piped());
    let child = publishing.spawn().expect("the binary starts");
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("the output of this command"), "{said}");
    assert_eq!(fs::read(files.path("output")).expect("the file"), b"");
    assert_eq!(server.client.stats().received, 0);
}

#[test]
fn on_a_full_disk_half_a_receipt_is_cut_off_and_none_is_lost_once_there_is_room() {
    let files = Files::new();
    let Some(disk) = SmallDisk::mount(&files.path("disk"), 64) else {
        return;
    };
    let server = Store::start();
    let receipts = files.name("disk/receipts");
    let one = files.write("one", ndjson([1]));
    publish(&server.url, &["--receipts", &receipts, &one], 0);
    let whole = fs::read_to_string(&receipts).expect("the file");
    fs::write(&receipts, [&whole, &whole[..50]].concat()).expect("written");
    disk.fill();
    let many = files.write("many", ndjson(1..=1000));
    let arguments = ["--receipts", &receipts, &many];
    let (_, ended) = publish(&server.url, &arguments, 2);
    assert!(ended.stderr.contains("half a line"), "{}", ended.stderr);
    let told = format!("--receipts {receipts}: No space left");
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);

    disk.resize(1024);
    publish(&server.url, &arguments, 0);
    let kept = fs::read_to_string(&receipts).expect("the file");
    assert!(kept.starts_with(&whole), "{kept}");
    for id in ids(1..=1000) {
        assert!(kept.contains(&format!("\"event_id\":\"{id}\"")), "{id}");
    }
    assert!(kept.lines().all(|line| line.ends_with('}')), "{kept}");
}

#[test]
fn without_the_right_token_it_stops_at_once_and_says_what_to_do() {
    let files = Files::new();
    let token = files.write("token", "s3cret\n");
    let wrong = files.write("wrong", "secret\n");
    let events = files.write("events", ndjson(1..=3000));
    let server = Store::with(&["--token-file", &token]);
    let (summary, ended) = publish(&server.url, &[&events], 2);
    assert_eq!((summary.stored, summary.retries), (0, 0));
    assert!(
        ended.stderr.contains("--token-file FILE"),
        "{}",
        ended.stderr
    );
    let (_, ended) = publish(&server.url, &["--token-file", &wrong, &events], 2);
    let told = "the token in --token-file is not the server's";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    let mut with_variable = publish_command(&server.url, &[&events]);
    with_variable.env("ONCELOG_TOKEN_FILE", &token);
    assert_eq!(run_command(with_variable).code, Some(0));
}

#[test]
fn what_cannot_be_begun_ends_with_2_and_says_why() {
    let server = Store::start();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=3));
    let directory = files.name("");
    let elsewhere = format!("{}/elsewhere", server.url);
    let url = server.url.as_str();
    for (arguments, named) in [
        (
            &["--url", "https://localhost", &events][..],
            "https is not spoken",
        ),
        (&["--url", &elsewhere, &events], "look at --url"),
        (&["--url", url, "/does/not/exist"], "/does/not/exist"),
        (&["--url", url, &directory], &directory),
        // What would clear a terminal is told in letters.
        (&["--url", url, "/not/\x1b[2J"], "/not/\\u{1b}[2J"),
        (&["--url", url, "--batch", "0", &events], "--batch"),
        (&["--url", url, "--rate", "0", &events], "--rate"),
        (
            &["--url", url, "--give-up-after", "0", &events],
            "--give-up-after",
        ),
        (
            &["--url", url, "--token-file", "/does/not/exist", &events],
            "--token-file",
        ),
        (
            &["--url", url, &events, "/does/not/exist"],
            "/does/not/exist",
        ),
    ] {
        let ended = run(&[&["publish"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{named}: {}", ended.stderr);
    }
    assert_eq!(server.client.stats().received, 0);
}

#[test]
fn what_comes_before_a_break_is_published_and_its_place_is_told() {
    let server = Store::start();
    let array = format!(
        "[{},{},{{\"topic\":",
        event("t", "e1", "1"),
        event("t", "e2", "2")
    );
    let (summary, ended) = publish_stdin(&server.url, &[], &array, 1);
    assert_eq!(summary.counts(), (2, 2, 0, 0, 0));
    assert!(
        ended.stderr.contains("breaks off in element 3"),
        "{}",
        ended.stderr
    );
    let (_, ended) = publish_stdin(
        &server.url,
        &[],
        format!("[{}] x", event("t", "e3", "3")),
        1,
    );
    assert!(
        ended.stderr.contains("something follows"),
        "{}",
        ended.stderr
    );
    assert_eq!(server.stored(), ids(1..=3));

    // Its first page cannot be read: a true EIO.
    let files = Files::new();
    let good = files.write("good", ndjson(4..=5));
    let (summary, ended) = publish(&server.url, &[&good, "/proc/self/mem"], 2);
    assert_eq!(summary.counts(), (2, 2, 0, 0, 0));
    let (told, told_of_others) = ("/proc/self/mem: cannot be read", "were not read");
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(!ended.stderr.contains(told_of_others), "{}", ended.stderr);
    let more = files.write("more", ndjson([6]));
    let (_, ended) = publish(&server.url, &[&good, "/proc/self/mem", &more], 2);
    assert!(ended.stderr.contains(told_of_others), "{}", ended.stderr);
    assert_eq!(server.stored(), ids(1..=5));
}

#[test]
fn the_reason_of_a_refusal_is_told_however_long_the_id() {
    let server = Store::start();
    let long = event("t", &"i".repeat(20_000), "1");
    let (_, ended) = publish_stdin(&server.url, &[], long, 1);
    assert!(ended.stderr.contains("i\"…): "), "{}", ended.stderr);
    assert!(ended.stderr.len() < 1000, "{}", ended.stderr);
}

#[test]
fn nothing_to_publish_is_no_failure() {
    let server = Store::start();
    for nothing in ["", "\n \n", "[]", "\u{feff}"] {
        let (summary, _) = publish_stdin(&server.url, &[], nothing, 0);
        assert_eq!(summary.counts(), (0, 0, 0, 0, 0), "{nothing:?}");
    }
}

/// Starts to publish what is written to it.
fn publishing(server: &Store, arguments: &[&str]) -> Starting {
    let mut command = publish_command(&server.url, arguments);
    command.stdin(Stdio::piped());
    start(command)
}

#[test]
fn what_is_slow_to_come_does_not_wait_for_a_whole_batch_and_signals_end_it() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = Store::start();
        let mut publishing = publishing(&server, &[]);
        let mut stdin = publishing.stdin();
        stdin.write_all(ndjson(1..=2).as_bytes()).expect("it reads");
        server.wait_for_received(2);
        stdin.write_all(ndjson([3]).as_bytes()).expect("it reads");
        server.wait_for_received(3);
        publishing.signal(signal);
        let ended = publishing.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let summary = Summary::of(&ended);
        assert_eq!(summary.unacknowledged, 0);
        assert_eq!(summary.stored, 3);
    }
}

#[test]
fn ctrl_c_ends_it_at_once_while_nothing_is_in_flight() {
    let url = format!("http://{}", address_of_its_own());
    let files = Files::new();
    let events = files.write("events", ndjson(1..=3));
    let waiting = start(publish_command(&url, &[&events]));
    waiting.wait_for_line("waiting: connection refused");
    let ended = interrupt(waiting);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let not_acknowledged = "not acknowledged: 3 events";
    assert!(ended.stderr.contains(not_acknowledged), "{}", ended.stderr);
    assert_eq!(Summary::of(&ended).unacknowledged, 3);
    assert!(!ended.stderr.contains("stopping"), "{}", ended.stderr);
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_batch_in_flight_and_loses_no_refusal() {
    let store = Store::start();
    let faulty = Faulty::start(store.process.address, [Act::Hold]);
    let files = Files::new();
    let with_bad = files.write("with-bad", format!("bad\n{}", ndjson(1..=3)));
    let refused = files.name("refused");
    let arguments = ["--refused", &refused, &with_bad];
    let mut waiting = start(publish_command(&faulty.url, &arguments));
    faulty.wait_for_requests(1);
    waiting.signal(Signal::INT);
    waiting.wait_for_line("stopping");
    waiting.signal(Signal::TERM);
    let ended = waiting.end();
    assert_eq!((ended.code, ended.stdout), (Some(143), vec![]));
    let kept = fs::read_to_string(&refused).expect("the file");
    assert!(kept.contains("invalid_json"), "{kept:?}");
}

#[test]
fn whoever_does_not_listen_to_it_does_not_stop_it() {
    let server = Store::start();
    let files = Files::new();
    // Refusals and conflicts, so that there is something to say.
    let conflict = event("t", "e1", "0");
    let events = files.write("events", format!("bad\n{}{conflict}\n", ndjson(1..=5)));
    let script = r#"exec "$0" publish --url "$1" "$2" >&- 2>&-"#;
    let closed = [
        "sh",
        "-c",
        script,
        env!("CARGO_BIN_EXE_oncelog"),
        &server.url,
        &events,
    ];
    let mut without = Command::new(closed[0]);
    without.args(&closed[1..]);
    assert_eq!(run_command(without).code, Some(1));
    assert_eq!(server.client.settled().counts(), (6, 5, 1, 1));

    // Pipes whose other end is gone.
    let mut unheard = command();
    unheard.args(["publish", "--url", &server.url, &events]);
    let (stdout, _) = std::io::pipe()
        .map(|(reader, writer)| (writer, drop(reader)))
        .expect("a pipe");
    let (stderr, _) = std::io::pipe()
        .map(|(reader, writer)| (writer, drop(reader)))
        .expect("a pipe");
    let child = unheard
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .expect("the binary starts");
    assert_eq!(Owned(child).wait(), Some(1));
    assert_eq!(server.client.settled().received, 12);
}

#[test]
fn a_summary_for_people_says_what_became_of_all_events() {
    let server = Store::start();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=5));
    let ended = run(&["publish", "--url", &server.url, &events]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let said = "read 5: stored 5, duplicates 0, refused 0; seq 1 to 5; ";
    assert!(text.starts_with(said), "{text}");
    assert_eq!(text.lines().count(), 1);
}
