//! Functions that plans name and the engine supplies: this crate builds plans and has none of its own.

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};

/// Where plans get their functions from.
pub trait InsightsFunctions: Sync {
    fn scalar(&self, seam: ScalarSeam) -> Arc<ScalarUDF>;
    fn aggregate(&self, seam: AggregateSeam) -> Arc<AggregateUDF>;
    /// `row_number()`.
    fn row_number(&self) -> Arc<WindowUDF>;
}

/// A function of values. Arguments are of the types told here; what is NULL stays NULL unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarSeam {
    /// `(document text, path text) -> text`: the value at the dotted path, or at the key that is the whole path; texts without
    /// quotes, structures as JSON; NULL where there is none or the document is no JSON.
    JsonField,
    /// `(document text) -> text`: the document, or NULL where it is no JSON.
    JsonParse,
    /// `(document text) -> text`: the document as compact JSON.
    JsonStringify,
    /// `(document text) -> list of text`: the elements of an array; anything else is a list of itself.
    JsonItems,
    /// `(text, expression text, group int64) -> text`: the group of the first match, from 1; NULL where there is no match.
    RegexCapture,
    /// `(id bytes) -> text`: hex digits in lower case.
    Hex,
    /// `(number) -> number`.
    Abs,
    /// `(number) -> number`.
    Ceil,
    /// `(number) -> number`.
    Floor,
    /// `(number) -> float64`: the natural logarithm.
    Ln,
    /// `(number) -> float64`.
    Sqrt,
    /// `(float64, float64) -> float64`.
    Power,
    /// `(values of one type...) -> the same`: NULL is passed over.
    Greatest,
    /// `(values of one type...) -> the same`: NULL is passed over.
    Least,
    /// `(values of one type...) -> the same`: the first that is not NULL.
    Coalesce,
    /// `(interval, timestamp[, origin timestamp]) -> timestamp`: as DataFusion's `date_bin`.
    DateBin,
    /// `() -> timestamp`.
    Now,
    /// `(text...) -> text`: NULL is passed over.
    Concat,
    /// `(text[, characters text]) -> text`.
    Ltrim,
    /// `(text[, characters text]) -> text`.
    Rtrim,
    /// `(text[, characters text]) -> text`: on both sides.
    Btrim,
    /// `(text) -> integer`: characters.
    CharacterLength,
    /// `(text) -> text`.
    Upper,
    /// `(text) -> text`.
    Lower,
    /// `(text, start int64 from 1[, length int64]) -> text`.
    Substr,
    /// `(text, searched text, put text) -> text`.
    Replace,
    /// `(text, searched text) -> integer`: from 1, 0 where it is not found.
    Strpos,
    /// `(text) -> boolean`.
    IsValidIp,
    /// `(text) -> boolean`.
    IsValidIpV4,
    /// `(text) -> boolean`.
    IsValidIpV6,
    /// `(address text, subnet text) -> boolean`.
    IsIpInSubnet,
    /// `(address text, subnet text) -> boolean`.
    IsIpv4InSubnet,
    /// `(address text, subnet text) -> boolean`.
    IsIpv6InSubnet,
}

/// A function of groups of rows; NULL is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateSeam {
    /// `(anything) -> int64`; also called with DISTINCT.
    Count,
    /// `(number) -> float64`.
    Avg,
    /// `(number) -> number`.
    Sum,
    /// `(value) -> the same`.
    Min,
    /// `(value) -> the same`.
    Max,
    /// `(number) -> float64`: of a sample.
    Stddev,
    /// `(float64, share float64 from 0 to 1) -> float64`.
    Percentile,
    /// `(value) -> the same`, with an order.
    FirstValue,
    /// `(value) -> the same`, with an order.
    LastValue,
}
