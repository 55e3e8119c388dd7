//! Texts that repeat are read as codes: the same answers as over texts, in plans that say so.

use expect_test::{Expect, expect};
use model::{Attribute, RowSink, Span, Value};
use store::TimeRange;

use crate::stage::{PROJECT, Stage, span, stage};

/// Spans in three parts and in memory. Part two has another set of routes, part three none at all; user ids never repeat.
async fn several_parts() -> Stage {
    let stage = stage().await;
    for part in 0..4_u64 {
        stage
            .append(|rows| {
                for number in part * 300..part * 300 + 300 {
                    let route = format!("/{}/{}", if part == 1 { "b" } else { "a" }, number % 3);
                    let noise = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                    let user = format!("{noise:032x} a user with a rather long name, number {number}");
                    let mut attributes = vec![
                        Attribute::str("user.id", user.as_str()),
                        Attribute::new("http.response.status_code", Value::Int(200 + (number % 2) as i64)),
                    ];
                    if part != 2 && number % 5 != 0 {
                        attributes.push(Attribute::str("http.route", route.as_str()));
                    }
                    rows.span(&Span { sample_rate: 1.0 + (number % 2) as f64, ..span(number, &attributes) });
                }
            })
            .await;
        if part < 3 {
            stage.store.flush().await.unwrap();
        }
    }
    stage
}

async fn plan(stage: &Stage, query: &str) -> String {
    let session = stage.asker.engine.session(PROJECT, TimeRange::ALL).await.unwrap();
    let rows = session.ask(&format!("EXPLAIN {query}")).await.unwrap().json_rows().unwrap();
    rows.last().unwrap()[1].as_str().unwrap().to_owned()
}

