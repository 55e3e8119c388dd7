//! Signature version 4: whether a request was signed with a key we know. Pure; the clock and the keys come in.
//!
//! Spec: docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html

use std::collections::BTreeMap;
use std::fmt;

use http::HeaderMap;
use sha2::{Digest, Sha256};

/// How far a client's clock may be off, in seconds; AWS's own bound.
const CLOCK_SKEW_SECONDS_MAX: i64 = 300;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Secrets by access key id. Without any, every caller is welcome.
#[derive(Clone, Default)]
pub struct AwsKeys(BTreeMap<String, String>);

/// Tells how many there are, never which.
impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsKeys({})", self.0.len())
    }
}

impl AwsKeys {
    /// Reads `id=secret`, several joined by commas.
    pub fn parse(text: &str) -> Result<AwsKeys, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let mut keys = BTreeMap::new();
        for (place, pair) in pairs.enumerate() {
            match pair.split_once('=') {
                Some((id, secret)) if !id.is_empty() && !secret.is_empty() => keys.insert(id.to_owned(), secret.to_owned()),
                // The pair itself is a secret.
                _ => return Err(format!("cannot read key {}: expected an access key id, = and its secret", place + 1)),
            };
        }
        Ok(AwsKeys(keys))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn secret(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

/// A request as it stood on the wire.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    pub method: &'a str,
    /// As sent, still encoded.
    pub path: &'a str,
    /// As sent, without the question mark.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// As sent, still compressed.
    pub body: &'a [u8],
}

/// Why a signature is not one, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError {
    pub name: &'static str,
    pub message: String,
}

fn error(name: &'static str, message: impl Into<String>) -> SignatureError {
    SignatureError { name, message: message.into() }
}

/// Whether the request carries a signature at all.
pub fn is_signed(headers: &HeaderMap) -> bool {
    header(headers, "authorization").starts_with(ALGORITHM)
}

