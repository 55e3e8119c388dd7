//! The real binary on free ports, as its users meet it.

#![cfg(test)]

mod back_pressure;
mod captured_map;
mod crash;
mod disk_full;
mod grpc;
mod harness;
mod hostile;
mod insights;
mod retention;
mod retries;
mod round_trip;
mod secrets;
mod settle;
mod shutdown;
mod sql_stream;
mod transfer;
