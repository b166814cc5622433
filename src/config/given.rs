//! Which options were given, wherever they come from.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, Command};

use super::options::ServeOptions;

/// The options of `serve` that come from the command line or the environment, as one would
/// type them. `matches` are those of a command that has all of them.
pub fn given_options(matches: &ArgMatches) -> Vec<String> {
    let serve = ServeOptions::augment_args(Command::new("serve"));
    let mut given = Vec::new();
    for option in serve.get_arguments() {
        let id = option.get_id().as_str();
        let source = matches.value_source(id);
        if source.is_none_or(|source| source == ValueSource::DefaultValue) {
            continue;
        }
        let name = option.get_long().unwrap_or(id);
        for value in matches.get_raw(id).into_iter().flatten() {
            given.push(format!("--{name} {}", value.to_string_lossy()));
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_listed_and_each_value_of_it() {
        let of = |arguments: &[&str]| {
            let command = ServeOptions::augment_args(Command::new("serve"));
            let all = std::iter::once("serve").chain(arguments.iter().copied());
            given_options(&command.get_matches_from(all))
        };
        // The environment of the tests has no variable of ours.
        assert!(of(&[]).is_empty());
        assert_eq!(
            of(&["--drain", "1s", "--listen", "[::1]:1,127.0.0.1:2"]),
            ["--listen [::1]:1", "--listen 127.0.0.1:2", "--drain 1s"]
        );
    }
}