/// Whether the request was signed, with a known key, for one of `services`, around `now`.
pub fn verify(
    request: SignedRequest<'_>,
    keys: &AwsKeys,
    services: &[&str],
    now_unix_seconds: i64,
) -> Result<(), SignatureError> {
    if !request.headers.contains_key("authorization") {
        return Err(error("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    let authorization = Authorization::read(header(request.headers, "authorization"))?;
    let date = header(request.headers, "x-amz-date");
    let signed_at = unix_seconds(date).ok_or_else(|| {
        error(
            "IncompleteSignatureException",
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    let scope = authorization.scope()?;
    if !services.contains(&scope.service) {
        let message = format!("Credential should be scoped to correct service: '{}'.", services.first().unwrap_or(&""));
        return Err(error("InvalidSignatureException", message));
    }
    if !date.starts_with(scope.date) {
        let message = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP";
        return Err(error("InvalidSignatureException", message));
    }
    check_clock(signed_at, now_unix_seconds)?;
    if !authorization.signed_headers().any(|name| name == "host") {
        return Err(error(
            "InvalidSignatureException",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    let Some(secret) = keys.secret(scope.key) else {
        return Err(error("UnrecognizedClientException", "The security token included in the request is invalid."));
    };
    let payload_hash = payload_hash(request)?;
    let canonical = canonical_request(request, authorization.signed_headers, &payload_hash);
    let expected = hex(&sign(secret, scope, date, &canonical));
    if is_same(expected.as_bytes(), authorization.signature.as_bytes()) {
        return Ok(());
    }
    let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
                   Key and signing method. Consult the service documentation for details.";
    Err(error("InvalidSignatureException", message))
}

/// Gives a request of our own the headers that a signature covers: its time, and the hash of its body.
pub fn stamp(headers: &mut HeaderMap, body: &[u8], now_unix_seconds: i64) -> Result<(), String> {
    let value = |text: &str| http::HeaderValue::from_str(text).map_err(|error| error.to_string());
    headers.insert("x-amz-date", value(&basic_time(now_unix_seconds))?);
    headers.insert("x-amz-content-sha256", value(&hex(&Sha256::digest(body)))?);
    Ok(())
}

/// The `Authorization` of a request of our own, with its stamp. The path is taken as it is, as S3 does.
pub fn authorization(
    request: SignedRequest<'_>,
    key: &str,
    secret: &str,
    region: &str,
    service: &str,
    now_unix_seconds: i64,
) -> String {
    let date = basic_time(now_unix_seconds);
    let day = date.get(..8).unwrap_or_default();
    let signed_headers = "host;x-amz-content-sha256;x-amz-date";
    let of = |name: &str| header(request.headers, name);
    let payload_hash = of("x-amz-content-sha256");
    let canonical = format!(
        "{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{payload_hash}\nx-amz-date:{date}\n\n{signed_headers}\n{payload_hash}",
        request.method,
        request.path,
        canonical_query(request.query),
        of("host"),
    );
    let signature = hex(&sign(secret, Scope { key, date: day, region, service }, &date, &canonical));
    format!(
        "{ALGORITHM} Credential={key}/{day}/{region}/{service}/aws4_request, SignedHeaders={signed_headers}, Signature={signature}"
    )
}

/// A key of S3 as it stands in a path: encoded but for its slashes.
pub fn encoded_path(key: &str) -> String {
    key.split('/').map(|segment| encoded(segment.as_bytes())).collect::<Vec<_>>().join("/")
}

/// The three members of the header.
struct Authorization<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// `<key>/<date>/<region>/<service>/aws4_request`
#[derive(Clone, Copy)]
struct Scope<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Authorization<'a> {
    fn read(header: &'a str) -> Result<Authorization<'a>, SignatureError> {
        let Some(members) = header.strip_prefix(ALGORITHM) else {
            let algorithm = header.split(' ').next().unwrap_or_default();
            let message = format!("Unsupported AWS 'algorithm': '{algorithm}'.");
            return Err(error("IncompleteSignatureException", message));
        };
        let member = |name: &str| {
            let found = members.split([',', ' ']).find_map(|member| member.trim().strip_prefix(name)?.strip_prefix('='));
            let message = || format!("Authorization header requires '{name}' parameter.");
            found.filter(|value| !value.is_empty()).ok_or_else(|| error("IncompleteSignatureException", message()))
        };
        Ok(Authorization {
            credential: member("Credential")?,
            signed_headers: member("SignedHeaders")?,
            signature: member("Signature")?,
        })
    }

    fn scope(&self) -> Result<Scope<'a>, SignatureError> {
        let parts: Vec<&str> = self.credential.rsplitn(5, '/').collect();
        match parts[..] {
            ["aws4_request", service, region, date, key] => Ok(Scope { key, date, region, service }),
            _ => {
                let message = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term";
                Err(error("IncompleteSignatureException", message))
            }
        }
    }

    fn signed_headers(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.signed_headers.split(';')
    }
}

fn check_clock(signed_at: i64, now: i64) -> Result<(), SignatureError> {
    let (at, now_text) = (basic_time(signed_at), basic_time(now));
    if signed_at < now - CLOCK_SKEW_SECONDS_MAX {
        let oldest = basic_time(now - CLOCK_SKEW_SECONDS_MAX);
        let message = format!("Signature expired: {at} is now earlier than {oldest} ({now_text} - 5 min.)");
        return Err(error("InvalidSignatureException", message));
    }
    if signed_at > now + CLOCK_SKEW_SECONDS_MAX {
        let newest = basic_time(now + CLOCK_SKEW_SECONDS_MAX);
        let message = format!("Signature not yet current: {at} is still later than {newest} ({now_text} + 5 min.)");
        return Err(error("InvalidSignatureException", message));
    }
    Ok(())
}

/// What stands for the body: the hash the client told, if it is the body's; else the body's own.
fn payload_hash(request: SignedRequest<'_>) -> Result<String, SignatureError> {
    let computed = hex(&Sha256::digest(request.body));
    match header(request.headers, "x-amz-content-sha256") {
        "" => Ok(computed),
        "UNSIGNED-PAYLOAD" => Ok("UNSIGNED-PAYLOAD".to_owned()),
        told if told == computed => Ok(computed),
        _ => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            Err(error("InvalidSignatureException", message))
        }
    }
}

fn canonical_request(request: SignedRequest<'_>, signed_headers: &str, payload_hash: &str) -> String {
    let mut headers = String::new();
    for name in signed_headers.split(';') {
        let values = request.headers.get_all(name).iter();
        let values: Vec<String> = values.map(|value| trimmed(&String::from_utf8_lossy(value.as_bytes()))).collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let (path, query) = (canonical_path(request.path), canonical_query(request.query));
    format!("{}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload_hash}", request.method)
}

/// Without spaces around it, and with single ones within.
fn trimmed(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Without empty and dotted segments, and encoded once more: every service but S3 does both.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    if segments.is_empty() {
        return "/".to_owned();
    }
    let mut out = String::with_capacity(path.len());
    segments.iter().for_each(|segment| {
        out.push('/');
        out.push_str(&encoded(segment.as_bytes()));
    });
    if path.ends_with('/') {
        out.push('/');
    }
    out
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(&decoded(name)), encoded(&decoded(value)))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

fn sign(secret: &str, scope: Scope<'_>, date: &str, canonical: &str) -> [u8; 32] {
    let Scope { date: day, region, service, .. } = scope;
    let text =
        format!("{ALGORITHM}\n{date}\n{day}/{region}/{service}/aws4_request\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = hmac(format!("AWS4{secret}").as_bytes(), day.as_bytes());
    let key = hmac(&hmac(&key, region.as_bytes()), service.as_bytes());
    hmac(&hmac(&key, b"aws4_request"), text.as_bytes())
}

/// HMAC with SHA-256, RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Compares without telling by its time where the difference is.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// `20150830T123600Z`
fn unix_seconds(text: &str) -> Option<i64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

fn basic_time(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds).map_or_else(|_| String::new(), |time| time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z, the moment of all of AWS's vectors.
    const NOW: i64 = 1_440_938_160;

    struct Case {
        method: &'static str,
        path: &'static str,
        query: &'static str,
        headers: &'static [(&'static str, &'static str)],
        signed: &'static str,
        body: &'static [u8],
        signature: &'static str,
    }

    /// The first four are of AWS's own suite; all were signed by botocore.
    const CASES: [Case; 10] = [
        Case { signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ..GET },
        Case { method: "POST", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", ..GET },
        Case {
            method: "POST",
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            signed: "content-type;host;x-amz-date",
            body: b"Param1=value1",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ..GET
        },
        Case {
            query: "Param2=value2&Param1=value1",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ..GET
        },
        Case {
            method: "POST",
            path: "/TraceSummaries",
            headers: &[("content-type", "application/json")],
            signed: "content-type;host;x-amz-date",
            body: b"{\"StartTime\": 1}",
            signature: "234982ac02dd049d62e18deb3b72d93f2ca7032d8bb666f50b20b9a65026cd83",
            ..GET
        },
        Case { path: "/%E1%88%B4", signature: "697b34846207a3f72246f99d74ae1ee4fe54f44bb06730c58a0d339eb079596d", ..GET },
        Case { path: "/example%20space/", signature: "446b817944c553435b35e813c261ff4e161fff982d1bacdef1c87f6785dd1662", ..GET },
        Case { path: "/a/../b//c/./d", signature: "150cbcbc8550902a4525f95d0d0c8a16315f8c400f85236c0a3e3e8ed585a3c6", ..GET },
        Case {
            headers: &[("my-header1", "  a   b  c  ")],
            signed: "host;my-header1;x-amz-date",
            signature: "6ff6bc3cebca8811504dc903f3a072c310d9f48f8ee5c0b08115052209439e1b",
            ..GET
        },
        Case { query: "a=%20b%2Fc&A=1&a=", signature: "d26d9150ae1289be63b7825858b458a967e6e3c355d66db4f7dfbd11601e1e81", ..GET },
    ];

    const GET: Case =
        Case { method: "GET", path: "/", query: "", headers: &[], signed: "host;x-amz-date", body: b"", signature: "" };

    fn keys() -> AwsKeys {
        AwsKeys::parse("OTHER=x, AKIDEXAMPLE=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").unwrap()
    }

    fn headers(case: &Case) -> HeaderMap {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, Signature={}",
            case.signed, case.signature
        );
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        headers.insert("authorization", authorization.parse().unwrap());
        for (name, value) in case.headers {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    fn check(case: &Case, headers: &HeaderMap, now: i64) -> Result<(), SignatureError> {
        let Case { method, path, query, body, .. } = *case;
        verify(SignedRequest { method, path, query, headers, body }, &keys(), &["service"], now)
    }

    #[test]
    fn vectors_are_good() {
        for case in &CASES {
            assert_eq!(check(case, &headers(case), NOW), Ok(()), "{} {} {}", case.method, case.path, case.query);
        }
    }

    #[test]
    fn whatever_was_signed_must_not_change() {
        for case in &CASES {
            let good = headers(case);
            for wrong in [
                check(&Case { method: "PUT", ..copy(case) }, &good, NOW),
                check(&Case { path: "/other", ..copy(case) }, &good, NOW),
                check(&Case { query: "a=b", ..copy(case) }, &good, NOW),
                check(&Case { body: b"other", ..copy(case) }, &good, NOW),
            ] {
                assert_eq!(wrong.unwrap_err().name, "InvalidSignatureException");
            }
            let mut other = good.clone();
            other.insert("host", "elsewhere.example".parse().unwrap());
            assert!(check(case, &other, NOW).is_err());
        }
    }

    fn copy(case: &Case) -> Case {
        let Case { method, path, query, headers, signed, body, signature } = *case;
        Case { method, path, query, headers, signed, body, signature }
    }

    #[test]
    fn clocks_may_be_five_minutes_off() {
        let (case, headers) = (&CASES[0], headers(&CASES[0]));
        for now in [NOW - 300, NOW + 300] {
            assert_eq!(check(case, &headers, now), Ok(()));
        }
        let late = check(case, &headers, NOW + 600).unwrap_err();
        assert_eq!(
            late.message,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T124100Z (20150830T124600Z - 5 min.)"
        );
        let early = check(case, &headers, NOW - 301).unwrap_err();
        assert!(early.message.starts_with("Signature not yet current: 20150830T123600Z is still later than"), "{early:?}");
    }

    #[test]
    fn what_is_missing_or_foreign_is_named() {
        let case = &CASES[0];
        let name = |authorization: &str| {
            let mut headers = headers(case);
            headers.insert("authorization", authorization.parse().unwrap());
            check(case, &headers, NOW).unwrap_err().name
        };
        let signature = case.signature;
        let with = |credential: &str| {
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={signature}")
        };
        assert_eq!(name("Bearer abc"), "IncompleteSignatureException");
        assert_eq!(name("AWS4-HMAC-SHA256 Credential=a/b"), "IncompleteSignatureException");
        assert_eq!(name(&with("AKIDEXAMPLE/20150830")), "IncompleteSignatureException");
        assert_eq!(name(&with("NOBODY/20150830/us-east-1/service/aws4_request")), "UnrecognizedClientException");
        assert_eq!(name(&with("AKIDEXAMPLE/20150831/us-east-1/service/aws4_request")), "InvalidSignatureException");
        assert_eq!(name(&with("AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request")), "InvalidSignatureException");
        assert_eq!(name(&with("OTHER/20150830/us-east-1/service/aws4_request")), "InvalidSignatureException");
        let mut unsigned = headers(case);
        unsigned.remove("authorization");
        assert_eq!(check(case, &unsigned, NOW).unwrap_err().name, "MissingAuthenticationTokenException");
        let mut undated = headers(case);
        undated.remove("x-amz-date");
        assert_eq!(check(case, &undated, NOW).unwrap_err().name, "IncompleteSignatureException");
    }

    #[test]
    fn a_told_hash_of_the_body_is_compared() {
        let case = &CASES[2];
        let mut headers = headers(case);
        headers.insert("x-amz-content-sha256", hex(&Sha256::digest(case.body)).parse().unwrap());
        assert_eq!(check(case, &headers, NOW), Ok(()));
        headers.insert("x-amz-content-sha256", "00".parse().unwrap());
        assert!(check(case, &headers, NOW).unwrap_err().message.contains("x-amz-content-sha256"));
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        assert_eq!(format!("{:?}", keys()), "AwsKeys(2)");
        assert!(AwsKeys::parse("").unwrap().is_empty());
        for wrong in ["secretalone", "=x", "id="] {
            let error = AwsKeys::parse(wrong).unwrap_err();
            assert!(!error.contains(wrong), "{error}");
        }
    }
}
