//! Patterns that behave as they did not before: new ones, and ones that come in sudden numbers.

use super::LogPattern;

/// A step counts as sudden when it has so many standard deviations more than the others would make one expect, were lines
/// independent of each other.
const DEVIATIONS_MIN: f64 = 5.0;

/// And so many times as many lines as the others have.
const TIMES_MIN: f64 = 3.0;

/// And so many lines at all.
const LINES_MIN: f64 = 5.0;

/// Steps that are needed to know what is usual.
const STEPS_KNOWN_MIN: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusualKind {
    /// Not there in the first half of the time, in which there were other lines.
    New,
    /// Many more than usual in one step.
    Sudden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Low,
    Medium,
    High,
}

/// What is unusual about a pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Unusual {
    pub kind: UnusualKind,
    pub priority: Priority,
    /// The step in which it showed.
    pub step: usize,
    /// Lines in that step, and in a usual one.
    pub lines: f64,
    pub usual: f64,
}

/// What is unusual about a pattern, if anything is. `all` are the lines of every pattern, step by step.
pub fn unusual(pattern: &LogPattern, all: &[f64]) -> Option<Unusual> {
    let at = |step: usize| pattern.steps.get(step).copied().unwrap_or(0.0);
    // Before the first line of any kind there is nothing to know.
    let began = all.iter().position(|lines| *lines > 0.0)?;
    let known = all.len() - began;
    if known < STEPS_KNOWN_MIN {
        return None;
    }
    let first = (began..all.len()).find(|step| at(*step) > 0.0)?;
    let told = |kind, step: usize, usual| {
        Some(Unusual { kind, priority: priority(kind, pattern.severity_number), step, lines: at(step), usual })
    };
    if first >= began + known / 2 {
        return told(UnusualKind::New, first, 0.0);
    }
    let most = (began..all.len()).max_by(|a, b| at(*a).total_cmp(&at(*b)).then(b.cmp(a)))?;
    let others = (began..all.len()).filter(|step| *step != most).map(at).sum::<f64>();
    let usual = others / (known - 1) as f64;
    let is_sudden =
        at(most) >= LINES_MIN && at(most) >= TIMES_MIN * usual && (at(most) - usual) / (usual + 1.0).sqrt() >= DEVIATIONS_MIN;
    if is_sudden { told(UnusualKind::Sudden, most, usual) } else { None }
}

fn priority(kind: UnusualKind, severity_number: i32) -> Priority {
    match (kind, severity_number) {
        (_, 17..) => Priority::High,
        (UnusualKind::New, _) | (_, 13..) => Priority::Medium,
        _ => Priority::Low,
    }
}

impl Priority {
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "LOW",
            Priority::Medium => "MEDIUM",
            Priority::High => "HIGH",
        }
    }
}

impl Unusual {
    /// A sentence.
    pub fn description(&self) -> String {
        match self.kind {
            UnusualKind::New => "This pattern was not there before.".to_owned(),
            UnusualKind::Sudden => {
                format!("{:.0} lines at once, where {:.1} are usual.", self.lines, self.usual)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_patterns::{LogLine, LogPatterns};

    fn judged(steps: &[u32], severity_number: i32) -> Option<(UnusualKind, Priority, usize)> {
        let mut patterns = LogPatterns::default();
        for (step, count) in steps.iter().enumerate() {
            for _ in 0..*count {
                patterns.read(&LogLine { text: "it", severity_number, step, weight: 1.0, ..LogLine::default() });
            }
        }
        let all = vec![100.0; steps.len()];
        let pattern = patterns.patterns().into_iter().next()?;
        unusual(&pattern, &all).map(|unusual| (unusual.kind, unusual.priority, unusual.step))
    }

    #[test]
    fn what_is_new_and_what_is_sudden() {
        use Priority::*;
        use UnusualKind::*;
        for (steps, severity, expected) in [
            (&[3, 4, 3, 4, 3, 4, 3, 4][..], 9, None),
            (&[0, 0, 0, 0, 0, 1, 0, 2], 9, Some((New, Medium, 5))),
            (&[0, 0, 0, 0, 0, 1, 0, 2], 17, Some((New, High, 5))),
            (&[3, 4, 3, 40, 3, 4, 3, 4], 9, Some((Sudden, Low, 3))),
            (&[3, 4, 3, 40, 3, 4, 3, 4], 13, Some((Sudden, Medium, 3))),
            (&[1, 0, 0, 3, 0, 0, 0, 0], 9, None),
            (&[1, 0, 9], 9, None),
        ] {
            assert_eq!(judged(steps, severity), expected, "{steps:?}");
        }
    }
}
