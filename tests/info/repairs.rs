//! What repairs leave: that one was stopped, what they have kept, and holes without a time.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::process::{command, run_command};
use crate::store::{damage, stopped_store, store_of_three_lives};
use crate::{says, shown};

fn repair(data_dir: &Path) {
    let mut command = command();
    command
        .args(["repair", "--yes", "--data-dir"])
        .arg(data_dir);
    let ended = run_command(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_repair_that_was_stopped_is_told_and_is_not_well() {
    let data_dir = stopped_store();
    let well = says(data_dir.path(), 0);
    assert_eq!(
        (&well["repair_stopped"], &well["set_aside"]),
        (&json!(false), &json!([]))
    );
    let kept = data_dir.path().join("set-aside.unfinished");
    fs::create_dir(&kept).expect("a directory");
    fs::write(kept.join("00000000000000000001.seg"), [0; 2048]).expect("a file");
    let said = says(data_dir.path(), 1);
    assert_eq!(said["repair_stopped"], true);
    assert_eq!(
        said["set_aside"],
        json!([{ "name": "set-aside.unfinished", "bytes": 2048, "is_unfinished": true }])
    );
    let text = shown(data_dir.path(), 1);
    let line = "\nrepair      WAS STOPPED, and no server starts before it has ended: oncelog repair \
                --yes (set-aside.unfinished, 2.00 KiB)\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_a_repair_has_kept_is_told_by_name_and_size() {
    let data_dir = store_of_three_lives();
    let damaged = damage(data_dir.path(), 2);
    let segment = data_dir.path().join("log").join(damaged.segment);
    let segment_bytes = fs::metadata(segment).expect("it").len();
    repair(data_dir.path());
    let said = says(data_dir.path(), 0);
    assert_eq!(said["repair_stopped"], false);
    let kept = &said["set_aside"][0];
    let name = kept["name"].as_str().expect("a name");
    assert!(data_dir.path().join(name).is_dir(), "{said}");
    assert_eq!(kept["is_unfinished"], false);
    let bytes = kept["bytes"].as_u64().expect("bytes");
    assert!(
        bytes > segment_bytes && bytes < segment_bytes + (64 << 10),
        "{said}"
    );
    let text = shown(data_dir.path(), 0);
    let line = format!("\nset aside   {name}, ");
    assert!(text.contains(&line), "{text}");
}

/// The repair's own time is no time at which anything was received.
#[test]
fn holes_at_both_ends_do_not_change_the_time_span() {
    let data_dir = store_of_three_lives();
    let ends = |said: &serde_json::Value| {
        let time = |name: &str| said["log"][name].as_str().expect("a time").to_owned();
        (time("first_received_at"), time("last_received_at"))
    };
    let (first, last) = ends(&says(data_dir.path(), 0));
    for seq in [1, 9] {
        damage(data_dir.path(), seq);
        repair(data_dir.path());
    }
    let said = says(data_dir.path(), 0);
    assert_eq!(
        (&said["log"]["last_seq"], &said["index"]["lost"]),
        (&json!(9), &json!(2))
    );
    let (first_left, last_left) = ends(&said);
    assert!(first < first_left, "{first} {first_left}");
    assert!(
        first_left < last_left && last_left < last,
        "{last_left} {last}"
    );
}

#[test]
fn a_damaged_log_is_not_said_to_be_behind_its_index() {
    let data_dir = store_of_three_lives();
    damage(data_dir.path(), 8);
    let said = says(data_dir.path(), 1);
    assert_eq!(said["index"]["state"], "beyond_damage");
    assert_eq!(said["index"]["behind"], json!(null));
    let text = shown(data_dir.path(), 1);
    let line = "index       goes on behind the damage, so that only oncelog verify can tell whether \
                it agrees\n";
    assert!(text.contains(line) && !text.contains("AHEAD"), "{text}");
}
