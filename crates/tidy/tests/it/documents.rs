//! Documents: what they point at exists.

use tidy::{SourceFile, anchors, files, links, report, root};

#[test]
fn relative_links_resolve() {
    let documents = files(&[".md"]);
    let mut offences = Vec::new();
    for document in &documents {
        for link in links(&document.text) {
            if let Some(problem) = broken(&documents, document, &link.target) {
                offences.push(format!("{}:{}: {problem}", document.path, link.line));
            }
        }
    }
    report("links", &offences);
}

/// What is wrong with a link; nothing when it leads somewhere, or leaves the project.
fn broken(documents: &[SourceFile], from: &SourceFile, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { from.path.clone() } else { resolve(&from.path, path) };
    if !root().join(&path).exists() {
        return Some(format!("{target:?} leads to {path:?}, which is not there"));
    }
    let document = documents.iter().find(|document| document.path == path)?;
    let is_there = anchor.is_empty() || anchors(&document.text).iter().any(|known| known == anchor);
    (!is_there).then(|| format!("{path} has no heading for {anchor:?}"))
}

/// A relative path, seen from a file, as a path from the root.
fn resolve(from: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn decisions_are_numbered_dated_and_listed() {
    let documents = files(&[".md"]);
    let index = documents.iter().find(|document| document.path == "docs/adr/README.md");
    let index = index.map(|document| document.text.as_str()).unwrap_or_default();
    let mut offences = Vec::new();
    let decisions = documents.iter().filter(|document| document.path.starts_with("docs/adr/0"));
    for (number, decision) in decisions.enumerate() {
        let path = &decision.path;
        let name = path.rsplit('/').next().unwrap_or_default();
        if !name.starts_with(&format!("{:04}-", number + 1)) {
            offences.push(format!("{path}: the next free number is {:04}", number + 1));
        }
        if !decision.text.contains("\nDate: 20") {
            offences.push(format!("{path}: needs a line `Date: YYYY-MM-DD`"));
        }
        if !index.contains(name) {
            offences.push(format!("{path}: is not listed in docs/adr/README.md"));
        }
    }
    report("decisions", &offences);
}
