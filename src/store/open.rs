//! The start of a store, in a fixed order: rights, directories, lock, what the index knows,
//! the log's recovery, the index, the replayer, the committer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::directories::{
    make_dir, make_dir_all, refuse_foreign, refuse_repair_stopped, settle_index,
};
use super::file_system_kind;
use super::known_index::KnownIndex;
use super::open_error::OpenError;
use super::options::StoreOptions;
use super::rights;
use super::sink::Sink;
use super::started::{LastStop, StartReport};
use super::topic_gate::TopicGate;
use super::watcher::Watcher;
use super::{Mutex, Store};
use crate::event::Seq;
use crate::index::succession::INDEX_DIR;
use crate::index::{Index, IndexOptions};
use crate::log::inventory::Inventory;
use crate::log::storage::{FileSystem, Storage};
use crate::log::{self, DataLock, LOG_DIR, LogOptions, OpenedLog};
use crate::replayer::{Inbox, IndexPlace, Replayer};

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
        let (log_dir, index_dir) = (data_dir.join(LOG_DIR), data_dir.join(INDEX_DIR));
        rights::check(data_dir)?;
        refuse_foreign(data_dir)?;
        make_dir_all(storage.as_ref(), data_dir)?;
        let lock = DataLock::take(data_dir)?;
        refuse_repair_stopped(data_dir)?;
        settle_index(data_dir)?;
        make_dir(storage.as_ref(), &log_dir)?;
        make_dir(storage.as_ref(), &index_dir)?;
        for warning in file_system_kind::warnings(&log_dir, &index_dir) {
            tracing::warn!("{warning}");
        }

        let log_id = Inventory::read(storage.as_ref(), &log_dir)?.log_id(storage.as_ref())?;
        let mut place = IndexPlace {
            dir: index_dir,
            log_id: log_id.map_or([0; 16], |id| id.0),
            options: IndexOptions {
                delta_events_max: options.delta_events,
                flush_at_events: options.delta_events * 48 / 100,
                filter_memory_bytes: options.index_filter_memory_bytes,
                ..IndexOptions::default()
            },
        };
        let known = KnownIndex::look(&place, log_id, || {
            log::give_up_reserve(storage.as_ref(), &log_dir)
        })?;
        let opened =
            open_log(storage, &log_dir, &options, known.flushed).inspect_err(|_| known.close())?;
        place.log_id = opened.live.log_id().0;
        let durable = opened.next_seq.previous();
        let (index, unopened) = known.ready(&place, durable)?;
        let applied = index.applied();
        if applied < durable {
            tracing::info!(
                "rebuilding: the index is at seq {applied}; the log is replayed up to {durable}"
            );
        }
        Ok(start(
            options, started, lock, opened, index, unopened, place,
        ))
    }
}

fn start(
    options: StoreOptions,
    started: Instant,
    lock: DataLock,
    opened: OpenedLog,
    index: Index,
    unopened: Option<String>,
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
    let line = Replayer::start(log.clone(), index, unopened, place, inbox.clone());
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

fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}
