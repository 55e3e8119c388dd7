//! Numbers of cards, told by their first digits, their length and their check digit.

use std::ops::Range;

/// What may be one.
pub(super) const PATTERN: &str = r"(?-u)[2-6]\d{3}[ -]?\d{4,6}[ -]?\d{4,5}(?:[ -]?\d{1,4})?";

/// A card's number: nothing that it is a part of, and no id.
pub(super) fn is_card(body: &[u8], range: Range<usize>) -> bool {
    let is_part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'));
    let is_id = body[..range.start].iter().rev().skip_while(|byte| matches!(byte, b'"' | b':' | b' ' | b'\\')).take(2);
    let is_id = is_id.copied().map(|byte| byte.to_ascii_lowercase()).eq(*b"di");
    if is_part(body.get(range.end)) || (range.start > 0 && is_part(body.get(range.start - 1))) || is_id {
        return false;
    }
    let digits: Vec<u32> = body[range].iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect();
    let first = digits.iter().take(4).fold(0, |number, digit| number * 10 + digit);
    let is_known = match digits.len() {
        15 => matches!(first / 100, 34 | 37),
        16 => matches!(first, 2221..=2720 | 4000..=4999 | 5100..=5599 | 6011 | 6440..=6599),
        13 | 19 => first / 1000 == 4,
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match digit * (1 + place as u32 % 2) {
            doubled @ 10.. => doubled - 9,
            plain => plain,
        })
        .sum();
    is_known && sum.is_multiple_of(10)
}
