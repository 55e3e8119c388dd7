//! OTLP protobuf to the sink, without building the messages in between.
//!
//! A message whose meaning needs a field that may come later is walked twice: skipping costs a length each. What is
//! wrong inside a record, a scope or a resource refuses what it spoils; a broken envelope fails the request.

use std::borrow::Cow;

use model::limits::{ATTRIBUTE_DEPTH_MAX, NESTING_DEPTH_MAX};
use model::{DataPointType, Scope, Signal, SpanLink, Temporality, Value, json_string};

use super::attributes::{AttributeList, cut_key, nested_key};
use super::ids::{base64_encode, span_id_from_bytes, trace_id_from_bytes};
use super::limits::{BUCKETS_PER_POINT_MAX, EXEMPLARS_PER_POINT_MAX};
use super::points::{ExemplarRecord, Exponential, Number, PointScratch};
use super::translate::{
    EventPlace, EventRecord, LinkRecord, LogFields, MetricRecord, PointRecord, SpanRecord, Translation, record_name,
};
use super::wire::{
    Field, Fields, WireError, any_value, event, exemplar, exponential_buckets, exponential_point, histogram_point, key_value,
    link, log_record, metric, metric_data, number_point, point, quantile, request, resource, resource_group, scope, scope_group,
    short_text_pair, span, status, summary_point,
};

/// Pushes every record of an `Export*ServiceRequest`.
pub fn push_request(signal: Signal, body: &[u8], translation: &mut Translation<'_>) -> Result<(), WireError> {
    let mut walk =
        Walk { signal, translation, attributes: AttributeList::default(), links: Vec::new(), scratch: PointScratch::default() };
    for field in Fields::new(body) {
        if let (request::RESOURCE_GROUPS, group) = field? {
            walk.resource_group(group.bytes()?)?;
        }
    }
    Ok(())
}

/// One walk over a request, with the room it reuses from record to record.
struct Walk<'w, 's, 'a> {
    signal: Signal,
    translation: &'w mut Translation<'s>,
    attributes: AttributeList<'a>,
    links: Vec<SpanLink<'a>>,
    scratch: PointScratch,
}

impl<'a> Walk<'_, '_, 'a> {
    fn resource_group(&mut self, group: &'a [u8]) -> Result<(), WireError> {
        if let Err(error) = self.resource(group) {
            let count = count_records(group)?;
            return self.refuse_all(count, "resource", &error);
        }
        for field in Fields::new(group) {
            if let (resource_group::SCOPE_GROUPS, group) = field? {
                self.scope_group(group.bytes()?)?;
            }
        }
        Ok(())
    }

    fn resource(&mut self, group: &'a [u8]) -> Result<(), WireError> {
        self.attributes.clear();
        let mut schema_url = "";
        for field in Fields::new(group) {
            match field? {
                (resource_group::RESOURCE, message) => {
                    push_key_values(message.bytes()?, resource::ATTRIBUTES, &mut self.attributes)?;
                }
                (resource_group::SCHEMA_URL, url) => schema_url = url.text()?,
                _ => {}
            }
        }
        self.translation.resource(&self.attributes, schema_url);
        Ok(())
    }

    fn scope_group(&mut self, group: &'a [u8]) -> Result<(), WireError> {
        if let Err(error) = self.scope(group) {
            let count = count_fields(group, scope_group::RECORDS)?;
            return self.refuse_all(count, "scope", &error);
        }
        for field in Fields::new(group) {
            if let (scope_group::RECORDS, record) = field? {
                self.record(record.bytes()?);
            }
        }
        Ok(())
    }

    fn scope(&mut self, group: &'a [u8]) -> Result<(), WireError> {
        self.attributes.clear();
        let mut pushed = Scope::default();
        for field in Fields::new(group) {
            match field? {
                (scope_group::SCOPE, message) => {
                    for field in Fields::new(message.bytes()?) {
                        match field? {
                            (scope::NAME, name) => pushed.name = name.text()?,
                            (scope::VERSION, version) => pushed.version = version.text()?,
                            (scope::ATTRIBUTES, pair) => push_key_value(pair.bytes()?, &mut self.attributes)?,
                            _ => {}
                        }
                    }
                }
                (scope_group::SCHEMA_URL, url) => pushed.schema_url = url.text()?,
                _ => {}
            }
        }
        self.translation.sink.scope(&Scope { attributes: &self.attributes.items, ..pushed });
        Ok(())
    }

