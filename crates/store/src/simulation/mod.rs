//! The store under a fake clock and on a fake disk, one step after another, from a seed.

pub(crate) mod disk;
pub(crate) mod random;
