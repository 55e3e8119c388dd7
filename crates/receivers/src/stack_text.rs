//! Calls that a client sent one by one, printed as the language they come from prints a stack.

/// One exception of a chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thrown<'a> {
    pub r#type: &'a str,
    pub message: &'a str,
    /// Oldest call first.
    pub calls: Vec<Call<'a>>,
}

/// One call; what is not known is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call<'a> {
    pub file: &'a str,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub function: &'a str,
    pub class: &'a str,
    /// The line of code.
    pub code: &'a str,
}

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
pub fn stacktrace(chain: &[Thrown<'_>], language: &str) -> String {
    if chain.iter().all(|thrown| thrown.calls.is_empty()) {
        return String::new();
    }
    let form = form(chain, language);
    let mut different = chain.iter().collect::<Vec<_>>();
    different.dedup();
    if form == Form::Python {
        different.reverse();
        let texts: Vec<String> = different.into_iter().map(python).collect();
        return texts.join("\n\nThe above exception was the direct cause of the following exception:\n\n");
    }
    let texts: Vec<String> = different.into_iter().map(|thrown| newest_first(thrown, form)).collect();
    texts.join("\nCaused by: ")
}

fn form(chain: &[Thrown<'_>], language: &str) -> Form {
    let word: String = language.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '#' || *c == '.').collect();
    match word.to_ascii_lowercase().as_str() {
        "python" => Form::Python,
        "java" | "kotlin" | "scala" => Form::Java,
        "ruby" => Form::Ruby,
        "php" => Form::Php,
        "go" | "golang" => Form::Go,
        "c#" | "csharp" | "dotnet" | ".net" => Form::DotNet,
        "javascript" | "typescript" => Form::At,
        _ => form_from_files(chain),
    }
}

fn form_from_files(chain: &[Thrown<'_>]) -> Form {
    let endings = [
        (".py", Form::Python),
        (".java", Form::Java),
        (".kt", Form::Java),
        (".rb", Form::Ruby),
        (".php", Form::Php),
        (".go", Form::Go),
        (".cs", Form::DotNet),
    ];
    let mut calls = chain.iter().flat_map(|thrown| &thrown.calls);
    let found = calls.find_map(|call| endings.iter().find(|(ending, _)| call.file.ends_with(ending)));
    found.map_or(Form::At, |(_, form)| *form)
}

/// `Type: message`, or whichever of the two there is.
pub fn headline(r#type: &str, message: &str) -> String {
    let between = if r#type.is_empty() || message.is_empty() { "" } else { ": " };
    format!("{type}{between}{message}")
}

fn python(thrown: &Thrown<'_>) -> String {
    let mut out = String::from("Traceback (most recent call last):\n");
    for call in &thrown.calls {
        out.push_str(&format!("  File \"{}\"", call.file));
        if let Some(line) = call.line {
            out.push_str(&format!(", line {line}"));
        }
        out.push_str(&format!(", in {}\n", function(call)));
        if !call.code.is_empty() {
            out.push_str(&format!("    {}\n", call.code));
        }
    }
    out.push_str(&headline(thrown.r#type, thrown.message));
    out
}

fn newest_first(thrown: &Thrown<'_>, form: Form) -> String {
    let mut out = headline(thrown.r#type, thrown.message);
    for (index, call) in thrown.calls.iter().rev().enumerate() {
        out.push('\n');
        out.push_str(&printed(call, form, index));
    }
    out
}

fn printed(call: &Call<'_>, form: Form, index: usize) -> String {
    let name = qualified(call, form);
    let file = call.file;
    match form {
        Form::Java => format!("\tat {name}({})", place(call, false)),
        Form::Ruby => format!("\tfrom {}:in '{name}'", place(call, false)),
        Form::Php => format!("#{index} {file}({}): {name}()", call.line.unwrap_or_default()),
        Form::Go => format!("{name}()\n\t{}", place(call, false)),
        Form::DotNet if file.is_empty() => format!("   at {name}()"),
        Form::DotNet => format!("   at {name}() in {file}:line {}", call.line.unwrap_or_default()),
        Form::Python | Form::At if is_placeholder(call.function) => format!("    at {}", place(call, true)),
        Form::Python | Form::At => format!("    at {name} ({})", place(call, true)),
    }
}

/// The method with its class in front, where the client sent it apart.
fn qualified(call: &Call<'_>, form: Form) -> String {
    let (class, method) = (call.class, function(call));
    let between = match form {
        Form::Php => "->",
        Form::Ruby => "#",
        _ => ".",
    };
    if class.is_empty() || method.starts_with(class) { method.to_owned() } else { format!("{class}{between}{method}") }
}

fn place(call: &Call<'_>, with_column: bool) -> String {
    let file = if call.file.is_empty() { "<unknown>" } else { call.file };
    match (call.line, call.column.filter(|_| with_column)) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        (Some(line), None) => format!("{file}:{line}"),
        (None, _) => file.to_owned(),
    }
}

fn function<'a>(call: &Call<'a>) -> &'a str {
    if call.function.is_empty() { "<unknown>" } else { call.function }
}

/// How SDKs call functions without a name.
fn is_placeholder(method: &str) -> bool {
    matches!(method, "" | "<unknown>" | "?" | "[anonymous]" | "(anonymous)")
}
