//! Log lines of about a hundred bytes: forty templates with ids and figures in them, levels, and a trace for one line in five.

use fastrand::Rng;
use model::{Attribute, SpanId, TraceId};

use crate::world::{World, hex, skewed, trace_id};

/// A word that stands in about one line of thirty.
pub const COMMON_TOKEN: &str = "timeout";

/// A word that stands in [`RARE_LINES`] lines of a data set.
pub const RARE_TOKEN: &str = "q7x4k2m9w3zt8b5v";

/// A piece from the middle of the rare word: no token, so no filter over tokens can find it.
pub const RARE_SUBSTRING: &str = "4k2m9w3z";

/// A word that stands nowhere.
pub const ABSENT_TOKEN: &str = "n0s7uchw0rd5h3re";

pub const RARE_LINES: u64 = 19;

/// `{i}` a number, `{h}` eight hex digits, `{m}` milliseconds, `{u}` a user.
const TEMPLATES: [&str; 40] = [
    "request completed path=/api/v2/items/{i} status=200 duration_ms={m} bytes={i} cache=hit",
    "request completed path=/api/v2/orders/{i} status=201 duration_ms={m} bytes={i} cache=miss",
    "query took {m} ms: select id, state, updated_at from orders where tenant = $1 and id = {i} limit 1",
    "published event order.created key={h} partition={i} to topic orders-v2, acknowledged after {m} ms",
    "consumed message offset={i} from topic shipments-v1 key={h}, handled in {m} ms by handler LabelPrinter",
    "session refreshed for {u}, expires in {i} seconds, client okhttp/4.12.0, factor totp, issuer accounts",
    "cache lookup key=price:{i} result=hit age_ms={m} shard=redis-3.shop.internal size={i} bytes codec=lz4",
    "scheduler picked job reindex-{i} after waiting {m} ms, queue depth {i}, next tick in 5 seconds, leader=true",
    "upstream payments answered 200 in {m} ms, attempt 1 of 3, idempotency key {h}, amount {i} cents EUR",
    "{u} added item {i} to basket {h}: 3 positions, subtotal computed in {m} ms, currency EUR, coupon none",
    "health check of inventory.shop.internal ok in {m} ms: database up, queue up, disk {i} MB free, version 5.3.1",
    "token exchange for {u} finished in {m} ms: audience=checkout scope=read,write key id {h} algorithm ES256",
    "garbage collection finished: young generation, {m} ms pause, {i} kB freed, heap at {i} kB of 2097152 kB",
    "image {h} resized to 640x480 in {m} ms, original {i} bytes, webp quality 80, stored in bucket media-eu",
    "recommendation model v41 scored {i} candidates for {u} in {m} ms, features from store, fallback not used",
    "connection pool orders-rw: {i} idle, {i} active, 0 waiting, slowest checkout {m} ms in the last minute",
    "retrying call to shipping after timeout of {m} ms, attempt 2 of 3, request {h}, deadline in 1500 ms",
    "rate limit for {u} is at {i} of 600 requests in this minute, bucket {h} refills in {m} ms, plan team",
    "feature flag checkout-v2 evaluated to true for {u}, rule 3 of 7, snapshot {h}, evaluated in {m} ms",
    "ledger entry {i} posted: debit receivables, credit revenue, document {h}, checksum ok, took {m} ms",
    "email order-confirmation queued for {u}, template version 12, message {h}, provider accepted in {m} ms",
    "fraud score {i} for payment {h}: velocity ok, device known, country match, evaluated in {m} ms, allowed",
    "search for 'running shoes' by {u}: {i} hits in {m} ms, shard 4 of 8, rewritten by synonyms, page 1",
    "export {h} wrote {i} rows to part 7 of 12 in {m} ms, compressed 5.1 times, next checkpoint after 10000 rows",
    "review {i} by {u} accepted: 4 stars, language de, toxicity 0.02, moderated automatically in {m} ms",
    "price of item {i} recomputed in {m} ms: base 1999, discount 10 %, rule spring-sale, valid until midnight",
    "inventory reservation {h} for order {i} holds 2 units in warehouse FRA-2 for 900 seconds, took {m} ms",
    "loyalty points of {u} raised by {i} after order {h}, tier silver, next tier at 5000, took {m} ms",
    "audit: {u} read report {i} of tenant-017 from 10.4.17.22, decision allow by policy {h} in {m} ms",
    "tls handshake with bank-gateway.example done in {m} ms, session resumed, cipher AES_128_GCM, connection {i}",
    "shipment label {h} printed for order {i}: carrier DHL, service express, weight 1.3 kg, took {m} ms",
    "configuration reloaded in {m} ms from version {i} to the next, 3 keys changed, digest {h}, no restart",
    "slow request: POST /checkout/orders took {m} ms, of which database {i} us, upstream payments, request {h}",
    "could not reserve item {i}: stock is 0 in FRA-2, trying AMS-1 for order {h}, waited {m} ms so far",
    "circuit breaker for shipping half open after {m} ms, probe {i} sent, error share 0.4, request {h}",
    "payment {h} declined by issuer for {u}: insufficient funds, code 51, amount {i} cents, took {m} ms",
    "unhandled error in handler LabelPrinter for message {i} key {h}: no field 'currency', gave up after {m} ms",
    "deadlock detected while updating orders row {i}, transaction {h} rolled back after {m} ms, will retry",
    "websocket of {u} closed after {m} ms with code 1006, {i} messages sent, connection {h}, no close frame",
    "backpressure: consumer group billing lags {i} messages behind on orders-v2, oldest {m} ms, pausing {h}",
];

