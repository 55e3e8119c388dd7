//! The oracle: prost decodes, the plainest code says what must come out.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn traces_agree_with_prost_and_json(entropy in entropy()) {
        let request = Draw(&entropy).traces();
        let body = request.encode_to_vec();
        let pushed = push("traces", PROTOBUF, &body);
        prop_assert_eq!(&pushed, &expect_traces(&request));
        prop_assert_eq!(&pushed, &push("grpc.traces", "", &body));
        prop_assert_eq!(&pushed, &push("traces", JSON, &serde_json::to_vec(&request).unwrap()));
    }

    #[test]
    fn logs_agree_with_prost_and_json(entropy in entropy()) {
        let request = Draw(&entropy).logs();
        let pushed = push("logs", PROTOBUF, &request.encode_to_vec());
        prop_assert_eq!(&pushed, &expect_logs(&request));
        prop_assert_eq!(&pushed, &push("logs", JSON, &serde_json::to_vec(&request).unwrap()));
    }

    #[test]
    fn metrics_agree_with_prost_and_json(entropy in entropy()) {
        let request = Draw(&entropy).metrics();
        let pushed = push("metrics", PROTOBUF, &request.encode_to_vec());
        prop_assert_eq!(&pushed, &expect_metrics(&request));
        prop_assert_eq!(&pushed, &push("metrics", JSON, &serde_json::to_vec(&request).unwrap()));
    }

    #[test]
    fn what_prost_reads_we_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for (endpoint, reads) in [
            ("traces", ExportTraceServiceRequest::decode(&bytes[..]).is_ok()),
            ("logs", ExportLogsServiceRequest::decode(&bytes[..]).is_ok()),
            ("metrics", ExportMetricsServiceRequest::decode(&bytes[..]).is_ok()),
        ] {
            let pushed = push(endpoint, PROTOBUF, &bytes);
            prop_assert!(!reads || !pushed.contains("failed"), "{}", pushed);
            push(endpoint, JSON, &bytes);
        }
    }

    /// What a record is read as does not depend on the one before, from which its attributes are guessed.
    #[test]
    fn a_guess_changes_nothing(records in proptest::collection::vec(wild_attributes(), 1..6)) {
        let together: Vec<u8> = records.iter().flat_map(|record| message(2, record)).collect();
        let of = |records: &[u8]| push("logs", PROTOBUF, &message(1, &message(2, records)));
        let head = "resource \"unknown_service\"\nscope \"\"\n";
        let alone: String = records.iter().map(|record| of(&message(2, record)).replace(head, "")).collect();
        prop_assert_eq!(of(&together), format!("{head}{alone}"));
    }

    /// One changed byte anywhere never panics, in either encoding.
    #[test]
    fn changed_bytes_never_panic(entropy in entropy(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut draw = Draw(&entropy);
        let requests = [
            ("traces", draw.traces().encode_to_vec()),
            ("logs", draw.logs().encode_to_vec()),
            ("metrics", draw.metrics().encode_to_vec()),
        ];
        for (endpoint, body) in requests {
            for (content_type, mut body) in [(JSON, json_from_protobuf(endpoint, &body).unwrap()), (PROTOBUF, body)] {
                if body.is_empty() {
                    continue;
                }
                let at = at.index(body.len());
                body[at] = byte;
                push(endpoint, content_type, &body);
            }
        }
    }
}

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..6000)
}

/// The attributes of a log record: few keys and values, so that records resemble each other, and bytes that are no text.
fn wild_attributes() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || {
        prop_oneof![
            8 => prop::sample::select(vec!["a", "b", "http.route", "sampleRate", "exception.type", ""]).prop_map(|text| text.as_bytes().to_vec()),
            1 => Just(b"\xff".to_vec()),
            1 => Just("ü".repeat(70).into_bytes()),
            1 => Just(vec![b'k'; 300]),
        ]
    };
    let value = prop_oneof![
        4 => bytes().prop_map(|text| message(1, &text)),
        1 => (0u8..0x80).prop_map(|number| vec![3 << 3, number]),
        // Two values, of which the last counts, and none.
        1 => bytes().prop_map(|text| [message(1, b"x"), message(1, &text)].concat()),
        1 => Just(Vec::new()),
    ];
    let pair = (bytes(), value, any::<bool>()).prop_map(|(key, value, reversed)| {
        let (key, value) = (message(1, &key), message(2, &value));
        message(6, &if reversed { [value, key].concat() } else { [key, value].concat() })
    });
    proptest::collection::vec(pair, 0..6).prop_map(|pairs| pairs.concat())
}

