//! Chance that repeats itself: splitmix64, so that a seed names one outcome.

/// A small generator of pseudo-random numbers; the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator that depends on the seed alone.
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// One of many independent generators under one seed, so that what happens to
    /// one file does not depend on how many others there are.
    pub(crate) fn stream(seed: u64, stream: u64) -> Rng {
        let mut parent = Rng(seed);
        let base = parent.next();
        Rng(base ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to `bound`, without `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True in `eighths` of eight cases.
    pub(crate) fn chance(&mut self, eighths: u64) -> bool {
        self.below(8) < eighths
    }
}
