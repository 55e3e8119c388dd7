//! The real binary on free ports, as its users meet it.

#![cfg(test)]

mod back_pressure;
mod crash;
mod grpc;
mod harness;
mod hostile;
mod retries;
mod round_trip;
mod secrets;
mod shutdown;
