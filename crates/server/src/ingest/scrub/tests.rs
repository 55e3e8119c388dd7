//! Requests and what is left of them.

use super::*;

fn scrubber(settings: ScrubSettings) -> Scrubber {
    Scrubber { rules: RwLock::new(Some(Compiled::new(settings).unwrap())), hits: Mutex::default() }
}

fn clean(body: &[u8]) -> Vec<u8> {
    scrubber(ScrubSettings::default()).scrub("rollbar", body, 1).unwrap_or_else(|| body.to_vec())
}

#[test]
fn secrets_go_and_all_else_stays() {
    let cases = [
        (r#"{"password": "hunter2", "user": "ann"}"#, r#"{"password": "*******", "user": "ann"}"#),
        (r#"{"PassWord":"a\"b","x":1}"#, r#"{"PassWord":"****","x":1}"#),
        (r#"{"password":"","x":"y"}"#, r#"{"password":"","x":"y"}"#),
        (r#"{"cvv": 123, "cvc": "1"}"#, r#"{"cvv": 111, "cvc": "1"}"#),
        (
            r#"{"secret_key": "a", "password-confirmation": "b", "apiKey": "c", "Client-Secret": "d"}"#,
            r#"{"secret_key": "*", "password-confirmation": "*", "apiKey": "*", "Client-Secret": "*"}"#,
        ),
        (r#"{"new-password": "x y"}"#, r#"{"new-password": "***"}"#),
        (r#"{"http.request.header.authorization": ["Token abc"]}"#, r#"{"http.request.header.authorization": ["*********"]}"#),
        (r#"{"passwords": "kept", "the_secrets_of": "kept"}"#, r#"{"passwords": "kept", "the_secrets_of": "kept"}"#),
        (r#"{"log": "{\"secret\":\"a b\",\"y\":\"z\"}"}"#, r#"{"log": "{\"secret\":\"***\",\"y\":\"z\"}"}"#),
        (r#"{"key": "password", "text": "the password is long"}"#, r#"{"key": "password", "text": "the password is long"}"#),
        ("password=hunter2&x=1", "password=*******&x=1"),
        (r#"{"url": "https://u:pw@h/?a=1&token=abc#f"}"#, r#"{"url": "https://u:**@h/?a=1&token=***#f"}"#),
        (
            r#"{"a": "Bearer abcdefghijklmnop", "b": "AKIAABCDEFGHIJKLMNOP"}"#,
            r#"{"a": "Bearer ****************", "b": "********************"}"#,
        ),
        (r#"{"m": "card 4111 1111 1111 1111 declined"}"#, r#"{"m": "card ******************* declined"}"#),
        (r#"{"m": "5555555555554444"}"#, r#"{"m": "1111111111111111"}"#),
        (
            r#"{"m": "4111111111111112", "span_id": "4111111111111111", "t": 4111111111111111000}"#,
            r#"{"m": "4111111111111112", "span_id": "4111111111111111", "t": 4111111111111111000}"#,
        ),
        (
            r#"{"time": 1795228178500000000, "trace": "84af46b1e6159f3158c96474086f096d"}"#,
            r#"{"time": 1795228178500000000, "trace": "84af46b1e6159f3158c96474086f096d"}"#,
        ),
    ];
    for (body, expected) in cases {
        let found = clean(body.as_bytes());
        assert_eq!(String::from_utf8_lossy(&found), expected);
        assert_eq!(found.len(), body.len());
    }
}

#[test]
fn binary_forms_keep_their_lengths() {
    // A KeyValue of OTLP, and a pair of MessagePack.
    let otlp = b"\x0a\x08password\x12\x09\x0a\x07hunter2\x0a\x01x";
    assert_eq!(clean(otlp), b"\x0a\x08password\x12\x09\x0a\x07*******\x0a\x01x");
    let prefixed = b"\x0a\x0capp.password\x12\x05\x0a\x03abc";
    assert_eq!(clean(prefixed), b"\x0a\x0capp.password\x12\x05\x0a\x03***");
    assert_eq!(clean(b"\x81\xa8password\xa7hunter2\xa1x"), b"\x81\xa8password\xa7*******\xa1x");
}

#[test]
fn hits_are_counted_once_and_settings_are_checked() {
    let settings = ScrubSettings { patterns: vec![r"order-\d+".into()], ..ScrubSettings::default() };
    let scrubber = scrubber(settings);
    let body = br#"{"password": "x", "secret": "y", "id": "order-77", "api_key": "***"}"#;
    let once = scrubber.scrub("rollbar", body, 5).unwrap();
    assert_eq!(String::from_utf8_lossy(&once), r#"{"password": "*", "secret": "*", "id": "********", "api_key": "***"}"#);
    assert!(scrubber.scrub("rollbar", &once, 6).is_none());
    assert!(scrubber.scrub("otlp", body, 7).is_none(), "not asked for");
    let told: Vec<(String, u64, i64)> =
        scrubber.hits().into_iter().map(|hit| (hit.rule, hit.hits, hit.last_at_unix_nano)).collect();
    assert_eq!(told, [("key password".into(), 1, 5), ("key secret".into(), 1, 5), ("pattern 1".into(), 1, 5)]);
    let nested = scrubber.scrub("rollbar", br#"{"client_secret": "x"}"#, 8);
    assert!(nested.is_some() && scrubber.hits().iter().any(|hit| hit.rule == "key client_secret" && hit.hits == 1));
    assert!(Compiled::new(ScrubSettings { patterns: vec!["(".into()], ..ScrubSettings::default() }).is_err());
}

proptest::proptest! {
    #[test]
    fn lengths_stay_and_twice_is_once(body in "(\"?(password|secret|cookie|card)\\\\?\"? ?[:=] ?\\[?\\\\?\"?[a-z0-9\\\\\" ]{0,9}\"?[,&}]|\\PC){0,8}") {
        let once = clean(body.as_bytes());
        proptest::prop_assert_eq!(once.len(), body.len());
        if serde_json::from_str::<serde_json::Value>(&body).is_ok() {
            proptest::prop_assert!(serde_json::from_slice::<serde_json::Value>(&once).is_ok());
        }
    }
}
