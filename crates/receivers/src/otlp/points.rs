//! Buckets and exemplars of data points as JSON text, in the shapes that [`model::DataPoint`] documents.

use std::fmt::Write;

use model::{SpanId, TraceId, Value};

use super::ids::Id;

/// Numbers and text of the data point being read, reused from point to point.
#[derive(Debug, Default)]
pub struct PointScratch {
    /// Counts per bucket; of exponential histograms the positive ones.
    pub counts: Vec<u64>,
    pub negative_counts: Vec<u64>,
    /// Bit patterns of the explicit bounds.
    pub bounds: Vec<u64>,
    pub buckets: String,
    pub exemplars: String,
    pub exemplars_count: usize,
}

/// What an exponential histogram has beside its counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exponential {
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive_offset: i32,
    pub negative_offset: i32,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct ExemplarRecord {
    pub time_unix_nano: u64,
    pub value: Option<Number>,
    pub trace_id: Id<TraceId>,
    pub span_id: Id<SpanId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl PointScratch {
    pub fn clear(&mut self) {
        self.counts.clear();
        self.negative_counts.clear();
        self.bounds.clear();
        self.buckets.clear();
        self.exemplars.clear();
        self.exemplars_count = 0;
    }

    /// `{"bounds":[…],"counts":[…]}`
    pub fn write_histogram(&mut self) {
        self.buckets.push_str("{\"bounds\":");
        write_list(&mut self.buckets, &self.bounds, |bits, out| Value::Float(f64::from_bits(bits)).write_json(out));
        self.buckets.push_str(",\"counts\":");
        write_list(&mut self.buckets, &self.counts, write_count);
        self.buckets.push('}');
    }

    /// `{"scale","zero_count","zero_threshold","positive":{"offset","counts"},"negative":{…}}`
    pub fn write_exponential(&mut self, histogram: &Exponential) {
        let out = &mut self.buckets;
        let _ = write!(out, "{{\"scale\":{},\"zero_count\":{},\"zero_threshold\":", histogram.scale, histogram.zero_count);
        Value::Float(histogram.zero_threshold).write_json(out);
        let _ = write!(out, ",\"positive\":{{\"offset\":{},\"counts\":", histogram.positive_offset);
        write_list(out, &self.counts, write_count);
        let _ = write!(out, "}},\"negative\":{{\"offset\":{},\"counts\":", histogram.negative_offset);
        write_list(out, &self.negative_counts, write_count);
        out.push_str("}}");
    }

    /// One pair of `{"quantiles":[[q,v],…]}`; [`PointScratch::close_quantiles`] ends it.
    pub fn write_quantile(&mut self, quantile: f64, value: f64) {
        self.buckets.push_str(if self.buckets.is_empty() { "{\"quantiles\":[[" } else { ",[" });
        Value::Float(quantile).write_json(&mut self.buckets);
        self.buckets.push(',');
        Value::Float(value).write_json(&mut self.buckets);
        self.buckets.push(']');
    }

    pub fn close_quantiles(&mut self) {
        self.buckets.push_str(if self.buckets.is_empty() { "{\"quantiles\":[]}" } else { "]}" });
    }

    /// One exemplar up to its attributes, which the caller writes as a JSON object, and then `}`;
    /// [`PointScratch::close_exemplars`] ends the list.
    pub fn open_exemplar(&mut self, record: &ExemplarRecord) -> &mut String {
        let out = &mut self.exemplars;
        out.push(if out.is_empty() { '[' } else { ',' });
        let _ = write!(out, "{{\"time_unix_nano\":{},\"value\":", record.time_unix_nano);
        match record.value {
            Some(Number::Int(value)) => Value::Int(value).write_json(out),
            Some(Number::Float(value)) => Value::Float(value).write_json(out),
            None => out.push_str("null"),
        }
        if let Id::Valid(trace_id) = record.trace_id {
            let _ = write!(out, ",\"trace_id\":\"{trace_id}\"");
        }
        if let Id::Valid(span_id) = record.span_id {
            let _ = write!(out, ",\"span_id\":\"{span_id}\"");
        }
        out.push_str(",\"attributes\":");
        out
    }

    pub fn close_exemplars(&mut self) {
        if !self.exemplars.is_empty() {
            self.exemplars.push(']');
        }
    }
}

fn write_list(out: &mut String, numbers: &[u64], write_one: impl Fn(u64, &mut String)) {
    out.push('[');
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_one(*number, out);
    }
    out.push(']');
}

fn write_count(count: u64, out: &mut String) {
    let _ = write!(out, "{count}");
}
