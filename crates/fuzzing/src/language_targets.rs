//! What people type: the query languages, against the schemas of the three tables.

use languages::filter_pattern::{self, FilterPatternError};
use languages::insights::{self, InsightsError};
use languages::ppl;
use languages::search::{LowerContext, lower, parse};
use languages::sql::rewrite;
use languages::xray_filter::{self, FilterError, TraceView};
use model::Signal;
use store::columns;

pub fn sql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let schemas = Signal::ALL.map(|signal| (signal.table(), columns::schema(signal)));
    let tables: Vec<_> = schemas.iter().map(|(name, schema)| (*name, schema.as_ref())).collect();
    match rewrite(text, &tables) {
        Ok(rewritten) => {
            let bytes_max = 3 * text.len() + 64;
            assert!(rewritten.len() <= bytes_max, "{} bytes became {}", text.len(), rewritten.len());
            if let Err(error) = rewrite(&rewritten, &tables) {
                assert!(rewritten.len() > languages::sql::SQL_BYTES_MAX, "{rewritten:?} was rewritten and is refused: {error}");
            }
        }
        Err(error) => {
            assert!(error.position().is_none_or(|position| text.is_char_boundary(position)), "{error:?} points nowhere");
        }
    }
}

/// A query is read, printed and read as the same; what it asks of items and of time is told.
pub fn rql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let query = match languages::rql::parse(text) {
        Ok(query) => query,
        Err(error) => {
            let position = error.position();
            assert!(text.is_char_boundary(position), "byte {position} of {text:?} is no character's");
            let _ = error.with_caret(text);
            return;
        }
    };
    let printed = query.to_string();
    match languages::rql::parse(&printed) {
        Ok(again) => assert_eq!(again, query, "{text:?} was printed as {printed:?}"),
        Err(error) => assert!(printed.len() > languages::rql::RQL_BYTES_MAX, "{printed:?} was printed and is refused: {error}"),
    }
    assert!(languages::rql::item_columns_of(&query).len() <= languages::rql::ITEM_COLUMNS.len());
    let (first, last) = languages::rql::time_bounds(&query, 1_795_226_742);
    assert!(first.is_none_or(|first| first.checked_mul(1_000_000_000).is_some()), "{first:?}");
    assert!(last.is_none_or(|last| last.checked_mul(1_000_000_000).is_some()), "{last:?}");
}

pub fn search(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let check = |error: &languages::search::SearchError| {
        let position = error.position();
        assert!(text.is_char_boundary(position), "byte {position} of {text:?} is no character's");
        let _ = error.with_caret(text);
    };
    let query = match parse(text) {
        Ok(query) => query,
        Err(error) => return check(&error),
    };
    for signal in Signal::ALL {
        let schema = columns::schema(signal);
        let context = LowerContext {
            signal,
            schema: &schema,
            text_columns: &["name", "body", "exception.message"],
            whole_words: None,
            parts: None,
        };
        match lower(&query, &context) {
            Ok(lowered) => assert!(lowered.unknown_keys.len() <= text.len()),
            Err(error) => check(&error),
        }
    }
}

/// A pattern is read, printed and read as the same; every line of the input is held against it.
pub fn filter_pattern(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (first, lines) = text.split_once('\n').unwrap_or((text, text));
    for pattern in [text, first] {
        let check = |error: &FilterPatternError| {
            let position = error.position();
            assert!(pattern.is_char_boundary(position), "byte {position} of {pattern:?} is no character's");
            let _ = (error.with_caret(pattern), error.service_message());
        };
        let parsed = match filter_pattern::parse(pattern) {
            Ok(parsed) => parsed,
            Err(error) => {
                check(&error);
                continue;
            }
        };
        let printed = parsed.to_string();
        match filter_pattern::parse(&printed) {
            Ok(again) => assert_eq!(again, parsed, "{pattern:?} was printed as {printed:?}"),
            Err(error) => {
                let chars = printed.chars().count();
                assert!(chars > filter_pattern::PATTERN_CHARS_MAX, "{printed:?} was printed and is refused: {error}");
            }
        }
        for line in lines.lines() {
            let Some(extracted) = parsed.matches(line) else { continue };
            assert!(extracted.fields.iter().all(|(name, _)| name.starts_with('$')));
            let _ = extracted.get(first);
        }
    }
}

