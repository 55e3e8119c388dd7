//! Hashing of ids, which are random already: one multiplication, with a secret so that nobody can choose ids that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers that share a secret.
#[derive(Clone, Copy, Debug)]
pub struct IdHashes(u64);

impl Default for IdHashes {
    fn default() -> IdHashes {
        IdHashes(RandomState::new().build_hasher().finish() | 1)
    }
}

impl BuildHasher for IdHashes {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { secret: self.0, state: self.0 }
    }
}

/// Mixes each eight bytes into the state by a full multiplication whose halves are folded together.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher {
    secret: u64,
    state: u64,
}

impl IdHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.secret ^ 0x9e37_79b9_7f4a_7c15);
        self.state = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32);
    }
}

impl Hasher for IdHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * u128::from(self.secret);
        (product as u64) ^ ((product >> 64) as u64)
    }
}
