//! A moment, as people write it: `10m` ago, or RFC 3339.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::config::parse_duration;

/// What is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is needed, such as 2026-03-01T12:00:00Z, or how long ago it was, such as 10m")]
pub(super) struct NoMoment;

/// µs UTC. Without an offset it is taken for UTC.
///
/// # Errors
/// [`NoMoment`].
pub(super) fn parse_moment(text: &str) -> Result<i64, NoMoment> {
    let now = Timestamp::now();
    if let Ok(ago) = parse_duration(text) {
        let ago = jiff::SignedDuration::try_from(ago).map_err(|_| NoMoment)?;
        let moment = now.checked_sub(ago).map_err(|_| NoMoment)?;
        return Ok(moment.as_microsecond());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_microsecond());
    }
    let civil: DateTime = text.parse().map_err(|_| NoMoment)?;
    let moment = TimeZone::UTC.to_timestamp(civil).map_err(|_| NoMoment)?;
    Ok(moment.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_it_was() {
        let noon = 1_772_366_400_000_000;
        for text in [
            "2026-03-01T12:00:00Z",
            "2026-03-01T13:00:00+01:00",
            "2026-03-01T12:00:00",
            "2026-03-01 12:00",
        ] {
            assert_eq!(parse_moment(text), Ok(noon), "{text}");
        }
        assert_eq!(parse_moment("2026-03-01"), Ok(noon - 43_200_000_000));
        let before = Timestamp::now().as_microsecond();
        let ago = parse_moment("10m").expect("a duration");
        assert!(
            (before - 600_000_000 - 60_000_000..=before - 600_000_000 + 60_000_000).contains(&ago)
        );
        for text in ["", "noon", "10", "2026-13-01", "-5m"] {
            assert_eq!(parse_moment(text), Err(NoMoment), "{text}");
        }
    }
}
