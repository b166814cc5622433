//! How `serve` ends, as a supervisor sees it: 0 drained, 2 used in a way that cannot work.
//! (1 is in `poison.rs` and `full_disk.rs`, 2 for want of rights in `rights.rs`, 3 in
//! `refused.rs`.) What it says then stands in docs/operations.md.

mod support {
    pub mod client;
    pub mod dump;
    pub mod operations;
    pub mod process;
    pub mod store;
}

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use support::client::{Client, event};
use support::operations::assert_documented;
use support::process::{Ended, Oncelog, command, run, run_command, serve_command};
use support::store::{frames, publish_batches};

/// Runs `serve`, which is expected to end by itself.
fn serve_to_end(data_dir: &Path, options: &[&str]) -> Ended {
    run_command(serve_command(data_dir, options))
}

#[test]
fn a_second_process_on_a_data_directory_is_refused_at_once_and_told_whose_it_is() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let first = Oncelog::start(data_dir.path());
    let second = serve_to_end(data_dir.path(), &[]);
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    let pid = format!("pid {}", first.pid());
    assert!(second.stderr.contains(&pid), "{}", second.stderr);
    assert_documented("The directory is in use", &second.stderr);
    // The first one does not mind, and lets go when it is killed.
    Client::new(first.address).publish(event("t", "1", "1"));
    first.kill();
    let third = Oncelog::start(data_dir.path());
    assert_eq!(Client::new(third.address).settled().received, 1);
}

#[test]
fn a_port_in_use_is_a_usage_error_that_names_it() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut command = command();
    command
        .args(["serve", "--listen", &address, "--data-dir"])
        .arg(data_dir.path().join("data"));
    let ended = run_command(command);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
    assert_documented("The port is in use", &ended.stderr);
}

#[test]
fn options_that_are_wrong_end_it_with_2_and_leave_no_directory() {
    let parent = tempfile::tempdir().expect("a directory");
    let data_dir = parent.path().join("data");
    for (options, named) in [
        (&["--no-such-option"][..], "--no-such-option"),
        (&["--segment-size", "many"], "--segment-size"),
        (&["--segment-size", "1kB"], "--segment-size"),
        (&["--body-timeout", "0s"], "--body-timeout"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--token-file", "/does/not/exist"], "/does/not/exist"),
    ] {
        let ended = serve_to_end(&data_dir, options);
        assert_eq!(ended.code, Some(2), "{options:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(named),
            "{options:?}: {}",
            ended.stderr
        );
    }
    assert!(!data_dir.exists());
    assert_eq!(run(&["no-such-command"]).code, Some(2));
    assert_eq!(run(&["dump", "--frames", "--topic", "t"]).code, Some(2));
}

#[test]
fn a_data_directory_that_is_a_file_ends_it_with_2() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("data");
    fs::write(&file, "not a directory").expect("a file");
    for data_dir in [file.clone(), file.join("below")] {
        let ended = serve_to_end(&data_dir, &[]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let name = file.to_string_lossy();
        assert!(ended.stderr.contains(&*name), "{}", ended.stderr);
        assert_documented("The data directory is a file", &ended.stderr);
    }
    let text = fs::read_to_string(&file).expect("the file");
    assert_eq!(text, "not a directory");
}

#[test]
fn a_directory_of_something_else_is_left_as_it_is() {
    for (name, is_dir) in [
        ("photos", true),
        ("notes.txt", false),
        ("log/syslog", false),
    ] {
        let data_dir = tempfile::tempdir().expect("a directory");
        let strange = data_dir.path().join(name);
        fs::create_dir_all(strange.parent().expect("a parent")).expect("a directory");
        if is_dir {
            fs::create_dir(&strange).expect("a directory");
        } else {
            fs::write(&strange, "mine").expect("a file");
        }
        let before = everything(data_dir.path());
        let ended = serve_to_end(data_dir.path(), &[]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
        assert_documented("A directory of something else", &ended.stderr);
        assert_eq!(everything(data_dir.path()), before);
    }
}

/// Files and directories below a directory, by name.
fn everything(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        names.push(path.to_string_lossy().into_owned());
        if path.is_dir() {
            names.extend(everything(&path));
        }
    }
    names.sort();
    names
}

#[test]
fn what_belongs_to_nobody_does_not_keep_a_store_from_being_made() {
    let data_dir = tempfile::tempdir().expect("a directory");
    // A fresh ext4 volume, the repository's own directory, and a start that was killed early.
    for dir in ["lost+found", "log", "index"] {
        fs::create_dir(data_dir.path().join(dir)).expect("a directory");
    }
    for file in [
        ".gitignore",
        "README.md",
        "lock",
        "log/.tmp-1",
        "log/reserve",
    ] {
        fs::write(data_dir.path().join(file), "").expect("a file");
    }
    let process = Oncelog::start(data_dir.path());
    Client::new(process.address).publish(event("t", "1", "1"));
    process.kill();
    // Of a store that is one, whatever else lies there is the operator's business.
    fs::write(data_dir.path().join("notes.txt"), "mine").expect("a file");
    let process = Oncelog::start(data_dir.path());
    assert_eq!(Client::new(process.address).settled().received, 1);
}

#[test]
fn a_clean_stop_ends_with_0_and_leaves_a_log_and_an_index_and_no_wal() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    publish_batches(&client);
    // Readers have connections of their own, which must not outlive the one that writes.
    assert_eq!(client.events("").len(), 30);
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let index: Vec<String> = fs::read_dir(data_dir.path().join("index"))
        .expect("the index")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let (runs, others): (Vec<_>, Vec<_>) = index.iter().partition(|name| name.ends_with(".run"));
    assert_eq!(others, ["index.sqlite3"]);
    assert!(!runs.is_empty());
    assert_eq!(
        frames(data_dir.path())
            .last()
            .map(|frame| frame.frame_type.clone()),
        Some("mark".to_owned())
    );
}
