//! What the process has cost so far.

use rustix::time::{ClockId, clock_gettime};

/// CPU that all threads of this process took since its start, in seconds.
pub(crate) fn process_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
