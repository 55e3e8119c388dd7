//! AWS Signature Version 4, as an SDK signs a POST with a JSON body.
//!
//! In:      host, region, target, body, time
//! Spec:    docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//! Out:     the headers `X-Amz-Date` and `Authorization`
//! Missing: query strings, session tokens, chunked bodies: the Logs API needs none of them
//! Quirks:  botocore signs content-type, host, x-amz-date and x-amz-target, and nothing else

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// A key that looks like one and opens nothing.
#[derive(Clone, Copy, Debug)]
pub struct Credentials {
    pub key_id: &'static str,
    pub secret: &'static str,
    pub region: &'static str,
    pub service: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    /// `X-Amz-Date`
    pub date: String,
    /// `Authorization`
    pub authorization: String,
}

const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-target";

/// Signs `POST /` with these headers.
pub fn sign(credentials: Credentials, host: &str, content_type: &str, target: &str, body: &[u8], now: Timestamp) -> Signed {
    let utc = now.to_zoned(TimeZone::UTC);
    let date = utc.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = utc.strftime("%Y%m%d").to_string();

    let canonical = format!(
        "POST\n/\n\ncontent-type:{content_type}\nhost:{host}\nx-amz-date:{date}\nx-amz-target:{target}\n\n{SIGNED_HEADERS}\n{}",
        hex(&Sha256::digest(body)),
    );
    let scope = format!("{day}/{}/{}/aws4_request", credentials.region, credentials.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));

    let mut key = hmac(format!("AWS4{}", credentials.secret).as_bytes(), day.as_bytes());
    for part in [credentials.region, credentials.service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={}",
        credentials.key_id,
        hex(&hmac(&key, to_sign.as_bytes())),
    );
    Signed { date, authorization }
}

/// HMAC-SHA-256 of RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0_u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let cases: &[(&[u8], &[u8], &str)] = &[
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(hex(&hmac(key, message)), *expected);
        }
    }

    /// The call and its signature were recorded from boto3 1.44.
    #[test]
    fn a_signature_agrees_with_botocore() {
        let credentials =
            Credentials { key_id: "AKIAEXAMPLE0000000", secret: "examplesecret", region: "ca-central-1", service: "logs" };
        let now: Timestamp = "2026-11-21T02:15:26Z".parse().unwrap();
        let signed = sign(
            credentials,
            "127.0.0.1:4566",
            "application/x-amz-json-1.1",
            "Logs_20140328.CreateLogGroup",
            br#"{"logGroupName": "cruddur"}"#,
            now,
        );
        assert_eq!(signed.date, "20261121T021526Z");
        assert_eq!(
            signed.authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE0000000/20261121/ca-central-1/logs/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
             Signature=cb6777daedde144a9646cdc8a02e3436d2eb328386a1859c75e8e57a9bee8573"
        );
    }
}
