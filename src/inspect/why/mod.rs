//! The life of an event: each arrival of its key, which one is kept, and why the others are not.
//!
//! With an index nothing of the log is read but the frames of those arrivals, and what has come
//! since the index was flushed: the runs say at which seq a key was first, the notes which seqs
//! were not stored and whose they are. Without one, or where it does not agree with the log, all
//! of the log is read, and the same is told.
//!
//! | file | has |
//! |---|---|
//! | `asked` | what is asked about |
//! | `asking` | who has the lock |
//! | `by_index`, `walk` | where its arrivals are found |
//! | `lives` | what was found, each arrival judged |
//! | `logged` | what the log has at a seq |
//! | `describe` | both together |
//! | `told`, `wrongs` | the answer, and what is wrong with the log |

mod asked;
mod asking;
mod by_index;
mod describe;
mod lives;
mod logged;
mod told;
mod walk;
mod wrongs;

use std::io;
use std::path::Path;

use tempfile::TempDir;

pub use asked::{Asked, KeyName, Space};
pub use lives::Most;
pub use logged::BatchPlace;
pub use told::{Arrival, Differs, Found, KeyLife, Logged, LostSeq, LostTo, Marks, Outcome, Why};
pub use wrongs::Wrongs;

use crate::event::Seq;
use crate::index::{Beside, IndexError, StoredIndex};
use crate::inspect::StorePlace;
use crate::inspect::payloads::SweptPayloads;
use crate::inspect::store_index::{Fit, fit};
use crate::log::LogError;
use crate::log::sweep::{Sweep, SweepOptions};
use asked::Wanted;
use asking::Asking;
use lives::Lives;
use logged::{AtSeq, LogReader};
use walk::LogWalk;

/// What is asked, and how much is told.
pub struct WhyOptions<'o> {
    /// The data directory.
    pub data_dir: &'o Path,
    /// What is asked.
    pub asked: Asked,
    /// How much is told.
    pub most: Most,
    /// Makes a directory for a copy of the index's database, if one must be made.
    pub copy_to: &'o dyn Fn() -> io::Result<TempDir>,
}

/// Is told what takes time.
pub trait Teller {
    /// All of the log is about to be read.
    fn reads_whole_log(&mut self, reason: &NoIndex);

    /// So much of the log was read, up to this seq, of that up to the other one.
    fn passed(&mut self, seq: Seq, of: Seq);
}

/// Why an index is not used.
#[derive(Debug, thiserror::Error)]
pub enum NoIndex {
    /// There is none.
    #[error("there is none")]
    None,
    /// It cannot be used, or read.
    #[error(transparent)]
    Useless(#[from] IndexError),
    /// The log has lost what it has.
    #[error("it goes up to seq {flushed}, and the log only up to seq {log_end}")]
    Ahead {
        /// Its last seq.
        flushed: Seq,
        /// The log's.
        log_end: Seq,
    },
    /// It is of another state of this log.
    #[error("it does not agree with the log")]
    Disagrees,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// There is no log, or it cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Who has the lock cannot be told.
    #[error("cannot read the lock in {}: {source}", dir.display())]
    Lock {
        /// The data directory.
        dir: std::path::PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// Why a search came to no end.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Index(#[from] NoIndex),
}

impl From<IndexError> for Failed {
    fn from(error: IndexError) -> Failed {
        Failed::Index(error.into())
    }
}

/// Looks for an event.
///
/// # Errors
/// [`WhyError`]. Damage, and an index that is of no use, are told and no error.
pub fn why(options: &WhyOptions<'_>, teller: &mut dyn Teller) -> Result<Why, WhyError> {
    let place = StorePlace::new(options.data_dir);
    // Linux takes 20 ms to list its locks: most of what there is to do needs no answer.
    let lock = Asking::begin(options.data_dir);
    let mut search = Search {
        payloads: SweptPayloads::new(&place),
        place,
        options,
        teller,
        wrongs: Wrongs::default(),
    };
    let (outcome, marks) = match search.with_index(&|| lock.beside()) {
        Err(Failed::Index(reason)) => {
            search.wrongs = Wrongs::default();
            search.without_index(&reason)?
        }
        Err(Failed::Log(error)) => return Err(error.into()),
        Ok(found) => found,
    };
    let holder = lock.holder().map_err(|source| WhyError::Lock {
        dir: options.data_dir.to_owned(),
        source,
    })?;
    Ok(Why {
        asked: options.asked.clone(),
        outcome,
        marks,
        holder,
        wrongs: search.wrongs,
    })
}

struct Search<'s> {
    place: StorePlace,
    payloads: SweptPayloads,
    options: &'s WhyOptions<'s>,
    teller: &'s mut dyn Teller,
    wrongs: Wrongs,
}

impl Search<'_> {
    fn with_index(&mut self, beside: &dyn Fn() -> Beside) -> Result<(Outcome, Marks), Failed> {
        let log_id = match self.place.log_id() {
            // A sweep may know it all the same.
            Err(LogError::Corrupt(_)) => return Err(NoIndex::None.into()),
            other => other?,
        };
        let index_dir = self.place.index_dir();
        let copy_to = self.options.copy_to;
        let index = StoredIndex::open(index_dir, log_id.0, beside, copy_to)?;
        let Some(index) = index else {
            return Err(NoIndex::None.into());
        };
        // Behind the index: what that has of a store that works is in the log then.
        let flushed = index.flushed();
        let sweep = self.place.sweep(SweepOptions {
            from: flushed.next(),
            only_from: true,
            ..SweepOptions::default()
        })?;
        let log_end = sweep.end().due.previous();
        let mut reader = LogReader::new(sweep.finder());
        match fit(&index, reader.finder(), log_end) {
            Fit::Agrees => {}
            Fit::Ahead => return Err(NoIndex::Ahead { flushed, log_end }.into()),
            Fit::Disagrees => return Err(NoIndex::Disagrees.into()),
        }
        self.find(Ok(&index), sweep, reader)
    }

