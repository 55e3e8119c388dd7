//! Spans in any order to traces.

use std::collections::HashMap;
use std::ops::Range;

use model::TraceId;

use super::arrange::{Scratch, arrange};
use super::{Flags, IdHashes, LinkFact, NOWHERE, SpanFact, Text, Texts, TraceFact, TraceFacts};

/// Collects spans; cheap for each, the work is in [`FactsBuilder::finish`].
#[derive(Debug, Default)]
pub struct FactsBuilder {
    pub texts: Texts,
    ids: Vec<TraceId>,
    by_id: HashMap<TraceId, u32, IdHashes>,
    spans: Vec<SpanFact>,
    same_request: Vec<(u32, TraceId)>,
    links: Vec<LinkFact>,
    last: Option<(TraceId, u32)>,
}

/// How much a builder held at some moment.
#[derive(Clone, Copy, Debug)]
pub struct FactsMark {
    spans: usize,
    same_request: usize,
    links: usize,
}

impl FactsBuilder {
    /// Room for so many spans, so that memory is taken once.
    pub fn reserve(&mut self, spans: usize) {
        self.spans.reserve(spans);
    }

    /// What [`SpanFact::own_trace`] is for a trace's id.
    #[inline]
    pub fn own_trace(&mut self, id: TraceId) -> u32 {
        if let Some((last, number)) = self.last
            && last == id
        {
            return number;
        }
        let next = self.ids.len() as u32;
        let number = *self.by_id.entry(id).or_insert(next);
        if number == next {
            self.ids.push(id);
        }
        self.last = Some((id, number));
        number
    }

    /// Adds a span, or a copy of one.
    #[inline]
    pub fn span(&mut self, span: SpanFact) {
        debug_assert!((span.own_trace as usize) < self.ids.len());
        self.spans.push(span);
    }

    /// A span of the first trace names the second as another tracer's of the same request.
    pub fn same_request(&mut self, own_trace: u32, linked: TraceId) {
        if self.same_request.last() != Some(&(own_trace, linked)) {
            self.same_request.push((own_trace, linked));
        }
    }

    /// A span's link to a span of another trace.
    pub fn link(&mut self, link: LinkFact) {
        self.links.push(link);
    }

    pub fn text(&mut self, text: &str) -> Text {
        self.texts.number(text)
    }

    /// The traces that spans here name.
    pub fn ids(&self) -> &[TraceId] {
        &self.ids
    }

    /// What is held now, so that a scan that fails can be asked again.
    pub fn mark(&self) -> FactsMark {
        FactsMark { spans: self.spans.len(), same_request: self.same_request.len(), links: self.links.len() }
    }

    /// Forgets the spans that came after the mark.
    pub fn back_to(&mut self, mark: FactsMark) {
        self.spans.truncate(mark.spans);
        self.same_request.truncate(mark.same_request);
        self.links.truncate(mark.links);
    }

    /// Spans held, copies included.
    pub fn spans_count(&self) -> usize {
        self.spans.len()
    }

    /// Memory held, and what [`FactsBuilder::finish`] needs besides.
    pub fn bytes(&self) -> usize {
        self.spans.capacity() * size_of::<SpanFact>()
            + self.spans.len() * (size_of::<SpanFact>() + 4)
            + self.ids.capacity() * (size_of::<TraceId>() + size_of::<(TraceId, u32)>() + 8 + size_of::<TraceFact>())
            + self.links.capacity() * size_of::<LinkFact>()
            + self.same_request.capacity() * size_of::<(u32, TraceId)>()
            + self.texts.bytes()
    }

    /// Groups spans by trace, folds copies, finds parents and roots.
    pub fn finish(mut self) -> TraceFacts {
        let owners = self.owners();
        let (order, counts) = self.traces_in_order(&owners);
        let mut place_of_owner = vec![NOWHERE; self.ids.len()];
        let mut starts = vec![0; order.len()];
        let mut first = 0_u32;
        // Spans come about in order of time, so that those of the oldest trace have the shortest way to the front.
        for (place, owner) in order.iter().enumerate().rev() {
            place_of_owner[*owner as usize] = place as u32;
            starts[place] = first;
            first += counts[*owner as usize];
        }
        let places: Vec<u32> = owners.iter().map(|owner| place_of_owner[*owner as usize]).collect();
        self.group(&places, &starts);

        let mut scratch = Scratch::default();
        let mut traces = Vec::with_capacity(order.len());
        for (owner, first) in order.iter().zip(&starts) {
            let range = *first as usize..(*first + counts[*owner as usize]) as usize;
            let spans = &mut self.spans[range];
            for span in spans.iter_mut() {
                span.flags.set(Flags::LINKED, span.own_trace != *owner);
            }
            let kept = arrange(spans, &mut scratch);
            traces.push(described(self.ids[*owner as usize], *first, &spans[..kept]));
        }
        let FactsBuilder { texts, ids, by_id, spans, same_request, links, .. } = self;
        TraceFacts { texts, ids, spans, traces, aside: Vec::new(), same_request, links, places, by_id }
    }

