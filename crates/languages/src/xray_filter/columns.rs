//! Where a keyword's value stands among the columns of spans, and what it takes to test it there.
//!
//! Every receiver's spans are looked at alike: each keyword has the columns of OpenTelemetry's conventions, today's before
//! yesterday's, which is also how segment documents are stored. A span is seen as having the value if any of them does.

use datafusion_common::Column;
use datafusion_common::arrow::datatypes::{DataType, Schema};
use datafusion_expr::expr::Like;
use datafusion_expr::{Expr, Operator, binary_expr, cast, lit, try_cast};

use super::ast::{AnnotationTest, Comparison, Text, TextOperator, TextTest};

const HTTP_STATUS: &[&str] = &["http.response.status_code", "http.status_code"];
const FULL_URL: &[&str] = &["url.full", "http.url"];
const URL_PATH: &[&str] = &["url.path", "http.target"];
pub const ACCOUNT: &[&str] = &["cloud.account.id", "aws.account_id"];

/// Goes before the key of an attribute whose name a fixed column has.
const ATTRIBUTE_PREFIX: &str = "attributes.";

/// How far a condition narrows what has to be read: equality finds by statistics and filters, order by statistics.
pub type Narrowness = u8;

pub const NARROW: Narrowness = 3;
pub const ORDERED: Narrowness = 2;
pub const WIDE: Narrowness = 1;

/// A condition on a span; NULL counts as false.
#[derive(Clone, Debug)]
pub struct Tested {
    pub expr: Expr,
    pub narrowness: Narrowness,
}

/// The columns that may have the text of a keyword; URLs are also put together from their parts.
pub fn of_text(keyword: Text) -> &'static [&'static str] {
    match keyword {
        Text::HttpUrl => FULL_URL,
        Text::HttpMethod => &["http.request.method", "http.method"],
        Text::HttpUserAgent => &["user_agent.original", "http.user_agent"],
        Text::HttpClientIp => &["client.address", "http.client_ip", "aws.xray.client_ip"],
        Text::User => &["enduser.id", "user.id"],
        Text::AvailabilityZone => &["cloud.availability_zone"],
        Text::InstanceId => &["host.id"],
        Text::ResourceArn => &["cloud.resource_id", "faas.id"],
        // Of nodes and exceptions, not of spans.
        Text::Name | Text::Type | Text::Message => &[],
    }
}

/// The columns of a schema as keywords see them, and a note of those that were looked for and are not there.
pub struct Columns<'a> {
    pub schema: &'a Schema,
    pub is_fixed: &'a dyn Fn(&str) -> bool,
    pub missing: Vec<String>,
}

impl<'a> Columns<'a> {
    /// Whether the keyword's text passes; nothing when no span can have one.
    pub fn text(&mut self, keyword: Text, test: &TextTest) -> Option<Tested> {
        let mut values = self.present(of_text(keyword));
        if keyword == Text::HttpUrl {
            values.extend(self.urls_of_parts());
        }
        any_text(&values, test)
    }

    pub fn text_is_set(&mut self, keyword: Text) -> Option<Tested> {
        self.text(keyword, &TextTest { operator: TextOperator::Contains, value: String::new() })
    }

    pub fn http_status(&mut self, comparison: Comparison, number: f64) -> Option<Tested> {
        any_number(&self.present(HTTP_STATUS), comparison, number)
    }

    pub fn http_status_is_set(&mut self) -> Option<Tested> {
        let set = self.present(HTTP_STATUS).into_iter().map(|value| value.expr.is_not_null());
        Some(Tested { expr: any(set.collect())?, narrowness: WIDE })
    }

    pub fn account(&mut self, account_id: &str) -> Option<Tested> {
        any_text(&self.present(ACCOUNT), &TextTest::equal(account_id))
    }

    /// Nothing when no span has such a key.
    pub fn annotation(&mut self, key: &str, test: &AnnotationTest) -> Option<Tested> {
        let values = self.attribute(key);
        match test {
            AnnotationTest::Set => {
                let set = values.into_iter().map(|value| match value.kind {
                    // An annotation that is true or false is what it says.
                    Kind::Boolean => value.expr,
                    _ => value.expr.is_not_null(),
                });
                Some(Tested { expr: any(set.collect())?, narrowness: WIDE })
            }
            AnnotationTest::Boolean { is } => {
                let word = if *is { "true" } else { "false" };
                let tests = values.into_iter().filter_map(|value| match value.kind {
                    Kind::Boolean => Some(value.expr.eq(lit(*is))),
                    Kind::Text => Some(value.expr.eq(lit(word))),
                    _ => None,
                });
                Some(Tested { expr: any(tests.collect())?, narrowness: NARROW })
            }
            AnnotationTest::Number { comparison, number } => any_number(&values, *comparison, *number),
            AnnotationTest::Text(test) => any_text(&values, test),
        }
    }

    /// The columns of an attribute of this key.
    fn attribute(&mut self, key: &str) -> Vec<Value> {
        let is_fixed = (self.is_fixed)(key);
        let prefixed = format!("{ATTRIBUTE_PREFIX}{key}");
        let mut names = vec![if is_fixed { prefixed.as_str() } else { key }];
        // `service.name` and its like are attributes that have a fixed column; `name` is not.
        if is_fixed && key.contains('.') {
            names.push(key);
        }
        self.present(&names)
    }

    fn present(&mut self, names: &[&str]) -> Vec<Value> {
        let mut values = Vec::new();
        for name in names {
            match self.schema.field_with_name(name) {
                Ok(field) => values.push(Value::column(name, field.data_type())),
                Err(_) if self.missing.iter().any(|missing| missing == name) => {}
                Err(_) => self.missing.push((*name).to_owned()),
            }
        }
        values
    }

