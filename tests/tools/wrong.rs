//! A segment that is none, and an index that is of another log: each tool ends with the code that
//! says so, and none of those that only look, or refuse, changes a thing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::process::{run_command, serve_command};
use crate::run_tool;
use crate::store::{segments, stopped_store, store_of_three_lives};
use crate::tree::{assert_same, tree};

/// What each tool ends with. Seq 5 stands in the second segment of three.
type Codes = [(&'static [&'static str], i32); 9];

fn codes(of: [i32; 9]) -> Codes {
    let lines: [&[&str]; 9] = [
        &["dump"],
        &["dump", "--frames", "--json"],
        &["verify"],
        &["verify", "--log-only"],
        &["why", "--seq", "5"],
        &["why", "--seq", "2"],
        &["info"],
        &["repair"],
        &["rebuild"],
    ];
    let mut lines = lines.into_iter().zip(of);
    std::array::from_fn(|_| lines.next().expect("as many"))
}

#[track_caller]
fn assert_ends(name: &str, data_dir: &Path, wanted: &Codes, named: &str) {
    for (line, code) in wanted {
        let before = tree(&data_dir.join("log"));
        let all = tree(data_dir);
        let ended = run_tool(data_dir, line);
        let text = String::from_utf8_lossy(&ended.stdout);
        let case = format!("{name}: {line:?}: {text}{}", ended.stderr);
        assert_eq!(ended.code, Some(*code), "{case}");
        match code {
            0 => {}
            // It knows of the seq only that its segment is not there.
            1 if line[0] == "why" => assert!(text.contains("seqs 4 to 6 lost"), "{case}"),
            1 => assert!(text.contains(named), "{case}"),
            _ => {
                assert!(
                    text.is_empty() && ended.stderr.lines().count() == 1,
                    "{case}"
                );
                assert!(ended.stderr.contains("where seq 4 is due"), "{case}");
            }
        }
        assert_same(&before, &data_dir.join("log"));
        if line[0] != "rebuild" {
            assert_same(&all, data_dir);
        }
    }
}

/// What makes something of a name.
type Make = fn(&Path, &Path);

#[test]
fn a_segment_that_is_a_directory_a_link_or_has_no_bytes() {
    let make: [(&str, Make, i32); 4] = [
        (
            "a directory",
            |path, _| fs::create_dir(path).expect("it"),
            2,
        ),
        (
            "a link to what it was",
            |path, was| symlink(was, path).expect("it"),
            2,
        ),
        (
            "a link to nothing",
            |path, _| symlink("/nowhere/at/all", path).expect("it"),
            2,
        ),
        ("no bytes", |path, _| fs::write(path, b"").expect("it"), 0),
    ];
    for (name, make, repaired) in make {
        let store = store_of_three_lives();
        let elsewhere = tempfile::tempdir().expect("a directory");
        let path = segments(store.path())[1].clone();
        let was = elsewhere.path().join("segment");
        fs::copy(&path, &was).expect("a copy");
        fs::remove_file(&path).expect("it goes away");
        make(&path, &was);
        let segment = path.file_name().expect("a name").to_string_lossy();
        let info = i32::from(name == "no bytes");
        let wanted = codes([1, 1, 1, 1, 1, 0, info, 1, 2]);
        assert_ends(name, store.path(), &wanted, &segment);
        let refused = run_command(serve_command(store.path(), &[]));
        assert_eq!(refused.code, Some(3), "{name}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(&*segment),
            "{name}: {}",
            refused.stderr
        );

        // What it points to is nobody's to change.
        let before = tree(elsewhere.path());
        let ended = run_tool(store.path(), &["repair", "--yes"]);
        let said = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.code, Some(repaired), "{name}: {said}{}", ended.stderr);
        assert_same(&before, elsewhere.path());
    }
}

#[test]
fn an_index_of_another_log() {
    let (store, other) = (stopped_store(), stopped_store());
    let index = store.path().join("index");
    fs::remove_dir_all(&index).expect("it goes away");
    crate::tree::copy(&other.path().join("index"), &index);
    let wanted = codes([0, 0, 1, 1, 0, 0, 1, 1, 1]);
    for (line, code) in wanted {
        let all = tree(store.path());
        let ended = run_tool(store.path(), line);
        let text = String::from_utf8_lossy(&ended.stdout);
        let case = format!("{line:?}: {text}{}", ended.stderr);
        assert_eq!(ended.code, Some(code), "{case}");
        let is_told = (text.to_string() + &ended.stderr).contains("another log");
        assert!(is_told || code == 0, "{case}");
        if line[0] != "rebuild" {
            assert_same(&all, store.path());
        }
    }
    // Which made it this log's.
    let ended = run_tool(store.path(), &["verify"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
