//! Source maps that were read lately, ready to be asked.

use std::sync::Arc;

use analysis::source_map::SourceMap;
use metastore::{Metastore, MetastoreError};
use parking_lot::Mutex;

use crate::limits::{SOURCE_MAP_BYTES_MAX, SOURCE_MAPS_READY_BYTES_MAX};

/// The one used last is the last. The largest alone may be larger than all are meant to be.
#[derive(Default)]
pub struct SourceMapCache(Mutex<Vec<(i64, Arc<SourceMap>)>>);

impl SourceMapCache {
    /// A map, or why there is none.
    pub async fn get(&self, metastore: &Metastore, id: i64) -> Result<Result<Arc<SourceMap>, String>, MetastoreError> {
        if let Some(known) = self.known(id) {
            return Ok(Ok(known));
        }
        let Some(content) = metastore.source_map_content(id).await? else {
            return Ok(Err("the source map was deleted meanwhile".to_owned()));
        };
        let read = tokio::task::spawn_blocking(move || {
            let text = zstd::bulk::decompress(&content, SOURCE_MAP_BYTES_MAX * 2).map_err(|error| error.to_string())?;
            SourceMap::parse(&text).map_err(|error| error.to_string())
        });
        Ok(match read.await {
            Ok(Ok(map)) => Ok(self.keep(id, Arc::new(map))),
            Ok(Err(reason)) => Err(reason),
            Err(error) => Err(error.to_string()),
        })
    }

    fn known(&self, id: i64) -> Option<Arc<SourceMap>> {
        let mut ready = self.0.lock();
        let at = ready.iter().position(|(known, _)| *known == id)?;
        let found = ready.remove(at);
        let map = Arc::clone(&found.1);
        ready.push(found);
        Some(map)
    }

    fn keep(&self, id: i64, map: Arc<SourceMap>) -> Arc<SourceMap> {
        let mut ready = self.0.lock();
        ready.retain(|(known, _)| *known != id);
        ready.push((id, Arc::clone(&map)));
        let mut bytes: usize = ready.iter().map(|(_, map)| map.bytes()).sum();
        while bytes > SOURCE_MAPS_READY_BYTES_MAX && ready.len() > 1 {
            bytes -= ready.remove(0).1.bytes();
        }
        map
    }
}
