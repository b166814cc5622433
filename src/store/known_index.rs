//! The index at the start: what it proves about the log, and whether it is open, must be made
//! anew, or cannot be opened yet. A publish needs none to become durable, so a store with
//! events does not wait for it.

use crate::event::Seq;
use crate::index::{Index, IndexError};
use crate::log::LogId;
use crate::replayer::IndexPlace;

use super::open_error::OpenError;

/// The index as it was found.
pub(super) struct KnownIndex {
    /// None if there is none, or none that can be used; an error when it cannot be opened now,
    /// because another process has its lock or there is no room.
    found: Option<Result<Index, IndexError>>,
    /// Up to where it was flushed, which is evidence for the log's recovery.
    pub(super) flushed: Option<Seq>,
}

impl KnownIndex {
    fn nothing(flushed: Option<Seq>) -> KnownIndex {
        KnownIndex {
            found: None,
            flushed,
        }
    }

    /// Looks at the index of this log; none, when there is no log yet. `give_room` is called
    /// when it cannot be opened, and says whether it has made room for it.
    ///
    /// # Errors
    /// [`OpenError::Index`] when it cannot be known what it proves.
    pub(super) fn look(
        place: &IndexPlace,
        log_id: Option<LogId>,
        give_room: impl FnOnce() -> bool,
    ) -> Result<KnownIndex, OpenError> {
        match Index::flushed_of(&place.dir, place.log_id) {
            Ok(None) => return Ok(KnownIndex::nothing(None)),
            Err(IndexError::OtherLog { found }) if log_id.is_none() => {
                // There is no log at all, and its index is still here.
                let flushed = Index::flushed_of(&place.dir, found).unwrap_or_default();
                return Ok(KnownIndex::nothing(flushed));
            }
            // What else is wrong with it is seen when it is opened.
            Ok(Some(_)) | Err(_) => {}
        }
        let opened = match open(place) {
            Err(error) if !is_useless(&error) && give_room() => open(place),
            other => other,
        };
        match opened {
            Ok(index) => Ok(KnownIndex {
                flushed: Some(index.flushed()),
                found: Some(Ok(index)),
            }),
            Err(error) if is_useless(&error) => {
                tracing::warn!("the index cannot be used: {error}");
                Ok(KnownIndex::nothing(None))
            }
            // Recovery must not do without what it proves.
            Err(source) => match Index::flushed_at_rest(&place.dir, place.log_id) {
                Ok(Some(flushed)) => Ok(KnownIndex {
                    found: Some(Err(source)),
                    flushed: Some(flushed),
                }),
                Ok(None) | Err(_) => Err(failed(place, source)),
            },
        }
    }

    /// Leaves it as it was found.
    pub(super) fn close(&self) {
        if let Some(Ok(index)) = &self.found
            && let Err(error) = index.close()
        {
            tracing::warn!("the index was not closed cleanly: {error}");
        }
    }

    /// The index to go on with, and if it is only a stand-in, why.
    ///
    /// # Errors
    /// [`OpenError::Index`], of a store without events: better none than one that never judges.
    pub(super) fn ready(
        self,
        place: &IndexPlace,
        durable: Seq,
    ) -> Result<(Index, Option<String>), OpenError> {
        let opened = self.found.unwrap_or_else(|| {
            Index::discard(&place.dir)
                .map_err(IndexError::from)
                .and_then(|()| open(place))
        });
        match opened {
            Ok(index) => Ok((index, None)),
            Err(source) if durable == Seq::ZERO => Err(failed(place, source)),
            Err(error) => {
                tracing::error!("the index cannot be opened yet, and is tried again: {error}");
                let index = Index::unopened(&place.dir, place.options.clone())
                    .map_err(|error| failed(place, error.into()))?;
                Ok((index, Some(error.to_string())))
            }
        }
    }
}

fn open(place: &IndexPlace) -> Result<Index, IndexError> {
    Index::open(&place.dir, place.log_id, place.options.clone())
}

fn is_useless(error: &IndexError) -> bool {
    matches!(
        error,
        IndexError::Damaged { .. } | IndexError::OtherLog { .. } | IndexError::OtherVersion { .. }
    )
}

fn failed(place: &IndexPlace, source: IndexError) -> OpenError {
    OpenError::Index {
        dir: place.dir.clone(),
        source,
    }
}
