//! Text -> a query: the pipe and its commands. Values are read in `expr.rs`.

use super::grok;
use super::tokens::{Placed, Token, tokens};
use crate::insights::{
    COMMANDS_MAX, Command, EXPRESSIONS_MAX, Expr, Function, InsightsError, Join, Lookup, Output, ParsePattern, Place,
    QUERY_CHARS_MAX, Query, REGEX_BYTES_MAX, ROWS_MAX, Selection, SortKey, Source, Trend, TrendKind, is_near,
};

/// The words that commands begin with.
pub const COMMAND_WORDS: &[&str] = &[
    "source",
    "search",
    "where",
    "fields",
    "eval",
    "stats",
    "eventstats",
    "sort",
    "head",
    "dedup",
    "parse",
    "rename",
    "top",
    "rare",
    "fillnull",
    "expand",
    "flatten",
    "grok",
    "patterns",
    "trendline",
    "join",
    "lookup",
];

/// Rows that a moving average is of at most; a weighted one takes a pass for each.
const TREND_ROWS_MAX: u64 = 100;

/// Rows of `head`, and values of `top` and `rare`, where nobody says how many.
const ROWS_DEFAULT: u64 = 10;

pub(super) type Parsed<T> = Result<T, InsightsError>;

/// Reads a query.
///
/// Refuses, with the place where it went wrong: unknown commands and functions, what [`crate::ppl`] says is missing, and more
/// than Logs Insights' parser takes of anything.
pub fn parse(text: &str) -> Parsed<Query> {
    if let Some((over, _)) = text.char_indices().nth(QUERY_CHARS_MAX) {
        let found = format!("{} characters", text.chars().count());
        return Err(InsightsError::at(text, over..text.len(), format!("at most {QUERY_CHARS_MAX} characters")).found(found));
    }
    let mut parser = Parser { source: text, tokens: tokens(text)?, next: 0, commands: 0, expressions: 0, is_subquery: false };
    let query = parser.query()?;
    match parser.peek() {
        None => Ok(query),
        Some(_) => Err(parser.unexpected("`|` and a command, or the end")),
    }
}

pub(super) struct Parser<'a> {
    pub(super) source: &'a str,
    tokens: Vec<Placed>,
    next: usize,
    commands: usize,
    expressions: usize,
    is_subquery: bool,
}

