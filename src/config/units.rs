//! Sizes, counts and times with units, as people write them: `64MiB`, `50M`, `10s`.

use std::time::Duration;

/// Why a value was not understood. Shown by clap behind the option's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It does not begin with digits.
    #[error("a whole number is needed, such as {example}")]
    NoNumber {
        /// How it could look.
        example: &'static str,
    },
    /// The unit is not known, or missing.
    #[error("the unit `{unit}` is not known: use {known}")]
    UnknownUnit {
        /// What was given.
        unit: String,
        /// What could be.
        known: &'static str,
    },
    /// It does not fit.
    #[error("the number is too large")]
    TooLarge,
}

/// Bytes: a number alone or with `B`, `kB` `MB` `GB` `TB` (powers of 1000), `KiB` `MiB`
/// `GiB` `TiB`, or `K` `M` `G` `T` (powers of 1024, as Docker reads them). Case does not
/// matter.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text, "64MiB")?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(unknown(unit, "B, KiB, MiB, GiB or TiB")),
    };
    number.checked_mul(factor).ok_or(UnitError::TooLarge)
}

/// A count: a number alone or with `k`, `M` or `G` (powers of 1000).
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text, "50M")?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return Err(unknown(unit, "k, M or G")),
    };
    number.checked_mul(factor).ok_or(UnitError::TooLarge)
}

/// A time: a number with `ms`, `s`, `m` or `h`. A number alone could mean any of them,
/// so it is refused, 0 apart.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text, "10s")?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "" if number == 0 => 1,
        _ => return Err(unknown(unit, "ms, s, m or h")),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or(UnitError::TooLarge)
}

/// The number, in which `_` may group digits, and what follows it.
fn split<'t>(text: &'t str, example: &'static str) -> Result<(u64, &'t str), UnitError> {
    let text = text.trim();
    let end = text
        .find(|char: char| !char.is_ascii_digit() && char != '_')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let digits = digits.replace('_', "");
    if digits.is_empty() {
        return Err(UnitError::NoNumber { example });
    }
    let number = digits.parse().map_err(|_| UnitError::TooLarge)?;
    Ok((number, unit.trim_start()))
}

fn unknown(unit: &str, known: &'static str) -> UnitError {
    UnitError::UnknownUnit {
        unit: unit.to_owned(),
        known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1_000", 1_000),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            ("16G", 16 << 30),
            ("2kB", 2_000),
            ("1TiB", 1 << 40),
            ("7b", 7),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.5GiB",
            "1PiB",
            "64 MiB x",
            "_",
            "17179869184G",
            "99999999999999999999",
        ] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_decimal() {
        assert_eq!(parse_count("50M"), Ok(50_000_000));
        assert_eq!(parse_count("100_000"), Ok(100_000));
        assert!(parse_count("1MiB").is_err());
    }

    #[test]
    fn a_time_says_its_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["10", "s", "1.5s", "10 sec", "1d", "18446744073709551615h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
