//! The store from outside: real folders, real logs, real parts.

mod concurrency;
mod crash;
mod journey;
mod numbered;
