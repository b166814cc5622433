//! The byte format of the log, version 1. This is its only description; the golden
//! files in `tests/data/golden` freeze it.
//!
//! # Rules
//!
//! 1. All numbers are unsigned and little-endian, but for times: i64, microseconds since
//!    1970-01-01T00:00:00 UTC as the clock said. Order never depends on a time.
//! 2. `crc32` is CRC-32/ISO-HDLC (zlib's): polynomial 0x04C11DB7 reflected, initial value
//!    and final XOR 0xFFFFFFFF.
//! 3. Every magic begins with 0xF7, which UTF-8 text never contains.
//! 4. Reserved bytes and padding are zero when written. A reader of this version ignores
//!    them, but CRCs cover them.
//! 5. A version-1 reader reads every version-1 log. A reader that meets a
//!    `format version` it does not know refuses the file by name.
//! 6. To refuse by name is not to call it damage: the bytes are good, and a later version
//!    wrote them.
//! 7. `bytes a..b` are those from offset a up to, and without, offset b.
//!
//! # The directory `log/`
//!
//! | name | what |
//! |---|---|
//! | `log.meta` | the log's identity, below |
//! | `N.seg`, N of 20 decimal digits | the segment whose first event has, or will have, seq N |
//! | `torn-N-OFFSET.bin` | bytes that recovery cut from segment N at OFFSET; others from there: `torn-N-OFFSET-2.bin` … Never read again |
//! | `reserve` | zeros: room that recovery may use on a full disk |
//! | `.tmp-*` | not yet what it will be; removed at start |
//!
//! A reader ignores other names. A log without segments holds nothing yet.
//!
//! # `log.meta`, 48 bytes
//!
//! | offset | size | field | |
//! |---|---|---|---|
//! | 0 | 8 | magic | F7 4F 4C 4D 45 54 41 00 (F7 `OLMETA` 00) |
//! | 8 | 2 | format version | 1 |
//! | 10 | 6 | reserved | 0 |
//! | 16 | 16 | log id | random |
//! | 32 | 8 | made at | time |
//! | 40 | 4 | reserved | 0 |
//! | 44 | 4 | crc | crc32(bytes 0..44) |
//!
//! Where it is missing or damaged, the segment headers tell the log id, and the next start
//! makes it anew.
//!
//! # A segment
//!
//! ```text
//!  ┌────────────────────┬───────┬───────┬─────┬───────────────────────────────────┐
//!  │ segment header, 64 │ frame │ frame │  …  │ zeros: prepared room              │  active
//!  └────────────────────┴───────┴───────┴─────┴───────────────────────────────────┘
//!  ┌────────────────────┬───────┬───────┬─────┬──────────────┐
//!  │ segment header, 64 │ frame │ frame │  …  │ seal frame   │                       sealed
//!  └────────────────────┴───────┴───────┴─────┴──────────────┘
//! ```
//! Frames follow each other without a gap, the first at offset 64, each at a multiple
//! of 8. The frames of an active segment end where only zeros follow, up to the end of the
//! file, or nothing.
//!
//! The first segment's first seq is 1. A segment holds the seqs from its own first seq up
//! to the one before the next segment's. Every segment but the last is sealed, and its file
//! ends with its seal frame. The last one may be sealed too, and prepared room may still
//! follow its seal: the seal is synced, then the room is cut, then the cut is synced, and
//! only then a further segment begins. A segment that holds no seq is never sealed; the
//! next one has its name and takes its place.
//!
//! ## Segment header, 64 bytes
//!
//! | offset | size | field | |
//! |---|---|---|---|
//! | 0 | 8 | magic | F7 4F 4E 43 45 4C 4F 47 (F7 `ONCELOG`) |
//! | 8 | 2 | format version | 1 |
//! | 10 | 2 | fold version | of the rules that give verdicts, JSON comparison included: 1. Who only reads events need not know it |
//! | 12 | 4 | reserved | 0 |
//! | 16 | 16 | log id | as in `log.meta` |
//! | 32 | 8 | first seq | as in the file's name |
//! | 40 | 8 | salt | random; never shown outside the log |
//! | 48 | 8 | made at | time |
//! | 56 | 4 | reserved | 0 |
//! | 60 | 4 | crc | crc32(bytes 0..60) |
//!
//! # A frame
//!
//! ```text
//!  ┌──────────────────┬─────────────────────────┬───────────────────┐
//!  │ frame header, 64 │ payload, `length` bytes │ 0 to 7 zero bytes │
//!  └──────────────────┴─────────────────────────┴───────────────────┘
//! ```
//!
//! ## Frame header, 64 bytes
//!
//! | offset | size | field | |
//! |---|---|---|---|
//! | 0 | 4 | magic | F7 4F 4C 46 (F7 `OLF`) |
//! | 4 | 1 | type | below |
//! | 5 | 1 | key rule | `events`, `erased`: 1 = (topic, event id), 2 = (source, event id); else 0 |
//! | 6 | 2 | flags | below |
//! | 8 | 4 | length | of the payload in bytes, at most 2³⁰ |
//! | 12 | 4 | count | of seqs the frame takes: 0 for `mark`, `seal`, `control`; at least 1 for `hole`; 1 to 2²⁴ for `events`, `erased` |
//! | 16 | 8 | first seq | of the frame's first event; where it has none, of the next event |
//! | 24 | 8 | received at | time |
//! | 32 | 8 | durable up to | the last seq known to be synced when this was written; smaller than first seq |
//! | 40 | 8 | origin epoch | of a replicated sequencer; 0 = none |
//! | 48 | 8 | origin seq | likewise |
//! | 56 | 4 | payload crc | crc32(context ‖ header bytes 0..56 ‖ payload ‖ padding) |
//! | 60 | 4 | header crc | crc32(context ‖ header bytes 0..60) |
//!
//! context, 40 bytes = salt (8) ‖ log id (16) ‖ first seq of the segment (8) ‖ offset of
//! the frame in the file (8). So a stale, misplaced or forged frame never passes.
//!
//! A frame header is valid if magic and header crc are right and `length` is within its
//! limit; a frame, if its header is and its payload crc is right. No crash makes a valid
//! frame that breaks the rules below, or whose payload is not what its type says: that is
//! always damage.
//!
//! The first frame's first seq is the segment's; each further frame's first seq is the
//! previous one's plus its count. Key rules other than 1 and 2 in `events` and `erased` are
//! refused by name.
//!
//! ## Types
//!
//! Numbers are never reused. A reader that does not know a type skips the frame if the
//! number is 128 or more and its count is 0, and else refuses the log by name.
//!
//! | type | name | payload |
//! |---|---|---|
//! | 1 | `events` | one batch: the bincode struct `EventsPayload` below |
//! | 2 | `mark` | none. Proves `durable up to` while nothing else is written. |
//! | 3 | `seal` | the segment's footer, below; the segment's last frame |
//! | 4 | `hole` | none. `count` seqs whose bytes are gone; their verdict is `lost`. |
//! | 5 | `erased` | a batch whose payloads were dropped: the bincode struct `ErasedPayload` |
//! | 6 | `control` | reserved; starts with a u32 kind. No seq, no effect on the fold. |
//!
//! ## Flags
//!
//! Bits 0 to 7 must be understood: a reader that meets an unknown one refuses the log by
//! name, also on a type that it would skip. Bits 8 to 15 may be ignored. Known: bit 0, on
//! `mark` only: the shutdown mark, written after everything before it was synced, as the
//! last frame of a clean stop. The next run may go on behind it in the same segment.
//!
//! ## Payload of `events` and `erased`
//!
//! bincode 1.3 with variable-length integers: u8 as it is; any other unsigned integer n
//! as one byte if n < 251, else byte 251 and a u16, byte 252 and a u32, byte 253 and a
//! u64, the shortest that holds it (a reader takes any). A list or a string is its length
//! (such an integer) and its elements or bytes; strings are UTF-8. An option is byte 0, or
//! byte 1 and the value. A tuple or struct is its fields in order; an array of fixed length
//! its elements. No bytes follow. Other first bytes of an integer or an option are damage;
//! an unknown `kind` or `verdict` is refused by name.
//!
//! ```text
//! EventsPayload  attributes: list of (name: string, value: string)      of the batch
//!                events:     list of Event, exactly `count`
//! Event          topic:      string
//!                event_id:   string
//!                source:     string                                     empty: not given
//!                timestamp:  option of string                           as sent
//!                kind:       u8                                         0 JSON (UTF-8), 1 bytes
//!                payload:    list of u8                                 as sent
//!                attributes: list of (name: string, value: string)
//!
//! ErasedPayload  topics:     list of string
//!                events:     list of ErasedEvent, exactly `count`
//! ErasedEvent    topic:      u32                                        place in topics
//!                verdict:    u8                                         1 stored 2 duplicate 3 conflict
//!                key:        16 bytes                                   digest of the dedup key
//!                payload:    16 bytes                                   digest of the payload
//!                canonical:  32 bytes                                   digest of its canonical form
//! ```
//!
//! ## Payload of `seal`
//!
//! ```text
//!  ┌──────────────────────────┬───────────────────────────────────────┬───────────────────────────────────┐
//!  │ the segment header, 64   │ n × (first seq u64, frame offset u64) │ seal offset u64 │ n u32 │ magic   │
//!  └──────────────────────────┴───────────────────────────────────────┴───────────────────────────────────┘
//! ```
//! The pairs name some frames that take seqs, in order: the first one, and then each that
//! starts 32 768 bytes or more after the one named before it; so a reader can check them.
//! `seal offset` is where this seal frame starts; magic: F7 4F 4C 53 (F7 `OLS`). The
//! payload is a multiple of 8 long, so the last 16 bytes of a sealed file lead to its seal.
//!
//! # What is durable, what is torn
//!
//! Frames are written in groups, and a group only after the one before it was synced. A
//! frame that takes no seqs is a group of its own. A seal, a shutdown mark and a further
//! segment come only after all before them was synced; `durable up to` is a fact when it is
//! written. So who reads beside a running writer takes as durable what one of these shows
//! to be so, and valid frames behind it as unproven.
//!
//! So where the bytes at which seq n is due are no valid frame, zeros included, each of
//! these proves that they were durable, and are damaged:
//! 1. further on in the segment, a valid frame header whose `durable up to` is n or more;
//! 2. or one whose `first seq` is n and whose count is not 0 (the bad bytes are those of a
//!    frame that takes no seqs);
//! 3. or one of a seal or a shutdown mark;
//! 4. a further segment;
//! 5. an index of this log that was flushed up to n or more.
//!
//! Further on is at every multiple of 8 behind the bad bytes' own start; where a valid
//! header stands at that start, from where its `length` says that its frame ends. A valid
//! frame among them that gives no such evidence is of the same group: groups persist out of
//! order.
//!
//! Without such evidence they are a torn tail: unfinished, never acknowledged. All behind
//! its start belongs to it. Damage to the last group while nothing yet proves it looks the
//! same: undecidable. A segment header, `log.meta`, and a seal whose table or trailer is
//! wrong are never torn: they got their names, or their CRC, whole.

