//! Another process holds the lock of the index.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;

use crate::scene::{Scene, assert_degraded, index_figure};
use crate::support::served::Served;

/// Another process takes the index's lock.
fn lock(server: &Served, how: &str) -> Connection {
    let connection = Connection::open(server.index_file()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch(how).unwrap();
    connection
}

#[test]
fn while_another_process_locks_the_index_verdicts_go_on() {
    let scene = Scene::begin(&[]);
    let locked = lock(&scene.server, "BEGIN IMMEDIATE");
    assert_degraded(&scene.server.wait_for_state("degraded"));
    scene.wait_for_answers(200, 20);
    assert_eq!(scene.answered(202), 0, "there was room for verdicts");
    drop(locked);
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 1);
}

#[test]
fn while_it_is_locked_and_the_delta_full_verdicts_come_later() {
    let scene = Scene::begin(&["--delta-events", "300"]);
    let locked = lock(&scene.server, "BEGIN EXCLUSIVE");
    assert_degraded(&scene.server.wait_for_state("degraded"));
    scene.wait_for_answers(202, 20);
    let stats = scene.server.stats();
    assert!(stats["pending"].as_u64().unwrap() > 0, "{stats:#}");
    let seq = stats["received"].as_u64().unwrap();
    let late = scene.server.get(&format!("/receipts?from={seq}&to={seq}"));
    assert_eq!(late.status, 202, "{}", late.text);
    drop(locked);
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 1);
}

#[test]
fn a_full_backlog_is_refused_until_the_index_takes_it() {
    let scene = Scene::begin(&["--delta-events", "300", "--backlog-events", "600"]);
    let locked = lock(&scene.server, "BEGIN IMMEDIATE");
    // Each such answer is checked where it is taken down.
    scene.wait_for_answers(503, 5);
    let ready = scene.server.get("/readyz");
    let problem = ready.assert_problem(503, "not_ready");
    assert_eq!(problem["state"], "backlog_full");
    drop(locked);
    scene.wait_for_answers(200, 5);
    scene.end();
}

#[test]
fn an_index_deleted_while_it_is_locked_heals_from_both() {
    let scene = Scene::begin(&["--delta-events", "300"]);
    let locked = lock(&scene.server, "BEGIN IMMEDIATE");
    scene.wait_for_answers(202, 5);
    fs::remove_file(scene.server.index_file()).unwrap();
    scene.server.wait_for("given up", |stats| {
        index_figure(stats, "apply_failures") >= 2
    });
    drop(locked);
    let retries = index_figure(&scene.server.stats(), "apply_retries");
    assert!(retries >= 3, "the old index's are forgotten: {retries}");
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 2);
}
