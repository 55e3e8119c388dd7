//! Texts looked for in columns of texts, whatever the case of ASCII letters: as words, or wherever they stand.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, GenericStringArray, OffsetSizeTrait, StringViewArray,
};
use arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;

/// Whether what is looked for is in each of some texts; null where the text is null.
pub fn search(array: &ArrayRef, finder: &Finder) -> Result<ArrayRef> {
    if finder.text.is_empty() {
        let every = arrow::buffer::BooleanBuffer::new_set(array.len());
        return Ok(Arc::new(BooleanArray::new(every, array.logical_nulls())));
    }
    let found = match array.data_type() {
        DataType::Utf8 => search_buffer(array.as_string::<i32>(), finder),
        DataType::LargeUtf8 => search_buffer(array.as_string::<i64>(), finder),
        DataType::Utf8View => search_views(array.as_string_view(), finder),
        other => return exec_err!("expected texts to search, found {other}"),
    };
    Ok(Arc::new(found))
}

/// All rows' bytes lie in a row: they are searched as one text, which costs next to nothing for each row without a find.
fn search_buffer<O: OffsetSizeTrait>(array: &GenericStringArray<O>, finder: &Finder) -> BooleanArray {
    let rows = array.len();
    let mut found = BooleanBufferBuilder::new(rows);
    found.append_n(rows, false);
    let offsets = array.value_offsets();
    let bytes = array.value_data();
    let mut row = 0;
    let mut from = offsets[0].as_usize();
    let end = offsets[rows].as_usize();
    while row < rows {
        let Some(place) = finder.candidate(bytes, from..end) else { break };
        // Most candidates share one byte with the text; they are not worth looking up their row.
        if !finder.reads(bytes, place) {
            from = place + 1;
            continue;
        }
        // Rows are in order: where finds are rare, leap.
        if offsets[row + 1].as_usize() <= place {
            row += offsets[row + 1..=rows].partition_point(|offset| offset.as_usize() <= place);
        }
        let text = offsets[row].as_usize()..offsets[row + 1].as_usize();
        if finder.stands_at(&bytes[text.clone()], place - text.start) {
            found.set_bit(row, true);
            from = text.end;
            row += 1;
        } else {
            from = place + 1;
        }
    }
    BooleanArray::new(found.finish(), array.nulls().cloned())
}

fn search_views(array: &StringViewArray, finder: &Finder) -> BooleanArray {
    let found = (0..array.len()).map(|row| array.is_valid(row) && finder.is_in(array.value(row).as_bytes()));
    BooleanArray::new(found.collect(), array.nulls().cloned())
}

/// Looks for a text, starting from the byte of it that is rarest in logs.
pub struct Finder {
    /// In lower case.
    text: Vec<u8>,
    rare_at: usize,
    /// Whether no word may go on before it, and after it.
    begins_a_word: bool,
    ends_a_word: bool,
}

impl Finder {
    /// Finds it wherever it stands.
    pub fn part(text: &str) -> Finder {
        let text = text.to_ascii_lowercase().into_bytes();
        let rare_at = (0..text.len()).min_by_key(|at| frequency(text[*at])).unwrap_or(0);
        Finder { text, rare_at, begins_a_word: false, ends_a_word: false }
    }

    /// Finds it where its words are whole ones.
    pub fn words(text: &str) -> Finder {
        let finder = Finder::part(text);
        let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
        Finder { begins_a_word: is_word(finder.text.first()), ends_a_word: is_word(finder.text.last()), ..finder }
    }

    pub fn is_in(&self, text: &[u8]) -> bool {
        let mut from = 0;
        while let Some(place) = self.candidate(text, from..text.len()) {
            if self.stands_at(text, place) {
                return true;
            }
            from = place + 1;
        }
        self.text.is_empty()
    }

    /// Where within `range` the text may begin: its rarest byte is at its place.
    fn candidate(&self, bytes: &[u8], range: Range<usize>) -> Option<usize> {
        let rare = *self.text.get(self.rare_at)?;
        let start = range.start.checked_add(self.rare_at)?;
        let searched = bytes.get(start..range.end)?;
        let at = if rare.is_ascii_lowercase() {
            memchr::memchr2(rare, rare.to_ascii_uppercase(), searched)
        } else {
            memchr::memchr(rare, searched)
        };
        at.map(|at| range.start + at)
    }

    /// Whether the bytes at `place` are those of the text, be they of one row or of several.
    fn reads(&self, bytes: &[u8], place: usize) -> bool {
        bytes.get(place..place + self.text.len()).is_some_and(|found| found.eq_ignore_ascii_case(&self.text))
    }

    /// Whether the text stands at `place` of one row as it has to.
    fn stands_at(&self, text: &[u8], place: usize) -> bool {
        let end = place + self.text.len();
        let Some(found) = text.get(place..end) else { return false };
        let open_before = self.begins_a_word && place.checked_sub(1).is_some_and(|before| is_word(text[before]));
        let open_after = self.ends_a_word && text.get(end).is_some_and(|after| is_word(*after));
        !open_before && !open_after && found.eq_ignore_ascii_case(&self.text)
    }
}

/// Whether a byte is within a word: an ASCII letter or digit, or part of a character outside ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Roughly how often a byte is met in log lines, letters in both cases together.
fn frequency(byte: u8) -> u8 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 9,
        b' ' | b'0' | b'1' => 8,
        b'l' | b'd' | b'c' | b'u' | b'p' | b'm' | b'h' => 7,
        b'2'..=b'9' | b'-' | b'.' | b':' | b'/' | b'=' | b'_' => 6,
        b'f' | b'g' | b'b' | b'y' | b'v' | b'k' | b'w' => 5,
        b'"' | b',' => 4,
        b'x' | b'z' | b'q' | b'j' => 3,
        _ => 2,
    }
}
