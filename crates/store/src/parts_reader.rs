//! Reads parts, each block compared with its checksum: for queries as an object store, for the store's own work as a file.
//!
//! A part whose bytes are not what was written is set aside at once: no later snapshot has it, and its file stays as it is.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::checksums::Checksums;
use crate::error::StoreError;
use crate::limits::{OPEN_PARTS_MAX, READ_GAP_BYTES_MAX};
use crate::memory::Memory;
use crate::parts_folder::{CHECKSUMS, PartsFolder, TOKENS};
use crate::token_filter::TokenFilters;

/// The folder of parts, read only.
pub(crate) struct PartsReader {
    folder: Arc<PartsFolder>,
    /// Answers what has nothing to do with a part's bytes.
    files: LocalFileSystem,
    open: Mutex<Recent<Arc<PartFile>>>,
    tokens: Mutex<Recent<Option<Arc<TokenFilters>>>>,
    damage: Arc<Damage>,
}

/// Sets parts aside.
struct Damage {
    memory: Arc<Memory>,
    /// Parts that were set aside, of which the metastore does not know.
    parts: Mutex<Vec<(u64, String)>>,
}

impl Damage {
    /// Sets the part aside if the outcome says that it is damaged.
    fn noting<T>(&self, path: &Path, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::Corrupt(_)) = &outcome
            && let Some(part) = self.memory.set_damaged(path)
        {
            tracing::error!(%path, rows = part.rows, %error, "part is damaged; it is set aside and its rows are missing");
            self.parts.lock().push((part.id, error.to_string()));
        }
        outcome
    }
}

/// What was made of the parts that were used last.
struct Recent<V> {
    of: HashMap<Path, (V, u64)>,
    uses: u64,
}

impl<V: Clone> Recent<V> {
    fn new() -> Recent<V> {
        Recent { of: HashMap::new(), uses: 0 }
    }

    fn get(&mut self, path: &Path) -> Option<V> {
        self.uses += 1;
        let (value, used) = self.of.get_mut(path)?;
        *used = self.uses;
        Some(value.clone())
    }

    /// Keeps it, and lets go of the half that was not used for longest when there are too many.
    fn keep(&mut self, path: &Path, value: V) {
        if self.of.len() >= OPEN_PARTS_MAX {
            let mut uses: Vec<u64> = self.of.values().map(|(_, used)| *used).collect();
            uses.sort_unstable();
            let middle = uses[uses.len() / 2];
            self.of.retain(|_, (_, used)| *used > middle);
        }
        self.of.insert(path.clone(), (value, self.uses));
    }
}

impl PartsReader {
    pub fn new(folder: Arc<PartsFolder>, memory: Arc<Memory>) -> Result<PartsReader, StoreError> {
        let files = LocalFileSystem::new_with_prefix(&folder.path);
        Ok(PartsReader {
            files: files.map_err(|error| StoreError::Unavailable(error.to_string()))?,
            folder,
            open: Mutex::new(Recent::new()),
            tokens: Mutex::new(Recent::new()),
            damage: Arc::new(Damage { memory, parts: Mutex::default() }),
        })
    }

    /// The part's file; the same one for as long as it is in use.
    pub fn open(&self, path: &Path) -> Result<Arc<PartFile>, StoreError> {
        if let Some(file) = self.open.lock().get(path) {
            return Ok(file);
        }
        let file = Arc::new(PartFile::open(&self.folder, path, &self.damage)?);
        self.open.lock().keep(path, Arc::clone(&file));
        Ok(file)
    }

    /// The words of the part, if it has such filters and they are sound.
    pub fn token_filters(&self, path: &Path) -> Option<Arc<TokenFilters>> {
        if let Some(filters) = self.tokens.lock().get(path) {
            return filters;
        }
        let file = self.folder.path.join(path.as_ref()).with_extension(TOKENS);
        let filters = match TokenFilters::open(&file) {
            Ok(filters) => Some(Arc::new(filters)),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, "token filters are damaged; the part is searched without them");
                None
            }
        };
        self.tokens.lock().keep(path, filters.clone());
        filters
    }

    /// Lets go of a part's files, which are about to be removed.
    pub fn close(&self, path: &Path) {
        self.open.lock().of.remove(path);
        self.tokens.lock().of.remove(path);
    }

    /// The parts that were set aside since this was asked the last time, and why.
    pub fn take_damaged(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut *self.damage.parts.lock())
    }

    /// Ranges of a part, read together where they lie close.
    fn ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, StoreError> {
        self.open(path)?.ranges(ranges)
    }
}

/// One part's file.
pub(crate) struct PartFile {
    location: Path,
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Nothing, when they are lost: then what is read is taken as it is.
    sums: Option<Checksums>,
    damage: Arc<Damage>,
}

