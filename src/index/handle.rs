//! The handle of an open index.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::apply;
use super::delta::{Delta, DeltaRoom};
use super::error::IndexError;
use super::files::{Files, Identity};
use super::fold::{FoldInput, FoldState, Judged, Payloads};
use super::foresight::Foresight;
use super::generation_merging::Generations;
use super::health::FlushHealth;
use super::known::Sources;
use super::neighbours::{Neighbours, Reach};
use super::options::{IndexOptions, Shape};
use super::readers::Readers;
use super::run::Run;
use super::run_builder::RunMaker;
use super::run_file::RunFile;
use super::run_set::RunSet;
use super::schema::{self, connection, generations, head, runs};
use super::shared::{Live, Shared};
use super::topics::Topics;
use super::worker::WorkerHandle;
use super::writer::Writer;
use crate::event::Seq;

/// An open index. Dropping it is like a crash: what is not flushed is applied again from
/// the log. [`Index::close`] flushes first.
#[derive(Debug)]
pub struct Index {
    // In the order in which they must go: the thread, then those who read.
    worker: WorkerHandle,
    pub(super) shared: Arc<Shared>,
    /// Keeps frames in line.
    pub(super) applying: Mutex<Neighbours>,
    pub(super) readers: Readers,
    pub(super) files: Files,
}

impl Index {
    /// Opens the index in a directory that is there, or makes a new one.
    ///
    /// # Errors
    /// [`IndexError::Damaged`], [`IndexError::OtherVersion`] and [`IndexError::OtherLog`]
    /// ask for [`Index::discard`] and a rebuild; others may pass by themselves.
    pub fn open(
        directory: &Path,
        log_id: [u8; 16],
        options: IndexOptions,
    ) -> Result<Index, IndexError> {
        Index::open_shaped(directory, log_id, options, Shape::default())
    }

    pub(super) fn open_shaped(
        directory: &Path,
        log_id: [u8; 16],
        options: IndexOptions,
        shape: Shape,
    ) -> Result<Index, IndexError> {
        let files = Files::of(directory)?;
        let mut writing = connection::writing(&files, &options)?;
        if schema::create_if_empty(&mut writing, log_id)? {
            files.sync_directory()?;
        }
        let (head, generations, live) = {
            let snapshot = writing.unchecked_transaction()?;
            let mut head = head_of(&snapshot, log_id)?;
            let rows = runs::load(&snapshot, head.state.counters.unique)?;
            let named = generations::load(&snapshot, &head)?;
            let generations = Generations::load(&snapshot, named)?;
            let runs = rows.iter().map(|row| {
                RunFile::open(&files, log_id, *row).map(|file| Arc::new(Run::new(Arc::new(file))))
            });
            let runs: Vec<Arc<Run>> = runs.collect::<Result<_, _>>()?;
            let there = files.runs()?;
            head.next_run = head.next_run.max(there.into_iter().max().unwrap_or(0) + 1);
            // What they were removed from the manifest by may be in the page cache only.
            files.sync_wal(options.durability)?;
            files.remove_left_overs(&rows)?;
            let live = Live {
                active: Delta::on(head.state, DeltaRoom::default()),
                frozen: None,
                topics: schema::topics::load(&snapshot, &head)?,
                runs: Arc::new(RunSet::of(runs)),
                flushed: head.flushed(),
            };
            (head, generations, live)
        };
        let identity = Identity::now(&files)?;
        let runs = live.runs.to_vec();
        let neighbours = Neighbours::new(shape.reach.clone());
        let shared = Arc::new(Shared::new(options.clone(), live));
        let maker = RunMaker {
            files: files.clone(),
            log_id,
            durability: options.durability,
            shape,
            pace: shared.pace.clone(),
        };
        let writer = Writer::new(writing, identity, head, maker, &options, runs, generations);
        Ok(Index {
            worker: WorkerHandle::start(Arc::clone(&shared), writer)?,
            shared,
            applying: Mutex::new(neighbours),
            readers: Readers::new(files.clone(), options),
            files,
        })
    }

