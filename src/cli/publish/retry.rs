//! How long to wait before the same is tried again, and what is said about it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::cli::voice::Voice;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);
/// How often it is said again what is waited for.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Nothing was acknowledged for as long as was allowed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct GaveUp;

/// Patience with one server.
#[derive(Debug)]
pub(super) struct Retry {
    url: String,
    voice: Voice,
    give_up_after: Option<Duration>,
    /// When something was acknowledged, or a batch begun.
    progress_at: Instant,
    /// Attempts in a row that came to nothing.
    failures: u32,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    reason: String,
    since: Instant,
    said_at: Instant,
}

impl Retry {
    pub(super) fn new(url: String, voice: Voice, give_up_after: Option<Duration>) -> Retry {
        Retry {
            url,
            voice,
            give_up_after,
            progress_at: Instant::now(),
            failures: 0,
            waiting: None,
        }
    }

    /// A batch is begun: the time before it, when there was nothing to send, does not count.
    pub(super) fn begin(&mut self) {
        self.progress_at = Instant::now();
    }

    /// It went well.
    pub(super) fn succeeded(&mut self) {
        self.progress_at = Instant::now();
        self.failures = 0;
        if let Some(waiting) = self.waiting.take() {
            let waited = waiting.since.elapsed().as_secs_f64();
            self.voice
                .note(&format!("going on after {waited:.1} s: {}", self.url));
        }
    }

    /// Runs an attempt, but no longer than patience lasts.
    pub(super) async fn attempt<T>(&self, attempt: impl Future<Output = T>) -> Result<T, GaveUp> {
        match self.give_up_at() {
            Some(until) => timeout_at(until, attempt).await.map_err(|_elapsed| GaveUp),
            None => Ok(attempt.await),
        }
    }

    /// Waits after an attempt that came to nothing, for this time at least.
    pub(super) async fn wait(&mut self, reason: &str, least: Duration) -> Result<(), GaveUp> {
        match least > MOST {
            true => self.say(&format!("{reason}; for {:.0} s", least.as_secs_f64())),
            false => self.say(reason),
        }
        self.pause(least).await
    }

    /// Waits as after an attempt; without a word, unless it is longer than usual.
    pub(super) async fn wait_in_turn(
        &mut self,
        reason: &str,
        least: Duration,
    ) -> Result<(), GaveUp> {
        match least > MOST {
            true => self.wait(reason, least).await,
            false => self.pause(least).await,
        }
    }

    async fn pause(&mut self, least: Duration) -> Result<(), GaveUp> {
        let pause = jittered(ceiling(self.failures)).max(least);
        self.failures += 1;
        let pause_ends = Instant::now() + pause;
        match self.give_up_at() {
            Some(give_up_at) if give_up_at < pause_ends => {
                sleep_until(give_up_at).await;
                Err(GaveUp)
            }
            _ => {
                sleep_until(pause_ends).await;
                Ok(())
            }
        }
    }

    fn give_up_at(&self) -> Option<Instant> {
        Some(self.progress_at + self.give_up_after?)
    }

    /// Once when it begins, when the reason is another one, and from time to time.
    fn say(&mut self, reason: &str) {
        let now = Instant::now();
        let since = match &self.waiting {
            Some(waiting) if waiting.reason == reason && now - waiting.said_at < SAY_AGAIN => {
                return;
            }
            Some(waiting) => waiting.since,
            None => now,
        };
        self.voice
            .note(&format!("waiting: {reason} ({})", self.url));
        self.waiting = Some(Waiting {
            reason: reason.to_owned(),
            since,
            said_at: now,
        });
    }
}

/// The most that is waited after so many failures in a row.
fn ceiling(failures: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
    doubled.min(MOST)
}

/// Anything from nothing to this, so that publishers that failed together do not come back
/// together.
fn jittered(most: Duration) -> Duration {
    // Without randomness the wait is only not spread.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_cap_and_never_overflows() {
        let millis = [0, 1, 2, 5, 6, 40].map(|failures| ceiling(failures).as_millis());
        assert_eq!(millis, [100, 200, 400, 3200, 5000, 5000]);
        for _ in 0..100 {
            assert!(jittered(MOST) <= MOST);
        }
    }

    fn retry(give_up_after: Option<Duration>) -> Retry {
        Retry::new("http://a".into(), Voice::new(true), give_up_after)
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wait_is_the_least() {
        let mut retry = retry(None);
        let begun = Instant::now();
        retry
            .wait("503", Duration::from_secs(7))
            .await
            .expect("patience");
        assert!(begun.elapsed() >= Duration::from_secs(7));
        assert!(retry.waiting.is_some());
        retry.succeeded();
        assert!(retry.waiting.is_none() && retry.failures == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_said_again_when_it_changes_and_from_time_to_time() {
        let mut retry = retry(None);
        let begun = Instant::now();
        let mut said = Vec::new();
        for reason in ["a", "a", "b", "b", "b", "b", "b"] {
            let wait = Duration::from_secs(10);
            retry.wait(reason, wait).await.expect("patience");
            let waiting = retry.waiting.as_ref().expect("it waits");
            assert_eq!(waiting.reason, format!("{reason}; for 10 s"));
            assert_eq!(waiting.since, begun);
            said.push((waiting.said_at - begun).as_secs());
        }
        assert_eq!(said, [0, 0, 20, 20, 20, 50, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_that_is_longer_than_usual_is_silent() {
        for (seconds, said) in [(0, None), (5, None), (120, Some("verdicts; for 120 s"))] {
            let mut retry = retry(None);
            let least = Duration::from_secs(seconds);
            retry
                .wait_in_turn("verdicts", least)
                .await
                .expect("patience");
            let waiting = retry.waiting.map(|waiting| waiting.reason);
            assert_eq!(waiting.as_deref(), said);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_when_it_was_limited_and_progress_renews_it() {
        let mut retry = retry(Some(Duration::from_secs(10)));
        let six = Duration::from_secs(6);
        retry.wait("x", six).await.expect("patience");
        retry.succeeded();
        retry.wait("x", six).await.expect("patience");
        let begun = Instant::now();
        assert_eq!(retry.wait("x", six).await, Err(GaveUp));
        assert!(begun.elapsed() < six);
        let never = std::future::pending::<()>();
        assert_eq!(retry.attempt(never).await, Err(GaveUp));
    }
}
