//! Many traces as compact facts: what judging them takes, and no more.
//!
//! A scan pushes spans into a [`FactsBuilder`] in any order, twice, without their parents; [`FactsBuilder::finish`] groups
//! them by trace, folds copies, finds parents and says which spans are requests that a service served. What follows, the
//! service graph, root causes and filters, are functions of [`Trace`]s. Texts are numbers ([`Text`]).

mod arrange;
mod builder;
mod ids;
mod texts;

use std::ops::Range;

use model::{SpanKind, TraceId};

pub use builder::{FactsBuilder, FactsMark};
pub use ids::{IdHasher, IdHashes};
pub use texts::{TEXT_BYTES_MAX, Text, Texts};

/// No index.
pub const NOWHERE: u32 = u32::MAX;

/// What there is to know of a span to judge its trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanFact {
    /// The eight bytes as a number, first byte highest.
    pub span_id: u64,
    /// 0 for a root.
    pub parent_span_id: u64,
    pub start_unix_nano: i64,
    /// Never negative.
    pub duration_ns: i64,
    /// How many real spans this one stands for.
    pub sample_rate: f64,
    /// One bit for each of the question's predicates, the first lowest.
    pub matches: u64,
    /// The trace the span itself names, in [`TraceFacts::id`]; a linked trace's spans are among those of the trace that links.
    pub own_trace: u32,
    /// Index of the parent among the trace's spans, always lower than the span's own; [`NOWHERE`] without one.
    pub parent: u32,
    /// A subsegment that was sent by itself and names no service has its parent's.
    pub service: Text,
    /// Empty unless the question asked for names.
    pub name: Text,
    /// The type of the service's node; what is done inside of a request has the request's.
    pub node_type: Text,
    /// Of a call to elsewhere: what the callee is called when nothing came from it.
    pub remote: Text,
    /// And the type of its node.
    pub remote_type: Text,
    /// What the question asked to know of each span besides; empty if nothing.
    pub value: Text,
    /// 0 when unknown.
    pub http_status: u16,
    pub kind: SpanKind,
    pub flags: Flags,
}

impl Default for SpanFact {
    fn default() -> SpanFact {
        SpanFact {
            span_id: 0,
            parent_span_id: 0,
            start_unix_nano: 0,
            duration_ns: 0,
            sample_rate: 1.0,
            matches: 0,
            own_trace: 0,
            parent: NOWHERE,
            service: Text::UNKNOWN_SERVICE,
            name: Text::NONE,
            node_type: Text::NONE,
            remote: Text::NONE,
            remote_type: Text::NONE,
            value: Text::NONE,
            http_status: 0,
            kind: SpanKind::Unspecified,
            flags: Flags::default(),
        }
    }
}

impl SpanFact {
    #[inline]
    pub fn end_unix_nano(&self) -> i64 {
        self.start_unix_nano.saturating_add(self.duration_ns)
    }

    #[inline]
    pub fn is(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }

    /// Whether the question's predicate of this number holds.
    #[inline]
    pub fn matches(&self, predicate: usize) -> bool {
        predicate < 64 && self.matches >> predicate & 1 == 1
    }

    /// Neither error nor fault, and ended.
    #[inline]
    pub fn is_ok(&self) -> bool {
        !self.flags.has_any(Flags::ERROR.and(Flags::FAULT).and(Flags::THROTTLE).and(Flags::IN_PROGRESS))
    }

    /// The side of a call that asks.
    #[inline]
    pub fn is_call(&self) -> bool {
        matches!(self.kind, SpanKind::Client | SpanKind::Producer)
    }

    /// The side of a call that answers.
    #[inline]
    pub fn is_served(&self) -> bool {
        matches!(self.kind, SpanKind::Server | SpanKind::Consumer)
    }
}

