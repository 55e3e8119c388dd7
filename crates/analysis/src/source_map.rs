//! Source maps: from a place in a generated file to the place in what people wrote.
//!
//! Spec:    tc39.es/ecma426 (revision 3), with index maps
//! Missing: scopes, `ignoreList`
//! Quirks:  some servers put `)]}'` before the JSON; columns are counted from nought there and from one in stacks

use serde::Deserialize;

/// Places of one map; the bundle of a very large application has five million.
const MAPPINGS_MAX: usize = 20_000_000;

/// Index maps inside of index maps; bundlers make one level.
const SECTIONS_DEPTH_MAX: usize = 4;

/// Why a text is no source map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceMapError {
    #[error("cannot read the source map as JSON: {0}")]
    Json(String),
    #[error("cannot read a source map of version {0}: expected 3")]
    Version(u64),
    #[error("cannot read the mappings at byte {0}: expected base64 VLQ")]
    Mappings(usize),
    #[error("the source map has more than {MAPPINGS_MAX} mappings, or too many sections inside of each other")]
    TooLarge,
}

/// A map that can be asked.
#[derive(Debug, Default)]
pub struct SourceMap {
    /// Sorted by generated line and column.
    mappings: Vec<Mapping>,
    sources: Vec<Source>,
    names: Vec<String>,
    debug_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    line: u32,
    column: u32,
    /// Nothing where the generated code has no source.
    original: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    source: u32,
    line: u32,
    column: u32,
    name: Option<u32>,
}

#[derive(Debug, Default)]
struct Source {
    name: String,
    content: Option<String>,
}

/// A place in a source. Line and column are counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original<'m> {
    pub source: &'m str,
    pub line: u32,
    pub column: u32,
    /// What stands there, where the generated code calls it otherwise.
    pub name: Option<&'m str>,
    /// The whole source, where the map has it.
    pub content: Option<&'m str>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    version: Option<u64>,
    #[serde(default, rename = "sourceRoot")]
    source_root: Option<String>,
    #[serde(default)]
    sources: Vec<Option<String>>,
    #[serde(default, rename = "sourcesContent")]
    sources_content: Option<Vec<Option<String>>>,
    #[serde(default)]
    names: Vec<serde_json::Value>,
    #[serde(default)]
    mappings: String,
    #[serde(default)]
    sections: Option<Vec<Section>>,
    /// The proposal's name, and the one that Sentry's tools write.
    #[serde(default, rename = "debugId", alias = "debug_id")]
    debug_id: Option<String>,
}

#[derive(Deserialize)]
struct Section {
    offset: Offset,
    #[serde(default)]
    map: Option<Box<Raw>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Offset {
    #[serde(default)]
    line: u32,
    #[serde(default)]
    column: u32,
}

impl SourceMap {
    /// Refuses: what is no JSON object, versions other than 3, mappings that are no base64 VLQ. Linear in the text.
    pub fn parse(text: &[u8]) -> Result<SourceMap, SourceMapError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = match text.strip_prefix(b")]}'") {
            Some(guarded) => guarded.splitn(2, |byte| *byte == b'\n').last().unwrap_or(guarded),
            None => text,
        };
        let raw: Raw = serde_json::from_slice(text).map_err(|error| SourceMapError::Json(error.to_string()))?;
        let mut map = SourceMap { debug_id: raw.debug_id.as_deref().and_then(debug_id), ..SourceMap::default() };
        map.add(raw, Offset::default(), 0)?;
        map.mappings.sort_by_key(|mapping| (mapping.line, mapping.column));
        Ok(map)
    }

    fn add(&mut self, raw: Raw, offset: Offset, depth: usize) -> Result<(), SourceMapError> {
        if depth > SECTIONS_DEPTH_MAX {
            return Err(SourceMapError::TooLarge);
        }
        if let Some(version) = raw.version.filter(|version| *version != 3) {
            return Err(SourceMapError::Version(version));
        }
        for section in raw.sections.into_iter().flatten() {
            let inner = moved(offset, section.offset.line, section.offset.column);
            if let Some(map) = section.map {
                self.add(*map, inner, depth + 1)?;
            }
        }
        let (first_source, first_name) = (self.sources.len() as u32, self.names.len() as u32);
        let root = raw.source_root.unwrap_or_default();
        let mut contents = raw.sources_content.unwrap_or_default().into_iter();
        for source in raw.sources {
            let name = source.unwrap_or_default();
            let name = if root.is_empty() || name.contains("://") || name.starts_with('/') {
                name
            } else {
                format!("{}/{name}", root.trim_end_matches('/'))
            };
            self.sources.push(Source { name, content: contents.next().flatten() });
        }
        let names = raw.names.into_iter().map(|name| match name {
            serde_json::Value::String(name) => name,
            other => other.to_string(),
        });
        self.names.extend(names);
        self.decode(raw.mappings.as_bytes(), offset, first_source, first_name)
    }

