//! What a question's conditions say before anything is read: between which times rows must lie, and which whole words
//! they must hold.
//!
//! Both are necessary conditions only. What is not understood asks for nothing, so that a row is never lost here.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, Like, ScalarFunction};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use model::Signal;

use crate::limits::LIST_VALUES_MAX;
use crate::regex_words::expression_words;

/// The nanoseconds between which `time` must lie, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    pub from: i64,
    pub to: i64,
}

impl TimeBounds {
    pub const ALL: TimeBounds = TimeBounds { from: i64::MIN, to: i64::MAX };

    /// The bounds that all of `filters` together set.
    pub fn of(filters: &[Expr]) -> TimeBounds {
        filters.iter().fold(TimeBounds::ALL, |bounds, filter| bounds.and(bounds_of(filter)))
    }

    pub fn overlaps(self, min_time: i64, max_time: i64) -> bool {
        max_time >= self.from && min_time <= self.to
    }

    fn and(self, other: TimeBounds) -> TimeBounds {
        TimeBounds { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    fn or(self, other: TimeBounds) -> TimeBounds {
        TimeBounds { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

fn bounds_of(expr: &Expr) -> TimeBounds {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => bounds_of(left).and(bounds_of(right)),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => bounds_of(left).or(bounds_of(right)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (time_unit(left), literal(right)) {
            (Some(unit), Some(value)) => compared(unit, *op, value),
            _ => match (time_unit(right), literal(left), op.swap()) {
                (Some(unit), Some(value), Some(op)) => compared(unit, op, value),
                _ => TimeBounds::ALL,
            },
        },
        Expr::Between(Between { expr, negated: false, low, high }) => match (time_unit(expr), literal(low), literal(high)) {
            (Some(unit), Some(low), Some(high)) => compared(unit, Operator::GtEq, low).and(compared(unit, Operator::LtEq, high)),
            _ => TimeBounds::ALL,
        },
        _ => TimeBounds::ALL,
    }
}

/// What an expression over `time` counts in: nanoseconds per unit, if it is one that keeps the order of times.
fn time_unit(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Column(column) if column.name == "time" => Some(1),
        Expr::Cast(cast) if matches!(cast.expr.as_ref(), Expr::Column(column) if column.name == "time") => {
            match cast.field.data_type() {
                DataType::Int64 => Some(1),
                DataType::Timestamp(unit, _) => Some(nanos_per(unit)),
                _ => None,
            }
        }
        // A whole unit begins at most this long before any moment in it.
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "date_trunc" => match args.as_slice() {
            [Expr::Literal(ScalarValue::Utf8(Some(unit)) | ScalarValue::Utf8View(Some(unit)), _), Expr::Column(column)]
                if column.name == "time" =>
            {
                truncation(unit)
            }
            _ => None,
        },
        _ => None,
    }
}

fn nanos_per(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// The longest that one unit of `date_trunc` can be.
fn truncation(unit: &str) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400 * SECOND;
    Some(match unit.to_ascii_lowercase().as_str() {
        "microsecond" => 1_000,
        "millisecond" => 1_000_000,
        "second" => SECOND,
        "minute" => 60 * SECOND,
        "hour" => 3_600 * SECOND,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 31 * DAY,
        "quarter" => 92 * DAY,
        "year" => 366 * DAY,
        _ => return None,
    })
}

/// A literal moment as nanoseconds since 1970. Whole numbers are nanoseconds already.
fn literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => match value {
            ScalarValue::TimestampNanosecond(value, _) | ScalarValue::Int64(value) => *value,
            ScalarValue::TimestampMicrosecond(value, _) => value.map(|value| value.saturating_mul(1_000)),
            ScalarValue::TimestampMillisecond(value, _) => value.map(|value| value.saturating_mul(1_000_000)),
            ScalarValue::TimestampSecond(value, _) => value.map(|value| value.saturating_mul(1_000_000_000)),
            _ => None,
        },
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

/// The bounds of `time op value`, where what stands for `time` may be up to a `unit` away from it on either side.
fn compared(unit: i64, op: Operator, value: i64) -> TimeBounds {
    let slack = unit - 1;
    let (from, to) = (value.saturating_sub(slack), value.saturating_add(slack));
    match op {
        Operator::Gt | Operator::GtEq => TimeBounds { from, to: i64::MAX },
        Operator::Lt | Operator::LtEq => TimeBounds { from: i64::MIN, to },
        Operator::Eq | Operator::IsNotDistinctFrom => TimeBounds { from, to },
        _ => TimeBounds::ALL,
    }
}

/// Whole words that a row's text must hold for a condition to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// Nothing is asked for.
    Any,
    /// No row can fulfil it.
    None,
    One(String),
    /// A word, or a part of one.
    Part(String),
    /// All that this value of an attribute is made of.
    OfAttribute {
        attribute: String,
        value: String,
    },
    All(Vec<Words>),
    Either(Vec<Words>),
}

/// Some rows, of which something is known: whether there may be one among them that has what is asked for.
pub trait MayHold {
    fn word(&self, word: &str) -> bool;
    fn part_of_word(&self, part: &str) -> bool;
    fn value(&self, attribute: &str, value: &str) -> bool;
}

/// The columns of `logs` whose words are in the parts' token filters.
pub use store::TOKEN_COLUMNS;

impl Words {
    /// What all of `filters` together ask for.
    pub fn of(filters: &[Expr]) -> Words {
        Words::all(filters.iter().map(words_of).collect())
    }

    /// Whether one of the rows may fulfil this.
    pub fn may_match(&self, rows: &dyn MayHold) -> bool {
        match self {
            Words::Any => true,
            Words::None => false,
            Words::One(word) => rows.word(word),
            Words::Part(part) => rows.part_of_word(part),
            Words::OfAttribute { attribute, value } => rows.value(attribute, value),
            Words::All(parts) => parts.iter().all(|part| part.may_match(rows)),
            Words::Either(parts) => parts.iter().any(|part| part.may_match(rows)),
        }
    }

    pub(crate) fn all(parts: Vec<Words>) -> Words {
        let mut parts: Vec<Words> = parts.into_iter().filter(|part| *part != Words::Any).collect();
        match parts.len() {
            0 => Words::Any,
            1 => parts.swap_remove(0),
            _ => Words::All(parts),
        }
    }

    pub(crate) fn either(mut parts: Vec<Words>) -> Words {
        if parts.contains(&Words::Any) {
            return Words::Any;
        }
        parts.dedup();
        match parts.len() {
            0 => Words::None,
            1 => parts.swap_remove(0),
            _ => Words::Either(parts),
        }
    }
}

fn words_of(expr: &Expr) -> Words {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => Words::all(vec![words_of(left), words_of(right)]),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => Words::either(vec![words_of(left), words_of(right)]),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (text(left), text(right)) {
            (None, Some(value)) => equal_words(left, value),
            (Some(value), None) => equal_words(right, value),
            _ => position_found(left, right),
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::RegexMatch, right }) if is_token_text(left) => {
            text(right).map_or(Words::Any, expression_words)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Gt, right }) => position_found(left, right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::NotEq, right }) => position_found(left, right),
        Expr::InList(InList { expr, list, negated: false }) if list.len() <= LIST_VALUES_MAX => {
            Words::either(list.iter().map(|item| text(item).map_or(Words::Any, |value| equal_words(expr, value))).collect())
        }
        Expr::Like(Like { negated: false, expr, pattern, escape_char, case_insensitive }) if is_token_text(expr) => {
            let case = if *case_insensitive { Case::Folded } else { Case::Exact };
            text(pattern).map_or(Words::Any, |pattern| pattern_words(pattern, escape_char.unwrap_or('\\'), case))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => function_words(func.name(), args),
        Expr::IsTrue(inner) => words_of(inner),
        Expr::Alias(alias) => words_of(&alias.expr),
        _ => Words::Any,
    }
}

