//! Bodies under a cap: a bomb stops growing at the limit, not at the end of memory.

use std::io::Read;

use crate::limits::DECOMPRESSION_CHUNK_BYTES;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
    Brotli,
}

/// Why a body could not be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("body is larger than {bytes_max} bytes once decompressed")]
    TooLarge { bytes_max: usize },
    #[error("body is not valid {encoding:?}: {reason}")]
    Corrupt { encoding: ContentEncoding, reason: String },
}

impl ContentEncoding {
    /// Reads a `Content-Encoding` value; `None` for one we don't speak.
    pub fn parse(text: &str) -> Option<ContentEncoding> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Some(ContentEncoding::Identity),
            "gzip" | "x-gzip" => Some(ContentEncoding::Gzip),
            "deflate" => Some(ContentEncoding::Deflate),
            "zstd" => Some(ContentEncoding::Zstd),
            "br" => Some(ContentEncoding::Brotli),
            _ => None,
        }
    }
}

/// The body in the clear, at most `bytes_max` long. Memory never exceeds the cap by more than one chunk.
pub fn decompress(encoding: ContentEncoding, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let corrupt = |error: std::io::Error| BodyError::Corrupt { encoding, reason: error.to_string() };
    match encoding {
        ContentEncoding::Identity if body.len() > bytes_max => Err(BodyError::TooLarge { bytes_max }),
        ContentEncoding::Identity => Ok(body.to_vec()),
        ContentEncoding::Gzip => read_capped(flate2::read::MultiGzDecoder::new(body), encoding, bytes_max),
        ContentEncoding::Deflate if is_zlib(body) => read_capped(flate2::read::ZlibDecoder::new(body), encoding, bytes_max),
        ContentEncoding::Deflate => read_capped(flate2::read::DeflateDecoder::new(body), encoding, bytes_max),
        ContentEncoding::Brotli => read_capped(brotli::Decompressor::new(body, DECOMPRESSION_CHUNK_BYTES), encoding, bytes_max),
        ContentEncoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(corrupt)?;
            read_capped(decoder, encoding, bytes_max)
        }
    }
}

/// RFC 1950's header: HTTP's deflate has it, some clients leave it out.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

/// 8 MiB, what RFC 8878 recommends decoders to support and no more, so that a frame cannot demand gigabytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

fn read_capped(mut reader: impl Read, encoding: ContentEncoding, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    let mut chunk = vec![0u8; DECOMPRESSION_CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(out),
            Ok(read) if out.len() + read > bytes_max => return Err(BodyError::TooLarge { bytes_max }),
            Ok(read) => out.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BodyError::Corrupt { encoding, reason: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bombs_stop_at_the_cap() {
        let bomb = gzip(&vec![0; 8 << 20]);
        assert!(bomb.len() < 10_000);
        assert_eq!(decompress(ContentEncoding::Gzip, &bomb, 1 << 20), Err(BodyError::TooLarge { bytes_max: 1 << 20 }));
        let bomb = zstd::encode_all(&vec![0u8; 8 << 20][..], 1).unwrap();
        assert_eq!(decompress(ContentEncoding::Zstd, &bomb, 1 << 20), Err(BodyError::TooLarge { bytes_max: 1 << 20 }));
    }

    #[test]
    fn every_encoding_gives_the_body_back() {
        assert_eq!(decompress(ContentEncoding::Gzip, &gzip(b"rows"), 4).unwrap(), b"rows");
        assert_eq!(decompress(ContentEncoding::Zstd, &zstd::encode_all(&b"rows"[..], 1).unwrap(), 4).unwrap(), b"rows");
        // `brotli -c` of the same: a stored block.
        assert_eq!(decompress(ContentEncoding::Brotli, b"\x8b\x01\x80rows\x03", 4).unwrap(), b"rows");
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflated.write_all(b"rows").unwrap();
        assert_eq!(decompress(ContentEncoding::Deflate, &deflated.finish().unwrap(), 4).unwrap(), b"rows");
        assert_eq!(decompress(ContentEncoding::Identity, b"rows", 4).unwrap(), b"rows");
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_an_error_not_a_panic(bytes in proptest::collection::vec(0u8.., 0..200)) {
            for encoding in [ContentEncoding::Gzip, ContentEncoding::Deflate, ContentEncoding::Zstd, ContentEncoding::Brotli] {
                let _ = decompress(encoding, &bytes, 1 << 16);
            }
        }
    }
}
