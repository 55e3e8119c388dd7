//! The spans of one trace in order: copies folded, parents found and put before their children, requests told from what is
//! done inside of them. The rules are those of [`crate::trace_tree`].

use super::{Flags, NOWHERE, SpanFact, Text};

/// Room that is used for one trace after the other.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    by_id: Vec<Key>,
    depths: Vec<u32>,
    path: Vec<u32>,
    order: Vec<u32>,
    spans: Vec<SpanFact>,
    services: Vec<Text>,
}

/// What finds a span, and where it is.
type Key = (u64, u32, u32);

/// Arranges the spans of a trace; the first so many that it tells are those that stay.
pub(super) fn arrange(spans: &mut [SpanFact], scratch: &mut Scratch) -> usize {
    if !spans.is_sorted_by_key(in_time) {
        spans.sort_by_key(in_time);
    }
    by_id(spans, scratch);
    let mut kept = spans.len();
    let mut shares_ids = scratch.by_id.windows(2).any(|pair| same_id(&pair[0], &pair[1]));
    if shares_ids {
        kept = fold_copies(spans, scratch);
        by_id(&spans[..kept], scratch);
        shares_ids = scratch.by_id.windows(2).any(|pair| same_id(&pair[0], &pair[1]));
    }
    let spans = &mut spans[..kept];
    find_parents(spans, &scratch.by_id, shares_ids);
    if spans.iter().enumerate().any(|(at, span)| span.parent != NOWHERE && span.parent as usize >= at) {
        parents_first(spans, scratch);
    }
    tell_requests(spans);
    if spans.iter().any(|span| span.is(Flags::LINKED)) {
        tell_linked(spans, scratch);
    }
    kept
}

fn in_time(span: &SpanFact) -> (i64, u64, u32) {
    (span.start_unix_nano, span.span_id, span.own_trace)
}

fn same_id(one: &Key, other: &Key) -> bool {
    (one.0, one.1) == (other.0, other.1)
}

fn by_id(spans: &[SpanFact], scratch: &mut Scratch) {
    scratch.by_id.clear();
    scratch.by_id.extend(spans.iter().enumerate().map(|(at, span)| (span.span_id, span.own_trace, at as u32)));
    scratch.by_id.sort_unstable();
}

/// The run of spans that have an id.
fn having(by_id: &[Key], span_id: u64, own_trace: u32) -> &[Key] {
    let from = by_id.partition_point(|key| (key.0, key.1) < (span_id, own_trace));
    let count = by_id[from..].iter().take_while(|key| (key.0, key.1) == (span_id, own_trace)).count();
    &by_id[from..from + count]
}

/// Of spans with one id that are in progress, or alike in kind and service, the fullest stays. Keeps the order of the others.
fn fold_copies(spans: &mut [SpanFact], scratch: &mut Scratch) -> usize {
    let mut stays = vec![true; spans.len()];
    let mut sides: Vec<usize> = Vec::new();
    let mut from = 0;
    while from < scratch.by_id.len() {
        let run = scratch.by_id[from..].iter().take_while(|key| same_id(key, &scratch.by_id[from])).count();
        sides.clear();
        for (_, _, at) in &scratch.by_id[from..from + run] {
            let at = *at as usize;
            match sides.iter_mut().find(|side| is_copy(&spans[at], &spans[**side])) {
                Some(side) if fullness(&spans[at]) >= fullness(&spans[*side]) => {
                    stays[*side] = false;
                    *side = at;
                }
                Some(_) => stays[at] = false,
                None => sides.push(at),
            }
        }
        from += run;
    }
    let mut kept = 0;
    for (at, _) in stays.iter().enumerate().filter(|(_, stays)| **stays) {
        spans.swap(kept, at);
        kept += 1;
    }
    kept
}

fn is_copy(span: &SpanFact, other: &SpanFact) -> bool {
    let either = span.flags.and(other.flags);
    either.has(Flags::IN_PROGRESS) || (span.kind == other.kind && span.service == other.service)
}

fn fullness(span: &SpanFact) -> (bool, i64) {
    (!span.is(Flags::IN_PROGRESS), span.duration_ns)
}

