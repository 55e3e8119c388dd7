//! Text -> [`Query`]: the pipe and its commands. Expressions are read in `parse_expr.rs`.

use super::ast::{
    AddTotals, AppendCols, Command, Criterion, Expr, Join, Lookup, Output, ParsePattern, Period, Place, Query, Selection,
    SortKey, Source,
};
use super::error::InsightsError;

/// Characters of one query, as the service has it.
pub const QUERY_CHARS_MAX: usize = 10_000;

/// Commands of one query, those of its subqueries among them: each adds nodes to the plan.
pub const COMMANDS_MAX: usize = 100;

/// Parentheses, functions and negations inside one another; deeper is no question of a person, and recursion costs stack.
pub const NESTING_DEPTH_MAX: usize = 32;

/// Parts of all expressions of one query: each is evaluated for every row.
pub const EXPRESSIONS_MAX: usize = 2_000;

/// Rows that `limit` can ask for, as many as the service tells in all.
pub const ROWS_MAX: u64 = 100_000;

/// Rows that `appendcols` adds columns to where it does not say.
pub const APPENDED_ROWS_MAX: u64 = 10_000;

/// Compiled, a regular expression takes at most this: it is held against every row.
pub const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Words that are no names outside of backticks.
pub(super) const RESERVED_WORDS: &[&str] =
    &["as", "by", "and", "or", "not", "in", "like", "asc", "desc", "true", "false", "into", "where", "output"];

/// The words that commands begin with.
pub const COMMAND_WORDS: &[&str] = &[
    "fields",
    "display",
    "filter",
    "filterIndex",
    "parse",
    "stats",
    "sort",
    "limit",
    "head",
    "tail",
    "dedup",
    "pattern",
    "diff",
    "unnest",
    "unmask",
    "anomaly",
    "lookup",
    "join",
    "addtotals",
    "appendcols",
    "SOURCE",
];

pub(super) type Parsed<T> = Result<T, InsightsError>;

/// Reads a query.
///
/// Refuses, with the place where it went wrong: unknown commands and functions, wrong numbers of arguments, aggregates outside
/// of `stats`, names that do not fit the pattern of `parse`, regular expressions that cannot be compiled, subqueries inside of
/// subqueries, and more than [`QUERY_CHARS_MAX`], [`COMMANDS_MAX`], [`NESTING_DEPTH_MAX`] or [`EXPRESSIONS_MAX`].
pub fn parse(text: &str) -> Parsed<Query> {
    if let Some((over, _)) = text.char_indices().nth(QUERY_CHARS_MAX) {
        let found = format!("{} characters", text.chars().count());
        return Err(InsightsError::at(text, over..text.len(), format!("at most {QUERY_CHARS_MAX} characters")).found(found));
    }
    let mut parser = Parser { text, at: 0, commands: 0, expressions: 0, is_subquery: false, takes_spans: false };
    parser.blanks();
    let query = parser.query()?;
    match parser.at_end() {
        true => Ok(query),
        false => Err(parser.unexpected("`|` and a command, or the end")),
    }
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    commands: usize,
    pub(super) expressions: usize,
    is_subquery: bool,
    /// Whether `5m` means something here.
    pub(super) takes_spans: bool,
}

impl<'a> Parser<'a> {
    fn query(&mut self) -> Parsed<Query> {
        let mut query = Query::default();
        if self.take("|") {
            self.blanks();
        }
        loop {
            let start = self.at;
            self.commands += 1;
            if self.commands > COMMANDS_MAX {
                return Err(self.unexpected(format!("at most {COMMANDS_MAX} commands")));
            }
            let command = self.command(query.commands.is_empty())?;
            debug_assert!(self.at > start, "a command is something");
            query.commands.push(command);
            if !self.take("|") {
                return Ok(query);
            }
            self.blanks();
        }
    }

    /// A query in parentheses, after which the pipe goes on.
    pub(super) fn subquery(&mut self) -> Parsed<Query> {
        let start = self.at;
        self.expect("(", "`(` and a query")?;
        if self.is_subquery {
            return Err(InsightsError::at(self.text, start..start + 1, "no query inside of a subquery"));
        }
        self.is_subquery = true;
        let query = self.query()?;
        self.is_subquery = false;
        self.expect(")", &format!("`|` and a command, or `)` to close the `(` at byte {start}"))?;
        Ok(query)
    }

