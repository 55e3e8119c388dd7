//! Pages: what the last one ended with, as a token that a client gives back unread.
//!
//! A token names a place in an order, not a number of items, so it holds while items come and go. It carries a hash of the
//! question, and is not taken for an answer to another one.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use receivers::aws::AwsError;
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::input::{Checked, Input, invalid};

/// Longest token that is read; ours are shorter.
const TOKEN_BYTES_MAX: usize = 2_048;

/// What an item's place in the order is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(String);

pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl Place {
    pub fn new(text: impl Into<String>) -> Place {
        Place(text.into())
    }

    /// A number, then a text.
    pub fn pair(number: impl Display, text: &str) -> Place {
        Place(format!("{number} {text}"))
    }

    pub fn as_text(&self) -> &str {
        &self.0
    }

    pub fn as_pair(&self) -> Checked<(i64, &str)> {
        let (number, text) = self.0.split_once(' ').ok_or_else(wrong_token)?;
        Ok((number.parse().map_err(|_| wrong_token())?, text))
    }

    /// `operation` and `question` are whatever must be the same for the next page.
    pub fn token(&self, operation: &str, question: &[&str]) -> String {
        let mut bytes = hash(operation, question).to_le_bytes().to_vec();
        bytes.extend_from_slice(self.0.as_bytes());
        BASE64.encode(bytes)
    }
}

/// The place named by the request's NextToken, if it has one.
pub fn place(input: &Input<'_>, operation: &str, question: &[&str]) -> Checked<Option<Place>> {
    let Some(token) = input.text("NextToken")? else { return Ok(None) };
    if token.len() > TOKEN_BYTES_MAX {
        return Err(wrong_token());
    }
    let bytes = BASE64.decode(token).map_err(|_| wrong_token())?;
    let (own, place) = bytes.split_first_chunk::<4>().ok_or_else(wrong_token)?;
    if u32::from_le_bytes(*own) != hash(operation, question) {
        return Err(wrong_token());
    }
    Ok(Some(Place(String::from_utf8(place.to_vec()).map_err(|_| wrong_token())?)))
}

/// One page of items that are all at hand, in their order.
pub fn page<T>(
    input: &Input<'_>,
    operation: &str,
    question: &[&str],
    items_max: usize,
    items: Vec<T>,
    place_of: impl Fn(&T) -> Place,
) -> Checked<Page<T>> {
    let after = place(input, operation, question)?;
    let items = match after {
        None => items,
        // An item that is gone meanwhile leaves its place: what stood behind it comes next.
        Some(after) => match items.iter().position(|item| place_of(item) == after) {
            Some(at) => items.into_iter().skip(at + 1).collect(),
            None => items.into_iter().filter(|item| is_behind(&place_of(item), &after)).collect(),
        },
    };
    Ok(cut(items, items_max, operation, question, place_of))
}

fn is_behind(place: &Place, after: &Place) -> bool {
    match (place.as_pair(), after.as_pair()) {
        (Ok(place), Ok(after)) => place > after,
        _ => place.0 > after.0,
    }
}

/// The first of `items`, and where to go on if there are more.
pub fn cut<T>(
    mut items: Vec<T>,
    items_max: usize,
    operation: &str,
    question: &[&str],
    place_of: impl Fn(&T) -> Place,
) -> Page<T> {
    let more = items.len() > items_max;
    items.truncate(items_max);
    let next = items.last().filter(|_| more).map(|item| place_of(item).token(operation, question));
    Page { items, next }
}

/// `{member: [...], "NextToken": ...}`
pub fn answer(member: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut body = json!({ member: items });
    if let Some(next) = next {
        body["NextToken"] = next.into();
    }
    body
}

pub fn wrong_token() -> AwsError {
    invalid("Invalid NextToken")
}

fn hash(operation: &str, question: &[&str]) -> u32 {
    let mut hash = Xxh3::new();
    for part in std::iter::once(&operation).chain(question) {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(token: Option<&str>) -> Input<'static> {
        Input::read(json!({ "NextToken": token }).to_string().as_bytes()).unwrap()
    }

    fn all(mut names: Vec<&'static str>, between: impl Fn(&mut Vec<&'static str>)) -> Vec<&'static str> {
        let (mut seen, mut token) = (Vec::new(), None::<String>);
        loop {
            let page = page(&input(token.as_deref()), "List", &[], 2, names.clone(), |name| Place::new(*name)).unwrap();
            seen.extend(page.items);
            let Some(next) = page.next else { return seen };
            token = Some(next);
            between(&mut names);
        }
    }

    #[test]
    fn pages_hold_while_items_come_and_go() {
        assert_eq!(all(vec!["a", "b", "c", "d", "e"], |_| ()), ["a", "b", "c", "d", "e"]);
        let without_b = |names: &mut Vec<&'static str>| names.retain(|name| *name != "b" && *name != "d");
        assert_eq!(all(vec!["a", "b", "c", "d", "e"], without_b), ["a", "b", "c", "e"]);
        let with_aa = |names: &mut Vec<&'static str>| names.insert(1, "aa");
        assert_eq!(all(vec!["a", "b", "c"], with_aa), ["a", "b", "c"]);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let items = vec![9, 10, 11];
        let token = Place::pair(9, "gone").token("List", &[]);
        let rest = page(&input(Some(&token)), "List", &[], 9, items, |number| Place::pair(number, "x")).unwrap();
        assert_eq!(rest.items, [9, 10, 11]);
        assert_eq!(Place::pair(-5, "a b").as_pair(), Ok((-5, "a b")));
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let token = Place::new("a").token("List", &["q"]);
        assert!(place(&input(Some(&token)), "List", &["q"]).unwrap().is_some());
        let long = "A".repeat(1 << 16);
        for (token, operation, question) in
            [(token.as_str(), "Other", ["q"]), (&token, "List", ["other"]), ("", "List", ["q"]), ("!", "List", ["q"]), (&long, "List", ["q"])]
        {
            assert_eq!(place(&input(Some(token)), operation, &question), Err(wrong_token()), "{token}");
        }
    }
}
