//! The start of a store, in a fixed order: directories, lock, what the index knows, the
//! log's recovery, the index, the replayer, the committer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::lock::{DataLock, LockError};
use super::options::StoreOptions;
use super::sink::Sink;
use super::started::{LastStop, StartReport};
use super::topic_gate::TopicGate;
use super::watcher::Watcher;
use super::{Mutex, Store};
use crate::event::Seq;
use crate::index::{Index, IndexError, IndexOptions};
use crate::log::inventory::Inventory;
use crate::log::storage::{FileSystem, Storage};
use crate::log::{self, LogError, LogId, LogOptions, OpenedLog};
use crate::replayer::{Inbox, IndexPlace, Replayer};

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
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An empty index could not be made.
    #[error("cannot make an index in {}: {source}", dir.display())]
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
        let source = match self {
            OpenError::Log(LogError::Io { action, source, .. }) => {
                let bad_sector =
                    source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
                if bad_sector && *action == "read" {
                    return OpenFailure::Refused;
                }
                source
            }
            OpenError::Log(_) => return OpenFailure::Refused,
            OpenError::Directory { source, .. } => source,
            OpenError::Lock(LockError::Io { source, .. }) => source,
            OpenError::Lock(LockError::Held { .. }) => return OpenFailure::Unusable,
            OpenError::Index { .. } => return OpenFailure::Failed,
        };
        match source
            .raw_os_error()
            .map(rustix::io::Errno::from_raw_os_error)
        {
            Some(rustix::io::Errno::IO | rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => {
                OpenFailure::Failed
            }
            _ => OpenFailure::Unusable,
        }
    }
}

impl Store {
    /// Opens the store in a data directory, which is made when it is missing. Blocking: it
    /// reads the last segments of the log. What the index lacks is applied behind its back.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(options: StoreOptions) -> Result<Store, OpenError> {
        let started = Instant::now();
        let storage: Arc<dyn Storage> = Arc::new(FileSystem);
        let data_dir = &options.data_dir;
        let (log_dir, index_dir) = (data_dir.join("log"), data_dir.join("index"));
        make_dir_all(storage.as_ref(), data_dir)?;
        let lock = DataLock::take(data_dir)?;
        make_dir(storage.as_ref(), &log_dir)?;
        make_dir(storage.as_ref(), &index_dir)?;

        let log_id = Inventory::read(storage.as_ref(), &log_dir)?.log_id(storage.as_ref())?;
        let mut place = IndexPlace {
            dir: index_dir,
            log_id: log_id.map_or([0; 16], |id| id.0),
            options: IndexOptions {
                delta_events_max: options.delta_events,
                flush_at_events: options.delta_events * 44 / 100,
                ..IndexOptions::default()
            },
        };
        let known = open_known_index(&place, log_id)?;
        let opened =
            open_log(storage, &log_dir, &options, known.flushed).inspect_err(|_| known.close())?;
        place.log_id = opened.live.log_id().0;
        let index = match known.index {
            Some(index) => index,
            None => Index::discard(&place.dir)
                .map_err(IndexError::from)
                .and_then(|()| Index::open(&place.dir, place.log_id, place.options.clone()))
                .map_err(|source| OpenError::Index {
                    dir: place.dir.clone(),
                    source,
                })?,
        };
        let (applied, durable) = (index.applied(), opened.next_seq.previous());
        if applied < durable {
            tracing::info!(
                "rebuilding: the index is at seq {applied}; the log is replayed up to {durable}"
            );
        }
        Ok(start(options, started, lock, opened, index, place))
    }
}

fn start(
    options: StoreOptions,
    started: Instant,
    lock: DataLock,
    opened: OpenedLog,
    index: Index,
    place: IndexPlace,
) -> Store {
    let log = opened.live.clone();
    let start_report = StartReport {
        last_stop: match (opened.created, &opened.unclean) {
            (true, _) => LastStop::None,
            (false, None) => LastStop::Clean,
            (false, Some(_)) => LastStop::Unclean,
        },
        durable: log.durable(),
        segments: log.figures().segments,
        took: started.elapsed(),
    };
    let inbox = Arc::new(Inbox::new(log.durable()));
    let line = Replayer::start(log.clone(), index, place, inbox.clone());
    let replayer = line.shared().clone();
    let (poisoned, hears_poisoned) = watch::channel(None);
    let watcher = Arc::new(Watcher::new());
    let committer = opened.start(Sink {
        inbox,
        replayer: replayer.clone(),
        poisoned,
        watcher: watcher.clone(),
        group: Vec::new(),
    });
    Store {
        topics: Arc::new(TopicGate::new(options.max_topics)),
        options,
        started,
        start_report,
        log,
        replayer,
        status: committer.status().clone(),
        poisoned: hears_poisoned,
        draining: AtomicBool::new(false),
        watcher,
        committer: Mutex::new(Some(committer)),
        line: Mutex::new(Some(line)),
        _lock: lock,
    }
}

