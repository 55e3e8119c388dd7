//! Whether a trace passes a filter, by what its spans already were found to match.
//!
//! Pure: the caller shows a trace as a [`TraceView`], with the predicates of the filter as bits of each span.

use super::ast::{Cause, CausePart, Comparison, TextTest};
use super::cause_json::CauseJson;

/// Tests joined by and, or, not.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition<T> {
    /// All of them; of none it is true.
    All(Vec<Condition<T>>),
    /// Any of them; of none it is false.
    Any(Vec<Condition<T>>),
    Not(Box<Condition<T>>),
    Test(T),
}

/// What a trace must be.
pub type TraceCondition = Condition<TraceTest>;

#[derive(Clone, Debug, PartialEq)]
pub enum TraceTest {
    /// Some span matches this predicate.
    AnySpan(u8),
    Root(SegmentTest),
    Throttle,
    Partial,
    Inferred,
    /// The root has arrived.
    RootIsThere,
    /// Seconds.
    Duration(Comparison, f64),
    Service {
        node: NodeChoice,
        block: SegmentCondition,
    },
    Edge {
        source: NodeChoice,
        destination: NodeChoice,
        block: SegmentCondition,
    },
    RootCause {
        cause: Cause,
        part: CausePart,
        block: ElementCondition,
    },
    /// Each of these is among the root causes of this kind, or of any.
    RootCauseJson {
        cause: Option<Cause>,
        json: Vec<CauseJson>,
    },
}

/// Which nodes: those of a pattern, by its bit, and of an account, by its predicate. Without either any node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeChoice {
    pub pattern: Option<u8>,
    pub account: Option<u8>,
}

/// What a segment must be.
pub type SegmentCondition = Condition<SegmentTest>;

#[derive(Clone, Debug, PartialEq)]
pub enum SegmentTest {
    /// It matches this predicate.
    Matches(u8),
    /// Its node has this pattern's bit.
    Node(u8),
    Ok,
    Error,
    Fault,
    Throttle,
    Partial,
    Inferred,
    Root,
    /// Seconds.
    Duration(Comparison, f64),
}

/// What one of the things that a root cause lists must be.
pub type ElementCondition = Condition<ElementTest>;

#[derive(Clone, Debug, PartialEq)]
pub enum ElementTest {
    First,
    Last,
    Remote,
    Inferred,
    Index(Comparison, f64),
    Coverage(Comparison, f64),
    Name(TextTest),
    Type(TextTest),
    Message(TextTest),
}

/// A request that a service served, or a call to one that sent nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// One bit for each predicate of the filter, the first lowest.
    pub matches: u64,
    pub duration_ns: i64,
    pub error: bool,
    pub fault: bool,
    pub throttle: bool,
    pub in_progress: bool,
    /// Nothing came from the callee; the caller's span stands for it.
    pub inferred: bool,
    /// The trace begins with it.
    pub root: bool,
}

/// One request between two nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The caller's node as one bit for each pattern of the filter; nothing when the caller is not known.
    pub source: Option<u64>,
    /// Whether the caller is who asked the trace's entry, who sent nothing.
    pub source_is_client: bool,
    /// The callee's node, likewise.
    pub destination: u64,
    /// From the caller's side.
    pub seen_by: Segment,
    /// From the callee's.
    pub request: Segment,
}

