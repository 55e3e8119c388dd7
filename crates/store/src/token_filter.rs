//! Which words occur in a row group: a split block bloom filter for each, in a file beside the part.
//!
//! Words go into a large filter as they come, which is then folded together until one lookup in a hundred is wrong: so they
//! need not be counted first. A filter says "no" for certain, so a bit that fell over must not be believed: pages of 4 KiB
//! have a checksum each, and a lookup reads one page. Nothing but the places of the filters is held in memory.
//!
//! The file: pages (checksum of 4 bytes, 4 unused, up to 127 blocks of 32 bytes); then the footer: the number of row groups
//! (4 bytes), per row group the number of its first block (8 bytes), its blocks (4) and how many blocks of the large filter
//! became one (4), its long words; the attributes whose values' words are in the filters. Then the footer's bytes (4), the
//! XXH3 of footer and bytes, and `CUPTOK02`. Files of `CUPTOK01` have the row groups' places for a footer, and their number.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use model::Signal;
use xxhash_rust::xxh3::xxh3_64;

use crate::coding::{Coder, Coders};
use crate::columns::{self, ATTRIBUTES_REST};
use crate::error::StoreError;
use crate::limits::ROW_GROUP_ROWS;
use crate::long_words::{LongWordsOfGroup, take};
use crate::part_columns::as_codes;
use crate::tokens::{for_each_token_hash, token_hash};

/// The columns whose words are kept.
pub const TOKEN_COLUMNS: [&str; 3] = ["body", columns::EXCEPTION_MESSAGE, columns::EXCEPTION_TYPE];

/// Blocks of the filter that words go into: 1.25 MiB, enough for a million different words in a row group.
const LARGE_BLOCKS: usize = 40 * 1024;

/// Lookups of absent words that may be answered "perhaps".
const FALSE_POSITIVES_MAX: f64 = 0.01;

/// Bytes of an attribute's value from which its words are not kept: what is asked for as a whole is seldom longer, and longer
/// ones are sentences, or ids that nobody types.
const ATTRIBUTE_VALUE_BYTES_MAX: usize = 48;

const MAGIC: &[u8; 8] = b"CUPTOK02";
const MAGIC_PLACES_ALONE: &[u8; 8] = b"CUPTOK01";
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
    /// Attributes whose values' words are kept, which are those with a column of texts.
    attributes: Vec<String>,
    /// Whether a row has attributes elsewhere: then nothing is told of any.
    has_rest: bool,
    /// The finished filters.
    groups: Vec<Group>,
    blocks: Vec<Block>,
    /// Row groups whose rows are not all there yet.
    open: Vec<OpenGroup>,
    /// Of the first open one.
    rows: usize,
}

struct OpenGroup {
    large: Vec<Block>,
    long_words: LongWordsOfGroup,
}

/// What of a column is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// All words.
    Words,
    /// The words of values that are not too long.
    WordsOfValues,
    /// Whether there is anything.
    Presence,
}

impl TokenFilterBuilder {
    /// For a part with these columns.
    pub fn new(schema: &Schema) -> TokenFilterBuilder {
        let kept = schema.fields().iter().filter(|field| kept_of(field) == Some(Kept::WordsOfValues));
        let attributes = kept.map(|field| field.name().clone()).collect();
        TokenFilterBuilder { attributes, has_rest: false, groups: Vec::new(), blocks: Vec::new(), open: Vec::new(), rows: 0 }
    }

