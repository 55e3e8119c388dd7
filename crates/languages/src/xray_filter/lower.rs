//! [`Filter`] + schema + groups -> predicates on spans, and a condition on traces over them.
//!
//! A key that no column has is not an error: no span has it, and it is reported.

use datafusion_common::arrow::datatypes::Schema;
use datafusion_expr::Expr;

use super::ast::{
    AnnotationTest, Boolean, Cause, CausePart, Comparison, Filter, GroupReference, Node, NodePattern, Number, Term, Text,
    TextOperator, TextTest,
};
use super::cause_json::CauseJson;
use super::columns::{Columns, ORDERED, Tested, at_least_ns};
use super::error::{FilterError, Place};
use super::evaluate::{
    Condition, ElementCondition, ElementTest, NodeChoice, SegmentCondition, SegmentTest, TraceCondition, TraceTest,
};
use super::parse::parse;
use crate::caret::quote;

/// Different conditions on spans, and different nodes, of one filter: each span has one bit for each in a word.
pub const PREDICATES_MAX: usize = 64;

/// Groups whose expressions name further groups, one inside the other.
pub const GROUPS_DEPTH_MAX: usize = 8;

/// Groups named by one filter and by the groups that it names, each as often as it is: groups that name two groups each double
/// with every step.
pub const GROUPS_NAMED_MAX: usize = 64;

/// What a filter is read against.
pub struct LowerContext<'a> {
    /// Every column of spans: fixed ones and known attributes.
    pub schema: &'a Schema,
    /// Whether a name is that of a fixed column, which no attribute has.
    pub is_fixed: &'a dyn Fn(&str) -> bool,
    /// The expression of a group; nothing when there is no such group.
    pub group: &'a dyn Fn(&GroupReference) -> Option<String>,
}

/// A filter as the engine runs it: the predicates become a bit each of every span, by which traces are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct LoweredFilter {
    /// Over unqualified columns of spans, each once, at most [`PREDICATES_MAX`]; NULL counts as false.
    pub predicates: Vec<Expr>,
    /// The nodes it names, each once, at most [`PREDICATES_MAX`].
    pub nodes: Vec<NodeTest>,
    pub condition: TraceCondition,
    /// What some span of every trace that passes matches, so that a scan for it finds all that may; nothing when there is no
    /// such condition.
    pub necessary: Option<Expr>,
    /// Keys and keywords that no span has anything for, as written, in order of appearance, each once.
    pub unknown_keys: Vec<String>,
    /// Every column that was looked for and is not there.
    pub missing_columns: Vec<String>,
}

/// A node of the map, by what must hold for its name and type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTest {
    pub name: Option<TextTest>,
    pub r#type: Option<TextTest>,
}

impl NodeTest {
    pub fn holds(&self, name: &str, r#type: &str) -> bool {
        self.name.as_ref().is_none_or(|test| test.holds(name)) && self.r#type.as_ref().is_none_or(|test| test.holds(r#type))
    }

    /// Whether it means the nodes of a name whatever they are; whoever asks a service bears its name, and is not meant.
    pub fn is_of_any_type(&self) -> bool {
        self.r#type.is_none()
    }
}

impl LoweredFilter {
    /// Whether every trace passes.
    pub fn is_always(&self) -> bool {
        self.condition == TraceCondition::always()
    }

    pub fn asks_for_root_causes(&self) -> bool {
        self.condition.mentions(&|test| matches!(test, TraceTest::RootCause { .. } | TraceTest::RootCauseJson { .. }))
    }

    /// Whether root causes need their exceptions.
    pub fn asks_for_exceptions(&self) -> bool {
        self.condition.mentions(&|test| match test {
            TraceTest::RootCause { part, .. } => *part == CausePart::Exception,
            TraceTest::RootCauseJson { json, .. } => json.iter().any(CauseJson::asks_for_exceptions),
            _ => false,
        })
    }
}

/// Turns a filter into what the engine runs.
///
/// Refuses: groups that do not exist, cannot be read, or name one another in a circle or deeper than [`GROUPS_DEPTH_MAX`];
/// more than [`GROUPS_NAMED_MAX`] groups; more than [`PREDICATES_MAX`] different conditions; JSON that is no root cause.
pub fn lower(filter: &Filter, context: &LowerContext<'_>) -> Result<LoweredFilter, FilterError> {
    let columns = Columns { schema: context.schema, is_fixed: context.is_fixed, missing: Vec::new() };
    let mut lowering = Lowering {
        context,
        columns,
        predicates: Vec::new(),
        nodes: Vec::new(),
        unknown_keys: Vec::new(),
        groups: Vec::new(),
        groups_named: 0,
    };
    let condition = lowering.filter(filter)?;
    let necessary = lowering.necessary(&condition).map(|tested| tested.expr);
    Ok(LoweredFilter {
        predicates: lowering.predicates.into_iter().map(|tested| tested.expr).collect(),
        nodes: lowering.nodes,
        condition,
        necessary,
        unknown_keys: lowering.unknown_keys,
        missing_columns: lowering.columns.missing,
    })
}

