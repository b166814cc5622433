//! What a test wants to happen at the writer's steps.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::steps::Step;

type Before = Box<dyn FnMut(Step) -> io::Result<()> + Send>;

/// Is asked before each step; without a plan all goes well.
#[derive(Clone, Default)]
pub(in super::super) struct Plan(Arc<Mutex<Option<Before>>>);

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Plan")
    }
}

impl Plan {
    /// From now on this is asked.
    pub(in super::super) fn set(
        &self,
        before: impl FnMut(Step) -> io::Result<()> + Send + 'static,
    ) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(before));
    }

    /// All goes well again.
    pub(in super::super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(in super::super) fn before(&self, step: Step) -> io::Result<()> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(before) => before(step),
            None => Ok(()),
        }
    }
}
