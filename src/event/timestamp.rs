//! The shape of timestamps. They are kept as sent, so they are judged, never converted.

/// Whether this is RFC 3339 with a date that exists, or the same without an offset, as
/// Python's `isoformat()` writes it. Any number of fractional digits; a leap second
/// (`:60`) at any minute, because the offset decides where it may stand.
pub(super) fn is_timestamp(text: &str) -> bool {
    date_and_time(text.as_bytes()).is_some_and(|rest| is_offset(fraction_skipped(rest)))
}

/// What follows `YYYY-MM-DDTHH:MM:SS`, if that is how it begins.
fn date_and_time(text: &[u8]) -> Option<&[u8]> {
    let (fixed, rest) = text.split_first_chunk::<19>()?;
    let separators = [fixed[4], fixed[7], fixed[13], fixed[16]];
    if separators != *b"--::" || !matches!(fixed[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = number(&fixed[..4])?;
    let month = number(&fixed[5..7])?;
    let day = number(&fixed[8..10])?;
    let exists = (1..=days_in(year, month)).contains(&day)
        && number(&fixed[11..13])? <= 23
        && number(&fixed[14..16])? <= 59
        && number(&fixed[17..])? <= 60;
    exists.then_some(rest)
}

/// `rest` without its fraction; as it is when that has no digits, so that it fails.
fn fraction_skipped(rest: &[u8]) -> &[u8] {
    match rest {
        [b'.', digits @ ..] => {
            let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 { rest } else { &digits[count..] }
        }
        _ => rest,
    }
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        [] | [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', m1, m2] => {
            hours.len() == 2
                && number(hours).is_some_and(|hours| hours <= 23)
                && number(&[*m1, *m2]).is_some_and(|minutes| minutes <= 59)
        }
        _ => false,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + u32::from(digit - b'0'))
    })
}

/// Zero for a month that does not exist.
fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[test]
    fn what_publishers_write_is_accepted() {
        for good in [
            "2024-05-01T12:34:56Z",
            "2024-05-01t12:34:56z",
            "2024-05-01 12:34:56+00:00",
            "2024-05-01T12:34:56",
            "2024-05-01T12:34:56.123456",
            "2024-05-01T12:34:56.123456+02:00",
            "2024-05-01T12:34:56.1-00:00",
            "2024-05-01T12:34:56.123456789012Z",
            "2024-05-01T12:34:56+23:59",
            "2024-02-29T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999Z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T15:59:60.5-08:00",
        ] {
            assert!(is_timestamp(good), "{good}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "yesterday",
            "1714567890",
            "2024-05-01",
            "2024-05-01T12:34",
            "2024-05-01T12:34Z",
            "2024-05-01T12:34:5Z",
            "2024-05-01_12:34:56Z",
            "2024-05-01T12.34.56Z",
            "2024-5-01T12:34:56Z",
            "2024-05-01T12:34:56.Z",
            "2024-05-01T12:34:56.",
            "2024-05-01T12:34:56,5Z",
            "2024-05-01T12:34:56ZZ",
            "2024-05-01T12:34:56 Z",
            "2024-05-01T12:34:56+0200",
            "2024-05-01T12:34:56+02",
            "2024-05-01T12:34:56+002:00",
            "2024-05-01T12:34:56+:00",
            "2024-05-01T12:34:56+24:00",
            "2024-05-01T12:34:56+02:60",
            "2024-05-01T12:34:56+02:00[Europe/Berlin]",
            "+2024-05-01T12:34:56Z",
            "-024-05-01T12:34:56Z",
            "2024-00-01T12:34:56Z",
            "2024-13-01T12:34:56Z",
            "2024-05-00T12:34:56Z",
            "2024-04-31T12:34:56Z",
            "2023-02-29T12:34:56Z",
            "1900-02-29T12:34:56Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T12:60:00Z",
            "2024-05-01T12:34:61Z",
            " 2024-05-01T12:34:56Z",
            "2024-05-01T12:34:56Z\n",
            "２024-05-01T12:34:56Z",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }
}