    fn command(&mut self, is_first: bool) -> Parsed<Command> {
        let start = self.at;
        let word = self.word();
        let place = Place { start, end: self.at };
        self.blanks();
        Ok(match word.to_ascii_lowercase().as_str() {
            "source" if is_first => Command::Source(self.source()?),
            "source" => return Err(InsightsError::at(self.text, place.range(), "a command; SOURCE stands at the beginning")),
            "fields" => Command::Fields(self.outputs()?),
            "display" => Command::Display(self.outputs()?),
            "filter" => Command::Filter(self.condition()?),
            "filterindex" => Command::FilterIndex(self.condition()?),
            "parse" => self.parse_command(place)?,
            "stats" => self.stats()?,
            "sort" => Command::Sort(self.list(Parser::sort_key)?),
            "limit" | "head" => Command::Limit(self.count("a number of rows", ROWS_MAX)?),
            "tail" => Command::Tail(self.count("a number of rows", ROWS_MAX)?),
            "dedup" => Command::Dedup(self.list(Parser::field)?),
            "pattern" => Command::Pattern(self.plain_expr()?),
            "diff" => Command::Diff(self.period()?),
            "unnest" => {
                let list = self.plain_expr()?;
                self.expect_word("into")?;
                Command::Unnest { list, into: self.name("a name")?.0 }
            }
            "unmask" => Command::Unmask(self.outputs()?),
            "anomaly" => Command::Anomaly,
            "lookup" => Command::Lookup(self.lookup()?),
            "join" => Command::Join(self.join(place)?),
            "addtotals" => Command::AddTotals(self.add_totals()?),
            "appendcols" => Command::AppendCols(self.append_cols(place)?),
            _ => return Err(self.unknown_command(word, place)),
        })
    }

    fn unknown_command(&self, word: &str, place: Place) -> InsightsError {
        if word.is_empty() {
            return self.unexpected("a command");
        }
        let lower = word.to_ascii_lowercase();
        let near = COMMAND_WORDS.iter().find(|known| is_near(&known.to_ascii_lowercase(), &lower));
        let perhaps = near.map_or(String::new(), |near| format!(", perhaps {near}"));
        InsightsError::at(self.text, place.range(), format!("a command{perhaps}"))
    }

    fn source(&mut self) -> Parsed<Source> {
        let mut source = Source { selections: self.list(Parser::selection)?, ..Source::default() };
        while let Some(is_start) = self.take_time_word() {
            let start = self.at;
            let length = self.rest().find(|c: char| c.is_whitespace() || matches!(c, '|' | ')')).unwrap_or(self.rest().len());
            if length == 0 {
                return Err(self.unexpected("a time, such as -3600s or 2026-01-02T03:04:05Z"));
            }
            let time = Some(self.text[start..start + length].to_owned());
            *(if is_start { &mut source.start } else { &mut source.end }) = time;
            self.at += length;
            self.blanks();
        }
        Ok(source)
    }

    fn take_time_word(&mut self) -> Option<bool> {
        let is_start = if self.sees_word("START") { true } else { self.sees_word("END").then_some(false)? };
        let before = self.at;
        self.word();
        self.blanks();
        if self.take("=") {
            self.blanks();
            return Some(is_start);
        }
        self.at = before;
        None
    }

