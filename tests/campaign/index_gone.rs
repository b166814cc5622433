//! Files of the index that are removed, cut, damaged or replaced under the running server,
//! which is killed soon after.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::life::{Killed, OPTIONS, Place};
use crate::process::{Oncelog, PATIENCE};
use crate::random::Random;

const MANY_BITS: u32 = 32;

/// A directory whose server is killed when somebody has been at its index.
pub(crate) struct IndexGone<'d> {
    killed: Killed<'d>,
    /// How the files of the index were before.
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl IndexGone<'_> {
    pub(crate) fn in_dir(dir: &Path) -> IndexGone<'_> {
        IndexGone {
            killed: Killed(dir),
            before: Vec::new(),
        }
    }

    fn index(&self) -> PathBuf {
        self.data_dir().join("index")
    }

    /// All but what SQLite maps: who cuts that kills the server, which is a crash like others.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.index()).into_iter().flatten();
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut files: Vec<PathBuf> = paths
            .filter(|path| !path.to_string_lossy().ends_with("-shm"))
            .collect();
        files.sort();
        files
    }

    fn meddle(&mut self, random: &mut Random) {
        let files = self.files();
        let Some(last) = files.len().checked_sub(1) else {
            return;
        };
        let file = &files[random.between(0, last as u64) as usize];
        // A run may be gone in every moment, because it was merged: what fails then, need not be.
        let bytes = fs::metadata(file).map_or(0, |found| found.len());
        let open = || OpenOptions::new().write(true).open(file);
        match random.between(0, 7) {
            0 => drop(fs::remove_dir_all(self.index())),
            1 => drop(fs::remove_file(file)),
            2 => drop(open().and_then(|file| file.set_len(random.between(0, bytes)))),
            3 => flip_bits(file, 1, random),
            4 => {
                // So many that a look-up soon meets one.
                let is_run = |path: &&PathBuf| path.extension().is_some_and(|end| end == "run");
                for run in files.iter().filter(is_run) {
                    flip_bits(run, MANY_BITS, random);
                }
            }
            5 => {
                let other = file.with_extension("other");
                drop(fs::write(&other, vec![0xa5; bytes as usize]));
                drop(fs::rename(other, file));
            }
            6 => drop(fs::copy(file, file.with_extension("run"))),
            _ => {
                // A backup that somebody puts back, one file or all of it.
                let is_one = random.percent(50);
                for (path, bytes) in &self.before {
                    if !is_one || path == file {
                        drop(fs::write(path, bytes));
                    }
                }
            }
        }
    }
}

impl Place for IndexGone<'_> {
    fn data_dir(&self) -> &Path {
        self.killed.data_dir()
    }

    /// A damage may lie where nobody has read. Whoever meets it first has an answer that breaks
    /// off, or none, and makes that the index is folded anew: it is asked for until all is told.
    fn start(&mut self) -> Oncelog {
        let server = Oncelog::start_with(self.data_dir(), &OPTIONS);
        let client = Client::new(server.address);
        let until = Instant::now() + PATIENCE;
        let is_told = || {
            let asked = client.try_get("/events?verdict=all");
            asked.is_ok_and(|answer| answer.status == 200)
        };
        while !is_told() {
            assert!(Instant::now() < until, "{}", server.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn trouble(&mut self, _server: &Oncelog, random: &mut Random) {
        let before = self.files().into_iter().filter_map(|path| {
            let bytes = fs::read(&path).ok()?;
            Some((path, bytes))
        });
        self.before = before.collect();
        // So that it has gone on from there.
        std::thread::sleep(Duration::from_millis(random.between(0, 400)));
        for _ in 0..random.between(1, 3) {
            self.meddle(random);
        }
        std::thread::sleep(Duration::from_millis(random.between(0, 600)));
    }

    fn crash(&mut self, server: Oncelog) {
        self.killed.crash(server);
    }
}

/// So many in every page, wherever chance has them: whoever does not check what is read takes it.
fn flip_bits(path: &Path, in_page: u32, random: &mut Random) {
    let Ok(mut bytes) = fs::read(path) else {
        return;
    };
    let Ok(file) = OpenOptions::new().write(true).open(path) else {
        return;
    };
    for (number, page) in bytes.chunks_mut(4096).enumerate() {
        for _ in 0..in_page {
            let at = random.between(0, page.len() as u64 - 1) as usize;
            page[at] ^= 1 << random.between(0, 7);
        }
        drop(file.write_all_at(page, number as u64 * 4096));
    }
}
