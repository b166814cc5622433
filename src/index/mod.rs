//! The index: the fold's state, for ever and exactly. Which keys are known and at which
//! seq first, every arrival that was not stored, the topics in order of first arrival,
//! and the stored seqs of each. Payloads are never here.
//!
//! The newest part is a delta in memory; a thread flushes it every second or so, less often
//! where that takes long (see `worker`): its keys into a file of their own, a sorted run, and
//! the rest, with the manifest of the runs, into SQLite: the seqs of its topics' events as one
//! generation of postings. All of it can be rebuilt from the log, so damage is never repaired
//! here: it is noticed, and the index is dropped, discarded and opened anew.
//!
//! | file | has |
//! |---|---|
//! | `digest` (`lanes`: many at once) `canonical` `fold` (`logged`: what it reads back) | the pure part |
//! | `delta` (`delta_keys`) `topics` `shared` | what is in memory |
//! | `handle` `apply` `known` `lookup` (`foresight`: beforehand) `ask` | the way in and out |
//! | `neighbours` | what of the log is remembered for repeats in its order |
//! | `worker` `writer` `flush` `merging` (`generation_merging`) `merge` `pace` `health` | the flush thread |
//! | `run` `run_file` `run_row` `key_block` `filter` (in `pages`) `resident` `woven` `run_set` | sorted runs of keys, what of them is in memory, and how their filters are asked together |
//! | `run_builder` `run_writer` `direct` `steps` `closing` | how they are made, and go |
//! | `postings` | generations of what each topic has, as blocks, and merges of these |
//! | `note` `sealed` | notes, and the CRC of all blocks |
//! | `schema` `query` `readers` `files` | SQLite |
//! | `succession` | a new index in the place of an old one |
//! | `stored` | a look from outside: the logical rows of an index that others may have open |
//! | `aside` | a copy, for who must change nothing |

mod apply;
mod aside;
mod ask;
pub mod canonical;
mod closing;
mod delta;
mod delta_keys;
pub mod digest;
mod direct;
mod error;
mod files;
mod filter;
mod flush;
pub mod fold;
mod foresight;
mod generation_merging;
mod handle;
mod health;
mod key_block;
mod known;
mod logged;
mod lookup;
mod merge;
mod merging;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
mod neighbours;
mod note;
mod options;
mod pace;
mod pages;
mod postings;
mod query;
mod readers;
mod resident;
mod run;
mod run_builder;
mod run_file;
mod run_row;
mod run_set;
mod run_writer;
mod schema;
mod sealed;
mod shared;
mod steps;
mod stored;
pub mod succession;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod tiny;
mod topics;
mod worker;
mod woven;
mod writer;

pub use error::IndexError;
pub use foresight::Foresight;
pub use handle::Index;
pub use health::FlushHealth;
pub use note::NotStored;
pub use options::{Durability, IndexOptions};
pub use query::Order;
pub use stored::{
    Beside, KeyRow, KeyRows, NotStoredRow, NotStoredRows, PostingRow, PostingRows, StoredFigures,
    StoredIndex, TopicRow, TopicRows,
};
pub use topics::{TopicCensus, TopicCount};
