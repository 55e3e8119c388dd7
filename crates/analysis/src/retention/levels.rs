//! Levels: how much of each class a window keeps, from everything to nothing.

use std::fmt;

/// What a unit is worth keeping for, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A request like many others.
    Plain,
    /// Among the slowest of its route, on a rare route, a warning, or a log line of a rare kind.
    Notable,
    /// Something in it failed.
    Error,
    /// An error item's first or latest occurrence, or something a person has pinned.
    Pinned,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Plain, Class::Notable, Class::Error, Class::Pinned];

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Plain => "plain",
            Class::Notable => "notable",
            Class::Error => "error",
            Class::Pinned => "pinned",
        }
    }
}

/// How many rounds of thinning a window went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// The last level: nothing is left.
pub const LEVEL_MAX: Level = Level(7);

/// Of each class one of so many is kept; 0 is none. Plain units are never thinned to nothing before the window itself goes,
/// so that counts stay right; powers of two, so that weights stay exact.
const KEPT_ONE_OF: [[u32; 4]; LEVEL_MAX.0 as usize + 1] =
    [[1, 1, 1, 1], [8, 1, 1, 1], [64, 1, 1, 1], [512, 8, 1, 1], [512, 64, 8, 1], [512, 512, 64, 1], [0, 0, 0, 1], [0, 0, 0, 0]];

/// By how much plain units are thinned from one level to the next, which is also how much older a window must be to lose
/// it: see [`super::plan`].
pub(crate) const STEP: f64 = 8.0;

impl Level {
    pub const WHOLE: Level = Level(0);

    pub fn new(number: u8) -> Level {
        Level(number.min(LEVEL_MAX.0))
    }

    pub fn number(self) -> u8 {
        self.0
    }

    pub fn next(self) -> Option<Level> {
        (self < LEVEL_MAX).then(|| Level(self.0 + 1))
    }

    /// One of how many units of a class is kept; 0 for none.
    pub fn kept_one_of(self, class: Class) -> u32 {
        KEPT_ONE_OF[usize::from(self.0)][class as usize]
    }

    /// The share of a class that is kept, from 0 to 1.
    pub fn share(self, class: Class) -> f64 {
        match self.kept_one_of(class) {
            0 => 0.0,
            of => 1.0 / f64::from(of),
        }
    }
}

/// In the words of the page: `errors, slow and rare requests, and every 8th of the rest`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |class| self.kept_one_of(class);
        match (of(Class::Plain), of(Class::Notable), of(Class::Error), of(Class::Pinned)) {
            (1, ..) => f.write_str("everything"),
            (_, _, _, 0) => f.write_str("nothing"),
            (0, ..) => f.write_str("what is pinned"),
            (plain, 1, ..) => write!(f, "errors, slow and rare requests, and every {plain}th of the rest"),
            (plain, notable, 1, _) => {
                write!(f, "errors, every {notable}th slow or rare request, and every {plain}th of the rest")
            }
            (plain, notable, error, _) if notable == plain => {
                write!(f, "what is pinned, every {error}th error, and every {plain}th of the rest")
            }
            (plain, notable, error, _) => write!(
                f,
                "what is pinned, every {error}th error, every {notable}th slow or rare request, and every {plain}th of the rest"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_only_ever_take_and_never_from_the_better_class_first() {
        let mut level = Level::WHOLE;
        while let Some(next) = level.next() {
            for (lesser, better) in Class::ALL.into_iter().zip(Class::ALL.into_iter().skip(1)) {
                assert!(next.share(lesser) <= next.share(better));
            }
            assert!(Class::ALL.into_iter().all(|class| next.share(class) <= level.share(class)));
            assert!(Class::ALL.into_iter().any(|class| next.share(class) < level.share(class)));
            level = next;
        }
        assert_eq!(level, LEVEL_MAX);
    }

    #[test]
    fn levels_say_what_they_keep() {
        let said: Vec<String> = (0..=LEVEL_MAX.0).map(|number| Level(number).to_string()).collect();
        expect_test::expect![[r#"
            everything
            errors, slow and rare requests, and every 8th of the rest
            errors, slow and rare requests, and every 64th of the rest
            errors, every 8th slow or rare request, and every 512th of the rest
            what is pinned, every 8th error, every 64th slow or rare request, and every 512th of the rest
            what is pinned, every 64th error, and every 512th of the rest
            what is pinned
            nothing"#]]
        .assert_eq(&said.join("\n"));
    }
}
