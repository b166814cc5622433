//! How it ends: before it begins, with the server, by a signal.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::report::{bench, bench_command, report, start};
use crate::support::client::Client;
use crate::support::faulty::{Act, Faulty};
use crate::support::process::{
    Oncelog, Starting, address_of_its_own, run_command, serve_on_command,
};
use crate::support::publish::{Files, Store};

#[test]
fn what_cannot_be_begun_ends_with_2_and_says_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nowhere = format!("http://{}", nobody.local_addr().expect("its address"));
    drop(nobody);
    let store = Store::start();
    let foreign = Faulty::start(store.process.address, [Act::answer(200, "", "{}")]);
    let files = Files::new();
    let token = files.write("token", "s3cret\n");
    let closed = Store::with(&["--token-file", &token]);
    let prefixed = format!("{}/elsewhere", store.url);
    for (url, arguments, named) in [
        (nowhere.as_str(), &[][..], "refused"),
        ("https://localhost", &[], "https is not spoken"),
        (&foreign.url, &[], "look at --url"),
        (&prefixed, &[], "404"),
        (&closed.url, &[], "--token-file FILE"),
        (&store.url, &["--batch", "0"], "--batch"),
        (&store.url, &["--payload-bytes", "5"], "--payload-bytes"),
        (&store.url, &["--duplicates", "2"], "--duplicates"),
        (&store.url, &["--rate", "0"], "--rate"),
        (
            &store.url,
            &["--events", "1", "--duration", "1s"],
            "--duration",
        ),
    ] {
        let ended = run_command(bench_command(url, arguments));
        assert_eq!(ended.code, Some(2), "{url} {arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{named}: {}", ended.stderr);
    }
    assert_eq!(store.client.stats().received, 0);
    bench(&closed.url, &["--token-file", &token, "--events", "10"], 0);
}

#[test]
fn a_server_that_is_killed_ends_it_with_1_and_is_told() {
    let store = Store::start();
    let mut measuring = start(&store, &["--duration", "1h", "--batch", "1"]);
    store.process.kill();
    let ended = measuring.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the server is gone"),
        "{}",
        ended.stderr
    );
    let report = report(&ended);
    assert!(report.unknown > 0 && report.errors_total > 0, "{report:?}");
    assert!(
        report
            .differences
            .iter()
            .any(|told| told.contains("nothing to compare"))
    );
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_gone_on_with() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let address = address_of_its_own();
    let serve =
        |data_dir: &Path| Starting::spawn(serve_on_command(&address, data_dir, &[])).ready();
    let first: Oncelog = serve(data_dir.path());
    let client = Client::new(first.address);
    let arguments = [
        "--events",
        "3000",
        "--rate",
        "1000",
        "--batch",
        "5",
        "--duplicates",
        "0.5",
    ];
    let url = format!("http://{address}");
    let mut measuring = Starting::spawn(bench_command(&url, &arguments));
    while client.stats().received < 500 {
        std::thread::sleep(Duration::from_millis(1));
    }
    first.kill();
    let second = serve(data_dir.path());
    let ended = measuring.end();
    let report = report(&ended);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    // What had no answer may be there or not; all else agrees.
    assert_eq!(report.differences, [""; 0], "{}", ended.stderr);
    assert_eq!(report.events + report.unknown + report.refused, 3000);
    assert!(second.address.port() > 0 && report.errors_total > 0);
}

#[test]
fn ctrl_c_ends_it_with_what_was_seen_so_far() {
    let store = Store::start();
    let mut measuring = start(&store, &["--duration", "1h"]);
    measuring.signal(Signal::INT);
    let ended = measuring.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let report = report(&ended);
    assert_eq!(report.events, store.client.settled().received);
    assert_eq!((report.unknown, report.differences.len()), (0, 0));
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_answers() {
    let store = Store::start();
    let faulty = Faulty::start(store.process.address, [Act::Pass, Act::Pass, Act::Stall]);
    let arguments = ["--duration", "1h", "--connections", "1"];
    let mut measuring = Starting::spawn(bench_command(&faulty.url, &arguments));
    faulty.wait_for_requests(3);
    measuring.signal(Signal::INT);
    // The first is heard before the second comes, or both end it alike.
    std::thread::sleep(Duration::from_millis(100));
    measuring.signal(Signal::TERM);
    let ended = measuring.end();
    assert!(
        [Some(143), Some(130)].contains(&ended.code),
        "{:?}",
        ended.code
    );
}
