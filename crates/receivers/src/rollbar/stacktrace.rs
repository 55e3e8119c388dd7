//! Traces of an item, printed as the language they come from prints them.

use super::wire::{Frame, Trace};

/// How a language prints a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Python,
    Java,
    Ruby,
    Php,
    Go,
    DotNet,
    /// JavaScript, and whatever has no form of its own.
    At,
}

/// The text of a chain of exceptions; empty when the client sent no frames. Equal neighbours are printed once.
///
/// Python prints the root cause first, as it does itself; all others print the latest exception and `Caused by:`.
pub fn stacktrace(traces: &[Trace<'_>], language: &str) -> String {
    if traces.iter().all(|trace| trace.frames().next().is_none()) {
        return String::new();
    }
    let form = form(traces, language);
    let mut different = traces.to_vec();
    different.dedup();
    if form == Form::Python {
        different.reverse();
        let texts: Vec<String> = different.into_iter().map(python).collect();
        return texts.join("\n\nThe above exception was the direct cause of the following exception:\n\n");
    }
    let texts: Vec<String> = different.into_iter().map(|trace| newest_first(trace, form)).collect();
    texts.join("\nCaused by: ")
}

fn form(traces: &[Trace<'_>], language: &str) -> Form {
    let word: String = language.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '#' || *c == '.').collect();
    match word.to_ascii_lowercase().as_str() {
        "python" => Form::Python,
        "java" | "kotlin" | "scala" => Form::Java,
        "ruby" => Form::Ruby,
        "php" => Form::Php,
        "go" | "golang" => Form::Go,
        "c#" | "csharp" | "dotnet" | ".net" => Form::DotNet,
        "javascript" | "typescript" => Form::At,
        _ => form_from_files(traces),
    }
}

fn form_from_files(traces: &[Trace<'_>]) -> Form {
    let endings = [
        (".py", Form::Python),
        (".java", Form::Java),
        (".kt", Form::Java),
        (".rb", Form::Ruby),
        (".php", Form::Php),
        (".go", Form::Go),
        (".cs", Form::DotNet),
    ];
    let mut frames = traces.iter().flat_map(|trace| trace.frames());
    let found = frames.find_map(|frame| endings.iter().find(|(ending, _)| frame.filename().ends_with(ending)));
    found.map_or(Form::At, |(_, form)| *form)
}

/// `Type: message`, or whichever of the two there is.
pub fn headline(trace: Trace<'_>) -> String {
    let (class, message) = (trace.exception("class"), trace.exception("message"));
    if class.is_empty() || message.is_empty() { format!("{class}{message}") } else { format!("{class}: {message}") }
}

fn python(trace: Trace<'_>) -> String {
    let mut out = String::from("Traceback (most recent call last):\n");
    for frame in trace.frames() {
        out.push_str(&format!("  File \"{}\"", frame.filename()));
        if let Some(line) = frame.line() {
            out.push_str(&format!(", line {line}"));
        }
        out.push_str(&format!(", in {}\n", method(frame)));
        if !frame.code().is_empty() {
            out.push_str(&format!("    {}\n", frame.code()));
        }
    }
    out.push_str(&headline(trace));
    out
}

fn newest_first(trace: Trace<'_>, form: Form) -> String {
    let mut out = headline(trace);
    for (index, frame) in trace.frames().rev().enumerate() {
        out.push('\n');
        out.push_str(&call(frame, form, index));
    }
    out
}

fn call(frame: Frame<'_>, form: Form, index: usize) -> String {
    let name = qualified(frame, form);
    let file = frame.filename();
    match form {
        Form::Java => format!("\tat {name}({})", place(frame, false)),
        Form::Ruby => format!("\tfrom {}:in '{name}'", place(frame, false)),
        Form::Php => format!("#{index} {file}({}): {name}()", frame.line().unwrap_or_default()),
        Form::Go => format!("{name}()\n\t{}", place(frame, false)),
        Form::DotNet if file.is_empty() => format!("   at {name}()"),
        Form::DotNet => format!("   at {name}() in {file}:line {}", frame.line().unwrap_or_default()),
        Form::Python | Form::At if is_placeholder(frame.method()) => format!("    at {}", place(frame, true)),
        Form::Python | Form::At => format!("    at {name} ({})", place(frame, true)),
    }
}

/// The method with its class in front, where the client sent it apart.
fn qualified(frame: Frame<'_>, form: Form) -> String {
    let (class, method) = (frame.class_name(), method(frame));
    let between = match form {
        Form::Php => "->",
        Form::Ruby => "#",
        _ => ".",
    };
    if class.is_empty() || method.starts_with(class) { method.to_owned() } else { format!("{class}{between}{method}") }
}

fn place(frame: Frame<'_>, with_column: bool) -> String {
    let file = if frame.filename().is_empty() { "<unknown>" } else { frame.filename() };
    match (frame.line(), frame.column().filter(|_| with_column)) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        (Some(line), None) => format!("{file}:{line}"),
        (None, _) => file.to_owned(),
    }
}

fn method(frame: Frame<'_>) -> &str {
    if frame.method().is_empty() { "<unknown>" } else { frame.method() }
}

/// How rollbar.js calls functions without a name.
fn is_placeholder(method: &str) -> bool {
    matches!(method, "" | "<unknown>" | "?" | "[anonymous]" | "(anonymous)")
}
