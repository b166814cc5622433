//! What lies between publishers and the server, as a bad network does: connections that are reset
//! in the middle of a request or of its answer, half closed, stand still, trickle, or whose
//! request arrives when nobody waits for it any more.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::connect_unspec;

use crate::random::Random;

/// So much is passed on at once, and so much is the least that is cut off.
const PIECE_BYTES: usize = 4096;
/// How long a connection stands still at most.
const STILL_MOST_MS: u64 = 1500;

/// What becomes of a connection. Bytes are those from its beginning, a few requests.
#[derive(Copy, Clone, Debug)]
enum Fate {
    Whole,
    /// Both ends are reset when so many bytes of requests have passed.
    CutRequest(usize),
    /// The same with bytes of answers.
    CutAnswer(usize),
    /// Only its publisher is cut off behind so many bytes; what it sent arrives later.
    Late(usize, Duration),
    /// Both ends are reset when the piece with this byte was passed on, and a moment later: most
    /// pieces end a request, whose publisher is gone while it is under way.
    Left(usize, Duration),
    /// The server is told after the first piece that nothing more comes.
    HalfClosed,
    /// It stands still behind so many bytes of requests.
    Still(usize, Duration),
    /// A few bytes at a time.
    Trickle,
}

impl Fate {
    fn draw(random: &mut Random) -> Fate {
        let bytes = random.between(1, 60_000) as usize;
        let short = random.between(1, 600) as usize;
        let time = Duration::from_millis(random.between(10, STILL_MOST_MS));
        match random.between(0, 11) {
            0 => Fate::CutRequest(bytes),
            1 => Fate::CutRequest(short),
            2 => Fate::CutAnswer(bytes / 4),
            3 => Fate::CutAnswer(short),
            4 => Fate::Late(bytes, time / 4),
            5 => Fate::HalfClosed,
            6 => Fate::Still(bytes, time),
            7 => Fate::Trickle,
            8 | 9 => Fate::Left(bytes, Duration::from_micros(random.between(0, 4000))),
            _ => Fate::Whole,
        }
    }
}

/// Takes connections at an address of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    ends: Arc<Ends>,
    listens: Option<JoinHandle<()>>,
}

/// How all that is under way is ended.
#[derive(Debug, Default)]
struct Ends {
    is_over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Ends {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

impl Wire {
    pub(crate) fn to(server: SocketAddr, seed: u64) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ends = Arc::<Ends>::default();
        let thread_ends = ends.clone();
        let listens = std::thread::spawn(move || listen(&listener, server, seed, &thread_ends));
        Wire {
            address,
            ends,
            listens: Some(listens),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.ends.is_over.store(true, Ordering::SeqCst);
        let open = self.ends.open.lock();
        for stream in open.unwrap_or_else(PoisonError::into_inner).iter() {
            // One that was closed already cannot be closed again.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // So that it looks up.
        let _ = TcpStream::connect(self.address);
        if let Some(listens) = self.listens.take() {
            let _ = listens.join();
        }
    }
}

fn listen(listener: &TcpListener, server: SocketAddr, seed: u64, ends: &Ends) {
    let mut random = Random::new(seed);
    std::thread::scope(|threads| {
        loop {
            let (publisher, _) = listener.accept().expect("a connection");
            if ends.is_over() {
                return;
            }
            // No server is one more way in which a network can fail.
            let Ok(server) = TcpStream::connect(server) else {
                continue;
            };
            let fate = Fate::draw(&mut random);
            let connection = Connection {
                publisher,
                server,
                fate,
                ends,
            };
            connection.note();
            threads.spawn(move || connection.run());
        }
    });
}

struct Connection<'e> {
    publisher: TcpStream,
    server: TcpStream,
    fate: Fate,
    ends: &'e Ends,
}

impl Connection<'_> {
    /// From here on the end of the wire is the end of it, too.
    fn note(&self) {
        let open = self.ends.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        open.extend(self.publisher.try_clone());
        open.extend(self.server.try_clone());
    }

    fn run(self) {
        for stream in [&self.publisher, &self.server] {
            stream.set_nodelay(true).expect("an option");
        }
        std::thread::scope(|threads| {
            threads.spawn(|| self.answers());
            self.requests();
        });
    }

    fn requests(&self) {
        let mut sent = 0;
        let mut stood = false;
        pump(&self.publisher, |piece| {
            let before = sent;
            sent += piece.len();
            match self.fate {
                Fate::CutRequest(most) if sent >= most => {
                    let _ = (&self.server).write_all(&piece[..most - before]);
                    self.reset();
                    return false;
                }
                Fate::Late(most, time) if sent >= most => {
                    reset(&self.publisher);
                    self.wait(time);
                    let _ = (&self.server).write_all(piece);
                    // The answer is for nobody; it ends when that was sent.
                    let _ = self.server.shutdown(Shutdown::Write);
                    return false;
                }
                Fate::Left(most, time) if sent >= most => {
                    let _ = (&self.server).write_all(piece);
                    std::thread::sleep(time);
                    self.reset();
                    return false;
                }
                Fate::Still(most, time) if sent >= most && !stood => {
                    stood = true;
                    self.wait(time);
                }
                Fate::Trickle => {
                    return piece.chunks(700).all(|few| {
                        self.wait(Duration::from_millis(1));
                        (&self.server).write_all(few).is_ok()
                    });
                }
                _ => {}
            }
            let is_passed = (&self.server).write_all(piece).is_ok();
            is_passed && !matches!(self.fate, Fate::HalfClosed)
        });
        let _ = self.server.shutdown(Shutdown::Write);
    }

    fn answers(&self) {
        let mut came = 0;
        pump(&self.server, |piece| {
            let before = came;
            came += piece.len();
            if let Fate::CutAnswer(most) = self.fate
                && came >= most
            {
                let _ = (&self.publisher).write_all(&piece[..most - before]);
                self.reset();
                return false;
            }
            (&self.publisher).write_all(piece).is_ok()
        });
        // Also what was still on its way to the server: nobody takes it any more.
        let _ = self.publisher.shutdown(Shutdown::Both);
    }

    fn reset(&self) {
        reset(&self.publisher);
        reset(&self.server);
    }

    /// Not longer than there is a wire.
    fn wait(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(10);
        let mut left = time;
        while !left.is_zero() && !self.ends.is_over() {
            let step = left.min(STEP);
            std::thread::sleep(step);
            left -= step;
        }
    }
}

/// Hands on what comes, piece by piece, until nothing comes or nobody takes it.
fn pump(mut from: &TcpStream, mut hand_on: impl FnMut(&[u8]) -> bool) {
    let mut piece = [0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return,
            Ok(read) if hand_on(&piece[..read]) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Ends a connection at once, with a RST: no end of what was sent, and nothing more.
pub(crate) fn reset(stream: &TcpStream) {
    // Not possible where the other end was faster.
    let _ = connect_unspec(stream);
}
