//! Rules of CloudWatch's composite alarms: `ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA(c))`.
//!
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
//! Missing: `AT_LEAST(…)`

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    Constant(bool),
    /// An alarm by name or ARN, and the state it must have.
    Is(State, String),
    Not(Box<Rule>),
    And(Vec<Rule>),
    Or(Vec<Rule>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Alarm,
    Ok,
    InsufficientData,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the rule at byte {position}: expected {expected}")]
pub struct RuleError {
    pub position: usize,
    pub expected: &'static str,
}

/// Parentheses within each other.
const DEPTH_MAX: usize = 32;

pub fn parse(text: &str) -> Result<Rule, RuleError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let rule = parser.any()?;
    parser.blank();
    if parser.at == text.len() { Ok(rule) } else { Err(parser.expected("AND, OR or the end")) }
}

impl Rule {
    /// Whether it holds; `is` tells whether an alarm, by name or ARN, has a state.
    pub fn holds(&self, is: &dyn Fn(State, &str) -> bool) -> bool {
        match self {
            Rule::Constant(value) => *value,
            Rule::Is(state, alarm) => is(*state, alarm),
            Rule::Not(rule) => !rule.holds(is),
            Rule::And(rules) => rules.iter().all(|rule| rule.holds(is)),
            Rule::Or(rules) => rules.iter().any(|rule| rule.holds(is)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |out: &mut fmt::Formatter<'_>, rules: &[Rule], word: &str| {
            out.write_str("(")?;
            for (index, rule) in rules.iter().enumerate() {
                let separator = if index > 0 { word } else { "" };
                write!(out, "{separator}{rule}")?;
            }
            out.write_str(")")
        };
        match self {
            Rule::Constant(true) => out.write_str("TRUE"),
            Rule::Constant(false) => out.write_str("FALSE"),
            Rule::Is(State::Alarm, name) => write!(out, "ALARM({name:?})"),
            Rule::Is(State::Ok, name) => write!(out, "OK({name:?})"),
            Rule::Is(State::InsufficientData, name) => write!(out, "INSUFFICIENT_DATA({name:?})"),
            Rule::Not(rule) => write!(out, "NOT {rule}"),
            Rule::And(rules) => join(out, rules, " AND "),
            Rule::Or(rules) => join(out, rules, " OR "),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn expected(&self, expected: &'static str) -> RuleError {
        RuleError { position: self.at, expected }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, word: &str) -> bool {
        self.blank();
        let rest = self.rest();
        let starts = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let is_word = word.starts_with(|first: char| first.is_ascii_alphabetic());
        let goes_on = rest
            .get(word.len()..)
            .is_some_and(|after| after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'));
        if !starts || (is_word && goes_on) {
            return false;
        }
        self.at += word.len();
        true
    }

    fn any(&mut self) -> Result<Rule, RuleError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.expected("fewer parentheses within each other"));
        }
        let mut rules = vec![self.all()?];
        while self.eat("OR") {
            rules.push(self.all()?);
        }
        self.depth -= 1;
        Ok(if rules.len() == 1 { rules.swap_remove(0) } else { Rule::Or(rules) })
    }

    fn all(&mut self) -> Result<Rule, RuleError> {
        let mut rules = vec![self.one()?];
        while self.eat("AND") {
            rules.push(self.one()?);
        }
        Ok(if rules.len() == 1 { rules.swap_remove(0) } else { Rule::And(rules) })
    }

    fn one(&mut self) -> Result<Rule, RuleError> {
        // A loop, since a text of many NOTs must not reach the end of the stack.
        let mut is_negated = false;
        while self.eat("NOT") {
            is_negated = !is_negated;
        }
        let rule = self.primary()?;
        Ok(if is_negated { Rule::Not(Box::new(rule)) } else { rule })
    }

    fn primary(&mut self) -> Result<Rule, RuleError> {
        if self.eat("(") {
            let inner = self.any()?;
            return if self.eat(")") { Ok(inner) } else { Err(self.expected("a closing parenthesis")) };
        }
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.eat(word) {
                return Ok(Rule::Constant(value));
            }
        }
        for (word, state) in [("ALARM", State::Alarm), ("OK", State::Ok), ("INSUFFICIENT_DATA", State::InsufficientData)] {
            if self.eat(word) {
                if !self.eat("(") {
                    return Err(self.expected("an alarm in parentheses"));
                }
                let name = self.name()?;
                return if self.eat(")") { Ok(Rule::Is(state, name)) } else { Err(self.expected("a closing parenthesis")) };
            }
        }
        Err(self.expected("ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT or a parenthesis"))
    }

    fn name(&mut self) -> Result<String, RuleError> {
        self.blank();
        for quote in ['"', '\''] {
            if let Some(rest) = self.rest().strip_prefix(quote) {
                let Some(end) = rest.find(quote) else { return Err(self.expected("the end of the name")) };
                let name = rest[..end].to_owned();
                self.at += end + 2;
                return Ok(name);
            }
        }
        let end = self.rest().find(')').unwrap_or(self.rest().len());
        let name = self.rest()[..end].trim().to_owned();
        if name.is_empty() {
            return Err(self.expected("the name of an alarm"));
        }
        self.at += end;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_judged() {
        let is = |state: State, alarm: &str| (alarm == "hot") == (state == State::Alarm);
        for (text, printed, holds) in [
            ("ALARM(hot)", "ALARM(\"hot\")", true),
            ("ALARM(\"hot\") AND NOT OK('cold')", "(ALARM(\"hot\") AND NOT OK(\"cold\"))", false),
            ("alarm(cold) or (true and ok(cold))", "(ALARM(\"cold\") OR (TRUE AND OK(\"cold\")))", true),
            ("NOT NOT FALSE", "FALSE", false),
            (
                "INSUFFICIENT_DATA(arn:aws:cloudwatch:eu:1:alarm:x y)",
                "INSUFFICIENT_DATA(\"arn:aws:cloudwatch:eu:1:alarm:x y\")",
                true,
            ),
        ] {
            let rule = parse(text).unwrap();
            assert_eq!((rule.to_string().as_str(), rule.holds(&is)), (printed, holds), "{text}");
            assert_eq!(parse(printed).unwrap(), rule);
        }
        for text in ["", "ALARM", "ALARM()", "ALARM(a", "ALARM(a) ALARM(b)", "AND", "(TRUE", "ALARMS(a)", &"(".repeat(99)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(ALARM|OK|NOT|AND|OR|TRUE|[()\"'ä ]|a){0,16}") {
            if let Ok(rule) = parse(&text) {
                let _ = rule.holds(&|_, _| true);
            }
        }
    }
}
