//! index
pub mod canonical;
pub mod digest;
pub mod fold;
