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
mod mask;
mod unusual;
mod words;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use mask::{Known, Masks};
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
    shapes: Vec<Shape>,
    /// Lines of shapes that were too rare to be kept.
    other: f64,
    values: usize,
    /// Shapes that were put together on the way, by what stands between their words: further lines of theirs make no new one.
    #[serde(skip)]
    wide: HashMap<Vec<Option<String>>, Vec<Vec<Piece>>>,
    /// Where each shape is, by its key.
    #[serde(skip)]
    places: HashMap<String, usize>,
    #[serde(skip)]
    masks: Masks,
    /// The shapes of lines with these masks.
    #[serde(skip)]
    masked: Known<usize>,
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
    counts: Vec<(String, f64)>,
    others: f64,
    /// Of the texts that are counted, in their order; made when they are first asked for.
    #[serde(skip)]
    hashes: Vec<u64>,
    /// Made when no further values are counted.
    #[serde(skip)]
    sieve: Option<Sieve>,
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
        let text = self.masks.read(line.text);
        let Some(place) = self.masked.get(&self.masks.line.bytes).copied() else {
            return self.read_whole(line);
        };
        let values_left = VALUES_MAX.saturating_sub(self.values);
        let shape = &mut self.shapes[place];
        shape.seen.read(line);
        for (values, range) in shape.tokens.iter_mut().zip(&self.masks.line.changing) {
            self.values += values.add(&text[range.clone()], line.weight, values_left);
        }
    }

    /// A line of a mask that was not there yet.
    fn read_whole(&mut self, line: &LogLine<'_>) {
        let mut read = Line::read(line.text);
        let mut key = key_of(&read.pieces);
        let mut is_masked = true;
        if !self.wide.is_empty() && !self.places.contains_key(&key) {
            let near = self.wide.get(&clusters::skeleton(&read.pieces)).into_iter().flatten();
            if let Some(values) = near.filter_map(|wide| clusters::fitted(wide, &read)).next() {
                read = values;
                key = key_of(&read.pieces);
                is_masked = false;
            }
        }
        let values_left = VALUES_MAX.saturating_sub(self.values);
        let place = self.place(key, || Shape {
            tokens: vec![Values::default(); read.values.len()],
            pieces: read.pieces,
            seen: Seen::default(),
        });
        let shape = &mut self.shapes[place];
        shape.seen.read(line);
        for (values, value) in shape.tokens.iter_mut().zip(read.values) {
            self.values += values.add(value, line.weight, values_left);
        }
        if is_masked {
            self.masked.insert(&self.masks.line.bytes, place);
        }
        if self.shapes.len() > SHAPES_MAX {
            self.put_together();
        }
    }

    /// Where the shape of a key is, which is made if there is none.
    fn place(&mut self, key: String, shape: impl FnOnce() -> Shape) -> usize {
        let places = self.places.len();
        *self.places.entry(key).or_insert_with(|| {
            self.shapes.push(shape());
            places
        })
    }

    /// These are all shapes from now on.
    fn keep(&mut self, shapes: Vec<Shape>) {
        self.places = shapes.iter().enumerate().map(|(place, shape)| (key_of(&shape.pieces), place)).collect();
        self.shapes = shapes;
        self.masked.clear();
        self.values = self.shapes.iter().flat_map(|shape| &shape.tokens).map(|values| values.counts.len()).sum();
    }

    /// With what another one read.
    pub fn join(&mut self, other: LogPatterns) {
        // One that was written and read knows no places.
        let ours = std::mem::take(&mut self.shapes);
        self.keep(ours);
        for theirs in other.shapes {
            let key = key_of(&theirs.pieces);
            match self.places.get(&key) {
                Some(place) => self.shapes[*place].join(&theirs),
                None => {
                    self.place(key, || theirs);
                }
            }
        }
        self.other += other.other;
        self.values = self.shapes.iter().flat_map(|shape| &shape.tokens).map(|values| values.counts.len()).sum();
        if self.shapes.len() > SHAPES_MAX {
            self.put_together();
        }
    }

    /// Lines read, each as many as it stands for.
    pub fn count(&self) -> f64 {
        self.other + self.shapes.iter().map(|shape| shape.seen.count).sum::<f64>()
    }

    /// Memory it takes, about.
    pub fn heap_bytes(&self) -> usize {
        self.shapes.len() * 1_024 + self.values * (VALUE_BYTES_MAX + 48) + self.masked.heap_bytes() + self.masks.heap_bytes()
    }

    /// Similar shapes become one; of what is left, the rarest are no longer told apart.
    fn put_together(&mut self) {
        let mut shapes = clusters::joined(std::mem::take(&mut self.shapes));
        shapes.sort_by(more_lines_first);
        let rare = shapes.split_off(shapes.len().min(SHAPES_MAX / 2));
        self.other += rare.iter().map(|shape| shape.seen.count).sum::<f64>();
        self.wide.clear();
        for shape in shapes.iter().filter(|shape| clusters::is_wide(&shape.pieces)) {
            self.wide.entry(clusters::skeleton(&shape.pieces)).or_default().push(shape.pieces.clone());
        }
        self.keep(shapes);
    }

    /// The patterns, those with most lines first.
    pub fn patterns(self) -> Vec<LogPattern> {
        let all = self.count().max(f64::MIN_POSITIVE);
        let mut shapes = clusters::joined(self.shapes);
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
        let hash = xxh3_64(value.as_bytes());
        if self.sieve.is_some_and(|sieve| !sieve.may_hold(hash)) {
            self.others += weight;
            return 0;
        }
        if self.hashes.len() < self.counts.len() {
            self.hashes = self.counts.iter().map(|(text, _)| xxh3_64(text.as_bytes())).collect();
        }
        let mut known = self.hashes.iter().zip(&mut self.counts);
        if let Some((_, (_, count))) = known.find(|(known, (text, _))| **known == hash && text == value) {
            *count += weight;
            return 0;
        }
        if self.counts.len() >= VALUES_PER_TOKEN_MAX {
            self.sieve.get_or_insert_with(|| Sieve::of(&self.hashes));
        }
        if self.counts.len() >= VALUES_PER_TOKEN_MAX || room == 0 {
            self.others += weight;
            return 0;
        }
        self.counts.push((value.to_owned(), weight));
        self.hashes.push(hash);
        1
    }

    fn join(&mut self, other: &Values) {
        self.others += other.others;
        for (value, count) in &other.counts {
            self.add(value, *count, usize::MAX);
        }
    }
}

/// Some bits of each of a few hashes: most others are told apart by them from all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sieve([u64; 8]);

impl Sieve {
    fn of(hashes: &[u64]) -> Sieve {
        let mut sieve = Sieve::default();
        for hash in hashes {
            let (word, bit) = Sieve::place(*hash);
            sieve.0[word] |= bit;
        }
        sieve
    }

    fn may_hold(&self, hash: u64) -> bool {
        let (word, bit) = Sieve::place(hash);
        self.0[word] & bit != 0
    }

    fn place(hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize % 8, 1 << (hash & 63))
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
            let mut counts = values.counts;
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
