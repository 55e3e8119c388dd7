//! Which words occur in a row group: a split block bloom filter for each, in a file beside the part.
//!
//! Words go into a large filter as they come, which is then folded together until one lookup in a hundred is wrong: so they
//! need not be counted first. A filter says "no" for certain, so a bit that fell over must not be believed: pages of 4 KiB
//! have a checksum each, and a lookup reads one page. Nothing but the places of the filters is held in memory.
//!
//! The file: pages (checksum of 4 bytes, 4 unused, up to 127 blocks of 32 bytes); then per row group the number of its first
//! block (8 bytes), its blocks (4) and how many blocks of the large filter became one (4); then the number of row groups,
//! the XXH3 of that footer, and `CUPTOK01`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{Int32Type, Schema};
use xxhash_rust::xxh3::xxh3_64;

use crate::coding::{Coder, Coders};
use crate::columns;
use crate::error::StoreError;
use crate::limits::ROW_GROUP_ROWS;
use crate::part_columns::as_codes;
use crate::tokens::for_each_token_hash;

/// The columns whose words are kept.
pub const TOKEN_COLUMNS: [&str; 3] = ["body", columns::EXCEPTION_MESSAGE, columns::EXCEPTION_TYPE];

/// Blocks of the filter that words go into: 1.25 MiB, enough for a million different words in a row group.
const LARGE_BLOCKS: usize = 40 * 1024;

/// Lookups of absent words that may be answered "perhaps".
const FALSE_POSITIVES_MAX: f64 = 0.01;

const MAGIC: &[u8; 8] = b"CUPTOK01";
const BLOCK_BYTES: usize = 32;
const PAGE_BYTES: usize = 4096;
const PAGE_HEADER_BYTES: usize = 8;
const PAGE_BLOCKS: usize = (PAGE_BYTES - PAGE_HEADER_BYTES) / BLOCK_BYTES;
const GROUP_BYTES: usize = 16;
const TAIL_BYTES: usize = 4 + 8 + 8;

type Block = [u32; 8];

/// Where in a filter of that many blocks a word is.
fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

/// The bits of a word within its block: one in each of eight words, as Parquet's bloom filters have it.
fn mask_of(hash: u64) -> Block {
    const SALT: Block = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31];
    SALT.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

/// The filters of a part that is being written.
pub(crate) struct TokenFilterBuilder {
    large: Vec<Block>,
    rows: usize,
    /// The finished filters, folded: how many blocks became one, and the blocks.
    groups: Vec<(usize, Vec<Block>)>,
}

impl TokenFilterBuilder {
    pub fn new() -> TokenFilterBuilder {
        TokenFilterBuilder { large: vec![Block::default(); LARGE_BLOCKS], rows: 0, groups: Vec::new() }
    }

