//! The words of the language as completion shows them: commands and functions, how each is written, and what it does.

/// A word and its line of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// As it is printed; any case is read.
    pub name: &'static str,
    pub kind: KeywordKind,
    /// How it is written.
    pub usage: &'static str,
    /// One line.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordKind {
    Command,
    Aggregate,
    Function,
}

impl KeywordKind {
    pub fn as_str(self) -> &'static str {
        match self {
            KeywordKind::Command => "command",
            KeywordKind::Aggregate => "aggregate",
            KeywordKind::Function => "function",
        }
    }
}

pub(crate) const fn command(name: &'static str, usage: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Command, usage, help }
}

pub(crate) const fn aggregate(name: &'static str, usage: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Aggregate, usage, help }
}

pub(crate) const fn function(name: &'static str, usage: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Function, usage, help }
}

/// Commands, aggregates, functions, in the order in which people look for them.
pub const KEYWORDS: &[Keyword] = &[
    command("fields", "fields a, b * 2 as c", "computes, and says what is shown"),
    command("filter", "filter level = \"error\" and @message like /re/", "keeps the rows for which the condition holds"),
    command("stats", "stats count(*) by bin(5m), level", "groups rows and reckons with each group"),
    command("sort", "sort @timestamp desc, level", "puts rows in order"),
    command("limit", "limit 20", "keeps the first rows"),
    command("parse", "parse @message \"user=*,\" as user", "makes fields out of a text, by a glob or a regular expression"),
    command("display", "display a, b", "shows these fields and nothing else"),
    command("dedup", "dedup user", "keeps the first row of each value"),
    command("pattern", "pattern @message", "puts lines that are much the same together"),
    command("diff", "diff previousDay", "compares with the time before"),
    command("unnest", "unnest doc.items into item", "makes a row of each element of a list"),
    command("join", "join type=left left=a right=b where a.x = b.x (SOURCE \"group\")", "adds the fields of other events"),
    command("lookup", "lookup table key as field OUTPUT column", "adds columns of an uploaded table"),
    command("addtotals", "addtotals col=true", "adds the sums of rows and of columns"),
    command("appendcols", "appendcols (SOURCE \"group\" | stats count(*))", "adds the columns of other rows, row by row"),
    command("anomaly", "pattern @message | anomaly", "marks patterns that are unusual"),
    command("unmask", "unmask @message", "shows what is protected to those who may see it"),
    command("filterIndex", "filterIndex requestId = \"x\"", "filters by fields that are indexed"),
    command("head", "head 20", "keeps the first rows"),
    command("tail", "tail 20", "keeps the last rows"),
    command("SOURCE", "SOURCE logGroups(namePrefix: [\"a\"])", "says which log groups are asked; stands first"),
    aggregate("count", "count(*)", "how many rows, or how many have the field"),
    aggregate("avg", "avg(field)", "the mean"),
    aggregate("sum", "sum(field)", "the sum"),
    aggregate("min", "min(field)", "the least"),
    aggregate("max", "max(field)", "the most"),
    aggregate("pct", "pct(field, 95)", "what so many percent do not exceed"),
    aggregate("stddev", "stddev(field)", "the standard deviation"),
    aggregate("count_distinct", "count_distinct(field)", "how many different values"),
    aggregate("earliest", "earliest(field)", "the value of the oldest event that has one"),
    aggregate("latest", "latest(field)", "the value of the newest event that has one"),
    aggregate("sortsFirst", "sortsFirst(field)", "the first in the order of texts"),
    aggregate("sortsLast", "sortsLast(field)", "the last in the order of texts"),
    function("bin", "bin(5m)", "@timestamp down to a whole period"),
    function("datefloor", "datefloor(@timestamp, 1h)", "a time down to a whole period"),
    function("dateceil", "dateceil(@timestamp, 1h)", "a time up to a whole period"),
    function("fromMillis", "fromMillis(field)", "milliseconds since 1970 as a time"),
    function("toMillis", "toMillis(@timestamp)", "a time as milliseconds since 1970"),
    function("now", "now()", "seconds since 1970"),
    function("ispresent", "ispresent(field)", "whether it is there"),
    function("coalesce", "coalesce(a, b, \"none\")", "the first that is there"),
    function("if", "if(condition, then, else)", "one of two values"),
    function("case", "case(condition, value, …, else)", "the value of the first condition that holds"),
    function("isempty", "isempty(field)", "whether it is missing or without characters"),
    function("isblank", "isblank(field)", "whether it is missing or all blanks"),
    function("concat", "concat(a, \"-\", b)", "texts one after the other"),
    function("strlen", "strlen(text)", "how many characters"),
    function("substr", "substr(text, 0, 3)", "a part, from a place that counts from 0"),
    function("strcontains", "strcontains(text, \"part\")", "whether it contains the part"),
    function("replace", "replace(text, \"a\", \"b\")", "each part by another"),
    function("toupper", "toupper(text)", "in capitals"),
    function("tolower", "tolower(text)", "in small letters"),
    function("trim", "trim(text, \"x\")", "without blanks, or these characters, on both sides"),
    function("ltrim", "ltrim(text, \"x\")", "without blanks, or these characters, in front"),
    function("rtrim", "rtrim(text, \"x\")", "without blanks, or these characters, at the end"),
    function("abs", "abs(number)", "without its sign"),
    function("ceil", "ceil(number)", "up to a whole number"),
    function("floor", "floor(number)", "down to a whole number"),
    function("greatest", "greatest(a, b)", "the most of several"),
    function("least", "least(a, b)", "the least of several"),
    function("log", "log(number)", "the natural logarithm"),
    function("sqrt", "sqrt(number)", "the square root"),
    function("jsonParse", "jsonParse(@message) as doc", "a text as a document: doc.a.b, doc.list[0]"),
    function("jsonStringify", "jsonStringify(doc.a)", "a document as a text"),
    function("isValidIp", "isValidIp(field)", "whether it is an address"),
    function("isValidIpV4", "isValidIpV4(field)", "whether it is an address of version 4"),
    function("isValidIpV6", "isValidIpV6(field)", "whether it is an address of version 6"),
    function("isIpInSubnet", "isIpInSubnet(field, \"10.0.0.0/8\")", "whether it is an address of the subnet"),
    function("isIpv4InSubnet", "isIpv4InSubnet(field, \"10.0.0.0/8\")", "whether it is an address of the subnet"),
    function("isIpv6InSubnet", "isIpv6InSubnet(field, \"2001:db8::/32\")", "whether it is an address of the subnet"),
];
