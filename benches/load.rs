//! A load for side-by-side measurements: closed loop, so many connections, each with one
//! request in flight, every answer checked.
//!
//! ```text
//! cargo bench --bench load -- oncelog 127.0.0.1:8080 --batch 100 --connections 16 --seconds 10
//! cargo bench --bench load -- durable-streams 127.0.0.1:4437 --batch 100 --connections 16 --seconds 10
//! cargo bench --bench load -- oncelog 127.0.0.1:8080 --batch 1000 --connections 4 --events 1000000
//! ```
#![allow(clippy::print_stdout)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// What one event takes in the request, the comma behind it included.
const EVENT_BYTES: usize = 260;

#[derive(Clone)]
struct Load {
    peer: Peer,
    address: String,
    batch: usize,
    connections: usize,
    seconds: u64,
    events: u64,
}

#[derive(Copy, Clone, PartialEq)]
enum Peer {
    Oncelog,
    DurableStreams,
}

struct Shared {
    next_id: AtomicU64,
    acknowledged: AtomicU64,
    stop: AtomicBool,
    seed: u64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if arguments.is_empty() {
        println!("load: no server named, nothing measured (see the head of benches/load.rs)");
        return Ok(());
    }
    let load = parse(&arguments)?;
    if load.peer == Peer::DurableStreams {
        create_stream(&load.address)?;
    }
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_nanos() as u64;
    let shared = Arc::new(Shared {
        next_id: AtomicU64::new(1),
        acknowledged: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        seed,
    });
    let started = Instant::now();
    let threads: Vec<_> = (0..load.connections)
        .map(|_| {
            let (load, shared) = (load.clone(), shared.clone());
            thread::spawn(move || drive(&load, &shared))
        })
        .collect();
    if load.events == 0 {
        thread::sleep(Duration::from_secs(load.seconds));
        shared.stop.store(true, Ordering::Relaxed);
    }
    let mut latencies = Vec::new();
    for thread in threads {
        let Ok(driven) = thread.join() else {
            bail!("a connection's thread panicked");
        };
        latencies.extend(driven?);
    }
    let elapsed = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        latencies
            .get((latencies.len() as f64 * share) as usize)
            .copied()
    };
    let acknowledged = shared.acknowledged.load(Ordering::Relaxed);
    println!(
        "batch {} connections {}: {acknowledged} events in {elapsed:.2} s, {:.0} events/s, request p50 {} µs, p99 {} µs",
        load.batch,
        load.connections,
        acknowledged as f64 / elapsed,
        at(0.5).unwrap_or_default(),
        at(0.99).unwrap_or_default(),
    );
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Load> {
    let [peer, address, flags @ ..] = arguments else {
        bail!(
            "usage: load oncelog|durable-streams ADDR:PORT [--batch N] [--connections N] [--seconds N | --events N]"
        );
    };
    let mut load = Load {
        peer: match peer.as_str() {
            "oncelog" => Peer::Oncelog,
            "durable-streams" => Peer::DurableStreams,
            other => bail!("unknown peer {other}"),
        },
        address: address.clone(),
        batch: 100,
        connections: 16,
        seconds: 10,
        events: 0,
    };
    for pair in flags.chunks(2) {
        let [flag, value] = pair else {
            bail!("{} needs a value", pair[0]);
        };
        let number: u64 = value.parse().with_context(|| format!("{flag} {value}"))?;
        match flag.as_str() {
            "--batch" => load.batch = number.max(1) as usize,
            "--connections" => load.connections = number.max(1) as usize,
            "--seconds" => load.seconds = number,
            "--events" => load.events = number,
            other => bail!("unknown flag {other}"),
        }
    }
    Ok(load)
}

fn create_stream(address: &str) -> Result<()> {
    let mut connection = TcpStream::connect(address)?;
    write!(
        connection,
        "PUT /load HTTP/1.1\r\nhost: load\r\ncontent-type: application/json\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 2"),
        "the stream was not made: {answer}"
    );
    Ok(())
}

/// Sends one batch after the other; gives the latencies in µs.
fn drive(load: &Load, shared: &Shared) -> Result<Vec<u32>> {
    let mut connection = TcpStream::connect(&load.address)?;
    connection.set_nodelay(true)?;
    let path = match load.peer {
        Peer::Oncelog => "/publish",
        Peer::DurableStreams => "/load",
    };
    let mut latencies = Vec::new();
    let (mut request, mut answer) = (Vec::new(), vec![0; 256 * 1024]);
    while !shared.stop.load(Ordering::Relaxed) {
        let first = shared
            .next_id
            .fetch_add(load.batch as u64, Ordering::Relaxed);
        if load.events > 0 && first > load.events {
            break;
        }
        request.clear();
        write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: load\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            load.batch * EVENT_BYTES + 2
        )?;
        request.push(b'[');
        for number in 0..load.batch as u64 {
            push_event(
                &mut request,
                first + number,
                shared.seed,
                number + 1 == load.batch as u64,
            );
        }
        request.push(b']');
        let sent = Instant::now();
        connection.write_all(&request)?;
        read_answer(&mut connection, &mut answer)?;
        latencies.push(sent.elapsed().as_micros() as u32);
        shared
            .acknowledged
            .fetch_add(load.batch as u64, Ordering::Relaxed);
    }
    Ok(latencies)
}

/// An event of [`EVENT_BYTES`] with a random id; instead of a comma the last one has a space.
fn push_event(out: &mut Vec<u8>, number: u64, seed: u64, last: bool) {
    let start = out.len();
    let id = [
        mix(number ^ seed),
        mix(number.wrapping_add(seed.rotate_left(32))),
    ];
    // Writing into memory cannot fail.
    let _ = write!(
        out,
        "{{\"topic\":\"orders.{}\",\"event_id\":\"{:016x}{:016x}\",\"source\":\"load\",\"payload\":{{\"number\":{number},\"text\":\"",
        number % 16,
        id[0],
        id[1]
    );
    out.resize(start + EVENT_BYTES - 4, b'x');
    out.extend_from_slice(b"\"}}");
    out.push(if last { b' ' } else { b',' });
}

/// splitmix64's finaliser.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Reads one answer, which must be 200 or 204 and, from oncelog, say that nothing was a
/// duplicate.
fn read_answer(connection: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let count = connection.read(&mut buffer[filled..])?;
        ensure!(count > 0, "the server closed the connection");
        filled += count;
        let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        ensure!(
            head.starts_with("http/1.1 200") || head.starts_with("http/1.1 204"),
            "not acknowledged: {}",
            String::from_utf8_lossy(&buffer[..filled])
        );
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(Ok(0), |value| value.trim().parse())?;
        let whole = end + 4 + length;
        while filled < whole {
            let count = connection.read(&mut buffer[filled..])?;
            ensure!(count > 0, "the server closed the connection");
            filled += count;
        }
        let body = &buffer[end + 4..whole];
        let duplicates = body.windows(15).any(|w| w == b"\"duplicates\":0,");
        ensure!(
            length == 0 || duplicates,
            "unexpected verdicts: {}",
            String::from_utf8_lossy(body)
        );
        return Ok(());
    }
}
