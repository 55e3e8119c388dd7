//! The store from outside: real folders, real logs, real parts.

// Helpers of tests may panic as tests do; clippy's exemption sees only functions marked as tests.
#![allow(clippy::unwrap_used)]

mod compaction;
mod concurrency;
mod crash;
mod deletion;
mod histories;
mod journey;
mod numbered;
mod retention;
mod stories;
mod traces;
mod transfer;