/// What is in a text, or in an attribute, that is this value from end to end.
fn equal_words(expr: &Expr, value: &str) -> Words {
    match text_column(expr) {
        Some(column) if TOKEN_COLUMNS.contains(&column) => whole(value, Case::Exact),
        Some(column) if !store::columns::is_fixed(Signal::Logs, column) => {
            Words::OfAttribute { attribute: column.to_owned(), value: value.to_owned() }
        }
        _ => Words::Any,
    }
}

fn function_words(name: &str, args: &[Expr]) -> Words {
    let [haystack, needle] = args else { return Words::Any };
    let (true, Some(needle)) = (is_token_text(haystack), text(needle)) else { return Words::Any };
    match name {
        // Its case is folded as the filters' is, and its ends are ends of words.
        "has_token" => whole(needle, Case::Exact),
        "has_text" => inner(needle, false, false, Case::Folded),
        "contains" => inner(needle, false, false, Case::Exact),
        "starts_with" => inner(needle, true, false, Case::Exact),
        "ends_with" => inner(needle, false, true, Case::Exact),
        _ => Words::Any,
    }
}

/// `strpos(body, 'x') > 0` and its like: true only where the text is found.
fn position_found(call: &Expr, least: &Expr) -> Words {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = call else { return Words::Any };
    let is_zero = matches!(least, Expr::Literal(ScalarValue::Int32(Some(0)) | ScalarValue::Int64(Some(0)), _));
    match (func.name(), args.as_slice()) {
        ("strpos", [haystack, needle]) if is_zero && is_token_text(haystack) => {
            text(needle).map_or(Words::Any, |needle| inner(needle, false, false, Case::Exact))
        }
        _ => Words::Any,
    }
}