/// The two sides of a call may share an id; the answering one then hangs below the asking one.
fn find_parents(spans: &mut [SpanFact], by_id: &[Key], shares_ids: bool) {
    for at in 0..spans.len() {
        let span = spans[at];
        let near = |run: &[Key]| run.iter().map(|key| key.2).min_by_key(|key| (spans[*key as usize].is_served(), *key));
        let near_side = match shares_ids {
            true => near(having(by_id, span.span_id, span.own_trace)).unwrap_or(at as u32),
            false => at as u32,
        };
        let has_parent = span.parent_span_id != 0 && span.parent_span_id != span.span_id;
        let (mut parent, mut missing) = (NOWHERE, false);
        if near_side as usize != at {
            parent = near_side;
        } else if has_parent {
            let run = having(by_id, span.parent_span_id, span.own_trace);
            let last_side = |among: &dyn Fn(&SpanFact) -> bool| {
                let found = run.iter().map(|key| key.2).filter(|key| among(&spans[*key as usize]));
                found.max_by_key(|key| (spans[*key as usize].is_served(), *key))
            };
            let in_service = last_side(&|parent| parent.service == span.service);
            parent = in_service.or_else(|| last_side(&|_| true)).unwrap_or(NOWHERE);
            missing = run.is_empty();
        }
        spans[at].parent = parent;
        spans[at].flags.set(Flags::MISSING_PARENT, missing);
    }
}

/// Cuts circles at their earliest span, and sorts by depth; within a depth the order stays.
fn parents_first(spans: &mut [SpanFact], scratch: &mut Scratch) {
    const UNSEEN: u32 = u32::MAX;
    const ON_PATH: u32 = u32::MAX - 1;
    let Scratch { depths, path, order, spans: sorted, .. } = scratch;
    depths.clear();
    depths.resize(spans.len(), UNSEEN);
    for from in 0..spans.len() {
        path.clear();
        let mut at = from;
        while depths[at] == UNSEEN {
            depths[at] = ON_PATH;
            path.push(at as u32);
            match spans[at].parent {
                NOWHERE => break,
                parent => at = parent as usize,
            }
        }
        let closes = depths[at] == ON_PATH && spans[at].parent != NOWHERE;
        if closes && let Some(begin) = path.iter().position(|step| *step as usize == at) {
            // Spans are in order of time, so that the least index is the earliest.
            if let Some(least) = (begin..path.len()).min_by_key(|step| path[*step]) {
                spans[path[least] as usize].parent = NOWHERE;
                // What was walked from the cut on hangs below it no longer, and is walked again from its new end.
                path[begin..].rotate_left(least + 1 - begin);
            }
        }
        for step in path.iter().rev() {
            let at = *step as usize;
            depths[at] = match spans[at].parent {
                NOWHERE => 0,
                parent => depths[parent as usize] + 1,
            };
        }
    }
    order.clear();
    order.extend(0..spans.len() as u32);
    order.sort_by_key(|at| depths[*at as usize]);
    sorted.clear();
    sorted.extend(order.iter().map(|at| spans[*at as usize]));
    // From here on `depths` says where each has gone.
    for (to, from) in order.iter().enumerate() {
        depths[*from as usize] = to as u32;
    }
    for (span, sorted) in spans.iter_mut().zip(sorted.iter()) {
        let parent = depths.get(sorted.parent as usize).copied().unwrap_or(NOWHERE);
        *span = SpanFact { parent, ..*sorted };
    }
}

/// Says which spans are requests, and gives the others what they have from their request. See [`Flags::REQUEST`].
///
/// A served span within one of its own service is part of the same request, as frameworks nest them, unless a call lies between
/// or it says that it runs elsewhere. A caller's span is a request only when it is the first of another service.
fn tell_requests(spans: &mut [SpanFact]) {
    for at in 0..spans.len() {
        let (above, here) = spans.split_at_mut(at);
        let span = &mut here[0];
        let parent = above.get(span.parent as usize);
        if let Some(parent) = parent
            && span.service == Text::UNKNOWN_SERVICE
        {
            span.service = parent.service;
        }
        let is_request = match parent {
            None => span.is_served() || (!span.is_call() && !span.is(Flags::MISSING_PARENT)),
            Some(parent) if parent.service != span.service => true,
            Some(parent) => {
                let elsewhere = !span.node_type.is_none() && span.node_type != parent.node_type;
                span.is_served() && (parent.is_call() || elsewhere)
            }
        };
        if let Some(parent) = parent.filter(|parent| !is_request && parent.service == span.service) {
            span.node_type = parent.node_type;
        }
        span.flags.set(Flags::REQUEST, is_request);
        span.flags.set(Flags::TOLD_TWICE, false);
    }
}

/// Marks the linked traces whose root is of a service that the linking trace tells of itself.
fn tell_linked(spans: &mut [SpanFact], scratch: &mut Scratch) {
    let services = &mut scratch.services;
    services.clear();
    services.extend(spans.iter().filter(|span| !span.is(Flags::LINKED)).map(|span| span.service));
    services.sort_unstable();
    for at in 0..spans.len() {
        let (above, here) = spans.split_at_mut(at);
        let span = &mut here[0];
        if span.is(Flags::LINKED) {
            let twice = match above.get(span.parent as usize) {
                Some(parent) => parent.is(Flags::TOLD_TWICE),
                None => services.binary_search(&span.service).is_ok(),
            };
            span.flags.set(Flags::TOLD_TWICE, twice);
        }
    }
}
