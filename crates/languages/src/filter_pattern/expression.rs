//! `%...%`: regular expressions of the small alphabet that the service knows.

use std::fmt;

/// Compiled, an expression takes at most this: each line that arrives is held against it.
pub const EXPRESSION_BYTES_MAX: usize = 256 * 1024;

/// A regular expression; two are equal when they are written the same.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    compiled: regex::Regex,
}

/// Why a text is no expression: at which byte of it, and what would be right there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    pub at: usize,
    pub expected: String,
}

const ALPHABET: &str =
    "letters, digits, spaces, : _ # = @ / ; , - and the operators ^ $ ? [ ] { } | \\ * + . between percent signs";

impl Expression {
    /// Reads what stands between the percent signs.
    ///
    /// Refuses: parentheses and other signs outside of the alphabet, escapes that mean nothing, what is unbalanced, and what
    /// takes more than [`EXPRESSION_BYTES_MAX`].
    pub fn new(text: &str) -> Result<Expression, Misfit> {
        let translated = translate(text)?;
        let compiled = regex::RegexBuilder::new(&translated).size_limit(EXPRESSION_BYTES_MAX).build();
        let compiled = compiled.map_err(|error| {
            let expected = match error {
                regex::Error::CompiledTooBig(_) => "a smaller regular expression".to_owned(),
                _ => "a regular expression".to_owned(),
            };
            Misfit { at: 0, expected }
        })?;
        Ok(Expression { text: text.to_owned(), compiled })
    }

    pub fn is_match(&self, line: &str) -> bool {
        self.compiled.is_match(line)
    }

    /// The same expression as other engines read it.
    pub fn translated(&self) -> &str {
        self.compiled.as_str()
    }
}

/// Classes are those of ASCII, and what has a meaning only elsewhere is taken literally.
fn translate(text: &str) -> Result<String, Misfit> {
    let mut out = String::with_capacity(text.len() + 8);
    let mut in_class = false;
    let mut chars = text.char_indices().peekable();
    if text.is_empty() {
        return Err(Misfit { at: 0, expected: "a regular expression between the percent signs".to_owned() });
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().map(|(_, escaped)| escaped);
                match escaped {
                    Some('d') => out.push_str("[0-9]"),
                    Some('D') => out.push_str("[^0-9]"),
                    Some('s') => out.push_str("[\\t\\n\\x0B\\x0C\\r ]"),
                    Some('S') => out.push_str("[^\\t\\n\\x0B\\x0C\\r ]"),
                    Some('w') => out.push_str("[0-9A-Za-z_]"),
                    Some('W') => out.push_str("[^0-9A-Za-z_]"),
                    Some('x') => {
                        let digits: String =
                            (0..2).filter_map(|_| chars.next_if(|(_, c)| c.is_ascii_hexdigit())).map(|(_, c)| c).collect();
                        match u8::from_str_radix(&digits, 16) {
                            Ok(code) if digits.len() == 2 && code < 0x80 => out.push_str(&format!("\\x{digits}")),
                            _ => {
                                return Err(Misfit { at, expected: "two hex digits of an ASCII character after \\x".to_owned() });
                            }
                        }
                    }
                    Some(sign) if "^$?[]{}|\\*+.-/:_#=@;,".contains(sign) => {
                        out.push_str(&regex::escape(sign.encode_utf8(&mut [0; 4])))
                    }
                    _ => {
                        return Err(Misfit {
                            at,
                            expected: "an operator, d, D, s, S, w, W or xhh after the backslash".to_owned(),
                        });
                    }
                }
            }
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                if chars.next_if(|(_, c)| *c == '^').is_some() {
                    out.push('^');
                }
                // The first one is a member.
                if chars.next_if(|(_, c)| *c == ']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            ']' => out.push_str("\\]"),
            '-' if in_class && matches!(chars.peek(), Some((_, '-' | ']'))) => out.push_str("\\-"),
            '#' | '^' if in_class => out.push_str(&format!("\\{c}")),
            '^' | '$' | '?' | '{' | '}' | '|' | '*' | '+' | '.' => out.push(c),
            ' ' | ':' | '_' | '#' | '=' | '@' | '/' | ';' | ',' | '-' => out.push(c),
            _ if c.is_ascii_alphanumeric() => out.push(c),
            _ => return Err(Misfit { at, expected: ALPHABET.to_owned() }),
        }
    }
    Ok(out)
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}%", self.text)
    }
}
