//! Takes the damage out of a stopped store: plans what is to be done, keeps the old segments, writes
//! new ones, makes the index anew, and verifies all of it.
//!
//! What it keeps lies in a directory of the data directory, which has another name until all is
//! done: no server starts meanwhile, since the index may know what the log does not have any more.
//! So a stop at any moment is made good by doing it again.
//!
//! | file | has |
//! |---|---|
//! | `keeping` | the directory for what is kept, and the reports in it |
//! | `old_index` | what the index from before still tells |
//! | `room` | how much room it takes, and how much there is |
//! | `error` | why it could not be done |

mod error;
mod keeping;
mod old_index;
mod room;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::RepairError;
pub use old_index::{LostTopics, OldIndex};
pub use room::{Room, Rooms};

use super::StorePlace;
use super::rebuild::{self, RebuildError, RebuildOptions, rebuild_locked};
use super::verdicts::TELL_EACH_SEQS;
use super::verify::{self, Verified, VerifyError, VerifyOptions, verify};
use crate::event::Seq;
use crate::index::Index;
use crate::index::succession::Succession;
use crate::log::mending::{Mender, Plan, Step, plan};
use crate::log::storage::{FileSystem, Storage};
use crate::log::{DataLock, Holder, LockError, LogId, give_to_owner_of};
use keeping::Keeping;

/// What is repaired, and how.
#[derive(Copy, Clone, Debug)]
pub struct RepairOptions<'o> {
    /// The data directory.
    pub data_dir: &'o Path,
    /// Whether what is planned is done.
    pub acts: bool,
    /// An empty directory of its own: for a copy of the index, and for what is verified.
    pub scratch: &'o Path,
    /// As a server has it.
    pub filter_memory_bytes: u64,
}

/// How far it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The log is read.
    Planning {
        /// Up to here.
        seq: Seq,
        /// Of so much.
        of: Seq,
    },
    /// Segments are written.
    Mending(Step),
    /// The index is made anew.
    Rebuilding(rebuild::Progress),
    /// All is verified.
    Verifying(verify::Progress),
}

/// What was found, what was planned, and what came of it.
#[derive(Debug)]
pub struct Repair {
    /// Which log.
    pub log_id: LogId,
    /// When, µs UTC.
    pub begun_at: i64,
    /// What is to be done to the log, or was.
    pub plan: Plan,
    /// The index from before.
    pub old_index: OldIndex,
    /// In which topics the lost events were, if the index still knows.
    pub lost_topics: Option<LostTopics>,
    /// An earlier repair was stopped, and this one finishes it.
    pub was_stopped: bool,
    /// What a rebuild that was stopped has left beside the index, and is put in order first.
    pub rebuild_dirs: Vec<&'static str>,
    /// How much room it takes, and how much there was.
    pub rooms: Rooms,
    /// What was done; none if nothing was.
    pub outcome: Option<Outcome>,
}

impl Repair {
    /// Whether there is anything to be done.
    pub fn has_work(&self) -> bool {
        !self.plan.is_empty() || self.was_stopped || self.old_index.is_damaged()
    }

    /// Whether neither damage nor a difference is left.
    pub fn is_well(&self) -> bool {
        match &self.outcome {
            None => !self.has_work() && self.plan.wrong_count == 0,
            Some(outcome) => outcome.verified.as_ref().is_ok_and(Verified::is_well),
        }
    }
}

/// What was done.
#[derive(Debug)]
pub struct Outcome {
    /// Where the old segments are, and the reports.
    pub kept_in: PathBuf,
    /// The index is not made yet, and why: the next start does it.
    pub index_left: Option<RebuildError>,
    /// What verifying has found; an error if that could not be done.
    pub verified: Result<Verified, VerifyError>,
}

/// What is told about a repair, as it is written beside what is kept.
pub trait Reporter {
    /// For people.
    fn text(&self, repair: &Repair) -> String;
    /// For programs.
    fn json(&self, repair: &Repair) -> String;
}

