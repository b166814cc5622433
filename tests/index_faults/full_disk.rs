//! The disk of the index is full.

use std::fs;
use std::time::Duration;

use crate::scene::{FLUSHED_SOON, Scene, assert_degraded, index_figure};

/// The index's disk becomes full, and then has room again.
fn full_disk(kib: u32, fill: impl FnOnce(&Scene), make_room: impl FnOnce(&Scene)) {
    let Some(scene) = Scene::begin_on_small_disk(kib, &["--delta-events", "800"]) else {
        return;
    };
    fill(&scene);
    assert_degraded(&scene.server.wait_for_state("degraded"));
    scene.wait_for_answers(202, 5);
    make_room(&scene);
    let stats = scene.end();
    assert!(index_figure(&stats, "apply_failures") >= 1);
}

#[test]
fn a_disk_that_gets_full_is_waited_out() {
    let empty = |scene: &Scene| fs::remove_file(scene.disk().filler()).unwrap();
    full_disk(32 << 10, |scene| scene.disk().fill(), empty);
}

#[test]
fn a_disk_that_was_too_small_is_waited_out() {
    full_disk(900, |_| {}, |scene| scene.disk().resize(32 << 10));
}

#[test]
fn damage_on_a_full_disk_is_healed_when_there_is_room() {
    let Some(scene) = Scene::begin_on_small_disk(32 << 10, &FLUSHED_SOON) else {
        return;
    };
    fs::remove_file(scene.server.index_file()).unwrap();
    // What the discarded index gives back is taken away as well.
    for _ in 0..40 {
        scene.disk().fill();
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::remove_file(scene.disk().filler()).unwrap();
    scene.end();
}
