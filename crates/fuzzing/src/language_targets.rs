//! What people type: the query languages, against the schemas of the three tables.

use languages::search::{LowerContext, lower, parse};
use languages::sql::rewrite;
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
        let context =
            LowerContext { signal, schema: &schema, text_columns: &["name", "body", "exception.message"], whole_words: None };
        match lower(&query, &context) {
            Ok(lowered) => assert!(lowered.unknown_keys.len() <= text.len()),
            Err(error) => check(&error),
        }
    }
}
