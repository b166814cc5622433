//! A disk that is full before a repair, or gets full in the middle of one.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::mount::SmallDisk;
use crate::operations::assert_documented;
use crate::refused::assert_refused;
use crate::scene::{Scene, change, events, repair, says};
use crate::skipped::say_skipped;
use crate::store::segments;
use crate::tree::{assert_same, copy, names, tree};

const DISK_KIB: u32 = 64 << 10;

/// A damaged store on a small disk; none if that cannot be had.
fn damaged_on_small_disk() -> Option<(SmallDisk, TempDir, PathBuf)> {
    let mounted = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(mounted.path(), DISK_KIB) else {
        say_skipped("a repair on a full disk: none can be mounted");
        return None;
    };
    let scene = Scene::new();
    for segment in &segments(scene.path())[..2] {
        change(segment, |bytes| bytes[200] ^= 1);
    }
    let data_dir = mounted.path().join("data");
    copy(scene.path(), &data_dir);
    for name in names(&data_dir.join("log")) {
        if name.starts_with(".tmp-") {
            fs::remove_file(data_dir.join("log").join(name)).expect("it");
        }
    }
    Some((disk, mounted, data_dir))
}

/// Leaves so much free on a disk.
fn leave_free(disk: &SmallDisk, bytes: u64) {
    disk.fill();
    let filler = fs::OpenOptions::new().write(true).open(disk.filler());
    let filler = filler.expect("the filler");
    let filled = filler.metadata().expect("its length").len();
    filler.set_len(filled - bytes).expect("it can be cut");
}

fn needed(said: &Value) -> (u64, u64) {
    let bytes = |name: &str| said["room"][0][name].as_u64().expect("bytes");
    (bytes("needed_bytes"), bytes("free_bytes"))
}

#[test]
fn without_room_for_it_nothing_is_begun_and_the_plan_says_so() {
    let Some((disk, _mounted, data_dir)) = damaged_on_small_disk() else {
        return;
    };
    let reserve = data_dir.join("log/reserve");
    fs::write(&reserve, [0; 100]).expect("the reserve");
    leave_free(&disk, 0);
    let before = tree(&data_dir.join("log"));
    let said = says(&data_dir, &[], 1);
    let (needed, free) = needed(&said);
    // One block: the reserve, which may be given up for it.
    assert!(free == 4096 && needed > free, "{said}");
    let text = repair(&data_dir, &[]).stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("NO ROOM "), "{text}");
    assert!(
        text.ends_with("repair      cannot be done before there is more room\n"),
        "{text}"
    );
    let stderr = assert_refused(&data_dir, &["--yes"], &["nothing was changed"]);
    assert_documented("No room for a repair", &stderr);
    assert_same(&before, &data_dir.join("log"));
    assert_eq!(names(&data_dir), ["index", "lock", "log"]);
}

#[test]
fn the_reserve_is_given_up_for_it_and_left_over_room_is_used() {
    let Some((disk, _mounted, data_dir)) = damaged_on_small_disk() else {
        return;
    };
    let expected = events(&data_dir);
    let (reserve, left_over) = (data_dir.join("log/reserve"), data_dir.join("log/.tmp-0"));
    fs::write(&reserve, vec![0; 4 << 20]).expect("the reserve");
    fs::write(&left_over, vec![0; 8192]).expect("room");
    leave_free(&disk, 0);
    let (needed, free) = needed(&says(&data_dir, &[], 1));
    assert!(needed < free && free == (4 << 20) + 8192, "{needed} {free}");
    says(&data_dir, &["--yes"], 0);
    assert!(!left_over.exists());
    assert!(events(&data_dir) == expected);
}

/// What it takes is told as the least: somewhere above that the disk gets full in the middle.
#[test]
fn a_disk_that_gets_full_in_the_middle_stops_it_and_it_goes_on_from_there() {
    let Some((disk, _mounted, data_dir)) = damaged_on_small_disk() else {
        return;
    };
    let _ = fs::remove_file(data_dir.join("log/reserve"));
    let expected = events(&data_dir);
    let (needed, _) = needed(&says(&data_dir, &[], 1));
    let unfinished = data_dir.join("set-aside.unfinished");
    let mut stopped_in_the_middle = 0;
    for more_kib in [0, 4, 8, 16, 32, 64] {
        leave_free(&disk, needed.next_multiple_of(4096) + (more_kib << 10));
        let ended = repair(&data_dir, &["--yes"]);
        if ended.code == Some(0) {
            break;
        }
        assert_eq!(
            (ended.code, ended.stderr.lines().count()),
            (Some(2), 2),
            "{}",
            ended.stderr
        );
        assert!(events(&data_dir) == expected, "{more_kib}");
        if unfinished.exists() {
            stopped_in_the_middle += 1;
            assert_full(&ended.stderr);
        }
    }
    assert!(stopped_in_the_middle > 0, "it was never in the middle");
    fs::remove_file(disk.filler()).expect("the filler");
    if unfinished.exists() {
        says(&data_dir, &["--yes"], 0);
    }
    assert!(events(&data_dir) == expected);
    assert!(!Path::new(&unfinished).exists());
}

fn assert_full(stderr: &str) {
    let heading = match stderr.contains("its index cannot be made anew") {
        true => "No room for the index in a repair",
        false => "The disk gets full in a repair",
    };
    assert_documented(heading, stderr);
}
