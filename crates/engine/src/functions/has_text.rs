//! `has_text(text, part)`: whether the text has this part, whatever the case.
//!
//! Meaning: what `text ILIKE '%part%'` says of a part without wildcards. A column is searched as one text instead of row by row
//! with a regular expression. Null where the text is null.
//!
//! ILIKE folds as Unicode does. That is what folding ASCII letters does unless the part has letters outside ASCII, or a K or
//! an S, of which Unicode knows a third form, and the texts may have these forms; those few are left to ILIKE.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, OffsetSizeTrait, Scalar, StringArray};
use arrow::compute::cast;
use arrow::compute::kernels::comparison::ilike;
use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

use super::finder::{Finder, search};
use super::has_token::text_and_needle;

pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(HasText { signature: text_and_needle() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct HasText {
    signature: Signature,
}

impl ScalarUDFImpl for HasText {
    fn name(&self) -> &str {
        "has_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, part] = args.args.as_slice() else { return exec_err!("has_text takes a text and a part of it") };
        let ColumnarValue::Scalar(ScalarValue::Utf8(part)) = part else {
            return exec_err!("has_text takes a part that is the same for every row");
        };
        let Some(part) = part else { return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None))) };
        match text {
            ColumnarValue::Scalar(scalar) => {
                let found = found(&scalar.to_array()?, part)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?))
            }
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(found(array, part)?)),
        }
    }
}

fn found(array: &ArrayRef, part: &str) -> Result<ArrayRef> {
    if part.is_ascii() && (!has_third_forms(part) || is_ascii(array)) {
        return search(array, &Finder::part(part));
    }
    let pattern: ArrayRef = Arc::new(StringArray::from(vec![pattern(part)]));
    let pattern = cast(&pattern, array.data_type())?;
    Ok(Arc::new(ilike(array, &Scalar::new(pattern))?))
}

/// Whether a letter of it is also one outside ASCII in another case: the Kelvin sign is a K, the long s an S.
fn has_third_forms(part: &str) -> bool {
    part.bytes().any(|byte| matches!(byte.to_ascii_lowercase(), b'k' | b's'))
}

fn is_ascii(array: &ArrayRef) -> bool {
    fn bytes<O: OffsetSizeTrait>(array: &GenericStringArray<O>) -> &[u8] {
        let offsets = array.value_offsets();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return &[] };
        &array.value_data()[first.as_usize()..last.as_usize()]
    }
    match array.data_type() {
        DataType::Utf8 => bytes(array.as_string::<i32>()).is_ascii(),
        DataType::LargeUtf8 => bytes(array.as_string::<i64>()).is_ascii(),
        DataType::Utf8View => array.as_string_view().iter().flatten().all(str::is_ascii),
        _ => false,
    }
}

/// `%part%`, with what would be wildcards standing for themselves.
fn pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for char in part.chars() {
        if matches!(char, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, LargeStringArray, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    fn ilike_says(array: &ArrayRef, part: &str) -> BooleanArray {
        let one: ArrayRef = Arc::new(StringArray::from(vec![pattern(part)]));
        ilike(array, &Scalar::new(cast(&one, array.data_type()).unwrap())).unwrap()
    }

    /// As a whole column of each kind, and as a slice of one.
    fn check(texts: &[Option<String>], part: &str) {
        let text = || texts.iter().map(Option::as_deref);
        let whole: ArrayRef = Arc::new(StringArray::from_iter(text()));
        let half = texts.len() / 2;
        let arrays: [ArrayRef; 4] = [
            Arc::clone(&whole),
            whole.slice(half, texts.len() - half),
            Arc::new(LargeStringArray::from_iter(text())),
            Arc::new(StringViewArray::from_iter(text())),
        ];
        for array in &arrays {
            assert_eq!(found(array, part).unwrap().as_boolean(), &ilike_says(array, part), "{part:?} in {array:?}");
        }
    }

    #[test]
    fn parts_are_found_whatever_the_case() {
        let texts =
            ["Connection timeout", "", "TIME", "tim", "ime", "100% off_here", "a\\b", "\u{212a}elvin", "mi\u{17f}t", "KISS"];
        let texts: Vec<Option<String>> = texts.iter().map(|text| Some((*text).to_owned())).chain([None]).collect();
        for part in ["time", "TIM", "", "%", "_", "\\", "k", "ss", "ist", "ö", "e", "timetim", "\u{17f}"] {
            check(&texts, part);
        }
        let array: ArrayRef = Arc::new(StringArray::from(vec!["abcab", "cabc"]));
        assert_eq!(found(&array, "bcabc").unwrap().as_boolean().true_count(), 0, "nothing goes on in the next row");
    }

    proptest! {
        #[test]
        fn it_says_what_ilike_says(texts in prop::collection::vec(prop::option::of("[a-cA-CkKsS\u{17f}\u{212a}ßö%_\\\\ ]{0,6}"), 1..9), part in "[a-cA-CkKsS\u{17f}ö%_\\\\ ]{0,3}") {
            check(&texts, &part);
        }
    }
}
