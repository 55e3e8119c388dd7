//! Which columns of `spans` facts are made of, and how a batch of them becomes facts.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use analysis::service_graph::node::{REMOTE_ATTRIBUTES, TYPE_ATTRIBUTES, remote, service_type};
use analysis::trace_facts::{FactsBuilder, Flags, IdHashes, LinkFact, SpanFact, Text, Texts};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, Schema, TimestampNanosecondType};
use datafusion::common::{Column, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast as cast_expr, try_cast};
use model::{SpanKind, TraceId};

use super::FactsQuestion;
use crate::dictionaries::{is_dictionary, same_values};
use crate::limits::TRACE_CALLEES_KNOWN_MAX;

/// Where HTTP statuses are; the first that is there counts.
const STATUS_ATTRIBUTES: [&str; 2] = ["http.response.status_code", "http.status_code"];

/// X-Ray's own flags.
const FLAG_ATTRIBUTES: [&str; 4] = ["aws.xray.error", "aws.xray.fault", "aws.xray.throttle", "aws.xray.inferred"];

const FIXED: [&str; 12] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "linked_trace_id",
    "time",
    "duration_ns",
    "sample_rate",
    "in_progress",
    "kind",
    "status_code",
    "service.name",
    "name",
];

const VALUE: &str = "cupola value";

/// Whether an output column is read as codes.
pub fn is_text(name: &str) -> bool {
    matches!(name, "kind" | "status_code" | "service.name" | "name" | VALUE)
        || REMOTE_ATTRIBUTES.contains(&name)
        || TYPE_ATTRIBUTES.contains(&name)
}

fn predicate_name(number: usize) -> String {
    format!("cupola predicate {number}")
}

/// The columns to select, those that the table has.
pub fn projection(schema: &Schema, question: &FactsQuestion) -> Vec<Expr> {
    let column = |name: &str| Expr::Column(Column::from_name(name));
    let mut exprs: Vec<Expr> = FIXED.into_iter().map(column).collect();
    let mut as_type = |names: &[&str], data_type: DataType| {
        for name in names {
            let Some((_, field)) = schema.column_with_name(name) else { continue };
            exprs.push(match field.data_type() == &data_type {
                true => column(name),
                false => try_cast(column(name), data_type.clone()).alias(*name),
            });
        }
    };
    as_type(&STATUS_ATTRIBUTES, DataType::Int64);
    as_type(&FLAG_ATTRIBUTES, DataType::Boolean);
    as_type(&REMOTE_ATTRIBUTES, DataType::Utf8);
    as_type(&TYPE_ATTRIBUTES, DataType::Utf8);
    if question.links {
        exprs.push(column("links"));
    }
    exprs.extend(question.value.iter().map(|value| match value {
        Expr::Column(_) => value.clone().alias(VALUE),
        value => cast_expr(value.clone(), DataType::Utf8).alias(VALUE),
    }));
    exprs.extend(question.predicates.iter().enumerate().map(|(at, predicate)| predicate.clone().alias(predicate_name(at))));
    exprs
}

/// Reads batches of one question; remembers what texts it has seen.
#[derive(Debug)]
pub struct Reader {
    kinds: TextColumn,
    status_codes: TextColumn,
    services: TextColumn,
    names: TextColumn,
    values: TextColumn,
    remotes: Vec<TextColumn>,
    /// Those of them that say anything in the batch at hand.
    remotes_present: Vec<usize>,
    types: Vec<TextColumn>,
    /// Names of callees by what callers say of them.
    callees: HashMap<RemoteKey, (Text, Text), IdHashes>,
    service_types: HashMap<[Text; TYPE_ATTRIBUTES.len()], Text, IdHashes>,
    kind_of: Vec<Option<SpanKind>>,
    error: Text,
    predicates: Vec<String>,
}

impl Reader {
    pub fn new(predicates: usize, texts: &mut Texts) -> Reader {
        // Kinds are looked up by number; the first numbers are the lowest.
        (0..=5).for_each(|number| {
            texts.number(SpanKind::from_otlp(number).as_str());
        });
        Reader {
            kinds: TextColumn::default(),
            status_codes: TextColumn::default(),
            services: TextColumn::default(),
            names: TextColumn::default(),
            values: TextColumn::default(),
            remotes: (0..REMOTE_ATTRIBUTES.len()).map(|_| TextColumn::default()).collect(),
            remotes_present: Vec::new(),
            types: (0..TYPE_ATTRIBUTES.len()).map(|_| TextColumn::default()).collect(),
            callees: HashMap::default(),
            service_types: HashMap::default(),
            kind_of: Vec::new(),
            error: texts.number("error"),
            predicates: (0..predicates).map(predicate_name).collect(),
        }
    }

