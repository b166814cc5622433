//! What must hold of any bytes whatever: bodies that a fuzzer calls (`tests/fuzz`), and
//! `cargo test` with changed real bytes and with all that the fuzzer has kept.
//!
//! | body | what the bytes are |
//! |---|---|
//! | [`frame`] | a frame, a payload, or the header of a file |
//! | [`recovery`] | the files of a log |
//! | [`publish`] | the body of a request |
//! | [`fold`] | frames that an index is given, and what happens to it meanwhile |
//!
//! A body panics where something does not hold. In a program none of this is compiled.

mod exact;
mod fold;
mod frame;
mod input;
mod publish;
mod recovery;
mod repaired;
#[cfg(test)]
mod tests;

pub use fold::fold;
pub use frame::frame;
pub use publish::publish;
pub use recovery::recovery;
