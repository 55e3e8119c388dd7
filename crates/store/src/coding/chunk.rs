//! A row group of one column, encoded here and not by the Parquet crate, which would look at every value several times: a
//! dictionary column from its codes, and a column of ids.
//!
//! A dictionary holds what occurs, in order, so that the least and the greatest value of a page are those of its codes.
//! Packed codes and random ids hardly ever become smaller, so data pages are compressed only where that pays.

use arrow::array::{Array, FixedSizeBinaryArray};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, Type, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::Coder;
use super::rle::{bits_for, encode};
use crate::limits::ROW_GROUP_ROWS;

/// Rows of a data page: what a reader that looks for few rows has to decode at least.
const PAGE_ROWS: usize = 16 * 1024;

/// Different values up to which a page's least and greatest are told; beyond, sorting costs more than they save.
const SORTED_VALUES_MAX: usize = 16 * 1024;

/// Longest text of which least and greatest are told whole; of a column with longer ones, nothing is.
const BOUND_BYTES_MAX: usize = 64;

/// Absent ids that a bloom filter may take for present ones.
const BLOOM_FALSE_POSITIVES: f64 = 0.05;

/// The code of a null.
pub(crate) const NULL: u32 = u32::MAX;

/// A column chunk, and what the file's footer is to say of it.
pub(crate) struct EncodedChunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

/// Compresses pages.
pub(crate) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    /// Whether data pages are compressed too, where that pays.
    of_data: bool,
}

impl Compressor {
    pub fn new(of_data: bool) -> Result<Compressor> {
        let zstd = zstd::bulk::Compressor::new(1).map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(Compressor { zstd, of_data })
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.zstd.compress(bytes).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Encodes the codes of one row group, nulls being [`NULL`]; nothing if there are so many different values that the values
/// themselves take less.
pub(crate) fn encoded(
    coder: &Coder,
    codes: &[u32],
    column: &ColumnDescPtr,
    compressor: &mut Compressor,
) -> Result<Option<EncodedChunk>> {
    let dictionary = Dictionary::of(coder, codes);
    // A number takes little as it is, a text a good deal more.
    let part = if *coder.data_type() == DataType::Utf8 { 3 } else { 8 };
    if dictionary.codes.len() > 1_024 && dictionary.codes.len() > codes.len() / part {
        return Ok(None);
    }
    let mut sink = TrackedWrite::new(Vec::with_capacity(64 * 1024));
    let mut pages = Pages::new(&mut sink, column, compressor);
    pages.dictionary(&dictionary.plain(coder), dictionary.codes.len())?;
    let bounds = dictionary.bounds(coder);
    let bits = bits_for(dictionary.codes.len());
    let (mut present, mut levels, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for rows in codes.chunks(PAGE_ROWS) {
        present.clear();
        present.extend(rows.iter().filter(|code| **code != NULL).map(|code| dictionary.place[*code as usize]));
        if pages.is_nullable {
            levels.clear();
            levels.extend(rows.iter().map(|code| u32::from(*code != NULL)));
        }
        body.clear();
        body.push(bits);
        encode(&present, bits, &mut body);
        let ends = || -> Option<(Vec<u8>, Vec<u8>)> {
            let value = |place: &u32| coder.value(dictionary.codes[*place as usize]).to_vec();
            if bounds { Some((value(present.iter().min()?), value(present.iter().max()?))) } else { None }
        };
        pages.data(Encoding::RLE_DICTIONARY, &levels, &body, rows.len(), rows.len() - present.len(), ends())?;
    }
    let statistics = dictionary.statistics(coder, column.physical_type(), bounds, pages.nulls as u64);
    let ended = pages.end(codes.len(), Some(statistics), None)?;
    Ok(Some(ended.with_bytes(sink)?))
}

/// The ids of one row group as they come.
pub(crate) struct Ids {
    size: usize,
    /// Of those that are there, one after the other.
    bytes: Vec<u8>,
    levels: Vec<u32>,
}

impl Ids {
    pub fn with_room(size: usize, rows: usize) -> Ids {
        let size = size.max(1);
        Ids { size, bytes: Vec::with_capacity(rows * size), levels: Vec::with_capacity(rows) }
    }

    pub fn push(&mut self, ids: &FixedSizeBinaryArray) {
        match ids.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                self.bytes.extend_from_slice(&ids.value_data()[..ids.len() * self.size]);
                self.levels.resize(self.levels.len() + ids.len(), 1);
            }
            Some(_) => {
                for id in ids {
                    self.bytes.extend_from_slice(id.unwrap_or_default());
                    self.levels.push(u32::from(id.is_some()));
                }
            }
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Encodes them, with a bloom filter if readers look for single ones.
    pub fn encoded(&self, column: &ColumnDescPtr, with_bloom: bool, compressor: &mut Compressor) -> Result<EncodedChunk> {
        let mut bloom = None;
        if with_bloom {
            let mut filter = Sbbf::new_with_ndv_fpp(ROW_GROUP_ROWS as u64, BLOOM_FALSE_POSITIVES)?;
            let mut before: &[u8] = &[];
            for id in self.bytes.chunks_exact(self.size) {
                if id != before {
                    filter.insert(id);
                    before = id;
                }
            }
            filter.fold_to_target_fpp(BLOOM_FALSE_POSITIVES);
            bloom = Some(filter);
        }
        let mut sink = TrackedWrite::new(Vec::with_capacity(self.bytes.len() + 1_024));
        let mut pages = Pages::new(&mut sink, column, compressor);
        let mut at = 0;
        for levels in self.levels.chunks(PAGE_ROWS) {
            let present = levels.iter().filter(|level| **level > 0).count();
            let values = &self.bytes[at..at + present * self.size];
            at += present * self.size;
            let levels_if = if pages.is_nullable { levels } else { &[] };
            // Ids have no order that would help.
            pages.data(Encoding::PLAIN, levels_if, values, levels.len(), levels.len() - present, None)?;
        }
        let nulls = Some(pages.nulls as u64);
        let statistics = Statistics::fixed_len_byte_array(None, None, None, nulls, false);
        pages.end(self.levels.len(), Some(statistics), bloom)?.with_bytes(sink)
    }
}

/// The pages of one chunk, and what is to be known of them.
struct Pages<'a> {
    writer: SerializedPageWriter<'a, Vec<u8>>,
    column: ColumnDescPtr,
    compressor: &'a mut Compressor,
    is_nullable: bool,
    /// Whether compressing the data has paid so far.
    pays: bool,
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    dictionary_offset: Option<u64>,
    data_offset: Option<u64>,
    encoding: Encoding,
    data_pages: i32,
    nulls: usize,
    written: usize,
    /// With the pages' headers.
    uncompressed: usize,
}

/// All of a chunk but its bytes.
struct Ended(ColumnCloseResult);

impl Ended {
    fn with_bytes(self, sink: TrackedWrite<Vec<u8>>) -> Result<EncodedChunk> {
        let bytes = sink.into_inner().map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(EncodedChunk { bytes: Bytes::from(bytes), close: self.0 })
    }
}

impl<'a> Pages<'a> {
    fn new(sink: &'a mut TrackedWrite<Vec<u8>>, column: &ColumnDescPtr, compressor: &'a mut Compressor) -> Pages<'a> {
        Pages {
            writer: SerializedPageWriter::new(sink),
            column: column.clone(),
            pays: compressor.of_data,
            compressor,
            is_nullable: column.max_def_level() > 0,
            index: ColumnIndexBuilder::new(column.physical_type()),
            offsets: OffsetIndexBuilder::new(),
            dictionary_offset: None,
            data_offset: None,
            encoding: Encoding::PLAIN,
            data_pages: 0,
            nulls: 0,
            written: 0,
            uncompressed: 0,
        }
    }

    fn dictionary(&mut self, plain: &[u8], values: usize) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: self.compressor.compress(plain)?.into(),
            num_values: values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        self.dictionary_offset = Some(self.write(page, plain.len())?.offset);
        Ok(())
    }

