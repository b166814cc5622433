//! How far what is remembered of the log reaches. None of it decides a verdict; tests make it
//! small.

/// The sizes.
#[derive(Clone, Debug)]
pub(in super::super) struct Reach {
    /// Hits whose seqs are so far apart at most are neighbours. So a window answers dozens of
    /// ids at least, which is what it costs.
    pub(in super::super) near: u64,
    /// So many neighbours one after the other are an order. Of random ids out of a million not
    /// one in ten millions is so by chance.
    pub(in super::super) steps: u32,
    /// How many arrivals before the hit are remembered, if its frame has them.
    pub(in super::super) before: u64,
    /// How many behind it are read.
    pub(in super::super) after: u64,
    /// How many a load takes at most, where a frame has more of them.
    pub(in super::super) load_max: usize,
    /// How many keys are remembered at most: what a table of 65 536 places holds. 0: none.
    pub(in super::super) kept_max: usize,
    /// How many keys are looked up first.
    pub(in super::super) sample: usize,
    /// From how many on, where order is expected: fewer are read at once in the same time.
    pub(in super::super) sampled_from: usize,
    /// From how many on in any case: a sample then takes a small part of the time of all.
    pub(in super::super) always_sampled_from: usize,
    /// How many answers a load must bring.
    pub(in super::super) load_cost: u64,
    /// How many answers are saved up for loads.
    pub(in super::super) credit_max: u64,
    /// For how many arrivals nothing is loaded after a load that failed, or when loads do not pay.
    pub(in super::super) rest: u64,
    /// After so many keys without an answer all is forgotten.
    pub(in super::super) idle_max: u64,
}

impl Default for Reach {
    fn default() -> Reach {
        Reach {
            near: 64,
            steps: 3,
            before: 512,
            after: 4096,
            load_max: 8192,
            kept_max: 57_344,
            sample: 6,
            sampled_from: 32,
            always_sampled_from: 1024,
            load_cost: 64,
            credit_max: 1024,
            rest: 65_536,
            idle_max: 1 << 18,
        }
    }
}
