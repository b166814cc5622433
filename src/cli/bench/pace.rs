//! When requests are due. In an open loop a clock says so, whether or not earlier ones were
//! answered; in a closed one each is due when the one before it was answered.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

/// Of an open loop.
#[derive(Copy, Clone, Debug)]
pub(super) struct Rate {
    /// Each second.
    pub(super) events: u64,
    /// In each request.
    pub(super) batch: u64,
}

/// Who hands out the times, to all connections.
#[derive(Debug)]
pub(super) struct Pace {
    begin: Instant,
    rate: Option<Rate>,
    /// No request is due later.
    until: Option<Instant>,
    /// There are no more requests than this.
    requests: Option<u64>,
    taken: Cell<u64>,
}

impl Pace {
    pub(super) fn new(
        begin: Instant,
        rate: Option<Rate>,
        duration: Option<Duration>,
        requests: Option<u64>,
    ) -> Pace {
        Pace {
            begin,
            rate,
            until: duration.map(|duration| begin + duration),
            requests,
            taken: Cell::new(0),
        }
    }

    /// When the next request is due, which may be past or still to come; none at the end. What
    /// falls due while all connections wait for answers is not sent after the end.
    pub(super) fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let due = self.due().unwrap_or(now);
        let is_all = self.requests.is_some_and(|all| self.taken.get() >= all);
        if is_all || self.until.is_some_and(|until| now.max(due) >= until) {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(due)
    }

    /// The time is up.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// The times at which requests were due that nobody sent before the end.
    pub(super) fn not_sent(&self) -> Vec<Instant> {
        let Some(end) = self.until.map(|until| until.min(Instant::now())) else {
            return Vec::new();
        };
        let mut times = Vec::new();
        while let Some(due) = self.due().filter(|&due| due < end) {
            times.push(due);
            self.taken.set(self.taken.get() + 1);
        }
        times
    }

    /// Of an open loop, from its first request on, so that rounding adds up to nothing.
    fn due(&self) -> Option<Instant> {
        let Rate { events, batch } = self.rate?;
        let sent = u128::from(self.taken.get()) * u128::from(batch);
        let nanos = sent * 1_000_000_000 / u128::from(events.max(1));
        Some(self.begin + Duration::from_nanos(nanos as u64))
    }
}

/// Waits more exactly than the runtime, whose timers tick in milliseconds.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Timer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Timer {
    #[allow(
        deprecated,
        reason = "what replaces it is unsafe: the descriptor must stay what it is, as an OwnedFd does"
    )]
    pub(super) fn new() -> io::Result<Timer> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let interest = tokio::io::Interest::READABLE;
        tokio::io::unix::AsyncFd::with_interest(timer, interest).map(Timer)
    }

    pub(super) async fn sleep(&self, time: Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        if time.is_zero() {
            return Ok(());
        }
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let once = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: time.as_secs() as i64,
                tv_nsec: time.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
            if let Ok(read) = read {
                return read.map(drop);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(super) fn new() -> io::Result<Timer> {
        Ok(Timer)
    }

    pub(super) async fn sleep(&self, time: Duration) -> io::Result<()> {
        tokio::time::sleep(time).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_SECOND: Option<Rate> = Some(Rate {
        events: 7,
        batch: 7,
    });

    #[test]
    fn an_open_loop_is_due_by_the_clock_and_a_closed_one_when_it_asks() {
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let open = Pace::new(begin, A_SECOND, None, None);
        let due = [(); 3].map(|()| open.next().expect("no end"));
        assert_eq!(due, [begin, begin + second, begin + 2 * second]);
        let closed = Pace::new(begin, None, None, Some(2));
        let first = closed.next().expect("no end");
        assert!(closed.next().expect("no end") >= first);
        assert_eq!(closed.next(), None);
    }

    #[test]
    fn what_nobody_sent_before_the_end_is_known() {
        let second = Duration::from_secs(1);
        let begin = Instant::now() - 10 * second;
        let pace = Pace::new(begin, A_SECOND, Some(5 * second), None);
        assert_eq!(pace.next(), None);
        let times: Vec<Instant> = (0..5).map(|number| begin + number * second).collect();
        assert_eq!(pace.not_sent(), times);
        let early = Pace::new(Instant::now(), A_SECOND, Some(5 * second), None);
        for _ in 0..5 {
            assert!(early.next().is_some());
        }
        assert_eq!((early.next(), early.not_sent()), (None, vec![]));
    }
}
