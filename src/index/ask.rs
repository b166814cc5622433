//! The questions that an open index answers.

use std::io;

use rusqlite::Connection;

use super::digest::KeyDigest;
use super::error::IndexError;
use super::fold::{First, Judged, Verdict};
use super::handle::Index;
use super::known;
use super::lookup;
use super::note::NotStored;
use super::query::{Order, not_stored, topic_seqs};
use super::shared::Runs;
use super::topics::{TopicCensus, TopicCount};
use crate::event::Seq;

impl Index {
    /// What is known of a key.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged.
    pub fn first_of(&self, key: KeyDigest) -> Result<Option<First>, IndexError> {
        self.shared.check()?;
        let (known, runs) = {
            let live = self.shared.read();
            (known::in_deltas(&live, key), Runs::clone(&live.runs))
        };
        if known.is_some() {
            return Ok(known);
        }
        let found = self.shared.watch(lookup::find(&runs, &[key]))?;
        Ok(found.into_iter().flatten().next())
    }

    /// The arrivals in `(after, upto]` that were not stored, or only those with one
    /// verdict: at most `limit`, a hole's seqs one by one.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged.
    pub fn not_stored(
        &self,
        after: Seq,
        upto: Seq,
        order: Order,
        limit: usize,
        only: Option<Verdict>,
    ) -> Result<Vec<NotStored>, IndexError> {
        let wanted = not_stored::Wanted {
            after,
            upto,
            order,
            limit,
            only,
        };
        self.query(|connection| not_stored::find(&self.shared, connection, wanted))
    }

    /// The verdict on each seq in `[from, to]` that was applied; the caller bounds the range.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged.
    pub fn verdicts(&self, from: Seq, to: Seq) -> Result<Vec<Judged>, IndexError> {
        let from = from.max(Seq::FIRST);
        let to = to.min(self.applied());
        let listed = self.not_stored(from.previous(), to, Order::Ascending, usize::MAX, None)?;
        let mut listed = listed.into_iter().map(|one| one.judged).peekable();
        let verdict = |seq| {
            listed
                .next_if(|judged| judged.seq == seq)
                .unwrap_or(Judged {
                    seq,
                    verdict: Verdict::Stored,
                    original_seq: seq,
                })
        };
        Ok((from.get()..=to.get()).map(Seq::new).map(verdict).collect())
    }

    /// The seqs of a topic's stored events in `(after, upto]`, at most `limit`; `None`
    /// when there is no such topic.
    ///
    /// # Errors
    /// [`IndexError`] when a chunk cannot be read or is damaged.
    pub fn topic_seqs(
        &self,
        topic: &str,
        after: Seq,
        upto: Seq,
        order: Order,
        limit: usize,
    ) -> Result<Option<Vec<Seq>>, IndexError> {
        let wanted = topic_seqs::Wanted {
            after,
            upto,
            order,
            limit,
        };
        self.query(|connection| topic_seqs::find(&self.shared, connection, topic, wanted))
    }

    /// At most `limit` topics, in order of first arrival, after the one with number
    /// `after`; 0 begins.
    pub fn topics(&self, after: u64, limit: usize) -> Vec<TopicCount> {
        self.shared.read().topics.after(after, limit).to_vec()
    }

    /// How many topics there are.
    pub fn topics_total(&self) -> u64 {
        self.shared.read().topics.total()
    }

    /// Which of these names are no topics yet, at one moment.
    pub fn topic_census(&self, names: &[Box<str>]) -> TopicCensus {
        let live = self.shared.read();
        let is_unknown = |&place: &usize| live.topics.number(&names[place]).is_none();
        TopicCensus {
            applied: live.active.state.applied(),
            total: live.topics.total(),
            unknown: (0..names.len()).filter(is_unknown).collect(),
        }
    }

    /// The size of the database and of the runs that it names, in bytes: unlike the WAL and
    /// what a merge is writing, they do not go at a stop.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn database_bytes(&self) -> io::Result<u64> {
        let runs = Runs::clone(&self.shared.read().runs);
        let run_bytes: u64 = runs.iter().map(|run| run.file.row.bytes()).sum();
        Ok(self.files.database_bytes()? + run_bytes)
    }

    /// The size of all of the index's files.
    ///
    /// # Errors
    /// When they cannot be looked at.
    pub fn bytes_on_disk(&self) -> io::Result<u64> {
        self.files.bytes()
    }

    fn query<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        self.shared.check()?;
        self.shared.watch(self.readers.with(read))
    }
}
