//! Names of keys, found by where they end: in front of a quote, an equals sign, or what begins a value in binary forms.

use std::ops::Range;

/// Names, whatever their case, with `-`, `_` or nothing for each `_`.
#[derive(Debug)]
pub(super) struct Names {
    /// By their last byte in lower case, the longest first.
    by_last: Vec<Vec<String>>,
    /// Bytes that may follow a name.
    ends: [bool; 256],
}

impl Names {
    pub fn new(names: &[String]) -> Names {
        let mut by_last = vec![Vec::new(); 256];
        for name in names {
            let name = name.trim().trim_end_matches(['-', '_']).replace('-', "_").to_ascii_lowercase();
            if let Some(last) = name.as_bytes().last() {
                by_last[usize::from(*last)].push(name);
            }
        }
        for names in &mut by_last {
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        }
        let mut ends = [false; 256];
        // Protobuf's tag of a value; MessagePack's texts.
        for end in [b'"', b'=', 0x12, 0xd9, 0xda].into_iter().chain(0xa0..=0xbf) {
            ends[usize::from(end)] = true;
        }
        Names { by_last, ends }
    }

    /// The places of names in front of what may follow one, in order; of names that end at one place the longest first.
    pub fn find(&self, body: &[u8]) -> Vec<Range<usize>> {
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(next) = body[from..].iter().position(|byte| self.ends[usize::from(*byte)]) {
            let at = from + next;
            from = at + 1;
            let end = match body[at] {
                b'"' if !is_followed_by_colon(&body[from..]) => continue,
                b'"' => at - body[..at].iter().rev().take_while(|byte| **byte == b'\\').count(),
                _ => at,
            };
            let last = end.checked_sub(1).map_or(0, |last| body[last].to_ascii_lowercase());
            let names = self.by_last[usize::from(last)].iter();
            found.extend(names.filter_map(|name| start_of(name, &body[..end])).map(|start| start..end));
        }
        found
    }
}

fn is_followed_by_colon(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Where a name begins that the text ends with.
fn start_of(name: &str, text: &[u8]) -> Option<usize> {
    let mut at = text.len();
    for expected in name.bytes().rev() {
        let found = at.checked_sub(1).map(|at| text[at].to_ascii_lowercase());
        match (expected, found) {
            (b'_', Some(b'-' | b'_')) => at -= 1,
            (b'_', _) => {}
            (expected, found) if found == Some(expected) => at -= 1,
            _ => return None,
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_end() {
        let names = Names::new(&["api-key".into(), "key".into(), "Secret_Key".into(), " ".into(), "_".into()]);
        let found =
            |text: &str| -> Vec<String> { names.find(text.as_bytes()).into_iter().map(|place| text[place].to_owned()).collect() };
        assert_eq!(found(r#"{"API_Key": 1, "the key": 2}"#), ["API_Key", "Key", "key"]);
        assert_eq!(found(r#"\"secretkey\" : \"key of all, the key\""#), ["secretkey", "key"]);
        assert_eq!(found("apikey=1&monkey&x-key=2"), ["apikey", "key", "key"]);
        assert!(found(r#"key and "keys": " ="#).is_empty());
    }
}
