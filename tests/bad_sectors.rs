//! Risk: on a disk that cannot read back what it had stored, a tool does not say where, dies of a
//! signal, gives up what stands behind it, or loses more by putting it right than the sector held.
//!
//! True bad sectors under sealed segments of a stopped store, one at a time: in a payload, under a
//! header, under the segment's own header, under its seal. And under a server that runs: it does
//! not die of one.

#[path = "support/bad_disk.rs"]
mod bad_disk;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/operations.rs"]
mod operations;
#[path = "support/process.rs"]
mod process;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;

#[path = "bad_sectors/scene.rs"]
mod scene;

use dump::{dump, events_and_damages};
use operations::assert_documented;
use process::{run_command, serve_command};
use scene::{Bad, Under, each_place, ids, intact, log_on_bad_disk, said, seqs, text, tool};
use serde_json::{Value, json};
use store::segments;
use tree::{assert_same, tree};

/// It is told as what cannot be read, in this segment, with the bytes that are gone.
#[track_caller]
fn assert_told(damage: &Value, bad: &Bad) {
    assert_eq!(damage["kind"], "unreadable", "{damage}");
    assert_eq!(damage["segment"], bad.segment, "{damage}");
    let fault = damage["fault"].as_str().expect("words");
    assert!(fault.contains("Input/output error"), "{fault}");
    let number = |name: &str| damage[name].as_u64().expect("an offset");
    let (offset, end) = (number("offset"), number("end"));
    assert!(
        offset < bad.bytes().end && bad.bytes().start < end,
        "{damage}"
    );
}

