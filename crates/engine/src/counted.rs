//! How many rows meet a condition, without reading those of which footers tell: a row group all of one log group and within
//! the times that are asked for needs no scan.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlanBuilder, Operator, lit};
use model::Signal;
use parquet::basic::LogicalType;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use store::Part;
use store::columns::{ATTRIBUTES_REST, is_fixed};

use crate::error::EngineError;
use crate::footers;
use crate::prune::TimeBounds;
use crate::session::Session;
use crate::table::SignalTable;

impl Session {
    /// Rows of a signal for which the condition is true.
    pub(crate) async fn count(&self, signal: Signal, condition: Expr) -> Result<u64, EngineError> {
        let snapshot = self.view.snapshot(signal);
        let bounds = TimeBounds::of(std::slice::from_ref(&condition));
        let mut known = 0;
        let mut unknown: HashMap<u64, Vec<bool>> = HashMap::new();
        for part in snapshot.parts.iter().filter(|part| bounds.overlaps(part.min_time, part.max_time)) {
            let outcomes = self.outcomes(signal, part, &condition).await?;
            known += outcomes.iter().filter(|(outcome, _)| *outcome == Outcome::All).map(|(_, rows)| rows).sum::<u64>();
            let is_unknown: Vec<bool> = outcomes.iter().map(|(outcome, _)| *outcome == Outcome::Some).collect();
            if is_unknown.contains(&true) {
                unknown.insert(part.id, is_unknown);
            }
        }
        if unknown.is_empty() && snapshot.memory.is_empty() {
            return Ok(known);
        }
        let table = SignalTable::new(signal, self.schema(signal), Arc::clone(&self.view), self.engine.store.clone());
        let plan = LogicalPlanBuilder::scan(signal.table(), provider_as_source(Arc::new(table.only(unknown))), None)?;
        let none: Vec<Expr> = Vec::new();
        let plan = plan.filter(condition)?.aggregate(none, vec![count(lit(1_i64)).alias("n")])?.build()?;
        let answer = self.run_plan(plan).await?;
        let scanned = answer.iter().next().and_then(|row| row.i64("n"));
        Ok(known + scanned.and_then(|scanned| u64::try_from(scanned).ok()).unwrap_or(0))
    }

    /// What is known of each row group of a part, and its rows.
    async fn outcomes(&self, signal: Signal, part: &Part, condition: &Expr) -> Result<Vec<(Outcome, u64)>, EngineError> {
        let footer = footers::footer(&mut footers::reader(&self.engine, part)?).await?;
        let columns = Columns::of(signal, &footer);
        let rows = |group: &RowGroupMetaData| u64::try_from(group.num_rows()).unwrap_or(0);
        Ok(footer.row_groups().iter().map(|group| (columns.outcome(condition, group), rows(group))).collect())
    }
}

/// For how many rows a condition is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    All,
    None,
    /// Some, or nobody knows.
    Some,
}

impl Outcome {
    fn and(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::None, _) | (_, Outcome::None) => Outcome::None,
            (Outcome::All, Outcome::All) => Outcome::All,
            _ => Outcome::Some,
        }
    }

    fn or(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::All, _) | (_, Outcome::All) => Outcome::All,
            (Outcome::None, Outcome::None) => Outcome::None,
            _ => Outcome::Some,
        }
    }
}

/// Where the columns of a file are.
struct Columns<'a> {
    signal: Signal,
    places: HashMap<&'a str, usize>,
}

