//! Lines of logs put together by what they have in common: `user <Number-1> paid <Number-2> EUR`, so many times.
//!
//! In:      lines, one after the other, in any order; several miners of parts of them can be joined
//! Out:     patterns with counts over time, severities, a sample and the values of what changes
//! Quirks:  numbers, times, ids and addresses are taken out of every line first; then lines of one shape that differ in few
//!          words become one pattern, once three of them do. Which ones does not depend on the order of the lines, as long as
//!          there are no more shapes than are kept
//!
//! Memory is bounded: shapes, values, and steps of time each have a limit below.

mod clusters;
mod unusual;
mod words;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

pub use unusual::{Priority, Unusual, UnusualKind, unusual};
pub use words::{Kind, Line, Part, Piece};

/// Shapes of lines that are kept apart; where there are more, similar ones are put together on the way.
const SHAPES_MAX: usize = 3_000;

/// Values that are counted of each part that changes; further ones are counted together.
const VALUES_PER_TOKEN_MAX: usize = 24;

/// Values that a miner counts in all.
const VALUES_MAX: usize = 60_000;

/// A longer value is cut.
const VALUE_BYTES_MAX: usize = 64;

const SAMPLE_BYTES_MAX: usize = 1_024;

/// Steps that lines are counted in.
pub const STEPS_MAX: usize = 400;

/// A line, and what is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLine<'a> {
    pub text: &'a str,
    /// OpenTelemetry's; 0 when it is not known.
    pub severity_number: i32,
    pub time_unix_nano: i64,
    /// The step of time it falls into.
    pub step: usize,
    /// How many lines it stands for.
    pub weight: f64,
}

/// Reads lines, and tells their patterns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogPatterns {
    shapes: HashMap<String, Shape>,
    /// Lines of shapes that were too rare to be kept.
    other: f64,
    values: usize,
    /// Shapes that were put together on the way, by what stands between their words: further lines of theirs make no new one.
    #[serde(skip)]
    wide: HashMap<Vec<Option<String>>, Vec<Vec<Piece>>>,
}

/// Lines that are the same but for what changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shape {
    pieces: Vec<Piece>,
    seen: Seen,
    /// Of each part that changes, in order.
    tokens: Vec<Values>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    count: f64,
    steps: Vec<f64>,
    /// Lines by severity: unknown, trace, debug, info, warn, error, fatal.
    severities: [f64; 7],
    first_unix_nano: i64,
    last_unix_nano: i64,
    sample: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Values {
    counts: BTreeMap<String, f64>,
    others: f64,
}

/// Lines that have much in common.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPattern {
    /// Stable: a hash of the pattern with its kinds.
    pub id: String,
    pub pieces: Vec<Piece>,
    pub count: f64,
    /// Of all lines.
    pub share: f64,
    pub steps: Vec<f64>,
    /// OpenTelemetry's number of the severity that most of its lines have; 0 when that is not known.
    pub severity_number: i32,
    pub first_unix_nano: i64,
    pub last_unix_nano: i64,
    /// The newest line.
    pub sample: String,
    pub tokens: Vec<PatternToken>,
}

/// A part that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternToken {
    /// `Number-2`: what it is, and its place among those that change.
    pub name: String,
    pub kind: Kind,
    /// Values and how often they were there, most frequent first.
    pub values: Vec<(String, f64)>,
    /// Lines with other values.
    pub others: f64,
}

impl LogPatterns {
    pub fn read(&mut self, line: &LogLine<'_>) {
        let mut read = Line::read(line.text);
        let mut key = key_of(&read.pieces);
        if !self.wide.is_empty() && !self.shapes.contains_key(&key) {
            let near = self.wide.get(&clusters::skeleton(&read.pieces)).into_iter().flatten();
            if let Some(values) = near.filter_map(|wide| clusters::fitted(wide, &read)).next() {
                read = values;
                key = key_of(&read.pieces);
            }
        }
        let values_left = VALUES_MAX.saturating_sub(self.values);
        let shape = self.shapes.entry(key).or_insert_with(|| Shape {
            tokens: vec![Values::default(); read.values.len()],
            pieces: read.pieces,
            seen: Seen::default(),
        });
        shape.seen.read(line);
        for (values, value) in shape.tokens.iter_mut().zip(read.values) {
            self.values += values.add(value, line.weight, values_left);
        }
        if self.shapes.len() > SHAPES_MAX {
            self.put_together();
        }
    }

