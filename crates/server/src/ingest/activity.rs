//! What each receiver took and refused: the lights of the Connect page. Kept in memory; counts begin at the start.

use std::collections::BTreeMap;

use engine::ask::UnixNano;
use model::{Rows, Signal};
use parking_lot::Mutex;
use receivers::{Failure, Incoming};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Seen, signal_of};
use crate::limits::{REFUSALS_REMEMBERED, SERVICES_REMEMBERED};

#[derive(Default)]
pub struct Activity(Mutex<BTreeMap<&'static str, ReceiverActivity>>);

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ReceiverActivity {
    pub name: String,
    pub requests: u64,
    pub bytes: u64,
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
    /// Rows and whole requests that were not kept.
    pub refused: u64,
    pub last_received_unix_nano: Option<UnixNano>,
    pub last_service: Option<String>,
    pub last_rows: RowsTold,
    pub services: Vec<ServiceSeen>,
    /// Newest first.
    pub refusals: Vec<RefusalSeen>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct RowsTold {
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ServiceSeen {
    pub name: String,
    pub last_received_unix_nano: UnixNano,
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusalSeen {
    pub time_unix_nano: UnixNano,
    pub signal: String,
    pub count: u64,
    pub reason: String,
    pub remote_addr: Option<String>,
}

impl Activity {
    /// Counts `requests` that came together; `incoming` is the first of them, `bytes` those of all.
    pub(super) fn kept(&self, receiver: &'static str, incoming: &Incoming<'_>, requests: usize, bytes: usize, seen: &Seen) {
        let mut all = self.0.lock();
        let one = entry(&mut all, receiver, requests, bytes);
        one.spans += seen.rows.spans;
        one.logs += seen.rows.logs;
        one.metrics += seen.rows.metrics;
        let now = UnixNano(incoming.received_at_unix_nano);
        if seen.rows.total() > 0 {
            one.last_received_unix_nano = Some(now);
            one.last_rows = RowsTold { spans: seen.rows.spans, logs: seen.rows.logs, metrics: seen.rows.metrics };
        }
        for (name, rows) in &seen.services {
            if one.last_service.as_ref() != Some(name) {
                one.last_service = Some(name.clone());
            }
            see_service(&mut one.services, name, *rows, now);
        }
        for refusal in &seen.refusals {
            one.refused += refusal.count;
            remember(one, incoming, refusal.signal, refusal.count, refusal.reason.to_string());
        }
    }

    pub(super) fn failed(&self, receiver: &'static str, incoming: &Incoming<'_>, failure: &Failure) {
        let mut all = self.0.lock();
        let one = entry(&mut all, receiver, 1, incoming.body.len());
        one.refused += 1;
        remember(one, incoming, signal_of(incoming.endpoint), 1, failure.to_string());
    }

    /// Datagrams that could not be kept; their sender cannot be asked to send them again.
    pub fn lost(&self, receiver: &'static str, count: u64, time_unix_nano: i64, reason: &str) {
        let incoming = Incoming::new("udp", time_unix_nano, b"");
        let mut all = self.0.lock();
        let one = entry(&mut all, receiver, 1, 0);
        one.refused += count;
        remember(one, &incoming, Signal::Spans, count, format!("datagrams lost: {reason}"));
    }

    /// Every receiver there is, whether anything came or not.
    pub fn snapshot(&self) -> Vec<ReceiverActivity> {
        let all = self.0.lock();
        let names = receivers::all().iter().map(|receiver| receiver.name());
        names
            .map(|name| {
                all.get(name).cloned().unwrap_or_else(|| ReceiverActivity { name: name.to_owned(), ..Default::default() })
            })
            .collect()
    }
}

fn entry<'a>(
    all: &'a mut BTreeMap<&'static str, ReceiverActivity>,
    receiver: &'static str,
    requests: usize,
    bytes: usize,
) -> &'a mut ReceiverActivity {
    let one = all.entry(receiver).or_insert_with(|| ReceiverActivity { name: receiver.to_owned(), ..Default::default() });
    one.requests += requests as u64;
    one.bytes += bytes as u64;
    one
}

fn see_service(services: &mut Vec<ServiceSeen>, name: &str, rows: Rows, now: UnixNano) {
    match services.iter().position(|service| service.name == name) {
        Some(place) => services[..=place].rotate_right(1),
        None => {
            services.truncate(SERVICES_REMEMBERED - 1);
            services.insert(0, ServiceSeen { name: name.to_owned(), ..ServiceSeen::default() });
        }
    }
    let service = &mut services[0];
    service.last_received_unix_nano = now;
    service.spans += rows.spans;
    service.logs += rows.logs;
    service.metrics += rows.metrics;
}

fn remember(one: &mut ReceiverActivity, incoming: &Incoming<'_>, signal: Signal, count: u64, reason: String) {
    let same = one.refusals.first_mut().filter(|last| last.reason == reason);
    if let Some(last) = same {
        last.count += count;
        last.time_unix_nano = UnixNano(incoming.received_at_unix_nano);
        return;
    }
    one.refusals.insert(
        0,
        RefusalSeen {
            time_unix_nano: UnixNano(incoming.received_at_unix_nano),
            signal: signal.table().to_owned(),
            count,
            reason,
            remote_addr: incoming.remote_addr.map(|address| address.to_string()),
        },
    );
    one.refusals.truncate(REFUSALS_REMEMBERED);
}
