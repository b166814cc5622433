//! The topics in order of first arrival.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::error::IndexError;
use super::super::schema::{head, topics};
use super::super::topics::TopicCount;
use super::StoredIndex;
use crate::event::Seq;

/// How many are read in one transaction.
const PAGE_ROWS: usize = if cfg!(test) { 2 } else { 4096 };

/// A topic, without how many events it has: those are rows of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRow {
    /// 1 for the first that arrived, and so on.
    pub no: u64,
    /// Its name.
    pub name: Arc<str>,
    /// The first of its stored events.
    pub first_seq: Seq,
}

/// Gives them one after the other.
pub struct TopicRows<'i> {
    index: &'i StoredIndex,
    upto: Seq,
    after: u64,
    page: VecDeque<TopicCount>,
}

impl StoredIndex {
    /// The topics that there were at a seq, or at the last that is flushed.
    pub fn topics(&self, upto: Seq) -> TopicRows<'_> {
        TopicRows {
            index: self,
            upto: upto.min(self.flushed()),
            after: 0,
            page: VecDeque::new(),
        }
    }
}

impl TopicRows<'_> {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// [`IndexError`] when a row is missing or not intact.
    pub fn next_row(&mut self) -> Result<Option<TopicRow>, IndexError> {
        let next = self.next_count()?;
        Ok(next.map(|topic| TopicRow {
            no: topic.no,
            name: topic.name,
            first_seq: topic.first_seq,
        }))
    }

    /// The next one with how many events it has now.
    ///
    /// # Errors
    /// As [`TopicRows::next_row`].
    pub fn next_count(&mut self) -> Result<Option<TopicCount>, IndexError> {
        if self.page.is_empty() && self.after < u64::MAX {
            let snapshot = self.index.connection.unchecked_transaction()?;
            let head = head::read(&snapshot)?;
            self.page = topics::page(&snapshot, &head, self.after, PAGE_ROWS)?.into();
            self.after = self.page.back().map_or(u64::MAX, |last| last.no);
        }
        let next = self.page.pop_front();
        // They are in the order of their first arrival.
        let next = next.filter(|topic| topic.first_seq <= self.upto);
        if next.is_none() {
            (self.after, self.page) = (u64::MAX, VecDeque::new());
        }
        Ok(next)
    }
}
