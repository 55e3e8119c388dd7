//! Files arrive in chunks, each known by the SHA-1 of its bytes, which wait in memory for the file they are of.

use std::collections::VecDeque;
use std::time::Instant;

use axum::extract::Path;
use bytes::Bytes;
use parking_lot::Mutex;
use receivers::ContentEncoding;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::call::{Call, Told, Wrong, told};
use crate::limits::{SENTRY_CHUNK_BYTES_MAX, SENTRY_CHUNKS_AT_ONCE, SENTRY_CHUNKS_BYTES_MAX, SENTRY_CHUNKS_WAIT_MAX};
use crate::listen::http_ingest::in_the_clear;

/// Chunks that wait, the oldest first. Those that wait for too long go when another comes.
#[derive(Default)]
pub struct Chunks(Mutex<VecDeque<Chunk>>);

struct Chunk {
    sha1: String,
    bytes: Bytes,
    came: Instant,
}

impl Chunks {
    fn put(&self, bytes: Bytes, now: Instant) {
        let sha1 = sha1_of(&bytes);
        let mut waiting = self.0.lock();
        waiting.retain(|chunk| now.duration_since(chunk.came) < SENTRY_CHUNKS_WAIT_MAX && chunk.sha1 != sha1);
        let mut total = bytes.len() + waiting.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
        while total > SENTRY_CHUNKS_BYTES_MAX {
            let Some(oldest) = waiting.pop_front() else { break };
            total -= oldest.bytes.len();
        }
        waiting.push_back(Chunk { sha1, bytes, came: now });
    }

    /// The bytes of a file, whose chunks no longer wait then; or the chunks that did not come.
    pub(super) fn take(&self, names: &[String]) -> Result<Vec<u8>, Vec<String>> {
        let mut waiting = self.0.lock();
        let find = |name: &String| waiting.iter().find(|chunk| chunk.sha1 == *name).map(|chunk| chunk.bytes.clone());
        let found: Vec<Option<Bytes>> = names.iter().map(find).collect();
        if found.iter().any(Option::is_none) {
            let missing = names.iter().zip(&found).filter(|(_, found)| found.is_none());
            return Err(missing.map(|(name, _)| name.clone()).collect());
        }
        waiting.retain(|chunk| !names.contains(&chunk.sha1));
        Ok(found.into_iter().flatten().flatten().collect())
    }
}

/// In hex, as Sentry writes it.
pub(super) fn sha1_of(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `GET …/chunk-upload/`: how chunks are to come.
pub(super) async fn options(Path(org): Path<String>, _: Call) -> Told {
    told(&json!({
        "url": format!("/api/0/organizations/{org}/chunk-upload/"),
        "chunkSize": SENTRY_CHUNK_BYTES_MAX,
        "chunksPerRequest": SENTRY_CHUNKS_AT_ONCE,
        "maxRequestSize": SENTRY_CHUNKS_AT_ONCE * SENTRY_CHUNK_BYTES_MAX,
        "maxFileSize": SENTRY_CHUNKS_BYTES_MAX,
        "concurrency": 2,
        "hashAlgorithm": "sha1",
        "compression": ["gzip"],
        "accept": ["artifact_bundles", "artifact_bundles_v2"],
    }))
}

/// `POST …/chunk-upload/`: a form with chunks named `file`, or `file_gzip` where they are compressed.
pub(super) async fn upload(mut call: Call) -> Told {
    let content_type = call.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts = receivers::rollbar::multipart_bytes(content_type, &call.body);
    for (name, sent) in parts {
        let encoding = match name.as_str() {
            "file" => ContentEncoding::Identity,
            "file_gzip" => ContentEncoding::Gzip,
            other => return Err(Wrong::invalid(format!("cannot read chunk {other:?}: expected file or file_gzip"))),
        };
        let bytes = in_the_clear(&mut call.held, encoding, sent, SENTRY_CHUNK_BYTES_MAX)?;
        call.services.sentry_chunks.put(bytes, Instant::now());
    }
    told(&Value::Object(serde_json::Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_wait_for_their_file() {
        let chunks = Chunks::default();
        let now = Instant::now();
        for text in ["one ", "two ", "one "] {
            chunks.put(Bytes::from(text), now);
        }
        let names = ["one ", "two ", "one ", "three"].map(|text| sha1_of(text.as_bytes()));
        assert_eq!(names[0], "ebc81a6b5a2e94e00eb122ce51e7dd471afebd49");
        assert_eq!(chunks.take(&names), Err(vec![names[3].clone()]));
        assert_eq!(chunks.take(&names[..3]).unwrap(), b"one two one ");
        assert_eq!(chunks.take(&names[..1]), Err(vec![names[0].clone()]), "they go with their file");
    }

    #[test]
    fn chunks_wait_neither_for_ever_nor_in_any_number() {
        let chunks = Chunks::default();
        let (began, quarter) = (Instant::now(), SENTRY_CHUNKS_BYTES_MAX / 4);
        let waiting = || chunks.0.lock().iter().map(|chunk| chunk.bytes[0]).collect::<Vec<u8>>();
        for number in 0..6_u8 {
            chunks.put(vec![number; quarter].into(), began);
        }
        assert_eq!(waiting(), [2, 3, 4, 5]);
        chunks.put(Bytes::from_static(b"x"), began + SENTRY_CHUNKS_WAIT_MAX);
        assert_eq!(waiting(), [b'x']);
    }
}
