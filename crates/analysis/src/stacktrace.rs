//! Stack text to frames: what Python, JavaScript, Java, Ruby, Go, .NET, PHP and Rust print, read line by line.
//!
//! One reader serves all languages: every line is tried as a frame, as the head of an exception, or as a line that
//! joins two exceptions; what is none of these (source lines, carets, prose) is passed over. Nothing is refused: text
//! without frames gives a chain without frames. Reading is linear in the text.

mod library;

use crate::stacktrace::library::is_library;

/// Frames of one exception that are read. A stack overflow prints tens of thousands, all alike.
pub const FRAMES_PER_EXCEPTION_MAX: usize = 2_000;

/// Exceptions of one chain that are read; real chains have a handful.
pub const CHAIN_LINKS_MAX: usize = 64;

/// What the shape of the frames tells about where they come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    Python,
    JavaScript,
    /// Also Kotlin and Scala.
    Java,
    Ruby,
    Go,
    DotNet,
    Php,
    Rust,
    #[default]
    Unknown,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// As printed; empty when the language had no name for it.
    pub function: &'a str,
    /// Path, URL or bare file name, as printed; may be empty.
    pub file: &'a str,
    /// Counted from 1.
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// Whether the application's own authors wrote it, as far as path and name tell.
    pub in_app: bool,
}

/// One exception of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link<'a> {
    /// Empty when the text does not say.
    pub r#type: &'a str,
    pub message: &'a str,
    /// Oldest call first, the place that raised last.
    pub frames: Vec<Frame<'a>>,
}

/// A whole stack text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stacktrace<'a> {
    pub language: Language,
    /// The exception that was seen first, its causes after it; the root cause last. Never empty.
    pub links: Vec<Link<'a>>,
}

/// Reads `text`. `language_hint` is `telemetry.sdk.language` where known; it decides only what the shapes leave open.
pub fn parse<'a>(text: &'a str, language_hint: Option<&str>) -> Stacktrace<'a> {
    let mut reader = Reader::default();
    let mut previous = "";
    for line in text.lines() {
        reader.line(line.trim_end(), previous);
        previous = line;
    }
    let language = reader.language.unwrap_or_else(|| language_from_hint(language_hint));
    let mut links = reader.finish();
    for frame in links.iter_mut().flat_map(|link| &mut link.frames) {
        frame.in_app = !is_library(language, frame.file, frame.function);
    }
    Stacktrace { language, links }
}

fn language_from_hint(hint: Option<&str>) -> Language {
    match hint.unwrap_or_default().split_whitespace().next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "python" => Language::Python,
        "javascript" | "nodejs" | "webjs" | "typescript" => Language::JavaScript,
        "java" | "kotlin" | "scala" | "android" => Language::Java,
        "ruby" => Language::Ruby,
        "go" | "golang" => Language::Go,
        "dotnet" | "csharp" | "c#" | ".net" => Language::DotNet,
        "php" => Language::Php,
        "rust" => Language::Rust,
        _ => Language::Unknown,
    }
}

/// How the exceptions of a text follow each other.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    /// Java, JavaScript, Ruby: the outer exception, then `Caused by`.
    #[default]
    OuterFirst,
    /// Python, PHP: the root cause, then what it led to.
    RootFirst,
    /// .NET: all heads outer first, then all frames root first.
    HeadsThenFrames,
}

