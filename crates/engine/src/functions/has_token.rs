//! `has_token(text, words)`: whether the text says these words, as words.
//!
//! Meaning: the words stand in the text next to each other and exactly so, whatever the case of ASCII letters, and neither
//! the first nor the last of them is part of a longer word. A word is a run of ASCII letters and digits and of characters
//! outside ASCII. `has_token(body, 'time out')` finds `Time out!`, not `timeout` and not `overtime out`.
//! Null where the text is null. Words without a letter or digit are looked for as they stand.
//!
//! The store keeps a filter of the words of each row group of log bodies and exceptions, so that a table asked by this
//! function reads only row groups that may hold them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::finder::{Finder, search};

pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(HasToken { signature: text_and_needle() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct HasToken {
    signature: Signature,
}

/// A text of any kind, and one that is looked for in it.
pub(super) fn text_and_needle() -> Signature {
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
        let finder = Finder::words(words);
        match text {
            ColumnarValue::Scalar(scalar) => {
                let found = scalar.try_as_str().flatten().map(|text| finder.is_in(text.as_bytes()));
                Ok(ColumnarValue::Scalar(ScalarValue::Boolean(found)))
            }
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(search(array, &finder)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, LargeStringArray, StringArray, StringViewArray};

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
            assert_eq!(Finder::words(words).is_in(text.as_bytes()), *expected, "{words:?} in {text:?}");
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
            let finder = Finder::words(words);
            let expected: Vec<Option<bool>> = texts.iter().map(|text| text.map(|text| finder.is_in(text.as_bytes()))).collect();
            for (place, array) in arrays.iter().enumerate() {
                let found: Vec<Option<bool>> = search(array, &finder).unwrap().as_boolean().iter().collect();
                let expected = if place == 3 { &expected[3..texts.len() - 1] } else { &expected[..] };
                assert_eq!(found, expected, "{words:?}, array {place}");
            }
        }
    }
}
