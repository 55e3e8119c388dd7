//! What `SEARCH` looks for: `{Shop,Service,Route} MetricName="Latency" Service=("api" OR "web") NOT Route="/health"`.
//!
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
//! Missing: parentheses around whole terms; `:aws.AccountId`
//! Quirks:  words without quotes match parts, words in quotes match whole names and values

/// A search, to be asked of each metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchTerms {
    /// `None` where the search names no schema.
    pub namespace: Option<String>,
    /// The names of the dimensions, which a metric has exactly; empty where the search names no schema.
    pub dimensions: Vec<String>,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    is_negated: bool,
    /// `MetricName`, `Namespace` or a dimension; `None` matches any of them.
    field: Option<String>,
    /// One of them must match; whether each is to match the whole.
    words: Vec<(String, bool)>,
}

pub fn parse_search(text: &str) -> Result<SearchTerms, String> {
    let mut out = SearchTerms::default();
    let mut rest = text.trim();
    if let Some(after) = rest.strip_prefix('{') {
        let (schema, after) = after.split_once('}').ok_or("the schema of the search has no end")?;
        let mut names = schema.split(',').map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
        out.namespace = names.next().filter(|name| !name.is_empty());
        out.dimensions = names.filter(|name| !name.is_empty()).collect();
        rest = after;
    }
    let mut tokens = tokens(rest)?.into_iter().peekable();
    let mut is_negated = false;
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) if word == "AND" => {}
            Token::Word(word) if word == "NOT" => is_negated = true,
            Token::Word(word) if word == "OR" => {
                // A OR B: another way to meet the term before.
                let next = tokens.next().ok_or("a word is missing behind OR")?;
                let last = out.terms.last_mut().ok_or("a word is missing before OR")?;
                last.words.push(next.word()?);
            }
            Token::Open => {
                let words = group(&mut tokens)?;
                out.terms.push(Term { is_negated: std::mem::take(&mut is_negated), field: None, words });
            }
            Token::Close | Token::Equals => return Err("the search has a mark in the wrong place".to_owned()),
            name => {
                let (name, is_exact) = name.word()?;
                let mut term = Term { is_negated: std::mem::take(&mut is_negated), field: None, words: Vec::new() };
                if tokens.next_if(|next| matches!(next, Token::Equals)).is_some() {
                    term.field = Some(name);
                    match tokens.next() {
                        Some(Token::Open) => term.words = group(&mut tokens)?,
                        Some(word) => term.words.push(word.word()?),
                        None => return Err("a value is missing behind =".to_owned()),
                    }
                } else {
                    term.words.push((name, is_exact));
                }
                out.terms.push(term);
            }
        }
    }
    Ok(out)
}

impl SearchTerms {
    /// Whether a metric is meant; dimensions are names and values.
    pub fn matches(&self, namespace: &str, metric: &str, dimensions: &[(String, String)]) -> bool {
        if let Some(wanted) = &self.namespace {
            let has_all = self.dimensions.iter().all(|name| dimensions.iter().any(|(found, _)| found == name));
            if wanted != namespace || !has_all || self.dimensions.len() != dimensions.len() {
                return false;
            }
        }
        self.terms.iter().all(|term| {
            let mut texts: Vec<&str> = Vec::new();
            match term.field.as_deref() {
                None => {
                    texts.extend([namespace, metric]);
                    texts.extend(dimensions.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
                }
                Some("MetricName") => texts.push(metric),
                Some("Namespace") => texts.push(namespace),
                Some(field) => texts.extend(dimensions.iter().filter(|(name, _)| name == field).map(|(_, value)| value.as_str())),
            }
            let found = term.words.iter().any(|(word, is_exact)| {
                texts.iter().any(|text| match is_exact {
                    true => text == word,
                    false => text.to_lowercase().contains(&word.to_lowercase()),
                })
            });
            found != term.is_negated
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Equals,
    Open,
    Close,
}

impl Token {
    fn word(self) -> Result<(String, bool), String> {
        match self {
            Token::Word(word) => Ok((word, false)),
            Token::Quoted(word) => Ok((word, true)),
            _ => Err("the search has a mark where a word is expected".to_owned()),
        }
    }
}

fn group(tokens: &mut impl Iterator<Item = Token>) -> Result<Vec<(String, bool)>, String> {
    let mut words = Vec::new();
    for token in tokens {
        match token {
            Token::Close => return Ok(words),
            Token::Word(word) if word == "OR" => {}
            token => words.push(token.word()?),
        }
    }
    Err("a parenthesis of the search has no end".to_owned())
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '=' => {
                out.push(Token::Equals);
                1
            }
            '(' => {
                out.push(Token::Open);
                1
            }
            ')' => {
                out.push(Token::Close);
                1
            }
            '"' | '\'' => {
                let end = rest[1..].find(first).ok_or("a text of the search has no end")?;
                out.push(Token::Quoted(rest[1..=end].to_owned()));
                end + 2
            }
            _ => {
                let end = rest.find(|next: char| next.is_whitespace() || "=()\"'".contains(next)).unwrap_or(rest.len());
                out.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[taken..].trim_start();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_find_what_they_name() {
        let dimensions = [("Route".to_owned(), "/cart".to_owned()), ("Service".to_owned(), "api".to_owned())];
        for (text, expected) in [
            (r#"{Shop,Service,Route} MetricName="Latency""#, true),
            (r#"{Shop,Service} MetricName="Latency""#, false),
            (r#"{Shop,Service,Route} latency"#, true),
            (r#"MetricName="Lat""#, false),
            (r#"MetricName=Lat"#, true),
            (r#"Service=("api" OR "web")"#, true),
            (r#"Service="web" OR "api""#, true),
            (r#"NOT Route="/cart""#, false),
            (r#"cart AND NOT health"#, true),
            ("", true),
        ] {
            let terms = parse_search(text).unwrap();
            assert_eq!(terms.matches("Shop", "Latency", &dimensions), expected, "{text}");
        }
        for text in ["{a", "a=", "(a", "=", "\"a", "OR a"] {
            assert!(parse_search(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[{}()=\"' a-dORNT,ä]{0,30}") {
            if let Ok(terms) = parse_search(&text) {
                let _ = terms.matches("a", "b", &[]);
            }
        }
    }
}
