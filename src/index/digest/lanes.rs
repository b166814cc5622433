//! BLAKE3 of many short messages at once: one in each lane of the widest vectors that the
//! processor has.
//!
//! Names and small payloads have one to five blocks, which the `blake3` crate hashes one after
//! the other; it goes wide only within a message of more than a chunk. A batch has hundreds of
//! such messages, so here each lane has one of them, and takes the next when it is done. After
//! the paper (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: BLAKE3, 2020, §2); the values are
//! those of the crate.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u32x16};

use super::first_16;

/// What is longer has more than one chunk, and is left to the crate.
const MESSAGE_BYTES_MAX: usize = 1024;

const LANES: usize = 16;
const BLOCK_BYTES: usize = 64;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 1 << 1;
const ROOT: u32 = 1 << 3;

const IV: [u32; 8] = [
    0x6A09_E667,
    0xBB67_AE85,
    0x3C6E_F372,
    0xA54F_F53A,
    0x510E_527F,
    0x9B05_688C,
    0x1F83_D9AB,
    0x5BE0_CD19,
];

const ROUNDS: usize = 7;
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/// Which word of the block comes in which place of each round.
const SCHEDULE: [[usize; 16]; ROUNDS] = {
    let mut schedule = [[0; 16]; ROUNDS];
    let mut round = 0;
    while round < ROUNDS {
        let mut place = 0;
        while place < 16 {
            schedule[round][place] = match round {
                0 => place,
                _ => schedule[round - 1][PERMUTATION[place]],
            };
            place += 1;
        }
        round += 1;
    }
    schedule
};

/// The first 16 bytes of the hash of each message.
pub(super) fn hash_all(messages: &[&[u8]]) -> Vec<[u8; 16]> {
    hash_all_at(Level::new(), messages)
}

fn hash_all_at(level: Level, messages: &[&[u8]]) -> Vec<[u8; 16]> {
    let mut hashes = vec![[0; 16]; messages.len()];
    let is_short = |message: &[u8]| message.len() <= MESSAGE_BYTES_MAX;
    for (hash, message) in hashes.iter_mut().zip(messages) {
        if !is_short(message) {
            *hash = first_16(blake3::hash(message));
        }
    }
    dispatch!(level, simd => {
        let mut lanes = Lanes::new();
        let all = messages.iter().copied().enumerate();
        let mut waiting = all.filter(|(_, message)| is_short(message));
        let mut at_work: [Option<Message<'_>>; LANES] =
            std::array::from_fn(|lane| lanes.begin(lane, waiting.next()));
        while at_work.iter().any(Option::is_some) {
            for (lane, message) in at_work.iter_mut().enumerate() {
                if let Some(message) = message {
                    lanes.load_block(lane, message);
                }
            }
            lanes.compress(simd);
            for (lane, message) in at_work.iter_mut().enumerate() {
                if let Some(Message { number, .. }) = message
                    && lanes.flags[lane] & ROOT != 0
                {
                    hashes[*number] = lanes.hash(lane);
                    *message = lanes.begin(lane, waiting.next());
                }
            }
        }
    });
    hashes
}

/// A message in a lane.
struct Message<'m> {
    number: usize,
    /// What is not yet hashed.
    rest: &'m [u8],
    is_begun: bool,
}

/// A block in each lane, and what was hashed before it. The lane is the last index, so that
/// one vector takes a word of all.
struct Lanes {
    chaining: [[u32; LANES]; 8],
    block: [[u32; LANES]; 16],
    block_bytes: [u32; LANES],
    flags: [u32; LANES],
}

impl Lanes {
    fn new() -> Lanes {
        Lanes {
            chaining: [[0; LANES]; 8],
            block: [[0; LANES]; 16],
            block_bytes: [0; LANES],
            flags: [0; LANES],
        }
    }

