//! What the commands before have left: a plan, and what names stand for in it.

use std::sync::Arc;

use datafusion_common::Column;
use datafusion_expr::expr::Sort;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::lower::{LowerContext, Lowered};
use super::seams::ScalarSeam;

/// What columns of attributes begin with that are called as a fixed column is.
const ATTRIBUTE_PREFIX: &str = "attributes.";

/// What columns begin with that hold what another one, whose values are protected, was sent with.
pub const RAW_PREFIX: &str = "@raw.";

/// How the documents of spans and of log records call their attributes, which are columns without it.
const DOCUMENT_PREFIXES: [&str; 2] = ["resource.attributes.", "attributes."];

/// The rows of one side of a join, or of a query without any.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// What its fields are called by behind a join.
    pub alias: Option<String>,
    /// Names that commands gave, and their columns; the last one counts.
    pub defined: Vec<(String, String)>,
    /// Whether these are log events still, with all their fields.
    pub has_events: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub plan: LogicalPlan,
    pub sides: Vec<Side>,
    /// Names defined since the sides were joined.
    pub defined: Vec<(String, Column)>,
    /// What is shown at the end; nothing yet where no command said.
    pub shown: Vec<String>,
    /// What `parse` and the like added to it.
    pub extracted: Vec<String>,
    pub is_display: bool,
    /// Whether `stats` says what is shown, until a command chooses among it.
    pub shows_groups: bool,
    pub order: Option<Vec<Sort>>,
    pub is_limited: bool,
    /// Whether what is protected is meant as it was sent.
    pub is_raw: bool,
    pub unmasked: Vec<String>,
    /// Structures whose parts are found by their own names; the last one counts.
    pub flattened: Vec<String>,
    pub unknown_fields: Vec<String>,
    next_column: usize,
}

impl Scope {
    pub fn of_events(plan: LogicalPlan) -> Scope {
        Scope::new(plan, Side { alias: None, defined: Vec::new(), has_events: true })
    }

    /// Rows that are what their columns say.
    pub fn of_columns(plan: LogicalPlan) -> Scope {
        let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let defined = names.iter().map(|name| (name.clone(), name.clone())).collect();
        let mut scope = Scope::new(plan, Side { alias: None, defined, has_events: false });
        scope.shown = names;
        scope
    }

    fn new(plan: LogicalPlan, side: Side) -> Scope {
        Scope {
            plan,
            sides: vec![side],
            defined: Vec::new(),
            shown: Vec::new(),
            extracted: Vec::new(),
            is_display: false,
            shows_groups: false,
            order: None,
            is_limited: false,
            is_raw: false,
            unmasked: Vec::new(),
            flattened: Vec::new(),
            unknown_fields: Vec::new(),
            next_column: 0,
        }
    }

    pub fn has_events(&self) -> bool {
        self.sides.iter().any(|side| side.has_events)
    }

    /// What a name stands for. Where it is nothing's, it is NULL and remembered.
    pub fn field(&mut self, name: &str, context: &LowerContext<'_>) -> Expr {
        if let Some(expr) = self.known_field(name, context) {
            return expr;
        }
        if !self.unknown_fields.iter().any(|known| known == name) {
            self.unknown_fields.push(name.to_owned());
        }
        lit(datafusion_common::ScalarValue::Utf8(None))
    }

    pub fn known_field(&self, name: &str, context: &LowerContext<'_>) -> Option<Expr> {
        let heads = self.flattened.iter().rev().filter(|_| !name.starts_with('@'));
        let names: Vec<String> = heads.map(|head| format!("{head}.{name}")).chain([name.to_owned()]).collect();
        if let Some(column) = names.iter().find_map(|name| self.column_of(name, context)) {
            return Some(column);
        }
        let mut parts: Vec<Expr> = names.iter().filter_map(|name| self.part_of(name, context)).collect();
        if parts.len() > 1 { Some(context.scalar(ScalarSeam::Coalesce, parts)) } else { parts.pop() }
    }

    fn column_of(&self, name: &str, context: &LowerContext<'_>) -> Option<Expr> {
        let (side, own) = self.side(name);
        self.defined_column(name).or_else(|| self.side_column(side, own)).or_else(|| self.event_column(side, own, context))
    }

    /// A part of a structure: of one that a command made, else of the message.
    fn part_of(&self, name: &str, context: &LowerContext<'_>) -> Option<Expr> {
        let (side, own) = self.side(name);
        let json = |document: Expr, path: &str| context.scalar(ScalarSeam::JsonField, vec![document, lit(path)]);
        let made = heads(name).find_map(|(head, rest)| Some(json(self.defined_column(head)?, rest)));
        let made = made.or_else(|| heads(own).find_map(|(head, rest)| Some(json(self.side_column(side, head)?, rest))));
        if made.is_some() || !side.has_events || own.starts_with('@') {
            return made;
        }
        Some(json(self.column(side, context.message)?, own))
    }

