//! Postings: which stored events each topic has, by their seqs.
//!
//! A flush writes those of its events as one *generation*, sorted by topic and then by seq
//! and packed into blocks, so that it costs what it writes and not a page for each topic.
//! Generations follow each other without a gap and cover every flushed seq. Those that
//! follow each other are merged geometrically, as runs of keys are, so that they stay few.
//!
//! Within a generation the blocks share out all places there can be of a topic and a seq.
//! So a missing block shows, whatever is looked for, and that a topic has nothing in a
//! generation is proven by the one block that would have it.
//!
//! Where blocks and manifest are kept is not known here: `schema` knows these, and
//! `generation_merging` brings both together.

pub(super) mod block;
pub(super) mod builder;
pub(super) mod generation;
pub(super) mod merge;
