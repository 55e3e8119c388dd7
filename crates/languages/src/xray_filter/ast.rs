//! What a filter expression says, before it meets columns and groups. Printed, it reads back as the same.

use std::fmt;

use super::error::Place;

/// A whole filter. Without a root it is blank and every trace passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub root: Option<Node>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Term(Term),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `fault`, `fault = true`, `fault != false`; `is` says what the keyword must be.
    Boolean {
        keyword: Boolean,
        is: bool,
        place: Place,
    },
    /// `responsetime > 2`.
    Number {
        keyword: Number,
        comparison: Comparison,
        number: f64,
        place: Place,
    },
    /// `http.url CONTAINS "/cart"`.
    Text {
        keyword: Text,
        test: TextTest,
        place: Place,
    },
    /// A number or text keyword by itself: it is set.
    NumberIsSet {
        keyword: Number,
        place: Place,
    },
    TextIsSet {
        keyword: Text,
        place: Place,
    },
    /// `annotation.tenant`, `annotation[a.b] > 2`.
    Annotation {
        key: String,
        test: AnnotationTest,
        place: Place,
    },
    /// `service(...) { ... }`.
    Service {
        node: NodePattern,
        block: Option<Box<Node>>,
        place: Place,
    },
    /// `edge(..., ...) { ... }`.
    Edge {
        source: NodePattern,
        destination: NodePattern,
        block: Option<Box<Node>>,
        place: Place,
    },
    /// `group.name = "..."`; `is` is false for `!=`.
    Group {
        reference: GroupReference,
        is: bool,
        place: Place,
    },
    /// `rootcause.fault.entity { ... }`.
    RootCause {
        cause: Cause,
        part: CausePart,
        block: Option<Box<Node>>,
        place: Place,
    },
    /// `rootcause.json = #[...]`, also of one kind of cause; `is` is false for `!=`.
    RootCauseJson {
        cause: Option<Cause>,
        json: Vec<serde_json::Value>,
        is: bool,
        place: Place,
    },
}

/// True or false of a trace, a segment, or a part of a root cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boolean {
    Ok,
    Error,
    Throttle,
    Fault,
    Partial,
    Inferred,
    First,
    Last,
    Remote,
    Root,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Seconds.
    ResponseTime,
    /// Seconds.
    Duration,
    HttpStatus,
    /// From 0.
    Index,
    /// From 0 to 1.
    Coverage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    HttpUrl,
    HttpMethod,
    HttpUserAgent,
    HttpClientIp,
    User,
    Name,
    Type,
    Message,
    AvailabilityZone,
    InstanceId,
    ResourceArn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOperator {
    Equal,
    NotEqual,
    Contains,
    BeginsWith,
    EndsWith,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTest {
    pub operator: TextOperator,
    pub value: String,
}

/// The literal says of which type the annotation must be, and so which operators there are.
#[derive(Clone, Debug, PartialEq)]
pub enum AnnotationTest {
    /// It is there; one that is true or false must be true.
    Set,
    Boolean {
        is: bool,
    },
    Number {
        comparison: Comparison,
        number: f64,
    },
    Text(TextTest),
}

/// Which nodes of the map are meant; what is not said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodePattern {
    pub name: Option<String>,
    pub r#type: Option<String>,
    pub account_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupReference {
    Name(String),
    Arn(String),
}

/// What a root cause explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    Fault,
    Error,
    ResponseTime,
}

/// Which of its parts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CausePart {
    Entity,
    Service,
    Exception,
}

macro_rules! words {
    ($kind:ident { $($case:ident = $word:literal),* $(,)? }) => {
        impl $kind {
            pub const ALL: &[$kind] = &[$($kind::$case),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $($kind::$case => $word),*
                }
            }

            /// The case of a word in lower case.
            pub fn from_word(word: &str) -> Option<$kind> {
                $kind::ALL.iter().copied().find(|case| case.as_str() == word)
            }
        }
    };
}

words!(Boolean {
    Ok = "ok",
    Error = "error",
    Throttle = "throttle",
    Fault = "fault",
    Partial = "partial",
    Inferred = "inferred",
    First = "first",
    Last = "last",
    Remote = "remote",
    Root = "root",
});

words!(Number {
    ResponseTime = "responsetime",
    Duration = "duration",
    HttpStatus = "http.status",
    Index = "index",
    Coverage = "coverage",
});

words!(Text {
    HttpUrl = "http.url",
    HttpMethod = "http.method",
    HttpUserAgent = "http.useragent",
    HttpClientIp = "http.clientip",
    User = "user",
    Name = "name",
    Type = "type",
    Message = "message",
    AvailabilityZone = "availabilityzone",
    InstanceId = "instance.id",
    ResourceArn = "resource.arn",
});

words!(Comparison { Equal = "=", NotEqual = "!=", Less = "<", LessOrEqual = "<=", Greater = ">", GreaterOrEqual = ">=" });

words!(TextOperator { Equal = "=", NotEqual = "!=", Contains = "CONTAINS", BeginsWith = "BEGINSWITH", EndsWith = "ENDSWITH" });

words!(Cause { Fault = "fault", Error = "error", ResponseTime = "responsetime" });

words!(CausePart { Entity = "entity", Service = "service", Exception = "exception" });

