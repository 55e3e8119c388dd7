//! The numbers that occurrences of errors go by.

/// Digits of an occurrence's number that tell those of one millisecond apart. With milliseconds before them numbers stay
/// below 2^53, which is what JavaScript can count to, until 2039.
const TELLING_APART: i64 = 4_096;

const NANOS_PER_MS: i64 = 1_000_000;

/// The number of an occurrence: when it was received, in milliseconds, and twelve bits of what it is.
///
/// It follows from the row alone, so that it is the same after a replay; it tells where to look for the row.
pub fn occurrence_number(received_at_unix_nano: i64, time_unix_nano: i64, group: &str, body: &str, uuid: &str) -> i64 {
    // FNV-1a: numbers are stored, so the hash must never change.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let texts = [group, "\0", body, "\0", uuid].into_iter().flat_map(str::bytes);
    for byte in time_unix_nano.to_le_bytes().into_iter().chain(texts) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let telling_apart = ((hash >> 32) ^ hash) as i64 & (TELLING_APART - 1);
    received_at_unix_nano.div_euclid(NANOS_PER_MS) * TELLING_APART + telling_apart
}

/// When the occurrence of this number was received, in nanoseconds, at most a millisecond before.
pub fn occurrence_received_at(number: i64) -> i64 {
    number.div_euclid(TELLING_APART).saturating_mul(NANOS_PER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_when_and_is_one_that_javascript_can_count_to() {
        let at = 1_795_226_742_550_123_456;
        let number = occurrence_number(at, 5, "g", "b", "u");
        assert_eq!(number, occurrence_number(at, 5, "g", "b", "u"));
        assert_ne!(number, occurrence_number(at, 5, "g", "b", "v"));
        assert!(number < 1 << 53);
        assert!((at - occurrence_received_at(number)) < NANOS_PER_MS && at >= occurrence_received_at(number));
        // Numbers are stored: every later release must make the same.
        assert_eq!(number, 7_353_248_737_485_732);
    }
}
