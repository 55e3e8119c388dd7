//! Forms of AWS's query protocol: `MetricData.member.1.Dimensions.member.2.Name=Host` becomes a tree.
//!
//! Lists are `member.N`, maps `entry.N.key` and `entry.N.value`. Every leaf is a text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Pairs that are read: a thousand metrics with thirty dimensions each, and their values, have some 100,000.
const PAIRS_MAX: usize = 400_000;

/// Names within a key that are read; the deepest key of CloudWatch has nine.
const DEPTH_MAX: usize = 24;

#[derive(Default)]
struct Node {
    text: Option<String>,
    members: BTreeMap<String, Node>,
}

/// A form as a tree. What is named twice is what was said last.
pub fn read(body: &[u8]) -> Value {
    let mut root = Node::default();
    for (key, text) in pairs(body) {
        let mut node = &mut root;
        for name in key.split('.').take(DEPTH_MAX) {
            node = node.members.entry(name.to_owned()).or_default();
        }
        node.text = Some(text);
    }
    root.into_value()
}

/// Names and values of a form or of a query, in their order.
pub fn pairs(body: &[u8]) -> Vec<(String, String)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.trim_ascii().is_empty()).take(PAIRS_MAX);
    pairs
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decoded(pair[..at].trim_ascii()), decoded(pair.get(at + 1..).unwrap_or_default().trim_ascii_end()))
        })
        .collect()
}

impl Node {
    fn into_value(self) -> Value {
        let Node { text, mut members } = self;
        if members.is_empty() {
            return text.map_or_else(|| Value::Object(Map::new()), Value::String);
        }
        if members.len() == 1 {
            if let Some(list) = members.remove("member") {
                // Nothing but `Name.member=` is an empty list.
                let mut items: Vec<(u64, Node)> =
                    list.members.into_iter().filter_map(|(at, item)| Some((at.parse().ok()?, item))).collect();
                items.sort_by_key(|(at, _)| *at);
                return Value::Array(items.into_iter().map(|(_, item)| item.into_value()).collect());
            }
            if let Some(map) = members.remove("entry") {
                let entries = map.members.into_values().filter_map(|mut entry| {
                    let key = entry.members.remove("key")?.text?;
                    Some((key, entry.members.remove("value")?.into_value()))
                });
                return Value::Object(entries.collect());
            }
        }
        Value::Object(members.into_iter().map(|(name, node)| (name, node.into_value())).collect())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_are_told_apart() {
        let body = b"Action=X&A.member.2.Name=b&A.member.1.Name=a%20%26&A.member.10=c&M.entry.1.key=k&M.entry.1.value=v&E=\n";
        let expected = serde_json::json!({
            "A": [{ "Name": "a &" }, { "Name": "b" }, "c"], "Action": "X", "E": "", "M": { "k": "v" },
        });
        assert_eq!(read(body), expected);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(0u8.., 0..80), text in "([a-z.]{0,6}(member|entry|1|key)[.=&]){0,8}") {
            let _ = (read(&bytes), read(text.as_bytes()));
        }
    }
}
