//! Questions over a real store in a folder: memory rows and parts at once.
#![cfg(test)]

mod asking;
mod bubble_up;
mod codes;
mod damage;
mod honeycomb;
mod limits;
mod map;
mod percentiles;
mod pruned;
mod rest;
mod rql;
mod scanning;
mod sql;
mod stage;
mod streaming;
mod trace_questions;
mod xray_filter;
