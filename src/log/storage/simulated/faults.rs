//! What is to go wrong, and when; and the record of what was asked of the disk.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a simulated disk refuses everything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimulatedError {
    /// The planned crash happened in this operation.
    #[error("crashed")]
    Crashed,
    /// The handle belongs to a machine that has crashed.
    #[error("the disk of a machine that has crashed")]
    Dead,
}

impl From<SimulatedError> for io::Error {
    fn from(error: SimulatedError) -> io::Error {
        io::Error::other(error)
    }
}

/// The kinds of operations that are counted: those that change or sync something.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OpKind {
    /// Bytes written to a file.
    WriteAt,
    /// A file cut or lengthened.
    SetLen,
    /// A file synced.
    SyncData,
    /// A new file under a temporary name.
    CreateTemp,
    /// A file renamed.
    Rename,
    /// A file given a second name.
    Link,
    /// A name removed.
    Remove,
    /// A directory made, or found to be there.
    CreateDir,
    /// A directory synced.
    SyncDir,
}

/// One operation as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// 1 for the first since this disk came into being.
    pub(crate) number: u64,
    /// What was asked for.
    pub(crate) kind: OpKind,
    /// The file (under the last name it had) or directory.
    pub(crate) path: PathBuf,
    /// The new name of a rename or a link.
    pub(crate) to: Option<PathBuf>,
    /// Where a write begins, in bytes.
    pub(crate) offset: u64,
    /// Bytes written, or the new length.
    pub(crate) len: u64,
    /// Bytes by which the file would grow.
    pub(crate) grows_bytes: u64,
    /// What the caller was told, if it was an error.
    pub(crate) failure: Option<String>,
}

impl Operation {
    pub(super) fn new(kind: OpKind, path: PathBuf) -> Operation {
        Operation {
            number: 0,
            kind,
            path,
            to: None,
            offset: 0,
            len: 0,
            grows_bytes: 0,
            failure: None,
        }
    }

    /// Whether the path, or a rename's new name, contains this text.
    pub(crate) fn touches(&self, text: &str) -> bool {
        let contains = |path: &PathBuf| path.to_string_lossy().contains(text);
        contains(&self.path) || self.to.as_ref().is_some_and(contains)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} {:?} {}",
            self.number,
            self.kind,
            self.path.display()
        )?;
        if let Some(to) = &self.to {
            write!(f, " to {}", to.display())?;
        }
        match self.kind {
            OpKind::WriteAt => write!(f, " at {}, {} bytes", self.offset, self.len)?,
            OpKind::SetLen => write!(f, " to {} bytes", self.len)?,
            _ => {}
        }
        if let Some(failure) = &self.failure {
            write!(f, ": failed, {failure}")?;
        }
        Ok(())
    }
}

/// How an operation fails.
#[derive(Copy, Clone, Debug)]
pub(crate) enum FailKind {
    /// EIO.
    Io,
    /// ENOSPC.
    NoSpace,
    /// Any kind that std knows.
    Kind(io::ErrorKind),
    /// Any error number of the operating system.
    RawOs(i32),
}

impl From<FailKind> for io::Error {
    fn from(kind: FailKind) -> io::Error {
        match kind {
            FailKind::Io => Errno::IO.into(),
            FailKind::NoSpace => Errno::NOSPC.into(),
            FailKind::Kind(kind) => kind.into(),
            FailKind::RawOs(number) => io::Error::from_raw_os_error(number),
        }
    }
}

/// What becomes of an operation.
pub(super) enum Fate {
    Perform,
    Fail(FailKind),
    Crash { halfway: bool },
}

/// All that was planned to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    crash: Option<(u64, bool)>,
    once: BTreeMap<u64, FailKind>,
    rules: Vec<Rule>,
}

struct Rule {
    applies: Box<dyn Fn(&Operation) -> bool + Send>,
    times_left: u64,
    kind: FailKind,
}

impl Faults {
    pub(super) fn plan_crash(&mut self, number: u64, halfway: bool) {
        self.crash = Some((number, halfway));
    }

    pub(super) fn plan_failure(&mut self, number: u64, kind: FailKind) {
        self.once.insert(number, kind);
    }

    pub(super) fn plan_rule(
        &mut self,
        applies: Box<dyn Fn(&Operation) -> bool + Send>,
        times_left: u64,
        kind: FailKind,
    ) {
        self.rules.push(Rule {
            applies,
            times_left,
            kind,
        });
    }

    pub(super) fn fate_of(&mut self, operation: &Operation) -> Fate {
        if let Some((number, halfway)) = self.crash
            && operation.number >= number
        {
            return Fate::Crash { halfway };
        }
        if let Some(kind) = self.once.remove(&operation.number) {
            return Fate::Fail(kind);
        }
        for rule in &mut self.rules {
            if rule.times_left > 0 && (rule.applies)(operation) {
                rule.times_left -= 1;
                return Fate::Fail(rule.kind);
            }
        }
        Fate::Perform
    }
}