    /// Takes the part's next rows, of which columns may be codes of the coders, which are for the columns of `schema`.
    pub fn push(&mut self, rows: &RecordBatch, schema: &Schema, coders: &Coders) {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = (ROW_GROUP_ROWS - self.rows).min(rows.num_rows() - from);
            for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
                let place = schema.index_of(field.name()).ok();
                let field = place.map_or(field.as_ref(), |place| schema.field(place));
                let coder = place.and_then(|place| coders.coder(place));
                self.push_column(0, field, &column.slice(from, count), coder);
            }
            self.rows += count;
            from += count;
            if self.rows == ROW_GROUP_ROWS {
                self.end_first();
            }
        }
    }

    /// Takes a whole column of one of the row groups that are not finished, as it is or as codes. `field` is the part's.
    pub fn push_column(&mut self, group: usize, field: &Field, column: &ArrayRef, coder: Option<&Coder>) {
        while self.open.len() <= group {
            self.open.push(OpenGroup { large: vec![Block::default(); LARGE_BLOCKS], long_words: LongWordsOfGroup::default() });
        }
        let Some(kept) = kept_of(field) else { return };
        if kept == Kept::Presence {
            self.has_rest |= column.null_count() < column.len();
            return;
        }
        let open = &mut self.open[group];
        match (as_codes(column), coder) {
            (Some(codes), Some(coder)) => open.push_codes(codes, coder, kept),
            _ => open.push_texts(column, kept),
        }
    }

    fn end_first(&mut self) {
        self.rows = 0;
        let OpenGroup { large, long_words } = self.open.remove(0);
        let (fold, blocks) = folded(&large);
        let first_block = self.blocks.len() as u64;
        self.groups.push(Group { first_block, blocks: blocks.len() as u32, fold: fold as u32, long_words });
        self.blocks.extend(blocks);
    }

    /// The file.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.end_first();
        }
        let mut file = Vec::with_capacity(self.blocks.len() * (BLOCK_BYTES + 1) + PAGE_BYTES);
        for page in self.blocks.chunks(PAGE_BLOCKS) {
            let first = file.len();
            file.extend_from_slice(&[0; PAGE_HEADER_BYTES]);
            page.iter().for_each(|block| block.iter().for_each(|word| file.extend_from_slice(&word.to_le_bytes())));
            let sum = page_sum(&file[first..]);
            file[first..first + 4].copy_from_slice(&sum.to_le_bytes());
        }
        let footer = file.len();
        file.extend_from_slice(&(self.groups.len() as u32).to_le_bytes());
        for group in &self.groups {
            file.extend_from_slice(&group.first_block.to_le_bytes());
            file.extend_from_slice(&group.blocks.to_le_bytes());
            file.extend_from_slice(&group.fold.to_le_bytes());
            group.long_words.write(&mut file);
        }
        let attributes = if self.has_rest { Vec::new() } else { self.attributes };
        file.extend_from_slice(&(attributes.len() as u32).to_le_bytes());
        for name in attributes {
            file.extend_from_slice(&(name.len() as u32).to_le_bytes());
            file.extend_from_slice(name.as_bytes());
        }
        file.extend_from_slice(&((file.len() - footer) as u32).to_le_bytes());
        let sum = xxh3_64(&file[footer..]);
        file.extend_from_slice(&sum.to_le_bytes());
        file.extend_from_slice(MAGIC);
        file
    }
}

/// Whether the filters need a column, which is one of logs.
pub(crate) fn is_kept(field: &Field) -> bool {
    kept_of(field).is_some()
}

fn kept_of(field: &Field) -> Option<Kept> {
    let name = field.name().as_str();
    if TOKEN_COLUMNS.contains(&name) {
        return Some(Kept::Words);
    }
    if name == ATTRIBUTES_REST {
        return Some(Kept::Presence);
    }
    let is_text = match field.data_type() {
        DataType::Dictionary(_, values) => **values == DataType::Utf8,
        other => *other == DataType::Utf8,
    };
    (is_text && !columns::is_fixed(Signal::Logs, name)).then_some(Kept::WordsOfValues)
}