use std::fmt;
use std::ops::RangeInclusive;

/// The version that this code writes.
pub const FORMAT_VERSION: u16 = 1;
/// The version of the rules that give verdicts, JSON comparison included.
pub const FOLD_VERSION: u16 = 1;
/// Frames start at multiples of it.
pub const FRAME_ALIGN_BYTES: u64 = 8;
/// Length of a segment header and of a frame header.
pub const HEADER_BYTES: usize = 64;
/// Length of `log.meta`.
pub const META_BYTES: usize = 48;
/// The longest payload that the format can have.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// The most events that a frame can have.
pub const FRAME_EVENTS_MAX: u32 = 1 << 24;
/// About how far apart the frames named in a seal are.
pub const SEAL_SPACING_BYTES: u64 = 32 * 1024;
/// One pair in a seal.
pub const SEAL_ENTRY_BYTES: usize = 16;
/// The end of a seal that leads to its start.
pub const SEAL_TRAILER_BYTES: usize = 16;

/// Starts `log.meta`.
pub const META_MAGIC: [u8; 8] = [0xF7, b'O', b'L', b'M', b'E', b'T', b'A', 0];
/// Starts a segment.
pub const SEGMENT_MAGIC: [u8; 8] = [0xF7, b'O', b'N', b'C', b'E', b'L', b'O', b'G'];
/// Starts a frame.
pub const FRAME_MAGIC: [u8; 4] = [0xF7, b'O', b'L', b'F'];
/// Ends a sealed segment.
pub const SEAL_MAGIC: [u8; 4] = [0xF7, b'O', b'L', b'S'];

