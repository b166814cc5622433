//! `oncelog publish` over kills, of the store and of itself: at the end every event is kept
//! once, in its order, and nothing more was added than duplicates.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
    pub mod publish;
}

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;
use support::client::Client;
use support::dump::dump_events;
use support::process::{PATIENCE, Starting, address_of_its_own, run, serve_on_command};
use support::publish::{Files, Store, Summary, ids, ndjson, publish, publish_command, start};

const EVENTS: u64 = 4000;
/// So slow that it is in the middle whenever something happens to it.
const OPTIONS: [&str; 4] = ["--rate", "4000", "--batch", "20"];
const BATCH: u64 = 20;

fn stored(client: &Client) -> Vec<String> {
    let events = client.events("");
    events.into_iter().map(|event| event.event_id).collect()
}

#[derive(Debug, Deserialize)]
struct ReceiptLine {
    seq: u64,
    event_id: String,
    verdict: String,
}

/// How many receipts there are; the last one may be broken.
fn whole_lines(path: &str) -> u64 {
    let text = fs::read(path).expect("the file");
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// The receipts, none of which is broken.
fn receipts(path: &str) -> Vec<ReceiptLine> {
    let text = fs::read_to_string(path).expect("the file");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Every receipt is of an event that the log has at that seq, with that verdict.
fn assert_kept(receipts: &[ReceiptLine], store: &std::path::Path) {
    let logged = dump_events(store, &[]);
    for receipt in receipts {
        let place = usize::try_from(receipt.seq - 1).expect("a place");
        let event = &logged[place];
        assert_eq!(
            (event.seq, &event.event_id),
            (receipt.seq, &receipt.event_id)
        );
        assert_eq!(event.verdict.as_ref(), Some(&receipt.verdict));
    }
}

#[test]
fn a_store_that_is_killed_again_and_again_ends_up_with_every_event_once() {
    let address = address_of_its_own();
    let data_dir = tempfile::tempdir().expect("a directory");
    let serve = || Starting::spawn(serve_on_command(&address, data_dir.path(), &[])).ready();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=EVENTS));
    let receipts_file = files.name("receipts");
    let mut store = serve();
    let url = format!("http://{address}");
    let arguments = [&OPTIONS[..], &["--receipts", &receipts_file, &events]].concat();
    let mut publishing = start(publish_command(&url, &arguments));
    for kill in 1..=6 {
        let client = Client::new(store.address);
        let until = std::time::Instant::now() + PATIENCE;
        while client.stats().received < kill * EVENTS / 8 {
            assert!(std::time::Instant::now() < until, "it does not go on");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        store.kill();
        store = serve();
    }
    let ended = publishing.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = Summary::of(&ended);
    assert!(summary.retries > 0, "no kill was noticed: {}", ended.stderr);
    assert!(ended.stderr.contains("waiting: "), "{}", ended.stderr);
    assert_eq!(summary.stored + summary.duplicates, EVENTS);
    assert_eq!((summary.read, summary.conflicts), (EVENTS, 0));

    let client = Client::new(store.address);
    let stats = client.settled();
    assert_eq!((stats.unique_processed, stats.conflicts), (EVENTS, 0));
    assert_eq!(stats.received, EVENTS + stats.duplicate_dropped);
    assert_eq!(stored(&client), ids(1..=EVENTS));
    let receipts = receipts(&receipts_file);
    assert_eq!(receipts.len() as u64, EVENTS);
    assert_kept(&receipts, data_dir.path());
    store.kill();
    let data_dir = data_dir.path().to_str().expect("UTF-8");
    let proved = run(&[
        "verify",
        "--data-dir",
        data_dir,
        "--receipts",
        &receipts_file,
    ]);
    let text = String::from_utf8_lossy(&proved.stdout);
    assert_eq!(proved.code, Some(0), "{text}{}", proved.stderr);
    assert!(text.contains("4000 of 4000 hold"), "{text}");
}

#[test]
fn a_publisher_that_is_killed_and_begun_again_adds_only_duplicates_and_no_broken_receipt() {
    let store = Store::start();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=EVENTS));
    let receipts_file = files.name("receipts");
    let with_receipts = ["--receipts", &receipts_file, &events];
    let arguments = [&OPTIONS[..], &with_receipts].concat();
    let mut received = 0;
    for run in 1..=4 {
        let publishing = start(publish_command(&store.url, &arguments));
        store.wait_for_received(received + run * EVENTS / 10);
        publishing.kill();
        // Nothing is under way any more.
        received = settled(&store);
        // A kill may cost the receipts of the batch in flight, and of no other.
        let lines = whole_lines(&receipts_file);
        assert!(lines + run * BATCH >= received, "{lines} of {received}");
    }
    let (summary, _) = publish(&store.url, &with_receipts, 0);
    assert_eq!(summary.stored + summary.duplicates, EVENTS);
    assert!(summary.stored > 0 && summary.duplicates > 0, "{summary:?}");
    let stats = store.client.settled();
    let (unique, duplicates) = (stats.unique_processed, stats.duplicate_dropped);
    assert_eq!((unique, stats.conflicts), (EVENTS, 0));
    assert_eq!(stats.received, EVENTS + duplicates);
    assert_eq!(store.stored(), ids(1..=EVENTS));

    let receipts = receipts(&receipts_file);
    assert_kept(&receipts, store.data_dir.path());
    let proven: BTreeSet<&str> = receipts.iter().map(|one| one.event_id.as_str()).collect();
    assert_eq!(proven.len() as u64, EVENTS);
}

/// How many events there are once a publisher is gone: what it had sent is either taken by
/// then or never will be.
fn settled(store: &Store) -> u64 {
    loop {
        let before = store.client.settled().received;
        let after = store.client.settled().received;
        if before == after {
            return after;
        }
    }
}