#[derive(Default)]
struct Reader<'a> {
    language: Option<Language>,
    order: Order,
    /// In the order of the text, frames as well.
    links: Vec<Link<'a>>,
    /// Frames that belong to a `Suppressed:` exception are deeper than this many blanks.
    suppressed_indent: Option<usize>,
    /// .NET: the heads after the first, and where each `End of inner exception` cut the frames.
    inner_heads: Vec<(&'a str, &'a str)>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str, previous: &'a str) {
        let indent = line.len() - line.trim_start().len();
        // Exception groups of Python draw a tree in front of their lines.
        let text = line.trim_start_matches([' ', '\t', '|', '+']);
        if text.is_empty() {
            return;
        }
        if let Some(limit) = self.suppressed_indent {
            if indent > limit {
                return;
            }
            self.suppressed_indent = None;
        }
        if text.starts_with("Suppressed: ") {
            self.suppressed_indent = Some(indent);
            return;
        }
        if self.boundary(text) {
            return;
        }
        if let Some(link) = ruby_head(text) {
            self.language.get_or_insert(Language::Ruby);
            self.push_link(link);
        } else if let Some((language, frame)) = frame(text, line, previous) {
            self.push_frame(language, frame);
        } else if let Some(count) = frames_in_common(text) {
            self.repeat_outer_frames(count);
        } else if self.takes_head(line) {
            self.head(text);
        }
    }

    /// Lines that end one exception and begin another.
    fn boundary(&mut self, text: &'a str) -> bool {
        if text.starts_with("Traceback (most recent call last)") || text.starts_with("Exception Group Traceback") {
            self.language = self.language.or(Some(Language::Python));
            self.order = Order::RootFirst;
            self.push_link(Link::default());
        } else if let Some(head) = text.strip_prefix("Caused by: ").or_else(|| text.strip_prefix("[cause]: ")) {
            let (r#type, message) = split_head(head);
            self.push_link(Link { r#type, message, frames: Vec::new() });
        } else if let Some(head) = text.strip_prefix("Next ").filter(|_| self.language == Some(Language::Php)) {
            self.order = Order::RootFirst;
            let (r#type, message) = split_head(head);
            self.push_link(Link { r#type, message, frames: Vec::new() });
        } else if let Some(head) = text.strip_prefix("---> ") {
            self.order = Order::HeadsThenFrames;
            self.inner_heads.push(split_head(head));
        } else if text.starts_with("--- End of inner exception stack trace") {
            self.push_link(Link::default());
        } else {
            return false;
        }
        true
    }

    fn push_link(&mut self, link: Link<'a>) {
        if self.links.len() < CHAIN_LINKS_MAX {
            self.links.push(link);
        }
    }

    fn last_link(&mut self) -> &mut Link<'a> {
        if self.links.is_empty() {
            self.links.push(Link::default());
        }
        let last = self.links.len() - 1;
        &mut self.links[last]
    }

    fn push_frame(&mut self, language: Language, frame: Frame<'a>) {
        // Only the first frame decides: what follows may be quoted in a message.
        self.language.get_or_insert(language);
        let frames = &mut self.last_link().frames;
        if frames.len() < FRAMES_PER_EXCEPTION_MAX {
            frames.push(frame);
        }
    }

    /// `... 12 more`: the cause shares its oldest calls with the exception printed before it.
    fn repeat_outer_frames(&mut self, count: usize) {
        let Some((last, before)) = self.links.split_last_mut() else { return };
        let Some(outer) = before.last() else { return };
        if last.frames.len() >= FRAMES_PER_EXCEPTION_MAX {
            return;
        }
        let from = outer.frames.len().saturating_sub(count);
        last.frames.extend_from_slice(&outer.frames[from..]);
        last.frames.truncate(FRAMES_PER_EXCEPTION_MAX);
    }

    /// A head stands before the frames, but in Python after them; it is not indented.
    fn takes_head(&self, line: &str) -> bool {
        if line.starts_with([' ', '\t']) && self.order != Order::RootFirst {
            return false;
        }
        match self.links.last() {
            None => true,
            Some(link) if self.language == Some(Language::Python) => {
                link.r#type.is_empty() && !link.frames.is_empty() && !line.starts_with("    ")
            }
            Some(_) => false,
        }
    }

    fn head(&mut self, text: &'a str) {
        // The .NET Framework wrote the whole chain on one line.
        let mut heads = text.split(" ---> ");
        let (r#type, message) = split_head(heads.next().unwrap_or_default());
        for inner in heads {
            self.order = Order::HeadsThenFrames;
            self.inner_heads.push(split_head(inner));
        }
        let link = self.last_link();
        (link.r#type, link.message) = (r#type, message);
    }

    /// The chain, outer exception first, frames oldest first.
    fn finish(mut self) -> Vec<Link<'a>> {
        if self.order == Order::HeadsThenFrames {
            self.give_heads_to_frames();
        }
        if self.order != Order::OuterFirst {
            self.links.reverse();
        }
        if self.language != Some(Language::Python) {
            self.links.iter_mut().for_each(|link| link.frames.reverse());
        }
        if self.links.is_empty() {
            self.links.push(Link::default());
        }
        self.links
    }

    fn give_heads_to_frames(&mut self) {
        let outer = self.links.first().map_or(("", ""), |link| (link.r#type, link.message));
        let heads = self.inner_heads.iter().rev().chain([&outer]);
        for (link, (r#type, message)) in self.links.iter_mut().zip(heads) {
            (link.r#type, link.message) = (r#type, message);
        }
    }
}

/// `Type: message`, or a type alone. A first word with blanks in it is prose, not a type.
fn split_head(text: &str) -> (&str, &str) {
    let text = text.strip_prefix("Uncaught ").unwrap_or(text).trim_end_matches(" {");
    match text.split_once(": ") {
        Some((r#type, message)) if !r#type.contains(char::is_whitespace) => (r#type, message),
        Some(_) => ("", text),
        None if text.contains(char::is_whitespace) => ("", text),
        None => (text.trim_end_matches(':'), ""),
    }
}

/// `... 12 more` and `at ... 12 more`.
fn frames_in_common(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("at ").unwrap_or(text).strip_prefix("... ")?;
    let (count, word) = rest.split_once(' ')?;
    (word == "more" || word == "common frames omitted").then(|| count.parse().ok())?
}

/// Tries a line as a frame; the shapes of the languages exclude each other. `text` is `line` without its indent.
fn frame<'a>(text: &'a str, line: &'a str, previous: &'a str) -> Option<(Language, Frame<'a>)> {
    python_frame(text)
        .map(|frame| (Language::Python, frame))
        .or_else(|| rust_frame(text, previous).map(|frame| (Language::Rust, frame)))
        .or_else(|| at_frame(text))
        .or_else(|| php_frame(text).map(|frame| (Language::Php, frame)))
        .or_else(|| go_frame(text, line, previous).map(|frame| (Language::Go, frame)))
        .or_else(|| ruby_frame(text).map(|frame| (Language::Ruby, frame)))
        .or_else(|| gecko_frame(text).map(|frame| (Language::JavaScript, frame)))
}

fn bare<'a>(function: &'a str, place: (&'a str, Option<u32>, Option<u32>)) -> Frame<'a> {
    let (file, line, column) = place;
    Frame { function: function.trim(), file, line, column, in_app: true }
}

/// `File "/app/app.py", line 12, in handler`; the line number and the function may be missing.
fn python_frame(text: &str) -> Option<Frame<'_>> {
    let (file, rest) = text.strip_prefix("File \"")?.split_once('"')?;
    let line = rest.strip_prefix(", line ").map(|rest| rest.split(',').next().unwrap_or_default());
    let function = rest.split_once(", in ").map_or("", |(_, function)| function);
    Some(bare(function, (file, line.and_then(|line| line.parse().ok()), None)))
}

/// Everything that begins with `at `: V8, Java, .NET.
fn at_frame(text: &str) -> Option<(Language, Frame<'_>)> {
    let call = without_tail(text.strip_prefix("at ")?);
    if call.starts_with("... ") {
        return None;
    }
    if let Some((call, place)) = call.rsplit_once(") in ") {
        let (file, line) = place.rsplit_once(":line ").map_or((place, None), |(file, line)| (file, line.parse().ok()));
        return Some((Language::DotNet, bare(before_parameters(call), (file, line, None))));
    }
    let Some(inside) = call.strip_suffix(')') else {
        let frame = bare("", split_place(call.strip_prefix("async ").unwrap_or(call)));
        return (frame.line.is_some() || frame.file == "<anonymous>").then_some((Language::JavaScript, frame));
    };
    if let Some((function, place)) = inside.split_once(" (") {
        let language = if is_parameter_list(place) { Language::DotNet } else { Language::JavaScript };
        return Some((language, bare(function, split_place(place))));
    }
    let (function, place) = inside.split_once('(')?;
    if is_parameter_list(place) {
        return Some((Language::DotNet, bare(before_parameters(inside), ("", None, None))));
    }
    let language = if place.contains(".php") { Language::Php } else { Language::Java };
    // A module or class loader stands before a slash: `java.base/java.lang.Thread.run`.
    let function = match function.rsplit_once('/') {
        Some((module, function)) if !module.contains('$') => function,
        _ => function,
    };
    let place = if place == "Native Method" || place == "Unknown Source" { "" } else { place };
    Some((language, bare(function, split_place(place))))
}

/// Cuts what loggers add behind a frame: Node's brace before `[cause]`, Logback's jar.
fn without_tail(call: &str) -> &str {
    let call = call.strip_suffix(" {").unwrap_or(call);
    match call.find(") [").or_else(|| call.find(") ~[")) {
        Some(end) => &call[..=end],
        None => call,
    }
}

fn before_parameters(call: &str) -> &str {
    call.split_once('(').map_or(call, |(function, _)| function)
}

/// .NET puts the types of the parameters where others put the place.
fn is_parameter_list(text: &str) -> bool {
    let place_words = ["Native Method", "Unknown Source", "<generated>", "<anonymous>", "native"];
    text.is_empty()
        || (text.contains(' ') && !place_words.contains(&text) && !text.contains(['/', ':']) && !text.starts_with("index "))
}

/// `file:12:34`, `file:12`, `file`; drive letters and URLs keep their colons.
fn split_place(text: &str) -> (&str, Option<u32>, Option<u32>) {
    let number_at_end = |text: &'_ str| -> Option<(usize, u32)> {
        let colon = text.rfind(':')?;
        text[colon + 1..].parse().ok().map(|number| (colon, number))
    };
    let Some((colon, last)) = number_at_end(text) else { return (text, None, None) };
    match number_at_end(&text[..colon]) {
        Some((earlier, line)) => (&text[..earlier], Some(line), Some(last)),
        None => (&text[..colon], Some(last), None),
    }
}

/// A line `at /src/main.rs:3:5` below `  12: shop::buy`.
fn rust_frame<'a>(text: &'a str, previous: &'a str) -> Option<Frame<'a>> {
    let place = text.strip_prefix("at ")?;
    let (number, function) = previous.trim_start().split_once(": ")?;
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && !place.ends_with(')')).then(|| bare(function, split_place(place)))
}

/// `#0 /app/index.php(12): Shop->buy()`, `#1 [internal function]: ...`.
fn php_frame(text: &str) -> Option<Frame<'_>> {
    let (number, rest) = text.strip_prefix('#')?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    if rest == "{main}" {
        return None;
    }
    let (place, function) = rest.split_once(": ").unwrap_or((rest, ""));
    let function = before_parameters(function);
    match place.strip_suffix(')').and_then(|place| place.rsplit_once('(')) {
        Some((file, line)) => Some(bare(function, (file, line.parse().ok(), None))),
        None if place.starts_with('[') => Some(bare(function, (place, None, None))),
        None => None,
    }
}

/// An indented `/app/main.go:12 +0x1d` below `main.buy(0x1)`.
fn go_frame<'a>(text: &'a str, line: &'a str, previous: &'a str) -> Option<Frame<'a>> {
    let place = text.split(' ').next().unwrap_or_default();
    let (file, number) = place.rsplit_once(':')?;
    if !line.starts_with([' ', '\t']) || !(file.ends_with(".go") || file.ends_with(".s")) {
        return None;
    }
    let call = previous.trim();
    let call = call.strip_prefix("created by ").unwrap_or(call);
    let call = call.split(" in goroutine ").next().unwrap_or(call);
    let function = match call.strip_suffix(')') {
        Some(inside) => inside.rsplit_once('(').map_or(call, |(function, _)| function),
        None => call,
    };
    Some(bare(function, (file, number.parse().ok(), None)))
}

/// `/app/shop.rb:12:in 'Shop#buy'`, with `from ` before it or a message behind it.
fn ruby_frame(text: &str) -> Option<Frame<'_>> {
    let text = text.strip_prefix("from ").unwrap_or(text);
    let (place, rest) = text.split_once(":in ")?;
    let (file, line, _) = split_place(place);
    let function = rest.strip_prefix(['\'', '`'])?.split('\'').next().unwrap_or_default();
    line.map(|line| bare(function, (file, Some(line), None)))
}

/// The first line of Ruby's `full_message`, which is frame and head in one: `/app/shop.rb:12:in 'buy': sold out (SoldOut)`.
fn ruby_head(text: &str) -> Option<Link<'_>> {
    let frame = ruby_frame(text)?;
    let (message, r#type) = text.split_once("': ")?.1.rsplit_once(" (")?;
    Some(Link { r#type: r#type.strip_suffix(')')?, message, frames: vec![frame] })
}

/// Firefox and Safari: `buy@https://shop.example/app.js:12:34`.
fn gecko_frame(text: &str) -> Option<Frame<'_>> {
    let (function, place) = text.split_once('@')?;
    let (file, line, column) = split_place(place);
    (line.is_some() && !function.contains(char::is_whitespace) && file.contains('/'))
        .then(|| bare(function, (file, line, column)))
}

#[cfg(test)]
mod tests;
