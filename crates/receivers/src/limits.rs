//! Limits that several receivers share; a protocol's own limits stand in its folder.

/// The largest request body after decompression, unless a protocol names its own. OTLP collectors default to 20 MiB and
/// Honeycomb's intake takes as much; nothing legitimate is larger.
pub const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Room for one decompressed chunk while the cap is being watched.
pub const DECOMPRESSION_CHUNK_BYTES: usize = 64 * 1024;
