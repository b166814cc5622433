//! The options as people give them. The environment is not touched: other tests share it.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeOptions,
}

fn options(arguments: &[&str]) -> ServeOptions {
    let all = std::iter::once("serve").chain(arguments.iter().copied());
    Cli::try_parse_from(all)
        .expect("arguments that clap takes")
        .serve
}

fn error_of(arguments: &[&str]) -> String {
    options(arguments)
        .validate()
        .expect_err("options that cannot be used")
        .to_string()
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = options(&[]).validate().expect("valid defaults");
    assert_eq!(
        config.listen,
        ["127.0.0.1:8080".parse().expect("an address")]
    );
    assert!(config.warnings.is_empty());
    assert_eq!(
        format!("{:?}", config.http),
        format!("{:?}", HttpOptions::default())
    );
    let store = config.store;
    assert_eq!(store.data_dir, PathBuf::from("data"));
    assert_eq!(store.segment_bytes, 64 << 20);
    assert_eq!(store.min_free_bytes, 0);
    assert_eq!(
        (store.backlog_bytes, store.backlog_events),
        (16 << 30, 50_000_000)
    );
    assert_eq!((store.delta_events, store.max_topics), (900_000, 1_000_000));
    assert_eq!(store.verify_at_start_bytes, 256 << 20);
    assert_eq!(store.drain, Duration::from_secs(7));
}

#[test]
fn listening_repeats_takes_ipv6_and_warns_beyond_loopback_without_a_token() {
    let config = options(&["--listen", "[::1]:9000", "--listen", "127.0.0.1:9000"])
        .validate()
        .expect("valid");
    assert_eq!(config.listen.len(), 2);
    assert!(config.warnings.is_empty());

    let open = ["--listen", "127.0.0.1:9000", "--listen", "0.0.0.0:9000"];
    let config = options(&open).validate().expect("valid");
    assert!(
        config.warnings[0].contains("0.0.0.0:9000"),
        "{:?}",
        config.warnings
    );

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "s3cret\n").expect("written");
    let path = file.path().to_str().expect("a UTF-8 path");
    let config = options(&[&open[..], &["--token-file", path]].concat())
        .validate()
        .expect("valid");
    assert!(config.warnings.is_empty() && config.http.token.is_some());

    assert!(error_of(&["--listen", "8080"]).starts_with("--listen 8080"));
}

#[test]
fn an_unusable_token_file_stops_the_start_instead_of_opening_the_door() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("a UTF-8 path");
    assert!(error_of(&["--token-file", path]).contains("one line"));
    assert!(error_of(&["--token-file", "/nonexistent/token"]).contains("/nonexistent/token"));
}

#[test]
fn values_that_could_not_work_are_named() {
    assert!(error_of(&["--max-connections", "0"]).contains("--max-connections"));
    assert!(error_of(&["--header-timeout", "0s"]).contains("--header-timeout"));
    assert!(error_of(&["--segment-size", "1kB"]).contains("--segment-size"));
    assert!(
        error_of(&["--in-flight", "1MiB"])
            .contains("--max-body must not be larger than --in-flight")
    );
    assert!(options(&["--drain", "0"]).validate().is_ok());
}

#[test]
fn a_misspelt_variable_is_found() {
    let names = [
        "ONCELOG_SEGMENT_SIZ",
        "ONCELOG_SEGMENT_SIZE",
        "ONCELOG_URL",
        "ONCELOG_LOG",
        "PATH",
        "ONCELOG_DATA_DIR",
    ];
    assert_eq!(
        unknown_variables(names.map(OsString::from)),
        ["ONCELOG_SEGMENT_SIZ"]
    );
}

#[test]
fn every_option_can_be_set_by_environment() {
    let serve = ServeOptions::augment_args(Command::new("serve"));
    for option in serve.get_arguments() {
        let name = option.get_long().expect("a long name");
        let variable = option
            .get_env()
            .expect("a variable")
            .to_str()
            .expect("UTF-8");
        assert_eq!(
            variable,
            format!("ONCELOG_{}", name.to_uppercase().replace('-', "_"))
        );
    }
}
