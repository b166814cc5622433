//! A few read-only connections for queries.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::error::IndexError;
use super::files::Files;
use super::options::IndexOptions;
use super::schema::connection;

/// How many idle connections are kept open.
const IDLE_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    files: Files,
    options: IndexOptions,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(files: Files, options: IndexOptions) -> Readers {
        Readers {
            files,
            options,
            idle: Mutex::default(),
        }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// When one had to be opened and could not, and what `read` returns.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::reading(&self.files, &self.options)?,
        };
        let result = read(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(result)
    }
}
