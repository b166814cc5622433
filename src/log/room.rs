//! Room ahead of the writer, made off the acknowledging path by a thread of its own.
//!
//! Room is a whole file of zeros, written and synced before anyone needs it, that becomes
//! the next segment by a rename. So a write into a segment never has to find a block or to
//! change a length, and a full disk is met here, where nothing is at stake.
//! (Why zeros and not fallocate: a write of 26 kB with fdatasync took 128 to 181 µs into
//! zeros and 231 to 418 µs into fallocated or new blocks, p50 on ext4.)

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::LogError;
use super::inventory::RESERVE_NAME;
use super::no_room::NoRoom;
use super::recovery::put_file;
use super::room_pace::Pace;
use super::storage::{Storage, StorageFile, is_disk_full};

/// How often a full disk is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 1000 });
/// The first segment of a run; each further one is twice as large, up to the size asked for.
const FIRST_ROOM_BYTES: u64 = 4 * 1024 * 1024;
/// The least that is tried on a disk that is almost full.
const LEAST_ROOM_BYTES: u64 = 64 * 1024;
/// Zeros are written in such pieces, so that no sync of the writer waits long behind one.
const PIECE_BYTES: u64 = 256 * 1024;
/// And synced in such: a disk that keeps them in a cache of its own would else write them all at
/// the writer's next sync.
const SYNC_EVERY_BYTES: u64 = 2 * 1024 * 1024;
/// On a disk with less than this free the reserve may be given up at a start.
const NO_ROOM_BYTES: u64 = 1024 * 1024;

/// Gives the reserve up, at a start on a full disk, for something else that cannot do without
/// room. It is made anew as soon as there is room. Says whether there is more room now.
pub fn give_up_reserve(storage: &dyn Storage, dir: &Path) -> bool {
    let is_full = storage
        .free_bytes(dir)
        .is_ok_and(|free| free < NO_ROOM_BYTES);
    is_full && storage.remove(&dir.join(RESERVE_NAME)).is_ok()
}

/// What the room maker keeps to.
#[derive(Copy, Clone, Debug)]
pub struct RoomOptions {
    /// How large segments may become.
    pub segment_bytes: u64,
    /// What must stay free on the disk.
    pub min_free_bytes: u64,
    /// The size of the reserve.
    pub reserve_bytes: u64,
}

/// A file of zeros that waits to become a segment.
#[derive(Debug)]
pub struct Spare {
    /// Its temporary name.
    pub path: PathBuf,
    /// Its bytes.
    pub file: Arc<dyn StorageFile>,
    /// Its length.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    spare: Option<Spare>,
    next_bytes: u64,
    /// A frame needs this much, which the spare does not have.
    demanded: u64,
    /// The last attempt failed, for this many bytes at least.
    refused: Option<(u64, NoRoom)>,
    /// Less than `min_free_bytes` is free.
    low: Option<NoRoom>,
    stopping: bool,
    pace: Pace,
}

/// The maker of room, and its thread.
#[derive(Debug)]
pub struct RoomMaker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Tells whether room can be made.
#[derive(Clone, Debug)]
pub struct RoomView(Arc<Shared>);

impl RoomView {
    /// Why room cannot be made at present, if it cannot.
    pub fn refused(&self) -> Option<NoRoom> {
        let state = self.0.lock();
        let refused = state.refused.as_ref().map(|(_, no_room)| no_room);
        state.low.as_ref().or(refused).cloned()
    }

    /// Why nothing more may be written, though prepared room may be left.
    pub fn low(&self) -> Option<NoRoom> {
        self.0.lock().low.clone()
    }
}

#[derive(Debug)]
struct Shared {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    options: RoomOptions,
    state: Mutex<State>,
    changed: Condvar,
    /// Also in the state; here for who is in the middle of writing zeros.
    stopping: AtomicBool,
}