impl OpenGroup {
    fn push_texts(&mut self, column: &ArrayRef, kept: Kept) {
        if let Some(texts) = column.as_string_opt::<i32>() {
            texts.iter().flatten().for_each(|text| self.push_text(text, kept));
        } else if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>()
            && let Some(texts) = dictionary.values().as_string_opt::<i32>()
        {
            let mut seen = vec![false; texts.len()];
            for place in dictionary.keys_iter().flatten() {
                if !std::mem::replace(&mut seen[place], true) && texts.is_valid(place) {
                    self.push_text(texts.value(place), kept);
                }
            }
        }
    }

    /// A text that repeats is looked at once.
    fn push_codes(&mut self, codes: &UInt32Array, coder: &Coder, kept: Kept) {
        let mut seen = vec![false; coder.values()];
        for code in codes.iter().flatten() {
            if !std::mem::replace(&mut seen[code as usize], true)
                && let Ok(text) = std::str::from_utf8(coder.value(code))
            {
                self.push_text(text, kept);
            }
        }
    }

    fn push_text(&mut self, text: &str, kept: Kept) {
        if kept == Kept::WordsOfValues && text.len() > ATTRIBUTE_VALUE_BYTES_MAX {
            return;
        }
        for_each_token_hash(text, |word, hash| {
            let block = &mut self.large[block_of(hash, LARGE_BLOCKS)];
            block.iter_mut().zip(mask_of(hash)).for_each(|(word, bits)| *word |= bits);
            if kept == Kept::Words {
                self.long_words.add(word);
            }
        });
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
    attributes: HashSet<String>,
    pages_bytes: u64,
    /// A page was not what was written: nothing is ruled out any more.
    damaged: AtomicBool,
}

#[derive(Debug)]
struct Group {
    first_block: u64,
    blocks: u32,
    fold: u32,
    long_words: LongWordsOfGroup,
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
        let count = u32::from_le_bytes(*count);
        let (footer_bytes, groups) = match magic {
            _ if magic == MAGIC => (u64::from(count), None),
            _ if magic == MAGIC_PLACES_ALONE => (u64::from(count) * GROUP_BYTES as u64, Some(count)),
            _ => return Err(corrupt()),
        };
        let pages_bytes = tail_at.checked_sub(footer_bytes).ok_or_else(corrupt)?;
        let mut footer = vec![0; footer_bytes as usize + 4];
        file.read_exact_at(&mut footer, pages_bytes).map_err(failed())?;
        if xxh3_64(&footer) != u64::from_le_bytes(*sum) {
            return Err(corrupt());
        }
        let (groups, attributes) = read_footer(&footer, groups).ok_or_else(corrupt)?;
        Ok(TokenFilters { path: path.to_owned(), file, groups, attributes, pages_bytes, damaged: AtomicBool::new(false) })
    }

    /// Whether the words of this value of an attribute are in the filters wherever a row has it: of long ones, and in parts
    /// that have attributes elsewhere than in columns, they are not.
    pub fn tell_of(&self, attribute: &str, value: &str) -> bool {
        value.len() <= ATTRIBUTE_VALUE_BYTES_MAX && self.attributes.contains(attribute)
    }

