//! Grouping exceptions: which occurrences are the same error, whoever reported it.
//!
//! OpenTelemetry, X-Ray and Rollbar tell of one error in three ways. What they have in common is the type of the root
//! cause and the application's own calls; so that is the fingerprint. Line numbers, messages, folders of deployment and
//! wrappers are left out. Only without frames does the message decide, as a template.

pub mod rules;

use sha1::{Digest, Sha1};
use xxhash_rust::xxh3::xxh3_128;

use crate::stacktrace::{self, Frame, Language, Link};
use crate::template::message_template;

/// Kept in front of every fingerprint: a better algorithm gets a new number and applies to new errors only.
///
/// 2: an error in a browser is not the server's of the same name; file names that say little are known in every language;
/// calls are told apart as they are written down, so that what compilers add to a name is no difference.
pub const ALGORITHM_VERSION: u8 = 2;

/// Algorithms that made items which go on; see [`earlier_fingerprints`].
const EARLIER_VERSIONS: [u8; 1] = [1];

/// A client's fingerprint up to this length is used as it is; a longer one becomes its SHA-1, which has as many digits.
/// Rollbar's rule.
pub const CLIENT_FINGERPRINT_CHARS_MAX: usize = 40;

/// What stands in a client's fingerprint, or in a rule's, for ours.
pub const DEFAULT_FINGERPRINT: &str = "{{default_fingerprint}}";

/// Calls that count, from the place that raised outwards. Recursion repeats frames, and repeated ones count once.
const FRAMES_MAX: usize = 50;

/// File names that say little without their folder, without their endings.
const COMMON_FILE_STEMS: &[&str] = &[
    "__init__",
    "admin",
    "base",
    "controller",
    "error",
    "errors",
    "forms",
    "handler",
    "handlers",
    "helpers",
    "index",
    "layout",
    "lib",
    "mod",
    "models",
    "page",
    "route",
    "routes",
    "serializers",
    "service",
    "tasks",
    "types",
    "util",
    "utils",
    "views",
];

/// Those that version 1 knew.
const COMMON_FILE_NAMES: &[&str] = &[
    "__init__.py",
    "views.py",
    "models.py",
    "utils.py",
    "tasks.py",
    "serializers.py",
    "forms.py",
    "admin.py",
    "base.py",
    "index.js",
    "index.ts",
    "index.jsx",
    "index.tsx",
    "index.mjs",
    "utils.js",
    "utils.ts",
    "route.ts",
    "route.js",
    "page.tsx",
    "page.jsx",
    "layout.tsx",
    "handler.js",
    "handler.ts",
    "mod.rs",
    "lib.rs",
    "error.rs",
    "index.php",
    "utils.go",
    "handler.go",
];

/// The value of `error.group`: a client's own fingerprint, else [`ALGORITHM_VERSION`] and a hash, 34 hex digits.
///
/// `language_hint` is the resource's `telemetry.sdk.language`. Cost: linear in the stack text.
pub fn fingerprint(exception: &model::Exception<'_>, language_hint: Option<&str>) -> String {
    match exception.fingerprint.as_deref().map(str::trim) {
        Some(own) if own.contains(DEFAULT_FINGERPRINT) => {
            client_fingerprint(&own.replace(DEFAULT_FINGERPRINT, &of_version(ALGORITHM_VERSION, exception, language_hint)))
        }
        Some(own) if !own.is_empty() => client_fingerprint(own),
        _ => of_version(ALGORITHM_VERSION, exception, language_hint),
    }
}

/// What earlier algorithms made of an exception, latest first: an item of theirs keeps its occurrences. None where the
/// client has a fingerprint of its own.
pub fn earlier_fingerprints(exception: &model::Exception<'_>, language_hint: Option<&str>) -> Vec<String> {
    if exception.fingerprint.as_deref().is_some_and(|own| !own.trim().is_empty()) {
        return Vec::new();
    }
    EARLIER_VERSIONS.iter().map(|version| of_version(*version, exception, language_hint)).collect()
}

