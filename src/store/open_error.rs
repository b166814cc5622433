//! Why a store could not be opened, for who must do something about it.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use super::rights::Denied;
use crate::index::IndexError;
use crate::log::storage::is_disk_full;
use crate::log::{LockError, LogError};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made or looked at.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Something else has its name.
    #[error("cannot use {}: it is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// It holds other things and no log.
    #[error(
        "{} is not a data directory of oncelog: it has no log and holds {found}; \
         give an empty or a new directory with --data-dir", dir.display()
    )]
    NotOurs {
        /// Which directory.
        dir: PathBuf,
        /// What lies there.
        found: String,
    },
    /// The rights do not suffice.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A repair was stopped, and only a repair may end it.
    #[error(
        "a repair of {} was stopped before its end: run oncelog repair --yes again",
        .0.display()
    )]
    RepairStopped(PathBuf),
    /// The log refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index can be neither used nor made anew.
    #[error("cannot open the index in {}: {source}", dir.display())]
    Index {
        /// Where.
        dir: PathBuf,
        /// Why.
        #[source]
        source: IndexError,
    },
}

/// What a supervisor may make of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OpenFailure {
    /// Because of what lies in the data directory: starting again does not help.
    Refused,
    /// Because of how it is used: a directory in use, or without the rights.
    Unusable,
    /// Something failed that may pass: starting again may help.
    Failed,
}

impl OpenError {
    /// Of which kind it is.
    pub fn kind(&self) -> OpenFailure {
        match self {
            OpenError::Log(LogError::Unreadable { source, .. })
                if errno(source) == Some(Errno::IO) =>
            {
                OpenFailure::Refused
            }
            OpenError::Log(LogError::Io { source, .. } | LogError::Unreadable { source, .. }) => {
                kind_of(source)
            }
            OpenError::Log(_) | OpenError::RepairStopped(_) => OpenFailure::Refused,
            OpenError::Directory { source, .. } => kind_of(source),
            OpenError::Lock(LockError::Io { source, .. }) => kind_of(source),
            OpenError::Index { .. } => OpenFailure::Failed,
            OpenError::Lock(LockError::Held { .. })
            | OpenError::NotADirectory(_)
            | OpenError::NotOurs { .. }
            | OpenError::Denied(_) => OpenFailure::Unusable,
        }
    }

    /// Whether the log is damaged, and more can be said of it.
    pub fn is_of_damage(&self) -> bool {
        let is_newer = matches!(
            self,
            OpenError::Log(LogError::Newer { .. } | LogError::NewerMeta { .. })
        );
        self.kind() == OpenFailure::Refused && !is_newer
    }

    /// What to do about it, where the message itself does not say so.
    pub fn advice(&self) -> Option<&'static str> {
        let source = match self {
            OpenError::Log(LogError::Newer { .. } | LogError::NewerMeta { .. }) => {
                return Some(
                    "nothing was changed; start the version that wrote it, or a later one",
                );
            }
            OpenError::Log(LogError::Io { source, .. } | LogError::Unreadable { source, .. })
            | OpenError::Lock(LockError::Io { source, .. })
            | OpenError::Directory { source, .. } => Some(source),
            OpenError::RepairStopped(_) => return Some("nothing was changed"),
            _ => None,
        };
        match (self.kind(), source) {
            (OpenFailure::Refused, _) => Some(
                "nothing was changed; starting again will not help: \
                 see \"Damage\" in docs/operations.md",
            ),
            (OpenFailure::Failed, Some(source)) if is_disk_full(source) => {
                Some("nothing is lost; make room on that disk and start again")
            }
            (OpenFailure::Failed, Some(source)) if errno(source) == Some(Errno::IO) => {
                Some("the disk fails; look at it (dmesg) before starting again")
            }
            _ => None,
        }
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

/// Only what stays as it is until somebody changes something is unusable.
fn kind_of(source: &io::Error) -> OpenFailure {
    match errno(source) {
        Some(
            Errno::ACCESS
            | Errno::PERM
            | Errno::ROFS
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::NOENT
            | Errno::EXIST
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::NOSYS
            | Errno::OPNOTSUPP
            | Errno::NOLCK,
        ) => OpenFailure::Unusable,
        _ => OpenFailure::Failed,
    }
}
