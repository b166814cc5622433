//! Publishers and readers who go on whatever happens to the server, and take all of it down in
//! the book.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::book::{Book, Event, body, seqs};
use super::served::Served;

const BATCH_EVENTS: u64 = 16;
const BATCH_EVERY: Duration = Duration::from_millis(15);
const READ_EVERY: Duration = Duration::from_millis(120);

/// Two publishers, a reader and one who fetches receipts, all at work on one server.
pub struct Traffic {
    book: Arc<Mutex<Book>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    pub reads: Arc<Reads>,
}

/// How the reader fared.
#[derive(Default)]
pub struct Reads {
    pub whole: AtomicU64,
    /// Refused, or broken off for all to see.
    pub refused: AtomicU64,
}

impl Traffic {
    /// Starts them. Each publisher's ids begin where the book ends.
    pub fn start(server: &Arc<Served>, book: Book) -> Traffic {
        let known = book.events.len() as u64;
        let mut traffic = Traffic {
            book: Arc::new(Mutex::new(book)),
            stop: Arc::default(),
            threads: Vec::new(),
            reads: Arc::default(),
        };
        for publisher in 0..2 {
            let mut random = Random(0x9e37_79b9 + publisher);
            let mut next = known * 2 + publisher;
            traffic.spawn(server, BATCH_EVERY, move |server, book, _| {
                let batch: Vec<Event> = (0..BATCH_EVENTS)
                    .map(|_| {
                        // A quarter new, the others anything that may have been.
                        let new = random.below(4) == 0;
                        next += if new { 2 } else { 0 };
                        let id = if new { next } else { random.below(next + 1) };
                        let variant = if new { 0 } else { random.below(3) as u8 };
                        Event { id, variant }
                    })
                    .collect();
                let answer = server.publish(body(&batch));
                lock(book).take(&batch, &answer);
            });
        }
        traffic.spawn(server, READ_EVERY, read_events);
        traffic.spawn(server, READ_EVERY, |server, book, _| {
            fetch_promised(server, book)
        });
        traffic
    }

    fn spawn(
        &mut self,
        server: &Arc<Served>,
        every: Duration,
        mut step: impl FnMut(&Served, &Mutex<Book>, &Reads) + Send + 'static,
    ) {
        let server = Arc::clone(server);
        let (book, stop) = (Arc::clone(&self.book), Arc::clone(&self.stop));
        let reads = Arc::clone(&self.reads);
        self.threads.push(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                step(&server, &book, &reads);
                std::thread::sleep(every);
            }
        }));
    }

    /// How many publishes were answered so.
    pub fn answered(&self, status: u16) -> u64 {
        lock(&self.book).answers.get(&status).copied().unwrap_or(0)
    }

    /// Stops them and checks that all went well.
    pub fn stop(mut self) -> Book {
        assert!(self.end(), "something wrong was answered");
        let book = std::mem::take(&mut *lock(&self.book));
        book.check_verdicts();
        book
    }

    /// Ends the threads; whether none of them panicked.
    fn end(&mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self
            .threads
            .drain(..)
            .filter_map(|thread| thread.join().err());
        failed.count() == 0
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().expect("nothing wrong was answered")
}

/// Reads everything; whatever looks like a whole answer must have all that was promised.
fn read_events(server: &Served, book: &Mutex<Book>, reads: &Reads) {
    for verdict in ["stored", "conflict"] {
        let due = lock(book).known_to_be(verdict);
        let path = format!("/events?verdict={verdict}");
        let counted = match server.try_get(&path) {
            Ok(answer) if answer.status == 200 => {
                let found: BTreeSet<u64> = seqs(&answer).collect();
                let missing: Vec<&u64> = due.difference(&found).collect();
                assert!(missing.is_empty(), "{path} lacks {missing:?}");
                &reads.whole
            }
            Ok(answer) => {
                answer.assert_problem(503, "index_unavailable");
                assert!(answer.header("retry-after").is_some());
                &reads.refused
            }
            Err(_) => &reads.refused,
        };
        counted.fetch_add(1, Ordering::Relaxed);
    }
}

fn fetch_promised(server: &Served, book: &Mutex<Book>) {
    let promised = std::mem::take(&mut lock(book).promised);
    let late: Vec<String> = promised
        .into_iter()
        .filter(|path| {
            let answer = server.get(path);
            !lock(book).take_receipts(path, &answer)
        })
        .collect();
    lock(book).promised.extend(late);
}

/// Xorshift: good enough, and the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
