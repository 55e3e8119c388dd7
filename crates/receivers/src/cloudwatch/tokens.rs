//! Tokens that page through answers. A client gives them back unread; one that was not ours is refused, as AWS does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::event_id::EventId;
use crate::aws::AwsError;

/// Longest token we read; ours are shorter.
const TOKEN_BYTES_MAX: usize = 2_048;

fn invalid() -> AwsError {
    AwsError::new("InvalidParameterException", "The specified nextToken is invalid.")
}

/// Which way GetLogEvents goes on from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To newer events: `f/…`.
    Forward,
    /// To older events: `b/…`.
    Backward,
}

/// A token of GetLogEvents: `f/` or `b/` and the 56 digits of an event. Going on means beyond that event, so a page
/// without events gives back the token it was asked with, which is how clients know the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsToken {
    pub direction: Direction,
    pub event: EventId,
}

impl EventsToken {
    pub fn encode(self) -> String {
        match self.direction {
            Direction::Forward => format!("f/{}", self.event),
            Direction::Backward => format!("b/{}", self.event),
        }
    }

    /// AWS's own tokens end in `/s`; what stands behind the digits is not read.
    pub fn decode(token: &str) -> Result<EventsToken, AwsError> {
        let (direction, digits) = match token.split_once('/') {
            Some(("f", digits)) => (Direction::Forward, digits),
            Some(("b", digits)) => (Direction::Backward, digits),
            _ => return Err(invalid()),
        };
        let event = EventId::parse(digits.strip_suffix("/s").unwrap_or(digits)).ok_or_else(invalid)?;
        Ok(EventsToken { direction, event })
    }
}

/// A token of FilterLogEvents and of the Describe calls: where to go on, and a hash of the question, so that a token is
/// not taken for an answer to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageToken {
    /// What the last page ended with: an event's 56 digits, or a name.
    #[serde(rename = "a")]
    pub after: String,
    #[serde(rename = "q")]
    question: u64,
}

impl PageToken {
    /// `question` is whatever must be the same for the next page: operation, group, pattern, times.
    pub fn new(after: impl Into<String>, question: &[&str]) -> PageToken {
        PageToken { after: after.into(), question: question_hash(question) }
    }

    pub fn encode(&self) -> String {
        // Two plain fields always serialise.
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub fn decode(token: &str, question: &[&str]) -> Result<PageToken, AwsError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let json = BASE64.decode(token).map_err(|_| invalid())?;
        let token: PageToken = serde_json::from_slice(&json).map_err(|_| invalid())?;
        if token.question == question_hash(question) { Ok(token) } else { Err(invalid()) }
    }

    /// The event to go on behind, for FilterLogEvents.
    pub fn event(&self) -> Result<EventId, AwsError> {
        EventId::parse(&self.after).ok_or_else(invalid)
    }
}

fn question_hash(question: &[&str]) -> u64 {
    let mut hash = Xxh3::new();
    for part in question {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_there_and_back() {
        let event = EventId::new("g", "s", 1, 2, 3, "m");
        for direction in [Direction::Forward, Direction::Backward] {
            let token = EventsToken { direction, event };
            assert_eq!(token.encode().len(), 58);
            assert_eq!(EventsToken::decode(&token.encode()), Ok(token));
            assert_eq!(EventsToken::decode(&format!("{}/s", token.encode())), Ok(token));
        }
        let question = ["FilterLogEvents", "/app/web", "\"boom\""];
        let token = PageToken::new(event.to_string(), &question);
        assert_eq!(PageToken::decode(&token.encode(), &question).unwrap().event(), Ok(event));
        assert!(PageToken::decode(&token.encode(), &["FilterLogEvents", "/app/web", ""]).is_err());
        assert!(PageToken::new("name", &[]).event().is_err());
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let long = "A".repeat(1 << 20);
        for token in ["", "f/", "x/1", "f/123", "invalid-token", "bm90IGpzb24", "e30", &long] {
            assert_eq!(EventsToken::decode(token), Err(invalid()), "{token}");
            assert_eq!(PageToken::decode(token, &[]), Err(invalid()), "{token}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_token_or_refused(text in "\\PC{0,80}|[fb]/[0-9]{50,60}") {
            let _ = EventsToken::decode(&text);
            let _ = PageToken::decode(&text, &[]);
        }
    }
}
