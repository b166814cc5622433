//! oncelog
pub mod event;
pub mod index;
pub mod log;
