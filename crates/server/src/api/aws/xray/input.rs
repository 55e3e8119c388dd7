//! Members of a request as X-Ray's model has them, checked one by one. What is wrong is told in AWS's words.

use receivers::aws::{AwsError, nanos_from_seconds};
use serde_json::{Map, Value};

/// A request's body, or an object within it.
#[derive(Debug)]
pub struct Input<'a> {
    members: std::borrow::Cow<'a, Map<String, Value>>,
    /// Where the object stands, as AWS names it: `samplingRule.`
    within: String,
}

pub type Checked<T> = Result<T, AwsError>;

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequestException", message)
}

impl Input<'static> {
    /// Reads a body. None at all counts as an empty object: some clients send nothing where nothing is required.
    pub fn read(body: &[u8]) -> Checked<Input<'static>> {
        let members = if body.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            match serde_json::from_slice(body) {
                Ok(Value::Object(members)) => members,
                Ok(_) => return Err(invalid("Could not parse request body into json: expected an object")),
                Err(error) => return Err(invalid(format!("Could not parse request body into json: {error}"))),
            }
        };
        Ok(Input { members: std::borrow::Cow::Owned(members), within: String::new() })
    }
}

impl<'a> Input<'a> {
    /// A member that is there and not null.
    pub fn get(&self, member: &str) -> Option<&Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    fn name(&self, member: &str) -> String {
        let mut letters = member.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        format!("{}{}{}", self.within, first.map(String::from).unwrap_or_default(), letters.as_str())
    }

    fn constraint(&self, member: &str, value: &Value, constraint: &str) -> AwsError {
        let shown: String = value.to_string().trim_matches('"').chars().take(VALUE_CHARS_SHOWN).collect();
        let shown = if value.is_null() { "null".to_owned() } else { format!("'{shown}'") };
        let name = self.name(member);
        invalid(format!(
            "1 validation error detected: Value {shown} at '{name}' failed to satisfy constraint: Member must {constraint}"
        ))
    }

    pub fn missing(&self, member: &str) -> AwsError {
        self.constraint(member, &Value::Null, "not be null")
    }

    fn wrong_type(&self, member: &str, value: &Value, expected: &str) -> AwsError {
        self.constraint(member, value, &format!("be {expected}"))
    }

    pub fn text(&self, member: &str) -> Checked<Option<&str>> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(member, other, "a string")),
        }
    }

    /// A text of so many characters.
    pub fn text_of(&self, member: &str, chars_min: usize, chars_max: usize) -> Checked<Option<&str>> {
        let Some(text) = self.text(member)? else { return Ok(None) };
        let chars = text.chars().count();
        let value = || Value::String(text.to_owned());
        if chars < chars_min {
            let constraint = format!("have length greater than or equal to {chars_min}");
            return Err(self.constraint(member, &value(), &constraint));
        }
        if chars > chars_max {
            return Err(self.constraint(member, &value(), &format!("have length less than or equal to {chars_max}")));
        }
        Ok(Some(text))
    }

    pub fn required_text(&self, member: &str, chars_min: usize, chars_max: usize) -> Checked<&str> {
        self.text_of(member, chars_min, chars_max)?.ok_or_else(|| self.missing(member))
    }

    /// One of a few words.
    pub fn word(&self, member: &str, words: &[&str]) -> Checked<Option<&str>> {
        let Some(text) = self.text(member)? else { return Ok(None) };
        if words.contains(&text) {
            return Ok(Some(text));
        }
        let constraint = format!("satisfy enum value set: [{}]", words.join(", "));
        Err(self.constraint(member, &Value::String(text.to_owned()), &constraint))
    }

    pub fn flag(&self, member: &str) -> Checked<Option<bool>> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong_type(member, other, "a boolean")),
        }
    }

    pub fn number(&self, member: &str, min: f64, max: f64) -> Checked<Option<f64>> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| self.wrong_type(member, value, "a number"))?;
        if number < min || number.is_nan() {
            return Err(self.constraint(member, value, &format!("have value greater than or equal to {min}")));
        }
        if number > max {
            return Err(self.constraint(member, value, &format!("have value less than or equal to {max}")));
        }
        Ok(Some(number))
    }

    pub fn integer(&self, member: &str, min: u32, max: u32) -> Checked<Option<u32>> {
        let Some(number) = self.number(member, f64::from(min), f64::from(max))? else { return Ok(None) };
        if number.fract() != 0.0 {
            return Err(self.wrong_type(member, &Value::from(number), "an integer"));
        }
        Ok(Some(number as u32))
    }

    /// A time in nanoseconds: epoch seconds as a number, or RFC 3339.
    pub fn time(&self, member: &str) -> Checked<Option<i64>> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let nanos = match value {
            Value::Number(number) => number.as_f64().and_then(nanos_from_seconds),
            Value::String(text) => match text.parse::<f64>() {
                Ok(seconds) => nanos_from_seconds(seconds),
                Err(_) => text.parse::<jiff::Timestamp>().ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok()),
            },
            _ => None,
        };
        // Nothing was told before 1970, and differences of times do not overflow.
        nanos.filter(|nanos| *nanos >= 0).map(Some).ok_or_else(|| self.wrong_type(member, value, "a time in epoch seconds"))
    }

    pub fn required_time(&self, member: &str) -> Checked<i64> {
        self.time(member)?.ok_or_else(|| self.missing(member))
    }

    /// A list of at most so many items.
    pub fn list(&self, member: &str, items_max: usize) -> Checked<Option<&[Value]>> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() <= items_max => Ok(Some(items)),
            Some(Value::Array(items)) => {
                let constraint = format!("have length less than or equal to {items_max}");
                Err(self.constraint(member, &Value::String(format!("[{} items]", items.len())), &constraint))
            }
            Some(other) => Err(self.wrong_type(member, other, "a list")),
        }
    }

    /// A list of texts, each of so many characters.
    pub fn texts(&self, member: &str, items_max: usize, chars_max: usize) -> Checked<Option<Vec<&str>>> {
        let Some(items) = self.list(member, items_max)? else { return Ok(None) };
        let text = |item: &'_ Value| match item {
            Value::String(text) if text.chars().count() <= chars_max && !text.is_empty() => Ok(()),
            other => Err(self.constraint(member, other, &format!("be strings of 1 to {chars_max} characters"))),
        };
        items.iter().try_for_each(text)?;
        Ok(Some(items.iter().filter_map(Value::as_str).collect()))
    }

    /// An object within.
    pub fn object(&self, member: &str) -> Checked<Option<Input<'_>>> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                let within = format!("{}.", self.name(member));
                Ok(Some(Input { members: std::borrow::Cow::Borrowed(members), within }))
            }
            Some(other) => Err(self.wrong_type(member, other, "an object")),
        }
    }

    pub fn required_object(&self, member: &str) -> Checked<Input<'_>> {
        self.object(member)?.ok_or_else(|| self.missing(member))
    }

    /// The objects of a list.
    pub fn objects(&self, member: &str, items_max: usize) -> Checked<Option<Vec<Input<'_>>>> {
        let Some(items) = self.list(member, items_max)? else { return Ok(None) };
        let objects = items.iter().enumerate().map(|(place, item)| match item {
            Value::Object(members) => {
                let within = format!("{}.{}.member.", self.name(member), place + 1);
                Ok(Input { members: std::borrow::Cow::Borrowed(members), within })
            }
            other => Err(self.wrong_type(member, other, "a list of objects")),
        });
        objects.collect::<Checked<Vec<_>>>().map(Some)
    }

    /// Members of an object whose names are data.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.members.iter()
    }

    pub fn refuse(&self, member: &str, constraint: &str) -> AwsError {
        self.constraint(member, self.get(member).unwrap_or(&Value::Null), constraint)
    }
}

