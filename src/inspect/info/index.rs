//! What an index says of itself, and whether that agrees with the log.

use std::cmp::Reverse;
use std::path::Path;

use super::InfoOptions;
use crate::event::Seq;
use crate::index::{Beside, IndexError, StoredFigures, StoredIndex, TopicCount};
use crate::log::LogId;

/// Of an index.
#[derive(Debug)]
pub struct IndexInfo {
    /// How it is.
    pub state: IndexState,
    /// Its figures, if it can be used.
    pub figures: Option<StoredFigures>,
    /// The topics with the most events, those first.
    pub topics: Vec<TopicCount>,
}

/// How an index is.
#[derive(Debug)]
pub enum IndexState {
    /// There is none: the next start makes one.
    None,
    /// It has all that the log has.
    Complete,
    /// It lacks so many events, which the next start, or the running store, applies.
    Behind(u64),
    /// It has so many that the log has lost.
    Ahead(u64),
    /// It has what stands behind the damage, too: that is not looked at.
    BeyondDamage,
    /// It is damaged, or of another log or version.
    Unusable(IndexError),
    /// It cannot be read now.
    Unreadable(IndexError),
}

impl IndexInfo {
    /// Beside a log that ends there, or is damaged behind that.
    pub(super) fn beside(mut self, log_end: Seq, is_damaged: bool) -> IndexInfo {
        if let Some(figures) = &self.figures {
            let flushed = figures.flushed;
            self.state = match (log_end.since(flushed), flushed.since(log_end)) {
                (0, 0) => IndexState::Complete,
                (behind, 0) => IndexState::Behind(behind),
                _ if is_damaged => IndexState::BeyondDamage,
                (_, ahead) => IndexState::Ahead(ahead),
            };
        }
        self
    }

    fn without(state: IndexState) -> IndexInfo {
        IndexInfo {
            state,
            figures: None,
            topics: Vec::new(),
        }
    }
}

/// Looks at an index.
pub(super) fn look(
    dir: &Path,
    log_id: LogId,
    beside: Beside,
    options: &InfoOptions<'_>,
) -> IndexInfo {
    let looked = StoredIndex::open(dir, log_id.0, &|| beside, options.copy_to).and_then(|index| {
        let Some(index) = index else {
            return Ok(IndexInfo::without(IndexState::None));
        };
        Ok(IndexInfo {
            state: IndexState::Complete,
            figures: Some(index.figures()?),
            topics: largest_topics(&index, options.topics_max)?,
        })
    });
    looked.unwrap_or_else(|error| {
        IndexInfo::without(match error {
            IndexError::Damaged { .. }
            | IndexError::OtherLog { .. }
            | IndexError::OtherVersion { .. } => IndexState::Unusable(error),
            other => IndexState::Unreadable(other),
        })
    })
}

/// Of those with as many events, the one that came first goes before.
fn largest_topics(index: &StoredIndex, most: usize) -> Result<Vec<TopicCount>, IndexError> {
    let mut rows = index.topics(index.flushed());
    let mut largest: Vec<TopicCount> = Vec::new();
    let cut = |largest: &mut Vec<TopicCount>| {
        largest.sort_by_key(|topic| (Reverse(topic.stored), topic.no));
        largest.truncate(most);
    };
    while let Some(topic) = rows.next_count()? {
        largest.push(topic);
        if largest.len() >= 2 * most + 1000 {
            cut(&mut largest);
        }
    }
    cut(&mut largest);
    Ok(largest)
}
