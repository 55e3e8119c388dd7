//! Every limit of the model, with its unit and its reason.

/// Nested attribute maps flatten into dotted keys down to this depth; deeper ones become JSON text.
/// Five is what Honeycomb's translation uses, so names agree with what its users know.
pub const ATTRIBUTE_DEPTH_MAX: usize = 5;

/// A longer attribute value is cut here and marked with [`TRUNCATION_MARK`]. 64 KiB is Honeycomb's and X-Ray's bound.
pub const ATTRIBUTE_VALUE_BYTES_MAX: usize = 64 * 1024;

/// A longer key names nothing a person would type; it is cut.
pub const ATTRIBUTE_KEY_BYTES_MAX: usize = 256;

/// A log body may be as long as CloudWatch's largest event (1 MiB); longer ones are cut and marked.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Ends a value that was cut, so that nobody takes it for whole.
pub const TRUNCATION_MARK: &str = "…[truncated]";

/// JSON and protobuf deeper than this is refused: no SDK nests so far, and recursion costs stack.
pub const NESTING_DEPTH_MAX: usize = 64;

/// Attributes of one record. Honeycomb's bound; the rest of the record's attributes are counted as dropped.
pub const ATTRIBUTES_PER_RECORD_MAX: usize = 2_000;