    /// Adds a page of so many rows; `ends` are its least and greatest values, if they are told.
    fn data(
        &mut self,
        encoding: Encoding,
        levels: &[u32],
        values: &[u8],
        rows: usize,
        nulls: usize,
        ends: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<()> {
        let mut body = Vec::with_capacity(values.len() + 64);
        if self.is_nullable {
            encode(levels, 1, &mut body);
        }
        let levels_bytes = body.len();
        let smaller = if self.pays { self.compressor.compress(values)? } else { Vec::new() };
        // A tenth less is worth the reader's time; what does not pay once is not tried again.
        self.pays = self.pays && smaller.len() * 10 < values.len() * 9;
        body.extend_from_slice(if self.pays { &smaller } else { values });
        let page = Page::DataPageV2 {
            buf: body.into(),
            num_values: rows as u32,
            encoding,
            num_nulls: nulls as u32,
            num_rows: rows as u32,
            def_levels_byte_len: levels_bytes as u32,
            rep_levels_byte_len: 0,
            is_compressed: self.pays,
            statistics: None,
        };
        let written = self.write(page, levels_bytes + values.len())?;
        self.data_offset.get_or_insert(written.offset);
        self.encoding = encoding;
        self.data_pages += 1;
        self.nulls += nulls;
        self.offsets.append_row_count(rows as i64);
        self.offsets.append_offset_and_size(written.offset as i64, written.bytes_written as i32);
        match ends {
            _ if nulls == rows => self.index.append(true, Vec::new(), Vec::new(), nulls as i64),
            Some((least, greatest)) => self.index.append(false, least, greatest, nulls as i64),
            None => self.index.to_invalid(),
        }
        Ok(())
    }

    fn write(&mut self, page: Page, uncompressed: usize) -> Result<PageWriteSpec> {
        let bytes = page.buffer().len();
        let written = self.writer.write_page(CompressedPage::new(page, uncompressed))?;
        self.written += written.bytes_written as usize;
        self.uncompressed += written.bytes_written as usize - bytes + uncompressed;
        Ok(written)
    }

    fn end(self, rows: usize, statistics: Option<Statistics>, bloom_filter: Option<Sbbf>) -> Result<Ended> {
        let data_offset = self.data_offset.ok_or_else(|| ParquetError::General("row group without rows".into()))?;
        let stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let mut encodings = vec![Encoding::RLE, self.encoding];
        let mut page_stats = vec![stats(PageType::DATA_PAGE_V2, self.encoding, self.data_pages)];
        if self.dictionary_offset.is_some() {
            encodings.push(Encoding::PLAIN);
            page_stats.insert(0, stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1));
        }
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_encodings(encodings)
            .set_page_encoding_stats(page_stats)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_num_values(rows as i64)
            .set_total_compressed_size(self.written as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_dictionary_page_offset(self.dictionary_offset.map(|offset| offset as i64))
            .set_data_page_offset(data_offset as i64);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        Ok(Ended(ColumnCloseResult {
            bytes_written: self.written as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter,
            column_index: if self.index.valid() { Some(self.index.build()?) } else { None },
            offset_index: Some(self.offsets.build()),
        }))
    }
}

/// The values that occur in a row group.
struct Dictionary {
    /// Their codes, in order of their values if that was worth it.
    codes: Vec<u32>,
    /// Where each code is among them.
    place: Vec<u32>,
    is_sorted: bool,
}

impl Dictionary {
    fn of(coder: &Coder, codes: &[u32]) -> Dictionary {
        let mut place = vec![NULL; coder.values()];
        let mut occurring = Vec::new();
        for code in codes.iter().filter(|code| **code != NULL) {
            let place = &mut place[*code as usize];
            if *place == NULL {
                *place = 0;
                occurring.push(*code);
            }
        }
        let is_sorted = occurring.len() <= SORTED_VALUES_MAX;
        if is_sorted {
            match coder.data_type() {
                DataType::Utf8 => occurring.sort_unstable_by_key(|code| coder.value(*code)),
                DataType::Float64 => {
                    occurring.sort_unstable_by(|one, other| float(coder, *one).total_cmp(&float(coder, *other)));
                }
                _ => occurring.sort_unstable_by_key(|code| integer(coder, *code)),
            }
        }
        for (number, code) in (0..).zip(&occurring) {
            place[*code as usize] = number;
        }
        Dictionary { codes: occurring, place, is_sorted }
    }

