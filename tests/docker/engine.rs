//! The engine's command line, and what a test makes with it, which goes when the test ends.

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use crate::client::Client;
use crate::process::{Ended, PATIENCE, run_command};

/// Runs `docker` to its end.
pub(crate) fn docker(arguments: &[&str]) -> Ended {
    let mut command = Command::new("docker");
    command.args(arguments);
    run_command(command)
}

/// The same where it must succeed; what it printed.
pub(crate) fn docker_ok(arguments: &[&str]) -> String {
    said(arguments, docker(arguments))
}

fn said(arguments: &[&str], ended: Ended) -> String {
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    String::from_utf8(ended.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

/// All that one test makes has names that begin with its own. It is removed at the end, also
/// when the test fails.
pub(crate) struct Scene {
    pub(crate) image: String,
    pub(crate) name: String,
    made: Cell<u32>,
}

impl Scene {
    /// None, said on stderr, where there is no image to test.
    pub(crate) fn new(what: &str) -> Option<Scene> {
        let Ok(image) = std::env::var("ONCELOG_TEST_IMAGE") else {
            // Not with a macro, whose output of a test that passes is not shown.
            let why =
                "SKIPPED: tests/docker/run builds an image and names it in ONCELOG_TEST_IMAGE\n";
            std::io::stderr().write_all(why.as_bytes()).expect("stderr");
            return None;
        };
        let name = format!(
            "{}-{}-{what}",
            image.replace([':', '/'], "-"),
            std::process::id()
        );
        Some(Scene {
            image,
            name,
            made: Cell::new(0),
        })
    }

    fn next_name(&self) -> String {
        self.made.set(self.made.get() + 1);
        format!("{}-{}", self.name, self.made.get())
    }

    /// A new volume.
    pub(crate) fn volume(&self) -> String {
        docker_ok(&["volume", "create", &self.next_name()])
    }

    /// `docker run` of the image to its end.
    pub(crate) fn run(&self, options: &[&str], arguments: &[&str]) -> Ended {
        let name = self.next_name();
        let run = ["run", "--rm", "--name", &name];
        docker(&[&run, options, &[&self.image], arguments].concat())
    }

    /// Compose with the repository's file, as the scene's own project and on a free port.
    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        let is_v2 = docker(&["compose", "version"]).code == Some(0);
        let mut command = Command::new(if is_v2 { "docker" } else { "docker-compose" });
        command
            .args(is_v2.then_some("compose"))
            .args(["--project-name", &self.name])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("ONCELOG_IMAGE", &self.image)
            .env("ONCELOG_PORT", "0");
        said(arguments, run_command(command))
    }

    /// The container of a service of that project.
    pub(crate) fn composed(&self, service: &str) -> Container {
        let name = self.compose(&["ps", "--all", "--quiet", service]);
        Container { name }
    }

    /// A container that serves, and is ready to.
    pub(crate) fn serve(&self, options: &[&str]) -> Container {
        let container = self.begin(options);
        container.ready();
        container
    }

    /// A container that serves, or not.
    pub(crate) fn begin(&self, options: &[&str]) -> Container {
        let name = self.next_name();
        let run = [
            "run",
            "--detach",
            "--name",
            &name,
            "--publish",
            "127.0.0.1::8080",
        ];
        docker_ok(&[&run, options, &[&self.image]].concat());
        Container { name }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let mine = format!("name={}", self.name);
        for (list, remove) in [
            (&["ps", "--all"][..], &["rm", "--force", "--volumes"][..]),
            (&["volume", "ls"], &["volume", "rm", "--force"]),
            (&["network", "ls"], &["network", "rm"]),
        ] {
            let listed = docker(&[list, &["--quiet", "--filter", &mine]].concat());
            let names = String::from_utf8_lossy(&listed.stdout).into_owned();
            let names: Vec<&str> = names.split_whitespace().collect();
            if !names.is_empty() {
                let removed = docker(&[remove, &names].concat());
                let gone = removed.code == Some(0);
                assert!(gone || std::thread::panicking(), "{}", removed.stderr);
            }
        }
    }
}

/// A container of a scene, which removes it.
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Container {
    /// Waits until it takes events.
    pub(crate) fn ready(&self) {
        self.wait_until("it takes events", || {
            assert_eq!(self.state("Running"), "true", "{}", self.logs());
            self.exec(&["oncelog", "health", "--ready"]).code == Some(0)
        });
    }

    /// Waits until this holds.
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < until, "never: {what}: {}", self.logs());
        }
    }

    /// Where its port 8080 is now. It changes with each start.
    pub(crate) fn address(&self) -> SocketAddr {
        let address = docker_ok(&["port", &self.name, "8080/tcp"]);
        address.parse().expect("an address")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    pub(crate) fn exec(&self, command: &[&str]) -> Ended {
        docker(&[&["exec", &self.name], command].concat())
    }

    /// kill -9.
    pub(crate) fn kill(&self) {
        docker_ok(&["kill", "--signal", "KILL", &self.name]);
        assert_eq!(self.state("ExitCode"), "137");
    }

    /// Starts it again, and waits until it takes events.
    pub(crate) fn start(&self) {
        docker_ok(&["start", &self.name]);
        self.ready();
    }

    /// Asks it to stop, and kills it only after much longer than it may take.
    pub(crate) fn stop(&self) {
        docker_ok(&["stop", "--time", "30", &self.name]);
        assert_eq!(self.state("ExitCode"), "0", "{}", self.logs());
    }

    pub(crate) fn remove(self) {
        docker_ok(&["rm", "--force", "--volumes", &self.name]);
    }

    /// A member of its state, as `docker inspect` says it.
    pub(crate) fn state(&self, member: &str) -> String {
        let format = format!("{{{{.State.{member}}}}}");
        docker_ok(&["inspect", "--format", &format, &self.name])
    }

    /// What it said on stderr.
    pub(crate) fn logs(&self) -> String {
        docker(&["logs", &self.name]).stderr
    }
}