impl Parser<'_> {
    fn query(&mut self) -> Parsed<Query> {
        let mut query = Query::default();
        self.take("|");
        loop {
            self.commands += 1;
            if self.commands > COMMANDS_MAX {
                return Err(self.unexpected(format!("at most {COMMANDS_MAX} commands")));
            }
            self.command(&mut query.commands)?;
            if !self.take("|") {
                return Ok(query);
            }
        }
    }

    pub(super) fn begins_subquery(&self) -> bool {
        let word = |offset: usize| match self.tokens.get(self.next + offset).map(|placed| &placed.token) {
            Some(Token::Word(word)) => Some(word.to_ascii_lowercase()),
            _ => None,
        };
        let is_open = matches!(self.tokens.get(self.next).map(|placed| &placed.token), Some(Token::Sign("(")));
        let is_given = matches!(self.tokens.get(self.next + 2).map(|placed| &placed.token), Some(Token::Sign("=")));
        is_open && (word(1).as_deref() == Some("search") || (word(1).as_deref() == Some("source") && is_given))
    }

    /// A query between brackets or parentheses.
    pub(super) fn subquery(&mut self) -> Parsed<Query> {
        let close = match self.take("[") {
            true => "]",
            false => {
                self.expect("(", "`[` and a query")?;
                ")"
            }
        };
        if self.is_subquery {
            return Err(self.unexpected("no query inside of a subquery"));
        }
        self.is_subquery = true;
        let query = self.query()?;
        self.is_subquery = false;
        self.expect(close, &format!("`|` and a command, or `{close}`"))?;
        Ok(query)
    }

    fn command(&mut self, commands: &mut Vec<Command>) -> Parsed<()> {
        let place = self.token_place();
        let word = match self.peek() {
            Some(Token::Word(word)) => word.to_ascii_lowercase(),
            _ => return Err(self.unexpected("a command")),
        };
        self.skip();
        let is_first = commands.is_empty();
        match word.as_str() {
            "search" | "source" | "index" if is_first => {
                if word == "search" {
                    self.expect_word("source")?;
                }
                commands.push(Command::Source(self.source_groups()?));
                // `source=a level = 'error'` filters at once.
                if self.peek().is_some() && !self.sees("|") && !self.sees(")") && !self.sees("]") {
                    commands.push(Command::Filter(self.condition()?));
                }
            }
            "source" | "search" => return Err(InsightsError::at(self.source, place.range(), "a command; source stands first")),
            "where" => commands.push(Command::Filter(self.condition()?)),
            "fields" | "table" => commands.push(self.fields()?),
            "eval" => commands.push(Command::Eval(self.list(Parser::assignment)?)),
            "stats" | "eventstats" => {
                let (aggregates, by) = self.aggregates()?;
                commands.push(match word.as_str() {
                    "stats" => Command::Stats { aggregates, by },
                    _ => Command::EventStats { aggregates, by },
                });
            }
            "sort" => self.sort(commands)?,
            "head" => {
                let rows = if matches!(self.peek(), Some(Token::Number(..))) { self.count()? } else { ROWS_DEFAULT };
                commands.push(Command::Limit(rows));
            }
            "dedup" => self.dedup(commands)?,
            "parse" => commands.push(self.parse_command(place)?),
            "rename" => self.rename(commands)?,
            "top" | "rare" => self.most(word == "top", commands)?,
            "fillnull" => commands.push(self.fill_null()?),
            "expand" => {
                let (name, place) = self.name("a field that is a list")?;
                let into = if self.take_word("as") { self.name("a name")?.0 } else { name.clone() };
                commands.push(Command::Unnest { list: Expr::Field { name, place }, into });
            }
            "flatten" => commands.push(Command::Flatten(self.name("a field that is a structure")?.0)),
            "grok" => commands.push(self.grok(place)?),
            "patterns" => commands.push(self.patterns()?),
            "trendline" => self.trendline(commands)?,
            "inner" | "left" if self.sees_word("join") => {
                self.skip();
                commands.push(Command::Join(self.join(word == "left", place)?));
            }
            "join" => commands.push(Command::Join(self.join(false, place)?)),
            "lookup" => commands.push(Command::Lookup(self.lookup()?)),
            _ => {
                let near = COMMAND_WORDS.iter().find(|known| is_near(known, &word));
                let perhaps = near.map_or(String::new(), |near| format!(", perhaps {near}"));
                return Err(InsightsError::at(self.source, place.range(), format!("a command{perhaps}")));
            }
        }
        Ok(())
    }

    /// `= group`, `= [`a`, 'b']`.
    fn source_groups(&mut self) -> Parsed<Source> {
        self.expect("=", "`=` and log groups")?;
        let in_brackets = self.take("[");
        let selections = self.list(|parser| {
            if let Some(Token::Text(name) | Token::Quoted(name)) = parser.peek().cloned() {
                parser.skip();
                return Ok(Selection::Group(name));
            }
            parser.bare_group()
        })?;
        if in_brackets {
            self.expect("]", "`,` or `]`")?;
        }
        Ok(Source { selections, ..Source::default() })
    }

    /// A name of a group with slashes and dashes: words and signs without blanks between.
    fn bare_group(&mut self) -> Parsed<Selection> {
        let start = self.at();
        let mut end = start;
        while let Some(placed) = self.tokens.get(self.next) {
            let is_of_name =
                matches!(&placed.token, Token::Word(_) | Token::Number(..) | Token::Sign("/" | "-")) && (placed.start == end);
            if !is_of_name {
                break;
            }
            end = placed.end;
            self.next += 1;
        }
        match end > start {
            true => Ok(Selection::Group(self.source[start..end].to_owned())),
            false => Err(self.unexpected("a log group")),
        }
    }

    fn condition(&mut self) -> Parsed<Expr> {
        let expr = self.expr()?;
        self.without_aggregate(expr)
    }

    fn without_aggregate(&self, expr: Expr) -> Parsed<Expr> {
        match crate::insights::aggregate_place(&expr) {
            Some(place) => Err(InsightsError::at(self.source, place.range(), "no aggregate outside of stats and eventstats")),
            None => Ok(expr),
        }
    }

    fn fields(&mut self) -> Parsed<Command> {
        let hides = self.take("-");
        if !hides {
            self.take("+");
        }
        let fields = self.list(|parser| parser.name("a field"))?;
        Ok(match hides {
            true => Command::Hide(fields.into_iter().map(|(name, _)| name).collect()),
            false => Command::Display(fields.into_iter().map(|(name, place)| field(name, place)).collect()),
        })
    }

    /// `name = value`.
    fn assignment(&mut self) -> Parsed<Output> {
        let (name, _) = self.name("a name")?;
        self.expect("=", "`=` and a value")?;
        Ok(Output { expr: self.condition()?, alias: Some(name) })
    }

    fn aggregates(&mut self) -> Parsed<(Vec<Output>, Vec<Output>)> {
        let aggregates = self.list(|parser| {
            let start = parser.at();
            let expr = parser.expr()?;
            let end = parser.end_before();
            if !expr.has_aggregate() {
                return Err(InsightsError::at(parser.source, start..end, "an aggregate, such as count() or avg(field)"));
            }
            if crate::insights::has_nested_aggregate(&expr, false) {
                return Err(InsightsError::at(parser.source, start..end, "no aggregate of an aggregate"));
            }
            parser.named(expr, start, end)
        })?;
        if !self.take_word("by") {
            return Ok((aggregates, Vec::new()));
        }
        let mut names: Vec<String> = Vec::new();
        let by = self.list(|parser| {
            let start = parser.at();
            let expr = parser.expr()?;
            let expr = parser.without_aggregate(expr)?;
            let end = parser.end_before();
            let output = parser.named(expr, start, end)?;
            if names.contains(&output.name()) {
                return Err(InsightsError::at(parser.source, start..end, "each group once, or under a name of its own"));
            }
            names.push(output.name());
            Ok(output)
        })?;
        Ok((aggregates, by))
    }

    /// With its alias; what is computed and has none is called as it is written.
    fn named(&mut self, expr: Expr, start: usize, end: usize) -> Parsed<Output> {
        let alias = match self.take_word("as") {
            true => Some(self.name("a name")?.0),
            false if matches!(expr, Expr::Field { .. }) => None,
            false => Some(self.source[start..end].split_whitespace().collect::<Vec<_>>().join(" ")),
        };
        Ok(Output { expr, alias })
    }

    /// `sort [10] - a, + b`, `sort a desc`.
    fn sort(&mut self, commands: &mut Vec<Command>) -> Parsed<()> {
        let rows = if matches!(self.peek(), Some(Token::Number(..))) { Some(self.count()?) } else { None };
        let keys = self.list(|parser| {
            let is_first_sign = parser.take("-");
            if !is_first_sign {
                parser.take("+");
            }
            let expr = parser.condition()?;
            let descending = parser.take_word("desc") || parser.take_word("d");
            if !descending && !parser.take_word("asc") {
                parser.take_word("a");
            }
            Ok(SortKey { expr, descending: descending || is_first_sign })
        })?;
        commands.push(Command::Sort(keys));
        commands.extend(rows.map(Command::Limit));
        Ok(())
    }

    /// `dedup a, b [keepempty=true]`.
    fn dedup(&mut self, commands: &mut Vec<Command>) -> Parsed<()> {
        if matches!(self.peek(), Some(Token::Number(..))) {
            let place = self.token_place();
            if self.count()? != 1 {
                return Err(InsightsError::at(self.source, place.range(), "dedup 1, or no number"));
            }
        }
        let fields = self.list(|parser| parser.name("a field"))?;
        let mut keeps_empty = false;
        while let Some(option) = self.option(&["keepempty", "consecutive"])? {
            let place = self.token_place();
            let value = self.word("true or false")?.eq_ignore_ascii_case("true");
            match option {
                "keepempty" => keeps_empty = value,
                _ if value => return Err(InsightsError::at(self.source, place.range(), "consecutive=false")),
                _ => {}
            }
        }
        let fields: Vec<Expr> = fields.into_iter().map(|(name, place)| Expr::Field { name, place }).collect();
        if !keeps_empty {
            for field in &fields {
                commands.push(Command::Filter(self.call(Function::IsPresent, vec![field.clone()], self.at())));
            }
        }
        commands.push(Command::Dedup(fields));
        Ok(())
    }

    /// `parse field 'expression with (?<names>…)'`.
    fn parse_command(&mut self, place: Place) -> Parsed<Command> {
        let (name, field_place) = self.name("a field")?;
        let text_place = self.token_place();
        let text = self.text("a regular expression between quotes")?;
        self.parsed_by(text, text_place, (name, field_place), place)
    }

    /// `grok field '%{IP:client} took %{NUMBER:ms}'`.
    fn grok(&mut self, place: Place) -> Parsed<Command> {
        let from = self.name("a field")?;
        let text_place = self.token_place();
        let text = self.text("a grok pattern between quotes")?;
        let text = grok::expanded(&text).map_err(|unknown| {
            InsightsError::at(self.source, text_place.range(), "patterns such as %{IP:client}").found(format!("%{{{unknown}}}"))
        })?;
        self.parsed_by(text, text_place, from, place)
    }

    fn parsed_by(&self, text: String, text_place: Place, from: (String, Place), place: Place) -> Parsed<Command> {
        let text = self.checked_regex(text, text_place)?;
        let names: Vec<String> = match regex::Regex::new(&text) {
            Ok(compiled) => compiled.capture_names().flatten().map(str::to_owned).collect(),
            Err(_) => Vec::new(),
        };
        if names.is_empty() {
            return Err(InsightsError::at(self.source, text_place.range(), "a group with a name, such as (?<user>\\w+)"));
        }
        let from = Some(Expr::Field { name: from.0, place: from.1 });
        Ok(Command::Parse { from, pattern: ParsePattern::Regex { text, names }, place })
    }

    pub(super) fn checked_regex(&self, text: String, place: Place) -> Parsed<String> {
        match regex::RegexBuilder::new(&text).size_limit(REGEX_BYTES_MAX).build() {
            Ok(_) => Ok(text),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(InsightsError::at(self.source, place.range(), format!("a regular expression: {why}")))
            }
        }
    }

    fn rename(&mut self, commands: &mut Vec<Command>) -> Parsed<()> {
        let mut hidden = Vec::new();
        let outputs = self.list(|parser| {
            let (name, place) = parser.name("a field")?;
            parser.expect_word("as")?;
            let (alias, _) = parser.name("a name")?;
            hidden.push(name.clone());
            Ok(Output { expr: Expr::Field { name, place }, alias: Some(alias) })
        })?;
        commands.extend([Command::Eval(outputs), Command::Hide(hidden)]);
        Ok(())
    }

    /// `patterns field [method=brain] [mode=aggregation]`.
    fn patterns(&mut self) -> Parsed<Command> {
        let (name, place) = self.name("a field")?;
        while self.option(&["method", "mode", "max_sample_count", "buffer_limit", "new_field", "pattern"])?.is_some() {
            if !matches!(self.peek(), Some(Token::Word(_) | Token::Text(_) | Token::Number(..))) {
                return Err(self.unexpected("a value"));
            }
            self.skip();
        }
        Ok(Command::Pattern(Expr::Field { name, place }))
    }

    /// `trendline sort - a sma(5, b) as c wma(3, b)`.
    fn trendline(&mut self, commands: &mut Vec<Command>) -> Parsed<()> {
        if self.take_word("sort") {
            let descending = self.take("-");
            if !descending {
                self.take("+");
            }
            let (name, place) = self.name("a field")?;
            commands.push(Command::Sort(vec![SortKey { expr: Expr::Field { name, place }, descending }]));
        }
        let mut trends = vec![self.trend()?];
        while matches!(self.peek(), Some(Token::Word(_))) {
            trends.push(self.trend()?);
        }
        commands.push(Command::Trendline(trends));
        Ok(())
    }

    fn trend(&mut self) -> Parsed<Trend> {
        let place = self.token_place();
        let expected = "sma(rows, field) or wma(rows, field)";
        let kind = TrendKind::from_word(&self.word(expected)?);
        let kind = kind.ok_or_else(|| InsightsError::at(self.source, place.range(), expected))?;
        self.expect("(", "`(`")?;
        let rows_place = self.token_place();
        let rows = self.count()?;
        if !(1..=TREND_ROWS_MAX).contains(&rows) {
            return Err(InsightsError::at(self.source, rows_place.range(), format!("1 to {TREND_ROWS_MAX} rows")));
        }
        self.expect(",", "`,` and a field")?;
        let (name, place) = self.name("a field")?;
        self.expect(")", "`)`")?;
        let alias = if self.take_word("as") { self.name("a name")?.0 } else { format!("{name}_trendline") };
        Ok(Trend { kind, rows, field: Expr::Field { name, place }, alias })
    }

    /// `top 5 field [by group]`: the values that come most often, or least, of all or in each group.
    fn most(&mut self, is_top: bool, commands: &mut Vec<Command>) -> Parsed<()> {
        let rows = if matches!(self.peek(), Some(Token::Number(..))) { self.count()? } else { ROWS_DEFAULT };
        let fields = self.list(|parser| parser.name("a field"))?;
        let groups = if self.take_word("by") { self.list(|parser| parser.name("a field"))? } else { Vec::new() };
        let groups: Vec<Expr> = groups.into_iter().map(|(name, place)| Expr::Field { name, place }).collect();
        let start = self.at();
        let count = self.call(Function::Count, vec![Expr::Star], start);
        let values = fields.into_iter().map(|(name, place)| Expr::Field { name, place });
        let by: Vec<Expr> = groups.iter().cloned().chain(values).collect();
        for value in &by[groups.len()..] {
            commands.push(Command::Filter(self.call(Function::IsPresent, vec![value.clone()], start)));
        }
        let aggregates = vec![Output { expr: count, alias: Some("count".to_owned()) }];
        commands.push(Command::Stats { aggregates, by: by.into_iter().map(|expr| Output { expr, alias: None }).collect() });
        let key = Expr::Field { name: "count".to_owned(), place: Place::default() };
        let mut keys: Vec<SortKey> = groups.iter().map(|expr| SortKey { expr: expr.clone(), descending: false }).collect();
        keys.push(SortKey { expr: key, descending: is_top });
        commands.push(Command::Sort(keys));
        commands.push(if groups.is_empty() { Command::Limit(rows) } else { Command::FirstOf { rows, of: groups } });
        Ok(())
    }

    /// `fillnull with 0 in a, b`, `fillnull using a = 0, b = 'x'`.
    fn fill_null(&mut self) -> Parsed<Command> {
        let filled = |parser: &Self, name: String, place: Place, value: Expr| {
            let args = vec![Expr::Field { name: name.clone(), place }, value];
            Output { expr: parser.call(Function::Coalesce, args, place.start), alias: Some(name) }
        };
        if self.take_word("using") {
            return Ok(Command::Eval(self.list(|parser| {
                let (name, place) = parser.name("a field")?;
                parser.expect("=", "`=` and a value")?;
                let value = parser.condition()?;
                Ok(filled(parser, name, place, value))
            })?));
        }
        self.expect_word("with")?;
        let value = match self.peek() {
            Some(Token::Text(_)) => Expr::Text(self.text("a value")?),
            _ => self.number()?,
        };
        self.expect_word("in")?;
        Ok(Command::Eval(self.list(|parser| {
            let (name, place) = parser.name("a field")?;
            Ok(filled(parser, name, place, value.clone()))
        })?))
    }

    /// `left=a right=b on a.x = b.x [query]`, or the name of a log group for the query.
    fn join(&mut self, keeps_left: bool, place: Place) -> Parsed<Join> {
        let (mut left, mut right) = (None, None);
        while let Some(option) = self.option(&["left", "right"])? {
            let (alias, _) = self.name("an alias")?;
            *(if option == "left" { &mut left } else { &mut right }) = Some(alias);
            self.take(",");
        }
        let left = left.ok_or_else(|| self.unexpected("left= and an alias"))?;
        let right = right.ok_or_else(|| self.unexpected("right= and an alias"))?;
        if left == right {
            return Err(InsightsError::at(self.source, place.range(), "different aliases on the left and on the right"));
        }
        if !self.take_word("on") {
            self.expect_word("where")?;
        }
        let mut on = Vec::new();
        loop {
            on.push(self.join_fields(&left, &right)?);
            if !self.take_word("and") {
                break;
            }
        }
        let query = match self.sees("[") || self.sees("(") {
            true => self.subquery()?,
            false => {
                let selection = match self.peek().cloned() {
                    Some(Token::Text(name) | Token::Quoted(name)) => {
                        self.skip();
                        Selection::Group(name)
                    }
                    _ => self.bare_group()?,
                };
                let source = Source { selections: vec![selection], ..Source::default() };
                Query { commands: vec![Command::Source(source)] }
            }
        };
        Ok(Join { keeps_left, left, right, on, query, place })
    }

    fn join_fields(&mut self, left: &str, right: &str) -> Parsed<(String, String)> {
        let start = self.at();
        let (one, _) = self.name("a field with its alias")?;
        if !self.take("==") {
            self.expect("=", "`=` and a field of the other side")?;
        }
        let (other, _) = self.name("a field with its alias")?;
        let of = |name: &str, alias: &str| name.strip_prefix(alias)?.strip_prefix('.').map(str::to_owned);
        let pair = of(&one, left).zip(of(&other, right)).or_else(|| of(&other, left).zip(of(&one, right)));
        pair.ok_or_else(|| InsightsError::at(self.source, start..self.end_before(), format!("{left}.<field> = {right}.<field>")))
    }

    /// `lookup table key as field replace column as name`.
    fn lookup(&mut self) -> Parsed<Lookup> {
        let (table, _) = self.name("a lookup table")?;
        let keys = self.list(|parser| {
            let (column, place) = parser.name("a column of the lookup table")?;
            let (name, place) = if parser.take_word("as") { parser.name("a field")? } else { (column.clone(), place) };
            Ok((column, Expr::Field { name, place }))
        })?;
        if !["replace", "append", "output"].iter().any(|word| self.take_word(word)) {
            return Err(self.unexpected("replace, append or output, and columns"));
        }
        let outputs = self.list(|parser| {
            let (column, _) = parser.name("a column of the lookup table")?;
            let alias = if parser.take_word("as") { Some(parser.name("a name")?.0) } else { None };
            Ok((column, alias))
        })?;
        Ok(Lookup { table, keys, outputs })
    }

    /// `word=`, if it is one of these.
    fn option(&mut self, words: &[&'static str]) -> Parsed<Option<&'static str>> {
        let known = words.iter().copied().find(|word| self.sees_word(word));
        let is_given = matches!(self.tokens.get(self.next + 1).map(|placed| &placed.token), Some(Token::Sign("=")));
        let Some(known) = known.filter(|_| is_given) else { return Ok(None) };
        self.next += 2;
        Ok(Some(known))
    }

    fn count(&mut self) -> Parsed<u64> {
        let place = self.token_place();
        let Expr::Number { value, .. } = self.number()? else { return Ok(ROWS_DEFAULT) };
        let is_count = value.fract() == 0.0 && (1.0..=ROWS_MAX as f64).contains(&value);
        if is_count {
            Ok(value as u64)
        } else {
            Err(InsightsError::at(self.source, place.range(), format!("a number of rows from 1 to {ROWS_MAX}")))
        }
    }

    pub(super) fn count_expression(&mut self) -> Parsed<()> {
        self.expressions += 1;
        if self.expressions > EXPRESSIONS_MAX {
            return Err(self.unexpected(format!("at most {EXPRESSIONS_MAX} values and functions")));
        }
        Ok(())
    }

    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut parts = vec![one(self)?];
        while self.take(",") {
            parts.push(one(self)?);
        }
        Ok(parts)
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// Where the next token begins; the end of the text behind the last.
    pub(super) fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.source.len(), |placed| placed.start)
    }

    /// Where the token before ended.
    fn end_before(&self) -> usize {
        self.next.checked_sub(1).and_then(|before| self.tokens.get(before)).map_or(0, |placed| placed.end)
    }

    pub(super) fn place_from(&self, start: usize) -> Place {
        Place { start, end: self.end_before().max(start) }
    }

    pub(super) fn token_place(&self) -> Place {
        let end = self.tokens.get(self.next).map_or(self.source.len(), |placed| placed.end);
        Place { start: self.at(), end }
    }

    pub(super) fn sees(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(known)) if *known == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is_there = self.sees(sign);
        self.next += usize::from(is_there);
        is_there
    }

    pub(super) fn expect(&mut self, sign: &str, expected: &str) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    pub(super) fn sees_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(known)) if known.eq_ignore_ascii_case(word))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.sees_word(word);
        self.next += usize::from(is_there);
        is_there
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub(super) fn word(&mut self, expected: &str) -> Parsed<String> {
        let Some(Token::Word(word)) = self.peek().cloned() else { return Err(self.unexpected(expected)) };
        self.skip();
        Ok(word)
    }

    pub(super) fn text(&mut self, expected: &str) -> Parsed<String> {
        let Some(Token::Text(text)) = self.peek().cloned() else { return Err(self.unexpected(expected)) };
        self.skip();
        Ok(text)
    }

    /// Whether a parenthesis stands behind the next token.
    pub(super) fn is_call(&self) -> bool {
        matches!(self.tokens.get(self.next + 1).map(|placed| &placed.token), Some(Token::Sign("(")))
    }

    /// A name; one in backticks goes on behind a dot, and a word may be one that ends in it.
    pub(super) fn name(&mut self, expected: &str) -> Parsed<(String, Place)> {
        let place = self.token_place();
        let reserved = ["by", "as", "and", "or", "not", "in", "like", "between", "is", "on", "else"];
        let name = match self.peek().cloned() {
            Some(Token::Quoted(name)) => name,
            Some(Token::Word(word)) if !reserved.iter().any(|known| known.eq_ignore_ascii_case(&word)) => word,
            _ => return Err(self.unexpected(expected)),
        };
        self.skip();
        Ok((name, place))
    }

    pub(super) fn unexpected(&self, expected: impl Into<String>) -> InsightsError {
        let place = self.token_place();
        InsightsError::at(self.source, place.range(), expected)
    }
}

fn field(name: String, place: Place) -> Output {
    Output { expr: Expr::Field { name, place }, alias: None }
}
