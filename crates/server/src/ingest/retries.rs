//! Requests that were kept lately, by what identifies them: one that is sent again after its answer was lost is answered
//! as the first was, and not kept twice.
//!
//! Bounded in number and in time. What is remembered outlives the process: it is written to a file beside the log every
//! second, and a replay of the log brings back what came after.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use receivers::{Decoded, Identity, Incoming, Receiver};
use tokio::sync::watch;

use crate::limits::{RETRIES_REMEMBERED, RETRY_SECONDS_MAX};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Identities of kept requests. Shared by the replay of the log and by all who take requests in.
#[derive(Default)]
pub struct Retries {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    kept: HashSet<Identity, BuildHasherDefault<HalfOfIdentity>>,
    /// In the order they were kept, with the second of their arrival.
    order: VecDeque<Entry>,
    /// Requests on their way to the disk; whoever waits for one hears when its sender is dropped.
    underway: HashMap<Identity, watch::Sender<()>>,
    /// The newest so many were kept since the file was last written.
    unsaved: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    identity: [u8; 16],
    second: u32,
}

/// What is to be done with a request.
pub enum Claim {
    /// It is the first: keep it, and say so with [`Ticket::kept`].
    First(Ticket),
    /// It is on disk already.
    Kept,
}

/// Stands for a request on its way. Dropped without [`Ticket::kept`], the request counts as never sent.
pub struct Ticket {
    retries: Arc<Retries>,
    identity: Identity,
    second: u32,
}

impl Retries {
    /// Finds out whether a request is new. Waits while the same is on its way: should that fail, this one is the first.
    pub async fn claim(self: &Arc<Retries>, identity: Identity, received_at_unix_nano: i64) -> Claim {
        loop {
            let mut underway = {
                let mut inner = self.inner.lock();
                let second = second_of(received_at_unix_nano);
                inner.forget_before(second.saturating_sub(RETRY_SECONDS_MAX));
                if inner.kept.contains(&identity) {
                    return Claim::Kept;
                }
                match inner.underway.get(&identity) {
                    Some(first) => first.subscribe(),
                    None => {
                        inner.underway.insert(identity, watch::Sender::new(()));
                        return Claim::First(Ticket { retries: Arc::clone(self), identity, second });
                    }
                }
            };
            // An error is what is waited for: the other has ended.
            let _ = underway.changed().await;
        }
    }

    /// Remembers a request that a replay of the log brought back.
    pub fn replayed(&self, receiver: &dyn Receiver, incoming: &Incoming<'_>, decoded: Option<&dyn Decoded>) {
        if let Some(identity) = identity(receiver, incoming, decoded) {
            self.inner.lock().remember(identity, second_of(incoming.received_at_unix_nano));
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.inner.lock().order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What makes a request a repeat, if anything does.
pub(super) fn identity(receiver: &dyn Receiver, incoming: &Incoming<'_>, decoded: Option<&dyn Decoded>) -> Option<Identity> {
    decoded.and_then(Decoded::identity).or_else(|| receiver.identity(incoming))
}

/// Seconds since 1970; the four bytes last until 2106.
fn second_of(unix_nano: i64) -> u32 {
    u32::try_from(unix_nano / NANOS_PER_SECOND).unwrap_or(0)
}

impl Ticket {
    /// The request is on disk: from now on it is remembered.
    pub fn kept(self) {
        self.retries.inner.lock().remember(self.identity, self.second);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.retries.inner.lock().underway.remove(&self.identity);
    }
}

impl Inner {
    fn remember(&mut self, identity: Identity, second: u32) {
        if !self.kept.insert(identity) {
            return;
        }
        self.order.push_back(Entry { identity: identity.0.to_le_bytes(), second });
        self.unsaved += 1;
        if self.order.len() > RETRIES_REMEMBERED {
            self.forget_oldest();
        }
    }

    fn forget_before(&mut self, second: u32) {
        while self.order.front().is_some_and(|oldest| oldest.second < second) {
            self.forget_oldest();
        }
        if self.order.is_empty() && self.order.capacity() > EMPTY_KEPT_MAX {
            self.order = VecDeque::new();
            self.kept = HashSet::default();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.kept.remove(&Identity(u128::from_le_bytes(oldest.identity)));
        }
    }
}

/// Room that is kept when nothing is remembered any more.
const EMPTY_KEPT_MAX: usize = 1_024;

/// An identity is a hash already.
#[derive(Default)]
struct HalfOfIdentity(u64);

impl Hasher for HalfOfIdentity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, identity: u128) {
        self.0 = identity as u64;
    }
}

/// The file of a folder in which requests are remembered over a restart.
///
/// Eight bytes that say what it is, then entries of 24 bytes: identity, second, checksum. It only grows, and is written anew
/// when most of it is forgotten. An entry that was cut off or damaged is passed over: the worst that comes of it is that a
/// request sent twice is kept twice.
pub struct RetriesFile {
    path: PathBuf,
    /// Entries in the file; `None` until it was written for the first time.
    entries: tokio::sync::Mutex<Option<usize>>,
}

const MAGIC: [u8; 8] = *b"cupretr1";
const ENTRY_BYTES: usize = 24;

impl RetriesFile {
    /// Reads the file of a folder, if there is one, into `retries`.
    pub fn open(folder: &Path, retries: &Retries) -> RetriesFile {
        let path = folder.join("requests-kept");
        match fs::read(&path) {
            Ok(bytes) => {
                let mut inner = retries.inner.lock();
                for entry in entries(&bytes) {
                    inner.remember(Identity(u128::from_le_bytes(entry.identity)), entry.second);
                }
                inner.unsaved = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "requests kept before the restart are not known; repeats are kept twice"),
        }
        RetriesFile { path, entries: tokio::sync::Mutex::new(None) }
    }