    /// With what another one read.
    pub fn join(&mut self, other: LogPatterns) {
        for (key, theirs) in other.shapes {
            match self.shapes.entry(key) {
                std::collections::hash_map::Entry::Occupied(mut ours) => ours.get_mut().join(&theirs),
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(theirs);
                }
            }
        }
        self.other += other.other;
        self.values = self.shapes.values().flat_map(|shape| &shape.tokens).map(|values| values.counts.len()).sum();
        if self.shapes.len() > SHAPES_MAX {
            self.put_together();
        }
    }

    /// Lines read, each as many as it stands for.
    pub fn count(&self) -> f64 {
        self.other + self.shapes.values().map(|shape| shape.seen.count).sum::<f64>()
    }

    /// Memory it takes, about.
    pub fn heap_bytes(&self) -> usize {
        self.shapes.len() * 1_024 + self.values * (VALUE_BYTES_MAX + 48)
    }

    /// Similar shapes become one; of what is left, the rarest are no longer told apart.
    fn put_together(&mut self) {
        let mut shapes = clusters::joined(std::mem::take(&mut self.shapes).into_values().collect());
        shapes.sort_by(more_lines_first);
        let rare = shapes.split_off(shapes.len().min(SHAPES_MAX / 2));
        self.other += rare.iter().map(|shape| shape.seen.count).sum::<f64>();
        self.wide.clear();
        for shape in shapes.iter().filter(|shape| clusters::is_wide(&shape.pieces)) {
            self.wide.entry(clusters::skeleton(&shape.pieces)).or_default().push(shape.pieces.clone());
        }
        self.shapes = shapes.into_iter().map(|shape| (key_of(&shape.pieces), shape)).collect();
        self.values = self.shapes.values().flat_map(|shape| &shape.tokens).map(|values| values.counts.len()).sum();
    }

    /// The patterns, those with most lines first.
    pub fn patterns(self) -> Vec<LogPattern> {
        let all = self.count().max(f64::MIN_POSITIVE);
        let mut shapes = clusters::joined(self.shapes.into_values().collect());
        shapes.sort_by(more_lines_first);
        shapes.into_iter().map(|shape| shape.told(all)).collect()
    }
}

fn more_lines_first(a: &Shape, b: &Shape) -> std::cmp::Ordering {
    b.seen.count.total_cmp(&a.seen.count).then_with(|| a.pieces.cmp(&b.pieces))
}

/// The pieces as one text, in which kinds stand between characters that no line has.
fn key_of(pieces: &[Piece]) -> String {
    let mut key = String::new();
    for piece in pieces {
        match piece {
            Piece::Between(text) => key.push_str(text),
            Piece::Word(parts) => {
                for part in parts {
                    match part {
                        Part::Text(text) => key.push_str(text),
                        Part::Variable(kind) => {
                            key.push('\u{1}');
                            key.push_str(kind.as_str());
                            key.push('\u{1}');
                        }
                    }
                }
            }
        }
    }
    key
}

impl Seen {
    fn read(&mut self, line: &LogLine<'_>) {
        let is_first = self.count == 0.0;
        self.count += line.weight;
        let step = line.step.min(STEPS_MAX - 1);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, 0.0);
        }
        self.steps[step] += line.weight;
        self.severities[severity_place(line.severity_number)] += line.weight;
        self.saw(is_first, line.time_unix_nano, line.time_unix_nano, line.text);
    }

    fn saw(&mut self, is_first: bool, first: i64, last: i64, sample: &str) {
        self.first_unix_nano = if is_first { first } else { self.first_unix_nano.min(first) };
        // Of lines of one moment the one that sorts first, whatever the order they come in.
        let cut = &sample[..sample.floor_char_boundary(SAMPLE_BYTES_MAX)];
        if is_first || last > self.last_unix_nano || (last == self.last_unix_nano && cut < self.sample.as_str()) {
            self.sample.clear();
            self.sample.push_str(cut);
        }
        self.last_unix_nano = if is_first { last } else { self.last_unix_nano.max(last) };
    }

    fn join(&mut self, other: &Seen) {
        let is_first = self.count == 0.0;
        self.count += other.count;
        if self.steps.len() < other.steps.len() {
            self.steps.resize(other.steps.len(), 0.0);
        }
        self.steps.iter_mut().zip(&other.steps).for_each(|(ours, theirs)| *ours += theirs);
        self.severities.iter_mut().zip(other.severities).for_each(|(ours, theirs)| *ours += theirs);
        self.saw(is_first, other.first_unix_nano, other.last_unix_nano, &other.sample);
    }

    fn severity_number(&self) -> i32 {
        let most = self.severities.iter().enumerate().skip(1).rev().max_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(&b.0)));
        most.filter(|(_, count)| **count > 0.0).map_or(0, |(place, _)| place as i32 * 4 - 3)
    }
}

