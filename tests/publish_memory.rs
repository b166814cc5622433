//! `oncelog publish` of more than would fit: its memory is that of a few batches. Campaigns,
//! which take a while: `cargo test --release --test publish_memory -- --ignored`.

mod support {
    pub mod client;
    pub mod process;
    pub mod publish;
}

use std::fs;
use std::io::{BufWriter, Write};
use std::process::Stdio;

use support::client::event;
use support::process::Starting;
use support::publish::{Store, Summary, publish_command, start};

/// The most of a process's memory that was ever in use, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a peak")
}

/// Publishes what is written; gives the summary and the peak. All of it must be `received`
/// before the end, so that there is still a process to be looked at.
fn publish_written(
    code: i32,
    received: u64,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> (Summary, u64) {
    let store = Store::start();
    let mut command = publish_command(&store.url, &[] as &[&str]);
    command.stdin(Stdio::piped());
    let mut publishing: Starting = start(command);
    let mut stdin = BufWriter::with_capacity(1 << 20, publishing.stdin());
    write(&mut stdin)
        .and_then(|()| stdin.flush())
        .expect("it reads");
    store.wait_for_received(received);
    let peak = peak_kib(publishing.pid());
    drop(stdin);
    let ended = publishing.end();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    (Summary::of(&ended), peak)
}

#[test]
#[ignore = "a campaign: two million events"]
fn memory_stays_flat_however_long_the_stream_is() {
    const EVENTS: u64 = 2_000_000;
    let padding = format!("\"{}\"", "x".repeat(160));
    let (summary, peak) = publish_written(0, EVENTS, |out| {
        (0..EVENTS).try_for_each(|n| writeln!(out, "{}", event("t", &format!("e{n}"), &padding)))
    });
    assert_eq!(summary.counts(), (EVENTS, EVENTS, 0, 0, 0));
    eprintln!("{summary:?}, peak {peak} KiB");
    assert!(peak < 32 << 10, "{peak} KiB");
}

#[test]
#[ignore = "a campaign: lines of hundreds of MiB"]
fn a_line_that_is_too_long_takes_no_memory_and_costs_no_other_event() {
    const MIB: usize = 1 << 20;
    let chunk = vec![b'x'; MIB];
    let (summary, peak) = publish_written(1, 3, |out| {
        for n in 0..3 {
            writeln!(out, "{}", event("t", &format!("e{n}"), "1"))?;
            (0..200).try_for_each(|_| out.write_all(&chunk))?;
            writeln!(out)?;
        }
        Ok(())
    });
    assert_eq!(summary.counts(), (6, 3, 0, 0, 3));
    eprintln!("peak {peak} KiB");
    assert!(peak < 64 << 10, "{peak} KiB");
}
