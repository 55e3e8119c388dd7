//! What each receiver took and refused: the lights of the Connect page. Kept in memory; counts begin at the start.

use std::collections::BTreeMap;

use engine::ask::UnixNano;
use model::{Refusal, Rows, Signal};
use parking_lot::Mutex;
use receivers::{Failure, Incoming};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Seen, signal_of};
use crate::limits::{FEEDBACK_LOOPS_REMEMBERED, REFUSALS_REMEMBERED, SERVICES_REMEMBERED};

/// A sender that tells of its own sending in so many requests does so because of each; fewer are a start or a fault that passed.
const LOOP_REQUESTS_MIN: u64 = 3;

/// A sender that was silent for this long begins anew.
const LOOP_GAP_NANOS_MAX: i64 = 15 * 60 * 1_000_000_000;

/// Characters of a line that are shown.
const LOOP_SAMPLE_CHARS_MAX: usize = 300;

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
    /// Of receivers that take datagrams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<DatagramCounts>,
    pub services: Vec<ServiceSeen>,
    /// Newest first.
    pub refusals: Vec<RefusalSeen>,
    /// Senders whose sending makes more to send, newest first.
    pub feedback_loops: Vec<FeedbackLoop>,
}

/// A sender that tells of its own sending, again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FeedbackLoop {
    /// The sender, as the receiver calls it.
    pub place: String,
    pub cause: String,
    pub advice: String,
    /// Requests that had such a line.
    pub requests: u64,
    pub lines: u64,
    pub sample: String,
    pub first_received_unix_nano: UnixNano,
    pub last_received_unix_nano: UnixNano,
}

#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct RowsTold {
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
}

/// What became of datagrams: nobody else knows, because nothing is sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatagramCounts {
    pub received: u64,
    /// Without the header line, or with another one than the protocol's.
    pub bad_header: u64,
    /// Documents that are not JSON.
    pub bad_json: u64,
    /// Documents that end in the middle.
    pub truncated: u64,
    /// Well-formed, and not kept because the store could not follow.
    pub lost: u64,
}

impl DatagramCounts {
    /// Counts one datagram by what reading it said.
    pub(super) fn count(&mut self, failure: Option<&Failure>, refusals: &[Refusal]) {
        self.received += 1;
        self.bad_header += u64::from(failure.is_some());
        let is_of_json = |refusal: &&Refusal| refusal.reason.starts_with("JSONFormatError");
        if let Some(refusal) = refusals.iter().find(is_of_json) {
            // The JSON reader's own words for a text that ends too early.
            let is_cut = refusal.reason.contains("EOF while parsing");
            self.truncated += u64::from(is_cut);
            self.bad_json += u64::from(!is_cut);
        }
    }

    fn add(&mut self, other: DatagramCounts) {
        self.received += other.received;
        self.bad_header += other.bad_header;
        self.bad_json += other.bad_json;
        self.truncated += other.truncated;
        self.lost += other.lost;
    }
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

    /// Adds to a receiver's counts of datagrams.
    pub(super) fn datagrams(&self, receiver: &'static str, counts: DatagramCounts) {
        let mut all = self.0.lock();
        entry(&mut all, receiver, 0, 0).datagrams.get_or_insert_default().add(counts);
    }

    /// Datagrams that could not be kept; their sender cannot be asked to send them again.
    pub fn lost(&self, receiver: &'static str, count: u64, time_unix_nano: i64, reason: &str) {
        let incoming = Incoming::new("udp", time_unix_nano, b"");
        let mut all = self.0.lock();
        let one = entry(&mut all, receiver, 1, 0);
        one.refused += count;
        one.datagrams.get_or_insert_default().lost += count;
        remember(one, &incoming, Signal::Spans, count, format!("datagrams lost: {reason}"));
    }

    /// Notes a request whose lines tell of the sending itself.
    pub fn feeds_back(
        &self,
        receiver: &'static str,
        place: &str,
        now: UnixNano,
        cause: &str,
        advice: &str,
        lines: u64,
        sample: &str,
    ) {
        let mut all = self.0.lock();
        let loops = &mut entry(&mut all, receiver, 0, 0).feedback_loops;
        match loops.iter().position(|known| known.place == place && known.cause == cause) {
            Some(known) => loops[..=known].rotate_right(1),
            None => {
                loops.truncate(FEEDBACK_LOOPS_REMEMBERED - 1);
                loops.insert(0, FeedbackLoop { place: place.to_owned(), cause: cause.to_owned(), ..FeedbackLoop::default() });
            }
        }
        let one = &mut loops[0];
        if one.requests == 0 || now.0.saturating_sub(one.last_received_unix_nano.0) > LOOP_GAP_NANOS_MAX {
            (one.requests, one.lines, one.first_received_unix_nano) = (0, 0, now);
            one.advice = advice.to_owned();
        }
        one.requests += 1;
        one.lines += lines;
        one.last_received_unix_nano = now;
        one.sample = sample.chars().take(LOOP_SAMPLE_CHARS_MAX).collect();
    }

    /// Every receiver there is, whether anything came or not.
    pub fn snapshot(&self) -> Vec<ReceiverActivity> {
        let all = self.0.lock();
        let names = receivers::all().iter().map(|receiver| receiver.name());
        names
            .map(|name| {
                let known = all.get(name).cloned();
                let mut told = known.unwrap_or_else(|| ReceiverActivity { name: name.to_owned(), ..Default::default() });
                told.feedback_loops.retain(|each| each.requests >= LOOP_REQUESTS_MIN);
                told
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_counted_by_what_is_wrong_with_them() {
        let mut counts = DatagramCounts::default();
        let refusal = |reason: &'static str| vec![Refusal::one(Signal::Spans, reason)];
        counts.count(None, &[]);
        counts.count(Some(&Failure::Malformed("no header".into())), &[]);
        counts.count(None, &refusal("JSONFormatError: expected value at line 1 column 1"));
        counts.count(None, &refusal("JSONFormatError: EOF while parsing a string at line 1 column 9"));
        counts.count(None, &refusal("MissingId: expected a member id"));
        assert_eq!(counts, DatagramCounts { received: 5, bad_header: 1, bad_json: 1, truncated: 1, lost: 0 });
        let activity = Activity::default();
        activity.datagrams("xray", counts);
        activity.lost("xray", 2, 1, "full");
        let told = activity.snapshot().into_iter().find(|one| one.name == "xray").and_then(|one| one.datagrams);
        assert_eq!(told, Some(DatagramCounts { lost: 2, ..counts }));
    }

    #[test]
    fn a_sender_is_a_loop_when_it_tells_of_its_sending_again_and_again() {
        let activity = Activity::default();
        let note = |seconds: i64| {
            let at = UnixNano(seconds * 1_000_000_000);
            activity.feeds_back("cloudwatch", "shop, web", at, "cause", "advice", 2, "line");
            let told = activity.snapshot().into_iter().find(|one| one.name == "cloudwatch").unwrap_or_default();
            told.feedback_loops.first().map(|one| (one.requests, one.lines))
        };
        assert_eq!([note(1), note(61), note(121)], [None, None, Some((3, 6))]);
        assert_eq!([note(5_000), note(5_001), note(5_002)], [None, None, Some((3, 6))]);
    }
}
