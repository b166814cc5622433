//! Containers that are killed, restarted, out of memory, and removed; each time the volume goes on,
//! with the same container or a new one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::life::{OPTIONS, Place};
use crate::process::{Oncelog, Starting};
use crate::random::Random;
use crate::skipped::say_skipped;
use crate::tool;

/// What a container may take, its part of the page cache included.
const MEMORY: &str = "128m";

/// How a container ends.
#[derive(Copy, Clone, Debug)]
enum Way {
    /// `docker kill`, and the same container again.
    Killed,
    /// `docker restart`, and killed while it may still be recovering.
    Restarted,
    /// Something else in it takes all its memory, and the kernel takes the server for that.
    OutOfMemory,
    /// Removed while it runs; the volume moves to a new one.
    Moved,
}

/// A volume, and the container that serves it.
pub(crate) struct Containers {
    image: String,
    volume: String,
    data_dir: PathBuf,
    /// The container, while there is one.
    container: Option<String>,
    /// How many there were.
    made: u32,
    next: Way,
}

impl Containers {
    /// None where that is not possible.
    pub(crate) fn new() -> Option<Containers> {
        let Ok(image) = std::env::var("ONCELOG_TEST_IMAGE") else {
            say_skipped("ONCELOG_TEST_IMAGE does not name an image of oncelog");
            return None;
        };
        let volume = format!("oncelog-campaign-{}", getrandom::u64().expect("randomness"));
        let asked = ["volume", "inspect", "--format", "{{.Mountpoint}}", &volume];
        let made = try_docker(&["volume", "create", &volume]).and_then(|_| try_docker(&asked));
        let data_dir = match made {
            Ok(place) => PathBuf::from(place),
            Err(why) => {
                say_skipped(&why);
                return None;
            }
        };
        let containers = Containers {
            image,
            volume,
            data_dir,
            container: None,
            made: 0,
            next: Way::Killed,
        };
        if std::fs::read_dir(&containers.data_dir).is_err() {
            say_skipped("the volume cannot be looked into: needs root beside the engine");
            return None;
        }
        Some(containers)
    }

    /// The container, which is made if there is none.
    fn name(&mut self) -> String {
        if let Some(name) = &self.container {
            return name.clone();
        }
        self.made += 1;
        let name = format!("{}-{}", self.volume, self.made);
        let volume = format!("{}:/data", self.volume);
        let options = ["--network", "host", "--no-healthcheck", "--volume", &volume];
        let memory = ["--memory", MEMORY, "--memory-swap", MEMORY];
        // A port of its own, for publishers outside.
        let serve = [&self.image, "serve", "--listen", "127.0.0.1:0"];
        let create = ["create", "--name", &name];
        docker(&[&create, &options[..], &memory, &serve, &OPTIONS].concat());
        self.container = Some(name.clone());
        name
    }

    /// Starts it, attached: it says what it says, is told what it is told, and ends as it ends.
    fn spawn(&mut self) -> Starting {
        let name = self.name();
        // The engine takes a moment to know that it has ended, and starts nothing before.
        docker(&["wait", &name]);
        let mut start = Command::new("docker");
        start.args(["start", "--attach", &name]);
        Starting::spawn(start)
    }

    fn end(&mut self, way: Way) {
        let name = self.name();
        match way {
            Way::Killed => _ = docker(&["kill", "--signal", "KILL", &name]),
            Way::Restarted => {
                docker(&["restart", "--time", "30", &name]);
                docker(&["kill", "--signal", "KILL", &name]);
            }
            Way::OutOfMemory => {
                let state = |member: &str| {
                    docker(&[
                        "inspect",
                        "--format",
                        &format!("{{{{.State.{member}}}}}"),
                        &name,
                    ])
                };
                // So that it is what the kernel takes.
                let file = format!("/proc/{}/oom_score_adj", state("Pid"));
                std::fs::write(file, "1000").expect("root may");
                // It ends with the container, or by itself, and is no error either way.
                let _ = try_docker(&["exec", &name, "tail", "/dev/zero"]);
                docker(&["wait", &name]);
                assert_eq!(
                    (state("OOMKilled"), state("ExitCode")),
                    ("true".into(), "137".into())
                );
            }
            Way::Moved => {
                docker(&["rm", "--force", &name]);
                self.container = None;
            }
        }
    }
}

impl Place for Containers {
    fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn start(&mut self) -> Oncelog {
        self.spawn().ready()
    }

    fn cut_short(&mut self, after: Duration) {
        let mut starting = self.spawn();
        // Until the engine has started it, which takes longer than all else.
        let name = self.name();
        let is_running = ["inspect", "--format", "{{.State.Running}}", &name];
        while docker(&is_running) != "true" && !starting.has_ended() {}
        std::thread::sleep(after);
        self.end(Way::Killed);
        starting.end();
    }

    fn trouble(&mut self, _server: &Oncelog, random: &mut Random) {
        self.next = match random.between(0, 3) {
            0 => Way::Killed,
            1 => Way::Restarted,
            2 => Way::OutOfMemory,
            _ => Way::Moved,
        };
    }

    fn crash(&mut self, server: Oncelog) {
        let way = std::mem::replace(&mut self.next, Way::Killed);
        self.end(way);
        server.ended();
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if let Some(name) = &self.container {
            let _ = try_docker(&["rm", "--force", name]);
        }
        let _ = try_docker(&["volume", "rm", "--force", &self.volume]);
    }
}

fn docker(arguments: &[&str]) -> String {
    try_docker(arguments).unwrap_or_else(|why| panic!("{why}"))
}

fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("docker");
    command.args(arguments);
    tool::run(&command)
}
