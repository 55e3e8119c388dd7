//! One occurrence of an error as its item sees it.

use analysis::occurrence_number;
use metastore::OccurrencesSeen;
use model::{Attribute, Exception, LogRecord};

use crate::limits::ITEM_TITLE_CHARS_MAX;

/// What an item remembers of the resource that its occurrences come from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub environment: String,
    pub version: String,
    language: String,
    pub service: String,
    pub host: String,
}

impl Origin {
    pub fn of(attributes: &[Attribute<'_>]) -> Origin {
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| attributes.iter().find(|attribute| attribute.key == *name));
            found.and_then(|attribute| attribute.value.as_str()).unwrap_or_default().to_owned()
        };
        Origin {
            environment: text(&["deployment.environment.name", "deployment.environment"]),
            version: text(&["service.version"]),
            language: text(&["telemetry.sdk.language"]),
            service: text(&["service.name"]),
            host: text(&["host.name"]),
        }
    }

    pub fn language(&self) -> Option<&str> {
        Some(self.language.as_str()).filter(|language| !language.is_empty())
    }
}

/// One occurrence, as its item sees it; `exception` knows its group.
pub fn occurrence(
    record: &LogRecord<'_>,
    exception: &Exception<'_>,
    earlier_fingerprints: Vec<String>,
    origin: &Origin,
    received_at_unix_nano: i64,
) -> OccurrencesSeen {
    let text = |name: &str| {
        let found = record.attributes.iter().find(|attribute| attribute.key == name);
        found.and_then(|attribute| attribute.value.as_str()).unwrap_or_default()
    };
    let group = exception.group.as_deref().unwrap_or_default();
    let time = record.time_unix_nano;
    let number = occurrence_number(received_at_unix_nano, time, group, &record.body, text("rollbar.uuid"));
    OccurrencesSeen {
        fingerprint: group.to_owned(),
        earlier_fingerprints,
        level: level(record.severity_number.into()),
        title: title(exception, record.event_name, &record.body),
        environment: origin.environment.clone(),
        version: origin.version.clone(),
        framework: text("rollbar.framework").to_owned(),
        platform: text("rollbar.platform").to_owned(),
        language: origin.language.clone(),
        first_seen_unix_nano: time,
        last_seen_unix_nano: time,
        first_occurrence: number,
        last_occurrence: number,
        count: record.sample_rate.max(1.0).round() as u64,
    }
}

/// Rollbar's number for OpenTelemetry's severity; an exception of which nobody said how bad it is is an error.
pub fn level(severity_number: i64) -> i64 {
    match severity_number {
        21.. => 50,
        17..=20 => 40,
        13..=16 => 30,
        9..=12 => 20,
        1..=8 => 10,
        _ => 40,
    }
}

/// Rollbar's word for OpenTelemetry's severity.
pub fn level_name(severity_number: i64) -> &'static str {
    match level(severity_number) {
        50 => "critical",
        40 => "error",
        30 => "warning",
        20 => "info",
        _ => "debug",
    }
}

/// `Type: message`; of those who send titles, theirs.
pub fn title(exception: &Exception<'_>, event_name: &str, body: &str) -> String {
    let is_titled = matches!(event_name, "exception" | "message") && !body.is_empty();
    let title = match (exception.r#type.as_ref(), exception.message.as_ref()) {
        _ if is_titled => body.to_owned(),
        ("", "") => body.to_owned(),
        ("", message) => message.to_owned(),
        (r#type, "") => r#type.to_owned(),
        (r#type, message) => format!("{type}: {message}"),
    };
    title.lines().next().unwrap_or_default().chars().take(ITEM_TITLE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_told_once_and_short() {
        let exception = |r#type: &'static str, message: &'static str| Exception {
            r#type: r#type.into(),
            message: message.into(),
            ..Exception::default()
        };
        let cases = [
            (exception("E", "m\nsecond line"), "", "", "E: m"),
            (exception("E", ""), "", "a line", "E"),
            (exception("", "m"), "", "", "m"),
            (exception("", ""), "", "a line", "a line"),
            (exception("E", "m"), "exception", "a title", "a title"),
            (exception("E", "m"), "", "a line", "E: m"),
        ];
        for (exception, event_name, body, expected) in cases {
            assert_eq!(title(&exception, event_name, body), expected);
        }
        assert_eq!(title(&exception("", ""), "", &"x".repeat(999)).len(), ITEM_TITLE_CHARS_MAX);
    }
}
