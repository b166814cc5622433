//! The real binary as a child process: started, waited for, killed, and never left behind.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything takes that works, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The binary, with nothing in its environment that could change what it does; another one where
/// `ONCELOG_TEST_BINARY` names it.
pub fn command() -> Command {
    let binary = std::env::var_os("ONCELOG_TEST_BINARY");
    let mut command = Command::new(binary.unwrap_or(env!("CARGO_BIN_EXE_oncelog").into()));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ONCELOG_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// How a process ended, and what it had said.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// The lines of its log without their times, each as its level and text; all that it said
    /// must be such lines.
    pub fn lines(&self) -> Vec<(&str, &str)> {
        let parse = |line| {
            let (time, rest) = str::split_once(line, ' ')?;
            let is_time = time.len() == 27 && time.ends_with('Z') && time.starts_with("20");
            let (level, text) = rest.trim_start().split_once(' ')?;
            let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
            (is_time && levels.contains(&level)).then_some((level, text))
        };
        self.stderr
            .lines()
            .map(|line| parse(line).unwrap_or_else(|| panic!("no line of a log: {line:?}")))
            .collect()
    }
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Ended {
    let mut command = command();
    command.args(arguments);
    run_command(command)
}

/// Runs this command to its end, and fails when it does not come to one.
pub fn run_command(mut command: Command) -> Ended {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut child = Owned(child);
    let stdout = read_all(child.0.stdout.take());
    let stderr = read_all(child.0.stderr.take());
    let code = child.wait();
    Ended {
        code,
        stdout: stdout.join().expect("stdout was read"),
        stderr: String::from_utf8(stderr.join().expect("stderr was read")).expect("UTF-8"),
    }
}

fn read_all(from: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut from = from.expect("a pipe");
        from.read_to_end(&mut bytes).expect("a readable pipe");
        bytes
    })
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub struct Owned(pub Child);

