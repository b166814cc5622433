//! No more files can be opened: by a crowd of connections, while the log needs a new segment.

use std::process::Command;
use std::time::Instant;

use crate::bodies::with_payload;
use crate::support::client::Client;
use crate::support::process::{Oncelog, PATIENCE, Starting, serve_command};
use crate::support::raw::RawClient;

/// Few, but enough to start with.
const OPEN_FILES: usize = 48;

#[test]
fn without_a_file_to_open_nothing_acknowledged_is_lost_and_it_heals() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = ["--segment-size", "64KiB"];
    let server = start_with_few_files(serve_command(directory.path(), &options));
    let mut publisher = RawClient::connect(server.address);
    let payload = format!("\"{}\"", "x".repeat(10_000));
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    let mut publish = |id: u64, publisher: &mut RawClient| {
        let event = with_payload(&id.to_string(), &payload);
        let length = event.len();
        let head = "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length:";
        publisher.send(format!("{head} {length}\r\n\r\n{event}"));
        let answer = publisher.answer();
        if answer.status == 200 {
            acknowledged.push(id);
        } else {
            assert!(matches!(answer.status, 503 | 507), "{}", answer.text);
            let problem = answer.json();
            assert_eq!(problem["retry"], "same_ids", "{problem}");
            refused += 1;
        }
        answer.status
    };
    assert_eq!(publish(0, &mut publisher), 200);
    // More than it can accept; the kernel keeps the others waiting.
    let crowd: Vec<RawClient> = (0..2 * OPEN_FILES)
        .map(|_| {
            let mut client = RawClient::connect(server.address);
            client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
            client
        })
        .collect();
    let until = Instant::now() + PATIENCE;
    while !server.stderr().contains("cannot be accepted") {
        assert!(Instant::now() < until, "it accepts all of them");
        std::thread::yield_now();
    }
    // Several segments' worth.
    for id in 1..40 {
        publish(id, &mut publisher);
    }
    drop(crowd);
    let mut id = 40;
    while publish(id, &mut publisher) != 200 {
        assert!(Instant::now() < until, "it does not heal");
        id += 1;
    }
    drop(publisher);
    assert!(refused > 0, "a new segment was never needed");
    let client = Client::new(server.address);
    let stats = client.settled();
    assert_eq!(
        stats.received,
        acknowledged.len() as u64,
        "{}",
        server.stderr()
    );
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let server = Oncelog::start(directory.path());
    let found = Client::new(server.address).events("");
    let found: Vec<u64> = found
        .iter()
        .filter_map(|event| event.event_id.parse().ok())
        .collect();
    assert_eq!(found, acknowledged, "in the order of their acknowledgement");
}

fn start_with_few_files(command: Command) -> Oncelog {
    let limited = format!("ulimit -n {OPEN_FILES} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &limited]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Starting::spawn(shell).ready()
}