    fn decode(&mut self, text: &[u8], offset: Offset, first_source: u32, first_name: u32) -> Result<(), SourceMapError> {
        let (mut line, mut column) = (0_u32, 0_i64);
        let (mut source, mut original_line, mut original_column, mut name) = (0_i64, 0_i64, 0_i64, 0_i64);
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                b';' => {
                    (line, column, at) = (line.saturating_add(1), 0, at + 1);
                    continue;
                }
                b',' => {
                    at += 1;
                    continue;
                }
                _ => {}
            }
            let began = at;
            let (mut fields, mut count) = ([0_i64; 5], 0);
            while at < text.len() && !matches!(text[at], b',' | b';') {
                let (value, next) = vlq(text, at).ok_or(SourceMapError::Mappings(at))?;
                *fields.get_mut(count).ok_or(SourceMapError::Mappings(began))? = value;
                (count, at) = (count + 1, next);
            }
            column = column.saturating_add(fields[0]);
            let original = if count >= 4 {
                source = source.saturating_add(fields[1]);
                original_line = original_line.saturating_add(fields[2]);
                original_column = original_column.saturating_add(fields[3]);
                name = name.saturating_add(if count == 5 { fields[4] } else { 0 });
                let part = |value: i64| u32::try_from(value).map_err(|_| SourceMapError::Mappings(began));
                let named = if count == 5 { Some(part(name)?.saturating_add(first_name)) } else { None };
                let source = part(source)?.saturating_add(first_source);
                Some(Place { source, line: part(original_line)?, column: part(original_column)?, name: named })
            } else {
                None
            };
            let generated = u32::try_from(column).map_err(|_| SourceMapError::Mappings(began))?;
            let place = moved(offset, line, generated);
            if self.mappings.len() >= MAPPINGS_MAX {
                return Err(SourceMapError::TooLarge);
            }
            self.mappings.push(Mapping { line: place.line, column: place.column, original });
        }
        Ok(())
    }

    /// What people wrote where a stack says `line:column`, both counted from one. Cost: logarithmic.
    pub fn original(&self, line: u32, column: u32) -> Option<Original<'_>> {
        let (line, column) = (line.checked_sub(1)?, column.saturating_sub(1));
        let after = self.mappings.partition_point(|mapping| (mapping.line, mapping.column) <= (line, column));
        let mapping = self.mappings[..after].last().filter(|mapping| mapping.line == line)?;
        let place = mapping.original?;
        let source = self.sources.get(place.source as usize)?;
        Some(Original {
            source: &source.name,
            line: place.line.saturating_add(1),
            column: place.column.saturating_add(1),
            name: place.name.and_then(|name| self.names.get(name as usize)).map(String::as_str),
            content: source.content.as_deref(),
        })
    }

    pub fn sources(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    /// The id that it shares with the script it is of, whatever version and address that has.
    pub fn debug_id(&self) -> Option<&str> {
        self.debug_id.as_deref()
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        let texts = self.sources.iter().map(|source| source.name.len() + source.content.as_ref().map_or(0, String::len));
        self.mappings.len() * size_of::<Mapping>() + texts.sum::<usize>() + self.names.iter().map(String::len).sum::<usize>()
    }
}

/// A debug id as they are compared: 32 hex digits in lower case, without dashes.
pub fn debug_id(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|character| *character != '-').map(|digit| digit.to_ascii_lowercase()).collect();
    (digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(digits)
}

/// Where something lies inside of a section: columns count from the section's own only in its first line.
fn moved(offset: Offset, line: u32, column: u32) -> Offset {
    let column = if line == 0 { column.saturating_add(offset.column) } else { column };
    Offset { line: line.saturating_add(offset.line), column }
}

