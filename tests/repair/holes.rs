//! A hole as `dump` shows it, and as `oncelog publish` takes it.

use std::fs;

use serde_json::{Value, json};

use crate::client::Client;
use crate::dump::dump;
use crate::process::{Oncelog, command, run_command};
use crate::scene::{Scene, events, says};
use crate::store::damage;

/// Of 90 events those from 21 to 30 are lost, and the hole is there.
fn repaired() -> Scene {
    let scene = Scene::new();
    damage(scene.path(), 25);
    says(scene.path(), &["--yes"], 0);
    scene
}

fn text(scene: &Scene, options: &[&str]) -> String {
    let ended = dump(scene.path(), options);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    String::from_utf8(ended.stdout).expect("UTF-8")
}

#[test]
fn a_hole_is_shown_in_its_place_in_every_form() {
    let scene = repaired();
    let json_lines = text(&scene, &["--json"]);
    let lines: Vec<Value> = json_lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 81);
    assert_eq!(
        lines[20],
        json!({ "seq": 21, "last_seq": 30, "verdict": "lost" })
    );
    assert_eq!(
        (&lines[19]["seq"], &lines[21]["seq"]),
        (&json!(20), &json!(31))
    );

    let people = text(&scene, &[]);
    let hole = people.lines().nth(20).expect("a line");
    assert!(
        hole.contains("lost") && hole.contains("21") && hole.contains("30"),
        "{hole}"
    );

    let raw = text(&scene, &["--raw", "--json"]);
    let frames = raw
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let holes: Vec<Value> = frames.filter(|frame| frame["type"] == "hole").collect();
    assert_eq!(holes.len(), 1);
    assert_eq!(
        (
            &holes[0]["first_seq"],
            &holes[0]["count"],
            &holes[0]["payload_bytes"]
        ),
        (&json!(21), &json!(10), &json!(0))
    );
    assert!(text(&scene, &["--raw"]).contains("hole"));
}

/// Nobody knows when that was received which is lost; the time in the frame is that of the repair.
#[test]
fn a_hole_is_shown_whatever_times_are_wanted() {
    let scene = repaired();
    for options in [
        ["--json", "--until", "2001-01-01T00:00:00Z"],
        ["--json", "--since", "2101-01-01T00:00:00Z"],
    ] {
        let shown = text(&scene, &options);
        assert_eq!(shown, "{\"seq\":21,\"last_seq\":30,\"verdict\":\"lost\"}\n");
    }
    assert_eq!(text(&scene, &["--json", "--to", "20"]).lines().count(), 20);
    let of_topic = ["--json", "--topic", "orders"];
    assert_eq!(text(&scene, &of_topic).lines().count(), 80);
}

#[test]
fn what_a_dump_with_a_hole_has_is_published_and_the_hole_is_named() {
    let scene = repaired();
    let dumped = tempfile::NamedTempFile::new().expect("a file");
    fs::write(dumped.path(), text(&scene, &["--json"])).expect("a file");
    let other = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(other.path());
    let mut publish = command();
    publish
        .args(["publish", "--url", &format!("http://{}", server.address)])
        .arg(dumped.path());
    let ended = run_command(publish);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("a dump says here that events are lost"),
        "{}",
        ended.stderr
    );
    let stats = Client::new(server.address).settled();
    assert_eq!((stats.received, stats.lost), (80, 0));
    assert_eq!(server.terminate().code, Some(0));
    let contents =
        |all: &std::path::Path| -> Vec<(String, String)> { events(all).into_values().collect() };
    assert_eq!(contents(other.path()), contents(scene.path()));
}