impl<'a> Columns<'a> {
    fn of(signal: Signal, footer: &'a ParquetMetaData) -> Columns<'a> {
        let columns = footer.file_metadata().schema_descr().columns().iter().enumerate();
        let places = columns.filter_map(|(place, column)| match column.path().parts() {
            [name] => Some((name.as_str(), place)),
            _ => None,
        });
        Columns { signal, places: places.collect() }
    }

    fn outcome(&self, condition: &Expr, group: &RowGroupMetaData) -> Outcome {
        match condition {
            Expr::Literal(ScalarValue::Boolean(Some(is)), _) => {
                if *is {
                    Outcome::All
                } else {
                    Outcome::None
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.outcome(left, group).and(self.outcome(right, group))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                self.outcome(left, group).or(self.outcome(right, group))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Literal(value, _)) => self.compared(&column.name, *op, value, group),
                _ => Outcome::Some,
            },
            _ => Outcome::Some,
        }
    }

    fn compared(&self, column: &str, operator: Operator, value: &ScalarValue, group: &RowGroupMetaData) -> Outcome {
        let has_rest = !is_fixed(self.signal, column) && self.places.contains_key(ATTRIBUTES_REST);
        let Some(place) = self.places.get(column).filter(|_| !has_rest) else {
            // Without a column, and without a place where else its values could be, all of them are null.
            return if has_rest { Outcome::Some } else { Outcome::None };
        };
        let chunk = group.column(*place);
        let Some(statistics) = chunk.statistics() else { return Outcome::Some };
        let orders = match (value, statistics) {
            (ScalarValue::Utf8(Some(text)), Statistics::ByteArray(texts))
                if matches!(chunk.column_descr().logical_type_ref(), Some(LogicalType::String)) =>
            {
                let (min, max) = (texts.min_opt(), texts.max_opt());
                min.zip(max).map(|(min, max)| (min.data().cmp(text.as_bytes()), max.data().cmp(text.as_bytes())))
            }
            (ScalarValue::TimestampNanosecond(Some(at), _), Statistics::Int64(times)) if is_fixed(self.signal, column) => {
                times.min_opt().zip(times.max_opt()).map(|(min, max)| (min.cmp(at), max.cmp(at)))
            }
            _ => None,
        };
        let Some((least, greatest)) = orders else { return Outcome::Some };
        let has_all = statistics.null_count_opt() == Some(0) && statistics.min_is_exact() && statistics.max_is_exact();
        match outcome_between(operator, least, greatest) {
            Outcome::All if !has_all => Outcome::Some,
            outcome => outcome,
        }
    }
}

/// What is true of values of which the least and the greatest compare so with the one that is asked for.
fn outcome_between(operator: Operator, least: Ordering, greatest: Ordering) -> Outcome {
    let is_true = |order: Ordering| match operator {
        Operator::Lt => order.is_lt(),
        Operator::LtEq => order.is_le(),
        Operator::Gt => order.is_gt(),
        _ => order.is_ge(),
    };
    match operator {
        Operator::Eq => match (least, greatest) {
            (Ordering::Equal, Ordering::Equal) => Outcome::All,
            (Ordering::Greater, _) | (_, Ordering::Less) => Outcome::None,
            _ => Outcome::Some,
        },
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => match (is_true(least), is_true(greatest)) {
            (true, true) => Outcome::All,
            (false, false) => Outcome::None,
            _ => Outcome::Some,
        },
        _ => Outcome::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_said_of_all_values_holds_for_each(mut values in proptest::collection::vec(0i32..6, 1..5), asked in 0i32..6) {
            values.sort_unstable();
            let bounds = (values[0].cmp(&asked), values[values.len() - 1].cmp(&asked));
            for (operator, holds) in [
                (Operator::Eq, i32::eq as fn(&i32, &i32) -> bool),
                (Operator::Lt, i32::lt),
                (Operator::LtEq, i32::le),
                (Operator::Gt, i32::gt),
                (Operator::GtEq, i32::ge),
                (Operator::NotEq, i32::ne),
            ] {
                let true_of = values.iter().filter(|value| holds(value, &asked)).count();
                match outcome_between(operator, bounds.0, bounds.1) {
                    Outcome::All => proptest::prop_assert_eq!(true_of, values.len()),
                    Outcome::None => proptest::prop_assert_eq!(true_of, 0),
                    Outcome::Some => {}
                }
            }
        }
    }
}
