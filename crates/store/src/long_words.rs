//! The long words of a row group, word for word: with them a filter of whole words also tells of a part of a word.
//!
//! A word that a search gives may be a part of a longer one. Where all longer words are listed, it is a whole word, of which
//! the filter knows, or a part of one on the list. Ids make rows different and are of one length, so that few words are
//! longer than they are. Words of hexadecimal digits alone have a list of their own: ids of them leave room for names.

use std::collections::HashSet;

/// Bytes of the words of a list; some dozen words in a file of a megabyte.
const LIST_BYTES_MAX: usize = 2 * 1024;

/// Words longer than any that a person looks for; with one of them a list says nothing of shorter ones.
const WORD_BYTES_MAX: usize = 255;

/// Every word of a kind that is longer than so many bytes, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LongWords {
    longer_than: usize,
    words: HashSet<Box<[u8]>>,
    bytes: usize,
}

impl LongWords {
    /// Nothing is known.
    fn unknown() -> LongWords {
        LongWords { longer_than: usize::MAX, ..LongWords::default() }
    }

    fn add(&mut self, word: &[u8]) {
        if word.len() <= self.longer_than {
            return;
        }
        let word = word.to_ascii_lowercase();
        if self.words.contains(word.as_slice()) {
            return;
        }
        self.bytes += word.len();
        self.words.insert(word.into());
        while self.bytes > LIST_BYTES_MAX {
            let shortest = self.words.iter().map(|word| word.len()).min().unwrap_or(WORD_BYTES_MAX);
            self.words.retain(|word| word.len() > shortest);
            self.bytes = self.words.iter().map(|word| word.len()).sum();
            self.longer_than = shortest;
        }
    }

    /// Whether every longer word is listed, and none has it within.
    fn rules_out(&self, part: &[u8]) -> bool {
        part.len() >= self.longer_than && !self.words.iter().any(|word| memchr::memmem::find(word, part).is_some())
    }
}

/// Those of hexadecimal digits alone, and the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LongWordsOfGroup {
    hex: LongWords,
    other: LongWords,
}

impl LongWordsOfGroup {
    /// Nothing is known.
    pub fn unknown() -> LongWordsOfGroup {
        LongWordsOfGroup { hex: LongWords::unknown(), other: LongWords::unknown() }
    }

    pub fn add(&mut self, word: &[u8]) {
        if word.len() > self.hex.longer_than.min(self.other.longer_than) {
            if is_hex(word) { self.hex.add(word) } else { self.other.add(word) }
        }
    }

    /// Whether no word longer than this, which is in lower case, has it within.
    pub fn rule_out(&self, part: &str) -> bool {
        let part = part.as_bytes();
        self.other.rules_out(part) && (!is_hex(part) || self.hex.rules_out(part))
    }

    pub fn write(&self, to: &mut Vec<u8>) {
        for list in [&self.hex, &self.other] {
            // The longest words of all say that nothing shorter is known.
            let is_known = list.longer_than <= WORD_BYTES_MAX && list.words.iter().all(|word| word.len() <= WORD_BYTES_MAX);
            let longer_than = if is_known { list.longer_than as u16 } else { u16::MAX };
            to.extend_from_slice(&longer_than.to_le_bytes());
            let mut words: Vec<&[u8]> = list.words.iter().filter(|_| is_known).map(|word| &**word).collect();
            words.sort_unstable();
            to.extend_from_slice(&(words.len() as u16).to_le_bytes());
            for word in words {
                to.push(word.len() as u8);
                to.extend_from_slice(word);
            }
        }
    }

    /// What was written, taken from the front of `from`.
    pub fn read(from: &mut &[u8]) -> Option<LongWordsOfGroup> {
        Some(LongWordsOfGroup { hex: LongWords::read(from)?, other: LongWords::read(from)? })
    }
}

impl LongWords {
    fn read(from: &mut &[u8]) -> Option<LongWords> {
        let longer_than = u16::from_le_bytes(take(from)?);
        let mut list = LongWords { longer_than: usize::from(longer_than), ..LongWords::default() };
        for _ in 0..u16::from_le_bytes(take(from)?) {
            let [length] = take(from)?;
            let (word, rest) = from.split_at_checked(usize::from(length))?;
            *from = rest;
            list.bytes += word.len();
            list.words.insert(word.into());
        }
        Some(if longer_than == u16::MAX { LongWords::unknown() } else { list })
    }
}

pub(crate) fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*taken)
}

fn is_hex(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> LongWordsOfGroup {
        let mut list = LongWordsOfGroup::default();
        words.iter().for_each(|word| list.add(word.as_bytes()));
        list
    }

    #[test]
    fn a_part_is_ruled_out_where_all_longer_words_are_listed() {
        let ids: Vec<String> = (0..1_000).map(|number| format!("{:024x}", number * 7_919)).collect();
        let mut words: Vec<&str> = ids.iter().map(String::as_str).collect();
        words.extend(["IllegalStateException", "timeout", "0123456789abcdef0123456789abcdef"]);
        let list = of(&words);
        for (part, expected) in [
            ("stateexception", false),
            ("timeout", false),
            ("checkout", true),
            // A whole word may be that long, of which the filter knows; the longer one is listed.
            ("aaaaaaaaaaaaaaaaaaaaaaaa", true),
            ("89abcdef0123456789abcdef", false),
            // It may be a part of any id.
            ("aaaaaaaa", false),
        ] {
            assert_eq!(list.rule_out(part), expected, "{part}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_part_of_a_longer_word_is_never_ruled_out(
            words in proptest::collection::vec("[a-zA-Z0-9ü]{1,40}|[0-9A-Fa-f]{20}|a{250,270}", 1..120), at in 0usize..30, length in 1usize..30,
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut written = Vec::new();
            of(&words).write(&mut written);
            let mut rest = written.as_slice();
            let read = LongWordsOfGroup::read(&mut rest).unwrap();
            proptest::prop_assert!(rest.is_empty());
            for word in words {
                if let Some(part) = word.get(at..(at + length).min(word.len())).filter(|part| part.len() < word.len()) {
                    proptest::prop_assert!(!read.rule_out(&part.to_ascii_lowercase()), "{} in {}", part, word);
                }
            }
        }
    }
}