    fn refuse_all(&mut self, count: u64, what: &str, error: &WireError) -> Result<(), WireError> {
        self.translation.refuse_many(self.signal, count, format!("{what}: {error}"));
        Ok(())
    }

    fn record(&mut self, record: &'a [u8]) {
        let read = match self.signal {
            Signal::Spans => self.span(record),
            Signal::Logs => self.log(record),
            Signal::Metrics => self.metric(record),
        };
        if let Err(error) = read {
            self.translation.refuse::<()>(self.signal, format!("{}: {error}", record_name(self.signal)));
        }
    }

    fn span(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        self.attributes.clear();
        self.links.clear();
        let mut record = SpanRecord::default();
        let mut has_events = false;
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                span::TRACE_ID => record.trace_id = trace_id_from_bytes(field.bytes()?),
                span::SPAN_ID => record.span_id = span_id_from_bytes(field.bytes()?),
                span::TRACE_STATE => record.trace_state = field.text()?,
                span::PARENT_SPAN_ID => record.parent_span_id = span_id_from_bytes(field.bytes()?),
                span::NAME => record.name = field.text()?,
                span::KIND => record.kind = field.varint()? as i64,
                span::START_TIME => record.start_time_unix_nano = field.fixed64()?,
                span::END_TIME => record.end_time_unix_nano = field.fixed64()?,
                span::ATTRIBUTES => push_key_value(field.bytes()?, &mut self.attributes)?,
                span::DROPPED_ATTRIBUTES_COUNT => record.dropped_attributes_count = field.varint()? as u32,
                span::EVENTS => has_events = field.bytes().map(|_| true)?,
                span::DROPPED_EVENTS_COUNT => record.dropped_events_count = field.varint()? as u32,
                span::LINKS => match self.translation.link(link_record(field.bytes()?)?) {
                    Some(link) => self.links.push(link),
                    None => record.dropped_links_count = record.dropped_links_count.saturating_add(1),
                },
                span::DROPPED_LINKS_COUNT => {
                    record.dropped_links_count = record.dropped_links_count.saturating_add(field.varint()? as u32);
                }
                span::STATUS => {
                    for field in Fields::new(field.bytes()?) {
                        match field? {
                            (status::MESSAGE, message) => record.status_message = message.text()?,
                            (status::CODE, code) => record.status_code = code.varint()? as i64,
                            _ => {}
                        }
                    }
                }
                span::FLAGS => record.flags = field.fixed32()?,
                _ => {}
            }
        }
        let place = self.translation.span(&record, &mut self.attributes, &self.links);
        match place {
            Some(place) if has_events => self.events(message, place),
            _ => Ok(()),
        }
    }

    fn events(&mut self, span: &'a [u8], place: EventPlace) -> Result<(), WireError> {
        for field in Fields::new(span) {
            let (span::EVENTS, message) = field? else { continue };
            if let Err(error) = self.event(message.bytes()?, place) {
                self.translation.refuse::<()>(Signal::Logs, format!("span event: {error}"));
            }
        }
        Ok(())
    }

    fn event(&mut self, message: &'a [u8], place: EventPlace) -> Result<(), WireError> {
        self.attributes.clear();
        let mut record = EventRecord::default();
        for field in Fields::new(message) {
            match field? {
                (event::TIME, time) => record.time_unix_nano = time.fixed64()?,
                (event::NAME, name) => record.name = name.text()?,
                (event::ATTRIBUTES, pair) => push_key_value(pair.bytes()?, &mut self.attributes)?,
                (event::DROPPED_ATTRIBUTES_COUNT, count) => record.dropped_attributes_count = count.varint()? as u32,
                _ => {}
            }
        }
        self.translation.event(place, &record, &mut self.attributes);
        Ok(())
    }

    fn log(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        self.attributes.clear();
        let mut record = LogFields::default();
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                log_record::TIME => record.time_unix_nano = field.fixed64()?,
                log_record::SEVERITY_NUMBER => record.severity_number = field.varint()? as i32,
                log_record::SEVERITY_TEXT => record.severity_text = field.text()?,
                log_record::BODY => record.body = log_body(field.bytes()?, &mut self.attributes)?,
                log_record::ATTRIBUTES => push_key_value(field.bytes()?, &mut self.attributes)?,
                log_record::DROPPED_ATTRIBUTES_COUNT => record.dropped_attributes_count = field.varint()? as u32,
                log_record::FLAGS => record.flags = field.fixed32()?,
                log_record::TRACE_ID => record.trace_id = trace_id_from_bytes(field.bytes()?),
                log_record::SPAN_ID => record.span_id = span_id_from_bytes(field.bytes()?),
                log_record::OBSERVED_TIME => record.observed_time_unix_nano = field.fixed64()?,
                log_record::EVENT_NAME => record.event_name = field.text()?,
                _ => {}
            }
        }
        self.translation.log(record, &mut self.attributes);
        Ok(())
    }

    fn metric(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut record = MetricRecord {
            name: "",
            description: "",
            unit: "",
            r#type: DataPointType::Gauge,
            temporality: Temporality::Unspecified,
            is_monotonic: false,
        };
        let mut data = None;
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                metric::NAME => record.name = field.text()?,
                metric::DESCRIPTION => record.description = field.text()?,
                metric::UNIT => record.unit = field.text()?,
                metric::GAUGE => data = Some((DataPointType::Gauge, field.bytes()?)),
                metric::SUM => data = Some((DataPointType::Sum, field.bytes()?)),
                metric::HISTOGRAM => data = Some((DataPointType::Histogram, field.bytes()?)),
                metric::EXPONENTIAL_HISTOGRAM => data = Some((DataPointType::ExponentialHistogram, field.bytes()?)),
                metric::SUMMARY => data = Some((DataPointType::Summary, field.bytes()?)),
                _ => {}
            }
        }
        let Some((kind, data)) = data else {
            self.translation.warn(Signal::Metrics, "metric without data, or with data of an unknown type");
            return Ok(());
        };
        record.r#type = kind;
        for field in Fields::new(data) {
            match field? {
                (metric_data::TEMPORALITY, number) => record.temporality = Temporality::from_otlp(number.varint()? as i64),
                (metric_data::IS_MONOTONIC, flag) => record.is_monotonic = flag.varint()? != 0,
                _ => {}
            }
        }
        if record.name.is_empty() {
            let count = count_fields(data, metric_data::DATA_POINTS)?;
            self.translation.refuse_many(Signal::Metrics, count, "metric: expected a name".to_owned());
            return Ok(());
        }
        for field in Fields::new(data) {
            let (metric_data::DATA_POINTS, point) = field? else { continue };
            if let Err(error) = self.point(&record, point.bytes()?) {
                self.translation.refuse::<()>(Signal::Metrics, format!("data point: {error}"));
            }
        }
        Ok(())
    }

    fn point(&mut self, metric: &MetricRecord<'a>, message: &'a [u8]) -> Result<(), WireError> {
        self.attributes.clear();
        self.scratch.clear();
        let mut record = PointRecord::default();
        match metric.r#type {
            DataPointType::Gauge | DataPointType::Sum => self.number_point(message, &mut record)?,
            DataPointType::Histogram => self.histogram_point(message, &mut record)?,
            DataPointType::ExponentialHistogram => self.exponential_point(message, &mut record)?,
            DataPointType::Summary => self.summary_point(message, &mut record)?,
        }
        self.scratch.close_exemplars();
        if self.scratch.exemplars_count > EXEMPLARS_PER_POINT_MAX {
            self.translation.warn(Signal::Metrics, "exemplars left out: expected at most 1,024 on a data point");
        }
        self.translation.point(metric, &record, &self.scratch.buckets, &self.scratch.exemplars, &self.attributes);
        Ok(())
    }

    fn number_point(&mut self, message: &'a [u8], record: &mut PointRecord) -> Result<(), WireError> {
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                number_point::AS_DOUBLE => record.value = Some(field.double()?),
                number_point::AS_INT => record.value = Some(field.fixed64()? as i64 as f64),
                number_point::EXEMPLARS => self.exemplar(field.bytes()?)?,
                number_point::ATTRIBUTES => push_key_value(field.bytes()?, &mut self.attributes)?,
                number_point::FLAGS => record.flags = field.varint()? as u32,
                _ => point_time(number, field, record)?,
            }
        }
        Ok(())
    }

    fn histogram_point(&mut self, message: &'a [u8], record: &mut PointRecord) -> Result<(), WireError> {
        record.count = Some(0);
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                histogram_point::COUNT => record.count = Some(field.fixed64()?),
                histogram_point::SUM => record.sum = Some(field.double()?),
                histogram_point::MIN => record.min = Some(field.double()?),
                histogram_point::MAX => record.max = Some(field.double()?),
                histogram_point::BUCKET_COUNTS => field.repeated_fixed64(&mut self.scratch.counts, BUCKETS_PER_POINT_MAX)?,
                histogram_point::EXPLICIT_BOUNDS => field.repeated_fixed64(&mut self.scratch.bounds, BUCKETS_PER_POINT_MAX)?,
                histogram_point::EXEMPLARS => self.exemplar(field.bytes()?)?,
                histogram_point::ATTRIBUTES => push_key_value(field.bytes()?, &mut self.attributes)?,
                histogram_point::FLAGS => record.flags = field.varint()? as u32,
                _ => point_time(number, field, record)?,
            }
        }
        self.scratch.write_histogram();
        Ok(())
    }

    fn exponential_point(&mut self, message: &'a [u8], record: &mut PointRecord) -> Result<(), WireError> {
        record.count = Some(0);
        let mut histogram = Exponential::default();
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                exponential_point::COUNT => record.count = Some(field.fixed64()?),
                exponential_point::SUM => record.sum = Some(field.double()?),
                exponential_point::MIN => record.min = Some(field.double()?),
                exponential_point::MAX => record.max = Some(field.double()?),
                exponential_point::SCALE => histogram.scale = field.zigzag32()?,
                exponential_point::ZERO_COUNT => histogram.zero_count = field.fixed64()?,
                exponential_point::ZERO_THRESHOLD => histogram.zero_threshold = field.double()?,
                exponential_point::POSITIVE => {
                    read_buckets(field.bytes()?, &mut histogram.positive_offset, &mut self.scratch.counts)?;
                }
                exponential_point::NEGATIVE => {
                    read_buckets(field.bytes()?, &mut histogram.negative_offset, &mut self.scratch.negative_counts)?;
                }
                exponential_point::EXEMPLARS => self.exemplar(field.bytes()?)?,
                exponential_point::ATTRIBUTES => push_key_value(field.bytes()?, &mut self.attributes)?,
                exponential_point::FLAGS => record.flags = field.varint()? as u32,
                _ => point_time(number, field, record)?,
            }
        }
        self.scratch.write_exponential(&histogram);
        Ok(())
    }

    fn summary_point(&mut self, message: &'a [u8], record: &mut PointRecord) -> Result<(), WireError> {
        (record.count, record.sum) = (Some(0), Some(0.0));
        let mut quantiles_count = 0;
        for field in Fields::new(message) {
            let (number, field) = field?;
            match number {
                summary_point::COUNT => record.count = Some(field.fixed64()?),
                summary_point::SUM => record.sum = Some(field.double()?),
                summary_point::QUANTILE_VALUES if quantiles_count == BUCKETS_PER_POINT_MAX => {
                    return Err(WireError::TooManyBuckets);
                }
                summary_point::QUANTILE_VALUES => {
                    let (mut at, mut value) = (0.0, 0.0);
                    for field in Fields::new(field.bytes()?) {
                        match field? {
                            (quantile::QUANTILE, number) => at = number.double()?,
                            (quantile::VALUE, number) => value = number.double()?,
                            _ => {}
                        }
                    }
                    self.scratch.write_quantile(at, value);
                    quantiles_count += 1;
                }
                summary_point::ATTRIBUTES => push_key_value(field.bytes()?, &mut self.attributes)?,
                summary_point::FLAGS => record.flags = field.varint()? as u32,
                _ => point_time(number, field, record)?,
            }
        }
        self.scratch.close_quantiles();
        Ok(())
    }

    fn exemplar(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.scratch.exemplars_count += 1;
        if self.scratch.exemplars_count > EXEMPLARS_PER_POINT_MAX {
            return Ok(());
        }
        let mut record = ExemplarRecord::default();
        for field in Fields::new(message) {
            match field? {
                (exemplar::TIME, time) => record.time_unix_nano = time.fixed64()?,
                (exemplar::AS_DOUBLE, value) => record.value = Some(Number::Float(value.double()?)),
                (exemplar::AS_INT, value) => record.value = Some(Number::Int(value.fixed64()? as i64)),
                (exemplar::TRACE_ID, id) => record.trace_id = trace_id_from_bytes(id.bytes()?),
                (exemplar::SPAN_ID, id) => record.span_id = span_id_from_bytes(id.bytes()?),
                _ => {}
            }
        }
        let out = self.scratch.open_exemplar(&record);
        write_key_values(message, exemplar::FILTERED_ATTRIBUTES, 1, out)?;
        out.push('}');
        Ok(())
    }
}