/// A way from the root to what explains a trouble.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RootCause {
    pub services: Vec<CauseService>,
    pub client_impacting: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CauseService {
    pub name: String,
    pub r#type: String,
    pub inferred: bool,
    pub entities: Vec<CauseEntity>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CauseEntity {
    pub name: String,
    pub coverage: f64,
    pub remote: bool,
    /// Only needed when the filter asks for exceptions.
    pub exceptions: Vec<CauseException>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CauseException {
    pub name: String,
    pub message: String,
}

/// A trace as a filter looks at it.
pub trait TraceView {
    /// The segment that the trace begins with; of those that arrived, if it has not.
    fn root(&self) -> Segment;
    /// Whether the true root is among the spans.
    fn root_is_there(&self) -> bool;
    /// From the first start to the last end.
    fn duration_ns(&self) -> i64;
    /// The predicates that any span matches.
    fn matches(&self) -> u64;
    fn is_throttled(&self) -> bool;
    fn is_partial(&self) -> bool;
    /// Each request, once.
    fn calls(&self) -> impl Iterator<Item = Call>;
    fn root_causes(&self, cause: Cause) -> Vec<RootCause>;
}

impl<T> Condition<T> {
    /// What every trace is.
    pub const fn always() -> Condition<T> {
        Condition::All(Vec::new())
    }

    /// What no trace is.
    pub const fn never() -> Condition<T> {
        Condition::Any(Vec::new())
    }

    pub fn holds(&self, test: &impl Fn(&T) -> bool) -> bool {
        match self {
            Condition::All(conditions) => conditions.iter().all(|condition| condition.holds(test)),
            Condition::Any(conditions) => conditions.iter().any(|condition| condition.holds(test)),
            Condition::Not(condition) => !condition.holds(test),
            Condition::Test(own) => test(own),
        }
    }

    /// Whether any test, negated or not, is one of these.
    pub fn mentions(&self, of: &impl Fn(&T) -> bool) -> bool {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => conditions.iter().any(|condition| condition.mentions(of)),
            Condition::Not(condition) => condition.mentions(of),
            Condition::Test(own) => of(own),
        }
    }
}

/// Whether a trace passes.
pub fn evaluate(condition: &TraceCondition, trace: &impl TraceView) -> bool {
    condition.holds(&|test| trace_test(test, trace))
}

fn trace_test(test: &TraceTest, trace: &impl TraceView) -> bool {
    match test {
        TraceTest::AnySpan(predicate) => has(trace.matches(), *predicate),
        TraceTest::Root(test) => segment_test(test, &trace.root(), 0),
        TraceTest::Throttle => trace.is_throttled(),
        TraceTest::Partial => trace.is_partial(),
        TraceTest::Inferred => trace.calls().any(|call| call.request.inferred),
        TraceTest::RootIsThere => trace.root_is_there(),
        TraceTest::Duration(comparison, seconds) => comparison.holds(in_seconds(trace.duration_ns()), *seconds),
        TraceTest::Service { node, block } => trace.calls().any(|call| {
            let served = chosen(node, call.destination, call.request.matches)
                && block.holds(&|test| segment_test(test, &call.request, call.destination));
            let is_client = node.pattern.is_some() && call.source_is_client;
            let asked = || {
                let source = call.source.unwrap_or_default();
                chosen(node, source, call.seen_by.matches) && block.holds(&|test| segment_test(test, &call.seen_by, source))
            };
            served || is_client && asked()
        }),
        TraceTest::Edge { source, destination, block } => trace.calls().any(|call| {
            let Some(from) = call.source else { return false };
            // What the caller saw is what counts; what either side tells of the request is told of the edge.
            let segment =
                Segment { matches: call.seen_by.matches | call.request.matches, inferred: call.request.inferred, ..call.seen_by };
            chosen(source, from, call.seen_by.matches)
                && chosen(destination, call.destination, call.request.matches)
                && block.holds(&|test| segment_test(test, &segment, call.destination))
        }),
        TraceTest::RootCause { cause, part, block } => {
            trace.root_causes(*cause).iter().any(|cause| any_element(cause, *part, block))
        }
        TraceTest::RootCauseJson { cause, json } => {
            let kinds = cause.map_or(Cause::ALL.to_vec(), |cause| vec![cause]);
            let causes: Vec<RootCause> = kinds.into_iter().flat_map(|cause| trace.root_causes(cause)).collect();
            json.iter().all(|wanted| causes.iter().any(|cause| wanted.describes(cause)))
        }
    }
}

fn segment_test(test: &SegmentTest, segment: &Segment, node: u64) -> bool {
    match test {
        SegmentTest::Matches(predicate) => has(segment.matches, *predicate),
        SegmentTest::Node(pattern) => has(node, *pattern),
        SegmentTest::Ok => !(segment.error || segment.fault || segment.throttle || segment.in_progress),
        SegmentTest::Error => segment.error,
        SegmentTest::Fault => segment.fault,
        SegmentTest::Throttle => segment.throttle,
        SegmentTest::Partial => segment.in_progress,
        SegmentTest::Inferred => segment.inferred,
        SegmentTest::Root => segment.root,
        // How long it takes is known when it has ended.
        SegmentTest::Duration(comparison, seconds) => {
            !segment.in_progress && comparison.holds(in_seconds(segment.duration_ns), *seconds)
        }
    }
}

/// What an element test looks at.
struct Element<'a> {
    index: usize,
    is_last: bool,
    name: &'a str,
    r#type: &'a str,
    message: &'a str,
    remote: bool,
    inferred: bool,
    coverage: f64,
}

fn any_element(cause: &RootCause, part: CausePart, block: &ElementCondition) -> bool {
    let none =
        Element { index: 0, is_last: false, name: "", r#type: "", message: "", remote: false, inferred: false, coverage: 0.0 };
    let entities = || cause.services.iter().flat_map(|service| &service.entities);
    let mut elements: Vec<Element<'_>> = match part {
        CausePart::Service => cause
            .services
            .iter()
            .map(|service| Element { name: &service.name, r#type: &service.r#type, inferred: service.inferred, ..none })
            .collect(),
        CausePart::Entity => entities()
            .map(|entity| Element { name: &entity.name, remote: entity.remote, coverage: entity.coverage, ..none })
            .collect(),
        CausePart::Exception => entities()
            .flat_map(|entity| &entity.exceptions)
            .map(|exception| Element { name: &exception.name, message: &exception.message, ..none })
            .collect(),
    };
    let count = elements.len();
    for (index, element) in elements.iter_mut().enumerate() {
        (element.index, element.is_last) = (index, index + 1 == count);
    }
    elements.iter().any(|element| block.holds(&|test| element_test(test, element)))
}

fn element_test(test: &ElementTest, element: &Element<'_>) -> bool {
    match test {
        ElementTest::First => element.index == 0,
        ElementTest::Last => element.is_last,
        ElementTest::Remote => element.remote,
        ElementTest::Inferred => element.inferred,
        ElementTest::Index(comparison, index) => comparison.holds(element.index as f64, *index),
        ElementTest::Coverage(comparison, coverage) => comparison.holds(element.coverage, *coverage),
        ElementTest::Name(test) => test.holds(element.name),
        ElementTest::Type(test) => test.holds(element.r#type),
        ElementTest::Message(test) => test.holds(element.message),
    }
}

fn chosen(choice: &NodeChoice, node: u64, matches: u64) -> bool {
    choice.pattern.is_none_or(|pattern| has(node, pattern)) && choice.account.is_none_or(|account| has(matches, account))
}

fn has(bits: u64, place: u8) -> bool {
    bits.checked_shr(place.into()).is_some_and(|bits| bits & 1 == 1)
}

fn in_seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
