//! What must fall together and what must not; the first cases are one application's errors as three vendors told them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

fn group(r#type: &str, message: &str, stacktrace: &str) -> String {
    let exception = model::Exception {
        r#type: r#type.into(),
        message: message.into(),
        stacktrace: stacktrace.into(),
        ..model::Exception::default()
    };
    fingerprint(&exception, None)
}

/// The groups of the stack texts in `fixtures/grouping/<case>`, of those files whose name has `part` in it.
fn groups_of(case: &str, part: &str, r#type: &str, message: &str) -> BTreeSet<String> {
    let folder = Path::new("../../fixtures/grouping").join(case);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let chosen = files.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part));
    chosen.map(|path| group(r#type, message, &fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn one_error_told_by_three_vendors_in_two_eras_is_one_group() {
    let groups = groups_of("name-error", "", "NameError", "name 'ShowActivity' is not defined");
    assert_eq!(groups.len(), 1, "{groups:?}");
}

#[test]
fn x_ray_stands_alone_where_its_ten_frames_miss_the_application() {
    let told = |part| groups_of("key-error", part, "KeyError", "'message'");
    let (otlp, rollbar, xray) = (told("otlp"), told("rollbar"), told("xray"));
    assert_eq!(otlp, rollbar);
    assert_eq!((otlp.len(), xray.len()), (1, 1));
    assert_ne!(otlp, xray);
}

#[test]
fn node_errors_of_rollbar_and_x_ray_are_one_group() {
    let otlp = "TypeError: boom in handler\n    at /app/app.js:15:40\n    at Layer.handleRequest (/app/node_modules/router/lib/layer.js:169:33)";
    let xray = "TypeError: boom in handler\n    at anonymous (/app/app.js:15)\n    at Layer.handleRequest (/app/node_modules/router/lib/layer.js:169)\n    at AsyncLocalStorage.run (node)";
    let rollbar = "TypeError: boom in handler\n    at <unknown> (/app/app.js:15:39)\n    at AsyncLocalStorage.run (node:async_hooks:346:13)";
    let groups: BTreeSet<String> = [otlp, xray, rollbar].map(|text| group("TypeError", "boom in handler", text)).into();
    assert_eq!(groups.len(), 1);
}

const PYTHON_KEY_ERROR: &str = "Traceback (most recent call last):\n  File \"/app/web.py\", line 5, in post\n    pay(cart)\n  File \"/app/shop.py\", line 9, in pay\n    charge(cart)\n  File \"/app/bank.py\", line 3, in charge\n    cart['total']\nKeyError: 'total'\n";

#[test]
fn wrapped_and_unwrapped_fall_together() {
    let cause = "Traceback (most recent call last):\n  File \"/app/shop.py\", line 9, in pay\n    charge(cart)\n  File \"/app/bank.py\", line 3, in charge\n    cart['total']\nKeyError: 'total'\n";
    let wrapper = "Traceback (most recent call last):\n  File \"/app/web.py\", line 5, in post\n    pay(cart)\n  File \"/app/shop.py\", line 11, in pay\n    raise PaymentError('no') from error\nshop.PaymentError: no\n";
    let joined = format!("{cause}\nThe above exception was the direct cause of the following exception:\n\n{wrapper}");
    assert_eq!(group("shop.PaymentError", "no", &joined), group("KeyError", "'total'", PYTHON_KEY_ERROR));

    let java = "java.sql.SQLException: gone\n\tat com.shop.Db.query(Db.java:9)\n\tat com.shop.Web.post(Web.java:4)\n";
    let wrapped = "com.shop.Oops: outer\n\tat com.shop.Web.post(Web.java:6)\nCaused by: java.sql.SQLException: gone 7\n\tat com.shop.Db.query(Db.java:9)\n\tat com.shop.Web.post(Web.java:4)\n";
    let shared = "com.shop.Oops: outer\n\tat com.shop.Web.wrap(Web.java:6)\n\tat com.shop.Main.main(Main.java:1)\nCaused by: java.sql.SQLException: gone 7\n\tat com.shop.Db.query(Db.java:9)\n\t... 1 more\n";
    let plain = "java.sql.SQLException: gone\n\tat com.shop.Db.query(Db.java:9)\n\tat com.shop.Main.main(Main.java:1)\n";
    assert_eq!(group("com.shop.Oops", "outer", wrapped), group("java.sql.SQLException", "gone", java));
    assert_eq!(group("com.shop.Oops", "outer", shared), group("java.sql.SQLException", "gone", plain));
}

#[test]
fn a_chain_of_two_equal_links_is_the_single_error() {
    let twice =
        format!("{PYTHON_KEY_ERROR}\nThe above exception was the direct cause of the following exception:\n\n{PYTHON_KEY_ERROR}");
    assert_eq!(group("KeyError", "'total'", &twice), group("KeyError", "'total'", PYTHON_KEY_ERROR));
}

#[test]
fn lines_messages_folders_and_builds_do_not_split() {
    let same = [
        (PYTHON_KEY_ERROR.to_owned(), PYTHON_KEY_ERROR.replace("line 9", "line 10").replace("'total'", "'sum'")),
        (PYTHON_KEY_ERROR.to_owned(), PYTHON_KEY_ERROR.replace("/app/", "/srv/releases/20261121/")),
        (
            "E: x\n    at buy (https://shop.example/static/main.3f2a9c1b.js?v=2:2:3456)".to_owned(),
            "E: x\n    at buy (https://cdn.example/main.99aa01ff.js:9:1)".to_owned(),
        ),
        (
            "E: x\n\tat com.shop.Web.lambda$post$3(Web.java:4)".to_owned(),
            "E: x\n\tat com.shop.Web.lambda$post$12(Web.java:8)".to_owned(),
        ),
        (
            "E: x\n   at Shop.Web.<Run>d__5.MoveNext() in /a/Web.cs:line 3".to_owned(),
            "E: x\n   at Shop.Web.<Run>d__17.MoveNext()".to_owned(),
        ),
    ];
    for (left, right) in same {
        assert_eq!(group("E", "x", &left), group("E", "y", &right), "{left}\n{right}");
    }
}

#[test]
fn types_functions_and_files_split() {
    let base = group("E", "x", "E: x\n    at buy (/app/shop.js:1:2)");
    assert_ne!(base, group("F", "x", "F: x\n    at buy (/app/shop.js:1:2)"));
    assert_ne!(base, group("E", "x", "E: x\n    at sell (/app/shop.js:1:2)"));
    assert_ne!(base, group("E", "x", "E: x\n    at buy (/app/cart.js:1:2)"));
    let views = |folder| format!("Traceback (most recent call last):\n  File \"/app/{folder}/views.py\", line 1, in get\nE: x");
    assert_ne!(group("E", "x", &views("cart")), group("E", "x", &views("user")), "common names carry their folder");
}

#[test]
fn library_frames_count_only_where_there_are_no_others() {
    let with = |library: &str| format!("E: x\n    at q (/app/node_modules/pg/{library}.js:1:2)\n    at buy (/app/shop.js:1:2)");
    assert_eq!(group("E", "x", &with("a")), group("E", "x", &with("b")));
    let only = |library: &str| format!("E: x\n    at q (/app/node_modules/pg/{library}.js:1:2)");
    assert_ne!(group("E", "x", &only("a")), group("E", "x", &only("b")));
}

#[test]
fn recursion_counts_once() {
    let deep = |times: usize| format!("E: x\n{}    at main (/app/a.js:9:1)", "    at walk (/app/a.js:1:1)\n".repeat(times));
    assert_eq!(group("E", "x", &deep(2)), group("E", "x", &deep(1_500)));
}

#[test]
fn without_frames_the_template_decides() {
    assert_eq!(group("", "order 5 failed", ""), group("", "order 17 failed", ""));
    assert_ne!(group("", "order 5 failed", ""), group("", "order 5 shipped", ""));
    assert_ne!(group("KeyError", "'a'", ""), group("KeyError", "'b'", ""));
}

#[test]
fn a_client_s_fingerprint_wins() {
    let own = |text: &str| {
        let exception = model::Exception { fingerprint: Some(text.to_owned().into()), ..model::Exception::default() };
        fingerprint(&exception, None)
    };
    assert_eq!(own("checkout-failed"), "checkout-failed");
    assert_eq!(own(&"a".repeat(40)), "a".repeat(40));
    assert_eq!(own(&"a".repeat(41)), "52cedd6b110e4330b5186478736afa5203c4f9ea".to_owned(), "SHA-1 in hex");
    assert_eq!(own("  "), group("", "", ""), "blank says nothing");
    let split = own("{{default_fingerprint}} blue");
    assert!(split.len() <= 40 && split != own("{{default_fingerprint}} red"), "{split}");
}

#[test]
fn our_own_start_with_the_version_of_the_algorithm() {
    let own = group("E", "x", "");
    assert_eq!((own.len(), &own[..2]), (34, "02"));
    assert!(own.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

proptest::proptest! {
    #[test]
    fn never_panics(r#type in "\\PC{0,20}", message in "\\PC{0,80}", stack in "(    at \\PC{0,30}\n|  File \"\\PC{0,9}\", line 1, in \\PC{0,9}\n|\\PC{0,30}\n){0,9}") {
        let _ = group(&r#type, &message, &stack);
    }
}

#[test]
fn items_of_the_first_algorithm_are_found_again() {
    let exception = model::Exception {
        r#type: "ValueError".into(),
        message: "no".into(),
        stacktrace: "Traceback (most recent call last):\n  File \"/app/shop.py\", line 3, in buy\nValueError: no\n".into(),
        ..model::Exception::default()
    };
    let earlier = earlier_fingerprints(&exception, Some("python"));
    assert_eq!(earlier.len(), EARLIER_VERSIONS.len());
    // As version 1 wrote it, to the last digit: it stands in files and items.
    assert_eq!(earlier[0], "010f00d1253a11537d7270063b4e1ef0c4");
    assert_ne!(earlier[0], fingerprint(&exception, Some("python")));
    let own = model::Exception { fingerprint: Some("own".into()), ..exception };
    assert!(earlier_fingerprints(&own, None).is_empty());
}
