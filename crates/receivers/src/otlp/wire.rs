//! Protobuf by hand: fields borrowed from the body, and the numbers OTLP gives them.
//!
//! Nothing is allocated and nothing is trusted: a length is a slice of what is there or an error, and skipping a group
//! nests no deeper than [`NESTING_DEPTH_MAX`].
//!
//! Spec: protobuf.dev/programming-guides/encoding; github.com/open-telemetry/opentelemetry-proto

use model::limits::NESTING_DEPTH_MAX;

/// One field's value, by how it is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Why bytes are not the message they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("protobuf ends inside a field")]
    Truncated,
    #[error("a protobuf varint is longer than 10 bytes")]
    VarintTooLong,
    #[error("a protobuf tag has field number 0, or one over 2^29 - 1")]
    FieldNumber,
    #[error("protobuf field {number} has unknown wire type {wire_type}")]
    WireType { number: u32, wire_type: u8 },
    #[error("a protobuf field is not {expected}, which its number stands for")]
    Expected { expected: &'static str },
    #[error("a protobuf group does not end where it began")]
    Group,
    #[error("a string is not UTF-8")]
    Utf8,
    #[error("values nest deeper than {NESTING_DEPTH_MAX}")]
    TooDeep,
    #[error("a data point has more than {} buckets", super::limits::BUCKETS_PER_POINT_MAX)]
    TooManyBuckets,
}

impl<'a> Field<'a> {
    pub fn varint(self) -> Result<u64, WireError> {
        match self {
            Field::Varint(value) => Ok(value),
            _ => Err(WireError::Expected { expected: "a varint" }),
        }
    }

    /// `sint32`: zigzag, so that small negative numbers stay short.
    pub fn zigzag32(self) -> Result<i32, WireError> {
        let value = self.varint()? as u32;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    pub fn fixed64(self) -> Result<u64, WireError> {
        match self {
            Field::Fixed64(value) => Ok(value),
            _ => Err(WireError::Expected { expected: "a 64-bit number" }),
        }
    }

    pub fn double(self) -> Result<f64, WireError> {
        self.fixed64().map(f64::from_bits)
    }

    pub fn fixed32(self) -> Result<u32, WireError> {
        match self {
            Field::Fixed32(value) => Ok(value),
            _ => Err(WireError::Expected { expected: "a 32-bit number" }),
        }
    }

    /// The content of `bytes` or of an embedded message.
    #[inline]
    pub fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Field::Bytes(value) => Ok(value),
            _ => Err(WireError::Expected { expected: "length-delimited" }),
        }
    }

    /// A `string`, which proto3 says is UTF-8.
    pub fn text(self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Utf8)
    }

    /// Appends the numbers of a `repeated fixed64` or `double`, packed or not, at most `count_max` in all.
    pub fn repeated_fixed64(self, out: &mut Vec<u64>, count_max: usize) -> Result<(), WireError> {
        let Field::Bytes(packed) = self else { return push_capped(out, self.fixed64()?, count_max) };
        let (numbers, rest) = packed.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(WireError::Truncated);
        }
        numbers.iter().try_for_each(|bytes| push_capped(out, u64::from_le_bytes(*bytes), count_max))
    }

    /// Appends the numbers of a `repeated uint64`, packed or not, at most `count_max` in all.
    pub fn repeated_varint(self, out: &mut Vec<u64>, count_max: usize) -> Result<(), WireError> {
        let Field::Bytes(packed) = self else { return push_capped(out, self.varint()?, count_max) };
        let mut fields = Fields { rest: packed };
        while !fields.rest.is_empty() {
            push_capped(out, fields.varint()?, count_max)?;
        }
        Ok(())
    }
}

fn push_capped(out: &mut Vec<u64>, number: u64, count_max: usize) -> Result<(), WireError> {
    if out.len() >= count_max {
        return Err(WireError::TooManyBuckets);
    }
    out.push(number);
    Ok(())
}

