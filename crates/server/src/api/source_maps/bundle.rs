//! Zip files: the names and contents of what is in one.
//!
//! Spec:    APPNOTE.TXT of PKWARE, as far as bundles of source maps need it
//! Missing: zip64, encryption, methods other than stored and deflate

use std::io::Read;

use flate2::read::DeflateDecoder;

/// Files of one bundle; a large application has some hundred.
const FILES_MAX: usize = 5_000;

/// Signature and the shortest length of the record at the end, which a comment of at most 64 KiB may follow.
const END: (&[u8], usize) = (b"PK\x05\x06", 22);
const COMMENT_BYTES_MAX: usize = 65_535;

const DIRECTORY: (&[u8], usize) = (b"PK\x01\x02", 46);
const LOCAL: (&[u8], usize) = (b"PK\x03\x04", 30);

/// Everything in the file, no part larger than `file_bytes_max` and all together no larger than `bytes_max`.
///
/// Refuses: what is no zip file, what is cut off or too large, compression that is unknown.
pub(in crate::api) fn entries(zip: &[u8], file_bytes_max: usize, bytes_max: usize) -> Result<Vec<(String, Vec<u8>)>, String> {
    let last = zip.len().checked_sub(END.1).ok_or("expected a zip file")?;
    let first = last.saturating_sub(COMMENT_BYTES_MAX);
    let end = (first..=last).rev().find(|at| zip[*at..].starts_with(END.0)).ok_or("expected a zip file")?;
    let count = usize::from(short(zip, end + 10)?);
    let mut at = long(zip, end + 16)?;
    if count > FILES_MAX {
        return Err(format!("the zip file has {count} files: expected at most {FILES_MAX}"));
    }
    let (mut out, mut bytes) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        if !zip.get(at..).is_some_and(|rest| rest.starts_with(DIRECTORY.0)) {
            return Err(format!("cannot read the zip file's directory at byte {at}"));
        }
        let (name_length, extra, comment) = (short(zip, at + 28)?, short(zip, at + 30)?, short(zip, at + 32)?);
        let name = part(zip, at + DIRECTORY.1, usize::from(name_length))?;
        let name = String::from_utf8_lossy(name).into_owned();
        let content = content(zip, at, file_bytes_max.min(bytes_max - bytes)).map_err(|reason| format!("{name}: {reason}"))?;
        bytes += content.len();
        if !name.ends_with('/') {
            out.push((name, content));
        }
        at += DIRECTORY.1 + usize::from(name_length) + usize::from(extra) + usize::from(comment);
    }
    Ok(out)
}

fn content(zip: &[u8], entry: usize, bytes_max: usize) -> Result<Vec<u8>, String> {
    let (method, packed, local) = (short(zip, entry + 10)?, long(zip, entry + 20)?, long(zip, entry + 42)?);
    if !zip.get(local..).is_some_and(|rest| rest.starts_with(LOCAL.0)) {
        return Err(format!("cannot read its head at byte {local}"));
    }
    let begins = local + LOCAL.1 + usize::from(short(zip, local + 26)?) + usize::from(short(zip, local + 28)?);
    let packed = part(zip, begins, packed)?;
    let mut out = Vec::new();
    match method {
        0 => out.extend_from_slice(packed.get(..packed.len().min(bytes_max + 1)).unwrap_or_default()),
        8 => {
            let limit = bytes_max as u64 + 1;
            DeflateDecoder::new(packed).take(limit).read_to_end(&mut out).map_err(|error| error.to_string())?;
        }
        other => return Err(format!("cannot read compression {other}: expected none or deflate")),
    }
    if out.len() > bytes_max { Err(format!("more than {bytes_max} bytes")) } else { Ok(out) }
}

fn part(zip: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    let end = at.checked_add(length).ok_or("the zip file is cut off")?;
    zip.get(at..end).ok_or_else(|| "the zip file is cut off".to_owned())
}

fn short(zip: &[u8], at: usize) -> Result<u16, String> {
    let bytes = part(zip, at, 2)?;
    Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn long(zip: &[u8], at: usize) -> Result<usize, String> {
    let bytes = part(zip, at, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn zip(files: &[(&str, u16, &[u8])]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, method, packed) in files {
            let local = out.len() as u32;
            out.extend_from_slice(LOCAL.0);
            out.extend_from_slice(&[0; 22]);
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
            out.extend_from_slice(&[0; 2]);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(packed);
            directory.extend_from_slice(DIRECTORY.0);
            directory.extend_from_slice(&[0; 6]);
            directory.extend_from_slice(&method.to_le_bytes());
            directory.extend_from_slice(&[0; 8]);
            directory.extend_from_slice(&(packed.len() as u32).to_le_bytes());
            directory.extend_from_slice(&[0; 4]);
            directory.extend_from_slice(&(name.len() as u16).to_le_bytes());
            directory.extend_from_slice(&[0; 12]);
            directory.extend_from_slice(&local.to_le_bytes());
            directory.extend_from_slice(name.as_bytes());
        }
        let begins = out.len() as u32;
        out.extend_from_slice(&directory);
        out.extend_from_slice(END.0);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&(files.len() as u16).to_le_bytes());
        out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        out.extend_from_slice(&begins.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out
    }

    #[test]
    fn files_come_out() {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(b"{\"version\": 3}").unwrap();
        let deflated = deflated.finish().unwrap();
        let file = zip(&[("js/", 0, b""), ("js/a.js.map", 8, &deflated), ("b.map", 0, b"{}")]);
        let found = entries(&file, 100, 100).unwrap();
        assert_eq!(found, [("js/a.js.map".to_owned(), b"{\"version\": 3}".to_vec()), ("b.map".to_owned(), b"{}".to_vec())]);
        assert!(entries(&file, 5, 100).unwrap_err().contains("js/a.js.map: more than 5 bytes"));
        assert!(entries(&file, 100, 15).unwrap_err().contains("b.map"));
        assert!(entries(b"PK", 5, 5).is_err());
        assert!(entries(&zip(&[("x", 9, b"")]), 5, 5).unwrap_err().contains("compression 9"));
    }

    proptest::proptest! {
        #[test]
        fn damage_is_told(at in 0_usize..120, byte in 0_u8..) {
            let mut file = zip(&[("a.map", 0, b"{}")]);
            let length = file.len();
            file[at % length] = byte;
            let _ = entries(&file, 100, 100);
            let _ = entries(&file[..at % length], 100, 100);
        }
    }
}
