//! What a query tells beside its summary, of one reading of its rows: series, TOTAL, TOTAL's series and OTHER.
//!
//! They are grouping sets over the step and the place of a row's group among those told. A row of another group has no place:
//! it counts in TOTAL and OTHER only.

use datafusion_common::ScalarValue;
use datafusion_common::arrow::datatypes::DataType;
use datafusion_expr::expr::GroupingSet;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, ident, lit};

use super::lower::{BUCKET, Lowered, PLACE, has_concurrency};
use super::rows::{LowerError, own};
use super::typed::call;

/// The column that says which [`Level`] a row is of.
pub const LEVEL: &str = "level";

/// Of what a row of [`Lowered::around`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A group's step.
    Series,
    /// A step of all rows.
    TotalSeries,
    /// A group; the one without a place is OTHER.
    Groups,
    /// All rows. The summary of a query without breakdowns, so that havings hold.
    Total,
}

impl Level {
    pub const ALL: [Level; 4] = [Level::Series, Level::TotalSeries, Level::Groups, Level::Total];
}

/// What DataFusion calls the column that says of which set a row is: a bit for each key left out, the first key's the highest.
const GROUPING_ID: &str = datafusion_expr::Aggregate::INTERNAL_GROUPING_ID;

impl Lowered<'_> {
    /// Everything beside the summary: `groups` are those told. `None` where it has to be asked piece by piece: when spans count
    /// in several steps, when values are differences between steps, when they are of series, and when there is but one piece.
    pub fn around(&self, groups: &[Vec<ScalarValue>], with_steps: bool) -> Result<Option<LogicalPlan>, LowerError> {
        let has_groups = !self.group_types.is_empty();
        let is_apart = self.series.is_some()
            || has_concurrency(self.specification)
            || self.specification.calculations.iter().any(|one| one.operation.is_rate());
        if is_apart || if has_groups { groups.is_empty() } else { !with_steps } {
            return Ok(None);
        }
        let mut rows = self.rows.clone();
        let mut keys = Vec::new();
        if has_groups {
            let columns = own(&self.context, self.row_names(&[])).into_iter().chain([self.place_among(groups)?.alias(PLACE)]);
            rows = LogicalPlanBuilder::from(rows).project(columns)?.build()?;
            keys.push(PLACE.to_owned());
        }
        if with_steps {
            rows = self.stepped(rows, &keys)?;
            keys.insert(0, BUCKET.to_owned());
        }
        let plan = self.in_sets(rows, &keys)?;
        let mut told_keys = vec![LEVEL.to_owned()];
        told_keys.append(&mut keys);
        let mut plan = LogicalPlanBuilder::from(self.with_formulas(plan, &told_keys)?);
        match has_groups {
            true => plan = plan.filter(not_at(Level::Series).or(ident(PLACE).is_not_null()))?,
            false => {
                for condition in self.having_conditions() {
                    plan = plan.filter(not_at(Level::Total).or(condition))?;
                }
            }
        }
        Ok(Some(plan.sort(told_keys.iter().map(|key| ident(key.as_str()).sort(true, true)))?.build()?))
    }

    /// Calculations for every set of the keys, with the level of each.
    fn in_sets(&self, rows: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let idents = |keys: &[&String]| -> Vec<Expr> { keys.iter().map(|key| ident(key.as_str())).collect() };
        let mut sets: Vec<Vec<&String>> = vec![keys.iter().collect()];
        if let [bucket, place] = keys {
            sets.extend([vec![bucket], vec![place]]);
        }
        sets.push(Vec::new());
        let sets = Expr::GroupingSet(GroupingSet::GroupingSets(sets.iter().map(|set| idents(set)).collect()));
        let length = (self.times.end - self.times.start) as f64;
        let places: Vec<usize> = (0..self.specification.calculations.len()).collect();
        let (aggregates, calculations) = self.calculated(&places, None, length)?;
        let left_out = cast(ident(GROUPING_ID), DataType::Int64);
        // Levels are numbered as the sets of step and place are; a key that there is not is left out by every row.
        let level = match keys {
            [key] if key == BUCKET => left_out * lit(2_i64) + lit(Level::TotalSeries as i64),
            [_] => left_out + lit(Level::Groups as i64),
            _ => left_out,
        };
        let mut columns = vec![level.alias(LEVEL)];
        columns.extend(idents(&keys.iter().collect::<Vec<_>>()));
        columns.extend(calculations);
        Ok(LogicalPlanBuilder::from(rows).aggregate([sets], aggregates)?.project(columns)?.build()?)
    }

    /// The place of a row's group among `groups`; null where it is none of them.
    fn place_among(&self, groups: &[Vec<ScalarValue>]) -> Result<Expr, LowerError> {
        let mut found: Option<(Expr, Vec<i64>)> = None;
        for (at, r#type) in self.group_types.iter().enumerate() {
            let values: Vec<ScalarValue> = groups.iter().filter_map(|group| group.get(at).cloned()).collect();
            let mut known: Vec<ScalarValue> = Vec::new();
            let mut places = Vec::with_capacity(values.len());
            for value in values {
                let place = known.iter().position(|one| *one == value).unwrap_or_else(|| {
                    known.push(value);
                    known.len() - 1
                });
                places.push(place as i64);
            }
            let width = known.len() as i64;
            let place = self.place_in(ident(format!("g{at}")), &known, &r#type.data_type())?;
            found = Some(match found {
                None => (place, places),
                Some((before, before_places)) => {
                    let joined: Vec<i64> =
                        before_places.iter().zip(&places).map(|(before, place)| before * width + place).collect();
                    let mut distinct = joined.clone();
                    distinct.sort_unstable();
                    distinct.dedup();
                    let known: Vec<ScalarValue> = distinct.iter().map(|one| ScalarValue::Int64(Some(*one))).collect();
                    // Numbered again, so that they stay small whatever comes after.
                    let renumbered = self.place_in(before * lit(width) + place, &known, &DataType::Int64)?;
                    let places = joined.iter().map(|one| distinct.binary_search(one).unwrap_or_default() as i64);
                    (renumbered, places.collect())
                }
            });
        }
        let Some((place, places)) = found else { return Ok(lit(ScalarValue::Int64(None))) };
        if places.iter().enumerate().all(|(at, place)| at as i64 == *place) {
            return Ok(place);
        }
        let known: Vec<ScalarValue> = places.iter().map(|place| ScalarValue::Int64(Some(*place))).collect();
        self.place_in(place, &known, &DataType::Int64)
    }

    fn place_in(&self, value: Expr, known: &[ScalarValue], data_type: &DataType) -> Result<Expr, LowerError> {
        let list = ScalarValue::List(ScalarValue::new_list(known, data_type, true));
        Ok(call(self.context.functions, "place_in", vec![value, lit(list)])?)
    }
}

fn not_at(level: Level) -> Expr {
    ident(LEVEL).not_eq(lit(level as i64))
}