fn point_time(number: u32, field: Field<'_>, record: &mut PointRecord) -> Result<(), WireError> {
    match number {
        point::START_TIME => record.start_time_unix_nano = field.fixed64()?,
        point::TIME => record.time_unix_nano = field.fixed64()?,
        _ => {}
    }
    Ok(())
}

fn read_buckets(message: &[u8], offset: &mut i32, counts: &mut Vec<u64>) -> Result<(), WireError> {
    for field in Fields::new(message) {
        match field? {
            (exponential_buckets::OFFSET, number) => *offset = number.zigzag32()?,
            (exponential_buckets::BUCKET_COUNTS, numbers) => numbers.repeated_varint(counts, BUCKETS_PER_POINT_MAX)?,
            _ => {}
        }
    }
    Ok(())
}

fn link_record(message: &[u8]) -> Result<LinkRecord<'_>, WireError> {
    let mut record = LinkRecord::default();
    let mut attributes = AttributeList::default();
    for field in Fields::new(message) {
        match field? {
            (link::TRACE_ID, id) => record.trace_id = trace_id_from_bytes(id.bytes()?),
            (link::SPAN_ID, id) => record.span_id = span_id_from_bytes(id.bytes()?),
            (link::TRACE_STATE, state) => record.trace_state = state.text()?,
            (link::ATTRIBUTES, pair) => push_key_value(pair.bytes()?, &mut attributes)?,
            _ => {}
        }
    }
    record.attributes = attributes.items;
    Ok(record)
}

