//! [`Query`] + the plan of its log events -> a plan, and what the engine carries out behind it.
//!
//! Commands that are relations become nodes of the plan. The first that is none ends it: it becomes a [`Stage`], and what
//! stands behind it is lowered over its outcome, see [`lower_rest`].

use std::sync::Arc;

use datafusion_common::DataFusionError;
use datafusion_expr::expr::Sort;
use datafusion_expr::{Expr as Plan, JoinType, LogicalPlan, LogicalPlanBuilder, lit};

use super::ast::{Command, Expr, Join, Lookup, Output, ParsePattern, Period, Place, Query, SortKey, Source};
use super::error::InsightsError;
use super::scope::{Scope, Side};
use super::seams::{InsightsFunctions, ScalarSeam};
use super::values::{is_dynamic, is_numeric, negated, number, text, truth, type_of};

/// Rows told where a query has no limit, as at the service.
pub const ROWS_DEFAULT: usize = 10_000;

/// What a query is read against.
pub struct LowerContext<'a> {
    pub functions: &'a dyn InsightsFunctions,
    /// Fields of log events and their columns: `@timestamp` and `time`. A name that is neither one of these nor a column's is
    /// looked for in the message.
    pub names: &'a [(&'a str, &'a str)],
    /// The column of messages, in which documents are.
    pub message: &'a str,
    /// An uploaded table of texts; one row for each value of the columns that are its keys.
    pub table: &'a (dyn Fn(&Lookup) -> Result<LogicalPlan, DataFusionError> + Sync),
    /// The events of a subquery's groups; of those of the query itself when it names none.
    pub events: &'a (dyn Fn(Option<&Source>) -> Result<LogicalPlan, DataFusionError> + Sync),
    /// What is told where the query has no limit.
    pub limit: usize,
}

impl LowerContext<'_> {
    pub(super) fn scalar(&self, seam: ScalarSeam, args: Vec<Plan>) -> Plan {
        self.functions.scalar(seam).call(args)
    }
}

/// What stands between a query and its plan.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// The query asks what cannot be asked.
    #[error(transparent)]
    Query(#[from] InsightsError),
    /// The plan cannot be made.
    #[error("cannot plan the query: {0}")]
    Plan(#[from] DataFusionError),
}

pub(super) type Lowered<T> = Result<T, LowerError>;

/// A query as the engine runs it.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its columns are what is shown, under the names that are shown, in order, and no more than are told.
    ///
    /// Before [`Stage::Pattern`] it has all that it had instead.
    pub plan: LogicalPlan,
    /// Names and what they stand for in the plan.
    pub shown: Vec<(String, Plan)>,
    /// What happens to the rows then, in this order.
    pub then: Vec<Stage>,
    /// The log events that meet the query's filters, before anything else is done with them.
    pub matched: LogicalPlan,
    /// Fields for which what is protected is told in the clear.
    pub unmasked: Vec<String>,
    /// Fields that nothing has, in the order of the query.
    pub unknown_fields: Vec<String>,
}

/// What no relation is. Expressions are over the plan of the pipeline, or over columns of the stage before.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Rows with much the same text become one: `@pattern`, `@ratio`, `@sampleCount`, `@severityLabel`.
    Pattern { field: Plan },
    /// Compared with the time before.
    Diff(Period),
    /// Patterns that are unusual.
    Anomaly,
    /// A row of the sums of columns, below all others.
    ColumnTotals { fields: Vec<String> },
    /// Columns of other rows, row by row.
    AppendCols { overrides: bool, max: u64, pipeline: Box<Pipeline> },
    /// What stands behind: lowered with [`lower_rest`] over what the stage before told. Always the last.
    Rest(Query),
}

/// Lowers a query over the events that its source names.
pub fn lower(query: &Query, text: &str, context: &LowerContext<'_>) -> Lowered<Pipeline> {
    let source = query.commands.first().and_then(|command| match command {
        Command::Source(source) => Some(source),
        _ => None,
    });
    let scope = Scope::of_events((context.events)(source)?);
    Lowering { context, text }.pipeline(&query.commands, scope)
}

