//! Shapes of source files: headers, sizes, receivers, the wall clock.

use tidy::{files, report};

/// Longer files have more than one subject. In lines.
const FILE_LINES_MAX: usize = 900;

/// What the header of a receiver tells, in this order.
const RECEIVER_LABELS: [&str; 5] = ["In:", "Spec:", "Out:", "Missing:", "Quirks:"];

/// What reads the wall clock. `clippy.toml` forbids these; the one place of a crate that may carries an exception.
const WALL_CLOCKS: [&str; 2] = ["SystemTime::now()", "Timestamp::now()"];

#[test]
fn rust_files_open_by_saying_what_they_are() {
    let offences: Vec<String> = files(&[".rs"])
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{}: begin with `//! ` and a sentence on what the file is", file.path))
        .collect();
    report("headers", &offences);
}

#[test]
fn receivers_have_the_five_labelled_lines() {
    let mut offences = Vec::new();
    for file in files(&["/mod.rs", "mod.rs"]) {
        let Some(rest) = file.path.strip_prefix("crates/receivers/src/") else { continue };
        // One folder deep: folders inside a receiver are its own business.
        if rest.matches('/').count() != 1 {
            continue;
        }
        let header: Vec<&str> = file.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let labels: Vec<&str> =
            header.iter().filter_map(|line| RECEIVER_LABELS.into_iter().find(|label| line.starts_with(label))).collect();
        if labels != RECEIVER_LABELS {
            offences.push(format!("{}: the header has {labels:?}, expected {RECEIVER_LABELS:?}", file.path));
        }
    }
    report("headers of receivers", &offences);
}

#[test]
fn rust_files_have_one_subject() {
    let offences: Vec<String> = files(&[".rs"])
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(file, lines)| format!("{}: {lines} lines, at most {FILE_LINES_MAX}: split it by subject", file.path))
        .collect();
    report("sizes", &offences);
}

#[test]
fn each_crate_reads_the_wall_clock_in_one_place() {
    let mut readers: Vec<(String, String)> = Vec::new();
    for file in files(&[".rs"]) {
        let mut parts = file.path.split('/');
        let (Some("crates"), Some(name), Some("src")) = (parts.next(), parts.next(), parts.next()) else { continue };
        // Unit tests sit below the code.
        let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        let reads = WALL_CLOCKS.iter().map(|clock| code.matches(clock).count()).sum();
        for _ in 0..reads {
            readers.push((name.to_owned(), file.path.clone()));
        }
    }
    let offences: Vec<String> = readers
        .iter()
        .filter(|(name, _)| readers.iter().filter(|(other, _)| other == name).count() > 1)
        .map(|(name, path)| format!("{path}: take the time from the one place of `{name}` that reads the clock"))
        .collect();
    report("wall clocks", &offences);
}