struct Lowering<'a> {
    context: &'a LowerContext<'a>,
    columns: Columns<'a>,
    predicates: Vec<Tested>,
    nodes: Vec<NodeTest>,
    unknown_keys: Vec<String>,
    /// The groups whose expressions are being lowered, outermost first.
    groups: Vec<GroupReference>,
    groups_named: usize,
}

impl Lowering<'_> {
    fn filter(&mut self, filter: &Filter) -> Result<TraceCondition, FilterError> {
        filter.root.as_ref().map_or(Ok(Condition::always()), |root| self.trace(root))
    }

    fn trace(&mut self, node: &Node) -> Result<TraceCondition, FilterError> {
        let term = match node {
            Node::And(nodes) => return Ok(Condition::All(nodes.iter().map(|node| self.trace(node)).collect::<Result<_, _>>()?)),
            Node::Or(nodes) => return Ok(Condition::Any(nodes.iter().map(|node| self.trace(node)).collect::<Result<_, _>>()?)),
            Node::Not(node) => return Ok(negated(self.trace(node)?)),
            Node::Term(term) => term,
        };
        let root = |test| Condition::Test(TraceTest::Root(test));
        Ok(match term {
            Term::Boolean { keyword, is, place } => {
                let condition = match keyword {
                    Boolean::Throttle => Condition::Test(TraceTest::Throttle),
                    Boolean::Partial => Condition::Test(TraceTest::Partial),
                    Boolean::Inferred => Condition::Test(TraceTest::Inferred),
                    Boolean::Root => Condition::Test(TraceTest::RootIsThere),
                    _ => root(segment_flag(*keyword, *place)?),
                };
                if *is { condition } else { negated(condition) }
            }
            Term::Number { keyword: Number::Duration, comparison, number, .. } => {
                Condition::Test(TraceTest::Duration(*comparison, *number))
            }
            Term::NumberIsSet { keyword: Number::Duration | Number::ResponseTime, .. } => Condition::always(),
            Term::Text { keyword: Text::Name | Text::Type, .. } | Term::TextIsSet { keyword: Text::Name | Text::Type, .. } => {
                Condition::Test(TraceTest::Service { node: NodeChoice::default(), block: self.segment(node)? })
            }
            Term::Text { keyword: Text::Message, test, .. } => any_exception(Condition::Test(ElementTest::Message(test.clone()))),
            Term::TextIsSet { keyword: Text::Message, .. } => any_exception(Condition::always()),
            // What is told of the request that the trace is about.
            Term::Text { keyword, .. } | Term::TextIsSet { keyword, .. } if is_of_request(*keyword) => {
                in_root(self.segment(node)?)
            }
            // What any segment tells.
            Term::Text { .. } | Term::TextIsSet { .. } => in_any_span(self.segment(node)?),
            Term::Number { .. } | Term::NumberIsSet { .. } => in_root(self.segment(node)?),
            Term::Annotation { key, test, place } => in_any_span(self.annotation(key, test, *place)?),
            Term::Service { node, block, place } => {
                let node = self.choice(node, *place)?;
                Condition::Test(TraceTest::Service { node, block: self.block(block.as_deref())? })
            }
            Term::Edge { source, destination, block, place } => {
                let (source, destination) = (self.choice(source, *place)?, self.choice(destination, *place)?);
                Condition::Test(TraceTest::Edge { source, destination, block: self.block(block.as_deref())? })
            }
            Term::Group { reference, is, place } => {
                let condition = self.group(reference, *place)?;
                if *is { condition } else { negated(condition) }
            }
            Term::RootCause { cause, part, block, .. } => {
                let block = block.as_deref().map_or(Ok(Condition::always()), element)?;
                Condition::Test(TraceTest::RootCause { cause: *cause, part: *part, block })
            }
            Term::RootCauseJson { cause, json, is, place } => {
                let json: Result<Vec<CauseJson>, String> = json.iter().map(CauseJson::from_json).collect();
                let json = json.map_err(|expected| misfit(*place, expected, "something else in the JSON"))?;
                let condition = Condition::Test(TraceTest::RootCauseJson { cause: *cause, json });
                if *is { condition } else { negated(condition) }
            }
        })
    }

    fn block(&mut self, block: Option<&Node>) -> Result<SegmentCondition, FilterError> {
        block.map_or(Ok(Condition::always()), |block| self.segment(block))
    }

    /// What a block of a service or edge, or one of the terms that traces share with them, says of a segment.
    fn segment(&mut self, node: &Node) -> Result<SegmentCondition, FilterError> {
        let term = match node {
            Node::And(nodes) => {
                return Ok(Condition::All(nodes.iter().map(|node| self.segment(node)).collect::<Result<_, _>>()?));
            }
            Node::Or(nodes) => return Ok(Condition::Any(nodes.iter().map(|node| self.segment(node)).collect::<Result<_, _>>()?)),
            Node::Not(node) => return Ok(negated(self.segment(node)?)),
            Node::Term(term) => term,
        };
        Ok(match term {
            Term::Boolean { keyword, is, place } => {
                let condition = Condition::Test(segment_flag(*keyword, *place)?);
                if *is { condition } else { negated(condition) }
            }
            Term::Number { keyword: Number::HttpStatus, comparison, number, place } => {
                let tested = self.columns.http_status(*comparison, *number);
                self.matches(tested, "http.status", *place)?
            }
            Term::NumberIsSet { keyword: Number::HttpStatus, place } => {
                let tested = self.columns.http_status_is_set();
                self.matches(tested, "http.status", *place)?
            }
            Term::Number { comparison, number, .. } => Condition::Test(SegmentTest::Duration(*comparison, *number)),
            Term::NumberIsSet { .. } => Condition::always(),
            Term::Text { keyword: Text::Name, test, place } => {
                self.named(NodeTest { name: Some(test.clone()), r#type: None }, *place)?
            }
            Term::Text { keyword: Text::Type, test, place } => {
                self.named(NodeTest { name: None, r#type: Some(test.clone()) }, *place)?
            }
            Term::TextIsSet { keyword: Text::Name, .. } => Condition::always(),
            Term::TextIsSet { keyword: Text::Type, place } => {
                let some = TextTest { operator: TextOperator::NotEqual, value: String::new() };
                self.named(NodeTest { name: None, r#type: Some(some) }, *place)?
            }
            Term::Text { keyword, test, place } => {
                let tested = self.columns.text(*keyword, test);
                self.matches(tested, keyword.as_str(), *place)?
            }
            Term::TextIsSet { keyword, place } => {
                let tested = self.columns.text_is_set(*keyword);
                self.matches(tested, keyword.as_str(), *place)?
            }
            Term::Annotation { place, .. }
            | Term::Service { place, .. }
            | Term::Edge { place, .. }
            | Term::Group { place, .. }
            | Term::RootCause { place, .. }
            | Term::RootCauseJson { place, .. } => return Err(out_of_place(*place)),
        })
    }

    fn annotation(&mut self, key: &str, test: &AnnotationTest, place: Place) -> Result<SegmentCondition, FilterError> {
        let tested = self.columns.annotation(key, test);
        // A key of another type is known, and passes nothing.
        if tested.is_none() && self.columns.annotation(key, &AnnotationTest::Set).is_some() {
            return Ok(Condition::never());
        }
        self.matches(tested, key, place)
    }

    /// The predicate as a test; what no span can match is reported and false.
    fn matches(&mut self, tested: Option<Tested>, key: &str, place: Place) -> Result<SegmentCondition, FilterError> {
        let Some(tested) = tested else {
            if !self.unknown_keys.iter().any(|known| known == key) {
                self.unknown_keys.push(key.to_owned());
            }
            return Ok(Condition::never());
        };
        Ok(Condition::Test(SegmentTest::Matches(self.predicate(tested, place)?)))
    }

    fn predicate(&mut self, tested: Tested, place: Place) -> Result<u8, FilterError> {
        let known = self.predicates.iter().position(|known| known.expr == tested.expr);
        let at = known.unwrap_or(self.predicates.len());
        if at == PREDICATES_MAX {
            return Err(misfit(place, format!("at most {PREDICATES_MAX} different conditions on spans"), "one more"));
        }
        if known.is_none() {
            self.predicates.push(tested);
        }
        Ok(at as u8)
    }

    fn node(&mut self, node: NodeTest, place: Place) -> Result<u8, FilterError> {
        let known = self.nodes.iter().position(|known| *known == node);
        let at = known.unwrap_or(self.nodes.len());
        if at == PREDICATES_MAX {
            return Err(misfit(place, format!("at most {PREDICATES_MAX} different services"), "one more"));
        }
        if known.is_none() {
            self.nodes.push(node);
        }
        Ok(at as u8)
    }

    fn named(&mut self, node: NodeTest, place: Place) -> Result<SegmentCondition, FilterError> {
        Ok(Condition::Test(SegmentTest::Node(self.node(node, place)?)))
    }

    fn choice(&mut self, pattern: &NodePattern, place: Place) -> Result<NodeChoice, FilterError> {
        let mut choice = NodeChoice::default();
        let equal = |text: &Option<String>| text.clone().map(TextTest::equal);
        let node = NodeTest { name: equal(&pattern.name), r#type: equal(&pattern.r#type) };
        if node != NodeTest::default() {
            choice.pattern = Some(self.node(node, place)?);
        }
        if let Some(account_id) = &pattern.account_id {
            // Where nobody tells accounts there is one, and it is meant.
            if let Some(tested) = self.columns.account(account_id) {
                choice.account = Some(self.predicate(tested, place)?);
            }
        }
        Ok(choice)
    }

    /// What the group's own expression says; its faults are told where it is named.
    fn group(&mut self, reference: &GroupReference, place: Place) -> Result<TraceCondition, FilterError> {
        let (GroupReference::Name(told) | GroupReference::Arn(told)) = reference;
        if self.groups.contains(reference) {
            return Err(misfit(place, "groups that do not name one another in a circle", quote(told)));
        }
        if self.groups.len() == GROUPS_DEPTH_MAX {
            return Err(misfit(place, format!("at most {GROUPS_DEPTH_MAX} groups inside one another"), "one more"));
        }
        self.groups_named += 1;
        if self.groups_named > GROUPS_NAMED_MAX {
            return Err(misfit(place, format!("at most {GROUPS_NAMED_MAX} groups named in all"), "one more"));
        }
        let Some(expression) = (self.context.group)(reference) else {
            return Err(misfit(place, "a group that exists", quote(told)));
        };
        let unreadable = |error| misfit(place, format!("a group whose expression can be read ({error})"), quote(told));
        let filter = parse(&expression).map_err(unreadable)?;
        self.groups.push(reference.clone());
        let lowered = self.filter(&filter);
        self.groups.pop();
        lowered.map_err(|error| FilterError { span: place.range(), ..error })
    }

    /// The narrowest condition that some span of every passing trace matches.
    fn necessary(&self, condition: &TraceCondition) -> Option<Tested> {
        necessary(condition, &|test| match test {
            TraceTest::AnySpan(predicate) => Some(self.predicates[usize::from(*predicate)].clone()),
            TraceTest::Root(test) => self.necessary_of_segment(test),
            TraceTest::Service { block, .. } | TraceTest::Edge { block, .. } => {
                necessary(block, &|test| self.necessary_of_segment(test))
            }
            _ => None,
        })
    }

    fn necessary_of_segment(&self, test: &SegmentTest) -> Option<Tested> {
        match test {
            SegmentTest::Matches(predicate) => Some(self.predicates[usize::from(*predicate)].clone()),
            SegmentTest::Duration(Comparison::Greater | Comparison::GreaterOrEqual | Comparison::Equal, seconds) => {
                // One nanosecond less, since seconds are rounded.
                let least = seconds * 1e9 - 1.0;
                let useful = least >= 1.0 && least < i64::MAX as f64;
                useful.then(|| Tested { expr: at_least_ns(least as i64), narrowness: ORDERED })
            }
            _ => None,
        }
    }
}

fn necessary<T>(condition: &Condition<T>, of: &impl Fn(&T) -> Option<Tested>) -> Option<Tested> {
    match condition {
        Condition::All(conditions) => {
            conditions.iter().filter_map(|condition| necessary(condition, of)).max_by_key(|tested| tested.narrowness)
        }
        Condition::Any(conditions) => {
            let each: Option<Vec<Tested>> = conditions.iter().map(|condition| necessary(condition, of)).collect();
            each?
                .into_iter()
                .reduce(|one, other| Tested { expr: one.expr.or(other.expr), narrowness: one.narrowness.min(other.narrowness) })
        }
        Condition::Not(_) => None,
        Condition::Test(test) => of(test),
    }
}

fn element(node: &Node) -> Result<ElementCondition, FilterError> {
    let term = match node {
        Node::And(nodes) => return Ok(Condition::All(nodes.iter().map(element).collect::<Result<_, _>>()?)),
        Node::Or(nodes) => return Ok(Condition::Any(nodes.iter().map(element).collect::<Result<_, _>>()?)),
        Node::Not(node) => return Ok(negated(element(node)?)),
        Node::Term(term) => term,
    };
    let some = TextTest { operator: TextOperator::NotEqual, value: String::new() };
    Ok(match term {
        Term::Boolean { keyword, is, place } => {
            let condition = Condition::Test(match keyword {
                Boolean::First => ElementTest::First,
                Boolean::Last => ElementTest::Last,
                Boolean::Remote => ElementTest::Remote,
                Boolean::Inferred => ElementTest::Inferred,
                _ => return Err(out_of_place(*place)),
            });
            if *is { condition } else { negated(condition) }
        }
        Term::Number { keyword: Number::Index, comparison, number, .. } => {
            Condition::Test(ElementTest::Index(*comparison, *number))
        }
        Term::Number { keyword: Number::Coverage, comparison, number, .. } => {
            Condition::Test(ElementTest::Coverage(*comparison, *number))
        }
        Term::NumberIsSet { keyword: Number::Index | Number::Coverage, .. } => Condition::always(),
        Term::Text { keyword: Text::Name, test, .. } => Condition::Test(ElementTest::Name(test.clone())),
        Term::Text { keyword: Text::Type, test, .. } => Condition::Test(ElementTest::Type(test.clone())),
        Term::Text { keyword: Text::Message, test, .. } => Condition::Test(ElementTest::Message(test.clone())),
        Term::TextIsSet { keyword: Text::Name, .. } => Condition::Test(ElementTest::Name(some)),
        Term::TextIsSet { keyword: Text::Type, .. } => Condition::Test(ElementTest::Type(some)),
        Term::TextIsSet { keyword: Text::Message, .. } => Condition::Test(ElementTest::Message(some)),
        Term::Number { place, .. }
        | Term::NumberIsSet { place, .. }
        | Term::Text { place, .. }
        | Term::TextIsSet { place, .. }
        | Term::Annotation { place, .. }
        | Term::Service { place, .. }
        | Term::Edge { place, .. }
        | Term::Group { place, .. }
        | Term::RootCause { place, .. }
        | Term::RootCauseJson { place, .. } => return Err(out_of_place(*place)),
    })
}

fn segment_flag(keyword: Boolean, place: Place) -> Result<SegmentTest, FilterError> {
    Ok(match keyword {
        Boolean::Ok => SegmentTest::Ok,
        Boolean::Error => SegmentTest::Error,
        Boolean::Fault => SegmentTest::Fault,
        Boolean::Throttle => SegmentTest::Throttle,
        Boolean::Partial => SegmentTest::Partial,
        Boolean::Inferred => SegmentTest::Inferred,
        Boolean::Root => SegmentTest::Root,
        Boolean::First | Boolean::Last | Boolean::Remote => return Err(out_of_place(place)),
    })
}

fn is_of_request(keyword: Text) -> bool {
    matches!(keyword, Text::HttpUrl | Text::HttpMethod | Text::HttpUserAgent | Text::HttpClientIp)
}

fn any_exception(block: ElementCondition) -> TraceCondition {
    let of = |cause| Condition::Test(TraceTest::RootCause { cause, part: CausePart::Exception, block: block.clone() });
    Condition::Any(vec![of(Cause::Fault), of(Cause::Error)])
}

/// A condition on segments, asked of the root.
fn in_root(condition: SegmentCondition) -> TraceCondition {
    match condition {
        Condition::All(conditions) => Condition::All(conditions.into_iter().map(in_root).collect()),
        Condition::Any(conditions) => Condition::Any(conditions.into_iter().map(in_root).collect()),
        Condition::Not(condition) => negated(in_root(*condition)),
        Condition::Test(test) => Condition::Test(TraceTest::Root(test)),
    }
}

/// A predicate, asked of any span.
fn in_any_span(condition: SegmentCondition) -> TraceCondition {
    match condition {
        Condition::Test(SegmentTest::Matches(predicate)) => Condition::Test(TraceTest::AnySpan(predicate)),
        other => in_root(other),
    }
}

fn negated<T>(condition: Condition<T>) -> Condition<T> {
    Condition::Not(Box::new(condition))
}

/// The parser lets nothing through that means nothing; whoever builds a filter by hand is told.
fn out_of_place(place: Place) -> FilterError {
    misfit(place, "a keyword that means something here", "one that does not")
}

fn misfit(place: Place, expected: impl Into<String>, found: impl Into<String>) -> FilterError {
    FilterError { span: place.range(), expected: expected.into(), found: found.into() }
}
