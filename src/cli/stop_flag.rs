//! Ctrl-C and SIGTERM for a command that has a directory which is of no use without it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stops::Stops;

/// How long a command that was told to stop may take; its output may be stuck.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Inner {
    is_set: AtomicBool,
    /// The directory is no longer to be removed.
    is_kept: Mutex<bool>,
    set: Condvar,
}

/// Is set when the command is to end.
#[derive(Clone, Debug)]
pub(super) struct StopFlag(Arc<Inner>);

impl StopFlag {
    /// Watches out for signals. The directory is removed, and the process ended: at once, or
    /// where the command goes on until it is told to stop, a while after the flag was set.
    pub(super) fn watch(dir: &Path, at_once: bool) -> StopFlag {
        let flag = StopFlag(Arc::default());
        let (watched, dir) = (flag.clone(), dir.to_owned());
        // Without the thread the directory stays behind after an interrupt, and no more.
        let _ = std::thread::Builder::new()
            .name("interrupt".into())
            .spawn(move || watched.wait_for_signal(dir, at_once));
        flag
    }

    /// Whether it is set.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed)
    }

    /// Waits so long, or until it is set.
    pub(super) fn wait(&self, longest: Duration) {
        let guard = self.is_kept();
        if !self.is_set() {
            drop(self.0.set.wait_timeout(guard, longest));
        }
    }

    /// The directory is to stay from now on, whatever comes. Where its removal has begun, this does
    /// not return: the process is about to end.
    pub(super) fn keep(&self) {
        *self.is_kept() = true;
    }

    fn is_kept(&self) -> MutexGuard<'_, bool> {
        self.0
            .is_kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_signal(&self, dir: PathBuf, at_once: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        let stop = runtime.block_on(async { Ok::<_, std::io::Error>(Stops::new()?.next().await) });
        let Ok(stop) = stop else { return };
        let guard = self.is_kept();
        self.0.is_set.store(true, Ordering::Relaxed);
        drop(guard);
        self.0.set.notify_all();
        if !at_once {
            std::thread::sleep(GRACE);
        }
        let is_kept = self.is_kept();
        if !*is_kept {
            // If this fails, others do it: who empties the system's temporary directory, or the
            // next start.
            let _ = std::fs::remove_dir_all(&dir);
        }
        std::process::exit(match at_once {
            true => i32::from(stop.exit_code()),
            false => 0,
        });
    }
}
