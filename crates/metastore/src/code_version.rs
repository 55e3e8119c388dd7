//! Versions of code as people name them: numbers, dotted numbers, hashes of commits.

use std::cmp::Ordering;

/// How two versions stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionOrder {
    Older,
    Same,
    Newer,
    /// Hashes of commits and names tell no order.
    Unknown,
}

/// How `left` stands to `right`. Whole and dotted numbers are compared number by number, with or without a `v` before
/// them; a suffix after a dash is older than none, as in semantic versions. Of hashes, one may be the other's beginning.
pub fn compare_versions(left: &str, right: &str) -> VersionOrder {
    let (left, right) = (left.trim(), right.trim());
    if left.eq_ignore_ascii_case(right) || is_beginning_of_hash(left, right) || is_beginning_of_hash(right, left) {
        return VersionOrder::Same;
    }
    match (Numbered::read(left), Numbered::read(right)) {
        (Some(left), Some(right)) => match left.cmp(&right) {
            Ordering::Less => VersionOrder::Older,
            Ordering::Equal => VersionOrder::Same,
            Ordering::Greater => VersionOrder::Newer,
        },
        _ => VersionOrder::Unknown,
    }
}

/// The shortest beginning that Git itself prints.
const HASH_CHARS_MIN: usize = 7;

fn is_beginning_of_hash(short: &str, long: &str) -> bool {
    let is_hex = long.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex && short.len() >= HASH_CHARS_MIN && long.len() == 40 && long.starts_with(short)
}

/// `1.10.0-rc.2` as numbers, whether it is final, and its suffix.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Numbered<'a> {
    numbers: Vec<u64>,
    is_final: bool,
    suffix: Vec<Part<'a>>,
}

/// Numbers come before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Numbered<'a> {
    fn read(text: &'a str) -> Option<Numbered<'a>> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split('+').next().unwrap_or_default();
        let (numbers, suffix) = text.split_once('-').map_or((text, None), |(numbers, suffix)| (numbers, Some(suffix)));
        let mut numbers: Vec<u64> = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        let parts = suffix.unwrap_or_default().split('.');
        let suffix_parts = parts.map(|part| part.parse().map_or(Part::Word(part), Part::Number)).collect();
        Some(Numbered { numbers, is_final: suffix.is_none(), suffix: suffix_parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_people_mean_them() {
        use VersionOrder::{Newer, Older, Same, Unknown};
        let sha = "4f2a9c1b4f2a9c1b4f2a9c1b4f2a9c1b4f2a9c1b";
        let cases = [
            ("1.10.0", "1.9.9", Newer),
            ("v1.2", "1.2.0", Same),
            ("1.2.0-rc.1", "1.2.0", Older),
            ("1.2.0-rc.10", "1.2.0-rc.9", Newer),
            ("1.2.0+build5", "1.2.0+build6", Same),
            ("41", "100", Older),
            (sha, "4f2a9c1", Same),
            ("4F2A9C1", "4f2a9c1", Same),
            (sha, "aaaaaaa", Unknown),
            ("spring", "autumn", Unknown),
            ("1.0", "spring", Unknown),
            ("", "", Same),
        ];
        for (left, right, expected) in cases {
            assert_eq!(compare_versions(left, right), expected, "{left} and {right}");
            let mirrored = match expected {
                Newer => Older,
                Older => Newer,
                same => same,
            };
            assert_eq!(compare_versions(right, left), mirrored, "{right} and {left}");
        }
    }
}
