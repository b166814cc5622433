//! The calls of a script at which something can happen, found by running it once and writing them
//! down.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What changes files, and what tells others of it. A store does not make all of them.
pub(crate) const CHANGING: [&str; 21] = [
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "fdatasync",
    "fsync",
    "sync_file_range",
    "rename",
    "renameat",
    "renameat2",
    "openat",
    "ftruncate",
    "fallocate",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "pread64",
];

/// Threads that work for as long as the server serves. Each is followed alone: calls are counted
/// for each thread, and one that makes few would never come to its own behind one that makes many.
const THREADS: [&str; 5] = ["committer", "index-flush", "room", "replayer", "stderr"];

/// Where a script begins.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// With nothing: start, batches, stop.
    Life,
    /// With a store that was killed, and the last frame of its log is torn.
    Recovery,
    /// The same, and its index is gone.
    Rebuild,
}

pub(crate) const STAGES: [Stage; 3] = [Stage::Life, Stage::Recovery, Stage::Rebuild];

/// The `nth` such call of this thread; of whichever thread comes to it first, if none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) stage: Stage,
    pub(crate) thread: Option<&'static str>,
    pub(crate) call: &'static str,
    pub(crate) nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Life => "life",
            Stage::Recovery => "recovery",
            Stage::Rebuild => "rebuild",
        };
        let thread = self.thread.unwrap_or("any");
        write!(f, "{stage}/{thread}/{}/{}", self.call, self.nth)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Point, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [stage, thread, call, nth] = parts[..] else {
            return Err("a point is such as life/committer/fdatasync/3".to_owned());
        };
        let named = |name: &str, known: &'static [&'static str]| {
            let found = known.iter().find(|one| **one == name);
            found
                .copied()
                .ok_or_else(|| format!("{name} is not known: {known:?}"))
        };
        Ok(Point {
            stage: match stage {
                "life" => Stage::Life,
                "recovery" => Stage::Recovery,
                "rebuild" => Stage::Rebuild,
                _ => return Err(format!("{stage} is no stage: life, recovery, rebuild")),
            },
            thread: match thread {
                "any" => None,
                _ => Some(named(thread, &THREADS)?),
            },
            call: named(call, &CHANGING)?,
            nth: nth.parse().map_err(|error| format!("{nth}: {error}"))?,
        })
    }
}

/// All points of a stage whose calls are in this record.
pub(crate) fn points_in(record: &Path, stage: Stage) -> Vec<Point> {
    let text = std::fs::read_to_string(record).expect("a record of calls");
    let counts = counts(&text);
    let mut points = Vec::new();
    for call in CHANGING {
        // In a life the threads with names can be had one by one, as soon as it serves.
        let named: &[&'static str] = match stage {
            Stage::Life => &THREADS,
            Stage::Recovery | Stage::Rebuild => &[],
        };
        let most = |is_wanted: &dyn Fn(&str) -> bool| {
            let of_call = counts
                .iter()
                .filter(|((_, _, counted), _)| *counted == call);
            let wanted = of_call.filter(|((_, thread, _), _)| is_wanted(thread));
            wanted.map(|(_, count)| *count).max().unwrap_or_default()
        };
        let mut add = |thread, count| {
            points.extend((1..=count).map(|nth| Point {
                stage,
                thread,
                call,
                nth,
            }));
        };
        add(None, most(&|thread| !named.contains(&thread)));
        for name in named {
            add(Some(*name), most(&|thread| thread == *name));
        }
    }
    points
}

/// How often each thread made each call: by its id, its name and the call.
fn counts(record: &str) -> BTreeMap<(&str, &str, &str), u32> {
    let mut counts = BTreeMap::new();
    for line in record.lines() {
        let Some(made) = call_in(line) else { continue };
        *counts.entry(made).or_default() += 1;
    }
    counts
}

/// In a line such as `4711<committer> fdatasync(9)      = 0`; none in one that tells how a call
/// or a thread went on.
fn call_in(line: &str) -> Option<(&str, &str, &str)> {
    let (id, rest) = line.split_once('<')?;
    let (thread, rest) = rest.split_once('>')?;
    let (call, _) = rest.trim_start().split_once('(')?;
    let is_name = call.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some((id.trim(), thread, call))
}
