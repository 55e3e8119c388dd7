//! Every way a Honeycomb client writes a time.

use serde_json::Value;

/// Nanoseconds since 1970; `None` for what is no time.
///
/// Reads: RFC 3339; the same without a zone, as UTC; whole numbers, of which the first ten digits are seconds and the
/// rest their fraction (milli, micro or nanoseconds); decimal seconds. Numbers may be JSON numbers or text.
pub fn unix_nano(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => unix_nano_from_text(text.trim()),
        Value::Number(number) => unix_nano_from_text(&number.to_string()),
        _ => None,
    }
}

/// The same for the header `X-Honeycomb-Event-Time`.
pub fn unix_nano_from_text(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return from_digits(text);
    }
    if let Ok(number) = text.parse::<f64>() {
        return from_seconds(number);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return nanos(time);
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    nanos(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn nanos(time: jiff::Timestamp) -> Option<i64> {
    i64::try_from(time.as_nanosecond()).ok()
}

fn from_digits(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_at(text.len().min(10));
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10i64.pow(9 - fraction.len() as u32);
    let fraction: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    seconds.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction * scale)
}

/// Seconds to the microsecond, which is all a double has today; clients that multiplied are divided again.
fn from_seconds(number: f64) -> Option<i64> {
    let seconds = match number {
        number if number >= 1e17 => number / 1e9,
        number if number >= 1e14 => number / 1e6,
        number if number >= 1e11 => number / 1e3,
        number => number,
    };
    let micros = (seconds * 1e6).round();
    // The cast of a number out of range saturates, and then the product is out of range too.
    if micros.is_nan() { None } else { (micros as i64).checked_mul(1_000) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_formats() {
        let whole = 1_795_230_146_000_000_000;
        let cases = [
            (json!("2026-11-21T03:02:26.762411Z"), Some(whole + 762_411_000)),
            (json!("2026-11-21T03:02:26.762411123Z"), Some(whole + 762_411_123)),
            (json!("2026-11-21T04:02:26+01:00"), Some(whole)),
            (json!("2026-11-21 03:02:26"), Some(whole)),
            (json!("2026-11-21T03:02:26"), Some(whole)),
            (json!("1795230146"), Some(whole)),
            (json!(1_795_230_146), Some(whole)),
            (json!(1_795_230_146_762i64), Some(whole + 762_000_000)),
            (json!("1795230146762411"), Some(whole + 762_411_000)),
            (json!(1_795_230_146_762_411_123i64), Some(whole + 762_411_123)),
            (json!("17952301467624111239999"), Some(whole + 762_411_123)),
            (json!(1795230146.5), Some(whole + 500_000_000)),
            (json!("1795230146.5"), Some(whole + 500_000_000)),
            (json!(1795230146762.0), Some(whole + 762_000_000)),
            (json!(0), Some(0)),
            (json!("yesterday"), None),
            (json!(""), None),
            (json!("inf"), None),
            (json!(1e300), None),
            (json!(null), None),
            (json!(["2026"]), None),
            (json!("-262143-01-01T00:00:00Z"), None),
        ];
        for (value, expected) in cases {
            assert_eq!(unix_nano(&value), expected, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[-+0-9T:.Zeé ]{0,30}|\\PC*") {
            let _ = unix_nano_from_text(&text);
        }
    }
}