impl RoomMaker {
    /// Starts making room.
    pub fn start(storage: Arc<dyn Storage>, dir: &Path, options: RoomOptions) -> RoomMaker {
        let shared = Arc::new(Shared {
            storage,
            dir: dir.to_owned(),
            options,
            state: Mutex::new(State {
                next_bytes: FIRST_ROOM_BYTES.min(options.segment_bytes),
                ..State::default()
            }),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("room".into())
            .spawn(move || for_thread.run())
            .expect("a thread can be started when the store opens");
        RoomMaker {
            shared,
            thread: Some(thread),
        }
    }

    /// A file of at least `least_bytes`. Waits while one is being made.
    ///
    /// # Errors
    /// [`NoRoom`] when the disk does not give it; it is tried again every second by itself.
    pub fn take(&self, least_bytes: u64) -> Result<Spare, NoRoom> {
        let least_bytes = least_bytes.max(self.shared.floor_bytes());
        let mut state = self.shared.lock();
        loop {
            if let Some(no_room) = &state.low {
                return Err(no_room.clone());
            }
            if let Some(spare) = state.spare.take_if(|spare| spare.bytes >= least_bytes) {
                let doubled = spare.bytes.saturating_mul(2);
                state.next_bytes = doubled.clamp(
                    FIRST_ROOM_BYTES.min(self.shared.options.segment_bytes),
                    self.shared.options.segment_bytes,
                );
                state.demanded = 0;
                state.pace.was_taken(spare.bytes, Instant::now());
                self.shared.changed.notify_all();
                return Ok(spare);
            }
            match &state.refused {
                Some((bytes, no_room)) if *bytes <= least_bytes => {
                    let no_room = no_room.clone();
                    state.demanded = 0;
                    return Err(no_room);
                }
                _ => {}
            }
            if state.stopping {
                return Err(NoRoom::stopping());
            }
            if state.demanded < least_bytes {
                state.demanded = least_bytes;
                self.shared.changed.notify_all();
            }
            state = self.shared.wait(state, None);
        }
    }

    /// Why nothing more may be written, though prepared room may be left: too little is free.
    pub fn low(&self) -> Option<NoRoom> {
        self.shared.lock().low.clone()
    }

    /// What others may ask of it.
    pub fn view(&self) -> RoomView {
        RoomView(self.shared.clone())
    }

    /// Stops and removes what was not used.
    pub fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
        if let Some(spare) = self.shared.lock().spare.take() {
            // A left-over is removed at the next start.
            let _ = self.shared.storage.remove(&spare.path);
        }
    }
}

impl Drop for RoomMaker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(
        &self,
        state: MutexGuard<'g, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'g, State> {
        match timeout {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed
                    .wait_timeout(state, timeout)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        }
    }

    fn run(&self) {
        let mut has_reserve = false;
        let mut state = self.lock();
        while !state.stopping {
            let needed = state.demanded;
            let satisfied = |spare: &Spare| spare.bytes >= needed;
            if state.spare.as_ref().is_some_and(satisfied) && state.refused.is_none() {
                // Only a floor under the free space has to be looked at by and by.
                let tick = (self.options.min_free_bytes > 0).then_some(RETRY_EVERY);
                state = self.wait(state, tick);
                if tick.is_some() {
                    drop(state);
                    let low = self.low();
                    state = self.lock();
                    state.low = low;
                }
                continue;
            }
            let wanted = state.next_bytes.max(needed);
            let too_small = state.spare.take_if(|spare| !satisfied(spare));
            drop(state);
            let made = self.make(wanted, needed, too_small, &mut has_reserve);
            let low = self.low();
            state = self.lock();
            state.low = low;
            match made {
                Ok(spare) => {
                    state.spare = Some(spare);
                    state.refused = None;
                    self.changed.notify_all();
                }
                Err(no_room) => {
                    let least = needed.max(self.floor_bytes());
                    state.refused = Some((least, no_room));
                    self.changed.notify_all();
                    if state.stopping {
                        break;
                    }
                    state = self.wait(state, Some(RETRY_EVERY));
                }
            }
        }
    }

    /// The least that is ever tried.
    fn floor_bytes(&self) -> u64 {
        LEAST_ROOM_BYTES.min(self.options.segment_bytes)
    }

    fn low(&self) -> Option<NoRoom> {
        if self.options.min_free_bytes == 0 {
            return None;
        }
        let free = self.storage.free_bytes(&self.dir).ok()?;
        let floor_bytes = self.options.min_free_bytes;
        (free < floor_bytes).then(|| NoRoom::low(free, &self.dir, floor_bytes))
    }

    /// The reserve first, then a spare: as large as wanted, or what the disk still gives.
    fn make(
        &self,
        wanted: u64,
        needed: u64,
        too_small: Option<Spare>,
        has_reserve: &mut bool,
    ) -> Result<Spare, NoRoom> {
        if let Some(spare) = too_small {
            drop(spare.file);
            let _ = self.storage.remove(&spare.path);
        }
        if !*has_reserve {
            self.make_reserve()
                .map_err(|error| self.no_room(&error, self.options.reserve_bytes))?;
            *has_reserve = true;
        }
        let least = needed.max(self.floor_bytes());
        let mut bytes = wanted;
        loop {
            match self.make_spare(bytes) {
                Ok(spare) => return Ok(spare),
                Err(error) if is_disk_full(&error) && bytes / 2 >= least => bytes /= 2,
                Err(error) if is_disk_full(&error) && bytes > least => bytes = least,
                Err(error) => return Err(self.no_room(&error, bytes)),
            }
        }
    }

    fn make_reserve(&self) -> io::Result<()> {
        let names = self.storage.list(&self.dir)?;
        if names.iter().any(|name| name == RESERVE_NAME) {
            return Ok(());
        }
        let write = |file: &dyn StorageFile| self.write_zeros(file, self.options.reserve_bytes);
        match put_file(
            self.storage.as_ref(),
            &self.dir,
            &self.dir.join(RESERVE_NAME),
            write,
        ) {
            Err(LogError::Io { source, .. }) => Err(source),
            other => other.map_err(io::Error::other),
        }
    }

    fn make_spare(&self, bytes: u64) -> io::Result<Spare> {
        if self.options.min_free_bytes > 0 {
            let free = self.storage.free_bytes(&self.dir)?;
            if free.saturating_sub(bytes) < self.options.min_free_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let (path, file) = self.storage.create_temp(&self.dir)?;
        match self.write_zeros(file.as_ref(), bytes) {
            Ok(()) => Ok(Spare { path, file, bytes }),
            Err(error) => {
                drop(file);
                // A left-over is removed at the next start.
                let _ = self.storage.remove(&path);
                Err(error)
            }
        }
    }

    fn write_zeros(&self, file: &dyn StorageFile, bytes: u64) -> io::Result<()> {
        let all_begun = Instant::now();
        let mut offset = 0;
        while offset < bytes {
            if self.stopping.load(Ordering::Acquire) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let begun = Instant::now();
            let piece = (bytes - offset).min(PIECE_BYTES);
            file.write_zeros_at(piece, offset)?;
            offset += piece;
            if offset.is_multiple_of(SYNC_EVERY_BYTES) || offset == bytes {
                file.sync_data()?;
            }
            let share = offset as f64 / bytes as f64;
            self.step_back(all_begun, share, begun.elapsed());
        }
        Ok(())
    }

    /// Leaves the disk to others after a piece that took so long, unless somebody waits for room.
    fn step_back(&self, begun: Instant, made_share: f64, took: Duration) {
        let state = self.lock();
        if state.demanded == 0 && !state.stopping {
            let pause = state.pace.pause(made_share, begun.elapsed(), took);
            drop(self.wait(state, Some(pause)));
        }
    }

    fn no_room(&self, error: &io::Error, bytes: u64) -> NoRoom {
        let (storage, floor_bytes) = (self.storage.as_ref(), self.options.min_free_bytes);
        NoRoom::of(error, bytes, storage, &self.dir, floor_bytes)
    }
}
