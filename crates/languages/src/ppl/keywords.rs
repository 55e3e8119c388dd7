//! The words of the language as completion shows them, in the order in which people look for them.

use crate::insights::Keyword;
use crate::insights::keywords::{aggregate, command, function};

pub const KEYWORDS: &[Keyword] = &[
    command("where", "where level = 'error' and latency > 100", "keeps the rows for which the condition holds"),
    command("fields", "fields a, b", "shows these and nothing else; fields - a shows it no longer"),
    command("stats", "stats count() as n by span(@timestamp, 5m), level", "groups rows and reckons with each group"),
    command("sort", "sort - @timestamp, level", "puts rows in order"),
    command("head", "head 20", "keeps the first rows"),
    command("eval", "eval seconds = ms / 1000", "computes, beside what is shown"),
    command("parse", "parse @message 'user=(?<user>\\w+)'", "makes fields out of a text, by a regular expression"),
    command("grok", "grok @message '%{IP:client} took %{NUMBER:ms}'", "makes fields out of a text, by patterns with names"),
    command("top", "top 5 route by level", "the values that come most often, of all or in each group"),
    command("rare", "rare route by level", "the values that come least often"),
    command("dedup", "dedup user", "keeps the first row of each value"),
    command("patterns", "patterns @message", "puts lines that are much the same together"),
    command("trendline", "trendline sort @timestamp sma(5, latency) as calm", "moving averages beside each row"),
    command("eventstats", "eventstats avg(latency) as usual by route", "reckons with groups, beside each row"),
    command("rename", "rename a as b", "another name"),
    command("fillnull", "fillnull with 0 in a, b", "a value where there is none"),
    command("expand", "expand items as item", "makes a row of each element of a list"),
    command("flatten", "flatten request", "finds the parts of a structure by their own names"),
    command("join", "join left=a right=b on a.x = b.x [source=`group`]", "adds the fields of other events"),
    command("lookup", "lookup table key as field replace column as name", "adds columns of an uploaded table"),
    command("source", "source = `group`", "says which log groups are asked; stands first"),
    aggregate("count", "count()", "rows, or values that are there"),
    aggregate("avg", "avg(field)", "the mean"),
    aggregate("sum", "sum(field)", "all put together"),
    aggregate("min", "min(field)", "the least"),
    aggregate("max", "max(field)", "the most"),
    aggregate("dc", "dc(field)", "how many different values"),
    aggregate("percentile", "percentile(field, 95)", "below which so many hundredths are; p95(field) is the same"),
    aggregate("median", "median(field)", "what half of all are below"),
    aggregate("stddev_samp", "stddev_samp(field)", "how far values are from their mean"),
    aggregate("earliest", "earliest(field)", "the value of the first row in time"),
    aggregate("latest", "latest(field)", "the value of the last row in time"),
    function("span", "span(@timestamp, 5m)", "the beginning of the period; stands behind by"),
    function("if", "if(a > 3, 'x', 'y')", "one of two values"),
    function("case", "case(a > 3, 'x' else 'y')", "the value of the first condition that holds"),
    function("coalesce", "coalesce(a, b)", "the first that is there"),
    function("isnull", "isnull(field)", "whether there is no value"),
    function("isnotnull", "isnotnull(field)", "whether there is a value"),
    function("json_extract", "json_extract(doc, '$.a.b')", "a part of a document"),
    function("cast", "cast(field as int)", "as another type"),
    function("length", "length(text)", "how many characters"),
    function("lower", "lower(text)", "in small letters"),
    function("upper", "upper(text)", "in capitals"),
    function("trim", "trim(text)", "without blanks on both sides"),
    function("concat", "concat(a, 'b')", "texts put together"),
    function("replace", "replace(text, 'a', 'b')", "each part by another"),
    function("substring", "substring(text, 1, 3)", "a part of a text; places count from 1"),
    function("abs", "abs(number)", "without its sign"),
    function("ceil", "ceil(number)", "up to a whole number"),
    function("floor", "floor(number)", "down to a whole number"),
    function("mod", "mod(a, b)", "what is left of a division"),
    function("pow", "pow(a, b)", "a to the power of b"),
    function("sqrt", "sqrt(number)", "the square root"),
    function("cidrmatch", "cidrmatch(address, '10.0.0.0/8')", "whether it is an address of the subnet"),
    function("now", "now()", "the time of asking"),
];

#[cfg(test)]
mod tests {
    use super::super::{COMMAND_WORDS, parse};
    use super::*;
    use crate::insights::KeywordKind;

    #[test]
    fn every_command_is_told_as_it_is_written() {
        let commands = KEYWORDS.iter().filter(|word| word.kind == KeywordKind::Command);
        for word in commands.clone() {
            assert!(parse(word.usage).is_ok(), "{}: {}", word.usage, parse(word.usage).unwrap_err());
        }
        for word in COMMAND_WORDS.iter().filter(|word| **word != "search") {
            assert!(commands.clone().any(|known| known.name == *word), "{word}");
        }
    }

    #[test]
    fn every_function_is_told_as_it_is_written() {
        for word in KEYWORDS.iter().filter(|word| word.kind != KeywordKind::Command) {
            let query = match (word.name, word.kind) {
                ("span", _) => format!("stats count() by {}", word.usage),
                (_, KeywordKind::Aggregate) => format!("stats {}", word.usage),
                _ => format!("eval x = {}", word.usage),
            };
            assert!(parse(&query).is_ok(), "{query}: {}", parse(&query).unwrap_err());
        }
    }
}
