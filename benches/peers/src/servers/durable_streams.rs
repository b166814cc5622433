//! durable-streams with its defaults: a log over HTTP whose answer comes after a group's
//! fdatasync. It does not deduplicate by id.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use oncelog::cli::bench::http::HttpTarget;
use oncelog::cli::bench::shape::Sent;
use oncelog::cli::bench::target::Outcome;

const STREAM: &str = "/bench";

pub(super) fn find() -> Option<PathBuf> {
    let program = "durable-streams-server";
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let installed = home.map(|home| home.join(".cargo/bin").join(program));
    super::in_path(program).or(installed.filter(|program| program.is_file()))
}

pub(super) fn command(program: &Path, data_dir: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--data-dir"])
        .arg(data_dir);
    command
}

/// Makes the stream.
pub(super) fn create(port: u16) -> Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        connection,
        "PUT {STREAM} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 2"),
        "the stream was not made: {answer}"
    );
    Ok(())
}

pub(super) fn target(port: u16) -> HttpTarget {
    HttpTarget::new(&format!("127.0.0.1:{port}"), STREAM, None, read_answer)
}

/// It says that it took the batch, and no more.
fn read_answer(status: u16, body: &[u8], _sent: &[Sent]) -> Outcome {
    Outcome {
        status,
        words: String::from_utf8_lossy(body).into_owned(),
        ..Outcome::default()
    }
}
