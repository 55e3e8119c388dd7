//! Questions to answers: the only crate that executes.
//!
//! A question is SQL or one of the typed ones in [`ask`]; it becomes a DataFusion plan over the tables `spans`, `logs`
//! and `metrics` of one project, as of one consistent snapshot of the store. Plans run on threads of their own, within a
//! memory pool of their own and a time limit, so that no question slows ingest down.
//!
//! Absent on purpose: writing, and any path from one project's session to another's rows.

mod answer;
pub mod ask;
mod bubble_up;
mod counted;
mod covered_times;
mod dictionaries;
mod engine;
mod error;
mod footers;
mod functions;
mod grouping;
mod id_literals;
mod joins_yield;
pub mod limits;
mod nearest;
mod part_reader;
mod progress;
mod prune;
mod regex_words;
mod rest;
mod session;
mod stream;
mod table;
pub mod trace_facts;
mod trace_rows;
mod union_sort;

pub use answer::{Answer, Column, QueryStats, cell_json, columns_of};
pub use engine::{Engine, EngineOptions};
pub use error::EngineError;
pub use session::Session;
pub use stream::{SqlEvent, SqlProgress, SqlStream};