    /// Adds a batch's spans to `builder`, those whose row `wanted` takes.
    pub fn read(
        &mut self,
        batch: &RecordBatch,
        builder: &mut FactsBuilder,
        wanted: &dyn Fn(TraceId, Option<TraceId>) -> bool,
    ) -> Result<()> {
        let rows = batch.num_rows();
        self.read_texts(batch, &mut builder.texts)?;
        let plain = Plain::of(batch, &self.predicates)?;
        let links = batch.column_by_name("links").map(|links| cast(links, &DataType::Utf8)).transpose()?;
        for row in 0..rows {
            let Some(trace_id) = TraceId::from_bytes(plain.trace_ids.value(row)) else { continue };
            let linked = plain.linked.as_ref().filter(|linked| linked.is_valid(row));
            let linked = linked.and_then(|linked| TraceId::from_bytes(linked.value(row)));
            if !wanted(trace_id, linked) {
                continue;
            }
            let own_trace = builder.own_trace(trace_id);
            if let Some(linked) = linked {
                builder.same_request(own_trace, linked);
            }
            let kind = self.kind(self.kinds.text(row), &builder.texts);
            let name = self.names.text(row);
            let is_call = matches!(kind, SpanKind::Client | SpanKind::Producer);
            let (remote, remote_type) = if is_call { self.callee(row, name, &mut builder.texts) } else { Default::default() };
            let mut span = SpanFact {
                own_trace,
                service: Some(self.services.text(row)).filter(|text| !text.is_none()).unwrap_or(Text::UNKNOWN_SERVICE),
                name,
                node_type: self.service_type(row, &mut builder.texts),
                remote,
                remote_type,
                value: self.values.text(row),
                kind,
                ..plain.span(row)
            };
            let [error, fault, throttle, inferred] = plain.told(row);
            let in_progress = span.flags;
            span.flags = Flags::of_outcome(span.http_status, (error, fault, throttle), self.status_codes.text(row) == self.error);
            span.flags = span.flags.and(in_progress);
            span.flags.set(Flags::INFERRED, inferred);
            span.flags.set(Flags::REMOTE, is_call);
            let span_id = span.span_id;
            builder.span(span);
            if let Some(links) = links.as_ref().filter(|links| links.is_valid(row)) {
                told_links(links.as_string::<i32>().value(row), trace_id)
                    .for_each(|(to_trace, to_span_id)| builder.link(LinkFact { own_trace, span_id, to_trace, to_span_id }));
            }
        }
        Ok(())
    }

    fn read_texts(&mut self, batch: &RecordBatch, texts: &mut Texts) -> Result<()> {
        let fixed = [
            (&mut self.kinds, "kind"),
            (&mut self.status_codes, "status_code"),
            (&mut self.services, "service.name"),
            (&mut self.names, "name"),
            (&mut self.values, VALUE),
        ];
        let remotes = self.remotes.iter_mut().zip(REMOTE_ATTRIBUTES);
        let types = self.types.iter_mut().zip(TYPE_ATTRIBUTES);
        for (column, name) in fixed.into_iter().chain(remotes).chain(types) {
            column.read(batch.column_by_name(name), texts)?;
        }
        self.remotes_present.clear();
        let present = self.remotes.iter().enumerate().filter(|(_, column)| !column.rows.is_empty());
        self.remotes_present.extend(present.map(|(place, _)| place));
        Ok(())
    }

    fn kind(&mut self, text: Text, texts: &Texts) -> SpanKind {
        let number = text.number() as usize;
        if number >= self.kind_of.len() {
            self.kind_of.resize(number + 1, None);
        }
        *self.kind_of[number].get_or_insert_with(|| {
            let word = texts.text(text);
            (0..=5).map(SpanKind::from_otlp).find(|kind| kind.as_str() == word).unwrap_or_default()
        })
    }

