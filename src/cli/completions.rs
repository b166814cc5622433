//! `oncelog completions`: what a shell needs to complete a command line.

use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};
use clap_complete::{generate, shells};

use super::outcome::{self, COULD_NOT_RUN};

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog completions bash > ~/.local/share/bash-completion/completions/oncelog
  oncelog completions zsh > ~/.zfunc/_oncelog      # a directory of $fpath
  oncelog completions fish > ~/.config/fish/completions/oncelog.fish";

/// The options of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsOptions {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// The Bourne again shell, with the package bash-completion.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}

/// Prints them for this command line. 0, or 2 when they could not be written.
pub fn run(options: &CompletionsOptions, mut command: Command) -> ExitCode {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    match options.shell {
        Shell::Bash => generate(shells::Bash, &mut command, name, &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, name, &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, name, &mut script),
    }
    if let Err(error) = outcome::print(&script) {
        super::say_error(&error);
        return ExitCode::from(COULD_NOT_RUN);
    }
    ExitCode::SUCCESS
}