/// What is so about a span, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// It was announced and has not ended.
    pub const IN_PROGRESS: Flags = Flags(1);
    /// The caller's mistake, 4xx.
    pub const ERROR: Flags = Flags(1 << 1);
    /// Its own, 5xx or an exception.
    pub const FAULT: Flags = Flags(1 << 2);
    /// Refused for being one too many, 429.
    pub const THROTTLE: Flags = Flags(1 << 3);
    /// Its status is OpenTelemetry's `error`.
    pub const STATUS_ERROR: Flags = Flags(1 << 4);
    /// Its own sender says that it made it up for a callee that sends nothing.
    pub const INFERRED: Flags = Flags(1 << 5);
    /// A call that leaves the reach of its tracer, as X-Ray's namespaces `aws` and `remote` say, or a client span.
    pub const REMOTE: Flags = Flags(1 << 6);
    /// It names a parent that is not here.
    pub const MISSING_PARENT: Flags = Flags(1 << 7);
    /// Of a trace that another one links: the same request, seen by another tracer.
    pub const LINKED: Flags = Flags(1 << 8);
    /// It stands for a request that a service served: a document of X-Ray's, a server's or consumer's span, a root.
    pub const REQUEST: Flags = Flags(1 << 9);
    /// Of a linked trace of a service that the linking one tells of as well: counting it would count the request twice.
    pub const TOLD_TWICE: Flags = Flags(1 << 10);

    #[inline]
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    #[inline]
    pub const fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 == flag.0
    }

    #[inline]
    pub const fn has_any(self, flags: Flags) -> bool {
        self.0 & flags.0 != 0
    }

    #[inline]
    pub fn set(&mut self, flag: Flags, is: bool) {
        match is {
            true => self.0 |= flag.0,
            false => self.0 &= !flag.0,
        }
    }

    /// What became of a span. The HTTP status speaks first: 429 is throttled and an error, other 4xx are errors, 5xx faults;
    /// then X-Ray's own flags as (error, fault, throttle); then OpenTelemetry's status.
    #[inline]
    pub fn of_outcome(http_status: u16, told: (bool, bool, bool), status_error: bool) -> Flags {
        let mut flags = Flags::default();
        flags.set(Flags::STATUS_ERROR, status_error);
        match http_status {
            429 => flags = flags.and(Flags::ERROR).and(Flags::THROTTLE),
            400..=499 => flags = flags.and(Flags::ERROR),
            500..=599 => flags = flags.and(Flags::FAULT),
            _ => {}
        }
        let (error, fault, throttle) = told;
        flags.0 |= if error || throttle { Flags::ERROR.0 } else { 0 };
        flags.0 |= if fault { Flags::FAULT.0 } else { 0 };
        flags.0 |= if throttle { Flags::THROTTLE.0 } else { 0 };
        if status_error && !flags.has_any(Flags::ERROR.and(Flags::FAULT)) {
            flags = flags.and(Flags::FAULT);
        }
        flags
    }
}

/// A span's link to one of another trace, as producers and consumers of messages have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFact {
    /// The span that has the link.
    pub own_trace: u32,
    pub span_id: u64,
    pub to_trace: TraceId,
    pub to_span_id: u64,
}

/// A trace, with those it links exactly.
#[derive(Clone, Debug)]
pub struct TraceFact {
    pub id: TraceId,
    first: u32,
    count: u32,
    /// Index among the trace's spans: a true root before a span whose parent never came, then the earliest.
    pub root: u32,
    /// The earliest start of any span.
    pub start_unix_nano: i64,
    /// The latest end.
    pub end_unix_nano: i64,
}

/// The spans of some time, by trace; the newest trace first.
#[derive(Clone, Debug, Default)]
pub struct TraceFacts {
    texts: Texts,
    ids: Vec<TraceId>,
    spans: Vec<SpanFact>,
    traces: Vec<TraceFact>,
    aside: Vec<TraceFact>,
    /// Exact links between traces of one request: which one names which.
    same_request: Vec<(u32, TraceId)>,
    links: Vec<LinkFact>,
    /// The number of the trace in which spans of each of `ids` are; [`NOWHERE`] without any.
    places: Vec<u32>,
    by_id: std::collections::HashMap<TraceId, u32, IdHashes>,
}

impl TraceFacts {
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    #[inline]
    pub fn text(&self, text: Text) -> &str {
        self.texts.text(text)
    }

