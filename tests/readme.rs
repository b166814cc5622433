//! The README says what is true: its commands run, what they answer is what it shows, and its
//! table of options is the program's.

mod support {
    pub mod client;
    pub mod process;
}

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args as _;
use oncelog::config::ServeOptions;
use support::client::Client;
use support::process::{Ended, Oncelog, run_command};
use tempfile::TempDir;

/// Set to write the README's table of options anew.
const REGENERATE: &str = "ONCELOG_REGENERATE_README";

/// Blocks of commands that are run elsewhere, by heading, and by which file.
const RUN_ELSEWHERE: [(&str, &str); 3] = [
    ("Start", ".ci/run"),
    ("Docker", "tests/docker/run"),
    ("The kill demonstration", "tests/docker/run"),
];

/// What the commands need and a machine may not have.
const TOOLS: [&str; 2] = ["curl", "sqlite3"];

/// A fenced block of the README.
#[derive(Debug)]
struct Block {
    heading: String,
    language: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README")
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut heading, mut inside) = (String::new(), false);
    for line in readme().lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push(Block {
                    heading: heading.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
        } else if inside {
            let block = blocks.last_mut().expect("a block was begun");
            block.text += &format!("{line}\n");
        } else if let Some(text) = line.strip_prefix('#') {
            heading = text.trim_start_matches('#').trim().to_owned();
        }
    }
    assert!(!inside, "a block is not closed");
    blocks
}

fn run_elsewhere(block: &Block) -> Option<&'static str> {
    let found = RUN_ELSEWHERE
        .iter()
        .find(|(heading, _)| *heading == block.heading);
    found.map(|(_, file)| *file)
}

/// A tool that these commands need and that is not here.
fn missing_tool(commands: &str) -> Option<&'static str> {
    let path = std::env::var_os("PATH").expect("a PATH");
    let is_here =
        |tool| std::env::split_paths(&path).any(|directory| directory.join(tool).exists());
    TOOLS
        .into_iter()
        .find(|tool| commands.contains(tool) && !is_here(*tool))
}

/// A directory that looks like a clone in which the server was started, and the server.
struct Clone {
    directory: TempDir,
    server: Oncelog,
}

impl Clone {
    fn new() -> Clone {
        let directory = TempDir::new().expect("a directory");
        for name in ["tests", "README.md"] {
            std::os::unix::fs::symlink(root().join(name), directory.path().join(name))
                .expect("a link");
        }
        let server = Oncelog::start(&directory.path().join("data"));
        Clone { directory, server }
    }

    /// Runs commands of the README as they stand there, but for the port.
    fn run(&self, commands: &str) -> Ended {
        let address = self.server.address.to_string();
        let binary = Path::new(env!("CARGO_BIN_EXE_oncelog"));
        let mut path = vec![binary.parent().expect("a directory").to_owned()];
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").expect("a PATH"),
        ));
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c"])
            .arg(commands.replace("127.0.0.1:8080", &address))
            .env("PATH", std::env::join_paths(path).expect("a PATH"))
            .env("ONCELOG_URL", format!("http://{address}"))
            .current_dir(self.directory.path());
        let ended = run_command(command);
        assert_eq!(ended.code, Some(0), "{commands}\n{}", ended.stderr);
        ended
    }
}

/// The blocks of commands that are run here, unless a tool for them is missing.
fn commands(blocks: &[Block]) -> Vec<&Block> {
    let shell = blocks.iter().filter(|block| block.language == "sh");
    let here = shell.filter(|block| run_elsewhere(block).is_none());
    let runnable = here.filter(|block| match missing_tool(&block.text) {
        Some(tool) => {
            eprintln!(
                "SKIPPED: {tool} is not here, so this was not run: {}",
                block.text
            );
            false
        }
        None => true,
    });
    runnable.collect()
}

#[test]
fn every_command_of_the_readme_runs() {
    let clone = Clone::new();
    let blocks = blocks();
    let commands = commands(&blocks);
    for block in &commands {
        clone.run(&block.text);
    }
    assert!(commands.len() >= 2, "there are commands that need no tools");
    assert!(Client::new(clone.server.address).stats().received > 500);
}

#[test]
fn what_the_readme_says_that_comes_back_comes_back() {
    let blocks = blocks();
    let answers: Vec<&Block> = blocks
        .iter()
        .filter(|block| block.language == "json")
        .collect();
    assert_eq!(
        answers.len(),
        2,
        "the first answer, and the one to a repetition"
    );
    let clone = Clone::new();
    let publish = commands(&blocks);
    let Some(publish) = publish
        .iter()
        .find(|block| block.heading == "Publish" && block.text.starts_with("curl"))
    else {
        return;
    };
    for answer in answers {
        let came = String::from_utf8(clone.run(&publish.text).stdout).expect("UTF-8");
        assert_eq!(came.trim_end(), answer.text.trim_end());
    }
}

#[test]
fn what_is_not_run_here_is_run_by_a_script_that_reads_it_from_the_readme() {
    let headings: BTreeSet<String> = blocks().into_iter().map(|block| block.heading).collect();
    for (heading, file) in RUN_ELSEWHERE {
        assert!(
            headings.contains(heading),
            "there are no commands under {heading}"
        );
        let script = std::fs::read_to_string(root().join(file)).expect("the script");
        assert!(
            script.contains(&format!("readme-block \"{heading}\"")),
            "{file} does not run the commands under {heading}"
        );
    }
}

/// The options of `serve` as a Markdown table.
fn table_of_options() -> String {
    let serve = ServeOptions::augment_args(clap::Command::new("serve"));
    let mut table = String::from("| option | default | what it is |\n|---|---|---|\n");
    for option in serve.get_arguments() {
        let name = option.get_long().expect("a long name");
        let variable = format!("ONCELOG_{}", name.to_uppercase().replace('-', "_"));
        assert_eq!(
            option.get_env(),
            Some(variable.as_ref()),
            "the variable of --{name}"
        );
        let defaults = option.get_default_values();
        let default = match defaults.first() {
            Some(default) => format!("`{}`", default.to_string_lossy()),
            None => "none".to_owned(),
        };
        let help = option.get_help().expect("a help text").to_string();
        table += &format!("| `--{name}` | {default} | {help} |\n");
    }
    table
}

#[test]
fn the_table_of_options_is_what_the_program_takes() {
    const BEGIN: &str = "<!-- options: made from the code -->\n";
    const END: &str = "<!-- end of options -->\n";
    let readme = readme();
    let (before, rest) = readme.split_once(BEGIN).expect("the begin of the table");
    let (table, after) = rest.split_once(END).expect("the end of the table");
    let expected = table_of_options();
    if table == expected {
        return;
    }
    if std::env::var(REGENERATE).as_deref() == Ok("1") {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(root().join("README.md"), text).expect("the README");
        return;
    }
    panic!(
        "the table of options is not right; `{REGENERATE}=1 cargo test --test readme` writes it anew"
    );
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = readme();
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let mut files = 0;
    for link in links.filter(|link| !link.contains("://")) {
        let path: PathBuf = root().join(link.split('#').next().unwrap_or(link));
        assert!(path.exists(), "{link} is not there");
        files += 1;
    }
    assert!(files > 5, "only {files} links were found");
}
