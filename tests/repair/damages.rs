//! Each kind of damage, as an operator takes it out, with a real server behind it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::Client;
use crate::process::{Oncelog, command, run_command};
use crate::random::Random;
use crate::scene::{Scene, change, events, intact, lost, publish, says};
use crate::store::{PAYLOAD_AT, ShownFrame, frames, segments};
use crate::tree::copy;

type Meddle<'m> = Box<dyn Fn(&Path) + 'm>;

/// What it is called, the seqs that it costs, and how it is done.
type Case<'m> = (&'static str, &'static [(u64, u64)], Meddle<'m>);

/// The path of the nth segment.
fn segment(data_dir: &Path, place: usize) -> PathBuf {
    segments(data_dir)[place].clone()
}

fn frame(data_dir: &Path, seq: u64) -> ShownFrame {
    let all = frames(data_dir);
    let mut with_seq = all.into_iter().filter(|frame| frame.count > 0);
    with_seq
        .find(|frame| frame.first_seq == seq)
        .expect("a frame")
}

fn at(data_dir: &Path, frame: &ShownFrame, meddle: impl Fn(&mut [u8])) {
    let path = data_dir.join("log").join(&frame.segment);
    change(&path, |bytes| meddle(&mut bytes[frame.offset..]));
}

/// Takes the damage out: all that was readable, and all that `verify` called intact, is there.
/// Gives what was said.
#[track_caller]
fn repaired(name: &str, data_dir: &Path, all: &Scene) -> Value {
    let (before, intact) = (events(data_dir), intact(data_dir));
    let original = events(all.path());
    let planned = says(data_dir, &[], 1);
    let said = says(data_dir, &["--yes"], 0);
    assert_eq!(said["done"]["verified"], true, "{name}: {said}");
    for member in ["new_segments", "set_aside", "lost", "next_seq", "wrong"] {
        assert_eq!(planned[member], said[member], "{name}: {member}");
    }
    let after = events(data_dir);
    for seq in intact {
        assert_eq!(after.get(&seq), original.get(&seq), "{name}: seq {seq}");
    }
    for (seq, event) in &before {
        assert_eq!(after.get(seq), Some(event), "{name}: seq {seq}");
    }
    let mut verify = command();
    verify.args(["verify", "--data-dir"]).arg(data_dir);
    let ended = run_command(verify);
    let text = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.code, Some(0), "{name}: {text}{}", ended.stderr);
    all.assert_serves(data_dir, &lost(&said));
    said
}

#[test]
fn each_kind_of_damage_is_taken_out_and_the_server_goes_on() {
    let scene = Scene::new();
    let foreign = foreign_segment();
    let frame = |seq| frame(scene.path(), seq);
    let cases: Vec<Case<'_>> = vec![
        (
            "a bit of a payload",
            &[(11, 20)],
            Box::new(|dir| at(dir, &frame(11), |bytes| bytes[PAYLOAD_AT + 9] ^= 4)),
        ),
        (
            "a bit of a header",
            &[(41, 50)],
            Box::new(|dir| at(dir, &frame(41), |bytes| bytes[20] ^= 4)),
        ),
        (
            "a block of zeros",
            &[(31, 50)],
            Box::new(|dir| {
                let (from, to) = (frame(31).offset, frame(41).end());
                at(dir, &frame(31), |bytes| bytes[40..to - from - 20].fill(0))
            }),
        ),
        (
            "a middle that is cut out",
            &[(41, 60)],
            Box::new(|dir| {
                let at = frame(41).offset + 200;
                change(&segment(dir, 1), |bytes| drop(bytes.drain(at..at + 96)))
            }),
        ),
        (
            "an end that is cut off",
            &[(51, 60)],
            Box::new(|dir| {
                let at = frame(51).offset + 100;
                change(&segment(dir, 1), |bytes| bytes.truncate(at))
            }),
        ),
        (
            "a missing segment",
            &[(31, 60)],
            Box::new(|dir| fs::remove_file(segment(dir, 1)).expect("it")),
        ),
        (
            "the first one missing",
            &[(1, 30)],
            Box::new(|dir| fs::remove_file(segment(dir, 0)).expect("it")),
        ),
        (
            "the last one missing, which the index knows",
            &[(61, 90)],
            Box::new(|dir| fs::remove_file(segment(dir, 2)).expect("it")),
        ),
        (
            "swapped segments",
            &[],
            Box::new(|dir| {
                let [one, other] = [segment(dir, 0), segment(dir, 1)];
                let bytes = fs::read(&one).expect("it");
                fs::copy(&other, &one).expect("it");
                fs::write(&other, bytes).expect("it");
            }),
        ),
        (
            "a segment of another log",
            &[(31, 60)],
            Box::new(|dir| fs::write(segment(dir, 1), &foreign).expect("it")),
        ),
        (
            "a frame twice",
            &[(41, 60)],
            Box::new(|dir| {
                let (from, to) = (frame(31).offset, frame(31).end());
                change(&segment(dir, 1), |bytes| {
                    let copy = bytes[from..to].to_vec();
                    bytes.splice(to..to, copy);
                })
            }),
        ),
        (
            "an old copy of a segment",
            &[(41, 60)],
            Box::new(|dir| {
                let at = frame(31).end();
                change(&segment(dir, 1), |bytes| bytes[at..].fill(0))
            }),
        ),
        (
            "a damaged segment header",
            &[],
            Box::new(|dir| change(&segment(dir, 0), |bytes| bytes[..64].fill(0xA5))),
        ),
        (
            "the header of one without a seal",
            &[(61, 90)],
            Box::new(|dir| change(&segment(dir, 2), |bytes| bytes[..64].fill(0xA5))),
        ),
        (
            "a log that ends too soon",
            &[(81, 90)],
            Box::new(|dir| {
                let at = frame(81).offset;
                change(&segment(dir, 2), |bytes| bytes.truncate(at))
            }),
        ),
        (
            "a file with nothing in it",
            &[(61, 90)],
            Box::new(|dir| change(&segment(dir, 2), Vec::clear)),
        ),
    ];
    for (name, expected, meddle) in cases {
        let store = tempfile::tempdir().expect("a directory");
        copy(scene.path(), store.path());
        meddle(store.path());
        let said = repaired(name, store.path(), &scene);
        assert_eq!(lost(&said), expected, "{name}: {said}");
    }
}

