//! What lines have in common is found, in bounded memory.

use proptest::prelude::*;

use super::*;

fn mined(lines: &[&str]) -> LogPatterns {
    let mut patterns = LogPatterns::default();
    for (at, text) in lines.iter().enumerate() {
        let time_unix_nano = at as i64;
        patterns.read(&LogLine { text, severity_number: 9, time_unix_nano, step: at % 4, weight: 1.0 });
    }
    patterns
}

fn told(lines: &[&str]) -> Vec<(String, f64)> {
    mined(lines).patterns().into_iter().map(|pattern| (pattern.text(), pattern.count)).collect()
}

fn owned(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect()
}

#[test]
fn what_changes_is_numbered() {
    let lines = ["user 5 paid 17 EUR at 10:00:01", "user 6 paid 18.50 EUR at 10:00:02", "shutting down"];
    assert_eq!(told(&lines), owned(&[("user <Number-1> paid <Number-2> EUR at <Time-3>", 2.0), ("shutting down", 1.0)]));
}

#[test]
fn words_change_once_three_of_them_do() {
    let names = ["user alice logged in", "user bob logged in", "user carol logged in", "user carol logged in"];
    assert_eq!(told(&names[..2]).len(), 2);
    assert_eq!(told(&names), owned(&[("user <Token-1> logged in", 4.0)]));
    let pattern = mined(&names).patterns().remove(0);
    assert_eq!(pattern.tokens[0].values, [("carol".to_owned(), 2.0), ("alice".to_owned(), 1.0), ("bob".to_owned(), 1.0)]);
    assert_eq!(pattern.steps, [1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn levels_keep_lines_apart() {
    let lines = ["[INFO] job a done now", "[ERROR] job a done now", "[WARN] job a done now", "[DEBUG] job a done now"];
    assert_eq!(told(&lines).len(), 4);
}

#[test]
fn documents_are_put_together_by_their_shape() {
    let lines: Vec<String> = ["ann", "bea", "cid", "dan"]
        .iter()
        .enumerate()
        .map(|(at, name)| format!(r#"{{"level":"info","user":"{name}","ms":{at}}}"#))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(told(&lines), owned(&[(r#"{"level":"info","user":"<Token-1>","ms":<Number-2>}"#, 4.0)]));
}

#[test]
fn a_pattern_tells_an_expression_for_its_lines() {
    let lines = ["GET /a?x=1 from 10.0.0.1 (ok)", "GET /b?x=2 from 10.0.0.2 (ok)", "GET /c?x=3 from 10.0.0.3 (ok)"];
    let (pattern,) = match mined(&lines).patterns().as_slice() {
        [one] => (one.clone(),),
        other => panic!("{other:?}"),
    };
    let expression = regex::Regex::new(&pattern.expression()).unwrap();
    assert!(lines.iter().all(|line| expression.is_match(line)), "{}", pattern.expression());
    assert_eq!(pattern.severity_number, 9);
    assert_eq!(pattern.sample, lines[2]);
}

#[test]
fn memory_is_bounded_and_nothing_is_lost() {
    let mut patterns = LogPatterns::default();
    let word = |number: u32| format!("{number:b}").replace('0', "x").replace('1', "y");
    for number in 0..8_000 {
        let text = format!("{} {} {}", word(number), word(number / 7), word(number / 3));
        patterns.read(&LogLine { text: &text, weight: 1.0, ..LogLine::default() });
        assert!(patterns.shapes.len() <= SHAPES_MAX && patterns.values <= 2 * VALUES_MAX);
    }
    assert_eq!(patterns.count(), 8_000.0);
}

#[test]
fn it_survives_being_written_and_read() {
    let patterns = mined(&["a 1", "b 2", "c 3"]);
    let written = serde_json::to_string(&patterns).unwrap();
    let read: LogPatterns = serde_json::from_str(&written).unwrap();
    assert_eq!(read.patterns(), patterns.patterns());
}

proptest! {
    #[test]
    fn order_makes_no_difference(mut lines in prop::collection::vec("(user|job) (a|b|c|d|e) (did|left) [0-9]{1,3}( now)?", 1..40), cut in 0usize..40) {
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let whole = mined(&texts).patterns().iter().map(|pattern| (pattern.text(), pattern.count)).collect::<Vec<_>>();
        let cut = cut.min(texts.len());
        let mut parts = mined(&texts[..cut]);
        parts.join(mined(&texts[cut..]));
        let joined = parts.patterns().iter().map(|pattern| (pattern.text(), pattern.count)).collect::<Vec<_>>();
        prop_assert_eq!(&whole, &joined);
        lines.reverse();
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(whole, told(&texts));
    }

    #[test]
    fn a_known_mask_makes_no_difference(
        lines in prop::collection::vec("(a|took) ([0-9]{1,3}|[0-9a-f]{8}|b[0-9]{1,3}|[0-9],[0-9]|1[:.-][0-9]{1,2})[.:]?(,| |  |ü)(ms|@a.de|[0-9x]{1,3})", 1..300),
        long in prop::collection::vec("( [a0-9]{1,2}){60,70}", 0..20),
    ) {
        let texts: Vec<&str> = lines.iter().chain(&long).map(String::as_str).collect();
        let mut whole = LogPatterns::default();
        for (at, text) in texts.iter().enumerate() {
            let line = LogLine { text, severity_number: 9, time_unix_nano: at as i64, step: at % 4, weight: 1.0 };
            whole.masks.read(text);
            whole.read_whole(&line);
        }
        prop_assert_eq!(mined(&texts).patterns(), whole.patterns());
    }

    #[test]
    fn no_line_panics(lines in prop::collection::vec("\\PC{0,80}|[a-f0-9:.@=\" -]{0,60}", 0..30)) {
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let patterns = mined(&texts);
        prop_assert_eq!(patterns.count(), texts.len() as f64);
        for pattern in patterns.patterns() {
            prop_assert!(regex::Regex::new(&pattern.expression()).is_ok());
            let _ = pattern.text();
        }
    }
}
