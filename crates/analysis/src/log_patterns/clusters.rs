//! Shapes that differ in few words, put together.
//!
//! Quirks:  a word is only taken for one that changes when three shapes have three different ones there: `paid` and `refused`
//!          alone are two messages, not one. Words of levels, `INFO` and the like, keep lines apart

use std::collections::BTreeMap;

use super::words::{Kind, Line, Part, Piece};
use super::{Shape, Values, more_lines_first};

/// The share of words that two lines of one pattern have in common.
const ALIKE_MIN: f64 = 0.6;

/// So many different words make one that changes.
const VARIANTS_MIN: usize = 3;

/// Shapes of one skeleton that are compared with each other; the rarest others stay alone.
const COMPARED_MAX: usize = 600;

/// Words that lines have to have in common to be looked at as one pattern at all.
const SAME_MIN: usize = 1;

struct Cluster {
    /// The words that all have, and nothing where they differ.
    words: Vec<Option<Vec<Part>>>,
    members: Vec<Shape>,
}

/// The same lines in fewer shapes.
pub(super) fn joined(shapes: Vec<Shape>) -> Vec<Shape> {
    let mut skeletons: BTreeMap<Vec<Option<String>>, Vec<Shape>> = BTreeMap::new();
    for shape in shapes {
        skeletons.entry(skeleton(&shape.pieces)).or_default().push(shape);
    }
    let mut all = Vec::new();
    for (_, mut shapes) in skeletons {
        shapes.sort_by(more_lines_first);
        let alone = shapes.split_off(shapes.len().min(COMPARED_MAX));
        all.extend(clusters(shapes).into_iter().flat_map(Cluster::into_shapes));
        all.extend(alone);
    }
    all
}

fn clusters(shapes: Vec<Shape>) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for shape in shapes {
        let own: Vec<Option<Vec<Part>>> = words(&shape.pieces).map(|parts| Some(parts.to_vec())).collect();
        let alike = clusters.iter_mut().filter_map(|cluster| Some((cluster.alike(&own)?, cluster)));
        // Of equals the first, which has most lines.
        let best = alike.fold(None, |best: Option<(f64, &mut Cluster)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        });
        match best {
            Some((_, cluster)) => cluster.take(own, shape),
            None => clusters.push(Cluster { words: own, members: vec![shape] }),
        }
    }
    clusters
}

impl Cluster {
    /// The share of words in common, if that is enough.
    fn alike(&self, other: &[Option<Vec<Part>>]) -> Option<f64> {
        let (mut same, mut told) = (0, 0);
        for (ours, theirs) in self.words.iter().zip(other) {
            let is_level = |word: &Option<Vec<Part>>| word.as_deref().is_some_and(is_level);
            if ours == theirs {
                same += 1;
                told += usize::from(ours.as_deref().is_some_and(says_something));
            } else if ours.is_some() && (is_level(ours) || is_level(theirs)) {
                return None;
            }
        }
        let share = same as f64 / self.words.len().max(1) as f64;
        (share >= ALIKE_MIN && told >= SAME_MIN).then_some(share)
    }

    fn take(&mut self, words: Vec<Option<Vec<Part>>>, shape: Shape) {
        for (ours, theirs) in self.words.iter_mut().zip(words) {
            if *ours != theirs {
                *ours = None;
            }
        }
        self.members.push(shape);
    }

    /// One shape, where enough of its members differ; else the members.
    fn into_shapes(self) -> Vec<Shape> {
        let is_enough = self.members.len() == 1
            || self.words.iter().enumerate().any(|(at, word)| {
                let mut variants: Vec<&[Part]> = self.members.iter().filter_map(|shape| words(&shape.pieces).nth(at)).collect();
                variants.sort_unstable();
                variants.dedup();
                word.is_none() && variants.len() >= VARIANTS_MIN
            });
        if self.members.len() == 1 || !is_enough {
            return self.members;
        }
        let mut joined: Option<Shape> = None;
        for member in self.members {
            let widened = widened(member, &self.words);
            match &mut joined {
                Some(joined) => joined.join(&widened),
                None => joined = Some(widened),
            }
        }
        joined.into_iter().collect()
    }
}

/// A shape whose words that change are parts that change.
fn widened(shape: Shape, cluster: &[Option<Vec<Part>>]) -> Shape {
    let mut wide = Shape { seen: shape.seen, ..Shape::default() };
    let mut values = shape.tokens.into_iter();
    let mut kept = cluster.iter();
    for piece in shape.pieces {
        let Piece::Word(parts) = piece else {
            wide.pieces.push(piece);
            continue;
        };
        let inside = parts.iter().filter(|part| matches!(part, Part::Variable(_))).count();
        let own: Vec<Values> = values.by_ref().take(inside).collect();
        if kept.next().is_some_and(Option::is_some) {
            wide.tokens.extend(own);
            wide.pieces.push(Piece::Word(parts));
            continue;
        }
        let value = match (parts.as_slice(), own.as_slice()) {
            // A word that was nothing but a part that changes keeps its values.
            ([Part::Variable(_)], [values]) => values.clone(),
            _ => {
                let mut values = Values::default();
                values.add(&spelt(&parts), wide.seen.count, usize::MAX);
                values
            }
        };
        wide.tokens.push(value);
        wide.pieces.push(Piece::Word(vec![Part::Variable(Kind::Token)]));
    }
    wide
}

/// A word as it is, but for what changes in it.
fn spelt(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => text.as_str(),
        Part::Variable(_) => "*",
    });
    texts.collect()
}

/// Whether any word of it changes as a whole.
pub(super) fn is_wide(pieces: &[Piece]) -> bool {
    words(pieces).any(is_token)
}

fn is_token(word: &[Part]) -> bool {
    matches!(word, [Part::Variable(Kind::Token)])
}

/// A line as one of a wide shape's, if it is one.
pub(super) fn fitted<'a>(wide: &[Piece], line: &Line<'a>) -> Option<Line<'a>> {
    let fits = words(wide).zip(words(&line.pieces)).all(|(wide, own)| wide == own || is_token(wide));
    if !fits {
        return None;
    }
    let mut fitted = Line { pieces: wide.to_vec(), ..Line::default() };
    let (mut values, mut texts) = (line.values.iter(), line.words.iter());
    for (wide, own) in words(wide).zip(words(&line.pieces)) {
        let text = texts.next().copied().unwrap_or_default();
        let inside = own.iter().filter(|part| matches!(part, Part::Variable(_))).count();
        let own_values: Vec<&'a str> = values.by_ref().take(inside).copied().collect();
        if is_token(wide) {
            fitted.values.push(text);
        } else {
            fitted.values.extend(own_values);
        }
    }
    fitted.words = line.words.clone();
    Some(fitted)
}

/// What stands between words, and that there are words.
pub(super) fn skeleton(pieces: &[Piece]) -> Vec<Option<String>> {
    let kept = pieces.iter().map(|piece| match piece {
        Piece::Between(text) => Some(text.clone()),
        Piece::Word(_) => None,
    });
    kept.collect()
}

fn words(pieces: &[Piece]) -> impl Iterator<Item = &[Part]> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Word(parts) => Some(parts.as_slice()),
        Piece::Between(_) => None,
    })
}

/// Whether a word has letters of its own.
fn says_something(word: &[Part]) -> bool {
    word.iter().any(|part| matches!(part, Part::Text(text) if text.chars().any(char::is_alphabetic)))
}

fn is_level(word: &[Part]) -> bool {
    matches!(word, [Part::Text(text)] if crate::severity::severity_number(text.trim_matches(|c: char| !c.is_alphanumeric())) != 0)
}
