//! The memory that bodies may take together, in two parts: what everybody needs to begin with,
//! and what large bodies take beyond that. Large bodies that come slowly can so take all of
//! theirs, and a publisher of small batches still finds room.
//!
//! Answers whose length is in proportion to what was asked take of it too, until they were
//! read.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::error::{ErrorCode, Problem};

/// Taken before anything of a body is read. A body that turns out larger takes as much again,
/// and so on: never for what was only announced.
pub(super) const FIRST_BYTES: usize = 64 << 10;

/// An answer with fewer is no burden, however slowly it is read.
const HELD_BYTES_LEAST: usize = 64 << 10;

/// See the module. One permit for each byte.
#[derive(Debug)]
pub(super) struct BodyRoom {
    bytes: usize,
    first: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
}

/// Room for so many bytes; dropped, it is given back.
#[derive(Debug)]
pub(super) struct TakenRoom {
    first: OwnedSemaphorePermit,
    beyond: Option<OwnedSemaphorePermit>,
}

/// There was no room in time.
#[derive(Debug)]
pub(super) struct NoRoom;

impl From<NoRoom> for Problem {
    fn from(_: NoRoom) -> Problem {
        Problem::new(
            ErrorCode::Overloaded,
            "the bodies in flight take all the memory they may",
        )
    }
}

impl BodyRoom {
    /// Of `bytes` together, on so many connections; one body of `body_bytes` always fits.
    pub(super) fn new(bytes: usize, body_bytes: usize, connections: usize) -> BodyRoom {
        let first_of_one = FIRST_BYTES.min(body_bytes);
        let first_of_all = first_of_one.saturating_mul(connections);
        let first = first_of_all.min(bytes / 4).max(first_of_one);
        // A body that never fits would wait in vain.
        let beyond = bytes.saturating_sub(first).max(body_bytes - first_of_one);
        let beyond = beyond.min(Semaphore::MAX_PERMITS);
        let semaphore = |bytes| Arc::new(Semaphore::new(bytes));
        BodyRoom {
            bytes: first + beyond,
            first: semaphore(first),
            beyond: semaphore(beyond),
        }
    }

    /// How many bytes there is room for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many of them are taken.
    pub(super) fn taken_bytes(&self) -> usize {
        let left = self.first.available_permits() + self.beyond.available_permits();
        self.bytes - left
    }

    /// Room for a body of at most so many bytes to begin with.
    pub(super) async fn take(&self, at_most: usize, until: Instant) -> Result<TakenRoom, NoRoom> {
        Ok(TakenRoom {
            first: acquire(&self.first, at_most.min(FIRST_BYTES), until).await?,
            beyond: None,
        })
    }

    /// Room for an answer of so many bytes; however little there may be of it, one fits.
    pub(super) async fn take_for_answer(
        &self,
        bytes: usize,
        until: Instant,
    ) -> Result<Arc<TakenRoom>, NoRoom> {
        let bytes = bytes.min(self.bytes / 4);
        let mut taken = self.take(bytes, until).await?;
        self.grow(&mut taken, bytes, until).await?;
        Ok(Arc::new(taken))
    }

    /// Makes what was taken room for so many bytes.
    pub(super) async fn grow(
        &self,
        taken: &mut TakenRoom,
        bytes: usize,
        until: Instant,
    ) -> Result<(), NoRoom> {
        let more = bytes.saturating_sub(taken.bytes());
        let permit = acquire(&self.beyond, more, until).await?;
        match &mut taken.beyond {
            Some(beyond) => beyond.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

impl TakenRoom {
    /// This text, with the room until it was sent.
    pub(super) fn with(self: Arc<TakenRoom>, text: Vec<u8>) -> Bytes {
        struct Held {
            text: Vec<u8>,
            _room: Arc<TakenRoom>,
        }
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.text
            }
        }
        if text.len() < HELD_BYTES_LEAST {
            return text.into();
        }
        Bytes::from_owner(Held { text, _room: self })
    }

    pub(super) fn bytes(&self) -> usize {
        self.first.num_permits()
            + self
                .beyond
                .as_ref()
                .map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

async fn acquire(
    room: &Arc<Semaphore>,
    bytes: usize,
    until: Instant,
) -> Result<OwnedSemaphorePermit, NoRoom> {
    let permits = u32::try_from(bytes).map_err(|_| NoRoom)?;
    let taken = timeout_at(until, Arc::clone(room).acquire_many_owned(permits)).await;
    taken.map_err(|_elapsed| NoRoom)?.map_err(|_closed| NoRoom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY_BYTES: usize = 32 << 20;

    /// What is not there at once does not come in these tests.
    async fn taken(room: &BodyRoom, bytes: usize) -> Option<TakenRoom> {
        let now = Instant::now();
        let mut taken = room.take(bytes, now).await.ok()?;
        room.grow(&mut taken, bytes, now).await.ok()?;
        assert_eq!(taken.bytes(), bytes);
        Some(taken)
    }

    #[tokio::test]
    async fn large_bodies_leave_room_for_small_ones_and_all_of_it_comes_back() {
        let room = BodyRoom::new(256 << 20, BODY_BYTES, 1024);
        let mut large = Vec::new();
        while let Some(one) = taken(&room, BODY_BYTES).await {
            large.push(one);
        }
        assert_eq!(large.len(), 6);
        let mut small = Vec::new();
        while let Some(one) = taken(&room, FIRST_BYTES).await {
            small.push(one);
        }
        assert_eq!(small.len(), 1024 - 6, "each connection has its part");
        let bytes = large.iter().chain(&small).map(TakenRoom::bytes);
        assert!(bytes.sum::<usize>() <= 256 << 20);
        drop((large, small));
        assert_eq!(room.first.available_permits(), 64 << 20);
        assert_eq!(room.beyond.available_permits(), 192 << 20);
    }

    #[tokio::test]
    async fn a_body_of_the_largest_size_fits_however_little_room_there_is() {
        for (bytes, body_bytes) in [(1, 1), (1000, 1000), (BODY_BYTES, BODY_BYTES), (1, 1 << 20)] {
            let room = BodyRoom::new(bytes, body_bytes, 1024);
            assert!(taken(&room, body_bytes).await.is_some(), "{bytes}");
        }
    }
}