/// Makes messages from bytes; when they run out everything is empty, so shorter is simpler.
struct Draw<'b>(&'b [u8]);

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::from_le_bytes(std::array::from_fn(|_| self.byte())) >> 1,
            _ => 1 << 53,
        }
    }

    fn count32(&mut self) -> u32 {
        self.number() as u32
    }

    /// Eighths: exact however they are written.
    fn float(&mut self) -> f64 {
        f64::from(i32::from_le_bytes([self.byte(), self.byte(), self.byte(), 0]) - (1 << 23)) / 8.0
    }

    fn time(&mut self) -> u64 {
        match self.below(24) {
            0 => 0,
            1 => u64::MAX,
            _ => 1_700_000_000_000_000_000 + u64::from(self.byte()) * 1_000_003,
        }
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 8] = ["", "GET /", "a\"b\\c\n", "naïve", "\u{0}", "日本", "🦀", "\u{7f}\u{80}"];
        (0..self.below(3)).map(|_| WORDS[usize::from(self.below(8))]).collect()
    }

    fn id(&mut self, length: usize) -> Vec<u8> {
        match self.below(24) {
            0 => Vec::new(),
            1 => vec![0; length],
            2 => vec![1; 3],
            _ => (0..length).map(|_| self.byte() | 1).collect(),
        }
    }

    fn any(&mut self, depth: usize) -> AnyValue {
        let value = match self.below(if depth < 9 { 9 } else { 6 }) {
            0 => None,
            1 => Some(Any::StringValue(self.text())),
            2 => Some(Any::BoolValue(self.byte() > 127)),
            3 => Some(Any::IntValue(self.number() as i64 - (1 << 40))),
            4 => Some(Any::DoubleValue(self.float())),
            5 => Some(Any::BytesValue((0..self.below(5)).map(|_| self.byte()).collect())),
            6 => Some(Any::ArrayValue(ArrayValue { values: self.list(3, |draw| draw.any(depth + 1)) })),
            _ => Some(Any::KvlistValue(KeyValueList { values: self.pairs(depth + 1) })),
        };
        AnyValue { value }
    }

    fn pairs(&mut self, depth: usize) -> Vec<KeyValue> {
        const KEYS: [&str; 8] = [
            "sampleRate",
            "SampleRate",
            "exception.type",
            "exception.message",
            "exception.stacktrace",
            "event.name",
            "service.name",
            "http.route",
        ];
        (0..self.below(4))
            .map(|index| {
                // Keys of one map differ, as they must.
                let key = match self.below(5) {
                    0 => KEYS[usize::from(self.below(2) * 4 + index)].to_owned(),
                    _ => format!("k{index}{}", self.text()),
                };
                KeyValue { key, value: Some(self.any(depth)), ..KeyValue::default() }
            })
            .collect()
    }

    fn list<T>(&mut self, end: u8, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(end)).map(|_| one(self)).collect()
    }

    fn resource(&mut self) -> Option<ProtoResource> {
        (self.byte() > 40).then(|| ProtoResource { attributes: self.pairs(1), ..ProtoResource::default() })
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        (self.byte() > 40).then(|| InstrumentationScope {
            name: self.text(),
            version: self.text(),
            attributes: self.pairs(1),
            dropped_attributes_count: self.count32(),
        })
    }

    fn traces(&mut self) -> ExportTraceServiceRequest {
        let resource_spans = self.list(3, |draw| trace::ResourceSpans {
            resource: draw.resource(),
            scope_spans: draw.list(3, |draw| trace::ScopeSpans {
                scope: draw.scope(),
                spans: draw.list(4, Draw::span),
                schema_url: draw.text(),
            }),
            schema_url: draw.text(),
        });
        ExportTraceServiceRequest { resource_spans }
    }

    fn span(&mut self) -> trace::Span {
        const TRACE_STATES: [&str; 4] = ["", "ot=th:8", "a=b,ot=rv:1;th:c0", "ot=th:zz"];
        trace::Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: TRACE_STATES[usize::from(self.below(4))].to_owned(),
            parent_span_id: self.id(8),
            flags: self.count32(),
            name: self.text(),
            kind: self.below(7).into(),
            start_time_unix_nano: self.time(),
            end_time_unix_nano: self.time(),
            attributes: self.pairs(1),
            dropped_attributes_count: self.count32(),
            events: self.list(3, |draw| trace::span::Event {
                time_unix_nano: draw.time(),
                name: if draw.byte() > 127 { "exception".to_owned() } else { draw.text() },
                attributes: draw.pairs(1),
                dropped_attributes_count: draw.count32(),
            }),
            dropped_events_count: self.count32(),
            links: self.list(3, |draw| trace::span::Link {
                trace_id: draw.id(16),
                span_id: draw.id(8),
                trace_state: draw.text(),
                attributes: draw.pairs(1),
                dropped_attributes_count: draw.count32(),
                flags: draw.count32(),
            }),
            dropped_links_count: self.below(9).into(),
            status: (self.byte() > 127).then(|| trace::Status { message: self.text(), code: self.below(4).into() }),
        }
    }

    fn logs(&mut self) -> ExportLogsServiceRequest {
        let resource_logs = self.list(3, |draw| logs::ResourceLogs {
            resource: draw.resource(),
            scope_logs: draw.list(3, |draw| logs::ScopeLogs {
                scope: draw.scope(),
                log_records: draw.list(4, Draw::log_record),
                schema_url: draw.text(),
            }),
            schema_url: draw.text(),
        });
        ExportLogsServiceRequest { resource_logs }
    }

    fn log_record(&mut self) -> logs::LogRecord {
        logs::LogRecord {
            time_unix_nano: self.time(),
            observed_time_unix_nano: self.time(),
            severity_number: self.below(26).into(),
            severity_text: self.text(),
            body: (self.byte() > 40).then(|| self.any(1)),
            attributes: self.pairs(1),
            dropped_attributes_count: self.count32(),
            flags: self.count32(),
            trace_id: self.id(16),
            span_id: self.id(8),
            event_name: if self.byte() > 200 { "exception".to_owned() } else { self.text() },
        }
    }

    fn metrics(&mut self) -> ExportMetricsServiceRequest {
        let resource_metrics = self.list(3, |draw| metrics::ResourceMetrics {
            resource: draw.resource(),
            scope_metrics: draw.list(3, |draw| metrics::ScopeMetrics {
                scope: draw.scope(),
                metrics: draw.list(4, Draw::metric),
                schema_url: draw.text(),
            }),
            schema_url: draw.text(),
        });
        ExportMetricsServiceRequest { resource_metrics }
    }

    fn metric(&mut self) -> metrics::Metric {
        use metrics::metric::Data;
        let temporality = self.below(4).into();
        let data = match self.below(6) {
            0 => None,
            1 => Some(Data::Gauge(metrics::Gauge { data_points: self.list(3, Draw::number_point) })),
            2 => Some(Data::Sum(metrics::Sum {
                data_points: self.list(3, Draw::number_point),
                aggregation_temporality: temporality,
                is_monotonic: self.byte() > 127,
            })),
            3 => Some(Data::Histogram(metrics::Histogram {
                data_points: self.list(3, Draw::histogram_point),
                aggregation_temporality: temporality,
            })),
            4 => Some(Data::ExponentialHistogram(metrics::ExponentialHistogram {
                data_points: self.list(3, Draw::exponential_point),
                aggregation_temporality: temporality,
            })),
            _ => Some(Data::Summary(metrics::Summary { data_points: self.list(3, Draw::summary_point) })),
        };
        let name = if self.byte() > 20 { format!("m{}", self.text()) } else { String::new() };
        metrics::Metric { name, description: self.text(), unit: self.text(), metadata: self.pairs(1), data }
    }

    fn maybe_float(&mut self) -> Option<f64> {
        (self.byte() > 80).then(|| self.float())
    }

    fn exemplars(&mut self) -> Vec<metrics::Exemplar> {
        use metrics::exemplar::Value;
        self.list(3, |draw| metrics::Exemplar {
            filtered_attributes: draw.pairs(1),
            time_unix_nano: draw.time(),
            span_id: draw.id(8),
            trace_id: draw.id(16),
            value: match draw.below(3) {
                0 => None,
                1 => Some(Value::AsDouble(draw.float())),
                _ => Some(Value::AsInt(draw.number() as i64)),
            },
        })
    }

    fn number_point(&mut self) -> metrics::NumberDataPoint {
        use metrics::number_data_point::Value;
        metrics::NumberDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            exemplars: self.exemplars(),
            flags: self.below(3).into(),
            value: match self.below(3) {
                0 => None,
                1 => Some(Value::AsDouble(self.float())),
                _ => Some(Value::AsInt(self.number() as i64 - (1 << 60))),
            },
        }
    }

    fn histogram_point(&mut self) -> metrics::HistogramDataPoint {
        metrics::HistogramDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.number(),
            sum: self.maybe_float(),
            bucket_counts: self.list(5, Draw::number),
            explicit_bounds: self.list(5, Draw::float),
            exemplars: self.exemplars(),
            flags: self.below(3).into(),
            min: self.maybe_float(),
            max: self.maybe_float(),
        }
    }

    fn exponential_point(&mut self) -> metrics::ExponentialHistogramDataPoint {
        use metrics::exponential_histogram_data_point::Buckets;
        let buckets = |draw: &mut Self| {
            (draw.byte() > 80)
                .then(|| Buckets { offset: i32::from(draw.byte()) - 128, bucket_counts: draw.list(5, Draw::number) })
        };
        metrics::ExponentialHistogramDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.number(),
            sum: self.maybe_float(),
            scale: i32::from(self.byte()) - 128,
            zero_count: self.number(),
            positive: buckets(self),
            negative: buckets(self),
            flags: self.below(3).into(),
            exemplars: self.exemplars(),
            min: self.maybe_float(),
            max: self.maybe_float(),
            zero_threshold: self.float(),
        }
    }

    fn summary_point(&mut self) -> metrics::SummaryDataPoint {
        use metrics::summary_data_point::ValueAtQuantile;
        metrics::SummaryDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.number(),
            sum: self.float(),
            quantile_values: self.list(4, |draw| ValueAtQuantile { quantile: draw.float(), value: draw.float() }),
            flags: self.below(3).into(),
        }
    }
}