impl PartFile {
    fn open(folder: &PartsFolder, location: &Path, damage: &Arc<Damage>) -> Result<PartFile, StoreError> {
        let path = folder.path.join(location.as_ref());
        let failed = || StoreError::io(format!("open part {}", path.display()));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return damage.noting(location, Err(StoreError::Corrupt(format!("{}: is gone", path.display()))));
            }
            Err(error) => return Err(failed()(error)),
        };
        let bytes = file.metadata().map_err(failed())?.len();
        let sums = std::fs::read(path.with_extension(CHECKSUMS)).ok().and_then(|bytes| Checksums::from_bytes(&bytes));
        match &sums {
            None => tracing::warn!(path = %path.display(), "the checksums of a part are lost; it is read unchecked"),
            Some(sums) if sums.file_bytes() != bytes => {
                let expected = sums.file_bytes();
                let error = StoreError::Corrupt(format!("{}: has {bytes} bytes, expected {expected}", path.display()));
                return damage.noting(location, Err(error));
            }
            Some(_) => {}
        }
        Ok(PartFile { location: location.clone(), path, file, bytes, sums, damage: Arc::clone(damage) })
    }

    /// Bytes `start..end`, every block of which is what was written. If one is not, the part is set aside.
    pub fn read(&self, start: u64, end: u64) -> Result<Bytes, StoreError> {
        self.damage.noting(&self.location, self.read_checked(start, end))
    }

    fn read_checked(&self, start: u64, end: u64) -> Result<Bytes, StoreError> {
        match &self.sums {
            Some(sums) => sums.read(&self.file, &self.path, start, end),
            None => {
                use std::os::unix::fs::FileExt;
                if start > end || end > self.bytes {
                    let path = self.path.display();
                    return Err(StoreError::Corrupt(format!("{path}: bytes {start}..{end} of {}", self.bytes)));
                }
                let mut read = vec![0; (end - start) as usize];
                self.file.read_exact_at(&mut read, start).map_err(StoreError::io(format!("read {}", self.path.display())))?;
                Ok(Bytes::from(read))
            }
        }
    }

    fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, StoreError> {
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_unstable_by_key(|place| ranges[*place].start);
        let mut read = vec![Bytes::new(); ranges.len()];
        let mut rest = order.as_slice();
        while let Some(first) = rest.first() {
            let (start, mut end) = (ranges[*first].start, ranges[*first].end);
            let near = rest.iter().take_while(|place| {
                let is_near = ranges[**place].start <= end + READ_GAP_BYTES_MAX;
                end = if is_near { end.max(ranges[**place].end) } else { end };
                is_near
            });
            let (together, after) = rest.split_at(near.count());
            let bytes = self.read(start, end)?;
            for place in together {
                let range = &ranges[*place];
                read[*place] = bytes.slice((range.start - start) as usize..(range.end - start) as usize);
            }
            rest = after;
        }
        Ok(read)
    }
}

impl Length for PartFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

/// A part's file for the Parquet readers that are not asynchronous.
#[derive(Clone)]
pub(crate) struct PartChunks(pub Arc<PartFile>);

impl Length for PartChunks {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for PartChunks {
    type T = PartRead;

    fn get_read(&self, start: u64) -> parquet::errors::Result<PartRead> {
        Ok(PartRead { file: Arc::clone(&self.0), at: start, read: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.0.read(start, start + length as u64).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Reads on from a place in a part.
pub(crate) struct PartRead {
    file: Arc<PartFile>,
    at: u64,
    read: Bytes,
}

/// Bytes a sequential read takes at once.
const READ_BYTES: u64 = crate::checksums::BLOCK_BYTES as u64;

impl Read for PartRead {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.read.is_empty() {
            let end = (self.at / READ_BYTES + 1).saturating_mul(READ_BYTES).min(self.file.bytes);
            self.read = self.file.read(self.at.min(end), end).map_err(std::io::Error::other)?;
            self.at = end;
        }
        let taken = out.len().min(self.read.len());
        self.read.copy_to_slice(&mut out[..taken]);
        Ok(taken)
    }
}

/// The error as the object store's users expect it.
fn failed(path: &Path, error: StoreError) -> object_store::Error {
    match error {
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            object_store::Error::NotFound { path: path.to_string(), source: Box::new(source) }
        }
        error => object_store::Error::Generic { store: "parts", source: Box::new(error) },
    }
}

/// For the methods that would change something.
fn read_only(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented { operation: operation.to_owned(), implementer: "parts, which are read only".to_owned() }
}

impl fmt::Display for PartsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parts in {}", self.folder.path.display())
    }
}

impl fmt::Debug for PartsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a query holds: a handle of its own, as the trait is for things that are shared.
#[derive(Clone, Debug)]
pub(crate) struct PartsObjects(pub Arc<PartsReader>);

impl fmt::Display for PartsObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PartsObjects {
    async fn read(&self, path: &Path, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        let (reader, location) = (Arc::clone(&self.0), path.clone());
        let read = tokio::task::spawn_blocking(move || reader.ranges(&location, &ranges)).await?;
        read.map_err(|error| failed(path, error))
    }
}

#[async_trait]
impl ObjectStore for PartsObjects {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.0.files.head(location).await?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range
                .as_range(meta.size)
                .map_err(|error| object_store::Error::Generic { store: "parts", source: Box::new(error) })?,
            None => 0..meta.size,
        };
        let bytes = if options.head { Bytes::new() } else { self.read(location, vec![range.clone()]).await?.remove(0) };
        let payload = GetResultPayload::Stream(futures::stream::once(async move { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read(location, ranges.to_vec()).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.files.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only("put"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only("put"))
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::once(async { Err(read_only("delete")) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only("copy"))
    }
}
