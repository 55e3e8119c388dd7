//! Severity: OpenTelemetry's numbers, their names, and what a bare line says of itself.

/// What OpenTelemetry calls each number from 1 to 24; `None` for unknown.
///
/// Source: OpenTelemetry logs data model, "Displaying Severity".
pub fn severity_text(severity_number: i32) -> Option<&'static str> {
    const NAMES: [&str; 24] = [
        "TRACE", "TRACE2", "TRACE3", "TRACE4", "DEBUG", "DEBUG2", "DEBUG3", "DEBUG4", "INFO", "INFO2", "INFO3", "INFO4", "WARN",
        "WARN2", "WARN3", "WARN4", "ERROR", "ERROR2", "ERROR3", "ERROR4", "FATAL", "FATAL2", "FATAL3", "FATAL4",
    ];
    NAMES.get(usize::try_from(severity_number).ok()?.checked_sub(1)?).copied()
}

/// The number of a level's name as logging libraries spell it, in any case; 0 when it is none.
pub fn severity_number(text: &str) -> i32 {
    let text = text.trim();
    let (name, step) = match text.as_bytes() {
        [.., digit @ b'1'..=b'4'] => (&text[..text.len() - 1], i32::from(digit - b'1')),
        _ => (text, 0),
    };
    // Longer than any name: nothing to fold.
    if name.len() > "informational".len() {
        return 0;
    }
    let first = match name.to_ascii_lowercase().as_str() {
        "trace" | "finest" | "finer" | "verbose" | "silly" => 1,
        "debug" | "dbg" | "fine" | "config" => 5,
        "info" | "information" | "informational" | "inf" => 9,
        "notice" => 10,
        "warn" | "warning" | "wrn" => 13,
        "error" | "err" | "severe" => 17,
        "critical" | "crit" => 18,
        "alert" => 19,
        "fatal" | "emergency" | "emerg" | "panic" => 21,
        _ => return 0,
    };
    first + step
}

/// How many words of a line may stand before its level: date, time, host, logger, in brackets or not.
const WORDS_BEFORE_LEVEL_MAX: usize = 6;

/// The level that a line of text says it has among its first words, such as `2026-11-21 02:15:26 [warn] …` or `level=error …`;
/// 0 when it says none. Words in capitals, in brackets or before a colon count; others are prose.
pub fn severity_in_text(body: &str) -> i32 {
    let line = body.lines().next().unwrap_or_default();
    if line.starts_with("Traceback (most recent call last)") {
        return 17;
    }
    for word in line.split([' ', '\t', '|']).filter(|word| !word.is_empty()).take(WORDS_BEFORE_LEVEL_MAX) {
        let named = ["level=", "severity=", "lvl="].into_iter().find_map(|key| word.strip_prefix(key));
        let bare = named.unwrap_or(word).trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_marked = named.is_some() || word.starts_with(['[', '<', '(']) || word.ends_with([':', ']', '>']);
        let is_shouted = bare.len() > 2 && bare.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_marked || is_shouted {
            let number = severity_number(bare);
            if number != 0 {
                return number;
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for number in 1..=24 {
            assert_eq!(severity_number(severity_text(number).unwrap()), number);
        }
        for number in [0, -1, 25, i32::MIN, i32::MAX] {
            assert_eq!(severity_text(number), None);
        }
        for (text, number) in [
            ("Warning", 13),
            ("err", 17),
            (" CRITICAL ", 18),
            ("notice", 10),
            ("emerg", 21),
            ("", 0),
            ("5", 0),
            ("warn9", 0),
            ("é4", 0),
        ] {
            assert_eq!(severity_number(text), number, "{text}");
        }
    }

    #[test]
    fn lines_say_their_level() {
        for (line, number) in [
            ("ERROR could not connect", 17),
            ("2026-11-21 02:15:26,719 WARNING [app] slow", 13),
            ("[2026-11-21T02:15:26Z INFO  server] ready", 9),
            ("time=x level=error msg=y", 17),
            ("127.0.0.1 - - [21/Nov/2026 02:15:26] \"GET / HTTP/1.1\" 200 -", 0),
            ("<error> x", 17),
            ("warning: unused variable", 13),
            ("Traceback (most recent call last):\n  File", 17),
            ("an error happened", 0),
            ("Error handling is hard", 0),
            ("one two three four five six ERROR", 0),
            ("", 0),
        ] {
            assert_eq!(severity_in_text(line), number, "{line}");
        }
    }
}
