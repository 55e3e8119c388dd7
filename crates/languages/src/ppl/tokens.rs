//! Text -> words, names, numbers, texts and signs, each with its place.

use crate::insights::InsightsError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word or a name: letters, digits, `_`, `@`, and dots between them.
    Word(String),
    /// A name between backticks.
    Quoted(String),
    Text(String),
    /// A number as written, and the letters right behind it.
    Number(String, String),
    Sign(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// The longer ones first.
const SIGNS: [&str; 20] =
    ["==", "!=", "<>", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "[", "]", ",", "|"];

/// Reads all of a text.
///
/// Refuses: quotes that are not closed, and signs that mean nothing.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, InsightsError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let start = at;
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        if rest.starts_with("/*") {
            let end = rest.find("*/").ok_or_else(|| unclosed(text, "*/", start))?;
            at += end + 2;
            continue;
        }
        let token = match c {
            '\'' | '"' => {
                let (content, length) = quoted(rest, c).ok_or_else(|| unclosed(text, &c.to_string(), start))?;
                at += length;
                Token::Text(content)
            }
            '`' => {
                let length = rest[1..].find('`').ok_or_else(|| unclosed(text, "a backtick", start))?;
                if length == 0 {
                    return Err(InsightsError::at(text, start..start + 2, "a name between the backticks"));
                }
                at += length + 2;
                Token::Quoted(rest[1..=length].to_owned())
            }
            _ if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let (number, letters) = number(rest);
                at += number.len() + letters.len();
                Token::Number(number.to_owned(), letters.to_owned())
            }
            _ if is_of_word(c) => {
                let length = word_length(rest);
                at += length;
                Token::Word(rest[..length].to_owned())
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| InsightsError::at(text, start..start + c.len_utf8(), "a command or a value"))?;
                at += sign.len();
                Token::Sign(sign)
            }
        };
        found.push(Placed { token, start, end: at });
    }
    Ok(found)
}

fn unclosed(text: &str, close: &str, start: usize) -> InsightsError {
    InsightsError::at(text, text.len()..text.len(), format!("{close} to close what begins at byte {start}"))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@')
}

/// With dots that have something behind them.
fn word_length(rest: &str) -> usize {
    let mut length = 0;
    loop {
        length += rest[length..].find(|c| !is_of_word(c)).unwrap_or(rest.len() - length);
        let goes_on = rest[length..].strip_prefix('.').is_some_and(|behind| behind.starts_with(is_of_word));
        if !goes_on {
            return length;
        }
        length += 1;
    }
}

/// What is between two quotes, a doubled or escaped one being one of the text, and its length with the quotes.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        if c == quote && next == Some(quote) {
            chars.next();
            content.push(quote);
        } else if c == quote {
            return Some((content, at + 1));
        } else if c == '\\' && next.is_some_and(|next| next == quote || next == '\\') {
            content.extend(chars.next().map(|(_, next)| next));
        } else {
            content.push(c);
        }
    }
    None
}

fn number(rest: &str) -> (&str, &str) {
    let digits = |from: usize| from + rest[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - from);
    let mut end = digits(0);
    if rest[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let signed = usize::from(rest[end + 1..].starts_with(['+', '-']));
        let after = digits(end + 1 + signed);
        end = if after > end + 1 + signed { after } else { end };
    }
    let letters = rest[end..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - end);
    (&rest[..end], &rest[end..end + letters])
}
