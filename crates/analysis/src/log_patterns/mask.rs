//! A line with a mark in the place of each part that changes, made without reading it word by word: lines of one mask have
//! one shape, which is looked for once for all of them.
//!
//! Only a word with a digit or an `@` has parts that change; all others are passed over eight bytes at a time. Most of what
//! changes is a number, a hash or an id, which is seen at a glance; what else a word is made of depends on how it is spelt.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::words::{Kind, core, is_between, kept, variables, word_length};

/// Begins a mark, and is in no text.
const MARK: u8 = 0xff;

/// Bytes of spellings of words, or of masks of lines, that are known at once; beyond it they are learnt again.
const KNOWN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What each of them takes besides, about.
const KNOWN_BYTES_EACH: usize = 64;

/// Masks one line after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks {
    /// The last line.
    pub line: Masked,
    /// What changes in words that are spelt so.
    spellings: Known<Vec<(Kind, Range<usize>)>>,
    spelling: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Masked {
    pub bytes: Vec<u8>,
    /// Where the parts that change stand in the line, in order.
    pub changing: Vec<Range<usize>>,
    /// So much of the line is in `bytes`.
    told: usize,
}

impl Masks {
    /// Answers with what is read of the line.
    pub fn read<'a>(&mut self, line: &'a str) -> &'a str {
        let text = kept(line);
        self.line.bytes.clear();
        self.line.changing.clear();
        self.line.told = 0;
        let mut end = 0;
        while let Some(found) = next_telling(text.as_bytes(), end) {
            let word = Word::around(text, end, found);
            end = word.end;
            match word.at_a_glance(text.as_bytes()) {
                Some((kind, start)) => self.line.mark(text, kind, start..word.end),
                None => self.look_up(text, word.start, core(&text[word.start..word.end])),
            }
        }
        self.line.bytes.extend_from_slice(&text.as_bytes()[self.line.told..]);
        text
    }

    pub fn heap_bytes(&self) -> usize {
        self.spellings.heap_bytes()
    }

    fn look_up(&mut self, text: &str, start: usize, core: &str) {
        spell(core, &mut self.spelling);
        if self.spellings.get(&self.spelling).is_none() {
            self.spellings.insert(&self.spelling, variables(core));
        }
        for (kind, range) in self.spellings.get(&self.spelling).into_iter().flatten() {
            self.line.mark(text, *kind, start + range.start..start + range.end);
        }
    }
}

impl Masked {
    fn mark(&mut self, text: &str, kind: Kind, range: Range<usize>) {
        self.bytes.extend_from_slice(&text.as_bytes()[self.told..range.start]);
        self.bytes.extend_from_slice(&[MARK, kind as u8]);
        self.told = range.end;
        self.changing.push(range);
    }
}