fn is_token_text(expr: &Expr) -> bool {
    text_column(expr).is_some_and(|column| TOKEN_COLUMNS.contains(&column))
}

/// The column whose texts, if it has texts, an expression gives.
fn text_column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        // Between kinds of text nothing changes.
        Expr::Cast(cast) if is_text(cast.field.data_type()) => text_column(&cast.expr),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)),
            _,
        ) => Some(text),
        Expr::Cast(cast) if is_text(cast.field.data_type()) => text(&cast.expr),
        _ => None,
    }
}

/// Whether the condition sees case beyond what the filters fold, which is that of ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// It distinguishes at least what the filters distinguish.
    Exact,
    /// It also takes letters for equal that the filters hold apart.
    Folded,
}

/// Every word of a text that must be there from end to end.
fn whole(text: &str, case: Case) -> Words {
    inner(text, true, true, case)
}

/// What of words is in a text that is part of a longer one.
pub(crate) fn words_within(text: &str) -> Words {
    inner(text, false, false, Case::Exact)
}

/// The words of a text that is part of a longer one: those at an open end may go on there, and are parts of words.
fn inner(text: &str, closed_start: bool, closed_end: bool, case: Case) -> Words {
    let mut words = Vec::new();
    for word in store::tokens(text) {
        if case == Case::Folded && folds_widely(word) {
            continue;
        }
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        let (at_start, at_end) = (start == 0, start + word.len() == text.len());
        let is_open = (at_start && !closed_start) || (at_end && !closed_end);
        let word = word.to_ascii_lowercase();
        words.push(if is_open { Words::Part(word) } else { Words::One(word) });
    }
    Words::all(words)
}

/// ILIKE folds as Unicode does: letters outside ASCII have two cases, and K and S have a third (the Kelvin sign, the long s).
fn folds_widely(word: &str) -> bool {
    word.bytes().any(|byte| !byte.is_ascii() || matches!(byte.to_ascii_lowercase(), b'k' | b's'))
}