    /// The name and the type of whom a caller's span calls.
    fn callee(&mut self, row: usize, name: Text, texts: &mut Texts) -> (Text, Text) {
        let mut key = RemoteKey::default();
        for place in &self.remotes_present {
            key.set(*place, self.remotes[*place].text(row));
        }
        let (remote, remote_type) = match self.callees.get(&key) {
            Some(known) => *known,
            None => {
                let named = {
                    let values = key.texts.map(|text| texts.text(text));
                    let callee = remote(&values);
                    (callee.name.map(|name| name.into_owned()), callee.node_type.into_owned())
                };
                let named = (named.0.map_or(Text::NONE, |name| texts.number(&name)), texts.number(&named.1));
                if self.callees.len() < TRACE_CALLEES_KNOWN_MAX {
                    self.callees.insert(key, named);
                }
                named
            }
        };
        (if remote.is_none() { name } else { remote }, remote_type)
    }

    fn service_type(&mut self, row: usize, texts: &mut Texts) -> Text {
        let mut key = [Text::NONE; TYPE_ATTRIBUTES.len()];
        for (text, column) in key.iter_mut().zip(&self.types) {
            *text = column.text(row);
        }
        if key.iter().all(|text| text.is_none()) {
            return Text::NONE;
        }
        if let Some(known) = self.service_types.get(&key) {
            return *known;
        }
        let told = service_type(&key.map(|text| texts.text(text))).to_owned();
        let number = texts.number(&told);
        self.service_types.insert(key, number);
        number
    }
}

/// The links of a span to spans of other traces.
fn told_links(json: &str, own: TraceId) -> impl Iterator<Item = (TraceId, u64)> + use<> {
    let links: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let found: Vec<(TraceId, u64)> = links
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|link| {
            let trace = TraceId::parse(link.get("trace_id")?.as_str()?).ok()?;
            let span = model::SpanId::parse(link.get("span_id")?.as_str()?).ok()?;
            (trace != own).then_some((trace, u64::from_be_bytes(span.0)))
        })
        .collect();
    found.into_iter()
}

/// What callers say of their callee; most of it is absent.
#[derive(Clone, Copy, Debug, Default)]
struct RemoteKey {
    hash: u64,
    texts: [Text; REMOTE_ATTRIBUTES.len()],
}

impl RemoteKey {
    #[inline]
    fn set(&mut self, place: usize, text: Text) {
        if text.is_none() {
            return;
        }
        self.texts[place] = text;
        self.hash = self.hash.rotate_left(9) ^ (u64::from(text.number()) << 8 | place as u64);
    }
}

impl PartialEq for RemoteKey {
    fn eq(&self, other: &RemoteKey) -> bool {
        self.hash == other.hash && self.texts == other.texts
    }
}

impl Eq for RemoteKey {}

impl Hash for RemoteKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The columns that are numbers, as far as the batch has them.
struct Plain<'a> {
    trace_ids: &'a FixedSizeBinaryArray,
    span_ids: &'a FixedSizeBinaryArray,
    parents: Option<&'a FixedSizeBinaryArray>,
    linked: Option<&'a FixedSizeBinaryArray>,
    times: &'a [i64],
    durations: &'a [i64],
    sample_rates: Option<&'a [f64]>,
    in_progress: Option<&'a BooleanArray>,
    statuses: Vec<&'a Int64Array>,
    told: [Option<&'a BooleanArray>; FLAG_ATTRIBUTES.len()],
    predicates: Vec<Option<&'a BooleanArray>>,
}

impl<'a> Plain<'a> {
    fn of(batch: &'a RecordBatch, predicates: &[String]) -> Result<Plain<'a>> {
        let missing = |name: &str| internal_datafusion_err!("expected a column {name}");
        let ids = |name: &str| batch.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt());
        let filled = |column: &&FixedSizeBinaryArray| column.null_count() < column.len();
        let bools = |name: &str| {
            let column = batch.column_by_name(name).and_then(|column| column.as_boolean_opt());
            column.filter(|column| column.true_count() > 0)
        };
        let times = batch.column_by_name("time").and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let durations = batch.column_by_name("duration_ns").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let rates = batch.column_by_name("sample_rate").and_then(|column| column.as_primitive_opt::<Float64Type>());
        let statuses = STATUS_ATTRIBUTES.iter().filter_map(|name| {
            let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
            (column.null_count() < column.len()).then_some(column)
        });
        Ok(Plain {
            trace_ids: ids("trace_id").ok_or_else(|| missing("trace_id"))?,
            span_ids: ids("span_id").ok_or_else(|| missing("span_id"))?,
            parents: ids("parent_span_id").filter(filled),
            linked: ids("linked_trace_id").filter(filled),
            times: times.ok_or_else(|| missing("time"))?.values(),
            durations: durations.ok_or_else(|| missing("duration_ns"))?.values(),
            sample_rates: rates.map(|rates| &rates.values()[..]),
            in_progress: bools("in_progress"),
            statuses: statuses.collect(),
            told: FLAG_ATTRIBUTES.map(bools),
            predicates: predicates.iter().map(|name| bools(name)).collect(),
        })
    }

