//! Where fuzzing begins: what real clients sent (`fixtures/wire`), the questions of the manuals (`fixtures/queries`), real
//! stack traces (`fixtures/grouping`), and inputs of the targets' own (`fixtures/fuzz`), among them every one that once failed.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use receivers::{ContentEncoding, Envelope, Headers, Incoming, decompress};
use store::inspect::segment_from_payloads;

/// Larger inputs make each try slow and teach nothing more.
const SEED_BYTES_MAX: usize = 48 * 1024;

/// Bytes of a capture in the clear.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The inputs a target begins with, in a fixed order; empty for a target that does not exist.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "body" => compressed(),
        "cloudwatch_put_log_events" => doored("cloudwatch", |_| Some(vec![0, 1])),
        "honeycomb_json" => Vec::new(),
        "honeycomb_msgpack" => {
            doored("honeycomb", |capture| Some(if capture.is("/1/batch/") { vec![0, 10] } else { vec![1, 9] }))
        }
        "language_filter_pattern" => questions("filter_pattern"),
        "language_insights" => questions("insights"),
        "language_ppl" => questions("ppl"),
        "language_rql" => questions("rql"),
        "language_search" => questions("search"),
        "language_sql" => questions("sql"),
        "language_xray_filter" => questions("xray_filter"),
        "log_patterns" | "log_text" => texts(),
        "otlp_json" => doored("otlp", |capture| otlp_door(capture, true)),
        "otlp_protobuf" => doored("otlp", |capture| otlp_door(capture, false)),
        "rollbar_json" => doored("rollbar", |capture| Some(vec![u8::from(capture.is("deploy"))])),
        "stacktrace" => texts().into_iter().enumerate().map(|(index, text)| with_first(index as u8 % 12, &text)).collect(),
        "wal_replay" => envelopes(),
        "wal_segment" => segments(),
        "xray_datagram" => {
            captures("xray").into_iter().filter(|capture| capture.head.is_empty()).map(|capture| capture.body).collect()
        }
        "xray_documents" => doored("xray", |capture| match capture.head.is_empty() {
            true => None,
            false => Some(vec![u8::from(capture.is("/TelemetryRecords"))]),
        }),
        _ => Vec::new(),
    };
    seeds.extend(files_below(&fixtures().join("fuzz").join(target)).iter().filter_map(|path| own(path)));
    seeds.retain(|seed| seed.len() <= SEED_BYTES_MAX);
    seeds
}