/// Unknown types from this number on may be skipped.
pub const SKIPPABLE_TYPE_MIN: u8 = 128;
/// Flags that a reader must understand.
pub const REQUIRED_FLAGS_MASK: u16 = 0x00FF;
/// On a mark: the last frame of a clean stop.
pub const FLAG_SHUTDOWN: u16 = 0x0001;

/// What a frame is. Persisted: the discriminants never change.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameType {
    /// One batch.
    Events = 1,
    /// Proof of durability, or of a clean stop.
    Mark = 2,
    /// The footer of a sealed segment.
    Seal = 3,
    /// Seqs whose bytes are gone.
    Hole = 4,
    /// A batch whose payloads were dropped.
    Erased = 5,
    /// Reserved.
    Control = 6,
}

impl FrameType {
    /// The type with this number, if this version knows it.
    pub const fn from_number(number: u8) -> Option<FrameType> {
        match number {
            1 => Some(FrameType::Events),
            2 => Some(FrameType::Mark),
            3 => Some(FrameType::Seal),
            4 => Some(FrameType::Hole),
            5 => Some(FrameType::Erased),
            6 => Some(FrameType::Control),
            _ => None,
        }
    }

    /// Its name, as `dump` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            FrameType::Events => "events",
            FrameType::Mark => "mark",
            FrameType::Seal => "seal",
            FrameType::Hole => "hole",
            FrameType::Erased => "erased",
            FrameType::Control => "control",
        }
    }

    /// Whether its frames take seqs.
    pub const fn takes_seqs(self) -> bool {
        *self.counts().end() > 0
    }

    /// How many seqs a frame of it may take.
    pub const fn counts(self) -> RangeInclusive<u32> {
        match self {
            FrameType::Events | FrameType::Erased => 1..=FRAME_EVENTS_MAX,
            FrameType::Hole => 1..=u32::MAX,
            FrameType::Mark | FrameType::Seal | FrameType::Control => 0..=0,
        }
    }
}

/// A log's identity: 16 random bytes.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `bytes` rounded up to where the next frame may start.
pub const fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(FRAME_ALIGN_BYTES)
}

/// The bytes that a frame with a payload of this length takes in the file.
pub const fn frame_bytes(payload_bytes: u64) -> u64 {
    HEADER_BYTES as u64 + aligned(payload_bytes)
}

/// The bytes of a seal that names this many frames.
pub const fn seal_bytes(entries: usize) -> u64 {
    frame_bytes((HEADER_BYTES + entries * SEAL_ENTRY_BYTES + SEAL_TRAILER_BYTES) as u64)
}
