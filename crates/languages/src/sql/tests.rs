//! Walks `fixtures/queries/sql/`, and laws that hold for any text.

use super::*;
use proptest::prelude::*;

#[test]
fn the_manual_is_true() {
    let mut tables: Vec<(String, Schema)> = Vec::new();
    let cases = crate::literate::check("sql", |tag, body| match tag {
        "sql" => {
            let tables: Vec<(&str, &Schema)> = tables.iter().map(|(name, schema)| (name.as_str(), schema)).collect();
            Some(match rewrite(body.strip_suffix('\n').unwrap_or(body), &tables) {
                Ok(sql) => vec![("rewritten", sql)],
                Err(error) => {
                    let place = error.position().map(|position| format!("\nat byte {position}")).unwrap_or_default();
                    vec![("error", format!("{error}{place}"))]
                }
            })
        }
        _ => {
            let table = tag.strip_prefix("schema ").unwrap_or_else(|| panic!("no block is called {tag}"));
            tables.push((table.to_owned(), crate::literate::schema(body)));
            None
        }
    });
    assert!(cases >= 30, "{cases} cases");
}

#[test]
fn limits_are_kept() {
    let spans = crate::literate::schema("name: string\nuser.id: string");
    let rewrite = |sql: &str| rewrite(sql, &[("spans", &spans)]);
    let chain = |count: usize| format!("SELECT 1 FROM spans WHERE name{}", " OR name".repeat(count));
    assert!(rewrite(&chain(OPERATORS_IN_A_ROW_MAX)).is_ok());
    assert!(matches!(rewrite(&chain(OPERATORS_IN_A_ROW_MAX + 1)), Err(SqlError::TooLarge { .. })));
    assert!(rewrite(&format!("SELECT {}1", "- ".repeat(401))).is_err());
    assert!(matches!(rewrite(&format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100))), Err(SqlError::TooLarge { .. })));
    assert!(rewrite(&"EXPLAIN ".repeat(20_000)).is_err());
    assert!(matches!(rewrite(&"SELECT 1; ".repeat(2)), Err(SqlError::NotOneStatement { count: 2 })));
    let list = format!("SELECT 1 FROM spans WHERE user.id IN ('a'{})", ", 'b'".repeat(20_000));
    assert!(rewrite(&list).unwrap().contains("\"user.id\" IN"));
    assert!(rewrite(&" ".repeat(SQL_BYTES_MAX + 1)).is_err());
}

fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "SELECT",
        "FROM spans",
        "s",
        "AS",
        "Total",
        "userId",
        "user.id",
        "service.name",
        ".",
        ",",
        "(",
        ")",
        "*",
        "count(*)",
        "WHERE",
        "=",
        "'x'",
        "\"",
        "--c\n",
        "/*",
        "*/",
        "é",
        ";",
        "WITH",
        "EXPLAIN",
        "INTO",
        "1",
        "NOT",
        "CASE",
        "[",
        "::",
        "\n",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_panics_and_a_rewritten_one_stays(text in prop_oneof![soup(), "\\PC{0,60}"]) {
        let spans = crate::literate::schema("name: string\nuserId: string\nuser.id: string\nservice.name: string");
        let tables = [("spans", &spans)];
        match rewrite(&text, &tables) {
            Ok(sql) => prop_assert_eq!(rewrite(&sql, &tables).unwrap(), sql),
            Err(error) => prop_assert!(error.position().is_none_or(|position| position <= text.len())),
        }
    }
}
