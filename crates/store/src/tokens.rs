//! The words of a text: what is put into filters when a part is written, and what is asked for when it is searched.

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a word that is hashed without being copied to the heap first.
const SHORT_TOKEN_BYTES: usize = 64;

/// The words of a text: its longest runs of ASCII letters, ASCII digits and characters outside ASCII.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    // Only ASCII separates, so every cut is between characters.
    text.split(|char: char| char.is_ascii() && !char.is_ascii_alphanumeric()).filter(|token| !token.is_empty())
}

/// What filters know a word by: the same whatever the case of its ASCII letters.
pub fn token_hash(token: &str) -> u64 {
    hash_of(token.as_bytes())
}

/// Each word and its hash, as fast as it goes.
pub(crate) fn for_each_token_hash(text: &str, mut see: impl FnMut(&[u8], u64)) {
    let bytes = text.as_bytes();
    let mut first = 0;
    for (place, byte) in bytes.iter().enumerate() {
        if !IS_TOKEN[usize::from(*byte)] {
            if place > first {
                see(&bytes[first..place], hash_of(&bytes[first..place]));
            }
            first = place + 1;
        }
    }
    if bytes.len() > first {
        see(&bytes[first..], hash_of(&bytes[first..]));
    }
}

/// Whether a byte is part of a word.
const IS_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte >= 128 || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

fn hash_of(token: &[u8]) -> u64 {
    if token.len() > SHORT_TOKEN_BYTES {
        return xxh3_64(&token.to_ascii_lowercase());
    }
    let mut lower = [0; SHORT_TOKEN_BYTES];
    for (to, from) in lower.iter_mut().zip(token) {
        *to = from.to_ascii_lowercase();
    }
    xxh3_64(&lower[..token.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_digits_and_what_is_not_ascii() {
        let words = |text: &'static str| tokens(text).collect::<Vec<_>>();
        assert_eq!(words("GET /api/users/42?q=a_b"), ["GET", "api", "users", "42", "q", "a", "b"]);
        assert_eq!(words("größe=5,日本語 id:0xDEAD-beef"), ["größe", "5", "日本語", "id", "0xDEAD", "beef"]);
        assert_eq!(words(""), Vec::<&str>::new());
        assert_eq!(words("--"), Vec::<&str>::new());
        assert_eq!(token_hash("DeadBeef"), token_hash("deadbeef"));
        assert_ne!(token_hash("Ä"), token_hash("ä"), "only ASCII has its case taken away");
    }

    proptest::proptest! {
        #[test]
        fn both_ways_see_the_same_words(text in "(\\PC|[ -~]|[a-z]{0,90}){0,60}") {
            let mut hashes = Vec::new();
            for_each_token_hash(&text, |_, hash| hashes.push(hash));
            proptest::prop_assert_eq!(hashes, tokens(&text).map(token_hash).collect::<Vec<_>>());
        }
    }
}
