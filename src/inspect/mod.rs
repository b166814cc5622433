//! What the offline tools do: they look into log and index, and put right what is named. They
//! work on a store that is stopped or was killed, and where they only look, on one that runs. They
//! stand on the log, the index and the replayer, never on the store. What they print is the
//! command line's business.
//!
//! | file | has |
//! |---|---|
//! | `place` | where the parts of a store are |
//! | `verdicts` | verdicts on what is in the log: from a copy of the index, or by folding |
//! | `store_index` | the store's index, copied, if it fits the log |
//! | `payloads` | what the fold reads back, behind damage too |
//! | `wanted` | which events are wanted |
//! | `events` | a walk over them |
//! | `judging` | its first half, which works ahead |
//! | `wrong` | what is wrong with a log, as text and as JSON |
//! | `compare` | two indexes, row by row |
//! | `info` | the overview of a store |
//! | `rebuild` | the index anew |
//! | `repair` | the damage taken out |
//! | `verify` | the log frame by frame, and the index against a fresh fold |
//! | `why` | the life of an event |
//! | `error` | why a tool could not go on |

pub mod compare;
mod error;
mod events;
pub mod info;
mod judging;
mod payloads;
mod place;
pub mod rebuild;
pub mod repair;
mod store_index;
mod verdicts;
pub mod verify;
mod wanted;
pub mod why;
mod wrong;

pub use error::InspectError;
pub use events::{Shown, Walk, start_of_last};
pub use place::StorePlace;
pub use verdicts::{Listener, VerdictSource, Verdicts};
pub use wanted::Wanted;
pub use wrong::{wrong_json, wrong_text};