struct KnownIndex {
    index: Option<Index>,
    flushed: Option<Seq>,
}

impl KnownIndex {
    /// Leaves it as it was found.
    fn close(&self) {
        if let Some(Err(error)) = self.index.as_ref().map(Index::close) {
            tracing::warn!("the index was not closed cleanly: {error}");
        }
    }
}

/// The index as it was left, if it can be used: it is evidence for the log's recovery.
fn open_known_index(place: &IndexPlace, log_id: Option<LogId>) -> Result<KnownIndex, OpenError> {
    let none = KnownIndex {
        index: None,
        flushed: None,
    };
    match Index::flushed_of(&place.dir, place.log_id) {
        Ok(None) => return Ok(none),
        Err(IndexError::OtherLog { found }) if log_id.is_none() => {
            // There is no log at all, and its index is still here.
            return Ok(KnownIndex {
                index: None,
                flushed: Index::flushed_of(&place.dir, found).unwrap_or_default(),
            });
        }
        // What else is wrong with it is seen when it is opened.
        Ok(Some(_)) | Err(_) => {}
    }
    match Index::open(&place.dir, place.log_id, place.options.clone()) {
        Ok(index) => Ok(KnownIndex {
            flushed: Some(index.flushed()),
            index: Some(index),
        }),
        Err(
            error @ (IndexError::Damaged { .. }
            | IndexError::OtherLog { .. }
            | IndexError::OtherVersion { .. }),
        ) => {
            tracing::warn!("the index cannot be used: {error}");
            Ok(none)
        }
        Err(source) => Err(OpenError::Index {
            dir: place.dir.clone(),
            source,
        }),
    }
}

fn open_log(
    storage: Arc<dyn Storage>,
    dir: &Path,
    options: &StoreOptions,
    index_flushed: Option<Seq>,
) -> Result<OpenedLog, OpenError> {
    let opened = log::open(
        storage,
        dir,
        LogOptions {
            segment_bytes: options.segment_bytes,
            min_free_bytes: options.min_free_bytes,
            // A store of small segments is meant for a small disk.
            reserve_bytes: options.reserve_bytes.min(options.segment_bytes),
            verify_bytes: options.verify_at_start_bytes,
            index_flushed,
            clock: now,
        },
    )?;
    if opened.created {
        tracing::info!("a new log {} was made", opened.live.log_id());
    }
    if opened.meta_remade {
        tracing::warn!("log.meta was missing or damaged and was made anew from a segment");
    }
    if let Some(unclean) = &opened.unclean {
        let cut = match &unclean.torn {
            Some((bytes, path)) => {
                format!(
                    "{bytes} torn bytes were cut and saved in {}",
                    path.display()
                )
            }
            None => "nothing was torn".into(),
        };
        tracing::warn!(
            "the last run did not stop cleanly: in {} {} unproven bytes were synced again, {cut}",
            unclean.segment,
            unclean.rewritten_bytes,
        );
    }
    Ok(opened)
}

/// Makes a directory and those above it, each of which lasts before the next is made.
fn make_dir_all(storage: &dyn Storage, dir: &Path) -> Result<(), OpenError> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty())
        && !parent.exists()
    {
        make_dir_all(storage, parent)?;
    }
    make_dir(storage, dir)
}

fn make_dir(storage: &dyn Storage, dir: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory {
        path: dir.to_owned(),
        source,
    };
    storage.create_dir(dir).map_err(failed)?;
    // Also when it was there: whoever made it may have died before this sync.
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match storage.sync_dir(parent) {
        // A parent that may not be read, as a mount point's, cannot be synced by us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other.map_err(failed),
    }
}

fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}