fn plain_json(any: Option<&AnyValue>) -> serde_json::Value {
    use base64::Engine;
    match any.and_then(|any| any.value.as_ref()) {
        None => serde_json::Value::Null,
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(value)) => (*value).into(),
        Some(Any::IntValue(value)) => (*value).into(),
        Some(Any::DoubleValue(value)) => (*value).into(),
        Some(Any::BytesValue(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|value| plain_json(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => {
            list.values.iter().map(|pair| (pair.key.clone(), plain_json(pair.value.as_ref()))).collect()
        }
        Some(other) => panic!("{other:?} is of profiles alone"),
    }
}

fn attributes_of(pairs: &[KeyValue]) -> Vec<Attribute<'static>> {
    let mut out = Vec::new();
    for pair in pairs {
        flatten_json(Cow::Owned(pair.key.clone()), &plain_json(pair.value.as_ref()), &mut out);
    }
    out
}

fn take(attributes: &mut Vec<Attribute<'static>>, keys: &[&str]) -> Option<model::Value<'static>> {
    let found = attributes.iter().rev().find(|attribute| keys.contains(&&*attribute.key)).map(|found| found.value.clone());
    attributes.retain(|attribute| !keys.contains(&&*attribute.key));
    found
}

fn take_rate(attributes: &mut Vec<Attribute<'static>>) -> Option<f64> {
    take(attributes, &["sampleRate", "SampleRate"]).and_then(|rate| rate.as_f64()).filter(|rate| *rate >= 1.0)
}

fn take_exception(name: &str, attributes: &mut Vec<Attribute<'static>>) -> Option<Exception<'static>> {
    let mut found = name == "exception";
    let [r#type, message, stacktrace] = ["exception.type", "exception.message", "exception.stacktrace"].map(|key| {
        let value = take(attributes, &[key]);
        found |= value.is_some();
        Cow::Owned(value.map(|value| value.to_text().into_owned()).unwrap_or_default())
    });
    found.then(|| Exception { r#type, message, stacktrace, ..Exception::default() })
}

fn late(times: &[u64]) -> bool {
    times.iter().any(|time| *time > i64::MAX as u64)
}

fn wrong(id: &[u8], length: usize) -> bool {
    !id.is_empty() && id.len() != length
}

fn expect_resource(resource: Option<&ProtoResource>, schema_url: &str, dump: &mut Dump) {
    let attributes = resource.map(|resource| attributes_of(&resource.attributes)).unwrap_or_default();
    dump.resource(&Resource { attributes: &attributes, schema_url });
}

fn expect_scope(scope: Option<&InstrumentationScope>, schema_url: &str, dump: &mut Dump) {
    let scope = scope.cloned().unwrap_or_default();
    let attributes = attributes_of(&scope.attributes);
    dump.scope(&Scope { name: &scope.name, version: &scope.version, attributes: &attributes, schema_url });
}

fn refuse(dump: &mut Dump, signal: Signal, count: u64, reason: &'static str) {
    dump.refuse(Refusal { signal, count, reason: reason.into() });
}

fn expect_traces(request: &ExportTraceServiceRequest) -> String {
    let mut dump = Dump::new();
    for group in &request.resource_spans {
        expect_resource(group.resource.as_ref(), &group.schema_url, &mut dump);
        for group in &group.scope_spans {
            expect_scope(group.scope.as_ref(), &group.schema_url, &mut dump);
            group.spans.iter().for_each(|span| expect_span(span, &mut dump));
        }
    }
    dump.text().to_owned()
}

fn expect_span(span: &trace::Span, dump: &mut Dump) {
    let mut dropped_links_count = span.dropped_links_count;
    let mut links = Vec::new();
    for link in &span.links {
        match (TraceId::from_bytes(&link.trace_id), SpanId::from_bytes(&link.span_id)) {
            (Some(trace_id), Some(span_id)) => links.push(SpanLink {
                trace_id,
                span_id,
                trace_state: &link.trace_state,
                attributes: attributes_of(&link.attributes),
            }),
            _ => {
                refuse(dump, Signal::Spans, 0, "span link left out: expected a valid trace id and span id");
                dropped_links_count += 1;
            }
        }
    }
    let Some(trace_id) = TraceId::from_bytes(&span.trace_id) else {
        return refuse(dump, Signal::Spans, 1, "span: expected a trace id of 16 bytes that are not all zero");
    };
    let Some(span_id) = SpanId::from_bytes(&span.span_id) else {
        return refuse(dump, Signal::Spans, 1, "span: expected a span id of 8 bytes that are not all zero");
    };
    if late(&[span.start_time_unix_nano, span.end_time_unix_nano]) {
        return refuse(dump, Signal::Spans, 1, "span: expected times before the year 2262");
    }
    if wrong(&span.parent_span_id, 8) {
        refuse(dump, Signal::Spans, 0, "parent span id left out: expected 8 bytes");
    }
    let end = span.end_time_unix_nano as i64;
    let start = match span.start_time_unix_nano as i64 {
        0 if end == 0 => RECEIVED_AT_UNIX_NANO,
        0 => end,
        start => start,
    };
    let mut attributes = attributes_of(&span.attributes);
    let negative = span.start_time_unix_nano > 0 && end < start;
    if negative {
        attributes.push(Attribute::new("meta.invalid_duration", model::Value::Bool(true)));
    }
    let sample_rate = take_rate(&mut attributes).or(sample_rate_from_trace_state(&span.trace_state)).unwrap_or(1.0);
    let status = span.status.clone().unwrap_or_default();
    dump.span(&Span {
        start_time_unix_nano: start,
        duration_ns: if negative || span.end_time_unix_nano == 0 { 0 } else { end - start },
        parent_span_id: SpanId::from_bytes(&span.parent_span_id),
        trace_state: &span.trace_state,
        flags: span.flags,
        kind: SpanKind::from_otlp(span.kind.into()),
        status_code: StatusCode::from_otlp(status.code.into()),
        status_message: &status.message,
        dropped_attributes_count: span.dropped_attributes_count,
        dropped_events_count: span.dropped_events_count,
        dropped_links_count,
        links: &links,
        sample_rate,
        attributes: &attributes,
        ..Span::new(trace_id, span_id, &span.name)
    });
    for event in &span.events {
        if late(&[event.time_unix_nano]) {
            refuse(dump, Signal::Logs, 1, "span event: expected a time before the year 2262");
            continue;
        }
        let mut attributes = attributes_of(&event.attributes);
        let exception = take_exception(&event.name, &mut attributes);
        let message = exception.as_ref().map(|exception| exception.message.clone()).filter(|message| !message.is_empty());
        dump.log(&LogRecord {
            time_unix_nano: if event.time_unix_nano == 0 { start } else { event.time_unix_nano as i64 },
            trace_id: Some(trace_id),
            span_id: Some(span_id),
            severity_number: if exception.is_some() { 17 } else { 0 },
            event_name: &event.name,
            body: message.unwrap_or(Cow::Borrowed(&event.name)),
            exception,
            dropped_attributes_count: event.dropped_attributes_count,
            sample_rate,
            attributes: &attributes,
            ..LogRecord::default()
        });
    }
}

fn expect_logs(request: &ExportLogsServiceRequest) -> String {
    let mut dump = Dump::new();
    for group in &request.resource_logs {
        expect_resource(group.resource.as_ref(), &group.schema_url, &mut dump);
        for group in &group.scope_logs {
            expect_scope(group.scope.as_ref(), &group.schema_url, &mut dump);
            group.log_records.iter().for_each(|record| expect_log(record, &mut dump));
        }
    }
    dump.text().to_owned()
}

fn expect_log(record: &logs::LogRecord, dump: &mut Dump) {
    if late(&[record.time_unix_nano, record.observed_time_unix_nano]) {
        return refuse(dump, Signal::Logs, 1, "log record: expected times before the year 2262");
    }
    if wrong(&record.trace_id, 16) || wrong(&record.span_id, 8) {
        refuse(dump, Signal::Logs, 0, "trace context of a log record left out: expected ids of 16 and 8 bytes");
    }
    let mut attributes = Vec::new();
    let json = plain_json(record.body.as_ref());
    let mut body = match &json {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) if number.is_f64() => number.as_f64().unwrap().to_string(),
        other => other.to_string(),
    };
    if json.is_object() {
        flatten_json("body".into(), &json, &mut attributes);
    }
    attributes.extend(attributes_of(&record.attributes));
    let mut event_name = record.event_name.clone();
    if event_name.is_empty()
        && let Some(named) = attributes.iter().rev().find(|attribute| attribute.key == "event.name")
    {
        event_name = named.value.as_str().unwrap_or_default().to_owned();
    }
    let exception = take_exception(&event_name, &mut attributes);
    if body.is_empty() {
        body = exception.as_ref().map(|exception| exception.message.to_string()).unwrap_or_default();
    }
    let sample_rate = take_rate(&mut attributes).unwrap_or(1.0);
    let time = [record.time_unix_nano, record.observed_time_unix_nano, RECEIVED_AT_UNIX_NANO as u64];
    dump.log(&LogRecord {
        time_unix_nano: *time.iter().find(|time| **time > 0).unwrap() as i64,
        trace_id: TraceId::from_bytes(&record.trace_id),
        span_id: SpanId::from_bytes(&record.span_id),
        flags: record.flags,
        severity_number: record.severity_number,
        severity_text: Cow::Borrowed(&record.severity_text),
        event_name: &event_name,
        body: Cow::Owned(body),
        exception,
        dropped_attributes_count: record.dropped_attributes_count,
        sample_rate,
        source: None,
        attributes: &attributes,
    });
}

fn expect_metrics(request: &ExportMetricsServiceRequest) -> String {
    let mut dump = Dump::new();
    for group in &request.resource_metrics {
        expect_resource(group.resource.as_ref(), &group.schema_url, &mut dump);
        for group in &group.scope_metrics {
            expect_scope(group.scope.as_ref(), &group.schema_url, &mut dump);
            group.metrics.iter().for_each(|metric| expect_metric(metric, &mut dump));
        }
    }
    dump.text().to_owned()
}

/// A point, and what all kinds of points tell alike: start and time, attributes, exemplars.
type Common<'a> = (DataPoint<'a>, [u64; 2], &'a [KeyValue], &'a [metrics::Exemplar]);

fn expect_metric(metric: &metrics::Metric, dump: &mut Dump) {
    use metrics::metric::Data;
    use metrics::number_data_point::Value;
    let point = DataPoint {
        metric: &metric.name,
        description: &metric.description,
        unit: &metric.unit,
        r#type: DataPointType::Gauge,
        temporality: Temporality::Unspecified,
        is_monotonic: false,
        start_time_unix_nano: 0,
        time_unix_nano: 0,
        flags: 0,
        value: None,
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: Cow::Borrowed(""),
        exemplars: Cow::Borrowed(""),
        attributes: &[],
    };
    let mut points: Vec<Common<'_>> = Vec::new();
    let number = |point: DataPoint<'_>, number: &metrics::NumberDataPoint| {
        let value = number.value.as_ref().map(|value| match value {
            Value::AsDouble(value) => *value,
            Value::AsInt(value) => *value as f64,
        });
        DataPoint { flags: number.flags, value, ..unborrowed(&point, metric) }
    };
    match &metric.data {
        None => return refuse(dump, Signal::Metrics, 0, "metric without data, or with data of an unknown type"),
        Some(Data::Gauge(data)) => {
            for of in &data.data_points {
                let times = [of.start_time_unix_nano, of.time_unix_nano];
                points.push((number(point.clone(), of), times, &of.attributes, &of.exemplars));
            }
        }
        Some(Data::Sum(data)) => {
            for of in &data.data_points {
                let point = DataPoint {
                    r#type: DataPointType::Sum,
                    temporality: Temporality::from_otlp(data.aggregation_temporality.into()),
                    is_monotonic: data.is_monotonic,
                    ..point.clone()
                };
                let times = [of.start_time_unix_nano, of.time_unix_nano];
                points.push((number(point, of), times, &of.attributes, &of.exemplars));
            }
        }
        Some(Data::Histogram(data)) => {
            for of in &data.data_points {
                let point = DataPoint {
                    r#type: DataPointType::Histogram,
                    temporality: Temporality::from_otlp(data.aggregation_temporality.into()),
                    flags: of.flags,
                    count: Some(of.count),
                    sum: of.sum,
                    min: of.min,
                    max: of.max,
                    buckets: serde_json::json!({"bounds": of.explicit_bounds, "counts": of.bucket_counts}).to_string().into(),
                    ..point.clone()
                };
                points.push((point, [of.start_time_unix_nano, of.time_unix_nano], &of.attributes, &of.exemplars));
            }
        }
        Some(Data::ExponentialHistogram(data)) => {
            for of in &data.data_points {
                let (positive, negative) = (of.positive.clone().unwrap_or_default(), of.negative.clone().unwrap_or_default());
                let buckets = serde_json::json!({
                    "scale": of.scale, "zero_count": of.zero_count, "zero_threshold": of.zero_threshold,
                    "positive": {"offset": positive.offset, "counts": positive.bucket_counts},
                    "negative": {"offset": negative.offset, "counts": negative.bucket_counts},
                });
                let point = DataPoint {
                    r#type: DataPointType::ExponentialHistogram,
                    temporality: Temporality::from_otlp(data.aggregation_temporality.into()),
                    flags: of.flags,
                    count: Some(of.count),
                    sum: of.sum,
                    min: of.min,
                    max: of.max,
                    buckets: buckets.to_string().into(),
                    ..point.clone()
                };
                points.push((point, [of.start_time_unix_nano, of.time_unix_nano], &of.attributes, &of.exemplars));
            }
        }
        Some(Data::Summary(data)) => {
            for of in &data.data_points {
                let quantiles: Vec<[f64; 2]> = of.quantile_values.iter().map(|pair| [pair.quantile, pair.value]).collect();
                let point = DataPoint {
                    r#type: DataPointType::Summary,
                    flags: of.flags,
                    count: Some(of.count),
                    sum: Some(of.sum),
                    buckets: serde_json::json!({ "quantiles": quantiles }).to_string().into(),
                    ..point.clone()
                };
                points.push((point, [of.start_time_unix_nano, of.time_unix_nano], &of.attributes, &[]));
            }
        }
    }
    if metric.name.is_empty() {
        return refuse(dump, Signal::Metrics, points.len() as u64, "metric: expected a name");
    }
    for (mut point, times, attributes, exemplars) in points {
        if late(&times) {
            refuse(dump, Signal::Metrics, 1, "data point: expected times before the year 2262");
            continue;
        }
        point.start_time_unix_nano = times[0] as i64;
        point.time_unix_nano = if times[1] == 0 { RECEIVED_AT_UNIX_NANO } else { times[1] as i64 };
        if point.flags & 1 == 1 {
            (point.value, point.count, point.sum, point.min, point.max) = (None, None, None, None, None);
            point.buckets = Cow::Borrowed("");
        }
        if !exemplars.is_empty() {
            let list: Vec<_> = exemplars.iter().map(plain_exemplar).collect();
            point.exemplars = serde_json::Value::from(list).to_string().into();
        }
        let attributes = attributes_of(attributes);
        dump.data_point(&DataPoint { attributes: &attributes, ..point });
    }
}

/// The same point, borrowing from nothing but its metric.
fn unborrowed<'a>(point: &DataPoint<'_>, metric: &'a metrics::Metric) -> DataPoint<'a> {
    DataPoint {
        metric: &metric.name,
        description: &metric.description,
        unit: &metric.unit,
        r#type: point.r#type,
        temporality: point.temporality,
        is_monotonic: point.is_monotonic,
        start_time_unix_nano: 0,
        time_unix_nano: 0,
        flags: 0,
        value: None,
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: Cow::Borrowed(""),
        exemplars: Cow::Borrowed(""),
        attributes: &[],
    }
}

fn plain_exemplar(exemplar: &metrics::Exemplar) -> serde_json::Value {
    use metrics::exemplar::Value;
    let mut json = serde_json::Map::new();
    json.insert("time_unix_nano".into(), exemplar.time_unix_nano.into());
    let value = match exemplar.value {
        None => serde_json::Value::Null,
        Some(Value::AsDouble(value)) => value.into(),
        Some(Value::AsInt(value)) => value.into(),
    };
    json.insert("value".into(), value);
    if let Some(id) = TraceId::from_bytes(&exemplar.trace_id) {
        json.insert("trace_id".into(), id.to_string().into());
    }
    if let Some(id) = SpanId::from_bytes(&exemplar.span_id) {
        json.insert("span_id".into(), id.to_string().into());
    }
    let pairs = exemplar.filtered_attributes.iter();
    let attributes = pairs.map(|pair| (pair.key.clone(), plain_json(pair.value.as_ref()))).collect();
    json.insert("attributes".into(), serde_json::Value::Object(attributes));
    serde_json::Value::Object(json)
}
