//! A server as a process: started, and never left behind; its CPU and its room on the disk.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// `st_blocks` counts these.
const BLOCK_BYTES: u64 = 512;

pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    /// What asks it to end in order.
    stop: Signal,
}

impl Process {
    /// Starts it, and waits until it listens.
    pub(crate) async fn start(mut command: Command, port: u16, stop: Signal) -> Result<Process> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let child = command
            .spawn()
            .with_context(|| format!("{:?} does not start", command.get_program()))?;
        let mut process = Process { child, port, stop };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{command:?} has ended: {status}");
            }
            if Instant::now() > until {
                bail!("{command:?} does not listen");
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(process)
    }

    /// The CPU that it and its children took, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let ticks: u64 = tree(self.child.id())?.iter().map(|stat| stat.ticks).sum();
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Ends it in order.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.signal(self.stop);
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("it does not end");
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It fails only when it has ended.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // PostgreSQL's parent takes its children with it at this, and not when it is killed.
            self.signal(Signal::QUIT);
            std::thread::sleep(LOOK_EVERY * 10);
            // Both fail only when it has ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

struct Stat {
    pid: u32,
    parent: u32,
    /// User and system, of its ended children too.
    ticks: u64,
}

/// This process and its descendants.
fn tree(root: u32) -> Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        // One that ended meanwhile has no more file.
        all.extend(pid.and_then(stat));
    }
    let mut tree: Vec<Stat> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let (found, rest): (Vec<Stat>, Vec<Stat>) = all
            .into_iter()
            .partition(|stat| stat.parent == parent || (stat.pid == root && parent == root));
        parents.extend(found.iter().map(|stat| stat.pid).filter(|&pid| pid != root));
        tree.extend(found);
        all = rest;
    }
    Ok(tree)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may have spaces and brackets.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(Stat {
        pid,
        parent: number(1)? as u32,
        ticks,
    })
}

/// What the files below this directory take on the disk, but for those in these directories.
pub(crate) fn disk_bytes(dir: &Path, without: &[&str]) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let metadata = path.symlink_metadata()?;
        let is_left_out = without.iter().any(|name| path.ends_with(name));
        if metadata.is_dir() && !is_left_out {
            bytes += disk_bytes(&path, without)?;
        } else if metadata.is_file() {
            bytes += metadata.blocks() * BLOCK_BYTES;
        }
    }
    Ok(bytes)
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cpu_of_children_counts_and_it_ends_when_it_is_asked_to() {
        let port = free_port().expect("a port");
        // The child works for as long as its parent lives.
        let listens = format!(
            "(while kill -0 $$; do :; done) 2>/dev/null & \
             exec python3 -m http.server --bind 127.0.0.1 {port}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &listens]);
        let Ok(process) = Process::start(command, port, Signal::TERM).await else {
            eprintln!("SKIPPED: there is no python3 here");
            return;
        };
        let (pid, before) = (process.child.id(), process.cpu_seconds().expect("its CPU"));
        while process.cpu_seconds().expect("its CPU") < before + 0.05 {
            sleep(LOOK_EVERY).await;
        }
        process.end().await.expect("it ends");
        assert!(stat(pid).is_none());
    }
}