    /// Writes what came since the last time.
    pub async fn save(&self, retries: &Retries) -> io::Result<()> {
        let mut entries = self.entries.lock().await;
        let (anew, written) = {
            let mut inner = retries.inner.lock();
            let known = inner.order.len();
            let unsaved = std::mem::take(&mut inner.unsaved).min(known);
            if unsaved == 0 {
                return Ok(());
            }
            let anew = entries.is_none_or(|entries| entries > 2 * known + EMPTY_KEPT_MAX);
            let from = if anew { 0 } else { known - unsaved };
            (anew, inner.order.range(from..).copied().collect::<Vec<Entry>>())
        };
        let path = self.path.clone();
        let count = written.len();
        // A failure loses what should have been written here; writing it all anew the next time brings it back.
        let before = entries.take().unwrap_or(0);
        let saved = tokio::task::spawn_blocking(move || write(&path, &written, anew)).await;
        saved.map_err(io::Error::other)??;
        *entries = Some(if anew { count } else { before + count });
        Ok(())
    }
}

fn write(path: &Path, entries: &[Entry], anew: bool) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES + MAGIC.len());
    if anew {
        bytes.extend(MAGIC);
    }
    for entry in entries {
        let start = bytes.len();
        bytes.extend(entry.identity);
        bytes.extend(entry.second.to_le_bytes());
        let checksum = checksum(&bytes[start..]);
        bytes.extend(checksum.to_le_bytes());
    }
    if !anew {
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(&bytes)?;
        return file.sync_data();
    }
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    let (entries, _) = bytes.strip_prefix(&MAGIC).unwrap_or_default().as_chunks::<ENTRY_BYTES>();
    entries.iter().filter_map(|entry| {
        let (content, found) = entry.split_at(ENTRY_BYTES - 4);
        let (identity, second) = content.split_first_chunk::<16>()?;
        let whole = checksum(content).to_le_bytes() == found;
        whole.then_some(Entry { identity: *identity, second: u32::from_le_bytes(second.try_into().ok()?) })
    })
}

fn checksum(bytes: &[u8]) -> u32 {
    xxhash_rust::xxh3::xxh3_64(bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u128) -> Identity {
        Identity(number << 64 | number)
    }

    async fn is_first(retries: &Arc<Retries>, number: u128, second: i64) -> bool {
        match retries.claim(identity(number), second * NANOS_PER_SECOND).await {
            Claim::First(ticket) => {
                ticket.kept();
                true
            }
            Claim::Kept => false,
        }
    }

    #[tokio::test]
    async fn what_was_kept_is_a_repeat_for_a_while() {
        let retries = Arc::<Retries>::default();
        assert!(is_first(&retries, 1, 1_000).await);
        assert!(!is_first(&retries, 1, 1_000 + i64::from(RETRY_SECONDS_MAX)).await);
        assert!(is_first(&retries, 1, 1_001 + i64::from(RETRY_SECONDS_MAX)).await);
    }

    #[tokio::test]
    async fn the_oldest_are_forgotten_first() {
        let retries = Arc::<Retries>::default();
        for number in 0..=RETRIES_REMEMBERED as u128 {
            assert!(is_first(&retries, number, 1).await);
        }
        assert_eq!(retries.len(), RETRIES_REMEMBERED);
        assert!(!is_first(&retries, 1, 1).await);
        assert!(is_first(&retries, 0, 1).await);
    }

    #[tokio::test]
    async fn the_same_at_the_same_time_shares_one_fate() {
        let retries = Arc::<Retries>::default();
        let Claim::First(first) = retries.claim(identity(1), 0).await else { panic!() };
        let mut again: Vec<_> = (0..3).map(|_| Box::pin(is_first(&retries, 1, 0))).collect();
        for waiting in &mut again {
            assert!(futures::poll!(waiting.as_mut()).is_pending(), "nobody knows yet");
        }
        first.kept();
        assert_eq!(futures::future::join_all(again).await, [false, false, false]);

        let Claim::First(first) = retries.claim(identity(2), 0).await else { panic!() };
        let again: Vec<_> = (0..3).map(|_| is_first(&retries, 2, 0)).collect();
        let again = tokio::join!(futures::future::join_all(again), async { drop(first) }).0;
        assert_eq!(again.iter().filter(|first| **first).count(), 1, "one of those who waited takes the place of the first");
    }

    #[tokio::test]
    async fn a_restart_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let retries = Arc::<Retries>::default();
        let file = RetriesFile::open(folder.path(), &retries);
        for number in 0..10 {
            is_first(&retries, number, 1).await;
            file.save(&retries).await.unwrap();
        }
        // A write that was cut off, and one that was damaged.
        let path = folder.path().join("requests-kept");
        let mut bytes = fs::read(&path).unwrap();
        bytes[MAGIC.len() + 3] ^= 1;
        bytes.extend([7; 11]);
        fs::write(&path, bytes).unwrap();

        let retries = Arc::<Retries>::default();
        let file = RetriesFile::open(folder.path(), &retries);
        assert_eq!(retries.len(), 9);
        assert!(!is_first(&retries, 9, 1).await && is_first(&retries, 10, 1).await);
        file.save(&retries).await.unwrap();
        let retries = Arc::<Retries>::default();
        RetriesFile::open(folder.path(), &retries);
        assert_eq!(retries.len(), 10);
    }
}
