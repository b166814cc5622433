//! What is known of single keys and seqs.

use std::sync::Arc;

use super::super::digest::KeyDigest;
use super::super::error::IndexError;
use super::super::fold::{First, Judged, Verdict};
use super::super::lookup;
use super::super::run::Run;
use super::super::run_set::RunSet;
use super::StoredIndex;
use crate::event::Seq;

impl StoredIndex {
    /// What is known of each of these keys, of which many at once cost less. No filter is read
    /// into memory for it: of each only the blocks that the keys lead to.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged.
    pub fn firsts_of(&self, keys: &[KeyDigest]) -> Result<Vec<Option<First>>, IndexError> {
        let run = |file| Arc::new(Run::new(Arc::clone(file)));
        let runs = RunSet::of(self.runs.iter().map(run).collect());
        lookup::find(&runs, keys)
    }

    /// The verdict on each seq in `[from, to]` that is flushed; the caller bounds the range.
    ///
    /// # Errors
    /// [`IndexError`] when a block is missing, cannot be read or is damaged.
    pub fn verdicts(&self, from: Seq, to: Seq) -> Result<Vec<Judged>, IndexError> {
        let (from, to) = (from.max(Seq::FIRST), to.min(self.flushed()));
        let mut judged: Vec<Judged> = (from.get()..=to.get())
            .map(|seq| Judged {
                seq: Seq::new(seq),
                verdict: Verdict::Stored,
                original_seq: Seq::new(seq),
            })
            .collect();
        let mut rows = self.not_stored_in(from.previous(), to);
        while let Some(row) = rows.next_row()? {
            let begin = row.first.judged.seq.max(from);
            let end = row.first.judged.seq.plus(row.count);
            for seq in begin.get()..end.get() {
                judged[(seq - from.get()) as usize] = Judged {
                    seq: Seq::new(seq),
                    ..row.first.judged
                };
            }
        }
        Ok(judged)
    }
}
