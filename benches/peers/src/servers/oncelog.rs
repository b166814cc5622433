//! oncelog with its defaults.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use oncelog::cli::bench::http::HttpTarget;
use oncelog::cli::bench::read_answer;
use oncelog::cli::health::{Health, HealthOptions, ask};
use oncelog::config::ServerUrl;
use tokio::time::{Duration, sleep};

/// Builds that of this clone.
pub(super) fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--locked", "--target-dir", "target"])
        .current_dir(root);
    ensure!(build.status()?.success(), "oncelog cannot be built");
    Ok(root.join("target/release/oncelog"))
}

pub(super) fn command(program: &Path, data_dir: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .arg("--data-dir")
        .arg(data_dir);
    command
}

pub(super) async fn wait_until_ready(port: u16) -> Result<()> {
    let options = HealthOptions {
        ready: true,
        server: ServerUrl {
            url: format!("http://127.0.0.1:{port}"),
        },
    };
    loop {
        let options = options.clone();
        let health = tokio::task::spawn_blocking(move || ask(&options)).await?;
        if health? == Health::Well {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn target(port: u16) -> HttpTarget {
    HttpTarget::new(&format!("127.0.0.1:{port}"), "/publish", None, read_answer)
}
