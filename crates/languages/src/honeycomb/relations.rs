//! Fields of other spans of a row's trace: `root.`, `parent.`, `child.`, `any.`, `none.` as joins on trace ids.
//!
//! The spans of other services count, and those that began up to an hour before or after the query's range.

use std::collections::BTreeMap;

use datafusion_common::{Column, DataFusionError, NullEquality};
use datafusion_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, ident};
use model::Signal;

use super::ast::{Filter, QuerySpecification, Relation};
use super::filters;
use super::rows::{Events, LowerContext, LowerError, Names, PARENT, SPAN, TRACE, aggregate};
use super::typed::Type;

/// How far before and after the range a trace's other spans are looked for.
const REACH_NS: i64 = 3_600_000_000_000;

/// What a query asks of one other span.
#[derive(Default)]
struct Asked<'a> {
    filters: Vec<(&'a Filter, &'a str)>,
    /// Places among the breakdowns, and the field.
    breakdowns: Vec<(usize, &'a str)>,
}

/// The rows joined with the spans that relational fields name. A breakdown becomes the column `r<place>`, of the type told.
pub fn join(
    context: &LowerContext<'_>,
    specification: &QuerySpecification,
    names: &Names,
    range: (i64, i64),
    mut plan: LogicalPlan,
) -> Result<(LogicalPlan, BTreeMap<usize, Type>), LowerError> {
    let mut asked: BTreeMap<Relation, Asked<'_>> = BTreeMap::new();
    for filter in specification.filters.iter().chain(context.narrowed) {
        if let Some((relation, field)) = Relation::split(&filter.column) {
            asked.entry(relation).or_default().filters.push((filter, field));
        }
    }
    for (place, column) in specification.breakdowns.iter().enumerate() {
        if let Some((relation, field)) = Relation::split(column) {
            asked.entry(relation).or_default().breakdowns.push((place, field));
        }
    }
    let reach = (range.0.saturating_sub(REACH_NS), range.1.saturating_add(REACH_NS));
    let mut types = BTreeMap::new();
    for (number, (relation, asked)) in asked.into_iter().enumerate() {
        plan = join_one(context, names, reach, plan, number, relation, &asked, &mut types)?;
    }
    Ok((plan, types))
}

#[allow(clippy::too_many_arguments, reason = "one step of the loop above, cut out because it has a name")]
fn join_one(
    context: &LowerContext<'_>,
    names: &Names,
    reach: (i64, i64),
    plan: LogicalPlan,
    number: usize,
    relation: Relation,
    asked: &Asked<'_>,
    types: &mut BTreeMap<usize, Type>,
) -> Result<LogicalPlan, LowerError> {
    let mut wanted: Vec<&str> = asked.filters.iter().map(|(_, field)| *field).collect();
    wanted.extend(asked.breakdowns.iter().map(|(_, field)| *field));
    wanted.push("is_root");
    let events = Events::over(context, &[Signal::Spans], None, reach, &wanted, names)?;
    let mut spans = LogicalPlanBuilder::from(events.plan.clone());
    if relation == Relation::Root {
        spans = spans.filter(events.field("is_root")?.truth())?;
    }
    for (filter, field) in &asked.filters {
        spans = spans.filter(filters::condition(events.field(field)?, filter.operator, &filter.value))?;
    }
    // Where a row has its own half of the key, and where the other span has its.
    let keys: &[(&str, &str)] = match relation {
        Relation::Root | Relation::Any(_) | Relation::None => &[(TRACE, TRACE)],
        Relation::Parent => &[(TRACE, TRACE), (PARENT, SPAN)],
        Relation::Child => &[(TRACE, TRACE), (SPAN, PARENT)],
    };
    let key = |place: usize| format!("j{number}k{place}");
    let grouped = keys.iter().enumerate().map(|(place, (_, theirs))| ident(*theirs).alias(key(place)));
    let mut told = Vec::new();
    for (place, field) in &asked.breakdowns {
        let value = events.field(field)?;
        types.insert(*place, value.r#type);
        // Of several spans that fit, one: the least value, so that the answer does not depend on the order of rows.
        told.push(aggregate(context, "min", value.expr)?.alias(format!("r{place}")));
    }
    let others = spans.aggregate(grouped.collect::<Vec<_>>(), told)?.build()?;
    if context.spelled {
        let keys: Vec<(&str, String)> = keys.iter().enumerate().map(|(place, (ours, _))| (*ours, key(place))).collect();
        return Ok(spelled(others, plan, number, relation, asked, &keys)?);
    }
    let join_type = match relation {
        Relation::None => JoinType::RightAnti,
        _ if asked.breakdowns.is_empty() => JoinType::RightSemi,
        _ if asked.filters.is_empty() => JoinType::Right,
        _ => JoinType::Inner,
    };
    let ours: Vec<Column> = keys.iter().map(|(ours, _)| Column::from_name(*ours)).collect();
    let theirs: Vec<Column> = (0..keys.len()).map(|place| Column::from_name(key(place))).collect();
    // The left side is the one that is held in memory: the spans that were looked for.
    Ok(LogicalPlanBuilder::from(others)
        .join_detailed(plan, join_type, (theirs, ours), None, NullEquality::NullEqualsNothing)?
        .build()?)
}

/// The same rows with each side under a name of its own. Keys are there once in `others`, so a join is as good as a look whether
/// there is one; where there shall be none, what was joined is missing.
fn spelled(
    others: LogicalPlan,
    plan: LogicalPlan,
    number: usize,
    relation: Relation,
    asked: &Asked<'_>,
    keys: &[(&str, String)],
) -> Result<LogicalPlan, DataFusionError> {
    let (mine, its) = (format!("rows{number}"), format!("others{number}"));
    let join_type = match relation {
        Relation::None => JoinType::Left,
        _ if !asked.breakdowns.is_empty() && asked.filters.is_empty() => JoinType::Left,
        _ => JoinType::Inner,
    };
    let told = asked.breakdowns.iter().map(|(place, _)| (&its, format!("r{place}")));
    let known = plan.schema().fields().iter().map(|field| (&mine, field.name().clone()));
    let named = |(table, name): (&String, String)| Expr::Column(Column::new(Some(table.as_str()), name.as_str())).alias(name);
    let columns: Vec<Expr> = known.chain(told).map(named).collect();
    let ours: Vec<Column> = keys.iter().map(|(ours, _)| Column::new(Some(mine.as_str()), *ours)).collect();
    let theirs: Vec<Column> = keys.iter().map(|(_, theirs)| Column::new(Some(its.as_str()), theirs.as_str())).collect();
    let missing = Expr::Column(theirs[0].clone()).is_null();
    let others = LogicalPlanBuilder::from(others).alias(its.as_str())?.build()?;
    let mut joined = LogicalPlanBuilder::from(plan).alias(mine.as_str())?.join_detailed(
        others,
        join_type,
        (ours, theirs),
        None,
        NullEquality::NullEqualsNothing,
    )?;
    if relation == Relation::None {
        joined = joined.filter(missing)?;
    }
    joined.project(columns)?.build()
}
