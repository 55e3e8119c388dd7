//! The generators: the same for the same seed, what they claim to be, and readable by others.

#![cfg(test)]

mod data_sets;
mod generators;