    fn without_index(&mut self, reason: &NoIndex) -> Result<(Outcome, Marks), LogError> {
        let index_flushed = match reason {
            NoIndex::Ahead { flushed, .. } => Some(*flushed),
            _ => None,
        };
        let sweep = self.place.sweep(SweepOptions {
            index_flushed,
            ..SweepOptions::default()
        })?;
        let reader = LogReader::new(sweep.finder());
        match self.find(Err(reason), sweep, reader) {
            Ok(found) => Ok(found),
            Err(Failed::Log(error)) => Err(error),
            Err(Failed::Index(_)) => unreachable!("there is no index to fail"),
        }
    }

    fn find(
        &mut self,
        index: Result<&StoredIndex, &NoIndex>,
        mut sweep: Sweep,
        mut reader: LogReader,
    ) -> Result<(Outcome, Marks), Failed> {
        let end = sweep.end();
        let mut marks = Marks {
            last: end.due.previous(),
            proven: end.proven,
            flushed: index.ok().map(StoredIndex::flushed),
            lost: index.ok().map_or(0, |index| index.state().counters.lost),
        };
        let behind_index = end.behind_index;
        let (wanted, asked) = match self.options.asked.clone() {
            Asked::Seq(seq) if seq > marks.last => {
                let outcome = self.behind_end(seq, behind_index)?;
                return Ok((outcome, marks));
            }
            Asked::Seq(seq) => match self.wanted_at(seq, index.ok(), &mut reader)? {
                Ok(wanted) => (wanted, Some(seq)),
                Err(lost) => return Ok((Outcome::Lost(lost), marks)),
            },
            Asked::Id { event_id, space } => (
                match space {
                    Space::AllTopics => Wanted::Id(event_id),
                    Space::Topic(topic) => Wanted::key(KeyName::in_topic(topic, event_id)),
                    Space::Source(source) => Wanted::key(KeyName::from_source(source, event_id)),
                },
                None,
            ),
        };
        let mut lives = Lives::new(self.options.most, asked);
        match index {
            Ok(index) => by_index::find(index, &wanted, &mut lives)?,
            Err(reason) => self.teller.reads_whole_log(reason),
        }
        marks.lost += self.walk(&wanted, &mut sweep, marks, &mut lives)?;
        let outcome = self.describe(lives, &mut reader, index.is_ok())?;
        Ok((outcome, marks))
    }

    /// What became of a seq behind the last that stands in a good frame.
    fn behind_end(&mut self, seq: Seq, behind_index: Option<Seq>) -> Result<Outcome, LogError> {
        let to = match self.wrongs.of_seq(seq, &self.place)? {
            Some(wrong) => LostTo::Damage(wrong),
            None => match behind_index.filter(|flushed| seq <= *flushed) {
                Some(flushed) => LostTo::BehindIndex(flushed),
                None => return Ok(Outcome::NotGivenYet),
            },
        };
        Ok(Outcome::Lost(LostSeq { to, judged: None }))
    }

    /// Looks through what the index does not have: all of the log where there is none. Gives how
    /// many events the holes in it stand for.
    fn walk(
        &mut self,
        wanted: &Wanted,
        sweep: &mut Sweep,
        marks: Marks,
        lives: &mut Lives,
    ) -> Result<u64, LogError> {
        let Search {
            payloads,
            teller,
            wrongs,
            ..
        } = self;
        let mut walk = LogWalk {
            wanted,
            from: marks.flushed.unwrap_or(Seq::ZERO).next(),
            payloads,
            passed: &mut |seq| teller.passed(seq, marks.last),
        };
        walk.run(sweep, lives, wrongs)
    }

    /// What is looked for where a seq is asked about; else what became of it.
    fn wanted_at(
        &mut self,
        seq: Seq,
        index: Option<&StoredIndex>,
        reader: &mut LogReader,
    ) -> Result<Result<Wanted, LostSeq>, Failed> {
        let to = match reader.at(seq)? {
            AtSeq::Event(_, event) => return Ok(Ok(Wanted::key(event.name))),
            AtSeq::Erased(_, _, key) => return Ok(Ok(Wanted::Digest(key))),
            AtSeq::Hole(batch) => LostTo::Hole(batch),
            AtSeq::Nothing => match self.wrongs.of_seq(seq, &self.place)? {
                Some(wrong) => LostTo::Damage(wrong),
                None => LostTo::Unknown,
            },
        };
        let Some(index) = index.filter(|index| seq <= index.flushed()) else {
            return Ok(Err(LostSeq { to, judged: None }));
        };
        // The index may know it by its key, or by those that came again.
        let judged = index.verdicts(seq, seq)?.first().copied();
        let is_hole = matches!(to, LostTo::Hole(_));
        let key = match is_hole {
            true => None,
            false => by_index::key_of(index, seq)?,
        };
        Ok(match key {
            Some(key) => Ok(Wanted::Digest(key)),
            None => Err(LostSeq { to, judged }),
        })
    }
}