/// The fields of one message in the order written. Groups, which OTLP does not have, are skipped.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    #[inline]
    fn read(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        while !self.rest.is_empty() {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                START_GROUP => self.skip_group(number)?,
                END_GROUP => return Err(WireError::Group),
                _ => return Ok(Some((number, self.value(number, wire_type)?))),
            }
        }
        Ok(None)
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(WireError::FieldNumber);
        }
        Ok((number as u32, (tag & 7) as u8))
    }

    #[inline]
    fn value(&mut self, number: u32, wire_type: u8) -> Result<Field<'a>, WireError> {
        match wire_type {
            0 => self.varint().map(Field::Varint),
            1 => self.array().map(|bytes| Field::Fixed64(u64::from_le_bytes(bytes))),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
                let (value, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.rest = rest;
                Ok(Field::Bytes(value))
            }
            5 => self.array().map(|bytes| Field::Fixed32(u32::from_le_bytes(bytes))),
            _ => Err(WireError::WireType { number, wire_type }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (value, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*value)
    }

    /// Most varints are tags and lengths of one byte.
    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*byte) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate().take(VARINT_BYTES_MAX) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                if index == VARINT_BYTES_MAX - 1 && *byte > 1 {
                    return Err(WireError::VarintTooLong);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < VARINT_BYTES_MAX { WireError::Truncated } else { WireError::VarintTooLong })
    }

    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), WireError> {
        let mut open = [0; NESTING_DEPTH_MAX];
        open[0] = number;
        let mut depth = 1;
        while depth > 0 {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                START_GROUP => {
                    *open.get_mut(depth).ok_or(WireError::TooDeep)? = number;
                    depth += 1;
                }
                END_GROUP if open[depth - 1] == number => depth -= 1,
                END_GROUP => return Err(WireError::Group),
                _ => {
                    self.value(number, wire_type)?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if let Some(Err(_)) = read {
            self.rest = &[];
        }
        read
    }
}

/// A key and the text under it, when that is all there is and both are written with lengths of one byte, as encoders do: the
/// attribute that nearly all attributes are. Nothing is checked but the lengths; `None` says only that it is written otherwise.
#[inline]
pub fn short_text_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    const KEY: u8 = (key_value::KEY << 3 | 2) as u8;
    const VALUE: u8 = (key_value::VALUE << 3 | 2) as u8;
    const STRING: u8 = (any_value::STRING << 3 | 2) as u8;
    let [KEY, key_bytes @ 0..0x80, rest @ ..] = pair else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*key_bytes))?;
    let [VALUE, any_bytes @ 0..0x80, STRING, text_bytes @ 0..0x80, text @ ..] = rest else { return None };
    let whole = usize::from(*text_bytes) == text.len() && usize::from(*any_bytes) == text.len() + 2;
    whole.then_some((key, text))
}

const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;
const VARINT_BYTES_MAX: usize = 10;

/// `Export*ServiceRequest`: alike for the three signals.
pub mod request {
    pub const RESOURCE_GROUPS: u32 = 1;
}

/// `ResourceSpans`, `ResourceLogs`, `ResourceMetrics`: alike but for the signal.
pub mod resource_group {
    pub const RESOURCE: u32 = 1;
    pub const SCOPE_GROUPS: u32 = 2;
    pub const SCHEMA_URL: u32 = 3;
}

/// `ScopeSpans`, `ScopeLogs`, `ScopeMetrics`: alike but for the signal.
pub mod scope_group {
    pub const SCOPE: u32 = 1;
    pub const RECORDS: u32 = 2;
    pub const SCHEMA_URL: u32 = 3;
}

pub mod resource {
    pub const ATTRIBUTES: u32 = 1;
}

/// `InstrumentationScope`.
pub mod scope {
    pub const NAME: u32 = 1;
    pub const VERSION: u32 = 2;
    pub const ATTRIBUTES: u32 = 3;
}

pub mod key_value {
    pub const KEY: u32 = 1;
    pub const VALUE: u32 = 2;
}

pub mod any_value {
    pub const STRING: u32 = 1;
    pub const BOOL: u32 = 2;
    pub const INT: u32 = 3;
    pub const DOUBLE: u32 = 4;
    pub const ARRAY: u32 = 5;
    pub const KVLIST: u32 = 6;
    pub const BYTES: u32 = 7;
    /// Of `ArrayValue` and `KeyValueList` alike.
    pub const VALUES: u32 = 1;
}

pub mod span {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START_TIME: u32 = 7;
    pub const END_TIME: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const DROPPED_ATTRIBUTES_COUNT: u32 = 10;
    pub const EVENTS: u32 = 11;
    pub const DROPPED_EVENTS_COUNT: u32 = 12;
    pub const LINKS: u32 = 13;
    pub const DROPPED_LINKS_COUNT: u32 = 14;
    pub const STATUS: u32 = 15;
    pub const FLAGS: u32 = 16;
}

