//! What traces can be narrowed down by: the values of one thing they have, how many traces have each, and how those went.

use std::collections::HashMap;

use analysis::service_graph::{Calls, Histogram, Side};
use analysis::trace_facts::{Flags, Text, Trace};
use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, cast, lit};
use model::Signal;
use serde::Serialize;
use utoipa::ToSchema;

use super::trace_scope::{TraceScope, known, stats};
use super::trace_summaries::USERS;
use super::{Asker, Stats, weighted};
use crate::error::EngineError;
use crate::limits::{REFINE_VALUES_MAX, REFINE_VALUES_TOLD};
use crate::session::Session;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceRefinement {
    /// Those of most traces first.
    pub rows: Vec<RefinementRow>,
    /// Further values that are not told.
    pub values_left_out: usize,
    pub stats: Stats,
}

/// Traces that have a value, weighted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefinementRow {
    pub value: String,
    #[serde(serialize_with = "weighted")]
    pub count: f64,
    /// Those whose root is an error, and a fault.
    #[serde(serialize_with = "weighted")]
    pub errors: f64,
    #[serde(serialize_with = "weighted")]
    pub faults: f64,
    pub p50_ns: Option<f64>,
    pub p95_ns: Option<f64>,
    /// A filter expression that only such traces pass.
    pub filter: String,
}

/// What traces are narrowed down by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefineBy {
    /// The nodes that took part.
    Node,
    /// Of the request that a trace is about.
    Url,
    Method,
    Status,
    User,
    /// An annotation or any other attribute of its spans.
    Attribute(String),
}

impl RefineBy {
    /// `node`, `url`, `method`, `status` and `user` mean those; everything else is the key of an attribute.
    pub fn from_word(word: &str) -> RefineBy {
        match word {
            "node" => RefineBy::Node,
            "url" => RefineBy::Url,
            "method" => RefineBy::Method,
            "status" => RefineBy::Status,
            "user" => RefineBy::User,
            key => RefineBy::Attribute(key.strip_prefix("annotation.").unwrap_or(key).to_owned()),
        }
    }

    /// The columns that may have the value, the first that has one counts.
    fn columns(&self, session: &Session) -> Vec<String> {
        match self {
            RefineBy::Node | RefineBy::Status => Vec::new(),
            RefineBy::Url => known(session, &["url.path", "http.target", "url.full", "http.url"]),
            RefineBy::Method => known(session, &["http.request.method", "http.method"]),
            RefineBy::User => known(session, &USERS),
            RefineBy::Attribute(key) => {
                let prefixed = format!("{}{key}", store::columns::ATTRIBUTE_PREFIX);
                known(session, &[prefixed.as_str(), key.as_str()])
            }
        }
    }

    /// What narrows down to a value. Numbers and truth values are told as such where the attribute has them.
    fn filter(&self, value: &str, is_text: bool) -> String {
        let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        match self {
            RefineBy::Node => format!("service({quoted})"),
            RefineBy::Url => format!("http.url = {quoted}"),
            RefineBy::Method => format!("http.method = {quoted}"),
            RefineBy::Status => format!("http.status = {value}"),
            RefineBy::User => format!("user = {quoted}"),
            RefineBy::Attribute(key) => {
                let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let key = if plain { format!("annotation.{key}") } else { format!("annotation[{key}]") };
                format!("{key} = {}", if is_text { &quoted } else { value })
            }
        }
    }
}

