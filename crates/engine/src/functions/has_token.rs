//! `has_token(text, words)`: whether the text says these words, as words.
//!
//! Meaning: the words stand in the text next to each other and exactly so, whatever the case of ASCII letters, and neither
//! the first nor the last of them is part of a longer word. A word is a run of ASCII letters and digits and of characters
//! outside ASCII. `has_token(body, 'time out')` finds `Time out!`, not `timeout` and not `overtime out`.
//! Null where the text is null. Words without a letter or digit are looked for as they stand.
//!
//! The store keeps a filter of the words of each row group of log bodies and exceptions, so that a table asked by this
//! function reads only row groups that may hold them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, GenericStringArray, OffsetSizeTrait, StringViewArray,
};
use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(HasToken { signature: signature() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct HasToken {
    signature: Signature,
}

fn signature() -> Signature {
    let pairs = [DataType::Utf8, DataType::Utf8View, DataType::LargeUtf8]
        .map(|text| TypeSignature::Exact(vec![text, DataType::Utf8]))
        .to_vec();
    Signature::one_of(pairs, Volatility::Immutable)
}

impl ScalarUDFImpl for HasToken {
    fn name(&self) -> &str {
        "has_token"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, words] = args.args.as_slice() else { return exec_err!("has_token takes a text and words") };
        let ColumnarValue::Scalar(ScalarValue::Utf8(words)) = words else {
            return exec_err!("has_token takes words that are the same for every row");
        };
        let Some(words) = words else { return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None))) };
        let finder = Finder::new(words);
        match text {
            ColumnarValue::Scalar(scalar) => {
                let found = scalar.try_as_str().flatten().map(|text| finder.is_in(text.as_bytes()));
                Ok(ColumnarValue::Scalar(ScalarValue::Boolean(found)))
            }
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(search(array, &finder)?)),
        }
    }
}

fn search(array: &ArrayRef, finder: &Finder) -> Result<ArrayRef> {
    if finder.words.is_empty() {
        let every = arrow::buffer::BooleanBuffer::new_set(array.len());
        return Ok(Arc::new(BooleanArray::new(every, array.logical_nulls())));
    }
    let found = match array.data_type() {
        DataType::Utf8 => search_buffer(array.as_string::<i32>(), finder),
        DataType::LargeUtf8 => search_buffer(array.as_string::<i64>(), finder),
        DataType::Utf8View => search_views(array.as_string_view(), finder),
        other => return exec_err!("has_token takes a text, found {other}"),
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
        // Most candidates share one byte with the words; they are not worth looking up their row.
        if !finder.reads(bytes, place) {
            from = place + 1;
            continue;
        }
        // Rows are in order, finds are rare: leap, then walk.
        row += offsets[row + 1..=rows].partition_point(|offset| offset.as_usize() <= place);
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

/// Looks for words, starting from the byte among theirs that is rarest in logs.
struct Finder {
    /// In lower case.
    words: Vec<u8>,
    rare_at: usize,
    starts_in_word: bool,
    ends_in_word: bool,
}

impl Finder {
    fn new(words: &str) -> Finder {
        let words = words.to_ascii_lowercase().into_bytes();
        let rare_at = (0..words.len()).min_by_key(|at| frequency(words[*at])).unwrap_or(0);
        let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
        Finder { rare_at, starts_in_word: is_word(words.first()), ends_in_word: is_word(words.last()), words }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        let mut from = 0;
        while let Some(place) = self.candidate(text, from..text.len()) {
            if self.stands_at(text, place) {
                return true;
            }
            from = place + 1;
        }
        self.words.is_empty()
    }

    /// Where within `range` the words may begin: their rarest byte is at its place.
    fn candidate(&self, bytes: &[u8], range: Range<usize>) -> Option<usize> {
        let rare = *self.words.get(self.rare_at)?;
        let start = range.start.checked_add(self.rare_at)?;
        let searched = bytes.get(start..range.end)?;
        let at = if rare.is_ascii_lowercase() {
            memchr::memchr2(rare, rare.to_ascii_uppercase(), searched)
        } else {
            memchr::memchr(rare, searched)
        };
        at.map(|at| range.start + at)
    }

    /// Whether the bytes at `place` are those of the words, be they of one text or of several.
    fn reads(&self, bytes: &[u8], place: usize) -> bool {
        bytes.get(place..place + self.words.len()).is_some_and(|found| found.eq_ignore_ascii_case(&self.words))
    }

    /// Whether the words stand at `place` of one text, as words.
    fn stands_at(&self, text: &[u8], place: usize) -> bool {
        let end = place + self.words.len();
        let Some(found) = text.get(place..end) else { return false };
        let open_before = self.starts_in_word && place.checked_sub(1).is_some_and(|before| is_word(text[before]));
        let open_after = self.ends_in_word && text.get(end).is_some_and(|after| is_word(*after));
        !open_before && !open_after && found.eq_ignore_ascii_case(&self.words)
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

#[cfg(test)]
mod tests {
    use arrow::array::{LargeStringArray, StringArray};

    use super::*;

    const CASES: &[(&str, &str, bool)] = &[
        ("Connection timeout after 30s", "timeout", true),
        ("Connection Timeout", "timeout", true),
        ("timeout", "TIMEOUT", true),
        ("timeouts", "timeout", false),
        ("overtimeout", "timeout", false),
        ("timeouts, then a timeout", "timeout", true),
        ("a time out!", "time out", true),
        ("a time  out!", "time out", false),
        ("order=4711;", "4711", true),
        ("order=47110;", "4711", false),
        ("größe", "gr", false),
        ("größe", "größe", true),
        ("a-b-c", "a-b", true),
        ("a--c", "--", true),
        ("", "a", false),
        ("a", "", true),
        ("", "", true),
        ("aa a", "a", true),
    ];

    #[test]
    fn words_are_found_as_words() {
        for (text, words, expected) in CASES {
            assert_eq!(Finder::new(words).is_in(text.as_bytes()), *expected, "{words:?} in {text:?}");
        }
    }

    #[test]
    fn a_column_is_searched_as_its_rows_are() {
        let words: Vec<&str> = CASES.iter().map(|(_, words, _)| *words).filter(|words| !words.is_empty()).collect();
        let texts: Vec<Option<&str>> = CASES.iter().map(|(text, _, _)| Some(*text)).chain([None, Some("timeout")]).collect();
        let arrays: [ArrayRef; 4] = [
            Arc::new(StringArray::from(texts.clone())),
            Arc::new(LargeStringArray::from(texts.clone())),
            Arc::new(StringViewArray::from(texts.clone())),
            Arc::new(StringArray::from(texts.clone()).slice(3, texts.len() - 4)),
        ];
        for words in words {
            let finder = Finder::new(words);
            let expected: Vec<Option<bool>> = texts.iter().map(|text| text.map(|text| finder.is_in(text.as_bytes()))).collect();
            for (place, array) in arrays.iter().enumerate() {
                let found: Vec<Option<bool>> = search(array, &finder).unwrap().as_boolean().iter().collect();
                let expected = if place == 3 { &expected[3..texts.len() - 1] } else { &expected[..] };
                assert_eq!(found, expected, "{words:?}, array {place}");
            }
        }
    }
}
