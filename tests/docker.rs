//! What the image promises, of real containers: any user, a read-only root, kills, a stop under
//! load, too little memory, a volume that moves. `tests/docker/run` builds the image, runs these
//! and cleans up.

#[path = "judge/checker.rs"]
mod checker;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "docker/engine.rs"]
mod engine;
#[path = "judge/history.rs"]
mod history;
#[path = "support/process.rs"]
mod process;
#[path = "judge/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;
#[path = "docker/traffic.rs"]
mod traffic;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, Shape, event};
use dump::lines;
use engine::{Container, Scene, docker_ok};
use history::{Logged, Sent};
use process::Ended;
use serde::Deserialize;
use serde_json::value::RawValue;
use traffic::Traffic;

const KILLS: u32 = 5;

/// As strict as an operator can be who gives nothing beyond the volume.
const STRICT: [&str; 5] = [
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
];

fn publish_some(client: &Client, from: u32) {
    let events: Vec<String> = (from..from + 10)
        .map(|id| event("t", &id.to_string(), &format!(r#"{{"n": {id}}}"#)))
        .collect();
    let receipt = client.publish(Shape::Array.body(&events));
    assert_eq!((receipt.unique, receipt.duplicates), (10, 0));
}

fn assert_dumped(ended: &Ended, count: u64) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let seqs: Vec<u64> = lines(ended).iter().map(|event| event.seq).collect();
    assert!(seqs.into_iter().eq(1..=count), "not seqs 1 to {count}");
}

/// What the publishers of docker-compose.yml send.
fn real_events() -> Vec<Sent> {
    #[derive(Deserialize)]
    struct Real {
        topic: String,
        event_id: String,
        payload: Box<RawValue>,
    }
    let lines = include_str!("data/github-webhooks.ndjson").lines();
    lines
        .map(|line| serde_json::from_str(line).expect("an event"))
        .map(|real: Real| Sent {
            topic: real.topic,
            event_id: real.event_id,
            payload: real.payload.get().to_owned(),
        })
        .collect()
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn the_image_says_what_it_holds_and_does_not_run_as_root() {
    let Some(scene) = Scene::new("label") else {
        return;
    };
    let inspect = |format: &str| docker_ok(&["inspect", "--format", format, &scene.image]);
    let label = |name| {
        let full = format!("org.opencontainers.image.{name}");
        inspect(&format!("{{{{index .Config.Labels {full:?}}}}}"))
    };
    let version = scene.run(&[], &["--version"]);
    let version = String::from_utf8(version.stdout).expect("UTF-8");
    assert_eq!(version.trim(), format!("oncelog {}", label("version")));
    assert_eq!(label("licenses"), "MIT OR Apache-2.0");
    assert_eq!(inspect("{{.Config.User}}"), "10001:10001");
    assert_eq!(inspect("{{.Config.StopSignal}}"), "SIGTERM");
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn whoever_it_runs_as_it_begins_a_store_on_a_new_volume_under_a_read_only_root() {
    let Some(scene) = Scene::new("user") else {
        return;
    };
    for user in [None, Some("1234"), Some("4321:5678"), Some("0")] {
        let volume = scene.volume();
        let mount = format!("{volume}:/data");
        let named = [&STRICT[..], &["--volume", &mount]].concat();
        // Without a name the volume is the one that the image asks for.
        for (options, stays) in [(named, true), (STRICT.to_vec(), false)] {
            let options = [
                &options[..],
                &user.map_or(vec![], |user| vec!["--user", user]),
            ]
            .concat();
            let store = scene.serve(&options);
            publish_some(&store.client(), 1);
            assert_dumped(&store.exec(&["oncelog", "dump", "--json"]), 10);
            store.kill();
            store.start();
            publish_some(&store.client(), 11);
            assert_dumped(&store.exec(&["oncelog", "dump", "--json"]), 20);
            store.kill();
            if stays {
                // By somebody who may not write there, of a store that was killed.
                let mount = format!("{volume}:/data:ro");
                let options = [&STRICT[..], &["--user", "777", "--volume", &mount]].concat();
                assert_dumped(&scene.run(&options, &["dump", "--json"]), 20);
            }
            store.start();
            store.stop();
            store.remove();
        }
    }
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn a_directory_that_it_may_not_write_is_a_usage_error_and_named() {
    let Some(scene) = Scene::new("rights") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), readable).expect("its mode is ours to set");
    // Somebody who is neither its owner nor root.
    let owner = dir.path().metadata().expect("its owner").uid();
    let user = (owner + 4711).to_string();
    let mount = format!("{}:/data", dir.path().display());
    let ended = scene.run(&["--user", &user, "--volume", &mount], &[]);
    assert_refused(&ended, &user, &owner.to_string());
    assert!(ended.stderr.contains("755"), "{}", ended.stderr);
    let left = std::fs::read_dir(dir.path())
        .expect("the directory")
        .count();
    assert_eq!(left, 0, "something was written");

    // A store that another user has begun.
    let mount = format!("{}:/data", scene.volume());
    scene.serve(&["--volume", &mount]).stop();
    let ended = scene.run(&["--user", "1234", "--volume", &mount], &[]);
    assert_refused(&ended, "1234", "10001");
}

/// It says who may not write, whose it is, and the fix, and that it is no use to start again.
fn assert_refused(ended: &Ended, user: &str, owner: &str) {
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for words in [
        "/data",
        &format!("this process is uid {user}"),
        &format!("belongs to uid {owner} "),
        "chown",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn the_engine_sees_whether_it_is_well() {
    let Some(scene) = Scene::new("health") else {
        return;
    };
    let often = [
        "--health-interval",
        "300ms",
        "--health-retries",
        "1",
        "--health-start-period",
        "0s",
    ];
    let store = scene.serve(&often);
    store.wait_until("healthy", || store.state("Health.Status") == "healthy");
    // Nothing answers where it is asked.
    let elsewhere = [&often[..], &["--env", "ONCELOG_LISTEN=0.0.0.0:9090"]].concat();
    let store = scene.begin(&elsewhere);
    store.wait_until("unhealthy", || store.state("Health.Status") == "unhealthy");
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn compose_up_ends_with_publishers_done_and_a_store_that_kept_each_event_once() {
    let Some(scene) = Scene::new("compose") else {
        return;
    };
    scene.compose(&["up", "--detach", "--no-build"]);
    for publisher in ["publisher-1", "publisher-2"] {
        let publisher = scene.composed(publisher);
        publisher.wait_until("it has ended", || publisher.state("Running") == "false");
        assert_eq!(publisher.state("ExitCode"), "0", "{}", publisher.logs());
    }
    let store = scene.composed("store");
    let mut sent = real_events();
    let count = sent.len() as u64;
    let stats = store.client().settled();
    assert_eq!(stats.counts(), (2 * count, count, count, 0));
    let dumped = store.exec(&["oncelog", "dump", "--json"]);
    let logged = lines(&dumped).into_iter().map(Logged::from);
    let mut kept: Vec<Sent> = logged
        .filter(|logged| logged.told.verdict == "stored")
        .map(|logged| logged.sent)
        .collect();
    for events in [&mut sent, &mut kept] {
        events.sort_by_key(|event| (event.topic.clone(), event.event_id.clone()));
    }
    assert!(kept == sent, "what is kept is not what was sent");
    store.wait_until("healthy", || store.state("Health.Status") == "healthy");
    scene.compose(&["stop"]);
    assert_eq!(store.state("ExitCode"), "0", "{}", store.logs());
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn nothing_is_lost_doubled_or_moved_by_docker_kill_under_publishers() {
    let Some(scene) = Scene::new("kill") else {
        return;
    };
    let store = scene.serve(&["--env", "ONCELOG_SEGMENT_SIZE=256KiB"]);
    Traffic::at(store, |traffic, random, store| {
        for _ in 0..KILLS {
            traffic.wait_for_more(random.between(20, 200) as usize);
            store.kill();
            traffic.gate.close();
            store.start();
            traffic.gate.open(store.address());
        }
        assert!(traffic.unknown() > 0, "no kill hit a batch in flight");
        store
    });
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn a_stop_under_publishers_is_clean_and_takes_less_than_nine_seconds() {
    let Some(scene) = Scene::new("stop") else {
        return;
    };
    Traffic::at(scene.serve(&[]), |traffic, random, store| {
        for _ in 0..2 {
            traffic.wait_for_more(random.between(20, 200) as usize);
            let since = Instant::now();
            store.stop();
            let took = since.elapsed();
            assert!(took < Duration::from_secs(9), "{took:?}");
            traffic.gate.close();
            store.start();
            traffic.gate.open(store.address());
        }
        store
    });
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn a_volume_that_moves_to_a_new_container_takes_everything_along() {
    let Some(scene) = Scene::new("move") else {
        return;
    };
    let mount = format!("{}:/data", scene.volume());
    let serve = || scene.serve(&["--volume", &mount]);
    Traffic::at(serve(), |traffic, random, mut store| {
        for killed in [true, false] {
            traffic.wait_for_more(random.between(20, 200) as usize);
            if killed {
                store.kill();
            } else {
                store.stop();
            }
            traffic.gate.close();
            store.remove();
            store = serve();
            traffic.gate.open(store.address());
        }
        store
    });
}

#[test]
#[ignore = "needs an image: tests/docker/run"]
fn a_store_that_ran_out_of_memory_has_lost_nothing() {
    let Some(scene) = Scene::new("memory") else {
        return;
    };
    let mount = format!("{}:/data", scene.volume());
    let serve = |memory| {
        let options = [
            "--memory",
            memory,
            "--memory-swap",
            memory,
            "--volume",
            &mount,
        ];
        scene.serve(&options)
    };
    Traffic::at(serve("32m"), |traffic, random, store: Container| {
        traffic.wait_for_more(random.between(20, 200) as usize);
        // More text than there is memory.
        let filling = "x".repeat(30 << 20);
        let large: Arc<[Sent]> = Arc::new([Sent {
            topic: "large".into(),
            event_id: "1".into(),
            payload: format!("{filling:?}"),
        }]);
        let outcome = traffic.send(&store, random, 0, &large);
        assert!(!outcome.is_acknowledged(), "it had room: {outcome:?}");
        store.wait_until("it has ended", || store.state("Running") == "false");
        assert_eq!(store.state("OOMKilled"), "true");
        traffic.gate.close();
        store.remove();
        let store = serve("512m");
        traffic.gate.open(store.address());
        traffic.wait_for_more(20);
        let outcome = traffic.send(&store, random, 1, &large);
        assert!(outcome.is_acknowledged(), "{outcome:?}");
        store
    });
}