#[test]
fn dump_shows_it_in_its_place_and_all_around_it() {
    for bad in each_place() {
        let before = tree(bad.data_dir());
        let ended = dump(bad.data_dir(), &["--json"]);
        assert_eq!(ended.code, Some(1), "{:?}: {}", bad.under, ended.stderr);
        let (events, damages) = events_and_damages(&ended);
        assert_eq!(ids(&events), bad.expected_ids(), "{:?}", bad.under);
        // What is under a segment's header is told apart: its seal repeats it, so it costs nothing.
        let told = usize::from(bad.under == Under::SegmentHeader) + 1;
        assert_eq!(damages.len(), told, "{damages:?}");
        damages.iter().for_each(|damage| assert_told(damage, &bad));
        for options in [&[][..], &["--frames"], &["--raw"], &["--frames", "--json"]] {
            let ended = dump(bad.data_dir(), options);
            assert_eq!(ended.code, Some(1), "{options:?}: {}", ended.stderr);
            let text = String::from_utf8(ended.stdout).expect("UTF-8");
            assert!(text.contains("Input/output error"), "{text}");
            assert!(text.contains(&bad.segment), "{text}");
        }
        // What lies behind it is reached without it.
        let ended = dump(bad.data_dir(), &["--json", "--last", "5"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_same(&before, bad.data_dir());
    }
}

#[test]
fn verify_tells_what_is_intact_around_it() {
    for bad in each_place() {
        let before = tree(bad.data_dir());
        for options in [&["--json"][..], &["--json", "--log-only"]] {
            let said = said(&bad, "verify", options, 1);
            assert_eq!(intact(&said), bad.expected_seqs(), "{:?}", bad.under);
            assert_told(&said["log"]["wrong"][0], &bad);
            let told = u64::from(bad.under == Under::SegmentHeader) + 1;
            assert_eq!(said["log"]["wrong_total"], told);
            assert_eq!(said["log"]["damaged"]["seqs"], bad.lost_count());
        }
        let text = text(&bad, "verify", &[], 1);
        assert!(text.contains("Input/output error"), "{text}");
        assert_same(&before, bad.data_dir());
    }
}

#[test]
fn why_tells_what_stands_on_it_as_lost_and_all_else_as_it_is() {
    for bad in each_place() {
        let before = tree(bad.data_dir());
        for seq in bad.lost_seqs() {
            let said = said(&bad, "why", &["--seq", &seq.to_string(), "--json"], 1);
            assert_eq!(said["outcome"], "lost", "{said}");
            assert_told(&said["lost"]["damage"], &bad);
            let id = format!("id-{seq}");
            let told = text(&bad, "why", &[&id], 1);
            assert!(told.contains("Input/output error"), "{told}");
        }
        let around = bad.seq_before()..bad.seq_before() + bad.lost_count() + 2;
        for seq in around.filter(|seq| !bad.lost_seqs().contains(seq)) {
            let asked = ["--seq", &seq.to_string(), "--json"];
            let said = said(&bad, "why", &asked, 0);
            assert_eq!(said["outcome"], "found", "{said}");
            said_of_id(&bad, seq, 0);
        }
        assert_same(&before, bad.data_dir());
        // Without an index all is read, and the rest of it is found all the same.
        std::fs::remove_dir_all(bad.data_dir().join("index")).expect("the index");
        said_of_id(&bad, scene::ALL, 1);
        for seq in bad.lost_seqs() {
            let said = said(&bad, "why", &["--json", &format!("id-{seq}")], 1);
            assert_told(&said["damage"][0], &bad);
        }
    }
}

#[track_caller]
fn said_of_id(bad: &Bad, seq: u64, code: i32) {
    let said = said(bad, "why", &["--json", &format!("id-{seq}")], code);
    assert_eq!(said["keys"][0]["kept_seq"], seq, "{said}");
}

/// It reads the ends only, and says where one of them cannot be read.
#[test]
fn info_tells_it_where_it_meets_it() {
    for bad in each_place() {
        let before = tree(bad.data_dir());
        let ended = run_command(tool("info", bad.data_dir(), &["--json"]));
        let text = String::from_utf8(ended.stdout).expect("UTF-8");
        match bad.under {
            Under::Payload | Under::Header | Under::Seal => {
                assert_eq!(ended.code, Some(0), "{text}{}", ended.stderr);
            }
            Under::SegmentHeader => {
                let said = text + &ended.stderr;
                assert_eq!(ended.code, Some(1), "{:?}: {said}", bad.under);
                assert!(said.contains(&bad.segment), "{said}");
                assert!(said.contains("offset "), "{said}");
                assert!(said.contains("Input/output error"), "{said}");
            }
        }
        assert_same(&before, bad.data_dir());
    }
}

#[test]
fn rebuild_and_serve_refuse_it_with_its_place() {
    for bad in each_place() {
        let before = tree(&bad.data_dir().join("log"));
        let index = tree(&bad.data_dir().join("index"));
        let ended = run_command(tool("rebuild", bad.data_dir(), &[]));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert_same(&index, &bad.data_dir().join("index"));
        let at = format!("{} at offset ", bad.segment);
        let refused = run_command(serve_command(bad.data_dir(), &[]));
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        for said in [&ended.stderr, &refused.stderr] {
            assert!(said.contains(&at), "{:?}: {said}", bad.under);
            assert!(said.contains("Input/output error"), "{said}");
        }
        assert_documented("A bad sector", &refused.stderr);
        // The report beneath says what is intact.
        let lost = format!("({})\n", scene::ALL - bad.lost_count());
        assert!(
            refused.stderr.contains("\nintact      seqs 1 to "),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(&lost), "{}", refused.stderr);
        assert_same(&before, &bad.data_dir().join("log"));
    }
}

/// The whole directory on the bad disk, where the old segment gets a second name; and only its log,
/// where it must be copied.
#[test]
fn repair_keeps_every_frame_that_can_be_read() {
    let places = each_place().into_iter().chain(log_on_bad_disk());
    for bad in places {
        let before = tree(&bad.data_dir().join("log"));
        let planned = said(&bad, "repair", &["--json"], 1);
        assert_told(&planned["wrong"][0], &bad);
        assert_eq!(planned["lost"]["seqs"], bad.lost_count(), "{planned}");
        assert_same(&before, &bad.data_dir().join("log"));

        let done = said(&bad, "repair", &["--yes", "--json"], 0);
        assert_eq!(done["done"]["verified"], true, "{:?}: {done}", bad.under);
        assert_eq!(done["lost"], planned["lost"]);
        let ended = dump(bad.data_dir(), &["--json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(seqs(&ended), bad.expected_seqs());
        said(&bad, "verify", &["--json"], 0);
        // Of what was set aside all is there that could be read.
        bad.assert_set_aside();

        let server = process::Oncelog::start(bad.data_dir());
        let client = client::Client::new(server.address);
        let stats = client.settled();
        assert_eq!((stats.received, stats.lost), (scene::ALL, bad.lost_count()));
        for seq in bad.lost_seqs() {
            let answer = client.get(&format!("/events/{seq}"));
            assert_eq!(answer.status, 410, "{}", answer.text);
            let told = said(&bad, "why", &["--seq", &seq.to_string(), "--json"], 1);
            assert_eq!(told["lost"]["to"], "hole", "{told}");
        }
        assert_eq!(server.terminate().code, Some(0));
        assert_eq!(segments(bad.data_dir()).len(), scene::SEGMENTS);
        assert_eq!(
            json!(seqs(&dump(bad.data_dir(), &["--json"]))),
            json!(bad.expected_seqs())
        );
    }
}

/// The server does not read what is sealed when it starts, if it is told not to: then it meets it
/// when it is asked for it.
#[test]
fn a_running_server_says_where_it_is_and_lives_on() {
    for bad in each_place() {
        if !matches!(bad.under, Under::Payload | Under::Header) {
            continue;
        }
        // As small as the store was made: what is written near the end of the device ends it.
        let small = ["--segment-size", "64KiB", "--reserve", "64KiB"];
        let unread = ["--verify-at-start", "0"];
        let server =
            process::Oncelog::start_with(bad.data_dir(), &[&small[..], &unread[..]].concat());
        let client = client::Client::new(server.address);
        for round in 0..2 {
            for seq in 1..=scene::ALL {
                let answer = client.get(&format!("/events/{seq}"));
                let is_lost = bad.lost_seqs().contains(&seq);
                // Without a header none of what stands close behind it can be found either.
                let is_hidden = bad.under == Under::Header && bad.hides(seq);
                if !is_lost && !is_hidden {
                    assert_eq!(
                        answer.status, 200,
                        "{:?}, {seq}: {}",
                        bad.under, answer.text
                    );
                    continue;
                }
                assert_eq!(
                    answer.status, 500,
                    "{:?}, {seq}: {}",
                    bad.under, answer.text
                );
                let problem: Value = serde_json::from_str(&answer.text).expect("JSON");
                assert_eq!(problem["code"], "log_unreadable");
                let detail = problem["detail"].as_str().expect("words");
                for said in [&bad.segment, "offset ", "Input/output error"] {
                    assert!(detail.contains(said), "{detail}");
                }
            }
            let id = format!("after-{round}");
            client.publish(client::event("orders", &id, "1"));
        }
        assert_eq!(client.settled().received, scene::ALL + 2);
        let ended = server.terminate();
        assert_eq!(ended.code, Some(0), "{:?}: {}", bad.under, ended.stderr);
    }
}