/// The words of a LIKE pattern, piece by piece between its wildcards.
fn pattern_words(pattern: &str, escape: char, case: Case) -> Words {
    let mut pieces: Vec<String> = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let piece = match pieces.last_mut() {
            Some(piece) => piece,
            None => return Words::Any,
        };
        match char {
            '%' | '_' => pieces.push(String::new()),
            _ if char == escape => match chars.next() {
                Some(escaped) => piece.push(escaped),
                None => return Words::Any,
            },
            _ => piece.push(char),
        }
    }
    let last = pieces.len() - 1;
    Words::all(pieces.iter().enumerate().map(|(place, piece)| inner(piece, place == 0, place == last, case)).collect())
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{cast, col, lit};

    use super::*;

    fn at(nanos: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())))
    }

    #[test]
    fn times_are_bounded_by_what_is_understood() {
        let bounds = |filter: Expr| {
            let bounds = TimeBounds::of(&[filter]);
            (bounds.from, bounds.to)
        };
        assert_eq!(bounds(col("time").gt_eq(at(5)).and(col("time").lt(at(9)))), (5, 9));
        assert_eq!(bounds(at(5).lt(col("time"))), (5, i64::MAX));
        assert_eq!(bounds(col("time").between(at(5), at(9))), (5, 9));
        assert_eq!(bounds(cast(col("time"), DataType::Int64).gt(lit(7_i64))), (7, i64::MAX));
        assert_eq!(bounds(col("time").eq(at(5)).or(col("time").eq(at(9)))), (5, 9));
        assert_eq!(bounds(col("time").eq(at(5)).or(col("name").eq(lit("x")))), (i64::MIN, i64::MAX));
        assert_eq!(bounds(col("received_at").gt(at(5))), (i64::MIN, i64::MAX));
        let seconds = cast(col("time"), DataType::Timestamp(TimeUnit::Second, None));
        assert_eq!(bounds(seconds.eq(lit(ScalarValue::TimestampSecond(Some(2), None)))), (1_000_000_001, 2_999_999_999));
    }

    #[test]
    fn words_are_asked_for_only_where_they_must_be_whole() {
        let one = |word: &str| Words::One(word.to_owned());
        let body = || col(datafusion::common::Column::from_name("body"));
        let like = |pattern: &str, folded: bool| {
            Words::of(&[Expr::Like(Like::new(false, Box::new(body()), Box::new(lit(pattern)), None, folded))])
        };
        let part = |word: &str| Words::Part(word.to_owned());
        assert_eq!(like("%timeout%", false), part("timeout"));
        assert_eq!(like("%a timeout of%", false), Words::All(vec![part("a"), one("timeout"), part("of")]));
        assert_eq!(like("Timeout of%", false), Words::All(vec![one("timeout"), part("of")]));
        assert_eq!(like("%of timeout", false), Words::All(vec![part("of"), one("timeout")]));
        assert_eq!(like("%b c d%", false), Words::All(vec![part("b"), one("c"), part("d")]));
        assert_eq!(like("%100\\% of it%", false), Words::All(vec![part("100"), one("of"), part("it")]));
        // K and S have a third case.
        assert_eq!(like("% disk %", true), Words::Any);
        assert_eq!(like("% door %", true), one("door"));
        let has_text = |part: &str| Words::of(&[crate::functions::has_text::udf().call(vec![body(), lit(part)])]);
        assert_eq!(has_text("a door of%"), Words::All(vec![part("a"), one("door"), one("of")]));
        assert_eq!(has_text("disk"), Words::Any);
        assert_eq!(Words::of(&[body().eq(lit("Two words"))]), Words::All(vec![one("two"), one("words")]));
        assert_eq!(Words::of(&[body().eq(lit("one")).or(body().eq(lit("two")))]), Words::Either(vec![one("one"), one("two")]));
        let attribute = |value: &str| Words::OfAttribute { attribute: "name".to_owned(), value: value.to_owned() };
        assert_eq!(
            Words::of(&[body().eq(lit("one")).or(col("name").eq(lit("two")))]),
            Words::Either(vec![one("one"), attribute("two")])
        );
        assert_eq!(
            Words::of(&[col("name").in_list(vec![lit("a"), lit("b")], false)]),
            Words::Either(vec![attribute("a"), attribute("b")])
        );
        assert_eq!(Words::of(&[col("name").in_list(vec![lit("a"), col("b")], false)]), Words::Any);
        assert_eq!(Words::of(&[body().eq(lit("one")).or(col("receiver").eq(lit("two")))]), Words::Any);
        assert_eq!(Words::of(&[body().not_eq(lit("one"))]), Words::Any);
    }

    #[test]
    fn a_set_of_words_is_asked_as_the_condition_is_built() {
        struct OnlyA;
        impl MayHold for OnlyA {
            fn word(&self, word: &str) -> bool {
                word == "a"
            }
            fn part_of_word(&self, part: &str) -> bool {
                "a".contains(part)
            }
            fn value(&self, _: &str, value: &str) -> bool {
                value == "a"
            }
        }
        let one = |word: &str| Words::One(word.to_owned());
        assert!(Words::Any.may_match(&OnlyA));
        assert!(!Words::None.may_match(&OnlyA));
        assert!(!Words::Part("b".to_owned()).may_match(&OnlyA));
        assert!(Words::Either(vec![one("a"), one("b")]).may_match(&OnlyA));
        assert!(!Words::All(vec![one("a"), one("b")]).may_match(&OnlyA));
    }
}
