//! Just enough Markdown to follow a link: inline links, images, reference definitions, and the anchors of headings.

/// A link as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// From 1.
    pub line: usize,
    pub target: String,
}

/// Every link and image of a document, code left out.
pub fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code_spans(line);
        let mut rest = line.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push(Link { line: number, target: target.trim_matches(['<', '>']).to_owned() });
            rest = &rest[end..];
        }
        if let Some((label, target)) = line.split_once("]: ").filter(|(label, _)| label.starts_with('[')) {
            let is_footnote = label.starts_with("[^");
            if let Some(target) = target.split_whitespace().next().filter(|_| !is_footnote) {
                found.push(Link { line: number, target: target.to_owned() });
            }
        }
    }
    found
}

/// The anchors a document's headings make, as GitHub spells them.
pub fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter_map(|(_, line)| {
        let words = line.trim_start_matches('#');
        (words.len() < line.len() && words.starts_with(' ')).then(|| words.trim())
    });
    headings.map(anchor).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// Lines with their numbers, fenced and indented code left out.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_fence = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence && !line.starts_with("    ") {
            lines.push((index + 1, line));
        }
    }
    lines
}

fn without_code_spans(line: &str) -> String {
    line.split('`').enumerate().filter(|(index, _)| index % 2 == 0).map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<String> {
        links(text).into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_are_found_and_code_is_not() {
        assert_eq!(targets("see [a](b.md) and ![c](d.png \"title\")"), ["b.md", "d.png"]);
        assert_eq!(targets("`[a](b.md)` is how"), [""; 0]);
        assert_eq!(targets("```\n[a](b.md)\n```\n[c](d.md)"), ["d.md"]);
        assert_eq!(targets("[a]: b.md\n[^1]: a note"), ["b.md"]);
    }

    #[test]
    fn headings_make_anchors() {
        assert_eq!(anchors("# One request, four vendors\n## `make run`"), ["one-request-four-vendors", "make-run"]);
    }
}
