//! Whether a line matches, and what it tells.

use serde_json::Value as Json;

use super::ast::{
    Comparison, Condition, FieldPattern, FieldTest, Glob, JsonTest, Pattern, Property, SelectorTest, Term, Terms, Value,
};
use super::json::{document, scalar_text};
use super::parse;
use super::words::{Word, words};

/// What a line that matches tells: its fields by name or place, or the properties that the pattern asks about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extracted {
    /// `$name`, `$1` or `$.a.b`, in the order of the pattern; each once.
    pub fields: Vec<(String, String)>,
    document: Option<Json>,
}

impl Extracted {
    /// What `$name`, `$1` or `$.a.b` stands for, as in the value or a dimension of a metric; of a document any property can be
    /// asked for. Nothing where it is not there or is no single value.
    pub fn get(&self, reference: &str) -> Option<String> {
        if let Some((_, value)) = self.fields.iter().find(|(name, _)| name == reference) {
            return Some(value.clone());
        }
        let document = self.document.as_ref()?;
        parse::selector(reference)?.values(document).into_iter().find_map(scalar_text)
    }
}

impl Pattern {
    /// Nothing for a line that does not match.
    pub fn matches(&self, line: &str) -> Option<Extracted> {
        match self {
            Pattern::Everything => Some(Extracted::default()),
            Pattern::Terms(terms) => terms.match_line(line).then(Extracted::default),
            Pattern::Fields(fields) => match_fields(fields, line),
            Pattern::Json(condition) => {
                let document = document(line)?;
                holds(condition, &|test| test.holds(&document)).then(|| extracted(condition, document))
            }
        }
    }
}

impl Terms {
    fn match_line(&self, line: &str) -> bool {
        if self.counts_optional() {
            return self.optional.iter().any(|term| term.is_in(line));
        }
        self.required.iter().all(|term| term.is_in(line)) && !self.excluded.iter().any(|term| term.is_in(line))
    }
}

impl Term {
    pub fn is_in(&self, line: &str) -> bool {
        match self {
            Term::Phrase(phrase) => line.contains(phrase.as_str()),
            Term::Expression(expression) => expression.is_match(line),
        }
    }
}

fn holds<T>(condition: &Condition<T>, test: &impl Fn(&T) -> bool) -> bool {
    match condition {
        Condition::And(parts) => parts.iter().all(|part| holds(part, test)),
        Condition::Or(parts) => parts.iter().any(|part| holds(part, test)),
        Condition::Test(one) => test(one),
    }
}

fn match_fields(fields: &[FieldPattern], line: &str) -> Option<Extracted> {
    let words = words(line);
    let ellipsis = fields.iter().position(|field| *field == FieldPattern::Ellipsis);
    let wanted = fields.len() - usize::from(ellipsis.is_some());
    if words.len() < wanted {
        return None;
    }
    let mut extracted = Extracted::default();
    let mut next = 0;
    for (place, field) in fields.iter().enumerate() {
        let FieldPattern::One { name, condition } = field else {
            for _ in 0..words.len() - wanted {
                push(&mut extracted, format!("${}", next + 1), words[next].text.to_owned());
                next += 1;
            }
            continue;
        };
        let takes_rest = ellipsis.is_none() && place + 1 == fields.len() && words.len() > wanted;
        let Word { text, start } = words[next];
        let value = if takes_rest { line[start..].trim_end() } else { text };
        if condition.as_ref().is_some_and(|condition| !holds(condition, &|test| test.holds(value))) {
            return None;
        }
        next += 1;
        let name = name.clone().unwrap_or_else(|| next.to_string());
        push(&mut extracted, format!("${name}"), value.to_owned());
    }
    Some(extracted)
}

fn push(extracted: &mut Extracted, name: String, value: String) {
    if !extracted.fields.iter().any(|(known, _)| *known == name) {
        extracted.fields.push((name, value));
    }
}

impl FieldTest {
    fn holds(&self, text: &str) -> bool {
        match &self.value {
            Value::Number { text: written, number } => match parse::number(text) {
                Some(found) => compared(self.comparison, found, *number),
                None => self.comparison == Comparison::NotEqual && text != written,
            },
            Value::Text(glob) => glob.matches(text) == (self.comparison == Comparison::Equal),
            Value::Expression(expression) => expression.is_match(text) == (self.comparison == Comparison::Equal),
        }
    }
}

impl JsonTest {
    fn holds(&self, document: &Json) -> bool {
        let values = self.selector.values(document);
        match &self.test {
            SelectorTest::Is(Property::Exists) => !values.is_empty(),
            SelectorTest::Is(Property::NotExists) => values.is_empty(),
            SelectorTest::Is(Property::True) => values.contains(&&Json::Bool(true)),
            SelectorTest::Is(Property::False) => values.contains(&&Json::Bool(false)),
            SelectorTest::Is(Property::Null) => values.contains(&&Json::Null),
            SelectorTest::Compare { comparison, value } => values.iter().any(|found| compares(*comparison, found, value)),
        }
    }
}

fn compares(comparison: Comparison, found: &Json, value: &Value) -> bool {
    let is_equal = comparison == Comparison::Equal;
    match value {
        Value::Number { number, text } => match (found.as_f64(), scalar_text(found)) {
            (Some(found), _) => compared(comparison, found, *number),
            (None, Some(found)) if !comparison.orders() => (found == *text) == is_equal,
            _ => false,
        },
        Value::Text(glob) => scalar_text(found).is_some_and(|found| glob.matches(&found) == is_equal),
        Value::Expression(expression) => scalar_text(found).is_some_and(|found| expression.is_match(&found) == is_equal),
    }
}

fn compared(comparison: Comparison, left: f64, right: f64) -> bool {
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}

impl Glob {
    /// Whether the whole text is the pieces, with anything between them.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|only| only == text);
        };
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

/// The properties that the pattern asks about, where they are single values.
fn extracted(condition: &Condition<JsonTest>, document: Json) -> Extracted {
    let mut extracted = Extracted::default();
    tell(condition, &document, &mut extracted);
    extracted.document = Some(document);
    extracted
}

fn tell(condition: &Condition<JsonTest>, document: &Json, extracted: &mut Extracted) {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| tell(part, document, extracted)),
        Condition::Test(test) => {
            if let Some(value) = test.selector.values(document).into_iter().find_map(scalar_text) {
                push(extracted, test.selector.to_string(), value);
            }
        }
    }
}
