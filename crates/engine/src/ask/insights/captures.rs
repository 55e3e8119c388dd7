//! Groups of regular expressions, as `parse` takes them out of texts. What `parse` makes of `*` is looked for piece by piece.

use memchr::memmem::Finder;
use regex::Regex;
use regex_syntax::hir::{Capture, Dot, Hir, HirKind, Literal, Repetition};

/// The expression that was asked for last, which is nearly always the one that is asked for next.
#[derive(Default)]
pub(super) struct Expressions {
    last: Option<(String, Option<Expression>)>,
}

enum Expression {
    Pieces(Box<Pieces>),
    Regex(Regex),
}

impl Expressions {
    /// The group of the first match.
    pub fn capture<'t>(&mut self, text: &'t str, expression: &str, group: usize) -> Option<&'t str> {
        if self.last.as_ref().is_none_or(|(last, _)| last != expression) {
            self.last = Some((expression.to_owned(), Expression::of(expression)));
        }
        match self.last.as_ref()?.1.as_ref()? {
            Expression::Pieces(pieces) => pieces.capture(text, group),
            Expression::Regex(regex) => Some(regex.captures(text)?.get(group)?.as_str()),
        }
    }
}

impl Expression {
    fn of(expression: &str) -> Option<Expression> {
        let parsed = regex_syntax::parse(expression).ok()?;
        match Pieces::of(&parsed) {
            Some(pieces) => Some(Expression::Pieces(Box::new(pieces))),
            None => Regex::new(expression).ok().map(Expression::Regex),
        }
    }
}

/// Texts with as little as will do between them.
struct Pieces {
    first: Finder<'static>,
    /// Each behind a group.
    others: Vec<Finder<'static>>,
    /// A last group takes all that is left.
    ends_open: bool,
}

impl Pieces {
    /// An expression of nothing but texts, and groups of anything between them.
    fn of(expression: &Hir) -> Option<Pieces> {
        let parts = match expression.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(expression),
        };
        let mut pieces: Vec<&[u8]> = vec![[].as_slice()];
        let mut is_open = false;
        for part in parts {
            match part.kind() {
                HirKind::Literal(Literal(bytes)) if !is_open => *pieces.last_mut()? = &**bytes,
                HirKind::Capture(Capture { sub, .. }) if !is_open => {
                    is_open = greedy(sub)?;
                    if !is_open {
                        pieces.push(b"");
                    }
                }
                _ => return None,
            }
        }
        let mut finders = pieces.into_iter().map(|piece| Finder::new(piece).into_owned());
        Some(Pieces { first: finders.next()?, others: finders.collect(), ends_open: is_open })
    }

    fn capture<'t>(&self, text: &'t str, group: usize) -> Option<&'t str> {
        let (_, mut rest) = around(text, &self.first)?;
        let mut found = None;
        for (place, piece) in self.others.iter().enumerate() {
            let (before, behind) = around(rest, piece)?;
            if place + 1 == group {
                found = Some(before);
            }
            rest = behind;
        }
        if self.ends_open && group == self.others.len() + 1 { Some(rest) } else { found }
    }
}

/// What stands before a piece, and what behind it.
fn around<'t>(text: &'t str, piece: &Finder<'_>) -> Option<(&'t str, &'t str)> {
    let at = piece.find(text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + piece.needle().len()..)?))
}

/// Whether as much as there is is taken, of anything whatsoever.
fn greedy(group: &Hir) -> Option<bool> {
    match group.kind() {
        HirKind::Repetition(Repetition { min: 0, max: None, greedy, sub }) if **sub == Hir::dot(Dot::AnyChar) => Some(*greedy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parse_makes_is_looked_for_in_pieces() {
        let is_in_pieces = |expression| matches!(Expression::of(expression), Some(Expression::Pieces(_)));
        for expression in ["(?s)took (.*?) ms", "(?s)(.*?) (.*?), (.*)", "(?s)(.*)", "(?s)(.*?)(.*?)x", "word"] {
            assert!(is_in_pieces(expression), "{expression}");
        }
        for expression in [r"took (\d+) ms", "(?s)a(.*)b", "a(.*?)b", "(?i)a", "^a", "(a)"] {
            assert!(!is_in_pieces(expression), "{expression}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_find_what_the_expression_finds(
            pieces in proptest::collection::vec("[ab,ü\n]{0,2}", 1..4), is_open: bool, text in "[ab,ü\n]{0,12}", group in 1usize..4,
        ) {
            let mut expression = format!("(?s){}", pieces.join("(.*?)"));
            if is_open {
                expression.push_str("(.*)");
            }
            let regex = Regex::new(&expression).unwrap();
            let expected = regex.captures(&text).and_then(|found| found.get(group)).map(|found| found.as_str());
            proptest::prop_assert_eq!(Expressions::default().capture(&text, &expression, group), expected);
        }
    }
}