impl Owned {
    /// Its exit code; none when a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < until, "the process does not end");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        let pid = Pid::from_raw(pid).expect("a pid is not zero");
        kill_process(pid, signal).expect("an own child can be signalled");
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a server says on stderr, as it says it.
#[derive(Debug, Default)]
struct Said {
    text: String,
    address: Option<SocketAddr>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Ear {
    said: Mutex<Said>,
    changed: Condvar,
}

impl Ear {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, stderr: impl Read) {
        let mut stderr = BufReader::new(stderr);
        let mut line = Vec::new();
        while stderr
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line);
            let mut said = self.lock();
            said.text.push_str(&text);
            said.address = said.address.or_else(|| address_in(&text));
            self.changed.notify_all();
            line.clear();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// The address in a start line: `oncelog … serves log … on http://127.0.0.1:4711`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(" serves log ")?;
    let (_, address) = rest.split_once("http://")?;
    address.split_whitespace().next()?.parse().ok()
}

/// A running server on a port of its own; killed when it is dropped.
#[derive(Debug)]
pub struct Oncelog {
    pub address: SocketAddr,
    starting: Starting,
}

/// A running process, such as a server that may not listen yet; killed when it is dropped.
#[derive(Debug)]
pub struct Starting {
    child: Owned,
    ear: Arc<Ear>,
    listener: Option<JoinHandle<()>>,
    stdout: Option<JoinHandle<Vec<u8>>>,
}

impl Starting {
    /// Runs this command.
    pub fn spawn(mut command: Command) -> Starting {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("a pipe");
        let stdout = read_all(child.stdout.take());
        let ear = Arc::new(Ear::default());
        let listens = ear.clone();
        Starting {
            child: Owned(child),
            ear,
            listener: Some(std::thread::spawn(move || listens.listen(stderr))),
            stdout: Some(stdout),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Where it listens, if it does by now.
    pub fn address(&self) -> Option<SocketAddr> {
        self.ear.lock().address
    }

    /// Its standard input, if that was made a pipe.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.0.stdin.take().expect("a pipe, once")
    }

    /// Waits until it has said a line with these words, and gives that line.
    pub fn wait_for_line(&self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut said = self.ear.lock();
        loop {
            if let Some(line) = said.text.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            assert!(
                !said.ended && Instant::now() < until,
                "it never says {words:?}: {}",
                said.text
            );
            let wait = self.ear.changed.wait_timeout(said, LOOK_EVERY * 50);
            said = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Waits until it listens.
    pub fn ready(self) -> Oncelog {
        self.ready_or_ended()
            .unwrap_or_else(|ended| panic!("the server does not start: {}", ended.stderr))
    }

    /// Waits until it listens, or ends instead.
    pub fn ready_or_ended(mut self) -> Result<Oncelog, Ended> {
        let until = Instant::now() + PATIENCE;
        let mut said = self.ear.lock();
        let address = loop {
            if let Some(address) = said.address {
                break address;
            }
            if said.ended {
                drop(said);
                return Err(self.end());
            }
            assert!(
                Instant::now() < until,
                "the server does not start: {}",
                said.text
            );
            let wait = self.ear.changed.wait_timeout(said, LOOK_EVERY * 50);
            said = wait.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(said);
        Ok(Oncelog {
            address,
            starting: self,
        })
    }

    /// Whether it has ended already.
    pub fn has_ended(&mut self) -> bool {
        let ended = self.child.0.try_wait().expect("a child can be waited for");
        ended.is_some()
    }

    /// kill -9.
    pub fn kill(mut self) -> Ended {
        self.child.signal(Signal::KILL);
        self.end()
    }

    /// Waits for its end.
    pub fn end(&mut self) -> Ended {
        let code = self.child.wait();
        if let Some(listener) = self.listener.take() {
            listener.join().expect("stderr was read");
        }
        let stdout = self.stdout.take().map(JoinHandle::join);
        Ended {
            code,
            stdout: stdout.map_or_else(Vec::new, |read| read.expect("stdout was read")),
            stderr: self.ear.lock().text.clone(),
        }
    }
}

impl Oncelog {
    /// Serves this data directory, and waits until it listens.
    pub fn start(data_dir: &Path) -> Oncelog {
        Oncelog::start_with(data_dir, &[])
    }

    /// The same with further options.
    pub fn start_with(data_dir: &Path, options: &[&str]) -> Oncelog {
        Starting::spawn(serve_command(data_dir, options)).ready()
    }

    pub fn pid(&self) -> u32 {
        self.starting.pid()
    }

    /// What it has said so far.
    pub fn stderr(&self) -> String {
        self.starting.ear.lock().text.clone()
    }

    /// Waits until it has said a line with these words, and gives that line.
    pub fn wait_for_line(&self, words: &str) -> String {
        self.starting.wait_for_line(words)
    }

    /// kill -9.
    pub fn kill(self) -> Ended {
        self.starting.kill()
    }

    /// SIGSTOP, as `docker pause` has it.
    pub fn pause(&self) {
        self.starting.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.starting.signal(Signal::CONT);
    }

    /// Whether it has ended already.
    pub fn has_ended(&mut self) -> bool {
        self.starting.has_ended()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> Ended {
        self.starting.end()
    }

    /// SIGTERM; it may take its time.
    pub fn ask_to_stop(&self) {
        self.starting.child.signal(Signal::TERM);
    }

    /// SIGTERM, and its end.
    pub fn terminate(mut self) -> Ended {
        self.ask_to_stop();
        self.starting.end()
    }
}

/// `oncelog serve` on a free port.
pub fn serve_command(data_dir: &Path, options: &[&str]) -> Command {
    serve_on_command("127.0.0.1:0", data_dir, options)
}

/// `oncelog serve` on this address.
pub fn serve_on_command(address: &str, data_dir: &Path, options: &[&str]) -> Command {
    let mut command = command();
    command
        .args(["serve", "--listen", address, "--data-dir"])
        .arg(data_dir)
        .args(options);
    command
}

/// An address for a server that comes and goes. Its port is below those that the system gives
/// away, so that nobody takes it while the server is not there.
pub fn address_of_its_own() -> String {
    loop {
        let random = getrandom::u32().expect("randomness");
        let address = format!("127.0.0.1:{}", 15_000 + random % 15_000);
        if std::net::TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