/// Words of a target's protocol, for mutations that keep some sense.
pub fn dictionary(target: &str) -> &'static [&'static str] {
    const JSON: &[&str] = &[
        "null",
        "true",
        "-0",
        "1e400",
        "1e-400",
        "9223372036854775808",
        "\\u0000",
        "\\ud800",
        "[[[[[[",
        "{\"a\":",
        "\"\"",
        "{}",
        "[]",
    ];
    match target {
        "language_sql" => &[
            "SELECT ",
            " FROM spans",
            " WHERE ",
            " JOIN ",
            "WITH x AS (",
            "\"",
            "'",
            "--",
            "/*",
            "http.route",
            " GROUP BY ",
            "$$",
            "E'",
            " UNION ",
            "CASE WHEN ",
            "::",
            "[1:2]",
            ";",
            " NOT ",
            "U&'",
            "service.name",
            "@>",
            "EXPLAIN ",
            "X'0",
            "é",
        ],
        "language_filter_pattern" => &[
            "%",
            "\"",
            "\\",
            " ",
            "?",
            "-",
            "[",
            "]",
            ", ",
            "...",
            "{ ",
            " }",
            "$.a",
            "$.*",
            "[*]",
            "[0]",
            "['a b']",
            " = ",
            " != ",
            " >= ",
            "1e400",
            "-0",
            "4*",
            "&&",
            "||",
            "(",
            ")",
            " IS NULL",
            " NOT EXISTS",
            "{\"a\":[1,2]}",
            "\n",
            "é",
        ],
        "language_insights" => &[
            " | ",
            "fields ",
            "filter ",
            "stats ",
            " by ",
            " as ",
            "sort ",
            " desc",
            "limit ",
            "parse ",
            "SOURCE ",
            "join ",
            " where ",
            "pattern ",
            "diff",
            "unnest ",
            " into ",
            "lookup ",
            " OUTPUT ",
            "appendcols ",
            "count(*)",
            "bin(5m)",
            "(",
            ")",
            "[0]",
            "`",
            "\"",
            "'",
            "/",
            "#",
            "\n",
            " in ",
            " not ",
            " like ",
            "=~",
            "^",
            "-",
            "@message",
            "a.b",
            "1e400",
            "(?<n>.)",
            "é",
        ],
        "language_rql" => &[
            "SELECT ",
            " FROM item_occurrence",
            " FROM deploy",
            " WHERE ",
            " GROUP BY ",
            " ORDER BY ",
            " LIMIT ",
            "count(*)",
            "(",
            ")",
            " DIV ",
            " MOD ",
            " NOT ",
            " IN (",
            " BETWEEN ",
            " LIKE ",
            " IS NULL",
            "`",
            "'",
            "\"",
            "\\",
            "item.counter",
            "timestamp",
            "1e400",
            "9223372036854775808",
            "-0",
            ";",
            "é",
        ],
        "language_search" => &[
            " AND ", " OR ", "NOT ", "-", "(", ")", "!=", ">=", "<", "=", "~", "\"", "\\", "duration", "250ms", "level",
            "status", "service", "trace_id", "*", "is null", "1e400", "é",
        ],
        "language_xray_filter" => &[
            " AND ",
            " OR ",
            "!",
            "(",
            ")",
            "{",
            "}",
            "service(",
            "edge(",
            "id(",
            "name: ",
            "annotation.",
            "annotation[",
            "]",
            "=",
            "!=",
            ">=",
            " CONTAINS ",
            " BEGINSWITH ",
            "\"",
            "'",
            "\\",
            "rootcause.fault.entity { ",
            "rootcause.json = #",
            "[{\"Services\":[",
            "group.name = ",
            "1e400",
            "-0",
            "fault",
            "user",
            "http.url",
            "é",
        ],
        "stacktrace" => &[
            "Traceback (most recent call last):\n",
            "  File \"a.py\", line 1, in f\n",
            "    at f (a.js:1:2)\n",
            "Caused by: ",
            "goroutine 1 [running]:\n",
            "thread 'main' panicked at ",
            "   0: std::panicking\n",
            "#0 ",
            "During handling of the above",
            "\r\n",
            "[native code]",
            "async ",
            "\tat a.b.C.d(C.java:1)\n",
            " in <module>",
            "```",
            "é",
        ],
        "log_patterns" | "log_text" => &[
            "2026-01-02T03:04:05Z",
            "[warn]",
            "level=error",
            "0x",
            "1-58406520-a006649127e371903a2de979",
            "Root=1-",
            ";Parent=",
            "00-",
            "traceparent",
            "trace_id",
            "{\"trace_id\":\"",
            "127.0.0.1",
            "é",
            "-01",
        ],
        "otlp_protobuf" | "body" | "trace_tree" | "wal_segment" | "honeycomb_msgpack" => {
            &["\u{0}", "\u{1}", "\n\u{7f}", "\u{7f}\u{7f}\u{7f}\u{7f}", "\u{12}\u{0}"]
        }
        _ => JSON,
    }
}

/// Seen from where tests run, or from the folder `fuzz`, or from the root.
fn fixtures() -> PathBuf {
    let places = ["../../fixtures", "../fixtures", "fixtures"].map(PathBuf::from);
    places.into_iter().find(|place| place.is_dir()).unwrap_or_default()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// An input of a target's own: as it is, or in base64 when it is no text.
fn own(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("base64") => BASE64.decode(bytes.trim_ascii()).ok(),
        _ => Some(bytes),
    }
}

/// A request as a client sent it.
struct Capture {
    /// The case's folder.
    name: String,
    /// Empty for a datagram.
    head: String,
    raw: Vec<u8>,
    body: Vec<u8>,
}

impl Capture {
    fn is(&self, words: &str) -> bool {
        self.head.lines().next().unwrap_or_default().contains(words)
    }

    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }
}

