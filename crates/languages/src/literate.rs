//! Test cases as prose: Markdown files whose fenced blocks are questions and the answers they must get.
//!
//! A block tagged as an answer belongs to the question above it. `UPDATE_EXPECT=1` writes the answers of the run into the
//! files; read that diff as carefully as code.

use std::fmt::Write;
use std::path::{Path, PathBuf};

const ANSWER_TAGS: [&str; 15] = [
    "expr",
    "unknown",
    "error",
    "rewritten",
    "read",
    "predicates",
    "condition",
    "necessary",
    "matches",
    "exact",
    "plan",
    "then",
    "unmasked",
    "columns",
    "value",
];

enum Piece {
    Prose(String),
    Block { tag: String, body: String },
}

/// Asks `answer` every block of every file of `fixtures/queries/<language>` that is not itself an answer; returns how many
/// questions there were. A block without answers, such as a schema, gets `None`.
#[allow(clippy::disallowed_methods, reason = "UPDATE_EXPECT is how snapshot tests are told to write")]
pub fn check(language: &str, mut answer: impl FnMut(&str, &str) -> Option<Vec<(&'static str, String)>>) -> usize {
    let folder = Path::new("../../fixtures/queries").join(language);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut questions = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let found = std::fs::read_to_string(file).unwrap();
        let mut expected = String::new();
        let mut pending_break = false;
        for piece in pieces(&found) {
            match piece {
                Piece::Prose(prose) => {
                    // Blank lines between a question and its answers are laid anew with the answers.
                    let prose = if pending_break { prose.trim_start_matches('\n') } else { &prose };
                    if pending_break && !prose.is_empty() {
                        expected.push('\n');
                    }
                    pending_break &= prose.is_empty();
                    expected.push_str(prose);
                }
                Piece::Block { tag, .. } if ANSWER_TAGS.contains(&tag.as_str()) => {}
                Piece::Block { tag, body } => {
                    if pending_break {
                        expected.push('\n');
                    }
                    write!(expected, "```{tag}\n{body}```\n").unwrap();
                    let answers = answer(&tag, &body);
                    questions += usize::from(answers.is_some());
                    for (tag, text) in answers.unwrap_or_default() {
                        write!(expected, "```{tag}\n{}\n```\n", text.trim_end()).unwrap();
                    }
                    pending_break = true;
                }
            }
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() && expected != found {
            std::fs::write(file, &expected).unwrap();
        } else if expected != found {
            let line = expected.lines().zip(found.lines()).position(|(left, right)| left != right).unwrap_or(0);
            let around = |text: &str| text.lines().skip(line.saturating_sub(6)).take(14).collect::<Vec<_>>().join("\n");
            panic!(
                "{}:{} is not what the run says (UPDATE_EXPECT=1 writes it)\n--- run\n{}\n--- file\n{}",
                file.display(),
                line + 1,
                around(&expected),
                around(&found)
            );
        }
    }
    questions
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut prose = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else {
            prose.push_str(line);
            prose.push('\n');
            continue;
        };
        pieces.push(Piece::Prose(std::mem::take(&mut prose)));
        let body = lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |body, line| body + line + "\n");
        pieces.push(Piece::Block { tag: tag.to_owned(), body });
    }
    pieces.push(Piece::Prose(prose));
    pieces
}

/// Reads `name: type` lines into a schema; the types are the store's.
pub fn schema(lines: &str) -> datafusion_common::arrow::datatypes::Schema {
    use datafusion_common::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    let fields = lines.lines().map(|line| {
        let (name, data_type) = line.rsplit_once(": ").unwrap();
        let data_type = match data_type {
            "string" => DataType::Utf8,
            "int64" => DataType::Int64,
            "float64" => DataType::Float64,
            "bool" => DataType::Boolean,
            "trace id" => DataType::FixedSizeBinary(16),
            "span id" => DataType::FixedSizeBinary(8),
            "timestamp" => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            other => panic!("no type is called {other}"),
        };
        Field::new(name, data_type, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}
