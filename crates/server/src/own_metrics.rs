//! Cupola's own metrics in the Prometheus text format.

use std::fmt::Write;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};

use crate::Services;

/// Who asks for HTML is a browser, and the page has a path of this name.
pub async fn metrics(State(services): State<Services>, request: Request) -> Response {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return crate::web::page(State(services), request).await;
    }
    prometheus(&services).into_response()
}

fn prometheus(services: &Services) -> impl IntoResponse + use<> {
    let mut out = String::new();
    let receivers = services.ingest.activity().snapshot();
    let mut family = |name: &str, help: &str, kind: &str, samples: Vec<(String, f64)>| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let each = |value: &dyn Fn(&crate::ingest::ReceiverActivity) -> u64| -> Vec<(String, f64)> {
        receivers.iter().map(|one| (format!("{{receiver=\"{}\"}}", one.name), value(one) as f64)).collect()
    };
    family("cupola_receiver_requests_total", "Requests and datagrams taken.", "counter", each(&|one| one.requests));
    family("cupola_receiver_bytes_total", "Decompressed bytes of their bodies.", "counter", each(&|one| one.bytes));
    family("cupola_receiver_refused_total", "Rows and whole requests not kept.", "counter", each(&|one| one.refused));
    let rows = receivers
        .iter()
        .flat_map(|one| {
            [("spans", one.spans), ("logs", one.logs), ("metrics", one.metrics)]
                .map(|(signal, rows)| (format!("{{receiver=\"{}\",signal=\"{signal}\"}}", one.name), rows as f64))
        })
        .collect();
    family("cupola_receiver_rows_total", "Rows kept.", "counter", rows);
    let datagrams = receivers
        .iter()
        .filter_map(|one| Some((&one.name, one.datagrams?)))
        .flat_map(|(name, counts)| {
            let outcomes = [
                ("bad_header", counts.bad_header),
                ("bad_json", counts.bad_json),
                ("truncated", counts.truncated),
                ("lost", counts.lost),
            ];
            outcomes.map(|(outcome, count)| (format!("{{receiver=\"{name}\",outcome=\"{outcome}\"}}"), count as f64))
        })
        .collect();
    family("cupola_datagrams_failed_total", "Datagrams that could not be read or kept.", "counter", datagrams);
    let received = receivers
        .iter()
        .filter_map(|one| Some((format!("{{receiver=\"{}\"}}", one.name), one.datagrams?.received as f64)))
        .collect();
    family("cupola_datagrams_received_total", "Datagrams that were read.", "counter", received);
    let store = services.asker.engine.store().stats();
    let one = |value: u64| vec![(String::new(), value as f64)];
    family("cupola_store_memory_rows", "Rows not yet in a part.", "gauge", one(store.memory_rows));
    family("cupola_store_memory_bytes", "Bytes of those rows.", "gauge", one(store.memory_bytes));
    family("cupola_store_appends_total", "Requests appended to the write-ahead log.", "counter", one(store.appends));
    family("cupola_store_fsyncs_total", "Commits of the write-ahead log.", "counter", one(store.fsyncs));
    family("cupola_store_appends_refused_total", "Requests not kept.", "counter", one(store.appends_refused));
    family("cupola_store_flush_failures_total", "Times rows could not become parts.", "counter", one(store.flush_failures));
    family("cupola_store_wal_bytes", "Bytes of the write-ahead log.", "gauge", one(store.wal_bytes));
    family("cupola_store_wal_records_corrupt", "Damaged records found at start.", "gauge", one(store.wal_records_corrupt));
    family(
        "cupola_store_wal_records_unreadable",
        "Records found at start of which no rows could be made.",
        "gauge",
        one(store.wal_records_unreadable),
    );
    family("cupola_store_parts", "Parts that queries see.", "gauge", one(store.parts));
    family("cupola_store_part_bytes", "Bytes of those parts, with what lies beside them.", "gauge", one(store.part_bytes));
    family("cupola_store_index_bytes", "Bytes of the trace index.", "gauge", one(store.index_bytes));
    family("cupola_store_damaged_parts", "Parts set aside because their files are damaged.", "gauge", one(store.parts_damaged));
    family("cupola_store_flushes_total", "Times rows were written from memory to parts.", "counter", one(store.flushes));
    family("cupola_store_compactions_total", "Times parts were put together.", "counter", one(store.compactions));
    family("cupola_store_compaction_failures_total", "Times that failed.", "counter", one(store.compaction_failures));
    family("cupola_store_compacted_rows_total", "Rows that were read for it.", "counter", one(store.compacted_rows));
    family("cupola_store_folded_rows_total", "Rows left out because they were there twice.", "counter", one(store.rows_folded));
    family("cupola_store_compaction_read_bytes_total", "Bytes of parts read for it.", "counter", one(store.compaction_bytes_in));
    family("cupola_store_compaction_written_bytes_total", "Bytes of parts it wrote.", "counter", one(store.compaction_bytes_out));
    let running = services.asker.engine.running() as u64;
    family("cupola_queries_running", "Queries that are being worked on.", "gauge", one(running));
    family("cupola_uptime_seconds", "Seconds since the start.", "gauge", one(services.started.elapsed().as_secs()));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], out)
}