async fn check(stage: &Stage, query: &str, expected: Expect) {
    let rows = stage.sql(query).await;
    let lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn groups_are_the_same_on_codes() {
    let stage = several_parts().await;
    let query = r#"SELECT "http.route", "http.response.status_code" AS status, count(*) AS n, sum(sample_rate), percentile(duration_ns, 0.5), min("http.route") FROM spans GROUP BY 1, 2 ORDER BY 1, 2"#;
    check(
        &stage,
        query,
        expect![[r#"
        ["/a/0",200,80,80.0,295698431.0,"/a/0"]
        ["/a/0",201,80,160.0,299892735.0,"/a/0"]
        ["/a/1",200,80,80.0,299892735.0,"/a/1"]
        ["/a/1",201,80,160.0,291504127.0,"/a/1"]
        ["/a/2",200,80,80.0,295698431.0,"/a/2"]
        ["/a/2",201,80,160.0,299892735.0,"/a/2"]
        ["/b/0",200,40,40.0,446693375.0,"/b/0"]
        ["/b/0",201,40,80.0,446693375.0,"/b/0"]
        ["/b/1",200,40,40.0,450887679.0,"/b/1"]
        ["/b/1",201,40,80.0,438304767.0,"/b/1"]
        ["/b/2",200,40,40.0,446693375.0,"/b/2"]
        ["/b/2",201,40,80.0,450887679.0,"/b/2"]
        [null,200,240,240.0,717225983.0,null]
        [null,201,240,480.0,717225983.0,null]"#]],
    )
    .await;
    let query = r#"SELECT "http.route", name, status_code, count(*) FILTER (WHERE duration_ns > 500000000) AS n, avg(duration_ns) FROM spans GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"#;
    let physical = plan(&stage, query).await;
    assert!(physical.contains("CodeGroupingExec: gby=[http.route, name, status_code]"), "{physical}");
    check(
        &stage,
        query,
        expect![[r#"
        ["/a/0","GET /cart","ok",80,601000000.0]
        ["/a/1","GET /cart","ok",80,599750000.0]
        ["/a/2","GET /cart","ok",80,602250000.0]
        ["/b/0","GET /cart","ok",27,451000000.0]
        ["/b/1","GET /cart","ok",26,449750000.0]
        ["/b/2","GET /cart","ok",27,452250000.0]
        [null,"GET /cart","error",70,596000000.0]
        [null,"GET /cart","ok",310,701000000.0]"#]],
    )
    .await;
}

#[tokio::test]
async fn one_key_may_be_null_or_not() {
    let stage = several_parts().await;
    check(
        &stage,
        "SELECT http.route, count(*) FROM spans WHERE time < '2026-11-21T04:05:00Z' GROUP BY 1 ORDER BY 1",
        expect![[r#"
        ["/a/0",80]
        ["/a/1",80]
        ["/a/2",80]
        [null,60]"#]],
    )
    .await;
    check(&stage, "SELECT service.name, count(*) FROM spans GROUP BY 1", expect![[r#"["shop",1200]"#]]).await;
}

#[tokio::test]
async fn times_and_computed_keys_group_with_codes() {
    let stage = several_parts().await;
    let query = r#"SELECT time_bucket(interval '10 minutes', time) AS t, status_code, "http.route" LIKE '/b%' AS b, count(*) FROM spans WHERE "http.route" IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"#;
    let physical = plan(&stage, query).await;
    assert!(physical.contains("CodeGroupingExec"), "{physical}");
    check(
        &stage,
        query,
        expect![[r#"
        ["2026-11-21T04:00:00.000000000Z","ok",false,240]
        ["2026-11-21T04:00:00.000000000Z","ok",true,240]
        ["2026-11-21T04:10:00.000000000Z","ok",false,240]"#]],
    )
    .await;
}

#[tokio::test]
async fn conditions_hold_on_codes_as_on_texts() {
    let stage = several_parts().await;
    for (condition, expected) in [
        (r#""http.route" = '/a/1'"#, 160),
        (r#""http.route" <> '/a/1'"#, 560),
        (r#""http.route" IS NULL"#, 480),
        (r#""http.route" IS DISTINCT FROM '/a/1'"#, 1_040),
        (r#"upper("http.route") LIKE '/B/%'"#, 240),
        (r#""http.route" IN ('/a/0', '/b/0', 'none')"#, 240),
        (r#"coalesce("http.route", 'none') = 'none'"#, 480),
        (r#""http.route" = '/a/1' OR "user.id" LIKE '%number 10'"#, 161),
        (r#""http.route" = '/a/1' AND status_code = 'ok' AND duration_ns < 100000000"#, 27),
        (r#"concat("http.route", status_code) = '/b/2ok'"#, 80),
        (r#"length("http.route") > 3 AND "http.route" > '/a/2'"#, 240),
        (r#"CASE "http.route" WHEN '/a/1' THEN false END"#, 0),
    ] {
        let query = format!("SELECT count(*) FROM spans WHERE {condition}");
        assert_eq!(stage.sql(&query).await, [[expected]], "{condition}");
    }
}

#[tokio::test]
async fn texts_are_given_as_texts() {
    let stage = several_parts().await;
    let answer = stage.asker.engine.sql(PROJECT, "SELECT http.route, status_code, resource FROM spans", 10_000).await.unwrap();
    let types: Vec<String> = answer.columns().into_iter().map(|column| column.r#type).collect();
    assert_eq!(types, ["string"; 3]);
    assert_eq!(answer.rows(), 1_200);
    check(
        &stage,
        "SELECT DISTINCT upper(http.route) AS r, count(DISTINCT user.id) FROM spans GROUP BY 1 ORDER BY 1 LIMIT 2",
        expect![[r#"
            ["/A/0",160]
            ["/A/1",160]"#]],
    )
    .await;
    check(
        &stage,
        "SELECT a.http.route, count(*) FROM spans a JOIN spans b ON a.user.id = b.user.id AND a.http.route = b.http.route GROUP BY 1 ORDER BY 1 LIMIT 2",
        expect![[r#"
            ["/a/0",160]
            ["/a/1",160]"#]],
    )
    .await;
}

#[tokio::test]
async fn columns_that_do_not_repeat_are_grouped_as_before() {
    let stage = several_parts().await;
    let query = r#"SELECT "user.id", count(*) AS n FROM spans GROUP BY 1 ORDER BY n DESC, 1 LIMIT 3"#;
    let physical = plan(&stage, query).await;
    assert!(!physical.contains("CodeGroupingExec"), "{physical}");
    check(
        &stage,
        query,
        expect![[r#"
        ["00300c014f7bac4e7b82659d6e970e4a a user with a rather long name, number 609",1]
        ["007dc9d4dacaeffab9ab17b4946b383d a user with a rather long name, number 232",1]
        ["00add5d62a469c49352d7d5203024687 a user with a rather long name, number 842",1]"#]],
    )
    .await;
}

#[tokio::test]
async fn sets_of_groups_are_of_one_reading() {
    let stage = several_parts().await;
    let query = r#"SELECT "http.route", "http.response.status_code" AS status, count(*) AS n, percentile(duration_ns, 0.5), avg(duration_ns) FROM spans GROUP BY GROUPING SETS (("http.route", "http.response.status_code"), ("http.response.status_code"), ("http.route"), ()) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3"#;
    let physical = plan(&stage, query).await;
    assert!(physical.contains("CodeGroupingExec: gby=[http.route, http.response.status_code] in 4 sets"), "{physical}");
    check(
        &stage,
        query,
        expect![[r#"
        [null,null,480,717225983.0,674750000.0]
        [null,null,1200,599785471.0,600500000.0]
        [null,200,240,717225983.0,673500000.0]
        [null,200,600,599785471.0,600000000.0]
        [null,201,240,717225983.0,676000000.0]
        [null,201,600,599785471.0,601000000.0]
        ["/a/0",null,160,299892735.0,601000000.0]
        ["/a/0",200,80,295698431.0,601000000.0]
        ["/a/0",201,80,299892735.0,601000000.0]
        ["/a/1",null,160,299892735.0,599750000.0]
        ["/a/1",200,80,299892735.0,603500000.0]
        ["/a/1",201,80,291504127.0,596000000.0]
        ["/a/2",null,160,299892735.0,602250000.0]
        ["/a/2",200,80,295698431.0,598500000.0]
        ["/a/2",201,80,299892735.0,606000000.0]
        ["/b/0",null,80,446693375.0,451000000.0]
        ["/b/0",200,40,446693375.0,451000000.0]
        ["/b/0",201,40,446693375.0,451000000.0]
        ["/b/1",null,80,450887679.0,449750000.0]
        ["/b/1",200,40,450887679.0,453500000.0]
        ["/b/1",201,40,438304767.0,446000000.0]
        ["/b/2",null,80,450887679.0,452250000.0]
        ["/b/2",200,40,446693375.0,448500000.0]
        ["/b/2",201,40,450887679.0,456000000.0]"#]],
    )
    .await;
    // One reading of numbers alone, too.
    let query = r#"SELECT "http.response.status_code" AS status, count(*) AS n FROM spans GROUP BY ROLLUP ("http.response.status_code") ORDER BY 1 NULLS FIRST"#;
    let physical = plan(&stage, query).await;
    assert!(physical.contains("CodeGroupingExec: gby=[http.response.status_code] in 2 sets"), "{physical}");
    check(
        &stage,
        query,
        expect![[r#"
        [null,1200]
        [200,600]
        [201,600]"#]],
    )
    .await;
}

#[tokio::test]
async fn times_that_a_file_lies_between_are_not_asked_of_its_rows() {
    let stage = several_parts().await;
    let counted = |from: &str, to: &str| {
        format!(
            "SELECT count(*), sum(duration_ns) FROM spans WHERE status_code IS NOT NULL AND time >= '{from}' AND time < '{to}'"
        )
    };
    let scans = |plan: &str| -> String {
        let scans = plan.lines().filter(|line| line.contains("file_type=parquet"));
        let told = scans.map(|line| {
            let files = line.matches(".parquet").count();
            format!(
                "{files} files, {}",
                if line.contains("predicate=time") || line.contains("AND time") { "by time" } else { "whole" }
            )
        });
        told.collect::<Vec<_>>().join("; ")
    };
    let all = counted("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");
    expect!["3 files, whole"].assert_eq(&scans(&plan(&stage, &all).await));
    check(&stage, &all, expect!["[1200,720600000000]"]).await;
    let some = counted("2026-11-21T04:02:00Z", "2026-11-22T00:00:00Z");
    expect!["2 files, whole; 1 files, by time"].assert_eq(&scans(&plan(&stage, &some).await));
    check(&stage, &some, expect!["[1080,713340000000]"]).await;
}
