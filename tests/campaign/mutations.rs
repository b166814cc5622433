//! Stores that were broken on purpose, one way each: whatever engine is to catch one must do so, or
//! its "nothing wrong" means nothing.
//!
//! Each is a patch in `mutations/`. What stands before the patch says what is broken and, a line
//! each, with which engines it is tried, in turn until one catches it. An engine whose line begins
//! with `cheap` takes seconds and needs no more than this program does. The patch is applied to a
//! copy of the sources, so no binary that is released can contain it.

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

    /// Only those that are caught within seconds by an engine that needs nothing else
    #[arg(long)]
    cheap: bool,

    /// Where the copy of the sources and what is built of it go
    #[arg(long, value_name = "DIR", default_value = "target/mutations")]
    scratch: PathBuf,
}

/// How much is shown of what an engine says.
const WORDS_MAX: usize = 160;

/// Of what is built of other crates.
const LIBRARIES: [&str; 4] = ["rlib", "rmeta", "so", "d"];

/// What a store must have to be built.
const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "docs", "src"];

/// A way to break it.
struct Mutation {
    name: String,
    /// What is broken.
    what: String,
    engines: Vec<Engine>,
    patch: PathBuf,
}

/// One with which it is tried.
struct Engine {
    arguments: String,
    is_cheap: bool,
}

/// What came of it.
enum Fate {
    /// By this engine, after so long, which said this.
    Caught(String, Duration, String),
    Survived,
    /// It could not be built, or an engine did not come to its end, because of this.
    Failed(String),
    /// None of its engines works here.
    NotTried,
}

impl Fate {
    fn told(&self) -> String {
        match self {
            Fate::Caught(engine, time, words) => {
                format!("caught by `{engine}` after {time:.0?}: {words}")
            }
            Fate::Survived => "SURVIVED".to_owned(),
            Fate::Failed(why) => format!("FAILED: {why}"),
            Fate::NotTried => "not tried: its engines do not work here".to_owned(),
        }
    }
}

/// Applies each in turn, and tries it. 0 each was caught, 1 one was not, 2 none can be tried here.
pub(crate) fn run(wanted: &Mutations) -> u8 {
    let begun = Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = root.join(&wanted.scratch);
    let mut all = mutations(&root.join("tests/campaign/mutations"));
    all.retain(|one| one.name.contains(&wanted.only));
    if wanted.cheap {
        for one in &mut all {
            one.engines.retain(|engine| engine.is_cheap);
        }
        all.retain(|one| !one.engines.is_empty());
    }
    let (mut caught, mut not_tried) = (0, 0);
    for mutation in &all {
        let fate = match build(root, &scratch, mutation) {
            Ok(binary) => fate(mutation, &binary, &scratch.join("kept")),
            Err(why) => Fate::Failed(why),
        };
        caught += usize::from(matches!(fate, Fate::Caught(..)));
        not_tried += usize::from(matches!(fate, Fate::NotTried));
        let Mutation { name, what, .. } = mutation;
        say(&format!("| {name} | {what} | {} |", fate.told()));
    }
    say(&format!(
        "{} broken stores, {} s: {caught} caught, {not_tried} not tried, {} NOT CAUGHT",
        all.len(),
        begun.elapsed().as_secs(),
        all.len() - caught - not_tried,
    ));
    match (all.len() - caught - not_tried, caught) {
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
    let (mut engines, mut what) = (Vec::new(), Vec::new());
    for line in head {
        match line.split_once("engine: ") {
            Some((before @ ("" | "cheap "), arguments)) => engines.push(Engine {
                arguments: arguments.to_owned(),
                is_cheap: !before.is_empty(),
            }),
            _ => what.push(line),
        }
    }
    Mutation {
        name: patch
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into(),
        what: what.join(" ").trim().to_owned(),
        engines,
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
    // With a test beside it others' crates are what they are for this program's own tests.
    std::fs::create_dir_all(sources.join("tests")).expect("a directory");
    std::fs::write(sources.join("tests/none.rs"), "").expect("a test of nothing");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--bin", "oncelog", "--test", "none"]);
    let target = scratch.join("build");
    seed(&target);
    succeeded(cargo.current_dir(&sources).env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("debug/oncelog"))
}

/// Begins with what was built of others' crates for this program: only the store itself is built
/// for each mutation.
fn seed(target: &Path) {
    let campaign = std::env::current_exe().expect("this program");
    let Some(debug) = campaign.parent().and_then(Path::parent) else {
        return;
    };
    if target.exists() || !debug.ends_with("debug") {
        return;
    }
    // No programs, of which there are many, and large ones.
    let is_library = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default();
        LIBRARIES.iter().any(|known| extension == *known)
    };
    let to = target.join("debug");
    std::fs::create_dir_all(to.join("deps")).expect("a directory");
    let copy_to = |to: &Path, what: &[PathBuf]| {
        // What is missing is built.
        let _ = Command::new("cp").arg("-a").args(what).arg(to).status();
    };
    copy_to(&to, &[debug.join("build"), debug.join(".fingerprint")]);
    let built = names(&debug.join("deps")).into_iter();
    let built = built.map(|name| debug.join("deps").join(name));
    let libraries: Vec<PathBuf> = built.filter(is_library).collect();
    copy_to(&to.join("deps"), &libraries);
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
    for Engine { arguments, .. } in &mutation.engines {
        let campaign = std::env::current_exe().expect("this program");
        let begun = Instant::now();
        let mut trial = Command::new(campaign);
        trial.args(arguments.split(' ')).arg("--keep").arg(kept);
        trial.env("ONCELOG_TEST_BINARY", binary);
        let ended = trial.output().expect("an engine");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        match ended.status.code() {
            Some(1) => {
                return Fate::Caught(arguments.clone(), begun.elapsed(), words_in(&stderr));
            }
            Some(0) => fate = Fate::Survived,
            // It skips what cannot be done here.
            Some(2) if stderr.contains("SKIPPED") => {}
            code => {
                let words = words_in(&stderr);
                return Fate::Failed(format!("`{arguments}` broke off with {code:?}: {words}"));
            }
        }
    }
    fate
}

/// What was wrong first, in an engine's own words, or in the beginning of them. Of a store that
/// has told much in its log, what it ended with.
fn words_in(stderr: &str) -> String {
    let mut lines = stderr.lines();
    let panicked = lines.by_ref().find(|line| line.contains(" panicked at "));
    let first = match panicked {
        Some(_) => lines.next().unwrap_or_default(),
        None => stderr.lines().last().unwrap_or_default(),
    };
    let mut rest = lines.take_while(|line| !line.contains(" panicked at "));
    let last_words = rest.find_map(|line| {
        let is_error = line.split_once(" ERROR ").map(|(_, words)| words);
        is_error.or_else(|| line.strip_prefix("oncelog: "))
    });
    // A line of its log begins with a date.
    let words = match (first.split_once(": 20"), last_words) {
        (Some((words, _)), Some(last_words)) => format!("{words}: {last_words}"),
        _ => first.to_owned(),
    };
    let words = words.replace('|', "/");
    let mut shown: String = words.chars().take(WORDS_MAX).collect();
    if words.chars().count() > WORDS_MAX {
        shown.push('…');
    }
    shown
}

fn succeeded(command: &mut Command) -> Result<Output, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