/// One log line, on its way to a wire format or to the store.
#[derive(Clone, Debug)]
pub struct LineDraft {
    pub service: usize,
    pub pod: usize,
    pub time_unix_nano: i64,
    pub severity_number: i32,
    pub severity_text: &'static str,
    pub body: String,
    pub trace: Option<(TraceId, SpanId)>,
    pub attributes: Vec<Attribute<'static>>,
}

/// One line at a time.
pub fn line(world: &World, time_unix_nano: i64, rng: &mut Rng) -> LineDraft {
    let service = world.any_service(rng);
    let (number, template) = template(rng);
    // The templates stand in order of trouble: the last eight are warnings and errors.
    let (severity_number, severity_text) = match number {
        0..=27 => (9, "INFO"),
        28..=31 => (5, "DEBUG"),
        32..=35 => (13, "WARN"),
        _ => (17, "ERROR"),
    };
    let logger = ["shop.http", "shop.db", "shop.events", "shop.jobs"][number % 4];
    LineDraft {
        service,
        pod: rng.usize(0..world.services[service].pods.len()),
        time_unix_nano,
        severity_number,
        severity_text,
        body: fill(template, rng),
        trace: (rng.u8(0..5) == 0).then(|| (trace_id(rng), SpanId((rng.u64(..) | 1).to_be_bytes()))),
        attributes: vec![
            Attribute::str("logger.name", logger),
            Attribute::new("code.line.number", model::Value::Int(40 + number as i64 * 7)),
        ],
    }
}

fn template(rng: &mut Rng) -> (usize, &'static str) {
    let number = skewed(TEMPLATES.len() as u64, rng) as usize;
    (number, TEMPLATES[number])
}

/// A line's text alone, for protocols that have no more.
pub fn text(rng: &mut Rng) -> String {
    fill(template(rng).1, rng)
}

fn fill(template: &str, rng: &mut Rng) -> String {
    let mut out = String::with_capacity(template.len() + 24);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        match &rest[at..at + 3] {
            "{i}" => out.push_str(&skewed(1_000_000, rng).to_string()),
            "{h}" => out.push_str(&hex(&rng.u32(..).to_be_bytes())),
            "{m}" => out.push_str(&skewed(3_000, rng).to_string()),
            _ => out.push_str(&format!("user-{:06}", rng.u32(0..1_000_000))),
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    out
}
