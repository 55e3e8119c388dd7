//! Forms: `payload=<JSON>` of the oldest clients, and what `curl -d` and `curl -F` make of a deploy.

/// Fields of one form. A deploy has seven, a source map comes with hundreds of sources; more are not read.
const FIELDS_MAX: usize = 2_000;

/// The fields of `application/x-www-form-urlencoded`, in order; bytes that are not UTF-8 become U+FFFD.
pub fn urlencoded(body: &[u8]) -> Vec<(String, String)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).take(FIELDS_MAX);
    pairs
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
        })
        .collect()
}

fn decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let hex = |offset: usize| text.get(at + offset).and_then(|digit| (*digit as char).to_digit(16));
        match (text[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The named parts of `multipart/form-data`, as text. `content_type` has the boundary.
pub fn multipart(content_type: &str, body: &[u8]) -> Vec<(String, String)> {
    let parts = multipart_bytes(content_type, body);
    parts.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned())).collect()
}

/// The same as they were sent.
pub fn multipart_bytes<'b>(content_type: &str, body: &'b [u8]) -> Vec<(String, &'b [u8])> {
    let Some(boundary) = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty()) else { return Vec::new() };
    let delimiter = format!("--{boundary}");
    let mut starts = memchr::memmem::find_iter(body, &delimiter).take(FIELDS_MAX + 1).peekable();
    let mut parts = Vec::new();
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(body.len());
        parts.extend(part(&body[start + delimiter.len()..end]));
    }
    parts
}

fn part(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (head, value) = split_once(bytes, b"\r\n\r\n").or_else(|| split_once(bytes, b"\n\n"))?;
    let head = String::from_utf8_lossy(head);
    let name = head.lines().find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header.trim().eq_ignore_ascii_case("content-disposition").then(|| parameter(value, "name"))?
    })?;
    let value = value.strip_suffix(b"\r\n").or_else(|| value.strip_suffix(b"\n")).unwrap_or(value);
    Some((name.to_owned(), value))
}

fn split_once<'b>(bytes: &'b [u8], by: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = memchr::memmem::find(bytes, by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

/// The value of `; name=value` in a header, with or without quotes.
fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    header.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn both_kinds_of_forms() {
        let plain = urlencoded(b"environment=production&comment=a+b%26%C3%A9%zz&&alone&=x");
        let expected = [("environment", "production"), ("comment", "a b&é%zz"), ("alone", ""), ("", "x")];
        assert_eq!(plain, owned(&expected));
        let body = b"--X1\r\nContent-Disposition: form-data; name=\"environment\"\r\n\r\nproduction\r\n--X1\r\ncontent-disposition: form-data; name=revision\r\n\r\nab\r\ncd\r\n--X1--\r\n";
        let parts = multipart("multipart/form-data; boundary=X1", body);
        assert_eq!(parts, owned(&[("environment", "production"), ("revision", "ab\r\ncd")]));
        assert!(multipart("multipart/form-data", body).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(0u8.., 0..80)) {
            let _ = (urlencoded(&bytes), multipart("multipart/form-data; boundary=-", &bytes));
        }
    }
}