/// The records beneath a resource group that cannot be told whose they are.
fn count_records(group: &[u8]) -> Result<u64, WireError> {
    let mut count = 0;
    for field in Fields::new(group) {
        if let (resource_group::SCOPE_GROUPS, group) = field? {
            count += count_fields(group.bytes()?, scope_group::RECORDS)?;
        }
    }
    Ok(count)
}

fn count_fields(message: &[u8], wanted: u32) -> Result<u64, WireError> {
    let mut count = 0;
    for field in Fields::new(message) {
        count += u64::from(field?.0 == wanted);
    }
    Ok(count)
}

fn push_key_values<'a>(message: &'a [u8], wanted: u32, out: &mut AttributeList<'a>) -> Result<(), WireError> {
    for field in Fields::new(message) {
        let (number, pair) = field?;
        if number == wanted {
            push_key_value(pair.bytes()?, out)?;
        }
    }
    Ok(())
}

/// One attribute, maps flattened with dots down to [`ATTRIBUTE_DEPTH_MAX`].
#[inline]
fn push_key_value<'a>(pair: &'a [u8], out: &mut AttributeList<'a>) -> Result<(), WireError> {
    if let Some((key, text)) = short_text_pair(pair) {
        return if out.push_text(key, text) { Ok(()) } else { Err(WireError::Utf8) };
    }
    let (key, value) = key_value(pair)?;
    push_value(Cow::Borrowed(cut_key(key)), value, 1, out)
}

