//! Faults in system calls, by strace. Where it is missing, or may not trace, a test that needs
//! it is skipped and says so.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::skipped::say_skipped;

/// Which call fails, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    call: &'static str,
    fault: String,
    file: Option<PathBuf>,
    told_in: Option<PathBuf>,
}

impl Plan {
    /// As strace has it: a call, and such as `error=EIO:when=3`, counted for each thread.
    pub fn on(call: &'static str, fault: &str) -> Plan {
        Plan {
            call,
            fault: fault.to_owned(),
            file: None,
            told_in: None,
        }
    }

    /// Only calls on this file.
    pub fn in_file(mut self, path: &Path) -> Plan {
        self.file = Some(path.to_owned());
        self
    }

    /// What it did is told in this file: `INJECTED` where a call failed, `DELAYED` where it was
    /// late, and how the process ended.
    pub fn told_in(mut self, file: &Path) -> Plan {
        self.told_in = Some(file.to_owned());
        self
    }

    fn strace(&self) -> Command {
        let mut strace = Command::new("strace");
        let told_in = self.told_in.as_deref();
        strace
            .arg("-o")
            .arg(told_in.unwrap_or(Path::new("/dev/null")));
        strace.arg("-e").arg(format!("trace={}", self.call));
        strace
            .arg("-e")
            .arg(format!("inject={}:{}", self.call, self.fault));
        if let Some(file) = &self.file {
            strace.arg("-P").arg(file);
        }
        strace
    }
}

/// Whether strace is there and may trace.
fn is_usable() -> bool {
    let tried = Command::new("strace")
        .args(["-e", "trace=exit_group", "true"])
        .stdin(Stdio::null())
        .output();
    let usable = matches!(&tried, Ok(output) if output.status.success());
    if !usable {
        say_skipped(&format!("strace cannot be used here: {tried:?}"));
    }
    usable
}

/// The command with this fault from its start, in all its threads; none if that cannot be
/// had. Its own output stays what it is: strace's goes nowhere.
pub fn command(command: Command, plan: &Plan) -> Option<Command> {
    if !is_usable() {
        return None;
    }
    let mut strace = plan.strace();
    strace.args(["-f", "--"]);
    Some(run_by(strace, &command))
}

/// The same, and what is started is the command itself: it can be signalled and waited for.
pub fn command_itself(command: &Command, plan: &Plan) -> Option<Command> {
    if !is_usable() {
        return None;
    }
    let mut strace = plan.strace();
    // Without --seccomp-bpf, where a signal that is to come with a call never does.
    strace.args(["-f", "-D", "--"]);
    Some(run_by(strace, command))
}

/// The command itself again, and each of these calls of its threads on a line of this file, as
/// `4711<committer> fdatasync(…`.
pub fn recorded(command: &Command, calls: &[&str], file: &Path) -> Option<Command> {
    if !is_usable() {
        return None;
    }
    let mut strace = Command::new("strace");
    // Not every machine has every call.
    let calls: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
    strace.arg("-e").arg(format!("trace={}", calls.join(",")));
    strace.args(["-f", "-D", "--seccomp-bpf", "--decode-pids=comm", "-o"]);
    strace.arg(file).arg("--");
    Some(run_by(strace, command))
}

fn run_by(mut strace: Command, command: &Command) -> Command {
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdin(Stdio::null());
    strace
}

/// An strace at work on one thread; it ends with the thread, or when it is dropped.
pub struct Attached(Child);

/// Lets the next such call of a thread of this process fail; none if that cannot be had.
pub fn attach(pid: u32, thread_name: &str, plan: &Plan) -> Option<Attached> {
    if !is_usable() {
        return None;
    }
    let thread = thread_of(pid, thread_name);
    let mut child = plan
        .strace()
        .args(["-p", &thread])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace starts");
    let stderr = child.stderr.take().expect("a pipe");
    let attached = Attached(child);
    let mut lines = BufReader::new(stderr).lines();
    let is_attached = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("attached"));
    assert!(is_attached, "strace did not attach");
    // It must not be kept from going on by a full pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Some(attached)
}

fn thread_of(pid: u32, name: &str) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let named = tasks
        .map(|task| task.expect("a thread").path())
        .find(|task| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name)
        });
    let thread = named.unwrap_or_else(|| panic!("no thread is named {name}"));
    let id = thread.file_name().expect("its id");
    id.to_str().expect("a number").to_owned()
}

impl Attached {
    /// Stops strace, and with it the thread at its next call, or where a fault holds it.
    pub fn hold(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets both go on.
    pub fn let_go(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        let pid = Pid::from_raw(pid).expect("a pid is not zero");
        kill_process(pid, signal).expect("an own child can be signalled");
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
