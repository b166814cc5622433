//! What the server can be told: flag, then `ONCELOG_…`, then default; validated once,
//! into plain structs.

mod given;
mod options;
mod units;
mod validate;

pub use given::given_options;
pub use options::{DataDir, ServeOptions, ServerUrl};
pub use units::{UnitError, parse_bytes, parse_count, parse_duration};
pub use validate::{ConfigError, ServeConfig, unknown_variables};
pub(crate) use validate::{bounded, nonzero, read_token};