fn push_value<'a>(key: Cow<'a, str>, any: &'a [u8], depth: usize, out: &mut AttributeList<'a>) -> Result<(), WireError> {
    let Some((number, field)) = any_value(any)? else { return Ok(()) };
    let value = match number {
        any_value::KVLIST if depth < ATTRIBUTE_DEPTH_MAX => {
            for pair in Fields::new(field.bytes()?) {
                let (any_value::VALUES, pair) = pair? else { continue };
                let (name, value) = key_value(pair.bytes()?)?;
                push_value(Cow::Owned(nested_key(&key, name)), value, depth + 1, out)?;
            }
            return Ok(());
        }
        any_value::KVLIST | any_value::ARRAY => {
            let mut text = String::new();
            write_value(any, depth, &mut text)?;
            Value::Json(Cow::Owned(text))
        }
        _ => scalar(number, field)?,
    };
    out.push(key, value);
    Ok(())
}

fn scalar<'a>(number: u32, field: Field<'a>) -> Result<Value<'a>, WireError> {
    Ok(match number {
        any_value::BOOL => Value::Bool(field.varint()? != 0),
        any_value::INT => Value::Int(field.varint()? as i64),
        any_value::DOUBLE => Value::Float(field.double()?),
        any_value::BYTES => Value::Str(Cow::Owned(base64_encode(field.bytes()?))),
        _ => Value::Str(Cow::Borrowed(field.text()?)),
    })
}