/// One number, and where the next begins.
fn vlq(text: &[u8], mut at: usize) -> Option<(i64, usize)> {
    let (mut value, mut shift) = (0_i64, 0);
    loop {
        let digit = i64::from(match *text.get(at)? {
            byte @ b'A'..=b'Z' => byte - b'A',
            byte @ b'a'..=b'z' => byte - b'a' + 26,
            byte @ b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        });
        at += 1;
        value |= (digit & 31) << shift;
        if digit & 32 == 0 {
            let magnitude = value >> 1;
            return Some((if value & 1 == 1 { -magnitude } else { magnitude }, at));
        }
        shift += 5;
        if shift > 35 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `function buy(cart){throw new Error(cart)}` on two lines, minified to one.
    const MAP: &str = r#"{"version": 3, "sourceRoot": "src", "sources": ["shop.ts", "webpack://x/lib.ts"], "names": ["buy", "cart"],
        "sourcesContent": ["function buy(cart) {\n  throw new Error(cart);\n}\n", null], "mappings": "AAAA,SAASA,GAAIC,EACX,MAAM;ACAA"}"#;

    #[test]
    fn places_are_found() {
        let map = SourceMap::parse(MAP.as_bytes()).unwrap();
        let told = |line, column| map.original(line, column).map(|place| (place.source, place.line, place.column, place.name));
        let cases = [
            ((1, 1), Some(("src/shop.ts", 1, 1, None))),
            ((1, 10), Some(("src/shop.ts", 1, 10, Some("buy")))),
            ((1, 12), Some(("src/shop.ts", 1, 10, Some("buy")))),
            ((1, 13), Some(("src/shop.ts", 1, 14, Some("cart")))),
            ((1, 400), Some(("src/shop.ts", 2, 9, None))),
            ((2, 1), Some(("webpack://x/lib.ts", 2, 9, None))),
            ((3, 1), None),
            ((0, 1), None),
        ];
        for ((line, column), expected) in cases {
            assert_eq!(told(line, column), expected, "{line}:{column}");
        }
        assert!(map.original(1, 1).unwrap().content.unwrap().contains("throw"));
        assert_eq!(map.sources().len(), 2);
        assert!(map.bytes() > 100);
    }

    #[test]
    fn debug_ids_are_read_under_both_names() {
        let of = |member: &str| {
            let map = SourceMap::parse(format!(r#"{{"version": 3, {member}}}"#).as_bytes()).unwrap();
            map.debug_id().map(str::to_owned)
        };
        let expected = Some("85314830023f4cf1a26702d94cb6d5d1".to_owned());
        assert_eq!(of(r#""debug_id": "85314830-023F-4cf1-a267-02d94cb6d5d1""#), expected);
        assert_eq!(of(r#""debugId": "85314830023f4cf1a26702d94cb6d5d1""#), expected);
        assert_eq!(of(r#""debugId": "unknown""#), None);
    }

    #[test]
    fn sections_are_moved() {
        let inner = r#"{"version": 3, "sources": ["a.js"], "names": [], "mappings": "AAAA;AACA"}"#;
        let index = format!(
            r#"{{"version": 3, "sections": [{{"offset": {{"line": 0, "column": 0}}, "map": {inner}}}, {{"offset": {{"line": 4, "column": 10}}, "map": {inner}}}]}}"#
        );
        let map = SourceMap::parse(format!(")]}}'\n{index}").as_bytes()).unwrap();
        assert_eq!(map.original(2, 3).unwrap().line, 2);
        assert_eq!(map.original(5, 11).unwrap().line, 1);
        assert!(map.original(5, 10).is_none());
        assert_eq!(map.original(6, 1).unwrap().line, 2);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| SourceMap::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(wrong("x").contains("as JSON"));
        assert_eq!(wrong(r#"{"version": 2}"#), "cannot read a source map of version 2: expected 3");
        assert_eq!(wrong(r#"{"version": 3, "mappings": "A!"}"#), "cannot read the mappings at byte 1: expected base64 VLQ");
        assert!(wrong(r#"{"version": 3, "mappings": "D"}"#).contains("byte 0"), "before the line's beginning");
    }

    proptest::proptest! {
        #[test]
        fn no_mappings_panic(mappings in "[A-Za-z0-9+/,;!]{0,80}", line in 0_u32..5, column in 0_u32..50) {
            let text = format!(r#"{{"version": 3, "sources": ["a"], "names": ["n"], "mappings": "{mappings}"}}"#);
            if let Ok(map) = SourceMap::parse(text.as_bytes()) {
                let _ = map.original(line, column);
            }
        }
    }
}