    fn selection(&mut self) -> Parsed<Selection> {
        if matches!(self.peek(), Some('"' | '\'')) {
            return Ok(Selection::Group(self.text_literal()?));
        }
        let start = self.at;
        let length =
            self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || ".-_/#:*".contains(c))).unwrap_or(self.rest().len());
        let name = &self.rest()[..length];
        self.at += length;
        self.blanks();
        match name.to_ascii_lowercase().as_str() {
            "" => Err(self.unexpected("a log group or logGroups(...)")),
            "loggroups" if self.take("(") => self.criteria(),
            "datasource" | "datasources" if self.take("(") => {
                self.blanks();
                let names = self.texts()?;
                self.expect(")", "`)`")?;
                Ok(Selection::DataSources(names))
            }
            _ if self.peek() == Some('(') => {
                Err(InsightsError::at(self.text, start..start + length, "logGroups(...) or dataSource(...)"))
            }
            _ => Ok(Selection::Group(name.to_owned())),
        }
    }

    fn criteria(&mut self) -> Parsed<Selection> {
        let mut criteria: Vec<(Criterion, Vec<String>)> = Vec::new();
        self.blanks();
        while !self.take(")") {
            let start = self.at;
            let word = self.word().to_ascii_lowercase();
            let criterion = match word.as_str() {
                "nameprefix" | "nameprefixes" => Criterion::NamePrefix,
                "accountidentifiers" | "accountidentifier" => Criterion::AccountIdentifiers,
                "class" | "loggroupclass" => Criterion::Class,
                "tags" => Criterion::Tags,
                _ => {
                    let expected = "namePrefix, accountIdentifiers, class or tags";
                    let end = if word.is_empty() { self.next_char_end() } else { self.at };
                    return Err(InsightsError::at(self.text, start..end, expected));
                }
            };
            if criteria.iter().any(|(known, _)| *known == criterion) {
                return Err(InsightsError::at(self.text, start..self.at, format!("{} once", criterion.as_str())));
            }
            self.blanks();
            self.expect(":", "`:` and a list")?;
            criteria.push((criterion, self.texts()?));
            if !self.take(",") && self.peek() != Some(')') {
                return Err(self.unexpected("`,` or `)`"));
            }
            self.blanks();
        }
        self.blanks();
        Ok(Selection::Groups(criteria))
    }

    /// `['a', "b"]`, with the blanks behind.
    fn texts(&mut self) -> Parsed<Vec<String>> {
        self.expect("[", "`[` and texts")?;
        let texts = self.list(Parser::text_literal)?;
        self.expect("]", "`,` or `]`")?;
        Ok(texts)
    }

    fn outputs(&mut self) -> Parsed<Vec<Output>> {
        self.list(|parser| {
            let expr = parser.plain_expr()?;
            Ok(Output { expr, alias: parser.alias()? })
        })
    }

    fn condition(&mut self) -> Parsed<Expr> {
        self.plain_expr()
    }

    /// An expression without aggregates.
    fn plain_expr(&mut self) -> Parsed<Expr> {
        let expr = self.expr()?;
        match aggregate_place(&expr) {
            Some(place) => Err(InsightsError::at(self.text, place.range(), "no aggregate outside of stats")),
            None => Ok(expr),
        }
    }

    fn alias(&mut self) -> Parsed<Option<String>> {
        if !self.take_word("as") {
            return Ok(None);
        }
        Ok(Some(self.name("a name")?.0))
    }

    fn field(&mut self) -> Parsed<Expr> {
        let (name, place) = self.name("a field")?;
        Ok(Expr::Field { name, place })
    }

    fn sort_key(&mut self) -> Parsed<SortKey> {
        let expr = self.plain_expr()?;
        let descending = self.take_word("desc");
        if !descending {
            self.take_word("asc");
        }
        Ok(SortKey { expr, descending })
    }

    fn stats(&mut self) -> Parsed<Command> {
        let aggregates = self.list(|parser| {
            let start = parser.at;
            let expr = parser.expr()?;
            let end = start + parser.text[start..parser.at].trim_end().len();
            match &expr {
                _ if !expr.has_aggregate() => {
                    Err(InsightsError::at(parser.text, start..end, "an aggregate, such as count(*) or avg(field)"))
                }
                _ if has_nested_aggregate(&expr, false) => {
                    Err(InsightsError::at(parser.text, start..end, "no aggregate of an aggregate"))
                }
                _ => Ok(Output { expr, alias: parser.alias()? }),
            }
        })?;
        let mut names: Vec<String> = Vec::new();
        let by = match self.take_word("by") {
            false => Vec::new(),
            true => self.list(|parser| {
                let start = parser.at;
                let output = Output { expr: parser.plain_expr()?, alias: parser.alias()? };
                let end = start + parser.text[start..parser.at].trim_end().len();
                if names.contains(&output.name()) {
                    return Err(InsightsError::at(parser.text, start..end, "each group once, or under a name of its own"));
                }
                names.push(output.name());
                Ok(output)
            })?,
        };
        Ok(Command::Stats { aggregates, by })
    }

    fn parse_command(&mut self, place: Place) -> Parsed<Command> {
        let is_pattern = |parser: &Self| matches!(parser.peek(), Some('"' | '\'' | '/'));
        let from = match is_pattern(self) {
            true => None,
            // A slash behind the field begins the pattern, so there is no dividing here.
            false => Some(self.primary(0)?),
        };
        if let Some(aggregate) = from.as_ref().and_then(aggregate_place) {
            return Err(InsightsError::at(self.text, aggregate.range(), "no aggregate outside of stats"));
        }
        let start = self.at;
        let pattern = match self.peek() {
            Some('/') => {
                let text = self.regex_literal()?;
                let end = start + self.text[start..self.at].trim_end().len();
                self.regex_pattern(text, start..end)?
            }
            Some('"' | '\'') => {
                let text = self.text_literal()?;
                let end = start + self.text[start..self.at].trim_end().len();
                let names = if self.take_word("as") { self.list(|parser| Ok(parser.name("a name")?.0))? } else { Vec::new() };
                let stars = text.matches('*').count();
                if stars == 0 || stars != names.len() {
                    let found = format!("{stars} stars and {} names", names.len());
                    let error =
                        InsightsError::at(self.text, start..end, "a pattern with a star for each of the names behind `as`");
                    return Err(error.found(found));
                }
                ParsePattern::Glob { text, names }
            }
            _ => return Err(self.unexpected("a pattern between quotes, or a regular expression between slashes")),
        };
        Ok(Command::Parse { from, pattern, place })
    }

    fn regex_pattern(&mut self, text: String, span: std::ops::Range<usize>) -> Parsed<ParsePattern> {
        let compiled = self.check_regex(&text, span.clone())?;
        let mut names: Vec<String> = compiled.capture_names().flatten().map(str::to_owned).collect();
        let groups = compiled.captures_len() - 1;
        if names.is_empty() && self.take_word("as") {
            names = self.list(|parser| Ok(parser.name("a name")?.0))?;
            if names.len() != groups {
                let error = InsightsError::at(self.text, span, "a group for each of the names behind `as`");
                return Err(error.found(format!("{groups} groups and {} names", names.len())));
            }
        }
        match names.is_empty() {
            true => Err(InsightsError::at(self.text, span, "named groups, such as (?<user>\\w+)")),
            false => Ok(ParsePattern::Regex { text, names }),
        }
    }

    pub(super) fn check_regex(&self, text: &str, span: std::ops::Range<usize>) -> Parsed<regex::Regex> {
        regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
            let expected = match &error {
                regex::Error::CompiledTooBig(_) => "a smaller regular expression".to_owned(),
                other => {
                    let told = other.to_string();
                    let reason = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    format!("a regular expression ({reason})")
                }
            };
            InsightsError::at(self.text, span, expected)
        })
    }

    fn period(&mut self) -> Parsed<Period> {
        if self.at_end() || matches!(self.peek(), Some('|' | ')')) {
            return Ok(Period::Previous);
        }
        let start = self.at;
        let word = self.word();
        let period = Period::ALL.iter().find(|period| period.as_str().eq_ignore_ascii_case(word));
        let end = if word.is_empty() { self.next_char_end() } else { self.at };
        let period = period.copied().ok_or_else(|| {
            InsightsError::at(self.text, start..end, "previousHour, previousDay, previousWeek, previousMonth or nothing")
        })?;
        self.blanks();
        Ok(period)
    }

    fn lookup(&mut self) -> Parsed<Lookup> {
        let start = self.at;
        let length = self.rest().find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(self.rest().len());
        let table = match length {
            0 => self.name("a lookup table")?.0,
            _ => {
                self.at += length;
                self.blanks();
                self.text[start..start + length].to_owned()
            }
        };
        let keys = self.list(|parser| {
            let (column, _) = parser.name("a column of the lookup table")?;
            parser.expect_word("as")?;
            Ok((column, parser.field()?))
        })?;
        self.expect_word("OUTPUT")?;
        let outputs = self.list(|parser| {
            let (column, _) = parser.name("a column of the lookup table")?;
            Ok((column, parser.alias()?))
        })?;
        Ok(Lookup { table, keys, outputs })
    }

    fn join(&mut self, place: Place) -> Parsed<Join> {
        let (mut keeps_left, mut left, mut right) = (false, None, None);
        while let Some(option) = self.option(&["type", "left", "right"])? {
            let start = self.at;
            let (value, _) = self.name(if option == "type" { "inner or left" } else { "an alias" })?;
            let end = start + self.text[start..self.at].trim_end().len();
            match option {
                "type" => {
                    keeps_left = match value.to_ascii_lowercase().as_str() {
                        "inner" => false,
                        "left" => true,
                        _ => return Err(InsightsError::at(self.text, start..end, "inner or left")),
                    }
                }
                _ if value.contains('.') => return Err(InsightsError::at(self.text, start..end, "an alias without dots")),
                "left" => left = Some(value),
                _ => right = Some(value),
            }
        }
        let left = left.ok_or_else(|| self.unexpected("left= and an alias"))?;
        let right = right.ok_or_else(|| self.unexpected("right= and an alias"))?;
        if left == right {
            return Err(InsightsError::at(self.text, place.range(), "different aliases on the left and on the right"));
        }
        self.expect_word("where")?;
        let mut on = Vec::new();
        loop {
            on.push(self.join_fields(&left, &right)?);
            if !self.take_word("and") {
                break;
            }
        }
        Ok(Join { keeps_left, left, right, on, query: self.subquery()?, place })
    }

    /// `left.a = right.b`, in either order.
    fn join_fields(&mut self, left: &str, right: &str) -> Parsed<(String, String)> {
        let start = self.at;
        let (one, _) = self.name("a field with its alias")?;
        self.expect("=", "`=` and a field of the other side")?;
        let (other, _) = self.name("a field with its alias")?;
        let end = start + self.text[start..self.at].trim_end().len();
        let of = |name: &str, alias: &str| name.strip_prefix(alias)?.strip_prefix('.').map(str::to_owned);
        let pair = of(&one, left).zip(of(&other, right)).or_else(|| of(&other, left).zip(of(&one, right)));
        pair.ok_or_else(|| InsightsError::at(self.text, start..end, format!("{left}.<field> = {right}.<field>")))
    }

    fn add_totals(&mut self) -> Parsed<AddTotals> {
        let mut totals = AddTotals { field_name: "Total".to_owned(), row: true, col: false, fields: Vec::new() };
        while let Some(option) = self.option(&["fieldname", "row", "col"])? {
            match option {
                "fieldname" => totals.field_name = self.name("a name")?.0,
                "row" => totals.row = self.boolean()?,
                _ => totals.col = self.boolean()?,
            }
        }
        if !self.at_end() && !matches!(self.peek(), Some('|' | ')')) {
            totals.fields = self.list(|parser| Ok(parser.name("a field")?.0))?;
        }
        Ok(totals)
    }

    fn append_cols(&mut self, place: Place) -> Parsed<AppendCols> {
        let (mut overrides, mut max) = (false, APPENDED_ROWS_MAX);
        while let Some(option) = self.option(&["override", "max"])? {
            match option {
                "override" => overrides = self.boolean()?,
                _ => max = self.count("a number of rows", ROWS_MAX)?,
            }
        }
        Ok(AppendCols { overrides, max, query: self.subquery()?, place })
    }

    /// `word=`, if it is one of these.
    fn option(&mut self, words: &[&'static str]) -> Parsed<Option<&'static str>> {
        let before = self.at;
        let word = self.word().to_ascii_lowercase();
        self.blanks();
        let known = words.iter().copied().find(|known| *known == word);
        if known.is_some() && self.take("=") {
            self.blanks();
            return Ok(known);
        }
        self.at = before;
        Ok(None)
    }

    fn boolean(&mut self) -> Parsed<bool> {
        if self.take_word("true") {
            return Ok(true);
        }
        if self.take_word("false") { Ok(false) } else { Err(self.unexpected("true or false")) }
    }

    fn count(&mut self, expected: &str, max: u64) -> Parsed<u64> {
        let start = self.at;
        let length = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.unexpected(expected));
        }
        self.at += length;
        let count = self.text[start..self.at].parse().ok().filter(|count| (1..=max).contains(count));
        self.blanks();
        count.ok_or_else(|| InsightsError::at(self.text, start..start + length, format!("{expected} from 1 to {max}")))
    }

    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut parts = vec![one(self)?];
        while self.take(",") {
            self.blanks();
            parts.push(one(self)?);
        }
        Ok(parts)
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub(super) fn expect(&mut self, sign: &str, expected: &str) -> Parsed<()> {
        if !self.take(sign) {
            return Err(self.unexpected(expected));
        }
        self.blanks();
        Ok(())
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Blanks and comments.
    pub(super) fn blanks(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if self.peek() != Some('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    fn word_length(&self) -> usize {
        self.rest().find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest().len())
    }

    /// Letters, digits and underscores, without the blanks behind.
    pub(super) fn word(&mut self) -> &'a str {
        let word = &self.rest()[..self.word_length()];
        self.at += word.len();
        word
    }

    pub(super) fn sees_word(&self, word: &str) -> bool {
        self.rest()[..self.word_length()].eq_ignore_ascii_case(word)
    }

    /// A whole word, whatever its case, with the blanks behind.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.sees_word(word);
        if is_there {
            self.at += word.len();
            self.blanks();
        }
        is_there
    }

    pub(super) fn next_char_end(&self) -> usize {
        self.at + self.peek().map_or(0, char::len_utf8)
    }

    /// Points at the whole word that stands here, or else at one character.
    pub(super) fn unexpected(&self, expected: impl Into<String>) -> InsightsError {
        let end = match self.word_length() {
            0 => self.next_char_end(),
            length => self.at + length,
        };
        InsightsError::at(self.text, self.at..end, expected)
    }
}

