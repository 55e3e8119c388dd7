//! How well errors are told apart: every two occurrences of the labelled corpus, and of the captures beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::fingerprint;

/// What both precision and recall have to reach.
const SHARE_MIN: f64 = 0.98;

struct Labelled {
    label: String,
    group: String,
    text: String,
}

fn occurrence(label: &str, r#type: &str, message: &str, stacktrace: &str, language: &str) -> Labelled {
    let exception = model::Exception {
        r#type: r#type.into(),
        message: message.into(),
        stacktrace: stacktrace.into(),
        ..model::Exception::default()
    };
    let group = fingerprint(&exception, Some(language));
    Labelled { label: label.to_owned(), group, text: format!("{type}: {message}\n{stacktrace}") }
}

/// `@@ label`, `type: …`, `message: …`, then the stack text, until the next.
fn corpus() -> Vec<Labelled> {
    let mut out = Vec::new();
    let mut files: Vec<_> = fs::read_dir("../../fixtures/grouping/corpus").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "txt")) {
        let language = path.file_stem().unwrap().to_string_lossy().replace("browser", "webjs");
        let text = fs::read_to_string(path).unwrap();
        for part in text.split("@@ ").skip(1) {
            let mut lines = part.splitn(4, '\n');
            let mut line = |start: &str| lines.next().unwrap().strip_prefix(start).unwrap_or_else(|| panic!("{start} in {part}"));
            let (label, r#type, message) = (line(""), line("type:").trim(), line("message:").trim());
            out.push(occurrence(label, r#type, message, lines.next().unwrap_or_default().trim_end(), &language));
        }
    }
    out
}

/// Errors that three vendors told. X-Ray's ten frames of `key-error` miss the application: it is an error of its own.
fn captures() -> Vec<Labelled> {
    let cases = [("name-error", "NameError", "name 'ShowActivity' is not defined"), ("key-error", "KeyError", "'message'")];
    let mut out = Vec::new();
    for (case, r#type, message) in cases {
        let folder = Path::new("../../fixtures/grouping").join(case);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_cut = case == "key-error" && path.to_string_lossy().contains("xray");
            let label = format!("{case}{}", if is_cut { " as X-Ray saw it" } else { "" });
            out.push(occurrence(&label, r#type, message, &fs::read_to_string(&path).unwrap(), "python"));
        }
    }
    out
}

#[test]
fn pairs_are_together_that_belong_together() {
    let all: Vec<Labelled> = corpus().into_iter().chain(captures()).collect();
    assert!(all.len() >= 300, "{} occurrences", all.len());
    let (mut together, mut wrongly_together, mut wrongly_apart) = (0_u64, 0_u64, 0_u64);
    let mut wrong: BTreeMap<(String, String), (u64, String)> = BTreeMap::new();
    for (place, left) in all.iter().enumerate() {
        for right in &all[place + 1..] {
            let told = match (left.label == right.label, left.group == right.group) {
                (true, true) => {
                    together += 1;
                    continue;
                }
                (false, false) => continue,
                (false, true) => {
                    wrongly_together += 1;
                    "together"
                }
                (true, false) => {
                    wrongly_apart += 1;
                    "apart"
                }
            };
            let key = (left.label.clone(), format!("{told} with {}", right.label));
            let entry = wrong.entry(key).or_insert_with(|| (0, format!("{}\n--\n{}", left.text, right.text)));
            entry.0 += 1;
        }
    }
    let precision = together as f64 / (together + wrongly_together) as f64;
    let recall = together as f64 / (together + wrongly_apart) as f64;
    let labels: std::collections::BTreeSet<&str> = all.iter().map(|labelled| labelled.label.as_str()).collect();
    println!("{} occurrences of {} errors: precision {precision:.4}, recall {recall:.4}", all.len(), labels.len());
    for ((left, right), (count, example)) in &wrong {
        println!("{count} pairs: {left} wrongly {right}\n{example}\n");
    }
    assert!(precision > SHARE_MIN, "precision {precision:.4}");
    assert!(recall > SHARE_MIN, "recall {recall:.4}");
}
