//! Query strings, strictly: a misspelt filter that is silently ignored would answer a
//! question nobody asked.

use std::str::FromStr;

use super::error::{ErrorCode, Problem};

/// The most parameters of a request: more than any has, and few enough to compare each with
/// each.
const PARAMETERS_MAX: usize = 32;

/// The parameters of one request. Each is taken once; [`Query::end`] refuses the rest.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses `name=value&…`, percent-encoded, with `+` for a space.
    pub(super) fn parse(raw: Option<&str>) -> Result<Query, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in raw.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(invalid(format!("`{name}` is given twice")));
            }
            if pairs.len() == PARAMETERS_MAX {
                return Err(invalid(format!(
                    "there are more than {PARAMETERS_MAX} parameters"
                )));
            }
            pairs.push((name, value));
        }
        Ok(Query { pairs })
    }

    /// The value of a parameter, if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let position = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.swap_remove(position).1)
    }

    /// A number, if it is there.
    pub(super) fn take_number<N: FromStr>(&mut self, name: &str) -> Result<Option<N>, Problem> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        // `parse` alone would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number
            .map(Some)
            .ok_or_else(|| invalid(format!("`{name}` must be a number, it is `{text}`")))
    }

    /// One of a few words, if it is there.
    pub(super) fn take_word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let meant = words.iter().find(|(word, _)| *word == text);
        meant.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            invalid(format!(
                "`{name}` must be {}, it is `{text}`",
                known.join(" or ")
            ))
        })
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!("there is no parameter `{name}` here"))),
        }
    }
}

/// A query that is refused for this reason.
pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidQuery, detail)
}

fn decode(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = (
                    rest.next().and_then(hex_digit),
                    rest.next().and_then(hex_digit),
                );
                let (Some(high), Some(low)) = digits else {
                    return Err(invalid("a `%` must be followed by two hexadecimal digits"));
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| invalid("the query is not UTF-8 once decoded"))
}

fn hex_digit(byte: u8) -> Option<u8> {
    // At most 15, so it fits.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Appends `name=value`, encoded, to a query under construction.
pub(super) fn push_pair(query: &mut String, name: &str, value: &str) {
    use std::fmt::Write as _;

    query.push(if query.is_empty() { '?' } else { '&' });
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(problem: Problem) -> String {
        String::from_utf8(problem.to_json()).expect("UTF-8")
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for value in ["plain", "a b&c=d%e+f#g/h?", "grüße ✓", "\"<>;"] {
            let mut text = String::new();
            push_pair(&mut text, "topic", value);
            let raw = text.strip_prefix('?').expect("a question mark");
            let mut query = Query::parse(Some(raw)).expect("a query");
            assert_eq!(query.take("topic").as_deref(), Some(value));
            query.end().expect("nothing else");
        }
    }

    #[test]
    fn a_question_that_is_not_understood_is_refused() {
        for raw in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=1&a=2", "a&%61=1"] {
            assert!(Query::parse(Some(raw)).is_err(), "{raw}");
        }
        let query = Query::parse(Some("topik=a")).expect("a query");
        assert!(detail(query.end().expect_err("unknown")).contains("topik"));
    }

    #[test]
    fn a_flood_of_parameters_is_refused_before_they_are_compared() {
        let flood = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|no| format!("p{no}")).collect();
            Query::parse(Some(&pairs.join("&"))).is_ok()
        };
        assert!(flood(PARAMETERS_MAX));
        assert!(!flood(PARAMETERS_MAX + 1));
    }

    #[test]
    fn numbers_have_no_sign_and_no_overflow() {
        for (raw, number) in [("n=0", Some(0)), ("n=18446744073709551615", Some(u64::MAX))] {
            let mut query = Query::parse(Some(raw)).expect("a query");
            assert_eq!(query.take_number::<u64>("n").expect("a number"), number);
        }
        for raw in [
            "n=",
            "n=%2B1",
            "n=-1",
            "n=1.0",
            "n=18446744073709551616",
            "n",
        ] {
            let mut query = Query::parse(Some(raw)).expect("a query");
            assert!(query.take_number::<u64>("n").is_err(), "{raw}");
        }
    }

    #[test]
    fn words_are_exact() {
        let words = [("asc", 1), ("desc", 2)];
        let mut query = Query::parse(Some("o=desc")).expect("a query");
        assert_eq!(query.take_word("o", &words).expect("known"), Some(2));
        let mut query = Query::parse(Some("o=DESC")).expect("a query");
        assert!(
            detail(query.take_word("o", &words).expect_err("unknown")).contains("`asc` or `desc`")
        );
    }
}
