//! Changes to inputs, by chance with a seed: bytes, stretches, words of the protocol, and pieces of other inputs.

use fastrand::Rng;

/// Inputs grow no longer than this, in bytes.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Numbers at which decoders go wrong, as the bytes they are written with.
const EDGES: [&[u8]; 10] = [
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    &[0, 0, 0, 0, 0, 0, 0, 0x80],
    b"-9223372036854775808",
];

/// Makes inputs out of others; the same seed makes the same ones.
pub struct Mutator<'a> {
    random: Rng,
    seeds: &'a [Vec<u8>],
    dictionary: &'a [&'a str],
}

impl<'a> Mutator<'a> {
    pub fn new(seed: u64, seeds: &'a [Vec<u8>], dictionary: &'a [&'a str]) -> Mutator<'a> {
        Mutator { random: Rng::with_seed(seed), seeds, dictionary }
    }

    /// The next input: one of the seeds, changed in one to eight places; without seeds, made of nothing.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.random.choice(self.seeds).cloned().unwrap_or_default();
        for _ in 0..self.random.usize(1..=8) {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.usize(0..=input.len());
        let length = self.random.usize(0..=(input.len() - at).min(64));
        match self.random.u8(0..10) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.random.u8(0..8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = self.random.u8(..);
                }
            }
            2 => drop(input.drain(at..at + length)),
            3 => {
                let piece = input[at..at + length].to_vec();
                let times = 1 << self.random.u8(0..8);
                insert(input, at, &piece.repeat(times));
            }
            4 => insert(input, at, self.random.choice(EDGES).unwrap_or_default()),
            5 | 6 => {
                let word = self.random.choice(self.dictionary).copied().unwrap_or_default();
                insert(input, at, word.as_bytes());
            }
            7 => {
                let word = self.random.choice(self.dictionary).copied().unwrap_or_default();
                insert(input, at, word.repeat(1 << self.random.u8(0..9)).as_bytes());
            }
            8 => {
                let Some(other) = self.random.choice(self.seeds) else { return };
                let from = self.random.usize(0..=other.len());
                let to = self.random.usize(from..=other.len());
                insert(input, at, &other[from..to]);
            }
            _ => input.truncate(at),
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if input.len() + piece.len() <= INPUT_BYTES_MAX {
        input.splice(at..at, piece.iter().copied());
    }
}