    /// Traces, newest first.
    pub fn traces(&self) -> impl ExactSizeIterator<Item = Trace<'_>> {
        (0..self.traces.len()).map(|number| self.trace(number))
    }

    /// The trace of a number, which is its place in [`TraceFacts::traces`].
    pub fn trace(&self, number: usize) -> Trace<'_> {
        let fact = &self.traces[number];
        let range = fact.first as usize..(fact.first + fact.count) as usize;
        Trace { facts: self, number, fact, spans: &self.spans[range] }
    }

    pub fn traces_count(&self) -> usize {
        self.traces.len()
    }

    /// Spans without their copies.
    pub fn spans_count(&self) -> usize {
        self.traces.iter().map(|trace| trace.count as usize).sum()
    }

    /// The trace a span names, by [`SpanFact::own_trace`].
    #[inline]
    pub fn id(&self, own_trace: u32) -> TraceId {
        self.ids[own_trace as usize]
    }

    /// The trace that holds the spans of `id`, its own or those of one that links it.
    pub fn find(&self, id: TraceId) -> Option<Trace<'_>> {
        let place = self.places[*self.by_id.get(&id)? as usize];
        (place != NOWHERE).then(|| self.trace(place as usize))
    }

    /// Links between spans of different traces.
    pub fn links(&self) -> &[LinkFact] {
        &self.links
    }

    /// Takes out the traces that are not to be judged before more of them is known; [`TraceFacts::go_on`] has them again.
    pub fn set_aside(&mut self, mut waits: impl FnMut(&Trace<'_>) -> bool) {
        let waiting: Vec<bool> = self.traces().map(|trace| waits(&trace)).collect();
        let mut renumbered = Vec::with_capacity(waiting.len());
        let mut stays = 0;
        for waits in &waiting {
            renumbered.push(if *waits { NOWHERE } else { stays });
            stays += u32::from(!waits);
        }
        for place in self.places.iter_mut().filter(|place| **place != NOWHERE) {
            *place = renumbered[*place as usize];
        }
        let mut waiting = waiting.into_iter();
        self.aside.extend(self.traces.extract_if(.., |_| waiting.next().unwrap_or(false)));
    }

    /// Goes on with the texts and with the traces that were set aside, for what the next scan brings.
    pub fn go_on(self) -> FactsBuilder {
        let kept: Vec<Range<usize>> =
            self.aside.iter().map(|trace| trace.first as usize..(trace.first + trace.count) as usize).collect();
        FactsBuilder::resume(self, &kept)
    }
}

/// One trace of [`TraceFacts`].
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    pub facts: &'a TraceFacts,
    /// Its place, newest first.
    pub number: usize,
    fact: &'a TraceFact,
    spans: &'a [SpanFact],
}

impl<'a> Trace<'a> {
    pub fn id(&self) -> TraceId {
        self.fact.id
    }

    /// Never empty; a parent always comes before its children.
    #[inline]
    pub fn spans(&self) -> &'a [SpanFact] {
        self.spans
    }

    #[inline]
    pub fn root_index(&self) -> usize {
        self.fact.root as usize
    }

    #[inline]
    pub fn root(&self) -> &'a SpanFact {
        &self.spans[self.fact.root as usize]
    }

    #[inline]
    pub fn parent(&self, span: &SpanFact) -> Option<&'a SpanFact> {
        self.spans.get(span.parent as usize)
    }

    /// The request that the trace is about: its root, or where that is a caller's span, the first request that was served.
    pub fn request(&self) -> &'a SpanFact {
        let root = self.root();
        if root.is(Flags::REQUEST) || root.is_served() {
            return root;
        }
        let served = self.spans.iter().filter(|span| span.is_served());
        served.min_by_key(|span| (span.start_unix_nano, span.span_id)).unwrap_or(root)
    }

    /// The earliest start of any span.
    pub fn start_unix_nano(&self) -> i64 {
        self.fact.start_unix_nano
    }

    /// The latest end of any span.
    pub fn end_unix_nano(&self) -> i64 {
        self.fact.end_unix_nano
    }

    /// From the earliest start to the latest end.
    pub fn duration_ns(&self) -> i64 {
        self.fact.end_unix_nano.saturating_sub(self.fact.start_unix_nano)
    }

    /// How long the root took to answer.
    pub fn response_time_ns(&self) -> i64 {
        self.root().duration_ns
    }

    /// Whether the root has not arrived, only spans that name it.
    pub fn root_is_missing(&self) -> bool {
        self.root().is(Flags::MISSING_PARENT)
    }

    /// Whether any span is in progress.
    pub fn is_partial(&self) -> bool {
        self.spans.iter().any(|span| span.is(Flags::IN_PROGRESS))
    }

    pub fn text(&self, text: Text) -> &'a str {
        self.facts.texts.text(text)
    }
}
