//! Expressions as they are written.

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Number(f64),
    Text(String),
    /// A series by its id, or a word such as `REPEAT`.
    Name(String, usize),
    List(Vec<Expression>),
    Negated(Box<Expression>),
    Binary(Box<Expression>, Operator, Box<Expression>, usize),
    /// The name in capitals.
    Call(String, Vec<Expression>, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// What a call of SEARCH asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub terms: String,
    pub statistic: String,
    pub period_seconds: Option<i64>,
}

impl Expression {
    /// Ids of series that the expression names, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.walk(&mut |expression| {
            if let Expression::Name(name, _) = expression
                && name.starts_with(|first: char| first.is_ascii_lowercase())
                && !out.contains(&name.as_str())
            {
                out.push(name.as_str());
            }
        });
        out
    }

    /// Whether it asks for all metrics there are.
    pub fn uses_metrics(&self) -> bool {
        let mut found = false;
        self.walk(&mut |expression| found |= matches!(expression, Expression::Call(name, ..) if name == "METRICS"));
        found
    }

    /// Every SEARCH in it.
    pub fn searches(&self) -> Vec<Search> {
        let mut out = Vec::new();
        self.walk(&mut |expression| out.extend(expression.as_search()));
        out
    }

    pub fn as_search(&self) -> Option<Search> {
        let Expression::Call(name, arguments, _) = self else { return None };
        let text = |at: usize| match arguments.get(at) {
            Some(Expression::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let period_seconds = match arguments.get(2) {
            Some(Expression::Number(seconds)) => Some(*seconds as i64),
            _ => None,
        };
        (name == "SEARCH").then_some(())?;
        Some(Search { terms: text(0)?, statistic: text(1)?, period_seconds })
    }

    fn walk<'e>(&'e self, see: &mut dyn FnMut(&'e Expression)) {
        see(self);
        match self {
            Expression::Number(_) | Expression::Text(_) | Expression::Name(..) => {}
            Expression::List(items) | Expression::Call(_, items, _) => items.iter().for_each(|item| item.walk(see)),
            Expression::Negated(inner) => inner.walk(see),
            Expression::Binary(left, _, right, _) => {
                left.walk(see);
                right.walk(see);
            }
        }
    }
}