    /// Takes the part's next rows, of which columns may be codes of the coders, which are for the columns of `schema`.
    pub fn push(&mut self, rows: &RecordBatch, schema: &Schema, coders: &Coders) {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = (ROW_GROUP_ROWS - self.rows).min(rows.num_rows() - from);
            for name in TOKEN_COLUMNS {
                let Some(column) = rows.column_by_name(name) else { continue };
                let column = column.slice(from, count);
                match (as_codes(&column), schema.index_of(name).ok().and_then(|place| coders.coder(place))) {
                    (Some(codes), Some(coder)) => self.push_codes(codes, coder),
                    _ => self.push_texts(&column),
                }
            }
            self.rows += count;
            from += count;
            if self.rows == ROW_GROUP_ROWS {
                self.end_group();
            }
        }
    }

    fn push_texts(&mut self, column: &ArrayRef) {
        if let Some(texts) = column.as_string_opt::<i32>() {
            texts.iter().flatten().for_each(|text| self.push_text(text));
        } else if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>()
            && let Some(texts) = dictionary.values().as_string_opt::<i32>()
        {
            let mut seen = vec![false; texts.len()];
            for place in dictionary.keys_iter().flatten() {
                if !std::mem::replace(&mut seen[place], true) && texts.is_valid(place) {
                    self.push_text(texts.value(place));
                }
            }
        }
    }

    /// A text that repeats is looked at once.
    fn push_codes(&mut self, codes: &UInt32Array, coder: &Coder) {
        let mut seen = vec![false; coder.values()];
        for code in codes.iter().flatten() {
            if !std::mem::replace(&mut seen[code as usize], true)
                && let Ok(text) = std::str::from_utf8(coder.value(code))
            {
                self.push_text(text);
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        for_each_token_hash(text, |hash| {
            let block = &mut self.large[block_of(hash, LARGE_BLOCKS)];
            block.iter_mut().zip(mask_of(hash)).for_each(|(word, bits)| *word |= bits);
        });
    }

    fn end_group(&mut self) {
        if self.rows == 0 {
            return;
        }
        self.rows = 0;
        self.groups.push(folded(&self.large));
        self.large.fill(Block::default());
    }

    /// The file.
    pub fn finish(mut self) -> Vec<u8> {
        self.end_group();
        let blocks: usize = self.groups.iter().map(|(_, blocks)| blocks.len()).sum();
        let mut file = Vec::with_capacity(blocks * (BLOCK_BYTES + 1) + PAGE_BYTES);
        let all: Vec<&Block> = self.groups.iter().flat_map(|(_, blocks)| blocks).collect();
        for page in all.chunks(PAGE_BLOCKS) {
            let first = file.len();
            file.extend_from_slice(&[0; PAGE_HEADER_BYTES]);
            page.iter().for_each(|block| block.iter().for_each(|word| file.extend_from_slice(&word.to_le_bytes())));
            let sum = page_sum(&file[first..]);
            file[first..first + 4].copy_from_slice(&sum.to_le_bytes());
        }
        let footer = file.len();
        let mut first_block = 0u64;
        for (fold, blocks) in &self.groups {
            file.extend_from_slice(&first_block.to_le_bytes());
            file.extend_from_slice(&(blocks.len() as u32).to_le_bytes());
            file.extend_from_slice(&(*fold as u32).to_le_bytes());
            first_block += blocks.len() as u64;
        }
        file.extend_from_slice(&(self.groups.len() as u32).to_le_bytes());
        let sum = xxh3_64(&file[footer..]);
        file.extend_from_slice(&sum.to_le_bytes());
        file.extend_from_slice(MAGIC);
        file
    }
}

fn page_sum(page: &[u8]) -> u32 {
    xxh3_64(&page[4..]) as u32
}

/// The filter folded as far as its answers stay right enough: how many blocks became one, and the blocks.
fn folded(large: &[Block]) -> (usize, Vec<Block>) {
    let set: u64 = large.iter().flatten().map(|word| u64::from(word.count_ones())).sum();
    // Each word sets one bit of 32 in each of 8; so many different ones make so many bits.
    let share = set as f64 / (large.len() * 256) as f64;
    let different = -32.0 * large.len() as f64 * (1.0 - share).max(1e-9).ln();
    // A block of 256 bits for 24 words is wrong once in a hundred and fifty times; then down to where it is right enough.
    let mut fold = ((large.len() * 25) as f64 / different.max(1.0)).clamp(1.0, large.len() as f64) as usize;
    loop {
        let blocks: Vec<Block> = large.chunks(fold).map(together).collect();
        if fold == 1 || false_positives(&blocks) <= FALSE_POSITIVES_MAX {
            return (fold, blocks);
        }
        fold = (fold * 15 / 16).max(1);
    }
}

fn together(blocks: &[Block]) -> Block {
    let mut one = Block::default();
    for block in blocks {
        one.iter_mut().zip(block).for_each(|(to, from)| *to |= from);
    }
    one
}

/// How often an absent word would be taken for one that is there.
fn false_positives(blocks: &[Block]) -> f64 {
    let of = |block: &Block| block.iter().map(|word| f64::from(word.count_ones()) / 32.0).product::<f64>();
    blocks.iter().map(of).sum::<f64>() / blocks.len().max(1) as f64
}

/// The words of each row group of a part, see [`crate::tokens()`]. A lookup reads one page of a file.
#[derive(Debug)]
pub struct TokenFilters {
    path: PathBuf,
    file: File,
    groups: Vec<Group>,
    pages_bytes: u64,
    /// A page was not what was written: nothing is ruled out any more.
    damaged: AtomicBool,
}

#[derive(Debug)]
struct Group {
    first_block: u64,
    blocks: u32,
    fold: u32,
}

impl TokenFilters {
    /// Refuses: a file that is not what was written, as far as its footer tells.
    pub(crate) fn open(path: &Path) -> Result<TokenFilters, StoreError> {
        let failed = || StoreError::io(format!("read {}", path.display()));
        let corrupt = || StoreError::Corrupt(format!("{}: footer is not what was written", path.display()));
        let file = File::open(path).map_err(failed())?;
        let bytes = file.metadata().map_err(failed())?.len();
        let tail_at = bytes.checked_sub(TAIL_BYTES as u64).ok_or_else(corrupt)?;
        let mut tail = [0; TAIL_BYTES];
        file.read_exact_at(&mut tail, tail_at).map_err(failed())?;
        let (count, rest) = tail.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let (sum, magic) = rest.split_first_chunk::<8>().ok_or_else(corrupt)?;
        let groups_bytes = u64::from(u32::from_le_bytes(*count)) * GROUP_BYTES as u64;
        let (Some(pages_bytes), true) = (tail_at.checked_sub(groups_bytes), magic == MAGIC) else { return Err(corrupt()) };
        let mut footer = vec![0; groups_bytes as usize + 4];
        file.read_exact_at(&mut footer, pages_bytes).map_err(failed())?;
        if xxh3_64(&footer) != u64::from_le_bytes(*sum) {
            return Err(corrupt());
        }
        let group = |bytes: &[u8; GROUP_BYTES]| {
            let [b0, b1, b2, b3, b4, b5, b6, b7, n0, n1, n2, n3, f0, f1, f2, f3] = *bytes;
            Group {
                first_block: u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
                blocks: u32::from_le_bytes([n0, n1, n2, n3]),
                fold: u32::from_le_bytes([f0, f1, f2, f3]),
            }
        };
        let groups = footer.as_chunks::<GROUP_BYTES>().0.iter().map(group).collect();
        Ok(TokenFilters { path: path.to_owned(), file, groups, pages_bytes, damaged: AtomicBool::new(false) })
    }

    pub fn row_groups(&self) -> usize {
        self.groups.len()
    }

    /// Whether a word with this [`crate::token_hash`] may occur in one of [`TOKEN_COLUMNS`] of the row group. What cannot be
    /// read may hold anything.
    pub fn may_contain(&self, row_group: usize, token_hash: u64) -> bool {
        let Some(group) = self.groups.get(row_group) else { return true };
        if self.damaged.load(Ordering::Relaxed) {
            return true;
        }
        match self.block(group, token_hash) {
            Ok(block) => block.iter().zip(mask_of(token_hash)).all(|(word, bits)| word & bits != 0),
            Err(error) => {
                if !self.damaged.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "token filters are damaged; the part is searched without them");
                }
                true
            }
        }
    }

    fn block(&self, group: &Group, token_hash: u64) -> Result<Block, StoreError> {
        let within = block_of(token_hash, LARGE_BLOCKS) as u64 / u64::from(group.fold.max(1));
        let number = group.first_block + within.min(u64::from(group.blocks.saturating_sub(1)));
        let (page, place) = (number / PAGE_BLOCKS as u64, (number % PAGE_BLOCKS as u64) as usize);
        let at = page * (PAGE_HEADER_BYTES + PAGE_BLOCKS * BLOCK_BYTES) as u64;
        let mut bytes = [0; PAGE_BYTES];
        let length = self.pages_bytes.saturating_sub(at).min((PAGE_HEADER_BYTES + PAGE_BLOCKS * BLOCK_BYTES) as u64) as usize;
        let page_bytes = &mut bytes[..length];
        self.file.read_exact_at(page_bytes, at).map_err(StoreError::io(format!("read {}", self.path.display())))?;
        let corrupt = || StoreError::Corrupt(format!("{}: page {page} is not what was written", self.path.display()));
        let sum = page_bytes.first_chunk::<4>().map(|sum| u32::from_le_bytes(*sum));
        if length < PAGE_HEADER_BYTES || sum != Some(page_sum(page_bytes)) {
            return Err(corrupt());
        }
        let words = page_bytes[PAGE_HEADER_BYTES..].as_chunks::<4>().0;
        let words = words.get(place * 8..place * 8 + 8).ok_or_else(corrupt)?;
        let mut block = Block::default();
        block.iter_mut().zip(words).for_each(|(to, from)| *to = u32::from_le_bytes(*from));
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::tokens::{token_hash, tokens};

    fn rows(bodies: Vec<Option<String>>) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("body", DataType::Utf8, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(StringArray::from(bodies))]).unwrap()
    }

    fn written(batches: &[RecordBatch]) -> (tempfile::NamedTempFile, usize) {
        let mut builder = TokenFilterBuilder::new();
        batches.iter().for_each(|batch| builder.push(batch, &batch.schema(), &Coders::new(&batch.schema())));
        let bytes = builder.finish();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        (file, bytes.len())
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_word_that_is_there_is_never_denied(
            bodies in proptest::collection::vec(proptest::option::of("[ -~]{0,80}|\\PC{0,20}"), 1..200),
        ) {
            let (file, _) = written(&[rows(bodies.clone())]);
            let filters = TokenFilters::open(file.path()).unwrap();
            proptest::prop_assert_eq!(filters.row_groups(), 1);
            for word in bodies.iter().flatten().flat_map(|body| tokens(body)) {
                proptest::prop_assert!(filters.may_contain(0, token_hash(word)), "{}", word);
                proptest::prop_assert!(filters.may_contain(0, token_hash(&word.to_ascii_uppercase())));
            }
        }
    }

    #[test]
    fn absent_words_are_ruled_out_and_the_filter_is_small() {
        // Lines as they are: some words that repeat, an id and a number that do not.
        let line =
            |number: u64| format!("GET /api/users/{} done in {} ms id={:016x}", number * 7919 % 5_000, number % 900, number);
        let batches: Vec<RecordBatch> =
            (0..17).map(|batch| rows((0..8_192).map(|row| Some(line(batch * 8_192 + row))).collect())).collect();
        let (file, bytes) = written(&batches);
        let filters = TokenFilters::open(file.path()).unwrap();
        assert_eq!(filters.row_groups(), 2);
        let lines = 17 * 8_192;
        assert!(bytes < lines * 2, "{} bytes for {lines} lines", bytes);
        let absent =
            |group| (0..10_000).filter(|number| filters.may_contain(group, token_hash(&format!("absent{number}")))).count();
        for group in 0..2 {
            let wrong = absent(group);
            assert!((20..200).contains(&wrong), "{wrong} of 10,000 in row group {group}");
        }
        let first = format!("{:016x}", 5);
        assert!(filters.may_contain(0, token_hash(&first)));
        assert!(filters.may_contain(7, 1), "of a row group it does not know, nothing is ruled out");
    }

    #[test]
    fn a_damaged_filter_rules_nothing_out() {
        let words: Vec<Option<String>> = (0..20_000).map(|number| Some(format!("word{number}"))).collect();
        let (file, bytes) = written(&[rows(words)]);
        let sound = std::fs::read(file.path()).unwrap();
        for place in (0..bytes).step_by(97) {
            let mut damaged = sound.clone();
            damaged[place] ^= 32;
            std::fs::write(file.path(), &damaged).unwrap();
            let Ok(filters) = TokenFilters::open(file.path()) else { continue };
            assert!((0..20_000).step_by(37).all(|number| filters.may_contain(0, token_hash(&format!("word{number}")))));
        }
        std::fs::write(file.path(), &sound[..bytes / 2]).unwrap();
        assert!(TokenFilters::open(file.path()).is_err());
    }
}