    pub(super) fn resume(facts: TraceFacts, kept: &[Range<usize>]) -> FactsBuilder {
        let mut builder = FactsBuilder { texts: facts.texts, ..FactsBuilder::default() };
        let mut numbers = vec![NOWHERE; facts.ids.len()];
        builder.reserve(kept.iter().map(Range::len).sum());
        for span in kept.iter().flat_map(|range| &facts.spans[range.clone()]) {
            let number = &mut numbers[span.own_trace as usize];
            if *number == NOWHERE {
                *number = builder.own_trace(facts.ids[span.own_trace as usize]);
            }
            builder.spans.push(SpanFact { own_trace: *number, ..*span });
        }
        let number = |own_trace: u32| numbers.get(own_trace as usize).copied().filter(|number| *number != NOWHERE);
        let same_request = facts.same_request.iter().filter_map(|(from, to)| Some((number(*from)?, *to)));
        builder.same_request = same_request.collect();
        let links = facts.links.iter().filter_map(|link| Some(LinkFact { own_trace: number(link.own_trace)?, ..*link }));
        builder.links = links.collect();
        builder
    }

    /// For each own trace the one among whose spans its own are: itself, or the first that links it.
    fn owners(&mut self) -> Vec<u32> {
        let mut owners: Vec<u32> = (0..self.ids.len() as u32).collect();
        let ids = &self.ids;
        self.same_request.sort_unstable_by_key(|(from, to)| (ids[*from as usize], *to));
        self.same_request.dedup();
        for (from, to) in &self.same_request {
            let Some(to) = self.by_id.get(to) else { continue };
            let (from, to) = (root_of(&mut owners, *from), root_of(&mut owners, *to));
            // Who links is the request, whatever the linked one says of it.
            owners[to as usize] = from;
        }
        for own in 0..owners.len() as u32 {
            owners[own as usize] = root_of(&mut owners, own);
        }
        owners
    }

    /// Owners that have spans, the newest first, and how many each has.
    fn traces_in_order(&self, owners: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let mut counts = vec![0_u32; self.ids.len()];
        let mut starts = vec![i64::MAX; self.ids.len()];
        for span in &self.spans {
            let owner = owners[span.own_trace as usize] as usize;
            counts[owner] += 1;
            starts[owner] = starts[owner].min(span.start_unix_nano);
        }
        let mut order: Vec<u32> = (0..self.ids.len() as u32).filter(|owner| counts[*owner as usize] > 0).collect();
        order.sort_unstable_by_key(|owner| std::cmp::Reverse((starts[*owner as usize], self.ids[*owner as usize])));
        (order, counts)
    }

    /// Puts spans of a trace beside each other, in the order they came. Each is looked up by itself: moving them within one
    /// array would wait for memory at each step.
    fn group(&mut self, places: &[u32], starts: &[u32]) {
        let mut next = starts.to_vec();
        let mut from = vec![0_u32; self.spans.len()];
        for (at, span) in self.spans.iter().enumerate() {
            let next = &mut next[places[span.own_trace as usize] as usize];
            from[*next as usize] = at as u32;
            *next += 1;
        }
        self.spans = from.into_iter().map(|at| self.spans[at as usize]).collect();
    }
}

fn root_of(owners: &mut [u32], mut at: u32) -> u32 {
    while owners[at as usize] != at {
        let above = owners[at as usize];
        owners[at as usize] = owners[above as usize];
        at = owners[at as usize];
    }
    at
}

fn described(id: TraceId, first: u32, spans: &[SpanFact]) -> TraceFact {
    let root = (0..spans.len()).min_by_key(|at| {
        let span = &spans[*at];
        (span.flags.has(Flags::LINKED), span.parent != NOWHERE, span.flags.has(Flags::MISSING_PARENT), span.start_unix_nano, *at)
    });
    TraceFact {
        id,
        first,
        count: spans.len() as u32,
        root: root.unwrap_or(0) as u32,
        start_unix_nano: spans.iter().map(|span| span.start_unix_nano).min().unwrap_or_default(),
        end_unix_nano: spans.iter().map(SpanFact::end_unix_nano).max().unwrap_or_default(),
    }
}
