//! A bad network between publishers and the server, clients that do not behave beside them, and
//! kill -9.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::client::Client;
use crate::life::{Killed, Place};
use crate::memory::peak_mib;
use crate::process::Oncelog;
use crate::random::Random;
use crate::wire::{Wire, reset};

/// More than the server may take at any time, with all that is sent to it here; it is a debug
/// build.
const PEAK_MIB_MAX: u64 = 128;
/// How many misbehave at a time.
const RUDE: u64 = 12;

/// A directory whose server is reached over a bad network, and killed.
pub(crate) struct Network<'d> {
    killed: Killed<'d>,
    wire: Option<Wire>,
    /// Of the next wire.
    seed: u64,
}

impl Network<'_> {
    pub(crate) fn in_dir(dir: &Path) -> Network<'_> {
        Network {
            killed: Killed(dir),
            wire: None,
            seed: 0,
        }
    }
}

impl Place for Network<'_> {
    fn data_dir(&self) -> &Path {
        self.killed.data_dir()
    }

    fn door(&mut self, server: &Oncelog) -> SocketAddr {
        self.seed += 1;
        let wire = Wire::to(server.address, self.seed);
        let address = wire.address;
        self.wire = Some(wire);
        address
    }

    fn trouble(&mut self, server: &Oncelog, random: &mut Random) {
        std::thread::scope(|threads| {
            for _ in 0..random.between(1, RUDE) {
                let mut random = Random::new(random.next());
                threads.spawn(move || misbehave(server.address, &mut random));
            }
        });
        // Others are served.
        Client::new(server.address)
            .try_get("/stats")
            .expect("an answer")
            .ok();
        check_memory(server);
    }

    fn crash(&mut self, server: Oncelog) {
        self.killed.crash(server);
        self.wire = None;
    }

    /// What is still on its way arrives now or never.
    fn settle(&mut self, server: Oncelog) -> Oncelog {
        self.wire = None;
        check_memory(&server);
        assert_eq!(server.terminate().code, Some(0));
        self.start()
    }
}

fn check_memory(server: &Oncelog) {
    let peak = peak_mib(server.pid());
    assert!(peak <= PEAK_MIB_MAX, "the server took {peak} MiB");
}

/// Never a whole event: nothing of it may be kept. Whether the server closes first is its own
/// affair.
fn misbehave(server: SocketAddr, random: &mut Random) {
    const HEAD: &str = "POST /publish HTTP/1.1\r\nhost: x\r\n";
    const BEGUN: &str = r#"[{"topic":"rude","event_id":"1","payload":""#;
    let time = Duration::from_millis(random.between(0, 400));
    let Ok(mut stream) = TcpStream::connect(server) else {
        return;
    };
    let mut say = |bytes: &[u8]| stream.write_all(bytes).is_ok();
    match random.between(0, 7) {
        0 => _ = say(format!("{HEAD}content-length: 900\r\n\r\n{BEGUN}").as_bytes()),
        1 => {
            let chunked = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
            let lies = [
                "5\r\nabc",
                "zz\r\nabc\r\n",
                "-1\r\n\r\n",
                "fffffffffffffffe\r\n[{",
                "3\r\nabcdef\r\n0\r\n\r\n",
            ];
            let lie = lies[random.between(0, lies.len() as u64 - 1) as usize];
            _ = say(format!("{chunked}{lie}").as_bytes());
        }
        2 => {
            _ = say(b"GET /events?verdict=all HTTP/1.1\r\nhost: x\r\n\r\n")
                && read_some(&mut stream)
        }
        3 => _ = say(b"GET /sta"),
        4 => {
            // As much as is said, but for the end.
            let body = vec![b'x'; random.between(1, 4 << 20) as usize];
            let length = body.len() + BEGUN.len() + 1;
            _ = say(format!("{HEAD}content-length: {length}\r\n\r\n{BEGUN}").as_bytes())
                && say(&body);
        }
        5 => {
            for byte in format!("{HEAD}content-length: 99\r\n\r\n{BEGUN}").bytes() {
                std::thread::sleep(time / 100);
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
            }
        }
        6 => _ = say(&[0; 3000]),
        _ => {
            let more: Vec<_> = (0..40).map(|_| TcpStream::connect(server)).collect();
            std::thread::sleep(time);
            drop(more);
        }
    }
    std::thread::sleep(time);
    match random.between(0, 2) {
        0 => reset(&stream),
        1 => _ = stream.shutdown(std::net::Shutdown::Write).is_ok() && read_some(&mut stream),
        _ => {}
    }
}

/// The beginning of an answer, if there is one.
fn read_some(stream: &mut TcpStream) -> bool {
    let patience = stream.set_read_timeout(Some(Duration::from_millis(300)));
    patience.is_ok() && stream.read(&mut [0; 700]).is_ok()
}