/// Lowers what stands behind a stage, over the rows that it told.
pub fn lower_rest(rest: &Query, text: &str, rows: LogicalPlan, context: &LowerContext<'_>) -> Lowered<Pipeline> {
    Lowering { context, text }.pipeline(&rest.commands, Scope::of_columns(rows))
}

pub(super) struct Lowering<'a> {
    pub context: &'a LowerContext<'a>,
    /// The text of the query, for messages.
    pub text: &'a str,
}

impl Lowering<'_> {
    fn pipeline(&self, commands: &[Command], mut scope: Scope) -> Lowered<Pipeline> {
        let mut then = Vec::new();
        let mut matched = None;
        for (place, command) in commands.iter().enumerate() {
            let keeps_events = matches!(
                command,
                Command::Source(_)
                    | Command::Fields(_)
                    | Command::Display(_)
                    | Command::Eval(_)
                    | Command::Hide(_)
                    | Command::Filter(_)
                    | Command::FilterIndex(_)
                    | Command::Parse { .. }
                    | Command::Unmask(_)
                    | Command::Flatten(_)
            );
            if !keeps_events && matched.is_none() {
                matched = Some(scope.plan.clone());
            }
            let is_of_patterns = matches!(command, Command::Diff(_) | Command::Anomaly);
            let is_next = then.is_empty() || is_of_patterns && matches!(then.first(), Some(Stage::Pattern { .. }));
            if is_next && let Some(stage) = self.stage(command, &mut scope)? {
                // Both are of patterns, whether they are asked for or not.
                if is_of_patterns && then.is_empty() {
                    then.push(Stage::Pattern { field: scope.field("@message", self.context) });
                }
                then.push(stage);
                continue;
            }
            if !then.is_empty() {
                then.push(Stage::Rest(Query { commands: commands[place..].to_vec() }));
                break;
            }
            self.command(command, &mut scope)?;
        }
        let matched = matched.unwrap_or_else(|| scope.plan.clone());
        self.finished(scope, then, matched)
    }

    /// The command as a stage, if it is no relation.
    fn stage(&self, command: &Command, scope: &mut Scope) -> Lowered<Option<Stage>> {
        Ok(Some(match command {
            Command::Pattern(field) => Stage::Pattern { field: self.text_of(field, scope)? },
            Command::Diff(period) => Stage::Diff(*period),
            Command::Anomaly => Stage::Anomaly,
            Command::AddTotals(totals) if totals.col => {
                if totals.row {
                    self.row_totals(&totals.field_name, &totals.fields, scope)?;
                }
                Stage::ColumnTotals { fields: totals.fields.clone() }
            }
            Command::AppendCols(append) => {
                let pipeline = Box::new(lower(&append.query, self.text, self.context)?);
                Stage::AppendCols { overrides: append.overrides, max: append.max, pipeline }
            }
            _ => return Ok(None),
        }))
    }

    fn command(&self, command: &Command, scope: &mut Scope) -> Lowered<()> {
        match command {
            Command::Source(_) => Ok(()),
            Command::Fields(outputs) => {
                if std::mem::take(&mut scope.shows_groups) {
                    scope.shown.clear();
                }
                self.outputs(outputs, scope)
            }
            Command::Display(outputs) => {
                scope.shown.clear();
                (scope.is_display, scope.shows_groups) = (true, false);
                self.outputs(outputs, scope)
            }
            Command::Eval(outputs) => self.beside(outputs, scope),
            Command::Hide(names) => {
                scope.shown = self.shown_names(scope);
                scope.shown.retain(|shown| !names.contains(shown));
                (scope.is_display, scope.shows_groups) = (true, false);
                Ok(())
            }
            Command::EventStats { aggregates, by } => self.event_stats(aggregates, by, scope),
            Command::Unmask(outputs) => {
                scope.unmasked.extend(outputs.iter().map(Output::name));
                self.unmask(outputs, scope)
            }
            Command::Filter(condition) | Command::FilterIndex(condition) => {
                let condition = self.expr(condition, scope)?;
                let condition = truth(condition, scope)?;
                scope.replace(|builder| builder.filter(condition))
            }
            Command::Parse { from, pattern, .. } => self.parse(from.as_ref(), pattern, scope),
            Command::Stats { aggregates, by } => self.stats(aggregates, by, scope),
            Command::Sort(keys) => self.sort(keys, scope),
            Command::Limit(count) => {
                self.ordered(scope)?;
                scope.is_limited = true;
                scope.replace(|builder| builder.limit(0, Some(*count as usize)))
            }
            Command::Tail(count) => self.tail(*count, scope),
            Command::Dedup(fields) => self.first_of(1, fields, scope),
            Command::FirstOf { rows, of } => self.first_of(*rows, of, scope),
            Command::Flatten(name) => {
                scope.flattened.push(name.clone());
                Ok(())
            }
            Command::Trendline(trends) => trends.iter().try_for_each(|trend| self.trend(trend, scope)),
            Command::Unnest { list, into } => self.unnest(list, into, scope),
            Command::Join(join) => self.join(join, scope),
            Command::Lookup(lookup) => self.lookup(lookup, scope),
            Command::AddTotals(totals) => match totals.row {
                true => self.row_totals(&totals.field_name, &totals.fields, scope),
                false => Ok(()),
            },
            Command::Pattern(_) | Command::Diff(_) | Command::Anomaly | Command::AppendCols(_) => Ok(()),
        }
    }

    /// What is computed or named anew becomes a column; all of it is shown.
    fn outputs(&self, outputs: &[Output], scope: &mut Scope) -> Lowered<()> {
        for output in outputs {
            let name = output.name();
            if !matches!((&output.expr, &output.alias), (Expr::Field { .. }, None)) {
                let expr = self.expr(&output.expr, scope)?;
                scope.define(&name, expr)?;
            }
            scope.show(&name);
        }
        Ok(())
    }

    /// What is computed is shown beside what is shown.
    fn beside(&self, outputs: &[Output], scope: &mut Scope) -> Lowered<()> {
        for output in outputs {
            let name = output.name();
            let expr = self.expr(&output.expr, scope)?;
            scope.define(&name, expr)?;
            match scope.shown.is_empty() && !scope.is_display {
                true => scope.extracted.push(name),
                false => scope.show(&name),
            }
        }
        Ok(())
    }

    /// As `fields`, of what is protected as it was sent.
    fn unmask(&self, outputs: &[Output], scope: &mut Scope) -> Lowered<()> {
        scope.is_raw = true;
        for output in outputs {
            let name = output.name();
            let expr = self.expr(&output.expr, scope)?;
            scope.define(&name, expr)?;
            scope.show(&name);
        }
        scope.is_raw = false;
        Ok(())
    }

    /// Columns of a table beside each row; the first of those whose keys are equal, and nothing where none is.
    fn lookup(&self, lookup: &Lookup, scope: &mut Scope) -> Lowered<()> {
        let table = (self.context.table)(lookup)?;
        let mut columns: Vec<&str> = lookup.keys.iter().map(|(column, _)| column.as_str()).collect();
        columns.extend(lookup.outputs.iter().map(|(column, _)| column.as_str()));
        columns.sort_unstable();
        columns.dedup();
        let mut names = Vec::new();
        for column in columns {
            if table.schema().fields().iter().all(|field| field.name() != column) {
                let message = format!("the lookup table {} has no column {column}", lookup.table);
                return Err(DataFusionError::Plan(message).into());
            }
            names.push((column, scope.free_name(&format!("{}.{column}", lookup.table))));
        }
        let free = |column: &str| {
            let name = names.iter().find(|(known, _)| *known == column).map_or(column, |(_, name)| name);
            datafusion_common::Column::from_name(name)
        };
        let told =
            names.iter().map(|(column, name)| Plan::Column(datafusion_common::Column::from_name(*column)).alias(name.clone()));
        let table = LogicalPlanBuilder::new(table).project(told.collect::<Vec<_>>())?.build()?;
        let mut on = Vec::new();
        for (column, field) in &lookup.keys {
            on.push(self.text_of(field, scope)?.eq(Plan::Column(free(column))));
        }
        scope.replace(|builder| builder.join_on(table, JoinType::Left, on))?;
        for (column, alias) in &lookup.outputs {
            let name = alias.as_deref().unwrap_or(column);
            scope.defined.retain(|(defined, _)| defined != name);
            scope.defined.push((name.to_owned(), free(column)));
            match scope.shown.is_empty() || scope.is_display {
                true => scope.extracted.push(name.to_owned()),
                false => scope.show(name),
            }
        }
        match scope.order.clone() {
            Some(order) => self.reorder(order, scope),
            None => Ok(()),
        }
    }

    fn parse(&self, from: Option<&Expr>, pattern: &ParsePattern, scope: &mut Scope) -> Lowered<()> {
        let from = match from {
            Some(from) => self.text_of(from, scope)?,
            None => scope.field("@message", self.context),
        };
        let (expression, names) = match pattern {
            ParsePattern::Glob { text, names } => (glob_expression(text), names),
            ParsePattern::Regex { text, names } => (text.clone(), names),
        };
        let groups = match pattern {
            ParsePattern::Regex { text, .. } => named_groups(text),
            ParsePattern::Glob { .. } => Vec::new(),
        };
        for (place, name) in names.iter().enumerate() {
            let group = groups.get(place).copied().unwrap_or(place as i64 + 1);
            let args = vec![from.clone(), lit(expression.clone()), lit(group)];
            scope.define(name, self.context.scalar(ScalarSeam::RegexCapture, args))?;
            match scope.shown.is_empty() || scope.is_display {
                true => scope.extracted.push(name.clone()),
                false => scope.show(name),
            }
        }
        Ok(())
    }

    fn sort(&self, keys: &[SortKey], scope: &mut Scope) -> Lowered<()> {
        let mut order = Vec::new();
        for key in keys {
            let expr = self.expr(&key.expr, scope)?;
            let ascending = !key.descending;
            // Texts that may be numbers come in the order of numbers, the others behind by their letters.
            if is_dynamic(&expr, scope) {
                order.push(number(expr.clone(), scope)?.sort(ascending, false));
            }
            order.push(expr.sort(ascending, false));
        }
        self.reorder(order, scope)
    }

    pub(super) fn reorder(&self, order: Vec<Sort>, scope: &mut Scope) -> Lowered<()> {
        scope.order = Some(order.clone());
        scope.replace(|builder| builder.sort(order))
    }

    /// Newest first, where nobody said otherwise.
    pub(super) fn ordered(&self, scope: &mut Scope) -> Lowered<()> {
        if scope.order.is_some() || !scope.has_events() {
            return Ok(());
        }
        let time = scope.field("@timestamp", self.context);
        self.reorder(vec![time.sort(false, false)], scope)
    }

    /// The last rows of the order there is, in that order.
    fn tail(&self, count: u64, scope: &mut Scope) -> Lowered<()> {
        self.ordered(scope)?;
        let order = scope.order.clone().unwrap_or_default();
        if order.is_empty() {
            return scope.replace(|builder| builder.limit(0, Some(count as usize)));
        }
        let reversed = order.iter().map(|key| key.expr.clone().sort(!key.asc, true));
        let reversed: Vec<Sort> = reversed.collect();
        scope.is_limited = true;
        scope.replace(|builder| builder.sort(reversed)?.limit(0, Some(count as usize)))?;
        self.reorder(order, scope)
    }

    /// The first rows of each value; rows without one stay.
    fn first_of(&self, rows: u64, fields: &[Expr], scope: &mut Scope) -> Lowered<()> {
        self.ordered(scope)?;
        let keys: Vec<Plan> = fields.iter().map(|field| self.expr(field, scope)).collect::<Lowered<_>>()?;
        let column = scope.free_name("@duplicate");
        let row_number = self.context.functions.row_number();
        let mut call = datafusion_expr::expr::WindowFunction::new(row_number, Vec::new());
        call.params.partition_by = keys.clone();
        call.params.order_by = scope.order.clone().unwrap_or_default();
        call.params.window_frame = datafusion_expr::WindowFrame::new(Some(true));
        let call = Plan::WindowFunction(Box::new(call)).alias(column.clone());
        scope.replace(|builder| builder.window([call]))?;
        let first = datafusion_expr::col(datafusion_common::Column::from_name(column)).lt_eq(lit(rows));
        let kept = keys.into_iter().fold(first, |kept, key| kept.or(key.is_null()));
        scope.replace(|builder| builder.filter(kept))?;
        match scope.order.clone() {
            Some(order) => self.reorder(order, scope),
            None => Ok(()),
        }
    }

    fn unnest(&self, list: &Expr, into: &str, scope: &mut Scope) -> Lowered<()> {
        let list = self.text_of(list, scope)?;
        scope.define(into, self.context.scalar(ScalarSeam::JsonItems, vec![list]))?;
        let Some((_, column)) = scope.defined.last().cloned() else { return Ok(()) };
        scope.replace(|builder| builder.unnest_column(column))?;
        scope.extracted.push(into.to_owned());
        Ok(())
    }

    fn join(&self, join: &Join, scope: &mut Scope) -> Lowered<()> {
        if scope.sides.len() > 1 || scope.sides[0].alias.is_some() {
            return Err(self.refused(join.place, "one join in a query", "a second one"));
        }
        let right = self.subquery_scope(&join.query, join.place)?;
        let (right_plan, right_side) = right.into_side(&join.right)?;
        let left = std::mem::replace(scope, Scope::of_events((*right_plan).clone()));
        let (shown, unmasked, unknown) = (left.shown.clone(), left.unmasked.clone(), left.unknown_fields.clone());
        let (left_plan, left_side) = left.into_side(&join.left)?;
        let side_scope = |plan: &Arc<LogicalPlan>, side: &Side| {
            let mut scope = Scope::of_events((**plan).clone());
            scope.sides = vec![side.clone()];
            scope
        };
        let (mut left, mut right) = (side_scope(&left_plan, &left_side), side_scope(&right_plan, &right_side));
        let mut on = Vec::new();
        for (left_field, right_field) in &join.on {
            let left_key = text(left.field(left_field, self.context), &left, self.context)?;
            on.push(left_key.eq(text(right.field(right_field, self.context), &right, self.context)?));
        }
        let kind = if join.keeps_left { JoinType::Left } else { JoinType::Inner };
        *scope = left;
        scope.replace(|builder| builder.join_on((*right_plan).clone(), kind, on))?;
        scope.sides = vec![left_side, right_side];
        (scope.shown, scope.unmasked) = (shown, unmasked);
        scope.unknown_fields.splice(0..0, unknown);
        Ok(())
    }

    fn subquery_scope(&self, query: &Query, place: Place) -> Lowered<Scope> {
        let source = query.commands.first().and_then(|command| match command {
            Command::Source(source) => Some(source),
            _ => None,
        });
        let mut scope = Scope::of_events((self.context.events)(source)?);
        for command in &query.commands {
            if self.stage(command, &mut scope)?.is_some() {
                let expected = "no pattern, diff, anomaly, appendcols or totals of columns in a subquery";
                return Err(self.refused(place, expected, "one of them"));
            }
            self.command(command, &mut scope)?;
        }
        Ok(scope)
    }

    /// The rows of a query of one column, as texts.
    pub(super) fn subquery_values(&self, query: &Query, place: Place) -> Lowered<LogicalPlan> {
        let mut scope = self.subquery_scope(query, place)?;
        let [name] = scope.shown.clone().try_into().map_err(|shown: Vec<String>| {
            self.refused(place, "a subquery that shows one field", &format!("one that shows {}", shown.len()))
        })?;
        let value = text(scope.field(&name, self.context), &scope, self.context)?;
        scope.replace(|builder| builder.project([value.alias(name)]))?;
        Ok(scope.plan)
    }

    fn row_totals(&self, name: &str, fields: &[String], scope: &mut Scope) -> Lowered<()> {
        let all: Vec<String> = if fields.is_empty() { self.shown_names(scope) } else { fields.to_vec() };
        let mut total: Option<Plan> = None;
        for field in &all {
            let expr = scope.field(field, self.context);
            if fields.is_empty() && !is_numeric(&type_of(&expr, scope)?) {
                continue;
            }
            let value = datafusion_expr::cast(number(expr, scope)?, datafusion_common::arrow::datatypes::DataType::Float64);
            let value = datafusion_expr::when(value.clone().is_null(), lit(0.0_f64)).otherwise(value)?;
            total = Some(total.map_or(value.clone(), |total| total + value));
        }
        scope.define(name, total.unwrap_or(lit(0.0_f64)))?;
        scope.show(name);
        Ok(())
    }

    fn shown_names(&self, scope: &Scope) -> Vec<String> {
        if scope.is_display {
            return scope.shown.clone();
        }
        let mut names = scope.shown.clone();
        if names.is_empty() && scope.has_events() {
            names = ["@timestamp", "@message"].map(str::to_owned).to_vec();
        }
        names.extend(scope.extracted.iter().filter(|name| !scope.shown.contains(name)).cloned());
        names
    }

    /// With the default order and limit, and what is shown.
    fn finished(&self, mut scope: Scope, then: Vec<Stage>, matched: LogicalPlan) -> Lowered<Pipeline> {
        let is_whole = matches!(then.first(), Some(Stage::Pattern { .. }));
        let mut names = self.shown_names(&scope);
        let has_pointer = scope.has_events() && scope.known_field("@ptr", self.context).is_some();
        if has_pointer && !names.iter().any(|name| name == "@ptr") {
            names.push("@ptr".to_owned());
        }
        if !is_whole {
            self.ordered(&mut scope)?;
            if !scope.is_limited {
                let limit = self.context.limit;
                scope.replace(|builder| builder.limit(0, Some(limit)))?;
            }
        }
        let mut shown: Vec<(String, Plan)> = Vec::new();
        for name in names {
            if !shown.iter().any(|(known, _)| *known == name) {
                let expr = scope.field(&name, self.context);
                shown.push((name, expr));
            }
        }
        if !is_whole && !shown.is_empty() {
            let exprs: Vec<Plan> = shown.iter().map(|(name, expr)| expr.clone().alias(name.clone())).collect();
            scope.replace(|builder| builder.project(exprs))?;
        }
        Ok(Pipeline { plan: scope.plan, shown, then, matched, unmasked: scope.unmasked, unknown_fields: scope.unknown_fields })
    }

    pub(super) fn text_of(&self, expr: &Expr, scope: &mut Scope) -> Lowered<Plan> {
        let expr = self.expr(expr, scope)?;
        text(expr, scope, self.context)
    }

    pub(super) fn refused(&self, place: Place, expected: &str, found: &str) -> LowerError {
        InsightsError::at(self.text, place.range(), expected).found(found).into()
    }

    pub(super) fn negated_if(&self, expr: Plan, is_negated: bool) -> Plan {
        if is_negated { negated(expr) } else { expr }
    }
}

/// A star is anything, as little as will do; the last one takes what is left of its line.
pub(super) fn glob_expression(glob: &str) -> String {
    let pieces: Vec<String> = glob.split('*').map(regex::escape).collect();
    let last = pieces.len() - 1;
    let ends_open = pieces[last].is_empty();
    let mut expression = pieces[0].clone();
    for (place, piece) in pieces.iter().enumerate().skip(1) {
        expression.push_str(if place == last && ends_open { "(.*)" } else { "(.*?)" });
        expression.push_str(piece);
    }
    format!("(?s){expression}")
}

/// The numbers of the groups that have names; nothing where none has.
pub(super) fn named_groups(expression: &str) -> Vec<i64> {
    let Ok(compiled) = regex::Regex::new(expression) else { return Vec::new() };
    let named = compiled.capture_names().enumerate().filter(|(_, name)| name.is_some());
    named.map(|(group, _)| group as i64).collect()
}
