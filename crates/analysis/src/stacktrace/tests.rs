//! One case per language and form; frames are printed oldest first, `*` marks the application's own.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: Expect) {
    let parsed = parse(text, None);
    let mut out = format!("{:?}\n", parsed.language);
    for link in &parsed.links {
        writeln!(out, "{} | {}", link.r#type, link.message).unwrap();
        for frame in &link.frames {
            let mark = if frame.in_app { '*' } else { ' ' };
            let number = |number: Option<u32>| number.map_or(String::new(), |number| format!(":{number}"));
            let place = format!("{}{}{}", frame.file, number(frame.line), number(frame.column));
            writeln!(out, "{mark} {} @ {place}", frame.function).unwrap();
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn python_with_its_cause() {
    check(
        r#"Traceback (most recent call last):
  File "/app/shop.py", line 12, in charge
    card["x"]
    ~~~~^^^^^
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app
    response = self.full_dispatch_request()
  File "/app/shop.py", line 14, in pay
    raise RuntimeError("wrapped") from e
RuntimeError: wrapped
"#,
        expect![[r#"
            Python
            RuntimeError | wrapped
              wsgi_app @ /venv/lib/python3.11/site-packages/flask/app.py:1511
            * pay @ /app/shop.py:14
            KeyError | 'x'
            * charge @ /app/shop.py:12
        "#]],
    );
}

#[test]
fn python_without_folders_or_lines() {
    check(
        "Traceback (most recent call last):\n  [2 more frames]\n  File \"app.py\", line 2, in wsgi_app\n  File \"app.py\", line 9, in pay\n  File \"<string>\", in <unknown>\nValueError",
        expect![[r#"
            Python
            ValueError | 
              wsgi_app @ app.py:2
            * pay @ app.py:9
              <unknown> @ <string>
        "#]],
    );
}

#[test]
fn node_with_a_cause() {
    check(
        "TypeError: boom in handler\n    at /app/app.js:15:40\n    at Layer.handleRequest (/app/node_modules/router/lib/layer.js:169:33)\n    at async Promise.all (index 0)\n    at Array.map (<anonymous>)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {\n  [cause]: RangeError: too far\n      at new Cart (file:///app/cart.mjs:3:9)\n}",
        expect![[r#"
            JavaScript
            TypeError | boom in handler
              process.processTicksAndRejections @ node:internal/process/task_queues:95:5
              Array.map @ <anonymous>
              async Promise.all @ index 0
              Layer.handleRequest @ /app/node_modules/router/lib/layer.js:169:33
            *  @ /app/app.js:15:40
            RangeError | too far
            * new Cart @ file:///app/cart.mjs:3:9
        "#]],
    );
}

#[test]
fn browsers() {
    check(
        "TypeError: x is undefined\n    at buy (https://shop.example/static/main.3f2a9c1b.js?v=2:2:3456)\n    at https://shop.example/static/main.3f2a9c1b.js:1:1",
        expect![[r#"
            JavaScript
            TypeError | x is undefined
            *  @ https://shop.example/static/main.3f2a9c1b.js:1:1
            * buy @ https://shop.example/static/main.3f2a9c1b.js?v=2:2:3456
        "#]],
    );
    check(
        "buy@https://shop.example/app.js:12:34\n@https://shop.example/app.js:1:2\n",
        expect![[r#"
            JavaScript
             | 
            *  @ https://shop.example/app.js:1:2
            * buy @ https://shop.example/app.js:12:34
        "#]],
    );
}

#[test]
fn java_with_shared_frames() {
    check(
        "com.shop.OrderException: cannot order 17\n\tat com.shop.Orders.place(Orders.java:31)\n\tat com.shop.Web.post(Web.java:12)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n\tSuppressed: java.io.IOException: close\n\t\tat com.shop.Db.close(Db.java:5)\nCaused by: java.sql.SQLException: no such table\n\tat org.postgresql.Driver.run(Driver.java:7) ~[pg.jar:42]\n\tat com.shop.Db.query(Db.java:99)\n\t... 2 more\n",
        expect![[r#"
            Java
            com.shop.OrderException | cannot order 17
              java.lang.Thread.run @ Thread.java:840
            * com.shop.Web.post @ Web.java:12
            * com.shop.Orders.place @ Orders.java:31
            java.sql.SQLException | no such table
              java.lang.Thread.run @ Thread.java:840
            * com.shop.Web.post @ Web.java:12
            * com.shop.Db.query @ Db.java:99
              org.postgresql.Driver.run @ Driver.java:7
        "#]],
    );
}

#[test]
fn dotnet_with_its_inner_exception() {
    check(
        "System.InvalidOperationException: outer\n ---> System.FormatException: inner 7\n   at System.Number.Parse(String s)\n   at Shop.Cart.Read(String s) in C:\\src\\Cart.cs:line 12\n   --- End of inner exception stack trace ---\n   at Shop.Web.Post() in /src/Web.cs:line 30\n--- End of stack trace from previous location ---\n   at Shop.Web.<Run>d__5.MoveNext()",
        expect![[r#"
            DotNet
            System.InvalidOperationException | outer
            * Shop.Web.<Run>d__5.MoveNext @ 
            * Shop.Web.Post @ /src/Web.cs:30
            System.FormatException | inner 7
            * Shop.Cart.Read @ C:\src\Cart.cs:12
              System.Number.Parse @ 
        "#]],
    );
}

#[test]
fn ruby_with_its_cause() {
    check(
        "/app/shop.rb:12:in 'Shop#buy': sold out (SoldOut)\n\tfrom /app/web.rb:3:in 'block in <main>'\n\tfrom /usr/local/bundle/gems/rack-3.0/lib/rack.rb:9:in `call'\n/app/stock.rb:5:in 'take': key not found (KeyError)\n\tfrom /app/shop.rb:10:in 'Shop#buy'\n",
        expect![[r#"
            Ruby
            SoldOut | sold out
              call @ /usr/local/bundle/gems/rack-3.0/lib/rack.rb:9
            * block in <main> @ /app/web.rb:3
            * Shop#buy @ /app/shop.rb:12
            KeyError | key not found
            * Shop#buy @ /app/shop.rb:10
            * take @ /app/stock.rb:5
        "#]],
    );
}

#[test]
fn go_panic() {
    check(
        "goroutine 34 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:24 +0x5e\nmain.(*Shop).Buy(0xc000012345, {0x1, 0x2})\n\t/src/shop.go:42 +0x1d\ncreated by net/http.(*Server).Serve in goroutine 1\n\t/usr/local/go/src/net/http/server.go:3086 +0x5cb\n",
        expect![[r#"
            Go
             | goroutine 34 [running]:
              net/http.(*Server).Serve @ /usr/local/go/src/net/http/server.go:3086
            * main.(*Shop).Buy @ /src/shop.go:42
              runtime/debug.Stack @ /usr/local/go/src/runtime/debug/stack.go:24
        "#]],
    );
}

#[test]
fn php_and_what_came_next() {
    check(
        "PDOException: gone in /app/db.php:3\nStack trace:\n#0 /app/shop.php(12): Db->query('x')\n#1 {main}\n\nNext RuntimeException: cannot buy in /app/shop.php:14\nStack trace:\n#0 /app/vendor/slim/App.php(5): Shop->buy(Object(Request))\n#1 [internal function]: run()\n#2 {main}\n  thrown",
        expect![[r#"
            Php
            RuntimeException | cannot buy in /app/shop.php:14
              run @ [internal function]
              Shop->buy @ /app/vendor/slim/App.php:5
            PDOException | gone in /app/db.php:3
            * Db->query @ /app/shop.php:12
        "#]],
    );
}

#[test]
fn rust_backtrace() {
    check(
        "thread 'main' panicked at src/main.rs:2:5:\nno stock\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/abc/library/std/src/panicking.rs:665:5\n   1: shop::buy::h0123456789abcdef\n             at ./src/main.rs:2:5\n",
        expect![[r#"
            Rust
             | thread 'main' panicked at src/main.rs:2:5:
            * shop::buy::h0123456789abcdef @ ./src/main.rs:2:5
              rust_begin_unwind @ /rustc/abc/library/std/src/panicking.rs:665:5
        "#]],
    );
}

#[test]
fn prose_has_no_frames() {
    check(
        "look at this: nothing\nat least once\n\n",
        expect![[r#"
        Unknown
         | look at this: nothing
    "#]],
    );
}

/// Each line repeats all frames of the outer exception; only the first is followed.
#[test]
fn repeated_frames_do_not_add_up() {
    let frames = "\tat com.shop.Web.post(Web.java:4)\n".repeat(FRAMES_PER_EXCEPTION_MAX + 1);
    let text = format!("A: x\n{frames}Caused by: B: y\n{}", "\t... 2000 more\n".repeat(200_000));
    let parsed = parse(&text, None);
    assert!(parsed.links.iter().all(|link| link.frames.len() == FRAMES_PER_EXCEPTION_MAX));
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "([ \t]{0,4}(at |File \"|#0 |from |Caused by: |\\.\\.\\. |---> |Traceback \\(most recent call last\\)|x@|[(){}:/.'\"]|more|:in '|[0-9]{1,3}|\\PC){0,12}\n){0,12}") {
        let _ = parse(&text, None);
    }

    #[test]
    fn never_panics_on_anything(text in "\\PC*") {
        let _ = parse(&text, Some("python"));
    }
}