fn of_version(version: u8, exception: &model::Exception<'_>, language_hint: Option<&str>) -> String {
    let identity = what_identifies(version, exception, language_hint);
    format!("{version:02x}{:032x}", xxh3_128(identity.as_bytes()))
}

/// A fingerprint that somebody chose, as it is kept.
pub fn client_fingerprint(own: &str) -> String {
    if own.chars().count() <= CLIENT_FINGERPRINT_CHARS_MAX {
        return own.to_owned();
    }
    Sha1::digest(own.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text that is hashed: the type, then a line per call or the template of the message.
fn what_identifies(version: u8, exception: &model::Exception<'_>, language_hint: Option<&str>) -> String {
    let parsed = stacktrace::parse(&exception.stacktrace, language_hint);
    let calls = calls_to_root_cause(&parsed.links);
    let told = match version {
        1 => calls_that_count(&calls).into_iter().map(|frame| call(version, parsed.language, frame)).collect(),
        _ => different_calls(version, parsed.language, &calls),
    };
    let (r#type, message) = root_cause(exception, &parsed.links);
    let mut identity = type_without_package(r#type).to_owned();
    if told.is_empty() {
        identity.push_str("\nmessage ");
        identity.push_str(&message_template(message));
    } else if version > 1 && calls.iter().any(|frame| is_of_a_page(frame.file)) {
        identity.push_str("\nin a page");
    }
    for call in told {
        identity.push('\n');
        identity.push_str(&call);
    }
    identity
}

/// Type and message of the innermost exception that says its type; the row's own where the text is silent.
fn root_cause<'a>(exception: &'a model::Exception<'_>, links: &[Link<'a>]) -> (&'a str, &'a str) {
    match links.last() {
        Some(root) if links.len() > 1 && !root.r#type.is_empty() => (root.r#type, root.message),
        _ => (&exception.r#type, &exception.message),
    }
}

/// The calls from the entry of the program to the place where the root cause was raised.
///
/// A cause's own frames may begin only where it was caught (Python, Rollbar); what called that place is found in the
/// exception that wrapped it. So the error is told alike, wrapped or not.
fn calls_to_root_cause<'a>(links: &[Link<'a>]) -> Vec<Frame<'a>> {
    let mut calls: Vec<Frame<'a>> = Vec::new();
    for link in links.iter().filter(|link| !link.frames.is_empty()) {
        let entry = &link.frames[0];
        let caught_at = calls.iter().rposition(|outer| outer.file == entry.file && outer.function == entry.function);
        calls.truncate(caught_at.unwrap_or(0));
        calls.extend_from_slice(&link.frames);
    }
    calls
}

/// The application's own calls, or all where none is; innermost first, each once.
fn calls_that_count<'f, 'a>(calls: &'f [Frame<'a>]) -> Vec<&'f Frame<'a>> {
    let any_in_app = calls.iter().any(|frame| frame.in_app);
    let mut counted: Vec<&Frame<'a>> = Vec::new();
    for frame in calls.iter().rev().filter(|frame| frame.in_app || !any_in_app) {
        let repeated = counted.iter().any(|known| known.file == frame.file && known.function == frame.function);
        if !repeated && counted.len() < FRAMES_MAX {
            counted.push(frame);
        }
    }
    counted
}