    /// URLs where spans tell only their parts: put together, with and without the port, and the bare path.
    fn urls_of_parts(&mut self) -> Vec<Value> {
        let part = |this: &mut Self, name: &str| this.present(&[name]).pop().map(|value| cast(value.expr, DataType::Utf8));
        let mut urls = Vec::new();
        let path = part(self, "url.path");
        let (scheme, host, port) = (part(self, "url.scheme"), part(self, "server.address"), part(self, "server.port"));
        if let (Some(scheme), Some(host), Some(path)) = (&scheme, &host, &path) {
            let host = concat(concat(scheme.clone(), lit("://")), host.clone());
            if let Some(port) = port {
                urls.push(concat(concat(concat(host.clone(), lit(":")), port), path.clone()));
            }
            urls.push(concat(host, path.clone()));
        }
        let (scheme, host, target) = (part(self, "http.scheme"), part(self, "http.host"), part(self, "http.target"));
        if let (Some(scheme), Some(host), Some(target)) = (&scheme, &host, &target) {
            urls.push(concat(concat(concat(scheme.clone(), lit("://")), host.clone()), target.clone()));
        }
        let urls = urls.into_iter().map(|expr| Value { expr, kind: Kind::Text });
        urls.chain(self.present(URL_PATH)).collect()
    }
}

/// Something a span may have, and what it is.
#[derive(Clone, Debug)]
struct Value {
    expr: Expr,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Boolean,
    Other,
}

impl Value {
    fn column(name: &str, data_type: &DataType) -> Value {
        Value { expr: Expr::Column(Column::from_name(name)), kind: kind(data_type) }
    }

    fn as_text(&self) -> Expr {
        match self.kind {
            Kind::Text => self.expr.clone(),
            _ => cast(self.expr.clone(), DataType::Utf8),
        }
    }
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Dictionary(_, value) => kind(value),
        DataType::Int64 | DataType::Float64 => Kind::Number,
        DataType::Boolean => Kind::Boolean,
        _ => Kind::Other,
    }
}

/// `!=` wants a value that is set and different, and none that is equal.
fn any_text(values: &[Value], test: &TextTest) -> Option<Tested> {
    let text = &test.value;
    let (expr, narrowness) = match test.operator {
        TextOperator::Equal => (any(values.iter().map(|value| equals(value, text)).collect())?, NARROW),
        TextOperator::NotEqual => {
            let set = any(values.iter().map(|value| value.expr.clone().is_not_null()).collect())?;
            let equal = any(values.iter().map(|value| equals(value, text)).collect())?;
            (set.and(Expr::IsNotTrue(Box::new(equal))), WIDE)
        }
        TextOperator::Contains if text.is_empty() => {
            (any(values.iter().map(|value| value.expr.clone().is_not_null()).collect())?, WIDE)
        }
        operator => {
            let pattern = like_pattern(operator, text);
            (any(values.iter().map(|value| like(value.as_text(), &pattern)).collect())?, WIDE)
        }
    };
    Some(Tested { expr, narrowness })
}

/// A quoted number also finds the number: what one sender writes as text another writes as a number.
fn equals(value: &Value, text: &str) -> Expr {
    match text.parse::<f64>() {
        Ok(number) if value.kind == Kind::Number && number.is_finite() => value.expr.clone().eq(literal(number)),
        _ => value.as_text().eq(lit(text)),
    }
}

fn any_number(values: &[Value], comparison: Comparison, number: f64) -> Option<Tested> {
    let (operator, narrowness) = match comparison {
        Comparison::Equal => (Operator::Eq, NARROW),
        Comparison::NotEqual => (Operator::NotEq, WIDE),
        Comparison::Less => (Operator::Lt, ORDERED),
        Comparison::LessOrEqual => (Operator::LtEq, ORDERED),
        Comparison::Greater => (Operator::Gt, ORDERED),
        Comparison::GreaterOrEqual => (Operator::GtEq, ORDERED),
    };
    let tests = values.iter().filter_map(|value| match value.kind {
        Kind::Number => Some(binary_expr(value.expr.clone(), operator, literal(number))),
        // A key of several types is text.
        Kind::Text => Some(binary_expr(try_cast(value.expr.clone(), DataType::Float64), operator, lit(number))),
        _ => None,
    });
    Some(Tested { expr: any(tests.collect())?, narrowness })
}

/// A whole number where it is one, so that whole columns are compared without a cast.
fn literal(number: f64) -> Expr {
    // Beyond 2^53 a float has no fractions left to tell.
    match number.fract() == 0.0 && number.abs() < 9e15 {
        true => lit(number as i64),
        false => lit(number),
    }
}

pub fn at_least_ns(nanos: i64) -> Expr {
    Expr::Column(Column::from_name("duration_ns")).gt_eq(lit(nanos))
}

fn concat(left: Expr, right: Expr) -> Expr {
    binary_expr(left, Operator::StringConcat, right)
}

fn like_pattern(operator: TextOperator, text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    if operator != TextOperator::BeginsWith {
        pattern.push('%');
    }
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if operator != TextOperator::EndsWith {
        pattern.push('%');
    }
    pattern
}

fn like(expr: Expr, pattern: &str) -> Expr {
    Expr::Like(Like::new(false, Box::new(expr), Box::new(lit(pattern)), None, false))
}

/// Joined by OR; nothing of nothing.
fn any(exprs: Vec<Expr>) -> Option<Expr> {
    exprs.into_iter().reduce(Expr::or)
}
