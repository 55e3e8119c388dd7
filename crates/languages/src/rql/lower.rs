//! [`Query`] + the table of logs -> one [`LogicalPlan`].
//!
//! Texts and numbers meet as they do in MySQL: where one side is a number, so becomes the other, or null. Counts, sums and
//! averages are weighted by `sample_rate`.

use std::sync::Arc;

use datafusion_common::arrow::datatypes::DataType;
use datafusion_common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, Between, InList, Like, ScalarFunction};
use datafusion_expr::{
    AggregateUDF, BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, cast, lit, try_cast,
    when,
};

use super::ast::{Binary, Expression, Literal, Query, Selected, Table};
use super::columns::{Source, names, of_star, source};
use super::error::{Place, RqlError};
use super::parse::ROWS_MAX;

/// What a query is read against.
pub struct LowerContext<'a> {
    /// The query's own text, for errors.
    pub text: &'a str,
    /// The scalar functions of whoever runs the plan, by name: DataFusion's own, `rollbar_path(source, path)` and
    /// `rollbar_occurrence_number(received_at, time, error.group, body, uuid)`.
    pub scalar: &'a (dyn Fn(&str) -> Option<Arc<ScalarUDF>> + Sync),
    /// Its aggregate functions: `count`, `sum`, `min`, `max`.
    pub aggregate: &'a (dyn Fn(&str) -> Option<Arc<AggregateUDF>> + Sync),
    /// What `unix_timestamp()` is.
    pub now_unix_seconds: i64,
}

#[derive(Clone, Debug)]
pub struct Lowered {
    pub plan: LogicalPlan,
    /// What each column of the answer is called, in order.
    pub columns: Vec<String>,
}

/// Turns a query into a plan over `rows`: logs of the query's table, with the columns of items it names beside them.
///
/// Refuses: functions that RQL has not, or with too many arguments; aggregates in WHERE or within one another; columns that
/// are neither grouped by nor aggregated; columns that the table `deploy` has not.
pub fn lower(query: &Query, rows: LogicalPlan, context: &LowerContext<'_>) -> Result<Lowered, RqlError> {
    let schema = rows.schema().as_ref().clone();
    let lowering = Lowering { context, table: query.table, schema };
    lowering.query(query, rows)
}

struct Lowering<'a> {
    context: &'a LowerContext<'a>,
    table: Table,
    schema: DFSchema,
}

const AGGREGATES: [&str; 6] = ["count", "count_distinct", "sum", "avg", "min", "max"];

type Checked<T> = Result<T, RqlError>;

