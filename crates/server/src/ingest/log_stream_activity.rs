//! What arrived in each log stream, noted in memory and written together, so that ingest never waits for the metastore.

use std::collections::HashMap;

use metastore::{LogStreamActivity, Metastore, MetastoreError};
use parking_lot::Mutex;

/// Notes that wait to be written.
#[derive(Default)]
pub struct StreamActivity(Mutex<HashMap<(String, String), LogStreamActivity>>);

impl StreamActivity {
    pub fn note(&self, activity: Option<LogStreamActivity>) {
        let Some(seen) = activity else { return };
        let mut waiting = self.0.lock();
        match waiting.get_mut(&(seen.log_group.clone(), seen.log_stream.clone())) {
            Some(noted) => {
                noted.first_event_unix_nano = noted.first_event_unix_nano.min(seen.first_event_unix_nano);
                noted.last_event_unix_nano = noted.last_event_unix_nano.max(seen.last_event_unix_nano);
                noted.ingestion_unix_nano = noted.ingestion_unix_nano.max(seen.ingestion_unix_nano);
                noted.bytes += seen.bytes;
            }
            None => {
                waiting.insert((seen.log_group.clone(), seen.log_stream.clone()), seen);
            }
        }
    }

    /// Writes what waits. A failure puts nothing back: the counters are a convenience, the events are kept elsewhere.
    pub async fn write(&self, metastore: &Metastore, project: &str) -> Result<(), MetastoreError> {
        let waiting: Vec<LogStreamActivity> = std::mem::take(&mut *self.0.lock()).into_values().collect();
        if waiting.is_empty() { Ok(()) } else { metastore.note_log_stream_activity(project, &waiting).await }
    }
}
