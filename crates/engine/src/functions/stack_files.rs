//! `stack_files(stacktrace, question, text)`: what the files of a stack's calls are like.
//!
//! Meaning: `top` and `bottom` ask whether the latest and the oldest call of the exception that was seen has `text` in its
//! file's name, `any`, `all` and `no` whether files of any call of the chain do, whatever the case; `min` and `max` whether there are
//! at least or at most so many different files. Of a stack without files only `no` and `max` are true.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use analysis::stacktrace::{self, Frame};
use arrow::array::{AsArray, BooleanBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub const NAME: &str = "stack_files";

pub fn udf() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Utf8; 3], Volatility::Immutable);
    Arc::new(ScalarUDF::from(StackFiles { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StackFiles {
    signature: Signature,
}

impl ScalarUDFImpl for StackFiles {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [stacks, question, text] = args.args.as_slice() else {
            return exec_err!("{NAME} takes a stack, a question and a text");
        };
        let (Some(question), Some(text)) = (same(question), same(text)) else {
            return exec_err!("{NAME} takes a question and a text that are the same for every row");
        };
        let text = text.to_lowercase();
        let stacks = cast(&stacks.to_array(args.number_rows)?, &DataType::Utf8)?;
        // Most stacks of a batch are the same few.
        let mut known: HashMap<&str, bool> = HashMap::new();
        let mut held = BooleanBuilder::new();
        for stack in stacks.as_string::<i32>() {
            let stack = stack.unwrap_or_default();
            held.append_value(*known.entry(stack).or_insert_with(|| holds(stack, question, &text)));
        }
        Ok(ColumnarValue::Array(Arc::new(held.finish())))
    }
}

fn same(value: &ColumnarValue) -> Option<&str> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Utf8(text)) => text.as_deref(),
        _ => None,
    }
}

fn holds(stack: &str, question: &str, text: &str) -> bool {
    let read = stacktrace::parse(stack, None);
    let has_file = |frame: &&Frame<'_>| !frame.file.is_empty();
    let is_named = |frame: &Frame<'_>| frame.file.to_lowercase().contains(text);
    let seen = || read.links.iter().map(|link| link.frames.as_slice()).find(|frames| frames.iter().any(|frame| has_file(&frame)));
    let mut all = read.links.iter().flat_map(|link| &link.frames).filter(has_file).peekable();
    let bound = || text.trim().parse::<usize>().ok();
    match question {
        "top" => seen().and_then(|frames| frames.iter().rev().find(has_file)).is_some_and(is_named),
        "bottom" => seen().and_then(|frames| frames.iter().find(has_file)).is_some_and(is_named),
        "any" => all.any(is_named),
        "all" => all.peek().is_some() && all.all(is_named),
        "no" => !all.any(is_named),
        "min" => bound().is_some_and(|bound| different(all) >= bound),
        "max" => bound().is_some_and(|bound| different(all) <= bound),
        _ => false,
    }
}

fn different<'f>(frames: impl Iterator<Item = &'f Frame<'f>>) -> usize {
    frames.map(|frame| frame.file).collect::<HashSet<&str>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_asked_about() {
        let stack = "Traceback (most recent call last):\n  File \"/srv/Shop/main.py\", line 3, in run\n  File \"/srv/shop/cart.py\", line 9, in buy\nE: no\n";
        let cases = [
            ("top", "cart.py", true),
            ("top", "main.py", false),
            ("bottom", "MAIN.py", true),
            ("bottom", "cart", false),
            ("any", "main", true),
            ("any", "lib", false),
            ("all", "/srv/shop/", true),
            ("all", "cart", false),
            ("no", "lib", true),
            ("no", "cart", false),
            ("min", "2", true),
            ("min", "3", false),
            ("max", "2", true),
            ("max", "1", false),
            ("max", "few", false),
            ("other", "cart", false),
        ];
        for (question, text, expected) in cases {
            assert_eq!(holds(stack, question, &text.to_lowercase()), expected, "{question}:{text}");
        }
        let of_none = ["top", "bottom", "any", "all", "no", "min", "max"].map(|question| holds("no stack", question, "1"));
        assert_eq!(of_none, [false, false, false, false, true, false, true]);
    }
}