pub mod status {
    pub const MESSAGE: u32 = 2;
    pub const CODE: u32 = 3;
}

pub mod event {
    pub const TIME: u32 = 1;
    pub const NAME: u32 = 2;
    pub const ATTRIBUTES: u32 = 3;
    pub const DROPPED_ATTRIBUTES_COUNT: u32 = 4;
}

pub mod link {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const ATTRIBUTES: u32 = 4;
}

pub mod log_record {
    pub const TIME: u32 = 1;
    pub const SEVERITY_NUMBER: u32 = 2;
    pub const SEVERITY_TEXT: u32 = 3;
    pub const BODY: u32 = 5;
    pub const ATTRIBUTES: u32 = 6;
    pub const DROPPED_ATTRIBUTES_COUNT: u32 = 7;
    pub const FLAGS: u32 = 8;
    pub const TRACE_ID: u32 = 9;
    pub const SPAN_ID: u32 = 10;
    pub const OBSERVED_TIME: u32 = 11;
    pub const EVENT_NAME: u32 = 12;
}

pub mod metric {
    pub const NAME: u32 = 1;
    pub const DESCRIPTION: u32 = 2;
    pub const UNIT: u32 = 3;
    pub const GAUGE: u32 = 5;
    pub const SUM: u32 = 7;
    pub const HISTOGRAM: u32 = 9;
    pub const EXPONENTIAL_HISTOGRAM: u32 = 10;
    pub const SUMMARY: u32 = 11;
}

/// `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram`, `Summary`: each has those of these it needs.
pub mod metric_data {
    pub const DATA_POINTS: u32 = 1;
    pub const TEMPORALITY: u32 = 2;
    pub const IS_MONOTONIC: u32 = 3;
}

/// What all data points have in common.
pub mod point {
    pub const START_TIME: u32 = 2;
    pub const TIME: u32 = 3;
}

pub mod number_point {
    pub const AS_DOUBLE: u32 = 4;
    pub const EXEMPLARS: u32 = 5;
    pub const AS_INT: u32 = 6;
    pub const ATTRIBUTES: u32 = 7;
    pub const FLAGS: u32 = 8;
}

pub mod histogram_point {
    pub const COUNT: u32 = 4;
    pub const SUM: u32 = 5;
    pub const BUCKET_COUNTS: u32 = 6;
    pub const EXPLICIT_BOUNDS: u32 = 7;
    pub const EXEMPLARS: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const FLAGS: u32 = 10;
    pub const MIN: u32 = 11;
    pub const MAX: u32 = 12;
}

pub mod exponential_point {
    pub const ATTRIBUTES: u32 = 1;
    pub const COUNT: u32 = 4;
    pub const SUM: u32 = 5;
    pub const SCALE: u32 = 6;
    pub const ZERO_COUNT: u32 = 7;
    pub const POSITIVE: u32 = 8;
    pub const NEGATIVE: u32 = 9;
    pub const FLAGS: u32 = 10;
    pub const EXEMPLARS: u32 = 11;
    pub const MIN: u32 = 12;
    pub const MAX: u32 = 13;
    pub const ZERO_THRESHOLD: u32 = 14;
}

/// `ExponentialHistogramDataPoint.Buckets`.
pub mod exponential_buckets {
    pub const OFFSET: u32 = 1;
    pub const BUCKET_COUNTS: u32 = 2;
}

pub mod summary_point {
    pub const COUNT: u32 = 4;
    pub const SUM: u32 = 5;
    pub const QUANTILE_VALUES: u32 = 6;
    pub const ATTRIBUTES: u32 = 7;
    pub const FLAGS: u32 = 8;
}

pub mod quantile {
    pub const QUANTILE: u32 = 1;
    pub const VALUE: u32 = 2;
}

pub mod exemplar {
    pub const TIME: u32 = 2;
    pub const AS_DOUBLE: u32 = 3;
    pub const SPAN_ID: u32 = 4;
    pub const TRACE_ID: u32 = 5;
    pub const AS_INT: u32 = 6;
    pub const FILTERED_ATTRIBUTES: u32 = 7;
}
