//! Mends a damaged log: plans first, and then writes segments anew beside the old ones, which are
//! kept. Whoever asks for it has the lock.
//!
//! Every frame that is intact is kept with its seqs; what is gone becomes a hole. A segment that is
//! whole is left alone. A new one is a whole file, sealed, read back and held against the old one
//! before it gets its name.
//!
//! **Whenever it stops, nothing intact is lost**, and doing it again finishes it. The old files get
//! a second name first, under which they are read. New ones then take their places one by one, the
//! last in the log first, so that where two old ones have the same seqs the later one is not
//! replaced before what only it has is safe. What has no place in the log any more goes at the end.
//!
//! | file | has |
//! |---|---|
//! | `plan` | what is to be done, from a sweep |
//! | `draft` | one segment of the plan |
//! | `misplaced` | segments under the name of another one |
//! | `write` | a new segment: written, and read back |
//! | `aside` | the old files under second names |
//! | `act` | the steps in their order |

mod act;
mod aside;
mod draft;
mod misplaced;
mod plan;
mod write;

pub use act::{Mender, Step};
pub use plan::{NewSegment, Piece, Plan, Source, plan};

/// The directory in a data directory in which a repair keeps what it replaces, until it is done. No
/// server starts meanwhile.
pub const UNFINISHED_DIR: &str = "set-aside.unfinished";
/// How its name starts afterwards.
pub const SET_ASIDE_PREFIX: &str = "set-aside-";
