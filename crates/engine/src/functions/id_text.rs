//! `id_text(id)`: an id as hex digits. A trace id whose first eight bytes are zero has sixteen digits, as Honeycomb prints it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(IdText { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IdText {
    signature: Signature,
}

impl ScalarUDFImpl for IdText {
    fn name(&self) -> &str {
        "id_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::FixedSizeBinary(_) | DataType::Null] => Ok(types.to_vec()),
            _ => plan_err!("id_text takes a trace id or a span id"),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ids] = args.args.as_slice() else { return exec_err!("id_text takes one id") };
        Ok(ColumnarValue::Array(texts(&ids.to_array(args.number_rows)?)))
    }
}

fn texts(ids: &ArrayRef) -> ArrayRef {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut texts = StringBuilder::with_capacity(ids.len(), ids.len() * 32);
    let Some(ids) = ids.as_fixed_size_binary_opt() else {
        (0..ids.len()).for_each(|_| texts.append_null());
        return Arc::new(texts.finish());
    };
    let mut text = String::with_capacity(32);
    for id in ids {
        let Some(mut id) = id else {
            texts.append_null();
            continue;
        };
        if let Some((zeroes, low)) = id.split_at_checked(8)
            && !low.is_empty()
            && zeroes == [0; 8]
        {
            id = low;
        }
        text.clear();
        for byte in id {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        texts.append_value(&text);
    }
    Arc::new(texts.finish())
}