    fn span(&self, row: usize) -> SpanFact {
        let mut flags = Flags::default();
        flags.set(Flags::IN_PROGRESS, is_true(self.in_progress, row));
        let mut matches = 0_u64;
        for (bit, predicate) in self.predicates.iter().enumerate() {
            matches |= u64::from(is_true(*predicate, row)) << bit;
        }
        let status = self.statuses.iter().find(|column| column.is_valid(row)).map(|column| column.value(row));
        SpanFact {
            span_id: number(self.span_ids.value(row)),
            parent_span_id: self.parents.filter(|ids| ids.is_valid(row)).map_or(0, |ids| number(ids.value(row))),
            start_unix_nano: self.times[row],
            duration_ns: self.durations[row].max(0),
            sample_rate: self.sample_rates.map_or(1.0, |rates| rates[row]),
            matches,
            http_status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0),
            flags,
            ..SpanFact::default()
        }
    }

    fn told(&self, row: usize) -> [bool; FLAG_ATTRIBUTES.len()] {
        self.told.map(|column| is_true(column, row))
    }
}

fn is_true(column: Option<&BooleanArray>, row: usize) -> bool {
    column.is_some_and(|column| column.value(row) && column.is_valid(row))
}

fn number(id: &[u8]) -> u64 {
    id.try_into().map_or(0, u64::from_be_bytes)
}

/// The texts of one column of the batch at hand, as numbers.
#[derive(Debug, Default)]
struct TextColumn {
    /// The dictionary seen last, and the numbers of those of its texts that were met.
    values: Option<ArrayRef>,
    numbers: Vec<Option<Text>>,
    rows: Vec<Text>,
}

impl TextColumn {
    /// Empty when the batch has no such text.
    #[inline]
    fn text(&self, row: usize) -> Text {
        self.rows.get(row).copied().unwrap_or_default()
    }

    fn read(&mut self, column: Option<&ArrayRef>, texts: &mut Texts) -> Result<()> {
        self.rows.clear();
        let Some(column) = column.filter(|column| column.null_count() < column.len()) else { return Ok(()) };
        match column.as_dictionary_opt::<Int32Type>().filter(|_| is_dictionary(column.data_type())) {
            Some(_) => self.read_codes(column, texts),
            None if *column.data_type() == DataType::Utf8 => self.read_plain(column, texts),
            None => self.read_plain(&cast(column, &DataType::Utf8)?, texts),
        }
        Ok(())
    }

    fn read_codes(&mut self, column: &ArrayRef, texts: &mut Texts) {
        let column = column.as_dictionary::<Int32Type>();
        let (keys, values) = (column.keys(), column.values());
        if !self.values.as_ref().is_some_and(|last| same_values(last, values)) {
            self.numbers.clear();
            self.numbers.resize(values.len(), None);
            self.values = Some(std::sync::Arc::clone(values));
        }
        let (words, nulls) = (values.as_string::<i32>(), keys.nulls().filter(|nulls| nulls.null_count() > 0));
        let numbers = &mut self.numbers;
        self.rows.extend(keys.values().iter().enumerate().map(|(row, code)| {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                return Text::NONE;
            }
            *numbers[*code as usize].get_or_insert_with(|| texts.number(words.value(*code as usize)))
        }));
    }

    fn read_plain(&mut self, column: &ArrayRef, texts: &mut Texts) {
        let mut last = ("", Text::NONE);
        self.rows.extend(column.as_string::<i32>().iter().map(|text| match text {
            None => Text::NONE,
            Some(text) if text == last.0 => last.1,
            Some(text) => {
                last = (text, texts.number(text));
                last.1
            }
        }));
    }
}