    /// The column of rows that are no log events any more whose name is what is written: `bin(5m)` behind `stats`.
    pub fn made_as(&self, expr: &super::ast::Expr) -> Option<Expr> {
        if self.has_events() {
            return None;
        }
        let name = expr.to_string();
        self.defined_column(&name).or_else(|| self.side_column(&self.sides[0], &name))
    }

    fn defined_column(&self, name: &str) -> Option<Expr> {
        let (_, column) = self.defined.iter().rev().find(|(defined, _)| defined == name)?;
        Some(Expr::Column(column.clone()))
    }

    fn side_column(&self, side: &Side, name: &str) -> Option<Expr> {
        let (_, column) = side.defined.iter().rev().find(|(defined, _)| defined == name)?;
        self.column(side, column)
    }

    /// A field of log events that has a column. What a message calls as a fixed column is called is an attribute.
    fn event_column(&self, side: &Side, name: &str, context: &LowerContext<'_>) -> Option<Expr> {
        if !side.has_events {
            return None;
        }
        if let Some((_, column)) = context.names.iter().find(|(known, _)| *known == name) {
            return self.column(side, column);
        }
        let own = self.column(side, &format!("{ATTRIBUTE_PREFIX}{name}")).or_else(|| self.column(side, name));
        let mut bare = DOCUMENT_PREFIXES.iter().filter_map(|prefix| name.strip_prefix(prefix));
        own.or_else(|| bare.find_map(|bare| self.column(side, bare)))
    }

    /// Whose field it is, and what it is called there.
    fn side<'a>(&'a self, name: &'a str) -> (&'a Side, &'a str) {
        for side in &self.sides {
            let own = side.alias.as_deref().and_then(|alias| name.strip_prefix(alias)?.strip_prefix('.'));
            if let Some(own) = own {
                return (side, own);
            }
        }
        (&self.sides[0], name)
    }

    fn column(&self, side: &Side, name: &str) -> Option<Expr> {
        let raw = self.is_raw.then(|| self.exact_column(side, &format!("{RAW_PREFIX}{name}"))).flatten();
        raw.or_else(|| self.exact_column(side, name))
    }

    fn exact_column(&self, side: &Side, name: &str) -> Option<Expr> {
        let columns = self.plan.schema().columns();
        let is_of_side = |column: &Column| match (&side.alias, &column.relation) {
            (Some(alias), Some(relation)) => relation.table() == alias,
            (Some(_), None) => false,
            (None, _) => true,
        };
        columns.into_iter().find(|column| column.name == name && is_of_side(column)).map(Expr::Column)
    }

    /// Adds a column; what bore its name before is not found by it any more.
    pub fn define(&mut self, name: &str, expr: Expr) -> Lowered<()> {
        let column = self.free_name(name);
        let mut exprs: Vec<Expr> = self.plan.schema().columns().into_iter().map(Expr::Column).collect();
        exprs.push(expr.alias(column.clone()));
        self.replace(|builder| builder.project(exprs))?;
        self.defined.retain(|(defined, _)| defined != name);
        self.defined.push((name.to_owned(), Column::from_name(column)));
        Ok(())
    }

    pub fn free_name(&mut self, name: &str) -> String {
        let is_taken = |name: &str| self.plan.schema().fields().iter().any(|field| field.name() == name);
        if !is_taken(name) {
            return name.to_owned();
        }
        loop {
            self.next_column += 1;
            let free = format!("{name}#{}", self.next_column);
            if !is_taken(&free) {
                return free;
            }
        }
    }

    /// The plan with something put on top of it.
    pub fn replace(
        &mut self,
        on_top: impl FnOnce(LogicalPlanBuilder) -> datafusion_common::Result<LogicalPlanBuilder>,
    ) -> Lowered<()> {
        self.plan = on_top(LogicalPlanBuilder::new(self.plan.clone()))?.build()?;
        Ok(())
    }

    pub fn show(&mut self, name: &str) {
        if !self.shown.iter().any(|shown| shown == name) {
            self.shown.push(name.to_owned());
        }
    }

    /// This scope as one side of a join.
    pub fn into_side(mut self, alias: &str) -> Lowered<(Arc<LogicalPlan>, Side)> {
        self.replace(|builder| builder.alias(alias))?;
        let before = self.sides.swap_remove(0);
        let mut defined = before.defined;
        defined.extend(self.defined.into_iter().map(|(name, column)| (name, column.name)));
        Ok((Arc::new(self.plan), Side { alias: Some(alias.to_owned()), defined, has_events: before.has_events }))
    }
}

/// Each way to cut a name at a dot, the longest head first.
fn heads(name: &str) -> impl Iterator<Item = (&str, &str)> {
    name.rmatch_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]))
}