/// The same, told apart as they are written down: frames of recursion may differ in what a compiler added to their names.
fn different_calls(version: u8, language: Language, calls: &[Frame<'_>]) -> Vec<String> {
    let any_in_app = calls.iter().any(|frame| frame.in_app);
    let mut told: Vec<String> = Vec::new();
    for frame in calls.iter().rev().filter(|frame| frame.in_app || !any_in_app) {
        let call = call(version, language, frame);
        if told.len() < FRAMES_MAX && !told.contains(&call) {
            told.push(call);
        }
    }
    told
}

/// Whether a page loaded the file, rather than a server.
fn is_of_a_page(file: &str) -> bool {
    ["http://", "https://", "webpack-internal:", "blob:"].iter().any(|start| file.starts_with(start))
}

/// Some clients send `requests.exceptions.Timeout`, others `Timeout`.
fn type_without_package(r#type: &str) -> &str {
    r#type.trim().rsplit(['.', ':', '\\', '/']).next().unwrap_or_default()
}

/// One call, the same in every client's spelling and after every deployment.
fn call(version: u8, language: Language, frame: &Frame<'_>) -> String {
    let function = function_name(language, frame.function);
    // The JVM's and .NET's names are whole, and their files are not always sent.
    let whole_name = matches!(language, Language::Java | Language::DotNet) && function.contains('.');
    let file = if whole_name { String::new() } else { file_name(version, frame.file) };
    format!("{file} {function}")
}

/// The function's name without what compilers and printers add to it.
fn function_name(language: Language, function: &str) -> String {
    let name = match language {
        Language::JavaScript => javascript_name(function),
        Language::Ruby => ruby_name(function),
        Language::Java => function.split("$$").next().unwrap_or_default(),
        Language::Rust => rust_name(function),
        Language::DotNet => return dotnet_name(function),
        _ => function,
    };
    match name {
        "<unknown>" | "?" | "{closure}" => String::new(),
        _ => without_numbers(name),
    }
}

fn javascript_name(function: &str) -> &str {
    let name = function.strip_prefix("async ").unwrap_or(function);
    let name = name.strip_prefix("new ").unwrap_or(name);
    let name = name.split(" [as ").next().unwrap_or_default();
    match name {
        "<anonymous>" | "anonymous" | "(anonymous)" | "[anonymous]" | "Object.<anonymous>" | "Anonymous function" => "",
        _ => name.trim_end_matches("/<"),
    }
}

/// `block (2 levels) in Shop#buy` and `Shop#buy` are `buy`: older Rubies print no class.
fn ruby_name(function: &str) -> &str {
    let name = function.rsplit(" in ").next().unwrap_or_default();
    name.rsplit(['#', '.']).next().unwrap_or_default()
}

fn rust_name(function: &str) -> &str {
    match function.rsplit_once("::h") {
        Some((name, digits)) if digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => function,
    }
}

/// `Shop.Web.<Run>d__5.MoveNext` is what the compiler makes of `Shop.Web.Run`.
fn dotnet_name(function: &str) -> String {
    let Some((class, rest)) = function.split_once('<') else { return without_numbers(function) };
    let Some((method, _)) = rest.rsplit_once('<').map_or(rest, |(_, method)| method).split_once('>') else {
        return without_numbers(function);
    };
    without_numbers(&format!("{}.{method}", class.trim_end_matches('.')))
}

/// Numbers of lambdas and proxies, and any of two digits or more, change from build to build.
fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(&rest[..start]);
        if digits == 1 && !out.ends_with('$') {
            out.push_str(&rest[start..=start]);
        }
        rest = &rest[start + digits..];
    }
    out.push_str(rest);
    out
}

/// The last part of a path, with its folder where the name alone says little, without the hashes of bundlers.
fn file_name(version: u8, file: &str) -> String {
    let path = file.split(['?', '#']).next().unwrap_or_default().replace('\\', "/");
    let mut parts = path.rsplit('/');
    let name = without_build_hash(parts.next().unwrap_or_default());
    match parts.next() {
        Some(folder) if is_common(version, &name) => format!("{folder}/{name}"),
        _ => name,
    }
}

fn is_common(version: u8, name: &str) -> bool {
    match version {
        1 => COMMON_FILE_NAMES.contains(&name),
        _ => COMMON_FILE_STEMS.contains(&name.split('.').next().unwrap_or_default()),
    }
}

/// `main.3f2a9c1b.js` and `chunk-AB12CD34.js` change with every build.
fn without_build_hash(name: &str) -> String {
    let Some((stem, extension)) = name.rsplit_once('.').filter(|(_, extension)| matches!(*extension, "js" | "mjs" | "cjs"))
    else {
        return name.to_owned();
    };
    let is_hash = |part: &str| {
        let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
        let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        has_digit && ((is_hex && part.len() >= 6) || (part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_alphanumeric())))
    };
    let kept: Vec<&str> = stem.split(['.', '-', '_']).filter(|part| !is_hash(part)).collect();
    format!("{}.{extension}", kept.join("."))
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