/// A segment that begins with seq 31, of a log of its own.
fn foreign_segment() -> Vec<u8> {
    let store = tempfile::tempdir().expect("a directory");
    for life in 0..2 {
        let server = Oncelog::start(store.path());
        publish(&Client::new(server.address), life * 3..life * 3 + 3);
        server.kill();
    }
    fs::read(store.path().join("log/00000000000000000031.seg")).expect("it begins there")
}

/// Damage drawn at random, several at once.
fn draw(random: &mut Random, data_dir: &Path, foreign: &[u8], scene: &Scene) {
    for _ in 0..random.between(1, 3) {
        let all = segments(data_dir);
        let place = random.between(0, all.len() as u64 - 1) as usize;
        let path = &all[place];
        let len = fs::metadata(path).expect("it").len().clamp(1, 8192);
        let from = random.between(0, len - 1) as usize;
        match random.between(0, 8) {
            0 => change(path, |bytes| {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte ^= 1 << (from % 8);
                }
            }),
            1 => change(path, |bytes| {
                let to = bytes.len().min(from + 512);
                bytes[from.min(to)..to].fill(0);
            }),
            2 => change(path, |bytes| bytes.truncate(from)),
            3 if all.len() > 1 => {
                let other = &all[(place + 1) % all.len()];
                let bytes = fs::read(path).expect("it");
                fs::copy(other, path).expect("it");
                fs::write(other, bytes).expect("it");
            }
            4 if all.len() > 2 => fs::remove_file(path).expect("it"),
            5 => change(path, |bytes| {
                let to = bytes.len().min(from + 96);
                drop(bytes.drain(from.min(to)..to));
            }),
            6 => fs::write(path, foreign).expect("it"),
            // As it was before it got some of its frames.
            7 => {
                let name = path.file_name().expect("a name").to_string_lossy();
                let mut of_it = frames(scene.path());
                of_it.retain(|frame| frame.segment == name);
                let kept = random.between(0, of_it.len() as u64 - 1) as usize;
                let at = of_it[kept].offset;
                let old = fs::read(scene.path().join("log").join(&*name)).expect("it");
                let room = vec![0; old.len() - at];
                fs::write(path, [&old[..at], &room].concat()).expect("it");
            }
            _ => change(path, |bytes| {
                let at = from.min(bytes.len()) / 8 * 8;
                let copy = bytes[at..bytes.len().min(at + 256)].to_vec();
                bytes.splice(at..at, copy);
            }),
        }
    }
}

fn random_damages(times: u64, seed: u64) {
    let (scene, foreign) = (Scene::new(), foreign_segment());
    let mut random = Random::new(seed);
    let mut repaired_count = 0;
    for round in 0..times {
        let store = tempfile::tempdir().expect("a directory");
        copy(scene.path(), store.path());
        draw(&mut random, store.path(), &foreign, &scene);
        if says_well(store.path()) {
            continue;
        }
        repaired_count += 1;
        repaired(&format!("seed {seed}, round {round}"), store.path(), &scene);
    }
    assert!(repaired_count * 2 > times, "{repaired_count} of {times}");
}

/// Some draws change room that nobody uses, or undo each other.
fn says_well(data_dir: &Path) -> bool {
    let ended = crate::scene::repair(data_dir, &[]);
    ended.code == Some(0)
}

#[test]
fn random_damages_are_taken_out() {
    random_damages(20, 1);
}

#[test]
#[ignore = "minutes: three hundred random damages"]
fn three_hundred_random_damages_are_taken_out() {
    for seed in 2..5 {
        random_damages(100, seed);
    }
}