impl Lowering<'_> {
    fn query(&self, query: &Query, rows: LogicalPlan) -> Checked<Lowered> {
        let star: Vec<Selected>;
        let select: &[Selected] = if query.select.is_empty() {
            let named = of_star(self.table).iter().map(|name| Expression::Column((*name).to_owned(), Place::default()));
            star = named.map(|expression| Selected { expression, alias: None }).collect();
            &star
        } else {
            &query.select
        };
        let mut plan = LogicalPlanBuilder::from(rows);
        if let Some(condition) = &query.condition {
            self.refuse_aggregates(condition, "a condition on rows: aggregates are not known yet")?;
            let condition = self.condition(condition)?;
            plan = self.planned(plan.filter(condition))?;
        }
        let columns = column_names(select);
        let is_grouped = !query.group_by.is_empty() || select.iter().any(|selected| is_aggregated(&selected.expression));
        plan = if is_grouped { self.grouped(query, select, plan)? } else { self.plain(query, select, plan)? };
        let limit = query.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX);
        let skip = usize::try_from(query.offset).unwrap_or(usize::MAX);
        plan = self.planned(plan.limit(skip, usize::try_from(limit).ok()))?;
        Ok(Lowered { plan: self.planned(plan.build())?, columns })
    }

    /// Rows as they are: in order, then their columns.
    fn plain(&self, query: &Query, select: &[Selected], mut plan: LogicalPlanBuilder) -> Checked<LogicalPlanBuilder> {
        let mut keys = Vec::new();
        for key in &query.order_by {
            let expression = self.selected_by(&key.expression, select)?.unwrap_or(&key.expression);
            self.refuse_aggregates(expression, "a column: without aggregates in SELECT there are none to order by")?;
            keys.push(self.expression(expression)?.sort(!key.descends, !key.descends));
        }
        if !keys.is_empty() {
            plan = self.planned(plan.sort(keys))?;
        }
        let told =
            select.iter().enumerate().map(|(place, selected)| Ok(self.expression(&selected.expression)?.alias(name_of(place))));
        let told = told.collect::<Checked<Vec<Expr>>>()?;
        self.planned(plan.project(told))
    }

    /// Groups, what is told of each, and the order of that.
    fn grouped(&self, query: &Query, select: &[Selected], plan: LogicalPlanBuilder) -> Checked<LogicalPlanBuilder> {
        let mut groups: Vec<(&Expression, Expr)> = Vec::new();
        for key in &query.group_by {
            let expression = self.selected_by(key, select)?.unwrap_or(key);
            self.refuse_aggregates(expression, "what to group by: this is known only of groups")?;
            if groups.iter().all(|(known, _)| *known != expression) {
                let name = format!("group {}", groups.len());
                groups.push((expression, self.expression(expression)?.alias(name)));
            }
        }
        let mut aggregates =
            Aggregates { lowering: self, groups: groups.iter().map(|(key, _)| *key).collect(), found: Vec::new() };
        let mut told = Vec::new();
        for (place, selected) in select.iter().enumerate() {
            told.push(aggregates.over_groups(&selected.expression)?.alias(name_of(place)));
        }
        // What is ordered by and not told is dropped in the end.
        let mut keys = Vec::new();
        for (place, key) in query.order_by.iter().enumerate() {
            let expression = self.selected_by(&key.expression, select)?.unwrap_or(&key.expression);
            let name = format!("order {place}");
            told.push(aggregates.over_groups(expression)?.alias(&name));
            keys.push(column(&name).sort(!key.descends, !key.descends));
        }
        let found = aggregates.found.into_iter().map(|(name, expr)| expr.alias(name)).collect::<Vec<Expr>>();
        let groups: Vec<Expr> = groups.into_iter().map(|(_, expr)| expr).collect();
        let plan = self.planned(plan.aggregate(groups, found))?;
        let plan = self.planned(plan.project(told))?;
        if keys.is_empty() {
            return Ok(plan);
        }
        let plan = self.planned(plan.sort(keys))?;
        self.planned(plan.project((0..select.len()).map(|place| column(&name_of(place)))))
    }

    /// The selected expression that a key means: by its number or its name.
    fn selected_by<'s>(&self, key: &Expression, select: &'s [Selected]) -> Checked<Option<&'s Expression>> {
        match key {
            Expression::Literal(Literal::Integer(number), place) => {
                let chosen = usize::try_from(*number).ok().and_then(|number| select.get(number.checked_sub(1)?));
                match chosen {
                    Some(selected) => Ok(Some(&selected.expression)),
                    None => Err(self.wrong(*place, format!("the number of a selected column, 1 to {}", select.len()))),
                }
            }
            Expression::Column(name, _) => {
                Ok(select.iter().find(|selected| selected.alias.as_deref() == Some(name)).map(|selected| &selected.expression))
            }
            _ => Ok(None),
        }
    }

    fn refuse_aggregates(&self, expression: &Expression, expected: &str) -> Checked<()> {
        match find_aggregate(expression) {
            Some(place) => Err(self.wrong(place, expected)),
            None => Ok(()),
        }
    }

    /// An expression as a condition: numbers are true unless they are zero.
    fn condition(&self, expression: &Expression) -> Checked<Expr> {
        let lowered = self.expression(expression)?;
        self.as_condition(lowered)
    }

    fn as_condition(&self, expr: Expr) -> Checked<Expr> {
        Ok(match self.type_of(&expr)? {
            DataType::Boolean => expr,
            DataType::Null => cast(expr, DataType::Boolean),
            _ => self.number(expr)?.not_eq(lit(0.0)),
        })
    }

    fn expression(&self, expression: &Expression) -> Checked<Expr> {
        match expression {
            Expression::Literal(literal, _) => Ok(literal_expr(literal)),
            Expression::Column(name, place) => self.column(name, *place),
            Expression::Call { name, arguments, place } => {
                let lowered = arguments.iter().map(|argument| self.expression(argument)).collect::<Checked<Vec<Expr>>>()?;
                self.call(name, lowered, *place)
            }
            other => {
                let parts = other.parts().into_iter().map(|part| self.expression(part)).collect::<Checked<Vec<Expr>>>()?;
                self.combine(other, parts)
            }
        }
    }

    /// An expression over its parts, which are lowered already.
    fn combine(&self, expression: &Expression, parts: Vec<Expr>) -> Checked<Expr> {
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap_or_else(|| lit(ScalarValue::Null));
        Ok(match expression {
            Expression::Not(_) => Expr::Not(Box::new(self.as_condition(next())?)),
            Expression::Negative(_) => Expr::Negative(Box::new(self.number(next())?)),
            Expression::Binary { operator, .. } => {
                let (left, right) = (next(), next());
                self.binary(*operator, left, right)?
            }
            Expression::Between { negated, .. } => {
                let (value, low, high) = (next(), next(), next());
                let (low_value, low) = self.comparable(value.clone(), low)?;
                let (high_value, high) = self.comparable(value, high)?;
                if low_value == high_value {
                    Expr::Between(Between::new(Box::new(low_value), *negated, Box::new(low), Box::new(high)))
                } else {
                    let within = low_value.gt_eq(low).and(high_value.lt_eq(high));
                    if *negated { Expr::Not(Box::new(within)) } else { within }
                }
            }
            Expression::In { negated, .. } => {
                let value = next();
                let list: Vec<Expr> = parts.collect();
                self.among(value, list, *negated)?
            }
            Expression::Like { negated, .. } => {
                let (value, pattern) = (self.text(next())?, self.text(next())?);
                Expr::Like(Like::new(*negated, Box::new(value), Box::new(pattern), Some('\\'), false))
            }
            Expression::IsNull { negated, .. } => {
                if *negated {
                    next().is_not_null()
                } else {
                    next().is_null()
                }
            }
            Expression::Literal(..) | Expression::Column(..) | Expression::Call { .. } => self.expression(expression)?,
        })
    }

    fn among(&self, value: Expr, list: Vec<Expr>, negated: bool) -> Checked<Expr> {
        let mut alike = Vec::with_capacity(list.len());
        let mut wanted = None;
        for element in list {
            let (compared, element) = self.comparable(value.clone(), element)?;
            if wanted.get_or_insert_with(|| compared.clone()) != &compared {
                // Texts and numbers in one list: all are compared as texts.
                let value = self.text(value)?;
                let texts =
                    alike.into_iter().chain([element]).map(|element| self.text(element)).collect::<Checked<Vec<Expr>>>()?;
                return Ok(Expr::InList(InList::new(Box::new(value), texts, negated)));
            }
            alike.push(element);
        }
        Ok(Expr::InList(InList::new(Box::new(wanted.unwrap_or(value)), alike, negated)))
    }

    fn binary(&self, operator: Binary, left: Expr, right: Expr) -> Checked<Expr> {
        let plain =
            |left: Expr, operator, right: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)));
        let compared = match operator {
            Binary::Equal => Some(Operator::Eq),
            Binary::NotEqual => Some(Operator::NotEq),
            Binary::Less => Some(Operator::Lt),
            Binary::LessOrEqual => Some(Operator::LtEq),
            Binary::Greater => Some(Operator::Gt),
            Binary::GreaterOrEqual => Some(Operator::GtEq),
            _ => None,
        };
        if let Some(operator) = compared {
            let (left, right) = self.comparable(left, right)?;
            return Ok(plain(left, operator, right));
        }
        if matches!(operator, Binary::And | Binary::Or) {
            let (left, right) = (self.as_condition(left)?, self.as_condition(right)?);
            return Ok(if operator == Binary::And { left.and(right) } else { left.or(right) });
        }
        // Whole numbers of any size would overflow; what people count does not leave what a float holds exactly.
        let (left, right) = (self.number(left)?, self.number(right)?);
        Ok(match operator {
            Binary::Add => plain(left, Operator::Plus, right),
            Binary::Subtract => plain(left, Operator::Minus, right),
            Binary::Multiply => plain(left, Operator::Multiply, right),
            Binary::Divide => plain(left, Operator::Divide, self.not_zero(right)?),
            Binary::Modulo => plain(left, Operator::Modulo, self.not_zero(right)?),
            _ => try_cast(plain(left, Operator::Divide, self.not_zero(right)?), DataType::Int64),
        })
    }

    /// Null in place of zero: what is divided by it is null.
    fn not_zero(&self, expr: Expr) -> Checked<Expr> {
        self.planned(when(expr.clone().not_eq(lit(0.0)), expr).otherwise(lit(ScalarValue::Float64(None))))
    }

    /// Both sides as one type: numbers where one is a number, texts else.
    fn comparable(&self, left: Expr, right: Expr) -> Checked<(Expr, Expr)> {
        let types = (self.type_of(&left)?, self.type_of(&right)?);
        if types.0 == types.1 || types.0 == DataType::Null || types.1 == DataType::Null {
            return Ok((left, right));
        }
        if is_number(&types.0) && is_number(&types.1) {
            return Ok((left, right));
        }
        if is_number(&types.0) || is_number(&types.1) {
            return Ok((self.number(left)?, self.number(right)?));
        }
        Ok((self.text(left)?, self.text(right)?))
    }

    fn number(&self, expr: Expr) -> Checked<Expr> {
        Ok(match self.type_of(&expr)? {
            DataType::Float64 => expr,
            DataType::Boolean => cast(cast(expr, DataType::Int64), DataType::Float64),
            data_type if data_type.is_numeric() => cast(expr, DataType::Float64),
            _ => try_cast(expr, DataType::Float64),
        })
    }

    fn text(&self, expr: Expr) -> Checked<Expr> {
        Ok(if self.type_of(&expr)? == DataType::Utf8 { expr } else { cast(expr, DataType::Utf8) })
    }

    fn type_of(&self, expr: &Expr) -> Checked<DataType> {
        self.planned(expr.get_type(&self.schema))
    }

    fn column(&self, name: &str, place: Place) -> Checked<Expr> {
        let Some(source) = source(self.table, name) else {
            return Err(self.wrong(place, format!("one of {}", names(self.table).join(", "))));
        };
        let nanos = |name: &str| try_cast(column(name), DataType::Int64);
        Ok(match source {
            Source::Seconds => {
                let whole = Expr::BinaryExpr(BinaryExpr::new(
                    Box::new(nanos("time")),
                    Operator::Divide,
                    Box::new(lit(1_000_000_000_i64)),
                ));
                cast(whole, DataType::Int64)
            }
            Source::Number => {
                let uuid = if self.has("rollbar.uuid") { self.text(column("rollbar.uuid"))? } else { lit("") };
                let parts = vec![nanos("received_at"), nanos("time"), column("error.group"), column("body"), uuid];
                self.function("rollbar_occurrence_number", parts, place)?
            }
            Source::Level => {
                let severity = || column("severity_number");
                let named = when(severity().gt_eq(lit(21)), lit("critical"))
                    .when(severity().between(lit(13), lit(16)), lit("warning"))
                    .when(severity().between(lit(9), lit(12)), lit("info"))
                    .when(severity().between(lit(1), lit(8)), lit("debug"))
                    .otherwise(lit("error"));
                self.planned(named)?
            }
            Source::Project => lit(1_i64),
            Source::Item => column(name),
            Source::Attribute(attribute) if self.has(attribute) => column(attribute),
            Source::Attribute(_) if self.table == Table::Deploy => lit(ScalarValue::Utf8(None)),
            Source::Attribute(_) | Source::Payload => self.function("rollbar_path", vec![column("source"), lit(name)], place)?,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.schema.field_with_unqualified_name(name).is_ok()
    }

    /// A function of rows.
    fn call(&self, name: &str, arguments: Vec<Expr>, place: Place) -> Checked<Expr> {
        const FUNCTIONS: [(&str, usize, usize); 12] = [
            ("unix_timestamp", 0, 0),
            ("concat", 1, usize::MAX),
            ("concat_ws", 2, usize::MAX),
            ("lower", 1, 1),
            ("upper", 1, 1),
            ("left", 2, 2),
            ("right", 2, 2),
            ("substring", 2, 3),
            ("locate", 2, 3),
            ("char_length", 1, 1),
            ("length", 1, 1),
            ("mod", 2, 2),
        ];
        if AGGREGATES.contains(&name) {
            return Err(self.wrong(place, "something known of a row: aggregates do not stand within one another"));
        }
        let Some((_, min, max)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = AGGREGATES.into_iter().chain(FUNCTIONS.iter().map(|(name, ..)| *name)).collect();
            return Err(self.wrong(place, format!("one of the functions {}", known.join(", "))));
        };
        if !(*min..=*max).contains(&arguments.len()) {
            let count = match (*min, *max) {
                (min, max) if min == max => format!("{min}"),
                (min, usize::MAX) => format!("at least {min}"),
                (min, max) => format!("{min} or {max}"),
            };
            return Err(self.wrong(place, format!("{name} with {count} arguments")));
        }
        match name {
            "unix_timestamp" => Ok(lit(self.context.now_unix_seconds)),
            "mod" => {
                let mut arguments = arguments.into_iter();
                let mut next = || arguments.next().unwrap_or_else(|| lit(ScalarValue::Null));
                let (left, right) = (next(), next());
                self.binary(Binary::Modulo, left, right)
            }
            "left" | "right" | "substring" => self.part_of_text(name, arguments, place),
            "locate" => self.locate(arguments, place),
            _ => {
                let named = match name {
                    "char_length" => "character_length",
                    "length" => "octet_length",
                    other => other,
                };
                let texts = arguments.into_iter().map(|argument| self.text(argument)).collect::<Checked<Vec<Expr>>>()?;
                let called = self.function(named, texts, place)?;
                Ok(if matches!(name, "length" | "char_length") { cast(called, DataType::Int64) } else { called })
            }
        }
    }

    fn part_of_text(&self, name: &str, arguments: Vec<Expr>, place: Place) -> Checked<Expr> {
        let mut arguments = arguments.into_iter();
        let mut parts = vec![self.text(arguments.next().unwrap_or_else(|| lit("")))?];
        for number in arguments {
            parts.push(try_cast(self.number(number)?, DataType::Int64));
        }
        self.function(if name == "substring" { "substr" } else { name }, parts, place)
    }

    /// Where a text stands in another, from 1; 0 if it does not.
    fn locate(&self, arguments: Vec<Expr>, place: Place) -> Checked<Expr> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or_else(|| lit(ScalarValue::Null));
        let (wanted, text) = (self.text(next())?, self.text(next())?);
        let Some(from) = arguments.next() else {
            return Ok(cast(self.function("strpos", vec![text, wanted], place)?, DataType::Int64));
        };
        let from = try_cast(self.number(from)?, DataType::Int64);
        let rest = self.function("substr", vec![text, from.clone()], place)?;
        let found = cast(self.function("strpos", vec![rest, wanted], place)?, DataType::Int64);
        let shifted = found.clone() + from - lit(1_i64);
        self.planned(when(found.eq(lit(0_i64)), lit(0_i64)).otherwise(shifted))
    }

    fn function(&self, name: &str, arguments: Vec<Expr>, place: Place) -> Checked<Expr> {
        let function = (self.context.scalar)(name);
        let function = function.ok_or_else(|| self.wrong(place, "a function that this server has"))?;
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
    }

    /// An aggregate of groups.
    fn aggregate(&self, name: &str, arguments: &[Expression], place: Place) -> Checked<Expr> {
        if arguments.len() > 1 || (arguments.is_empty() && name != "count") {
            return Err(self.wrong(place, format!("{name} with one argument")));
        }
        let argument = arguments.first().map(|argument| self.expression(argument)).transpose()?;
        let rate = || column("sample_rate");
        let total = |expr: Expr| self.aggregated("sum", expr, false, place);
        // What is null counts nothing.
        let rate_where =
            |value: &Expr| self.planned(when(value.clone().is_not_null(), rate()).otherwise(lit(ScalarValue::Float64(None))));
        let zero_if_none =
            |expr: Expr| self.planned(when(expr.clone().is_null(), lit(0_i64)).otherwise(cast(expr, DataType::Int64)));
        match (name, argument) {
            ("count", None) => zero_if_none(total(rate())?),
            ("count", Some(value)) => zero_if_none(total(rate_where(&value)?)?),
            ("count_distinct", Some(value)) => self.aggregated("count", value, true, place),
            ("sum", Some(value)) => total(self.number(value)? * rate()),
            ("avg", Some(value)) => {
                let value = self.number(value)?;
                let weight = total(rate_where(&value)?)?;
                Ok(total(value * rate())? / weight)
            }
            ("min" | "max", Some(value)) => self.aggregated(name, value, false, place),
            _ => Err(self.wrong(place, format!("{name} with one argument"))),
        }
    }

    fn aggregated(&self, name: &str, argument: Expr, distinct: bool, place: Place) -> Checked<Expr> {
        let function = (self.context.aggregate)(name);
        let function = function.ok_or_else(|| self.wrong(place, "a function that this server has"))?;
        Ok(Expr::AggregateFunction(AggregateFunction::new_udf(function, vec![argument], distinct, None, Vec::new(), None)))
    }

    fn wrong(&self, place: Place, expected: impl Into<String>) -> RqlError {
        RqlError::at(self.context.text, place.range(), expected)
    }

    /// What the planner refuses is the query's fault as a whole.
    fn planned<T>(&self, outcome: Result<T, DataFusionError>) -> Checked<T> {
        outcome.map_err(|error| {
            let message = error.strip_backtrace();
            let found = message.lines().next().unwrap_or_default().to_owned();
            RqlError { span: 0..self.context.text.len(), expected: "a query that can be planned".to_owned(), found }
        })
    }
}