impl Comparison {
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }
}

impl TextTest {
    pub fn equal(value: impl Into<String>) -> TextTest {
        TextTest { operator: TextOperator::Equal, value: value.into() }
    }

    pub fn holds(&self, text: &str) -> bool {
        let value = self.value.as_str();
        match self.operator {
            TextOperator::Equal => text == value,
            TextOperator::NotEqual => text != value,
            TextOperator::Contains => text.contains(value),
            TextOperator::BeginsWith => text.starts_with(value),
            TextOperator::EndsWith => text.ends_with(value),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.as_ref().map_or(Ok(()), |root| root.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::And(nodes) => joined(f, nodes, " AND ", |node| matches!(node, Node::And(_) | Node::Or(_))),
            Node::Or(nodes) => joined(f, nodes, " OR ", |node| matches!(node, Node::Or(_))),
            Node::Not(node) => match node.as_ref() {
                Node::And(_) | Node::Or(_) => write!(f, "!({node})"),
                // `!name = "x"` negates the comparison, as it is read.
                Node::Not(_) | Node::Term(_) => write!(f, "!{node}"),
            },
            Node::Term(term) => term.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], joiner: &str, parenthesized: impl Fn(&Node) -> bool) -> fmt::Result {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            f.write_str(joiner)?;
        }
        match parenthesized(node) {
            true => write!(f, "({node})")?,
            false => write!(f, "{node}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equality = |is: &bool| if *is { "=" } else { "!=" };
        match self {
            Term::Boolean { keyword, is: true, .. } => f.write_str(keyword.as_str()),
            Term::Boolean { keyword, is: false, .. } => write!(f, "{} = false", keyword.as_str()),
            Term::Number { keyword, comparison, number, .. } => {
                write!(f, "{} {} {}", keyword.as_str(), comparison.as_str(), Plain(*number))
            }
            Term::Text { keyword, test, .. } => write!(f, "{} {test}", keyword.as_str()),
            Term::NumberIsSet { keyword, .. } => f.write_str(keyword.as_str()),
            Term::TextIsSet { keyword, .. } => f.write_str(keyword.as_str()),
            Term::Annotation { key, test, .. } => {
                match is_plain_key(key) {
                    true => write!(f, "annotation.{key}")?,
                    false => write!(f, "annotation[{}]", Quoted(key))?,
                }
                match test {
                    AnnotationTest::Set => Ok(()),
                    AnnotationTest::Boolean { is } => write!(f, " = {is}"),
                    AnnotationTest::Number { comparison, number } => write!(f, " {} {}", comparison.as_str(), Plain(*number)),
                    AnnotationTest::Text(test) => write!(f, " {test}"),
                }
            }
            Term::Service { node, block, .. } => {
                write!(f, "service({node})")?;
                in_braces(f, block.as_deref())
            }
            Term::Edge { source, destination, block, .. } => {
                let any = |node: &NodePattern| if node.is_any() { "id()".to_owned() } else { node.to_string() };
                write!(f, "edge({}, {})", any(source), any(destination))?;
                in_braces(f, block.as_deref())
            }
            Term::Group { reference, is, .. } => match reference {
                GroupReference::Name(name) => write!(f, "group.name {} {}", equality(is), Quoted(name)),
                GroupReference::Arn(arn) => write!(f, "group.arn {} {}", equality(is), Quoted(arn)),
            },
            Term::RootCause { cause, part, block, .. } => {
                write!(f, "rootcause.{}.{}", cause.as_str(), part.as_str())?;
                in_braces(f, block.as_deref())
            }
            Term::RootCauseJson { cause, json, is, .. } => {
                f.write_str("rootcause.")?;
                if let Some(cause) = cause {
                    write!(f, "{}.", cause.as_str())?;
                }
                write!(f, "json {} #{}", equality(is), serde_json::Value::from(json.clone()))
            }
        }
    }
}

fn in_braces(f: &mut fmt::Formatter<'_>, block: Option<&Node>) -> fmt::Result {
    block.map_or(Ok(()), |block| write!(f, " {{ {block} }}"))
}

impl NodePattern {
    pub fn named(name: impl Into<String>) -> NodePattern {
        NodePattern { name: Some(name.into()), ..NodePattern::default() }
    }

    pub fn is_any(&self) -> bool {
        *self == NodePattern::default()
    }
}

impl fmt::Display for NodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("name", &self.name), ("type", &self.r#type), ("account.id", &self.account_id)];
        if let (Some(name), None, None) = (&self.name, &self.r#type, &self.account_id) {
            return Quoted(name).fmt(f);
        }
        if self.is_any() {
            return Ok(());
        }
        f.write_str("id(")?;
        let told = parts.iter().filter_map(|(part, value)| Some((part, value.as_deref()?)));
        for (index, (part, value)) in told.enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{part}: {}", Quoted(value))?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator.as_str(), Quoted(&self.value))
    }
}

/// Whether a key may stand behind `annotation.` without brackets.
pub(super) fn is_plain_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text between quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// A number as a person writes it, as long as that is short.
struct Plain(f64);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            0.0 => write!(f, "{}", self.0),
            size if (1e-6..1e15).contains(&size) => write!(f, "{}", self.0),
            _ => write!(f, "{:e}", self.0),
        }
    }
}
