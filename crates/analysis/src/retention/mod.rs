//! Retention by value: which traces stay whole when there is not room for all, and how many of the rest.
//!
//! The unit is a trace with everything that tells of it: spans, log lines, and the other tracer's half where an exact link
//! names it. A unit is put into a [`Class`], draws a [`Lot`] that is a function of its id alone, and is kept while its lot
//! lies below the share that a [`Level`] leaves its class. So all rows of a trace live or die together whatever part they
//! lie in and whenever it is their turn, and thinning twice is the same as thinning once to the lower share.
//!
//! Pure: [`survey`] is told rows and says classes, [`plan`] is told windows and says which is next, [`person`] tells whose a
//! document is. Reading and rewriting parts is the store's affair.

mod families;
mod levels;
mod lots;
pub mod person;
pub mod plan;
pub mod survey;
mod templates;

pub use levels::{Class, LEVEL_MAX, Level};
pub use lots::{Fate, Lot, TraceKey, fate, log_lot};
