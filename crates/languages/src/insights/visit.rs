//! What a query names: groups, tables and fields.

use super::ast::{Command, Expr, Query, Source};

impl Query {
    /// The sources of the query and of those within it.
    pub fn sources(&self) -> Vec<&Source> {
        let mut sources = Vec::new();
        self.visit(
            &mut |command| {
                if let Command::Source(source) = command {
                    sources.push(source);
                }
            },
            &mut |_| {},
        );
        sources
    }

    /// The names of the lookup tables that it joins with.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables = Vec::new();
        self.visit(
            &mut |command| {
                if let Command::Lookup(lookup) = command {
                    tables.push(lookup.table.as_str());
                }
            },
            &mut |_| {},
        );
        tables
    }

    /// Every name that may be a field's: as it is written, and as a part of the structures that are flattened.
    pub fn fields(&self) -> Vec<String> {
        let (mut names, mut flattened) = (Vec::new(), Vec::new());
        self.visit(
            &mut |command| {
                if let Command::Flatten(name) = command {
                    flattened.push(name);
                }
            },
            &mut |expr| {
                if let Expr::Field { name, .. } = expr {
                    names.push(name.clone());
                }
            },
        );
        let parts: Vec<String> =
            flattened.iter().flat_map(|head| names.iter().map(move |name| format!("{head}.{name}"))).collect();
        names.extend(parts);
        names
    }

    fn visit<'a>(&'a self, on_command: &mut dyn FnMut(&'a Command), on_expr: &mut dyn FnMut(&'a Expr)) {
        for command in &self.commands {
            on_command(command);
            match command {
                Command::Fields(outputs) | Command::Display(outputs) | Command::Eval(outputs) | Command::Unmask(outputs) => {
                    outputs.iter().for_each(|output| visit(&output.expr, on_command, on_expr));
                }
                Command::Filter(expr) | Command::FilterIndex(expr) | Command::Pattern(expr) => visit(expr, on_command, on_expr),
                Command::Unnest { list, .. } => visit(list, on_command, on_expr),
                Command::Parse { from, .. } => from.iter().for_each(|from| visit(from, on_command, on_expr)),
                Command::Stats { aggregates, by } | Command::EventStats { aggregates, by } => {
                    aggregates.iter().chain(by).for_each(|output| visit(&output.expr, on_command, on_expr));
                }
                Command::Sort(keys) => keys.iter().for_each(|key| visit(&key.expr, on_command, on_expr)),
                Command::Dedup(fields) | Command::FirstOf { of: fields, .. } => {
                    fields.iter().for_each(|field| visit(field, on_command, on_expr))
                }
                Command::Trendline(trends) => trends.iter().for_each(|trend| visit(&trend.field, on_command, on_expr)),
                Command::Lookup(lookup) => lookup.keys.iter().for_each(|(_, field)| visit(field, on_command, on_expr)),
                Command::Join(join) => join.query.visit(on_command, on_expr),
                Command::AppendCols(append) => append.query.visit(on_command, on_expr),
                Command::Source(_)
                | Command::Hide(_)
                | Command::Flatten(_)
                | Command::Limit(_)
                | Command::Tail(_)
                | Command::Diff(_)
                | Command::Anomaly
                | Command::AddTotals(_) => {}
            }
        }
    }
}

fn visit<'a>(expr: &'a Expr, on_command: &mut dyn FnMut(&'a Command), on_expr: &mut dyn FnMut(&'a Expr)) {
    on_expr(expr);
    match expr {
        Expr::Not(inner) | Expr::Negative(inner) => visit(inner, on_command, on_expr),
        Expr::Binary { left, right, .. } => {
            visit(left, on_command, on_expr);
            visit(right, on_command, on_expr);
        }
        Expr::In { expr, list, .. } => {
            visit(expr, on_command, on_expr);
            list.iter().for_each(|one| visit(one, on_command, on_expr));
        }
        Expr::InQuery { expr, query, .. } => {
            visit(expr, on_command, on_expr);
            query.visit(on_command, on_expr);
        }
        Expr::Like { expr, .. } => visit(expr, on_command, on_expr),
        Expr::Call { args, .. } => args.iter().for_each(|arg| visit(arg, on_command, on_expr)),
        Expr::Field { .. } | Expr::Number { .. } | Expr::Text(_) | Expr::Boolean(_) | Expr::Span(_) | Expr::Star => {}
    }
}
