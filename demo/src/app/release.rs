//! The versions of `cruddur`: each changes one small thing, and some of them are mistakes.

use std::time::Duration;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub version: String,
    pub comment: &'static str,
    pub by: &'static str,
    /// How long `cruddur` waits for `cruddur-notifications`.
    pub notifications_timeout: Duration,
    /// The check constraint on posts, in characters.
    pub message_length_max: usize,
}

impl Release {
    /// The version that goes live at the `number`th deploy, counting from 0. Four of them make a round.
    pub fn nth(number: usize) -> Release {
        let (comment, by, timeout_ms, message_length_max) = match number % 4 {
            0 => ("home: fewer columns", "andrewbrown", 450, 280),
            1 => ("notifications: give up sooner, the page feels faster", "bayko", 250, 280),
            2 => ("notifications: be patient again", "bayko", 700, 280),
            _ => ("activities: shorter posts", "ivanova", 450, 200),
        };
        Release {
            version: format!("1.{}.{}", 4 + number / 4, number % 4),
            comment,
            by,
            notifications_timeout: Duration::from_millis(timeout_ms),
            message_length_max,
        }
    }

    /// A service that is never deployed.
    pub fn fixed(version: &str) -> Release {
        Release { version: version.to_owned(), ..Release::nth(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_only_rise_and_the_second_one_is_impatient() {
        let versions: Vec<String> = (0..6).map(|number| Release::nth(number).version).collect();
        assert_eq!(versions, ["1.4.0", "1.4.1", "1.4.2", "1.4.3", "1.5.0", "1.5.1"]);
        assert!(Release::nth(1).notifications_timeout < Release::nth(0).notifications_timeout);
    }
}
