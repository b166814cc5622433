//! A few read-only connections for queries.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::error::IndexError;
use super::files::Files;
use super::options::IndexOptions;
use super::schema::connection;

/// How many idle connections are kept open.
const IDLE_MAX: usize = 4;

/// How many are lent at a time: each has a page cache of its own.
const LENT_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Readers {
    files: Files,
    options: IndexOptions,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    lent: usize,
    closed: bool,
}

impl Readers {
    pub(super) fn new(files: Files, options: IndexOptions) -> Readers {
        Readers {
            files,
            options,
            pool: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// [`IndexError::Closed`], when one had to be opened and could not, and what `read`
    /// returns.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let mut loan = self.lend()?;
        let connection = match loan.connection.take() {
            Some(connection) => connection,
            None => connection::reading(&self.files, &self.options)?,
        };
        let connection = loan.connection.insert(connection);
        let result = read(connection);
        loan.reusable = result.is_ok();
        result
    }

    /// Closes all connections, when those that are lent are back.
    pub(super) fn close(&self) {
        let mut pool = self.pool();
        pool.closed = true;
        pool.idle.clear();
        let all_back = self.returned.wait_while(pool, |pool| pool.lent > 0);
        drop(all_back.unwrap_or_else(PoisonError::into_inner));
    }

    fn lend(&self) -> Result<Loan<'_>, IndexError> {
        let pool = self.pool();
        let in_turn = self
            .returned
            .wait_while(pool, |pool| pool.lent >= LENT_MAX && !pool.closed);
        let mut pool = in_turn.unwrap_or_else(PoisonError::into_inner);
        if pool.closed {
            return Err(IndexError::Closed);
        }
        pool.lent += 1;
        Ok(Loan {
            readers: self,
            connection: pool.idle.pop(),
            reusable: false,
        })
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is lent, or about to be opened for it. It counts until it is back or
/// closed, also when its user panics.
struct Loan<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
    reusable: bool,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        let connection = self.connection.take();
        if self.reusable && !pool.closed && pool.idle.len() < IDLE_MAX {
            pool.idle.extend(connection);
        } else {
            drop(connection);
        }
        pool.lent -= 1;
        self.readers.returned.notify_all();
    }
}
