//! The engines of the offline tools: they stand on the log, the index and the replayer, never on
//! the store, take no lock, and change nothing below the data directory.
//!
//! | file | has |
//! |---|---|
//! | `place` | where the parts of a store are |
//! | `verdicts` | verdicts on what is in the log: from a copy of the index, or by folding |
//! | `store_index` | the store's index, copied, if it fits the log |
//! | `payloads` | what the fold reads back, behind damage too |
//! | `wanted` | which events are wanted |
//! | `events` | a walk over them |
//! | `wrong` | what is wrong with a log, as text and as JSON |
//! | `error` | why a tool could not go on |

mod error;
mod events;
mod payloads;
mod place;
mod store_index;
mod verdicts;
mod wanted;
mod wrong;

pub use error::InspectError;
pub use events::{Shown, Walk, start_of_last};
pub use place::StorePlace;
pub use verdicts::{Listener, VerdictSource, Verdicts};
pub use wanted::Wanted;
pub use wrong::{wrong_json, wrong_text};
