//! The text speaks of the project alone: no one's machine, no one's tracker.

use tidy::{files, report};

/// Files that people read: code, scripts, manifests, documents.
const READ_BY_PEOPLE: &[&str] = &[
    ".rs",
    ".md",
    ".toml",
    ".ts",
    ".tsx",
    ".mjs",
    ".css",
    ".html",
    ".py",
    ".sh",
    ".yaml",
    ".yml",
    "Makefile",
    "Dockerfile",
    ".ci/run",
];

#[test]
fn no_file_names_someones_folders() {
    // Written in two parts, so that this file does not find itself.
    let folders = [concat!("/wor", "k/"), concat!("/roo", "t/"), concat!("/home", "/runner"), concat!("/Use", "rs/")];
    let mut offences = Vec::new();
    for file in files(READ_BY_PEOPLE) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(folder) = folders.iter().find(|folder| holds_absolute(line, folder)) {
                offences.push(format!("{}:{}: names {folder:?}: use a relative path", file.path, index + 1));
            }
        }
    }
    report("absolute paths", &offences);
}

/// Whether a line names the folder from the root on, not as a part of a longer path.
fn holds_absolute(line: &str, folder: &str) -> bool {
    let is_path = |c: char| c.is_alphanumeric() || "._-~/}".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(is_path))
}

#[test]
fn no_comment_leans_on_a_tracker() {
    let mut offences = Vec::new();
    for file in files(READ_BY_PEOPLE) {
        for (index, line) in file.text.lines().enumerate() {
            if names_an_issue(line) {
                offences.push(format!("{}:{}: say the reason itself instead of a number", file.path, index + 1));
            }
        }
    }
    report("issue numbers", &offences);
}

/// Whether a line has a `#` and digits after one of the words that trackers use, or an address of a tracker.
fn names_an_issue(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let by_word = ["issue", "issues", "fixes", "closes", "resolves", "pr", "pull request", "bug"].iter().any(|word| {
        let needle = format!("{word} #");
        lower.match_indices(&needle).any(|(at, _)| {
            let starts_a_word = !lower[..at].ends_with(|c: char| c.is_alphanumeric());
            starts_a_word && lower[at + needle.len()..].starts_with(|c: char| c.is_ascii_digit())
        })
    });
    let by_address = ["/issues/", "/pull/"].iter().any(|needle| {
        lower.match_indices(needle).any(|(at, _)| lower[at + needle.len()..].starts_with(|c: char| c.is_ascii_digit()))
    });
    by_word || by_address
}

#[test]
fn issue_numbers_are_told_from_other_numbers() {
    let number = "#12";
    assert!(names_an_issue(&format!("// fixes {number}")));
    assert!(names_an_issue(&format!("see PR {number}")));
    assert!(!names_an_issue(&format!("color: {number}3456;")));
    assert!(!names_an_issue(&format!("express {number}")));
}