fn severity_place(number: i32) -> usize {
    if number <= 0 { 0 } else { usize::try_from((number + 3) / 4).unwrap_or(0).min(6) }
}

impl Values {
    /// How many values are new.
    fn add(&mut self, value: &str, weight: f64, room: usize) -> usize {
        let value = &value[..value.floor_char_boundary(VALUE_BYTES_MAX)];
        if let Some(count) = self.counts.get_mut(value) {
            *count += weight;
            return 0;
        }
        if self.counts.len() >= VALUES_PER_TOKEN_MAX || room == 0 {
            self.others += weight;
            return 0;
        }
        self.counts.insert(value.to_owned(), weight);
        1
    }

    fn join(&mut self, other: &Values) {
        self.others += other.others;
        for (value, count) in &other.counts {
            self.add(value, *count, usize::MAX);
        }
    }
}

impl Shape {
    fn join(&mut self, other: &Shape) {
        self.seen.join(&other.seen);
        self.tokens.iter_mut().zip(&other.tokens).for_each(|(ours, theirs)| ours.join(theirs));
    }

    fn told(self, all: f64) -> LogPattern {
        let kinds = self.pieces.iter().flat_map(|piece| match piece {
            Piece::Word(parts) => parts.as_slice(),
            Piece::Between(_) => &[],
        });
        let kinds = kinds.filter_map(|part| match part {
            Part::Variable(kind) => Some(*kind),
            Part::Text(_) => None,
        });
        let tokens = kinds.zip(self.tokens).enumerate().map(|(place, (kind, values))| {
            let mut counts: Vec<(String, f64)> = values.counts.into_iter().collect();
            counts.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            PatternToken { name: format!("{}-{}", kind.as_str(), place + 1), kind, values: counts, others: values.others }
        });
        LogPattern {
            id: format!("{:032x}", xxhash_rust::xxh3::xxh3_128(key_of(&self.pieces).as_bytes())),
            tokens: tokens.collect(),
            share: self.seen.count / all,
            severity_number: self.seen.severity_number(),
            count: self.seen.count,
            steps: self.seen.steps,
            first_unix_nano: self.seen.first_unix_nano,
            last_unix_nano: self.seen.last_unix_nano,
            sample: self.seen.sample,
            pieces: self.pieces,
        }
    }
}

impl LogPattern {
    /// `user <Number-1> paid <Number-2> EUR`
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (piece, name) in self.flat() {
            match name {
                None => text.push_str(piece),
                Some(token) => {
                    text.push('<');
                    text.push_str(&token.name);
                    text.push('>');
                }
            }
        }
        text
    }

    /// A regular expression for its lines.
    pub fn expression(&self) -> String {
        let mut expression = String::new();
        for (piece, token) in self.flat() {
            match token {
                None => expression.push_str(&regex::escape(piece).replace(' ', r"\s+")),
                Some(token) => expression.push_str(token.kind.expression()),
            }
        }
        expression
    }

    /// Texts, and in between the parts that change.
    pub fn flat(&self) -> impl Iterator<Item = (&str, Option<&PatternToken>)> {
        let mut tokens = self.tokens.iter();
        self.pieces.iter().flat_map(move |piece| -> Vec<(&str, Option<&PatternToken>)> {
            match piece {
                Piece::Between(text) => vec![(text.as_str(), None)],
                Piece::Word(parts) => parts
                    .iter()
                    .map(|part| match part {
                        Part::Text(text) => (text.as_str(), None),
                        Part::Variable(_) => ("", tokens.next()),
                    })
                    .collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests;
