//! A file of receipts over kills: whole lines stay, half ones go, and other files are left
//! alone.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::index::fold::Verdict;

fn receipt(seq: u64, topic: &str) -> Receipt {
    Receipt {
        index: 0,
        verdict: Some(Verdict::Duplicate),
        seq,
        original_seq: Some(1),
        topic: topic.to_owned(),
        event_id: "id".to_owned(),
        payload_digest: "00ff".to_owned(),
    }
}

fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("receipts");
    (dir, path)
}

fn written(path: &Path, seqs: &[u64]) -> Vec<u8> {
    let (mut file, _) = ReceiptsFile::open(path).expect("a file of receipts");
    let receipts: Vec<Receipt> = seqs.iter().map(|&seq| receipt(seq, "t")).collect();
    file.write("ab", &receipts).expect("written");
    fs::read(path).expect("the file")
}

#[test]
fn a_line_holds_what_a_proof_needs() {
    let (_dir, path) = place();
    let (mut file, _) = ReceiptsFile::open(&path).expect("a new file");
    file.write("ab", &[receipt(7, "a\"b")]).expect("written");
    assert_eq!(
        fs::read_to_string(&path).expect("the file"),
        "{\"log_id\":\"ab\",\"topic\":\"a\\\"b\",\"event_id\":\"id\",\"payload_digest\":\"00ff\",\
         \"verdict\":\"duplicate\",\"seq\":7,\"original_seq\":1}\n"
    );
}

#[test]
fn wherever_a_kill_cut_it_no_whole_receipt_is_lost_and_no_half_one_stays() {
    let (_dir, path) = place();
    let all = written(&path, &[1, 2]);
    let first_end = all.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
    for length in 0..=all.len() {
        fs::write(&path, &all[..length]).expect("written");
        let found = written(&path, &[9]);
        let text = String::from_utf8(found).expect("UTF-8");
        let seqs: Vec<u64> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<Line>(line)
                    .expect("a whole line")
                    .seq
            })
            .collect();
        // A line is whole once only its end is missing.
        let mut expected = Vec::new();
        expected.extend((length + 1 >= first_end).then_some(1));
        expected.extend((length + 1 >= all.len()).then_some(2));
        expected.push(9);
        assert_eq!(seqs, expected, "cut at {length}");
    }
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let (_dir, path) = place();
    let half = written(&path, &[1]);
    let mut with_strange_end = half.clone();
    with_strange_end.extend_from_slice(b"something");
    for other in [
        b"hello".to_vec(),
        b"{\"topic\":\"t\"}\n".to_vec(),
        b"\n".to_vec(),
        vec![b'x'; 20_000],
        vec![0; 20_000],
        with_strange_end,
    ] {
        fs::write(&path, &other).expect("written");
        let refused = ReceiptsFile::open(&path).expect_err("not ours");
        assert!(
            matches!(refused, ReceiptsError::NotOurs { .. }),
            "{refused}"
        );
        assert_eq!(fs::read(&path).expect("the file"), other);
    }
}

#[test]
fn nuls_that_a_power_cut_left_are_cut_off_and_no_receipt_with_them() {
    let (_dir, path) = place();
    let one = written(&path, &[1]);
    let all = written(&path, &[2]);
    for nuls in [1, LINE_BYTES_MAX as usize, 30_000] {
        for (length, kept) in [
            (all.len(), all.len()),
            (all.len() - 1, all.len()),
            (all.len() - 2, one.len()),
            (one.len(), one.len()),
            (20, 0),
        ] {
            let mut torn = all[..length].to_vec();
            torn.resize(length + nuls, 0);
            fs::write(&path, torn).expect("written");
            let (_, left_out) = ReceiptsFile::open(&path).expect("ours");
            assert_eq!(fs::read(&path).expect("the file"), all[..kept]);
            assert_eq!(left_out, (length + nuls - kept.min(length)) as u64);
        }
    }
}

#[test]
fn a_file_that_is_mended_stays_the_same_file() {
    let (dir, path) = place();
    let all = written(&path, &[1, 2]);
    let other_name = dir.path().join("hard link");
    fs::hard_link(&path, &other_name).expect("a link");
    fs::write(&path, &all[..all.len() - 5]).expect("written");
    let mended = written(&path, &[3]);
    assert_eq!(fs::read(&other_name).expect("the file"), mended);
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 2);
}

#[test]
fn what_keeps_nothing_takes_no_receipts_and_is_not_waited_for() {
    let (dir, path) = place();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    for other in [&path, Path::new("/dev/null"), Path::new("/dev/full")] {
        let refused = ReceiptsFile::open(other).expect_err("no regular file");
        let told = matches!(refused, ReceiptsError::NotAFile { .. });
        assert!(told, "{refused}");
    }
    let refused = ReceiptsFile::open(dir.path()).expect_err("a directory");
    assert!(matches!(refused, ReceiptsError::Io { .. }), "{refused}");
}

#[test]
fn two_publishers_do_not_share_a_file() {
    let (_dir, path) = place();
    let _first = ReceiptsFile::open(&path).expect("a new file");
    let second = ReceiptsFile::open(&path).expect_err("it is in use");
    assert!(matches!(second, ReceiptsError::InUse { .. }), "{second}");
}
