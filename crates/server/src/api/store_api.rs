//! `/api/store`: what the store holds, and `/api/store/settle`, which lets measurements wait until its background work is done.

use axum::Json;
use axum::extract::{Extension, State};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use store::{StoreError, StoreStats};
use utoipa::ToSchema;

use super::params::ASKED_BY;
use super::refusal::Refusal;
use crate::{Peer, Services};

/// What the store holds now, and counters since the server started.
#[derive(Serialize, ToSchema)]
pub struct StoreState {
    pub memory_rows: u64,
    /// Includes rows on their way to the log.
    pub memory_bytes: u64,
    pub parts: u64,
    pub part_rows: u64,
    /// With what lies beside the parts.
    pub part_bytes: u64,
    /// Parts whose files are not what was written: no question sees them.
    pub parts_damaged: u64,
    /// Of the trace index.
    pub index_bytes: u64,
    pub wal_segments: u64,
    pub wal_bytes: u64,
    pub appends: u64,
    pub appended_rows: u64,
    pub appends_refused: u64,
    pub fsyncs: u64,
    pub flushes: u64,
    pub flush_failures: u64,
    pub compactions: u64,
    pub compaction_failures: u64,
    /// Rows that compactions read.
    pub compacted_rows: u64,
    /// Of those, the ones that were there twice and are so no more.
    pub rows_folded: u64,
}

impl From<StoreStats> for StoreState {
    fn from(stats: StoreStats) -> StoreState {
        StoreState {
            memory_rows: stats.memory_rows,
            memory_bytes: stats.memory_bytes,
            parts: stats.parts,
            part_rows: stats.part_rows,
            part_bytes: stats.part_bytes,
            parts_damaged: stats.parts_damaged,
            index_bytes: stats.index_bytes,
            wal_segments: stats.wal_segments,
            wal_bytes: stats.wal_bytes,
            appends: stats.appends,
            appended_rows: stats.appended_rows,
            appends_refused: stats.appends_refused,
            fsyncs: stats.fsyncs,
            flushes: stats.flushes,
            flush_failures: stats.flush_failures,
            compactions: stats.compactions,
            compaction_failures: stats.compaction_failures,
            compacted_rows: stats.compacted_rows,
            rows_folded: stats.rows_folded,
        }
    }
}

/// What the store holds.
#[utoipa::path(get, tag = "Server", operation_id = "store_state", path = "/api/store", responses((status = 200, body = StoreState)))]
pub async fn state(State(services): State<Services>) -> Json<StoreState> {
    Json(services.store.stats().into())
}

/// Writes the rows in memory to parts and does all compaction that is due; answers when there is nothing left to do.
///
/// Heavy, so it is for measurements on the machine itself: from loopback, with the header `X-Requested-By`, one at a time.
#[utoipa::path(post, tag = "Server", operation_id = "store_settle", path = "/api/store/settle", params(("X-Requested-By" = String, Header, description = "any value")), responses((status = 200, body = StoreState), (status = 403, body = Refusal), (status = 409, body = Refusal)))]
pub async fn settle(
    State(services): State<Services>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Json<StoreState>, Refusal> {
    let is_local = peer.is_some_and(|Extension(peer)| peer.ip().is_loopback());
    if !is_local || !headers.contains_key(ASKED_BY) {
        let message = "settling is asked for on the machine itself, with the header X-Requested-By";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let Ok(_one_at_a_time) = services.settling.try_lock() else {
        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", "the store is being settled already"));
    };
    services.store.flush().await.map_err(refusal)?;
    services.store.compact_now(None).await.map_err(refusal)?;
    services.store.publish().await.map_err(refusal)?;
    Ok(Json(services.store.stats().into()))
}

fn refusal(error: StoreError) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
}
