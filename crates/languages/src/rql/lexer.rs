//! Text -> words, numbers, texts and signs, each with its place.

use super::error::{Place, RqlError};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, a function or a column, as written.
    Word(String),
    /// In back-ticks: always a column.
    Quoted(String),
    Integer(i64),
    Float(f64),
    Text(String),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 15] = ["<=", ">=", "!=", "<>", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ","];

/// Words that no column has as its name without back-ticks.
const RESERVED: [&str; 25] = [
    "select", "from", "where", "group", "order", "by", "limit", "offset", "and", "or", "not", "in", "between", "like", "is",
    "null", "as", "asc", "desc", "div", "mod", "true", "false", "having", "distinct",
];

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// Whether a name can be written without back-ticks.
pub(super) fn is_plain_name(name: &str) -> bool {
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts && name.bytes().all(is_word_byte) && !is_reserved(name)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// Reads all of it; the last one is always [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Place)>, RqlError> {
    let mut out = Vec::new();
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let token = match byte {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'\'' | b'"' => {
                let (inner, end) = quoted(text, at)?;
                at = end;
                Token::Text(inner)
            }
            b'`' => {
                let (inner, end) = quoted(text, at)?;
                at = end;
                Token::Quoted(inner)
            }
            byte if byte.is_ascii_digit() || (byte == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) => {
                at = end_of_number(bytes, at);
                number(text, start, at)?
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                at += bytes[at..].iter().take_while(|byte| is_word_byte(**byte)).count();
                Token::Word(text[start..at].to_owned())
            }
            _ => match SIGNS.iter().find(|sign| text[at..].starts_with(**sign)) {
                Some(sign) => {
                    at += sign.len();
                    Token::Sign(if *sign == "<>" { "!=" } else { sign })
                }
                // A query may end as statements do.
                None if byte == b';' && text[at + 1..].trim().is_empty() => break,
                None => {
                    let length = text[at..].chars().next().map_or(1, char::len_utf8);
                    return Err(RqlError::at(text, at..at + length, "a name, a number, a text or an operator"));
                }
            },
        };
        out.push((token, Place { start, end: at }));
    }
    let end = text.trim_end().len().max(out.last().map_or(0, |(_, place)| place.end));
    out.push((Token::End, Place { start: end, end: text.len() }));
    Ok(out)
}

/// What is within quotes, and where it ends. A quote is doubled or has a backslash before it.
fn quoted(text: &str, start: usize) -> Result<(String, usize), RqlError> {
    let mark = char::from(text.as_bytes()[start]);
    let mut inner = String::new();
    let mut rest = text[start + 1..].char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if character == mark {
            if rest.peek().is_none_or(|(_, next)| *next != mark) {
                return Ok((inner, start + 1 + at + mark.len_utf8()));
            }
            rest.next();
            inner.push(mark);
        } else if character == '\\' && mark != '`' {
            match rest.next() {
                Some((_, 'n')) => inner.push('\n'),
                Some((_, 't')) => inner.push('\t'),
                // LIKE reads these itself.
                Some((_, escaped @ ('%' | '_'))) => inner.extend(['\\', escaped]),
                Some((_, escaped)) => inner.push(escaped),
                None => break,
            }
        } else {
            inner.push(character);
        }
    }
    Err(RqlError::at(text, start..start + 1, format!("a closing {mark}")))
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let digits = |at: usize| at + bytes[at.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(start);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

fn number(text: &str, start: usize, end: usize) -> Result<Token, RqlError> {
    let written = &text[start..end];
    if let Ok(integer) = written.parse() {
        return Ok(Token::Integer(integer));
    }
    match written.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(Token::Float(float)),
        _ => Err(RqlError::at(text, start..end, "a number that can be counted to")),
    }
}
