//! Ctrl-C and SIGTERM for a command that has a temporary directory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::stops::Stops;

/// How long a command that was told to stop may take; its output may be stuck.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Inner {
    is_set: AtomicBool,
    lock: Mutex<()>,
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
        let guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_set() {
            drop(self.0.set.wait_timeout(guard, longest));
        }
    }

    fn wait_for_signal(&self, dir: PathBuf, at_once: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        let stop = runtime.block_on(async { Ok::<_, std::io::Error>(Stops::new()?.next().await) });
        let Ok(stop) = stop else { return };
        let guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_set.store(true, Ordering::Relaxed);
        drop(guard);
        self.0.set.notify_all();
        if !at_once {
            std::thread::sleep(GRACE);
        }
        // The system's temporary directory is emptied by others if this fails.
        let _ = std::fs::remove_dir_all(&dir);
        std::process::exit(match at_once {
            true => i32::from(stop.exit_code()),
            false => 0,
        });
    }
}