/// Aggregates that a query tells, each calculated once.
struct Aggregates<'l, 'a> {
    lowering: &'l Lowering<'a>,
    groups: Vec<&'l Expression>,
    /// Their names within the plan.
    found: Vec<(String, Expr)>,
}

impl Aggregates<'_, '_> {
    /// An expression over groups: their keys, aggregates, and what is calculated of both.
    fn over_groups(&mut self, expression: &Expression) -> Checked<Expr> {
        if let Some(place) = self.groups.iter().position(|group| *group == expression) {
            return Ok(column(&format!("group {place}")));
        }
        match expression {
            Expression::Call { name, arguments, place } if AGGREGATES.contains(&name.as_str()) => {
                let aggregate = self.lowering.aggregate(name, arguments, *place)?;
                Ok(self.split(aggregate))
            }
            Expression::Column(name, place) => {
                let expected = format!("an aggregate, or {name} in GROUP BY");
                Err(self.lowering.wrong(*place, expected))
            }
            Expression::Literal(..) => self.lowering.expression(expression),
            Expression::Call { name, arguments, place } => {
                let parts = arguments.iter().map(|part| self.over_groups(part)).collect::<Checked<Vec<Expr>>>()?;
                self.of_groups(|groups| groups.call(name, parts, *place))
            }
            other => {
                let parts = other.parts().into_iter().map(|part| self.over_groups(part)).collect::<Checked<Vec<Expr>>>()?;
                self.of_groups(|groups| groups.combine(other, parts))
            }
        }
    }