impl Asker {
    pub async fn trace_refinement(&self, scope: &TraceScope, by: RefineBy) -> Result<TraceRefinement, EngineError> {
        let session = self.trace_session(scope.range()).await?;
        if let RefineBy::Attribute(key) = &by {
            session.admit(Signal::Spans, [key.clone()]).await?;
        }
        let columns = by.columns(&session);
        let schema = session.schema(Signal::Spans);
        let is_text = columns
            .iter()
            .all(|name| schema.column_with_name(name).is_none_or(|(_, field)| *field.data_type() == DataType::Utf8));
        let scan = self.scope_scan(scope, session).await?;
        let mut scan = scan.with_value(value_of(&columns));
        let warnings = std::mem::take(&mut scan.warnings);
        let asked = by.clone();
        let mut values: Vec<Text> = Vec::new();
        let mut statuses = Vec::new();
        let scanned = scan
            .fold_traces(HashMap::<Key, Counted>::new(), move |counted, trace, calls| {
                values.clear();
                statuses.clear();
                match asked {
                    RefineBy::Status => statuses.extend(Some(trace.request().http_status).filter(|status| *status > 0)),
                    _ => values_of(&asked, trace, calls, &mut values),
                }
                let keys = values.iter().map(|text| Key::Text(*text)).chain(statuses.iter().map(|status| Key::Status(*status)));
                for key in keys {
                    if counted.len() < REFINE_VALUES_MAX || counted.contains_key(&key) {
                        counted.entry(key).or_default().add(trace);
                    }
                }
            })
            .await?;
        let stats = stats(&scanned, warnings);
        let told = |key: &Key| match key {
            Key::Text(text) => scanned.texts.text(*text).to_owned(),
            Key::Status(status) => status.to_string(),
        };
        let mut rows: Vec<(String, Counted)> = scanned.state.iter().map(|(key, counted)| (told(key), counted.clone())).collect();
        rows.sort_by(|one, other| other.1.times.total().total_cmp(&one.1.times.total()).then_with(|| one.0.cmp(&other.0)));
        let values_left_out = rows.len().saturating_sub(REFINE_VALUES_TOLD);
        rows.truncate(REFINE_VALUES_TOLD);
        let row = |(value, counted): (String, Counted)| RefinementRow {
            count: counted.times.total(),
            errors: counted.errors,
            faults: counted.faults,
            p50_ns: counted.times.quantile_ns(0.5),
            p95_ns: counted.times.quantile_ns(0.95),
            filter: by.filter(&value, is_text),
            value,
        };
        Ok(TraceRefinement { rows: rows.into_iter().map(row).collect(), values_left_out, stats })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Text(Text),
    Status(u16),
}

#[derive(Clone, Debug, Default)]
struct Counted {
    times: Histogram,
    errors: f64,
    faults: f64,
}

impl Counted {
    fn add(&mut self, trace: &Trace<'_>) {
        let root = trace.root();
        self.times.add(root.duration_ns, root.sample_rate);
        self.errors += if root.is(Flags::ERROR) { root.sample_rate } else { 0.0 };
        self.faults += if root.is(Flags::FAULT) { root.sample_rate } else { 0.0 };
    }
}

/// The different values that a trace has.
fn values_of(by: &RefineBy, trace: &Trace<'_>, calls: &Calls, values: &mut Vec<Text>) {
    match by {
        RefineBy::Node => {
            values.extend(calls.calls().iter().map(|call| call.to.name));
            values.extend(
                (0..trace.spans().len()).map(|at| calls.node(at)).filter(|node| node.side == Side::Service).map(|node| node.name),
            );
        }
        RefineBy::Url | RefineBy::Method => {
            let own = Some(trace.request().value).filter(|value| !value.is_none());
            values.extend(own.or_else(|| trace.spans().iter().map(|span| span.value).find(|value| !value.is_none())));
        }
        _ => values.extend(trace.spans().iter().map(|span| span.value).filter(|value| !value.is_none())),
    }
    values.sort_unstable();
    values.dedup();
}

fn value_of(columns: &[String]) -> Option<Expr> {
    let column = |name: &String| Expr::Column(Column::from_name(name));
    match columns {
        [] => None,
        [only] => Some(column(only)),
        several => {
            let mut texts: Vec<Expr> = several.iter().map(|name| cast(column(name), DataType::Utf8)).collect();
            texts.push(lit(datafusion::common::ScalarValue::Utf8(None)));
            Some(coalesce(texts))
        }
    }
}