    fn begin<'m>(
        &mut self,
        lane: usize,
        message: Option<(usize, &'m [u8])>,
    ) -> Option<Message<'m>> {
        let (number, rest) = message?;
        for (words, start) in self.chaining.iter_mut().zip(IV) {
            words[lane] = start;
        }
        Some(Message {
            number,
            rest,
            is_begun: false,
        })
    }

    #[inline(always)]
    fn load_block(&mut self, lane: usize, message: &mut Message<'_>) {
        let start = if message.is_begun { 0 } else { CHUNK_START };
        message.is_begun = true;
        let length = message.rest.len().min(BLOCK_BYTES);
        let (now, later) = message.rest.split_at(length);
        let end = if later.is_empty() {
            CHUNK_END | ROOT
        } else {
            0
        };
        message.rest = later;
        self.flags[lane] = start | end;
        self.block_bytes[lane] = length as u32;
        match now.first_chunk() {
            Some(full) => self.load_words(lane, full),
            None => {
                let mut padded = [0; BLOCK_BYTES];
                padded[..length].copy_from_slice(now);
                self.load_words(lane, &padded);
            }
        }
    }

    #[inline(always)]
    fn load_words(&mut self, lane: usize, block: &[u8; BLOCK_BYTES]) {
        let (words, _) = block.as_chunks::<4>();
        for (to, word) in self.block.iter_mut().zip(words) {
            to[lane] = u32::from_le_bytes(*word);
        }
    }

    /// The compression function, for all lanes. A chunk has the number 0.
    #[inline(always)]
    fn compress<S: Simd>(&mut self, simd: S) {
        let all = |words: &[u32; LANES]| u32x16::from_slice(simd, words);
        let block: [u32x16<S>; 16] = std::array::from_fn(|word| all(&self.block[word]));
        let mut state: [u32x16<S>; 16] = std::array::from_fn(|word| match word {
            0..8 => all(&self.chaining[word]),
            8..12 => u32x16::splat(simd, IV[word - 8]),
            14 => all(&self.block_bytes),
            15 => all(&self.flags),
            _ => u32x16::splat(simd, 0),
        });
        for places in &SCHEDULE {
            let word = |place: usize| block[places[place]];
            mix(&mut state, [0, 4, 8, 12], word(0), word(1));
            mix(&mut state, [1, 5, 9, 13], word(2), word(3));
            mix(&mut state, [2, 6, 10, 14], word(4), word(5));
            mix(&mut state, [3, 7, 11, 15], word(6), word(7));
            mix(&mut state, [0, 5, 10, 15], word(8), word(9));
            mix(&mut state, [1, 6, 11, 12], word(10), word(11));
            mix(&mut state, [2, 7, 8, 13], word(12), word(13));
            mix(&mut state, [3, 4, 9, 14], word(14), word(15));
        }
        for (word, chaining) in self.chaining.iter_mut().enumerate() {
            (state[word] ^ state[word + 8]).store_slice(chaining);
        }
    }

    fn hash(&self, lane: usize) -> [u8; 16] {
        let mut hash = [0; 16];
        let (words, _) = hash.as_chunks_mut::<4>();
        for (to, from) in words.iter_mut().zip(&self.chaining) {
            *to = from[lane].to_le_bytes();
        }
        hash
    }
}

#[inline(always)]
fn mix<S: Simd>(
    state: &mut [u32x16<S>; 16],
    [a, b, c, d]: [usize; 4],
    first: u32x16<S>,
    second: u32x16<S>,
) {
    state[a] = state[a] + state[b] + first;
    state[d] = rotated(state[d] ^ state[a], 16);
    state[c] += state[d];
    state[b] = rotated(state[b] ^ state[c], 12);
    state[a] = state[a] + state[b] + second;
    state[d] = rotated(state[d] ^ state[a], 8);
    state[c] += state[d];
    state[b] = rotated(state[b] ^ state[c], 7);
}

/// To the right.
#[inline(always)]
fn rotated<S: Simd>(words: u32x16<S>, bits: u32) -> u32x16<S> {
    (words >> bits) | (words << (32 - bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_as_the_crate_says(messages: &[&[u8]]) {
        let expected: Vec<[u8; 16]> = messages
            .iter()
            .map(|message| first_16(blake3::hash(message)))
            .collect();
        for level in [Level::new(), Level::baseline()] {
            assert_eq!(hash_all_at(level, messages), expected, "{level:?}");
        }
    }

    #[test]
    fn messages_of_every_length_are_hashed_as_by_the_crate() {
        let bytes: Vec<u8> = (0..MESSAGE_BYTES_MAX + 100)
            .map(|at| (at % 251) as u8)
            .collect();
        let messages: Vec<&[u8]> = (0..=bytes.len()).map(|len| &bytes[..len]).collect();
        assert_as_the_crate_says(&messages);
    }

    proptest! {
        #[test]
        fn lanes_that_end_at_different_times_do_not_mix_messages(
            messages in prop::collection::vec(
                prop::collection::vec(any::<u8>(), 0..=300), 0..70)
        ) {
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            assert_as_the_crate_says(&messages);
        }
    }
}