/// A query is read, printed and read as the same; a fault has its place among the characters.
pub fn insights(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let check = |error: &InsightsError| {
        assert!(text.get(error.span.clone()).is_some(), "{:?} is no part of {text:?}", error.span);
        let told = error.compile_error(text);
        assert!(told.start_char_offset <= told.end_char_offset && told.end_char_offset <= text.chars().count());
        let _ = error.with_caret(text);
    };
    let query = match insights::parse(text) {
        Ok(query) => query,
        Err(error) => return check(&error),
    };
    let printed = query.to_string();
    match insights::parse(&printed) {
        Ok(again) => assert_eq!(again, query, "{text:?} was printed as {printed:?}"),
        Err(error) => {
            let chars = printed.chars().count();
            assert!(chars > insights::QUERY_CHARS_MAX, "{printed:?} was printed and is refused: {error}");
        }
    }
}

/// A query is read, or its fault has a place in the text.
pub fn ppl(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match ppl::parse(text) {
        Ok(query) => assert!(!query.to_string().is_empty()),
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{:?} is no part of {text:?}", error.span);
            let told = error.compile_error(text);
            assert!(told.start_char_offset <= told.end_char_offset && told.end_char_offset <= text.chars().count());
            let _ = error.with_caret(text);
        }
    }
}

/// A filter is read, printed and read as the same; its groups are itself; a trace of nothing is judged.
pub fn xray_filter(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let check = |error: &FilterError| {
        let position = error.position();
        assert!(text.is_char_boundary(position), "byte {position} of {text:?} is no character's");
        let _ = error.with_caret(text);
    };
    let filter = match xray_filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => return check(&error),
    };
    let printed = filter.to_string();
    match xray_filter::parse(&printed) {
        Ok(again) => assert_eq!(again, filter, "{text:?} was printed as {printed:?}"),
        Err(error) => assert!(printed.len() > xray_filter::FILTER_BYTES_MAX, "{printed:?} was printed and is refused: {error}"),
    }
    let schema = columns::schema(Signal::Spans);
    let context = xray_filter::LowerContext {
        schema: &schema,
        is_fixed: &|name| columns::is_fixed(Signal::Spans, name),
        group: &|_| Some(text.to_owned()),
    };
    match xray_filter::lower(&filter, &context) {
        Ok(lowered) => {
            assert!(
                lowered.predicates.len() <= xray_filter::PREDICATES_MAX && lowered.nodes.len() <= xray_filter::PREDICATES_MAX
            );
            xray_filter::evaluate(&lowered.condition, &Nothing);
        }
        Err(error) => check(&error),
    }
}

/// The least that there can be of a trace.
struct Nothing;

impl TraceView for Nothing {
    fn root(&self) -> xray_filter::Segment {
        xray_filter::Segment::default()
    }

    fn root_is_there(&self) -> bool {
        false
    }

    fn duration_ns(&self) -> i64 {
        i64::MIN
    }

    fn matches(&self) -> u64 {
        u64::MAX
    }

    fn is_throttled(&self) -> bool {
        false
    }

    fn is_partial(&self) -> bool {
        false
    }

    fn calls(&self) -> impl Iterator<Item = xray_filter::Call> {
        std::iter::repeat_n(xray_filter::Call { source: Some(u64::MAX), ..Default::default() }, 2)
    }

    fn root_causes(&self, _: xray_filter::Cause) -> Vec<xray_filter::RootCause> {
        vec![xray_filter::RootCause::default()]
    }
}