pub(crate) fn aggregate_place(expr: &Expr) -> Option<Place> {
    match expr {
        Expr::Call { function, place, .. } if function.is_aggregate() => Some(*place),
        Expr::Call { args, .. } => args.iter().find_map(aggregate_place),
        Expr::Not(inner) | Expr::Negative(inner) => aggregate_place(inner),
        Expr::Binary { left, right, .. } => aggregate_place(left).or_else(|| aggregate_place(right)),
        Expr::In { expr, list, .. } => aggregate_place(expr).or_else(|| list.iter().find_map(aggregate_place)),
        Expr::InQuery { expr, .. } | Expr::Like { expr, .. } => aggregate_place(expr),
        Expr::Field { .. } | Expr::Number { .. } | Expr::Text(_) | Expr::Boolean(_) | Expr::Span(_) | Expr::Star => None,
    }
}

pub(crate) fn has_nested_aggregate(expr: &Expr, is_inside: bool) -> bool {
    match expr {
        Expr::Call { function, args, .. } => {
            let is_aggregate = function.is_aggregate();
            (is_aggregate && is_inside) || args.iter().any(|arg| has_nested_aggregate(arg, is_inside || is_aggregate))
        }
        Expr::Not(inner) | Expr::Negative(inner) => has_nested_aggregate(inner, is_inside),
        Expr::Binary { left, right, .. } => has_nested_aggregate(left, is_inside) || has_nested_aggregate(right, is_inside),
        Expr::In { expr, .. } | Expr::InQuery { expr, .. } | Expr::Like { expr, .. } => has_nested_aggregate(expr, is_inside),
        _ => false,
    }
}

/// Whether one letter was left out, put in, or changed.
pub(crate) fn is_near(known: &str, word: &str) -> bool {
    let (known, word): (Vec<char>, Vec<char>) = (known.chars().collect(), word.chars().collect());
    let same = known.iter().zip(&word).take_while(|(left, right)| left == right).count();
    let (known_rest, word_rest) = (&known[same..], &word[same..]);
    let skip = |rest: &[char]| rest.get(1..).map(<[char]>::to_vec);
    word.len() > 2
        && (skip(known_rest).as_deref() == Some(word_rest)
            || skip(word_rest).as_deref() == Some(known_rest)
            || (!known_rest.is_empty() && skip(known_rest) == skip(word_rest)))
}