/// The one value that is set: the last, should there be several. `None` for an empty value.
fn any_value(any: &[u8]) -> Result<Option<(u32, Field<'_>)>, WireError> {
    let mut set = None;
    for field in Fields::new(any) {
        let (number, field) = field?;
        if (any_value::STRING..=any_value::BYTES).contains(&number) {
            set = Some((number, field));
        }
    }
    Ok(set)
}

fn key_value(pair: &[u8]) -> Result<(&str, &[u8]), WireError> {
    let (mut key, mut value) = ("", &[][..]);
    for field in Fields::new(pair) {
        match field? {
            (key_value::KEY, text) => key = text.text()?,
            (key_value::VALUE, any) => value = any.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The body as text; a map's members become attributes `body.<key>` as well.
fn log_body<'a>(any: &'a [u8], out: &mut AttributeList<'a>) -> Result<Cow<'a, str>, WireError> {
    let Some((number, field)) = any_value(any)? else { return Ok(Cow::Borrowed("")) };
    match number {
        any_value::KVLIST | any_value::ARRAY => {
            if number == any_value::KVLIST {
                push_value(Cow::Borrowed("body"), any, 1, out)?;
            }
            let mut text = String::new();
            write_value(any, 1, &mut text)?;
            Ok(Cow::Owned(text))
        }
        _ => match scalar(number, field)? {
            Value::Str(text) => Ok(text),
            other => Ok(Cow::Owned(other.to_text().into_owned())),
        },
    }
}

/// Appends a value as JSON; an empty one is `null`.
fn write_value(any: &[u8], depth: usize, out: &mut String) -> Result<(), WireError> {
    if depth > NESTING_DEPTH_MAX {
        return Err(WireError::TooDeep);
    }
    match any_value(any)? {
        None => out.push_str("null"),
        Some((any_value::KVLIST, list)) => write_key_values(list.bytes()?, any_value::VALUES, depth + 1, out)?,
        Some((any_value::ARRAY, list)) => {
            out.push('[');
            let mut first = true;
            for item in Fields::new(list.bytes()?) {
                let (any_value::VALUES, item) = item? else { continue };
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                write_value(item.bytes()?, depth + 1, out)?;
            }
            out.push(']');
        }
        Some((number, field)) => scalar(number, field)?.write_json(out),
    }
    Ok(())
}

/// Appends the pairs in field `wanted` of `message` as a JSON object.
fn write_key_values(message: &[u8], wanted: u32, depth: usize, out: &mut String) -> Result<(), WireError> {
    out.push('{');
    let mut first = true;
    for field in Fields::new(message) {
        let (number, pair) = field?;
        if number != wanted {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        let (key, value) = key_value(pair.bytes()?)?;
        json_string(key, out);
        out.push(':');
        write_value(value, depth, out)?;
    }
    out.push('}');
    Ok(())
}
