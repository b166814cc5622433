//! The bodies under `cargo test`: on all that the fuzzer has kept, and on real bytes with changes.
//! Risk: some input that nobody thought of ends the process, or is taken for something else.

mod changes;
mod fold;
mod frame;
mod publish;
mod real;
mod recovery;

use std::path::Path;

/// What the repository keeps for a fuzz target, each of which its body is tried on.
fn try_on_corpus(target: &str, body: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("tests/fuzz/corpus").join(target);
    let mut tried = 0;
    for file in std::fs::read_dir(&directory).expect("a corpus") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("a file");
        if std::panic::catch_unwind(|| body(&bytes)).is_err() {
            panic!("{}", path.display());
        }
        tried += 1;
    }
    assert!(tried > 20, "{} has {tried} files", directory.display());
}

/// Writes real bytes where a fuzzer can begin with them, for when a corpus is to be made anew.
#[test]
#[ignore = "writes to target/fuzz/seeds"]
fn real_bytes_are_written_as_seeds() {
    let seeds = [
        ("frame", real::frames()),
        ("recovery", real::logs()),
        ("publish", real::bodies()),
        ("fold", real::histories()),
    ];
    for (target, seeds) in seeds {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/fuzz/seeds")
            .join(target);
        std::fs::create_dir_all(&directory).expect("a directory");
        for (number, bytes) in seeds.iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number:02}")), bytes).expect("a file");
        }
    }
}