/// As much of a wrong value as helps to find it.
const VALUE_CHARS_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Input<'static> {
        let body = br#"{"GroupName": "a", "Rule": {"FixedRate": 2, "Host": "h"}, "StartTime": 1795226742.5, "Flag": "x",
            "TraceIds": ["a", 7], "Nothing": null, "Iso": "2026-11-21T02:45:42Z"}"#;
        Input::read(body).unwrap()
    }

    #[test]
    fn what_is_wrong_is_told_in_aws_words() {
        let input = input();
        let message = |error: AwsError| error.message;
        assert_eq!(
            message(input.required_text("Nothing", 1, 2).unwrap_err()),
            "1 validation error detected: Value null at 'nothing' failed to satisfy constraint: Member must not be null"
        );
        assert_eq!(
            message(input.text_of("GroupName", 2, 3).unwrap_err()),
            "1 validation error detected: Value 'a' at 'groupName' failed to satisfy constraint: Member must have length \
             greater than or equal to 2"
        );
        assert_eq!(
            message(input.required_object("Rule").unwrap().number("FixedRate", 0.0, 1.0).unwrap_err()),
            "1 validation error detected: Value '2' at 'rule.fixedRate' failed to satisfy constraint: Member must have value \
             less than or equal to 1"
        );
        assert_eq!(input.flag("Flag").unwrap_err().name, "InvalidRequestException");
        assert!(input.texts("TraceIds", 9, 35).is_err());
        assert!(input.list("TraceIds", 1).unwrap_err().message.contains("less than or equal to 1"));
        assert!(input.word("GroupName", &["b"]).unwrap_err().message.ends_with("satisfy enum value set: [b]"));
    }

    #[test]
    fn times_are_seconds_or_text() {
        let input = input();
        assert_eq!(input.time("StartTime").unwrap(), Some(1_795_226_742_500_000_000));
        assert_eq!(input.time("Iso").unwrap(), Some(1_795_229_142_000_000_000));
        assert!(input.time("GroupName").is_err());
        assert_eq!(input.time("EndTime").unwrap(), None);
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert!(Input::read(b" \n").unwrap().get("a").is_none());
        for wrong in [&b"[]"[..], b"7", b"{", b"\xff"] {
            assert_eq!(Input::read(wrong).unwrap_err().name, "InvalidRequestException");
        }
    }
}
