//! A request as it came, without its socket: what a receiver sees, and what the write-ahead log keeps.

use std::net::IpAddr;

use model::TraceContext;

/// One request, body already decompressed. Everything `translate` may depend on is in here.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    /// Which door of the receiver it came by: [`crate::Route::endpoint`], e.g. `traces`, `udp`, `put_log_events`.
    pub endpoint: &'a str,
    /// The part of the path that the route's `{*rest}` stands for, percent-decoded; empty without one.
    pub rest: &'a str,
    pub headers: Headers<'a>,
    /// Who sent it; absent in tests and for sockets without a peer.
    pub remote_addr: Option<IpAddr>,
    pub received_at_unix_nano: i64,
    /// From `traceparent`, else `X-Amzn-Trace-Id`, of the request that delivered these rows.
    pub trace_context: Option<TraceContext>,
    pub body: &'a [u8],
}

/// The few headers that decide what rows mean. Names are lower case, values as sent.
///
/// Only those a receiver lists in [`crate::Receiver::headers`] are kept: credentials never reach the log on disk unless
/// a receiver needs them to tell rows apart.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a>(pub Vec<(&'a str, &'a str)>);

impl<'a> Headers<'a> {
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The media type alone, lower case, without parameters.
    pub fn media_type(&self) -> String {
        let value = self.get("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl<'a> Incoming<'a> {
    /// A bare request for tests and for doors without headers, such as datagrams.
    pub fn new(endpoint: &'a str, received_at_unix_nano: i64, body: &'a [u8]) -> Incoming<'a> {
        Incoming {
            endpoint,
            rest: "",
            headers: Headers::default(),
            remote_addr: None,
            received_at_unix_nano,
            trace_context: None,
            body,
        }
    }
}