/// Repairs it, or plans it. `told` is told how far it is.
///
/// # Errors
/// [`RepairError`]. Nothing intact is lost, and doing it again goes on from there.
pub fn repair(
    options: &RepairOptions<'_>,
    reporter: &dyn Reporter,
    told: &mut dyn FnMut(Progress),
) -> Result<Repair, RepairError> {
    let place = StorePlace::new(options.data_dir);
    // Before anything is made in a directory that may be somebody else's.
    place.check()?;
    let lock = take_lock(options)?;
    let in_dir = |source| RepairError::Directory {
        path: options.data_dir.to_owned(),
        source,
    };
    if lock.is_some() {
        // What a rebuild that was stopped has left.
        let succession = Succession::of(options.data_dir);
        succession.put_in_place().map_err(in_dir)?;
    }
    let place = StorePlace::new(options.data_dir);
    let keeping = Keeping::of(options.data_dir);
    let mut repair = planned(&place, options, &keeping, told)?;
    let Some(lock) = lock.filter(|_| repair.has_work()) else {
        return Ok(repair);
    };
    if let Some(segment) = repair.plan.in_the_way() {
        return Err(RepairError::InTheWay(
            place.log_dir().join(segment.file_name()),
        ));
    }
    if let Some(room) = repair.rooms.too_little() {
        return Err(RepairError::NoRoom(room.clone()));
    }
    let mender = Mender {
        storage: &FileSystem,
        dir: place.log_dir(),
        set_aside: keeping.unfinished(),
        needed_bytes: repair.rooms.on_log_disk(),
        now: repair.begun_at,
        give: &|path| give_to_owner_of(place.log_dir(), path),
    };
    mender.make_room()?;
    keeping.begin().map_err(in_dir)?;
    keeping
        .report("plan", reporter, &repair)
        .map_err(|source| keeping.error(source))?;
    mender.act(&repair.plan, &mut |step| told(Progress::Mending(step)))?;
    let index_left = index_anew(&place, options, &lock, told)?;
    let verified = verified(options, told);
    let kept_in = keeping.final_dir(repair.begun_at).map_err(in_dir)?;
    repair.outcome = Some(Outcome {
        kept_in: kept_in.clone(),
        index_left,
        verified,
    });
    keeping
        .report("report", reporter, &repair)
        .map_err(|source| keeping.error(source))?;
    keeping.finish(&kept_in).map_err(in_dir)?;
    Ok(repair)
}

/// Whoever acts has the lock; who only plans changes nothing, not even that.
fn take_lock(options: &RepairOptions<'_>) -> Result<Option<DataLock>, RepairError> {
    let dir = options.data_dir;
    if options.acts {
        return Ok(Some(DataLock::take(dir)?));
    }
    match Holder::of(dir) {
        Ok(Holder::Process { says, .. }) => Err(RepairError::Lock(LockError::Held {
            dir: dir.to_owned(),
            holder: says,
        })),
        Ok(Holder::Nobody | Holder::Unknown { .. }) => Ok(None),
        Err(source) => Err(RepairError::Directory {
            path: dir.to_owned(),
            source,
        }),
    }
}

fn planned(
    place: &StorePlace,
    options: &RepairOptions<'_>,
    keeping: &Keeping,
    told: &mut dyn FnMut(Progress),
) -> Result<Repair, RepairError> {
    let log_id = place.check()?;
    let (old_index, stored) = old_index::look(place, log_id, options.scratch)?;
    let storage: Arc<dyn Storage> = Arc::new(FileSystem);
    let flushed = old_index.flushed();
    let mut tell_at = Seq::ZERO;
    let mut read_to = |seq: Seq, of| {
        if seq >= tell_at {
            tell_at = seq.plus(TELL_EACH_SEQS);
            told(Progress::Planning { seq, of });
        }
    };
    let (dir, kept) = (place.log_dir(), keeping.unfinished());
    let plan = plan(&storage, dir, flushed, kept, &mut read_to)?;
    let holes: Vec<_> = plan.holes().collect();
    let lost_topics = stored.and_then(|stored| LostTopics::of(&stored, &holes));
    let rooms = Rooms::of(place, &plan, &old_index, options.scratch)?;
    Ok(Repair {
        log_id,
        begun_at: jiff::Timestamp::now().as_microsecond(),
        plan,
        old_index,
        lost_topics,
        was_stopped: keeping.is_unfinished(),
        rebuild_dirs: Succession::of(options.data_dir).left_overs(),
        rooms,
        outcome: None,
    })
}

/// Makes the index anew. Where it cannot be replaced by a rename it is emptied, and the error says
/// why.
fn index_anew(
    place: &StorePlace,
    options: &RepairOptions<'_>,
    lock: &DataLock,
    told: &mut dyn FnMut(Progress),
) -> Result<Option<RebuildError>, RepairError> {
    let of_rebuild = RebuildOptions {
        data_dir: options.data_dir.to_owned(),
        compares: false,
        filter_memory_bytes: options.filter_memory_bytes,
    };
    let rebuilt = rebuild_locked(&of_rebuild, lock, &mut |progress| {
        told(Progress::Rebuilding(progress));
    });
    match rebuilt {
        Ok(_) => Ok(None),
        Err(error @ RebuildError::Elsewhere(_)) => {
            let discarded = Index::discard(place.index_dir());
            discarded.map_err(|source| RepairError::Directory {
                path: place.index_dir().to_owned(),
                source,
            })?;
            Ok(Some(error))
        }
        Err(error) => Err(RepairError::Index(error)),
    }
}

fn verified(
    options: &RepairOptions<'_>,
    told: &mut dyn FnMut(Progress),
) -> Result<Verified, VerifyError> {
    let scratch = options.scratch.join("verify");
    fs::create_dir(&scratch).map_err(|source| VerifyError::Scratch {
        dir: options.scratch.to_owned(),
        source,
    })?;
    let of_verify = VerifyOptions {
        data_dir: options.data_dir,
        folds: true,
        scratch: &scratch,
        filter_memory_bytes: options.filter_memory_bytes,
    };
    verify(&of_verify, None, &mut |progress| {
        told(Progress::Verifying(progress));
    })
}