    /// Whether a text that is within a word, or is one, may occur in one of [`TOKEN_COLUMNS`] of the row group. `part` is in
    /// lower case.
    pub fn may_contain_part(&self, row_group: usize, part: &str) -> bool {
        let Some(group) = self.groups.get(row_group) else { return true };
        !group.long_words.rule_out(part) || self.may_contain(row_group, token_hash(part))
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

/// The row groups and the attributes of a footer; `groups` says how many there are where nothing else is in it.
fn read_footer(mut footer: &[u8], groups: Option<u32>) -> Option<(Vec<Group>, HashSet<String>)> {
    let from = &mut footer;
    let has_more = groups.is_none();
    let count = groups.map_or_else(|| take(from).map(u32::from_le_bytes), Some)?;
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(Group {
            first_block: u64::from_le_bytes(take(from)?),
            blocks: u32::from_le_bytes(take(from)?),
            fold: u32::from_le_bytes(take(from)?),
            long_words: if has_more { LongWordsOfGroup::read(from)? } else { LongWordsOfGroup::unknown() },
        });
    }
    let mut attributes = HashSet::new();
    let names = if has_more { u32::from_le_bytes(take(from)?) } else { 0 };
    for _ in 0..names {
        let length = u32::from_le_bytes(take(from)?);
        let (name, rest) = from.split_at_checked(length as usize)?;
        *from = rest;
        attributes.insert(std::str::from_utf8(name).ok()?.to_owned());
    }
    Some((groups, attributes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tokens::tokens;
    use arrow::array::StringArray;

    fn rows(bodies: Vec<Option<String>>) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("body", DataType::Utf8, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(StringArray::from(bodies))]).unwrap()
    }

    fn written(batches: &[RecordBatch]) -> (tempfile::NamedTempFile, usize) {
        let mut builder = TokenFilterBuilder::new(&batches[0].schema());
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

    fn columns(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    }

    #[test]
    fn values_of_attributes_are_known_where_all_are_in_columns() {
        let long = "x".repeat(ATTRIBUTE_VALUE_BYTES_MAX + 1);
        let texts = |values: [Option<&str>; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
        let with_rest = |rest: Option<&str>| {
            let rows = columns(vec![
                ("body", texts([Some("a line"), None])),
                ("order.id", texts([Some("K-4711"), Some(&long)])),
                ("size", Arc::new(arrow::array::Int64Array::from(vec![1, 2]))),
                ("severity_text", texts([Some("info"), None])),
                (ATTRIBUTES_REST, texts([rest, None])),
            ]);
            TokenFilters::open(written(&[rows]).0.path()).unwrap()
        };
        let filters = with_rest(None);
        assert!(filters.tell_of("order.id", "K-4711") && filters.may_contain(0, token_hash("4711")));
        assert!(!filters.may_contain(0, token_hash("info")) && !filters.may_contain(0, token_hash(&long)));
        for (attribute, value) in [("order.id", long.as_str()), ("size", "1"), ("severity_text", "info"), ("other", "K-4711")] {
            assert!(!filters.tell_of(attribute, value), "{attribute}");
        }
        assert!(!with_rest(Some(r#"{"order.id":"9"}"#)).tell_of("order.id", "K-4711"));
    }

    #[test]
    fn parts_of_words_are_known_as_long_as_longer_words_are() {
        let ids = (0..2_000).map(|number| Some(format!("id={:016x} state=unreachable", number * 7_919)));
        let (file, _) = written(&[rows(ids.collect())]);
        let filters = TokenFilters::open(file.path()).unwrap();
        for (part, expected) in
            [("00000000001eef01", false), ("0000000000001eef", true), ("reach", true), ("refused", false), ("1eef", true)]
        {
            assert_eq!(filters.may_contain_part(0, part), expected, "{part}");
        }
    }

    #[test]
    fn a_file_of_places_alone_tells_of_whole_words() {
        let (file, bytes) = written(&[rows(vec![Some("timeout refused".to_owned())])]);
        let written = std::fs::read(file.path()).unwrap();
        let footer_bytes = u32::from_le_bytes(*written[bytes - TAIL_BYTES..].first_chunk().unwrap()) as usize;
        let footer = bytes - TAIL_BYTES - footer_bytes;
        let mut older = written[..footer].to_vec();
        older.extend_from_slice(&written[footer + 4..footer + 4 + GROUP_BYTES]);
        older.extend_from_slice(&1u32.to_le_bytes());
        older.extend_from_slice(&xxh3_64(&older[footer..]).to_le_bytes());
        older.extend_from_slice(MAGIC_PLACES_ALONE);
        std::fs::write(file.path(), &older).unwrap();
        let filters = TokenFilters::open(file.path()).unwrap();
        assert!(filters.may_contain(0, token_hash("refused")) && !filters.may_contain(0, token_hash("reached")));
        assert!(filters.may_contain_part(0, "reached") && !filters.tell_of("order.id", "1"));
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
