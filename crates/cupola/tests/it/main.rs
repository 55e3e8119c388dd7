//! The real binary on free ports, as its users meet it.

#![cfg(test)]

mod crash;
mod disk_full;
mod harness;
mod hostile;
mod round_trip;
mod settle;
mod shutdown;
mod transfer;