    /// As Parquet's plain encoding has it.
    fn plain(&self, coder: &Coder) -> Vec<u8> {
        let is_text = *coder.data_type() == DataType::Utf8;
        let mut bytes = Vec::new();
        for code in &self.codes {
            let value = coder.value(*code);
            if is_text {
                bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            }
            bytes.extend_from_slice(value);
        }
        bytes
    }

    /// Whether the least and greatest values are told.
    fn bounds(&self, coder: &Coder) -> bool {
        // Zeros of two signs and what is no number have an order of their own in statistics.
        let is_odd = |code: &u32| *coder.data_type() == DataType::Float64 && !float(coder, *code).is_normal();
        let is_fine = |code: &u32| coder.value(*code).len() <= BOUND_BYTES_MAX && !is_odd(code);
        self.is_sorted && !self.codes.is_empty() && self.codes.iter().all(is_fine)
    }

    fn statistics(&self, coder: &Coder, physical: Type, bounds: bool, nulls: u64) -> Statistics {
        let ends = if bounds { self.codes.first().zip(self.codes.last()) } else { None };
        let nulls = Some(nulls);
        match physical {
            Type::INT64 => {
                let ends = ends.map(|(least, greatest)| (integer(coder, *least), integer(coder, *greatest)));
                Statistics::from(ValueStatistics::new(ends.map(|ends| ends.0), ends.map(|ends| ends.1), None, nulls, false))
            }
            Type::DOUBLE => {
                let ends = ends.map(|(least, greatest)| (float(coder, *least), float(coder, *greatest)));
                Statistics::from(ValueStatistics::new(ends.map(|ends| ends.0), ends.map(|ends| ends.1), None, nulls, false))
            }
            _ => {
                let text = |code: &u32| ByteArray::from(coder.value(*code).to_vec());
                let (least, greatest) = (ends.map(|ends| text(ends.0)), ends.map(|ends| text(ends.1)));
                Statistics::from(ValueStatistics::new(least, greatest, None, nulls, false))
            }
        }
    }
}

fn integer(coder: &Coder, code: u32) -> i64 {
    i64::from_le_bytes(coder.value(code).first_chunk::<8>().copied().unwrap_or_default())
}

fn float(coder: &Coder, code: u32) -> f64 {
    f64::from_bits(integer(coder, code) as u64)
}
