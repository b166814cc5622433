//! oncelog: at-least-once in, exactly-once kept.
//!
//! The modules in the order of the way of a batch; each uses only those before it:
//!
//! | module | what |
//! |---|---|
//! | [`event`] | what publishers send, parsed and valid by construction |
//! | [`log`] | checksummed segments that fix the order of arrival; fsync before every ack |
//! | [`index`] | the fold from the log to verdicts, and its state: delta and SQLite |
//! | [`replayer`] | drives durable frames through the fold, at start and ever after |
//! | [`render`] | events and verdicts as users see them |
//! | [`inspect`] | what the offline tools do with log and index |
//! | [`store`] | the wiring: start, stop, state, queries |
//! | [`http`], [`config`], [`cli`] | the faces |
//! | `fuzzing` | what must hold of any bytes; only for tests and fuzzers |
//!
//! What always holds:
//! 1. No acknowledgement before every byte of the batch is synced.
//! 2. A failed write or sync poisons the log; nothing is tried again, the restart decides.
//! 3. The same log gives the same verdicts, counters and `fold_hash`, always and everywhere.
//! 4. Only durable frames are applied; a seq that was acknowledged is never given again.
//! 5. Readers never write; only recovery cuts, only the torn tail, after it was saved.
//! 6. Nothing acknowledged is dropped; nothing is kept twice; nothing changes place.
//! 7. Memory is bounded by configuration, not by the number of ids.

pub mod cli;
pub mod config;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod index;
pub mod inspect;
pub mod log;
pub mod render;
pub mod replayer;
pub mod store;
