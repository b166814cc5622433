//! Risk: a tool says in other words, or in another shape, what operators and programs go by.
//!
//! Every option of the tools that look and put right, as it is typed, on a store of real events with
//! duplicates and a conflict, and on that store with a damage. (`dump`'s options for choosing events
//! are in `dump_options.rs`, `--follow` in `dump_follow.rs`.)
//!
//! The files in `tests/data/tools` are what they printed; `UPDATE_SNAPSHOTS=1` writes them anew.

#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/process.rs"]
mod process;
#[path = "support/publish.rs"]
mod publish;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/snapshot.rs"]
mod snapshot;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;

#[path = "snapshots/scene.rs"]
mod scene;
#[path = "snapshots/terminal.rs"]
mod terminal;

use scene::{Scene, is_as_before};

#[test]
fn what_is_said_of_a_store_that_is_well() {
    let scene = Scene::new();
    for (name, line, code) in [
        ("frames.txt", &["dump", "--frames"][..], 0),
        ("frames.ndjson", &["dump", "--frames", "--json"], 0),
        (
            "frames-chosen.txt",
            &["dump", "--frames", "--from", "5", "--to", "8"],
            0,
        ),
        ("raw.txt", &["dump", "--raw", "--segment", "1"], 0),
        ("raw.ndjson", &["dump", "--raw", "--json"], 0),
        (
            "dump-tmp-dir.ndjson",
            &["dump", "--json", "--tmp-dir", "TMP", "--last", "2"],
            0,
        ),
        ("info.txt", &["info"], 0),
        ("info-topics.txt", &["info", "--topics", "1"], 0),
        ("info.json", &["info", "--json"], 0),
        ("verify.txt", &["verify", "--tmp-dir", "TMP"], 0),
        (
            "verify.json",
            &["verify", "--json", "--index-filter-memory", "1MiB"],
            0,
        ),
        ("verify-log-only.txt", &["verify", "--log-only"], 0),
        (
            "verify-receipts.txt",
            &["verify", "--receipts", "RECEIPTS"],
            0,
        ),
        (
            "verify-receipts.json",
            &["verify", "--json", "--receipts", "RECEIPTS"],
            0,
        ),
        ("why.txt", &["why", "ID"], 0),
        (
            "why-topic.json",
            &["why", "ID", "--topic", "TOPIC", "--limit", "2", "--json"],
            0,
        ),
        (
            "why-source.txt",
            &["why", "ID", "--source", "api.github.com"],
            1,
        ),
        ("why-seq.txt", &["why", "--seq", "12"], 0),
        ("repair.txt", &["repair"], 0),
        ("repair.json", &["repair", "--dry-run", "--json"], 0),
        (
            "repair-yes.txt",
            &["repair", "--yes", "--tmp-dir", "TMP"],
            0,
        ),
        ("rebuild.txt", &["rebuild"], 0),
        (
            "rebuild.json",
            &["rebuild", "--json", "--index-filter-memory", "1MiB"],
            0,
        ),
        ("rebuild-no-compare.txt", &["rebuild", "--no-compare"], 0),
    ] {
        let said = scene.says(line, code);
        assert_eq!(said.1, "", "{line:?}");
        is_as_before(name, &said.0);
    }
}

#[test]
fn what_is_said_of_it_with_a_damage() {
    let scene = Scene::new();
    scene.damage();
    for (name, line, code) in [
        (
            "damaged-dump.ndjson",
            &["dump", "--json", "--from", "4", "--to", "9"][..],
            1,
        ),
        ("damaged-frames.txt", &["dump", "--frames"], 1),
        ("damaged-raw.ndjson", &["dump", "--raw", "--json"], 1),
        ("damaged-info.txt", &["info"], 1),
        ("damaged-info.json", &["info", "--json"], 1),
        ("damaged-verify.txt", &["verify"], 1),
        ("damaged-verify.json", &["verify", "--json"], 1),
        (
            "damaged-receipts.txt",
            &["verify", "--receipts", "RECEIPTS"],
            1,
        ),
        ("damaged-why.txt", &["why", "ID"], 1),
        ("damaged-why-seq.json", &["why", "--seq", "5", "--json"], 1),
        ("damaged-rebuild.txt", &["rebuild"], 2),
        ("damaged-repair.txt", &["repair", "--dry-run"], 1),
        ("damaged-repair.json", &["repair", "--json"], 1),
        (
            "damaged-repair-yes.json",
            &["repair", "--yes", "--json", "--index-filter-memory", "1MiB"],
            0,
        ),
        (
            "repaired-dump.ndjson",
            &["dump", "--json", "--verdict", "lost"],
            0,
        ),
        ("repaired-info.txt", &["info"], 0),
        ("repaired-verify.txt", &["verify"], 0),
        ("repaired-why.txt", &["why", "--seq", "5"], 1),
        ("repaired-why-id.txt", &["why", "ID"], 0),
        (
            "repaired-receipts.txt",
            &["verify", "--receipts", "RECEIPTS"],
            1,
        ),
    ] {
        let (out, err) = scene.says(line, code);
        is_as_before(name, &[out, err].concat());
    }
}
