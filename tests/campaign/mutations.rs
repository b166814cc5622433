//! Stores that were broken on purpose, one way each: whatever engine is to catch one must do so, or
//! its "nothing wrong" means nothing.
//!
//! Each is a patch in `mutations/`. What stands before the patch says what is broken and, a line
//! each, with which engines it is tried, in turn until one catches it. It is applied to a copy of the
//! sources, so no binary that is released can contain it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use clap::Args;

use crate::keeping::say;

/// Which stores are broken.
#[derive(Clone, Debug, Args)]
pub(crate) struct Mutations {
    /// Only those whose name contains this
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,

    /// Where the copy of the sources and what is built of it go
    #[arg(long, value_name = "DIR", default_value = "target/mutations")]
    scratch: PathBuf,
}

/// What a store must have to be built.
const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "docs", "src"];

/// A way to break it.
struct Mutation {
    name: String,
    /// What is broken.
    what: String,
    /// The engines' arguments.
    engines: Vec<String>,
    patch: PathBuf,
}

/// What came of it.
enum Fate {
    /// By this engine, after so long.
    Caught(String, Duration),
    Survived,
    /// None of its engines works here.
    NotTried,
}

/// Applies each in turn, and tries it. 0 each was caught, 1 one was not, 2 one cannot be tried here.
pub(crate) fn run(wanted: &Mutations) -> u8 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = root.join(&wanted.scratch);
    let all = mutations(&root.join("tests/campaign/mutations"));
    let chosen = all.iter().filter(|one| one.name.contains(&wanted.only));
    let (mut survived, mut not_tried, mut count) = (0, 0, 0);
    for mutation in chosen {
        let binary = match build(root, &scratch, mutation) {
            Ok(binary) => binary,
            Err(why) => {
                say(&format!("{}: cannot be built: {why}", mutation.name));
                return 2;
            }
        };
        count += 1;
        let fate = fate(mutation, &binary, &scratch.join("kept"));
        let told = match &fate {
            Fate::Caught(engine, time) => format!("caught by `{engine}` after {time:.0?}"),
            Fate::Survived => "SURVIVED".to_owned(),
            Fate::NotTried => "not tried: its engines do not work here".to_owned(),
        };
        survived += u32::from(matches!(fate, Fate::Survived));
        not_tried += u32::from(matches!(fate, Fate::NotTried));
        say(&format!(
            "| {} | {} | {told} |",
            mutation.name, mutation.what
        ));
    }
    say(&format!(
        "{count} broken stores: {survived} survived, {not_tried} not tried"
    ));
    match (survived, count - not_tried) {
        (1.., _) => 1,
        (0, 0) => 2,
        (0, _) => 0,
    }
}

fn mutations(dir: &Path) -> Vec<Mutation> {
    let entries = std::fs::read_dir(dir).expect("the mutations");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut mutations: Vec<Mutation> = paths.map(read).collect();
    mutations.sort_by(|one, other| one.name.cmp(&other.name));
    mutations
}

fn read(patch: PathBuf) -> Mutation {
    let text = std::fs::read_to_string(&patch).expect("a patch");
    let head = text.lines().take_while(|line| !line.starts_with("diff "));
    let (engines, what): (Vec<&str>, Vec<&str>) =
        head.partition(|line| line.starts_with("engine: "));
    let engines = engines.iter().map(|line| line["engine: ".len()..].into());
    Mutation {
        name: patch
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into(),
        what: what.join(" ").trim().to_owned(),
        engines: engines.collect(),
        patch,
    }
}

/// The binary of a store that is broken so.
fn build(root: &Path, scratch: &Path, mutation: &Mutation) -> Result<PathBuf, String> {
    let sources = scratch.join("sources");
    std::fs::create_dir_all(&sources).expect("a directory");
    for name in SOURCES {
        copy(&root.join(name), &sources.join(name));
    }
    let mut apply = Command::new("git");
    apply
        .args(["apply", "--whitespace=nowarn"])
        .arg(&mutation.patch);
    // The copy lies within the repository, and is none of its files.
    succeeded(
        apply
            .current_dir(&sources)
            .env("GIT_CEILING_DIRECTORIES", scratch),
    )?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--bin", "oncelog"]);
    let target = scratch.join("build");
    succeeded(cargo.current_dir(&sources).env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("debug/oncelog"))
}

/// Makes a copy what this file or directory is. What is the same stays as it is, so that only what
/// changed is built anew.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).expect("a directory");
        for name in names(to).iter().filter(|name| !from.join(name).exists()) {
            std::fs::remove_file(to.join(name)).expect("a file of a mutation");
        }
        for name in names(from) {
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        let bytes = std::fs::read(from).expect("a source");
        if std::fs::read(to).ok().as_ref() != Some(&bytes) {
            std::fs::write(to, bytes).expect("a copy");
        }
    }
}

fn names(dir: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names.collect()
}

fn fate(mutation: &Mutation, binary: &Path, kept: &Path) -> Fate {
    let mut fate = Fate::NotTried;
    for engine in &mutation.engines {
        let campaign = std::env::current_exe().expect("this program");
        let begun = Instant::now();
        let mut trial = Command::new(campaign);
        trial.args(engine.split(' ')).arg("--keep").arg(kept);
        let ended = trial.env("ONCELOG_TEST_BINARY", binary).output();
        match ended.expect("an engine").status.code() {
            Some(1) => return Fate::Caught(engine.clone(), begun.elapsed()),
            Some(0) => fate = Fate::Survived,
            // It skips what cannot be done here.
            Some(2) => {}
            code => say(&format!(
                "{}: `{engine}` broke off: {code:?}",
                mutation.name
            )),
        }
    }
    fate
}

fn succeeded(command: &mut Command) -> Result<Output, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