    /// Aggregates within an expression get names of their own; what is around them is calculated afterwards.
    fn split(&mut self, expr: Expr) -> Expr {
        use datafusion_common::tree_node::{Transformed, TreeNode};
        let found = &mut self.found;
        let split = expr.clone().transform_down(|part| {
            if !matches!(part, Expr::AggregateFunction(_)) {
                return Ok(Transformed::no(part));
            }
            let place = found.iter().position(|(_, known)| *known == part).unwrap_or_else(|| {
                found.push((format!("aggregate {}", found.len()), part.clone()));
                found.len() - 1
            });
            Ok(Transformed::yes(column(&format!("aggregate {place}"))))
        });
        split.map_or(expr, |split| split.data)
    }

    /// Lowers over the groups' own columns, whose types decide how texts and numbers meet.
    fn of_groups(&self, lower: impl FnOnce(&Lowering<'_>) -> Checked<Expr>) -> Checked<Expr> {
        let (rows, mut fields) = (self.lowering, Vec::new());
        let keys = self.groups.iter().enumerate().map(|(place, group)| Ok((format!("group {place}"), rows.expression(group)?)));
        let keys = keys.collect::<Checked<Vec<(String, Expr)>>>()?;
        for (name, expr) in keys.into_iter().chain(self.found.iter().cloned()) {
            let field = datafusion_common::arrow::datatypes::Field::new(name, rows.type_of(&expr)?, true);
            fields.push((None, Arc::new(field)));
        }
        let schema = rows.planned(DFSchema::new_with_metadata(fields, Default::default()))?;
        lower(&Lowering { context: rows.context, table: rows.table, schema })
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// Columns of a plan must differ, those of an answer need not: they are numbered until they are told.
fn name_of(place: usize) -> String {
    format!("column {place}")
}

fn column_names(select: &[Selected]) -> Vec<String> {
    select.iter().map(|selected| selected.alias.clone().unwrap_or_else(|| told(&selected.expression))).collect()
}

fn told(expression: &Expression) -> String {
    match expression {
        Expression::Column(name, _) => name.clone(),
        other => other.to_string(),
    }
}

fn literal_expr(literal: &Literal) -> Expr {
    match literal {
        Literal::Integer(value) => lit(*value),
        Literal::Float(value) => lit(*value),
        Literal::Text(text) => lit(text.as_str()),
        Literal::Boolean(value) => lit(*value),
        Literal::Null => lit(ScalarValue::Null),
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

fn is_aggregated(expression: &Expression) -> bool {
    find_aggregate(expression).is_some()
}

/// Where the first aggregate stands.
fn find_aggregate(expression: &Expression) -> Option<Place> {
    match expression {
        Expression::Call { name, place, .. } if AGGREGATES.contains(&name.as_str()) => Some(*place),
        other => other.parts().into_iter().find_map(find_aggregate),
    }
}
