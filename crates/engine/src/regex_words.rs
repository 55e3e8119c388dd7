//! Which words a text must have for a regular expression to be found in it.
//!
//! Only what is spelt out letter by letter is understood; all else may be anything.

use regex_syntax::hir::{Hir, HirKind, Literal};

use crate::prune::{Words, words_within};

/// What every text has in which the expression is found.
pub(crate) fn expression_words(expression: &str) -> Words {
    regex_syntax::parse(expression).map_or(Words::Any, |parsed| required(&parsed))
}

fn required(part: &Hir) -> Words {
    let mut pieces = Pieces::default();
    pieces.add(part);
    pieces.cut();
    Words::all(pieces.words)
}

#[derive(Default)]
struct Pieces {
    words: Vec<Words>,
    /// What is spelt out so far.
    spelt: Vec<u8>,
}

impl Pieces {
    fn add(&mut self, part: &Hir) {
        match part.kind() {
            HirKind::Empty => {}
            HirKind::Literal(Literal(bytes)) => self.spelt.extend_from_slice(bytes),
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.add(part)),
            HirKind::Class(_) | HirKind::Look(_) => self.cut(),
            HirKind::Repetition(repeated) => {
                self.cut();
                if repeated.min > 0 {
                    self.words.push(required(&repeated.sub));
                }
            }
            HirKind::Alternation(parts) => {
                self.cut();
                self.words.push(Words::either(parts.iter().map(required).collect()));
            }
        }
    }

    /// Whatever comes next, anything may stand before it.
    fn cut(&mut self) {
        let spelt = std::mem::take(&mut self.spelt);
        if let Ok(spelt) = std::str::from_utf8(&spelt) {
            self.words.push(words_within(spelt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelt_out_is_required() {
        let one = |word: &str| Words::One(word.to_owned());
        let part = |word: &str| Words::Part(word.to_owned());
        for (expression, expected) in [
            ("4bf92f35", part("4bf92f35")),
            ("id=4bf92f35 ", Words::All(vec![part("id"), one("4bf92f35")])),
            ("^Error: (.*) at", Words::All(vec![part("error"), part("at")])),
            (r"took \d+ ms", Words::All(vec![part("took"), part("ms")])),
            ("(timeout|refused)!", Words::Either(vec![part("timeout"), part("refused")])),
            ("(timeout)?", Words::Any),
            ("(abc)+", part("abc")),
            ("(?i)timeout", Words::Any),
            ("a|", Words::Any),
            ("[", Words::Any),
            ("", Words::Any),
        ] {
            assert_eq!(expression_words(expression), expected, "{expression}");
        }
    }
}