/// The place of the next ASCII digit or `@`.
fn next_telling(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let telling = telling_of(u64::from_le_bytes(*eight));
        if telling != 0 {
            return Some(at + telling.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?.iter().position(|byte| byte.is_ascii_digit() || *byte == b'@');
    rest.map(|place| at + place)
}

/// The highest bit of each of eight bytes that is an ASCII digit or an `@`.
fn telling_of(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f * EACH;
    // Bytes from `least` on, none of which carries into the next.
    let at_least = |bytes: u64, least: u64| ((bytes & LOW) + (0x80 - least) * EACH) | bytes;
    let no_digit = at_least(eight ^ (u64::from(b'0') * EACH), 10);
    let no_at = at_least(eight ^ (u64::from(b'@') * EACH), 1);
    !(no_digit & no_at) & !LOW
}

/// A word that has a telling byte.
#[derive(Clone, Copy, Debug)]
struct Word {
    start: usize,
    /// Its first digit or `@`.
    telling: usize,
    end: usize,
    /// What all its bytes are, those before `telling` left out.
    all: u8,
}

impl Word {
    /// The word that `telling` is the first telling byte of, in what is behind `from`, where the word before ended.
    fn around(text: &str, from: usize, telling: usize) -> Word {
        let bytes = text.as_bytes();
        let start = start_of_word(text, from, telling);
        let mut all = CLASSES[usize::from(bytes[telling])];
        for (place, byte) in bytes.iter().enumerate().skip(telling + 1) {
            let class = CLASSES[usize::from(*byte)];
            if class & (BETWEEN | BEYOND_ASCII) != 0 {
                if class == BEYOND_ASCII {
                    return Word { start, telling, end: start + word_length(&text[start..]), all: 0 };
                }
                let is_in_number =
                    *byte == b',' && bytes[place - 1].is_ascii_digit() && bytes.get(place + 1).is_some_and(u8::is_ascii_digit);
                if !is_in_number {
                    return Word { start, telling, end: place, all };
                }
            }
            all &= class;
        }
        Word { start, telling, end: bytes.len(), all }
    }

    /// What changes in it, where that is one part up to its end: its kind, and where it begins.
    fn at_a_glance(self, text: &[u8]) -> Option<(Kind, usize)> {
        let before = &text[self.start..self.telling];
        if self.all & DIGIT != 0 {
            // What stands before it joins it to one name, or is not ASCII and may be anything.
            let is_apart = before.is_ascii() && !before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            return is_apart.then_some((Kind::Number, self.telling));
        }
        let length = self.end - self.start;
        if self.all & HEX != 0 && length >= 8 && before.iter().all(u8::is_ascii_hexdigit) {
            return Some((Kind::Hex, self.start));
        }
        is_uuid(&text[self.start..self.end]).then_some((Kind::Uuid, self.start))
    }
}

fn start_of_word(text: &str, from: usize, telling: usize) -> usize {
    let before = &text.as_bytes()[from..telling];
    match before.iter().rposition(|byte| CLASSES[usize::from(*byte)] & (BETWEEN | BEYOND_ASCII) != 0) {
        None => from,
        Some(place) if before[place].is_ascii() => from + place + 1,
        // A blank may be one that is not ASCII.
        Some(_) => {
            let between = text[from..telling].char_indices().rfind(|(_, c)| is_between(*c));
            between.map_or(from, |(at, c)| from + at + c.len_utf8())
        }
    }
}

fn is_uuid(core: &[u8]) -> bool {
    let is_right = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    core.len() == 36 && core.iter().enumerate().all(is_right)
}

/// The word with one digit for all and one letter for all that may be of a hash, but for those that mean something: whatever
/// is spelt the same has the same parts that change, at the same places.
fn spell(core: &str, spelling: &mut Vec<u8>) {
    let bytes = core.as_bytes();
    let spelt = bytes.iter().enumerate().map(|(place, byte)| match byte {
        b'0' if matches!(bytes.get(place + 1), Some(b'x' | b'X')) => b'0',
        b'0'..=b'9' => b'1',
        b'e' | b'E' => b'e',
        b'a'..=b'f' | b'A'..=b'F' => b'a',
        other => *other,
    });
    spelling.clear();
    spelling.extend(spelt);
}

const DIGIT: u8 = 1;
const HEX: u8 = 2;
const BETWEEN: u8 = 4;
const BEYOND_ASCII: u8 = 8;

/// What a byte is.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let as_byte = byte as u8;
        classes[byte] = match as_byte {
            b'0'..=b'9' => DIGIT | HEX,
            b'a'..=b'f' | b'A'..=b'F' => HEX,
            b'\t'..=b'\r' | b' ' | b',' | b';' | b'=' | b'"' | b'\'' | b'`' => BETWEEN,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' => BETWEEN,
            0x80.. => BEYOND_ASCII,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// What is known of texts, by a hash; of two that share one the later counts.
#[derive(Clone, Debug)]
pub(super) struct Known<T> {
    of: HashMap<u64, (Box<[u8]>, T), BuildHasherDefault<HashAsItIs>>,
    bytes: usize,
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known { of: HashMap::default(), bytes: 0 }
    }
}

impl<T> Known<T> {
    pub fn get(&self, text: &[u8]) -> Option<&T> {
        let (known, value) = self.of.get(&xxh3_64(text))?;
        (**known == *text).then_some(value)
    }

    pub fn insert(&mut self, text: &[u8], value: T) {
        if self.bytes >= KNOWN_BYTES_MAX {
            self.clear();
        }
        self.bytes += text.len() + KNOWN_BYTES_EACH;
        self.of.insert(xxh3_64(text), (text.into(), value));
    }

    pub fn clear(&mut self) {
        self.of.clear();
        self.bytes = 0;
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }
}

/// A hash is one already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HashAsItIs(u64);

impl Hasher for HashAsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log_patterns::Line;

    proptest! {
        #[test]
        fn a_line_is_masked_as_it_is_read(
            line in "([a-f0-9xeTZ:.@,_+ -]{0,14}|[a-f]{4}[0-9]{4}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\\PC{0,6}|[,;= \"(]){0,20}",
        ) {
            let mut masks = Masks::default();
            let text = masks.read(&line);
            let changing: Vec<&str> = masks.line.changing.iter().map(|range| &text[range.clone()]).collect();
            let read = Line::read(&line);
            prop_assert_eq!(&changing[..read.values.len()], &read.values);
        }

        #[test]
        fn what_tells_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40), from in 0usize..40) {
            let expected = (from..bytes.len()).find(|place| bytes[*place].is_ascii_digit() || bytes[*place] == b'@');
            prop_assert_eq!(next_telling(&bytes, from), expected);
        }
    }

    #[test]
    fn between_words_is_the_same_for_bytes_and_characters() {
        for byte in 0..=255u8 {
            let is_one = CLASSES[usize::from(byte)] & BETWEEN != 0;
            assert_eq!(is_one, byte.is_ascii() && is_between(char::from(byte)), "{byte}");
        }
    }
}
