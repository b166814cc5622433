//! What the offline tools do: they look into log and index, and put right what is named. They
//! work on a store that is stopped or was killed, and where they only look, on one that runs.
//! What they print is the command line's business.

pub mod compare;
pub mod info;
pub mod rebuild;
