//! Names near to one that does not exist: what somebody probably meant.

/// Names that an error suggests.
const SUGGESTED_MAX: usize = 3;

/// Characters of a name that are looked at; longer ones are compared by their beginnings.
const COMPARED_CHARS_MAX: usize = 64;

/// The names nearest to `wanted`, nearest first; none when nothing is near.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = plain(wanted);
    let mut near: Vec<(usize, &str)> = names.filter_map(|name| Some((distance_of(&wanted, &plain(name))?, name))).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(SUGGESTED_MAX).map(|(_, name)| name).collect()
}

/// What a person remembers of a name: not its case, and not how its words are joined.
fn plain(name: &str) -> Vec<char> {
    name.chars()
        .take(COMPARED_CHARS_MAX)
        .map(|char| if matches!(char, '_' | '-') { '.' } else { char.to_ascii_lowercase() })
        .collect()
}

/// How far two names are apart, when they are near: typing errors, or that one is a part of the other.
fn distance_of(wanted: &[char], name: &[char]) -> Option<usize> {
    let edits = edits(wanted, name);
    if edits <= 1 + wanted.len().min(name.len()) / 5 {
        return Some(edits);
    }
    let holds = |long: &[char], short: &[char]| short.len() >= 3 && long.windows(short.len()).any(|window| window == short);
    // Farther than any typing error.
    (holds(name, wanted) || holds(wanted, name)).then(|| COMPARED_CHARS_MAX + wanted.len().abs_diff(name.len()))
}

/// Insertions, removals, replacements and swaps of neighbours that make one of the other.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = vec![row + 1; b.len() + 1];
        for (column, to) in b.iter().enumerate() {
            let replaced = last[column] + usize::from(from != to);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *from == b[column - 1] && a[row - 1] == *to {
                best = best.min(before_last[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_near() {
        let names = ["service.name", "service.version", "http.route", "http.response.status_code", "name", "duration_ns", "time"];
        let near = |wanted: &str| nearest(wanted, names.into_iter());
        assert_eq!(near("sevice.name"), ["service.name", "name"]);
        assert_eq!(near("service_name"), ["service.name", "name"]);
        assert_eq!(near("ServiceName"), ["service.name", "name"]);
        assert_eq!(near("duration"), ["duration_ns"]);
        assert_eq!(near("tiem"), ["time"]);
        assert_eq!(near("status_code"), ["http.response.status_code"]);
        assert_eq!(near("completely.else"), Vec::<&str>::new());
        assert_eq!(near(""), Vec::<&str>::new());
    }
}