fn captures(receiver: &str) -> Vec<Capture> {
    let mut captures = Vec::new();
    for path in files_below(&fixtures().join("wire").join(receiver)) {
        let name = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(bytes) = fs::read(&path) else { continue };
        if path.ends_with("request.udp") {
            captures.push(Capture { name, head: String::new(), raw: bytes.clone(), body: bytes });
        } else if path.ends_with("request.http") {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or((bytes.len(), bytes.len()), |at| (at, at + 4));
            let head = String::from_utf8_lossy(&bytes[..end.0]).into_owned();
            let raw = fs::read(path.with_extension("bin")).unwrap_or_else(|_| bytes[end.1..].to_vec());
            let mut capture = Capture { name, head, raw, body: Vec::new() };
            let encoding = ContentEncoding::parse(capture.header("content-encoding")).unwrap_or(ContentEncoding::Identity);
            capture.body = decompress(encoding, &capture.raw, BODY_BYTES_MAX).unwrap_or_default();
            captures.push(capture);
        }
    }
    captures
}

fn with_first(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut input = vec![first];
    input.extend_from_slice(rest);
    input
}

/// A receiver's captures, once for each door that `doors` names.
fn doored(receiver: &str, doors: impl Fn(&Capture) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
    let captures = captures(receiver);
    let inputs = captures
        .iter()
        .flat_map(|capture| doors(capture).unwrap_or_default().into_iter().map(|door| with_first(door, &capture.body)));
    inputs.collect()
}

fn otlp_door(capture: &Capture, json: bool) -> Option<Vec<u8>> {
    let is_json = capture.header("content-type").contains("json");
    let door = ["traces", "logs", "metrics"].iter().position(|signal| capture.name.ends_with(signal))?;
    (is_json == json).then(|| vec![door as u8])
}

fn compressed() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for receiver in ["honeycomb", "otlp"] {
        let gzip = captures(receiver).into_iter().filter(|capture| capture.header("content-encoding") == "gzip");
        inputs.extend(gzip.map(|capture| with_first(0, &capture.raw)));
    }
    inputs
}

/// The envelope as the log has it: its head, and the body behind.
pub(crate) fn written(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut bytes = envelope.encode_head();
    bytes.extend(envelope.incoming.body);
    bytes
}

fn envelopes() -> Vec<Vec<u8>> {
    let mut envelopes = Vec::new();
    for (receiver, endpoint, content_type) in [
        ("cloudwatch", "put_log_events", "application/x-amz-json-1.1"),
        ("honeycomb", "batch", "application/msgpack"),
        ("otlp", "traces", "application/x-protobuf"),
        ("rollbar", "item", "application/json"),
        ("xray", "udp", ""),
    ] {
        for capture in captures(receiver).iter().take(6) {
            let headers =
                Headers(vec![("content-type", content_type), ("x-honeycomb-team", "key"), ("x-rollbar-access-token", "t")]);
            let incoming =
                Incoming { headers, rest: "data", ..Incoming::new(endpoint, 1_767_323_045_678_901_234, &capture.body) };
            envelopes.push(written(&Envelope { project: "default", receiver, incoming }));
        }
    }
    envelopes
}

fn segments() -> Vec<Vec<u8>> {
    let envelopes = envelopes();
    let small: Vec<&[u8]> = envelopes.iter().map(Vec::as_slice).filter(|envelope| envelope.len() < 2_048).take(6).collect();
    let mut segments = vec![segment_from_payloads(&small)];
    segments.extend(small.iter().map(|payload| segment_from_payloads(&[payload])));
    // Lists of payloads, each after its length, for the second reading.
    segments.push(b"\x01\x80\x03abc\x00\x05hello\xffthe rest is shorter than its length".to_vec());
    segments.push(b"\x00\x40\x01a\x01b\x01c\x01d\x04\xc5rec\x08\xc5rec\x00\x00\x00\x00".to_vec());
    segments
}

/// Every question of a language's manual: what stands in fences that are no answers.
fn questions(language: &str) -> Vec<Vec<u8>> {
    let mut questions = Vec::new();
    for path in files_below(&fixtures().join("queries").join(language)) {
        let text = fs::read_to_string(path).unwrap_or_default();
        let fences = text.split("\n```").skip(1).step_by(2);
        questions.extend(fences.filter_map(|fence| fence.split_once('\n')).map(|(_, body)| body.as_bytes().to_vec()));
    }
    questions
}

/// Stack traces and messages as vendors tell them.
fn texts() -> Vec<Vec<u8>> {
    let grouping = files_below(&fixtures().join("grouping"));
    grouping
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter_map(|path| fs::read(path).ok())
        .collect()
}