    /// Stands in for an index that cannot be opened yet: it knows nothing, and everything that
    /// would need a look answers [`IndexError::Closed`].
    ///
    /// # Errors
    /// When the directory cannot be named.
    pub fn unopened(directory: &Path, options: IndexOptions) -> io::Result<Index> {
        let files = Files::of(directory)?;
        let live = Live {
            active: Delta::on(FoldState::default(), DeltaRoom::default()),
            frozen: None,
            topics: Topics::default(),
            runs: Arc::default(),
            flushed: Seq::ZERO,
        };
        let shared = Arc::new(Shared::new(options.clone(), live));
        shared.close();
        Ok(Index {
            worker: WorkerHandle::none(Arc::clone(&shared)),
            shared,
            applying: Mutex::new(Neighbours::new(Reach::default())),
            readers: Readers::new(files.clone(), options),
            files,
        })
    }

    /// Removes the index's files from a directory, and nothing else. The index must not
    /// be open.
    ///
    /// # Errors
    /// When a file that is there cannot be removed.
    pub fn discard(directory: &Path) -> io::Result<()> {
        Files::of(directory)?.remove()
    }

    /// The flushed watermark of a closed index, at the cost of reading one row; `None`
    /// when there is no index. What was flushed had been durable in the log.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn flushed_of(directory: &Path, log_id: [u8; 16]) -> Result<Option<Seq>, IndexError> {
        let files = Files::of(directory)?;
        if !files.main().try_exists()? {
            return Ok(None);
        }
        let glance = connection::glancing(&files, &IndexOptions::default())?;
        if schema::is_empty(&glance)? {
            return Ok(None);
        }
        head_of(&glance, log_id).map(|head| Some(head.flushed()))
    }

    /// The same of an index that cannot be opened now, because another process has its lock or
    /// there is no room: by the database alone, which must be all there is of it. `None` also
    /// when it is not.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn flushed_at_rest(directory: &Path, log_id: [u8; 16]) -> Result<Option<Seq>, IndexError> {
        let files = Files::of(directory)?;
        if files.has_wal()? {
            return Ok(None);
        }
        let look = connection::at_rest(&files, &IndexOptions::default())?;
        head_of(&look, log_id).map(|head| Some(head.flushed()))
    }

    /// Applies one frame and returns the verdicts on its events; for a hole, however
    /// long, the list is empty. Atomic: after an error nothing has changed.
    ///
    /// # Errors
    /// [`IndexError::NotNext`] when `first_seq` does not follow on what was applied,
    /// [`IndexError::DeltaFull`] until a flush makes room, [`IndexError::Payload`] when
    /// a payload that must be compared cannot be read, and those of SQLite.
    pub fn apply(
        &self,
        first_seq: Seq,
        input: FoldInput<'_>,
        payloads: &dyn Payloads,
    ) -> Result<Vec<Judged>, IndexError> {
        self.apply_foreseen(first_seq, input, None, payloads)
    }

    /// The same with what [`Index::foresee`] gave for this frame. That of another index or of
    /// another frame is passed over.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub fn apply_foreseen(
        &self,
        first_seq: Seq,
        input: FoldInput<'_>,
        foresight: Option<&Foresight>,
        payloads: &dyn Payloads,
    ) -> Result<Vec<Judged>, IndexError> {
        let foresight = foresight.filter(|seen| seen.is_of(&self.shared, first_seq, input.count()));
        let in_line = self.applying.lock();
        let mut neighbours = in_line.unwrap_or_else(PoisonError::into_inner);
        self.shared.check()?;
        let sources = Sources {
            shared: &self.shared,
            readers: &self.readers,
            payloads,
            neighbours: &mut neighbours,
        };
        self.shared
            .watch(apply::apply(sources, first_seq, input, foresight))
    }

    /// The last seq that was applied.
    pub fn applied(&self) -> Seq {
        self.state().applied()
    }

    /// The last seq that is committed in SQLite.
    pub fn flushed(&self) -> Seq {
        self.shared.read().flushed
    }

    /// Counters and hash as of the last seq applied.
    pub fn state(&self) -> FoldState {
        self.shared.read().active.state
    }

    /// How the flushes fare.
    pub fn flush_health(&self) -> FlushHealth {
        self.shared.signal().tries.shown()
    }

    /// What damage was noticed, if any. From then on everything answers
    /// [`IndexError::Damaged`].
    pub fn damage(&self) -> Option<String> {
        self.shared.damage().map(str::to_owned)
    }

    /// Waits until all that is now applied is flushed.
    ///
    /// # Errors
    /// When three tries in a row have failed, the error of the last; the flush thread
    /// goes on trying.
    pub fn flush_now(&self) -> Result<(), IndexError> {
        let upto = self.applied();
        self.shared
            .tell_worker(|signal| signal.flush_upto = signal.flush_upto.max(upto));
        let mut signal = self.shared.signal();
        let tries_before = signal.tries.ended;
        loop {
            self.shared.check()?;
            if self.flushed() >= upto {
                return Ok(());
            }
            if signal.gone {
                return Err(IndexError::Closed);
            }
            if signal.tries.failing() && signal.tries.ended > tries_before {
                return Err(signal.tries.last.clone().unwrap_or(IndexError::Closed));
            }
            signal = self
                .shared
                .wait_for_worker(signal, Duration::from_millis(100));
        }
    }

    /// After [`IndexError::DeltaFull`]: waits until flushes have made room for a frame of
    /// this many events, or no longer than this.
    pub fn wait_for_room(&self, events: u64, longest: Duration) {
        let until = Instant::now() + longest;
        let mut signal = self.shared.signal();
        while self.shared.damage().is_none() && !signal.gone {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.shared.has_room(self.shared.read().waiting(), events) {
                return;
            }
            signal = self
                .shared
                .wait_for_worker(signal, left.min(Duration::from_millis(100)));
        }
    }

    /// Makes room in memory for so many new keys, but not for more than a flush takes: a table
    /// that grows is copied each time.
    pub fn make_room(&self, events: u64) {
        let keys = events.min(self.shared.options.flush_at_events) as usize;
        let mut live = self.shared.write();
        let more = keys.saturating_sub(live.active.keys.len());
        live.active.keys.reserve(more);
    }

    /// Waits until the filters that have room in memory were read, or no longer than this. Until
    /// then each new key costs reads: who has many to apply does better to wait.
    pub fn wait_until_loaded(&self, longest: Duration) {
        let until = Instant::now() + longest;
        let mut signal = self.shared.signal();
        while !signal.loaded && !signal.gone {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            signal = self.shared.wait_for_worker(signal, left);
        }
    }

    /// Flushes, and closes the database so that only itself and the runs are left, without a WAL. Waits
    /// for those who are looking something up; whoever comes later gets
    /// [`IndexError::Closed`], and what is known without a look still.
    ///
    /// # Errors
    /// When it could not be flushed; it is closed all the same.
    pub fn close(&self) -> Result<(), IndexError> {
        let flushed = self.flush_now();
        let writer = self.end();
        flushed?;
        writer.ok_or(IndexError::Closed)?.close()
    }

    /// Closes everything as it is, like a crash, so that the files can be discarded. Waits
    /// as [`Index::close`] does.
    pub fn abandon(&self) {
        drop(self.end());
    }

    /// Closes all but the connection that writes.
    fn end(&self) -> Option<Writer> {
        self.shared.close();
        let writer = self.worker.end();
        // Waits for a frame that is being applied.
        drop(self.applying.lock());
        self.readers.close();
        writer
    }
}

fn head_of(connection: &Connection, log_id: [u8; 16]) -> Result<head::Head, IndexError> {
    let head = head::read(connection)?;
    if head.log_id == log_id {
        Ok(head)
    } else {
        Err(IndexError::OtherLog { found: head.log_id })
    }
}
