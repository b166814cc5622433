//! The steps in which files and tables change, in the order that makes them safe. Tests
//! stop at each, or let one fail.

use std::io;

/// What is about to be done.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateRun,
    WriteRun,
    SyncRun,
    SyncDirectory,
    Commit,
    MergePostings,
    NamePostings,
    DeletePostings,
    SyncWal,
    Unlink,
    Checkpoint,
}

/// Is asked before each step.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    #[cfg(test)]
    pub(super) plan: super::tests::plan::Plan,
}

impl Steps {
    /// # Errors
    /// Only what a test wants.
    pub(super) fn before(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        self.plan.before(step)?;
        let _ = step;
        Ok(())
    }
}
