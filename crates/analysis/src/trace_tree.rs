//! The rows of a waterfall: which span stands where, and what is odd about it.
//!
//! Spans arrive in any order, twice, without their parents, in circles, and with clocks that disagree; traces of two vendors
//! tell of one request. Nothing here recurses and nothing is worse than `n log n`: a chain of 20,000 spans is a trace.

use std::collections::HashMap;

use model::{SpanId, SpanKind, TraceId};

/// As much of a span as its place depends on.
#[derive(Clone, Copy, Debug)]
pub struct SpanView<'a> {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_span_id: Option<SpanId>,
    pub start_time_unix_nano: i64,
    pub duration_ns: i64,
    pub in_progress: bool,
    pub kind: SpanKind,
    pub service: &'a str,
}

/// A span that names another tracer's trace of the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLink {
    /// Index of the span.
    pub from: usize,
    pub to: TraceId,
}

/// One row, in display order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Index of the span.
    pub span: usize,
    /// Row of the parent; always above.
    pub parent: Option<usize>,
    /// 0 for a row without parent.
    pub depth: usize,
    /// It names a parent that is not here.
    pub missing_parent: bool,
    /// What to add to the span's times to bring its clock in line with its parent's. An estimate; 0 when nothing looks odd.
    pub clock_skew_ns: i64,
    /// On the path that decides how long the trace takes: making it faster makes the trace faster.
    pub critical: bool,
    /// Index of the link by which this root of another trace hangs below its parent row.
    pub link: Option<usize>,
}

/// A child may start so much before its parent without anyone doubting a clock: some SDKs tell times in whole milliseconds.
pub const CLOCK_SKEW_NS_MIN: i64 = 1_000_000;

/// Arranges spans depth first, siblings by start; true roots come before spans whose parent is missing.
///
/// Every span appears exactly once, except copies: of spans with one id that are in progress, or alike in kind and service,
/// only the fullest is shown (complete before in progress, then the longer, then the later in `spans`). Spans of one id that
/// differ in kind or service are the two sides of a call that share their id, as Zipkin's do; the server side hangs below.
/// Circles are cut at their earliest span. A linked trace's roots hang below the span that links it.
pub fn trace_tree(spans: &[SpanView<'_>], links: &[TraceLink]) -> Vec<TraceRow> {
    let mut tree = Tree::of(spans);
    tree.cut_circles();
    tree.join_linked_traces(links);
    let order = tree.depth_first();
    let skews = tree.clock_skews(&order);
    let critical = tree.critical(&order, &skews);

    let mut row_of = vec![0; spans.len()];
    let mut rows: Vec<TraceRow> = Vec::with_capacity(order.len());
    for (row, &span) in order.iter().enumerate() {
        row_of[span] = row;
        let parent = tree.parents[span].map(|parent| row_of[parent]);
        rows.push(TraceRow {
            span,
            parent,
            depth: parent.map_or(0, |parent| rows[parent].depth + 1),
            missing_parent: tree.missing_parent[span],
            clock_skew_ns: skews[span],
            critical: critical[span],
            link: tree.link[span],
        });
    }
    rows
}

struct Tree<'s> {
    spans: &'s [SpanView<'s>],
    /// For a copy, the span that is shown in its place; otherwise itself.
    shown: Vec<usize>,
    parents: Vec<Option<usize>>,
    missing_parent: Vec<bool>,
    link: Vec<Option<usize>>,
}

impl<'s> Tree<'s> {
    /// Folds copies and finds parents; there may still be circles.
    fn of(spans: &'s [SpanView<'s>]) -> Tree<'s> {
        let mut by_id: HashMap<(TraceId, SpanId), Vec<usize>> = HashMap::with_capacity(spans.len());
        let mut shown: Vec<usize> = (0..spans.len()).collect();
        for (at, span) in spans.iter().enumerate() {
            let same_id = by_id.entry((span.trace_id, span.span_id)).or_default();
            match same_id.iter_mut().find(|other| is_copy(span, &spans[**other])) {
                Some(other) if fullness(span) >= fullness(&spans[*other]) => {
                    shown[*other] = at;
                    *other = at;
                }
                Some(other) => shown[at] = *other,
                None => same_id.push(at),
            }
        }
        // A provisional copy may have joined what later proved to be two sides of a call; the first side stands for it.
        for at in 0..spans.len() {
            let mut last = at;
            while shown[last] != last {
                last = shown[last];
            }
            shown[at] = last;
        }
        for same_id in by_id.values_mut() {
            same_id.sort_by_key(|at| (is_far_side(&spans[*at]), *at));
        }
        let mut tree = Tree {
            spans,
            shown,
            parents: vec![None; spans.len()],
            missing_parent: vec![false; spans.len()],
            link: vec![None; spans.len()],
        };
        for (at, span) in spans.iter().enumerate().filter(|(at, _)| tree.shown[*at] == *at) {
            let near_side = by_id[&(span.trace_id, span.span_id)][0];
            if near_side != at {
                tree.parents[at] = Some(near_side);
                continue;
            }
            let Some(parent_id) = span.parent_span_id.filter(|parent_id| *parent_id != span.span_id) else { continue };
            let candidates = by_id.get(&(span.trace_id, parent_id)).map_or(&[][..], Vec::as_slice);
            let in_service = candidates.iter().rfind(|parent| spans[**parent].service == span.service);
            tree.parents[at] = in_service.or(candidates.last()).copied();
            tree.missing_parent[at] = candidates.is_empty();
        }
        tree
    }

    fn is_shown(&self, at: usize) -> bool {
        self.shown[at] == at
    }

    fn cut_circles(&mut self) {
        const UNSEEN: usize = usize::MAX;
        let mut seen_from = vec![UNSEEN; self.spans.len()];
        for origin in 0..self.spans.len() {
            let mut at = origin;
            while seen_from[at] == UNSEEN {
                seen_from[at] = origin;
                let Some(parent) = self.parents[at] else { break };
                at = parent;
            }
            // Coming back to a span of this very walk, other than by stopping at its end, closes a circle.
            if seen_from[at] == origin && self.parents[at].is_some() {
                let mut earliest = at;
                let mut next = self.parents[at];
                while let Some(other) = next.filter(|other| *other != at) {
                    if self.start_order(other) < self.start_order(earliest) {
                        earliest = other;
                    }
                    next = self.parents[other];
                }
                if next.is_some() {
                    self.parents[earliest] = None;
                }
            }
        }
    }

    /// Hangs the roots of a linked trace below the linking span, unless that would close a circle; the first link wins.
    fn join_linked_traces(&mut self, links: &[TraceLink]) {
        if links.is_empty() {
            return;
        }
        let mut roots: HashMap<TraceId, Vec<usize>> = HashMap::new();
        let mut groups = Groups::new(self.spans.len());
        for at in (0..self.spans.len()).filter(|at| self.is_shown(*at)) {
            match self.parents[at] {
                Some(parent) => groups.join(at, parent),
                None => roots.entry(self.spans[at].trace_id).or_default().push(at),
            }
        }
        for (number, link) in links.iter().enumerate() {
            let Some(&from) = self.shown.get(link.from) else { continue };
            if self.spans[from].trace_id == link.to {
                continue;
            }
            for root in roots.get(&link.to).map_or(&[][..], Vec::as_slice) {
                if self.parents[*root].is_none() && groups.find(*root) != groups.find(from) {
                    self.parents[*root] = Some(from);
                    self.link[*root] = Some(number);
                    groups.join(*root, from);
                }
            }
        }
    }

    /// Shown spans in display order.
    fn depth_first(&self) -> Vec<usize> {
        let children = Children::new(&self.parents, |at| self.is_shown(at));
        let mut roots: Vec<usize> =
            (0..self.spans.len()).filter(|at| self.is_shown(*at) && self.parents[*at].is_none()).collect();
        roots.sort_by_key(|at| (self.missing_parent[*at], self.start_order(*at)));
        roots.reverse();
        let mut order = Vec::with_capacity(self.spans.len());
        let mut ahead = roots;
        let mut siblings: Vec<usize> = Vec::new();
        while let Some(at) = ahead.pop() {
            order.push(at);
            siblings.clear();
            siblings.extend_from_slice(children.of(at));
            siblings.sort_by_key(|child| self.start_order(*child));
            ahead.extend(siblings.iter().rev());
        }
        order
    }

    /// A service's clock is judged where a call enters it, and holds for all it does below.
    ///
    /// A child that starts before its parent is moved to the parent's middle, as if the way there and back took equally
    /// long; one that lasts longer than its parent is moved to its start. So does Jaeger, `model/adjuster/clockskew.go`.
    fn clock_skews(&self, order: &[usize]) -> Vec<i64> {
        let mut skews = vec![0_i64; self.spans.len()];
        for &at in order {
            let Some(parent) = self.parents[at] else { continue };
            let (span, above) = (&self.spans[at], &self.spans[parent]);
            if self.link[at].is_some() {
                continue;
            }
            if span.service == above.service {
                skews[at] = skews[parent];
                continue;
            }
            let behind = above.start_time_unix_nano.saturating_add(skews[parent]).saturating_sub(span.start_time_unix_nano);
            if behind >= CLOCK_SKEW_NS_MIN {
                let slack = above.duration_ns.saturating_sub(span.duration_ns).max(0);
                skews[at] = behind.saturating_add(slack / 2);
            }
        }
        skews
    }

    /// From the end of the main root backwards: the child that finished last, then the one that had finished when that one
    /// began, and the same within each. A linked trace tells of the same time again and has a path of its own.
    fn critical(&self, order: &[usize], skews: &[i64]) -> Vec<bool> {
        let mut critical = vec![false; self.spans.len()];
        let start = |at: usize| self.spans[at].start_time_unix_nano.saturating_add(skews[at]);
        let mut ends = vec![0_i64; self.spans.len()];
        for &at in order {
            ends[at] = start(at).saturating_add(self.spans[at].duration_ns.max(0));
        }
        // A span in progress lasts at least as long as what it has called so far.
        for &at in order.iter().rev() {
            if let Some(parent) = self.parents[at].filter(|parent| self.spans[*parent].in_progress) {
                ends[parent] = ends[parent].max(ends[at]);
            }
        }
        let roots = order.iter().copied().filter(|at| self.parents[*at].is_none());
        let main = roots.max_by_key(|at| {
            (!self.missing_parent[*at], ends[*at].saturating_sub(start(*at)), std::cmp::Reverse(self.start_order(*at)))
        });
        let Some(main) = main else { return critical };

        let children = Children::new(&self.parents, |at| self.is_shown(at));
        let mut ahead = vec![(main, ends[main])];
        let mut last_first: Vec<usize> = Vec::new();
        while let Some((at, until)) = ahead.pop() {
            critical[at] = true;
            let until = until.min(ends[at]);
            last_first.clear();
            last_first.extend_from_slice(children.of(at));
            last_first.sort_by_key(|child| std::cmp::Reverse((ends[*child].min(until), start(*child), *child)));
            let mut free_until = until;
            for &child in &last_first {
                if self.link[child].is_some() {
                    ahead.push((child, ends[child]));
                    continue;
                }
                let end = ends[child].min(until);
                if end <= free_until && start(child) <= end {
                    ahead.push((child, end));
                    free_until = start(child);
                }
            }
        }
        critical
    }

    fn start_order(&self, at: usize) -> (i64, usize) {
        (self.spans[at].start_time_unix_nano, at)
    }
}

fn is_copy(span: &SpanView<'_>, other: &SpanView<'_>) -> bool {
    span.in_progress || other.in_progress || (span.kind == other.kind && span.service == other.service)
}

fn fullness(span: &SpanView<'_>) -> (bool, i64) {
    (!span.in_progress, span.duration_ns)
}

/// The side of a call that answers it.
fn is_far_side(span: &SpanView<'_>) -> bool {
    matches!(span.kind, SpanKind::Server | SpanKind::Consumer)
}

/// Children of every span in two flat arrays: no allocation per span.
struct Children {
    starts: Vec<usize>,
    children: Vec<usize>,
}

impl Children {
    fn new(parents: &[Option<usize>], is_shown: impl Fn(usize) -> bool) -> Children {
        let mut starts = vec![0_usize; parents.len() + 1];
        let shown = |at: &usize| is_shown(*at);
        for parent in (0..parents.len()).filter(shown).filter_map(|at| parents[at]) {
            starts[parent + 1] += 1;
        }
        for at in 0..parents.len() {
            starts[at + 1] += starts[at];
        }
        let mut filled = starts.clone();
        let mut children = vec![0; starts[parents.len()]];
        for at in (0..parents.len()).filter(shown) {
            if let Some(parent) = parents[at] {
                children[filled[parent]] = at;
                filled[parent] += 1;
            }
        }
        Children { starts, children }
    }

    fn of(&self, at: usize) -> &[usize] {
        &self.children[self.starts[at]..self.starts[at + 1]]
    }
}

/// Which spans hang together: disjoint sets, halving paths as they are walked.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Groups {
        Groups((0..count).collect())
    }

    fn find(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.0[one] = other;
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    /// A span a line: `trace/id parent service kind start+duration`, in ms; `-` for no parent, `…` for one in progress.
    /// `link <line> <trace>` links.
    fn check(input: &str, expected: Expect) {
        let trace = |name: &str| TraceId([name.as_bytes()[0]; 16]);
        let id = |name: &str| SpanId([name.as_bytes()[0]; 8]);
        let (mut spans, mut names, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for line in input.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["link", from, to] = words.as_slice() {
                links.push(TraceLink { from: from.parse().unwrap(), to: trace(to) });
                continue;
            }
            let (trace_name, span_name) = words[0].split_once('/').unwrap();
            let (start, duration) = words[4].trim_end_matches('…').split_once('+').unwrap();
            names.push(format!("{span_name} {}", words[2]));
            spans.push(SpanView {
                trace_id: trace(trace_name),
                span_id: id(span_name),
                parent_span_id: (words[1] != "-").then(|| id(words[1])),
                start_time_unix_nano: start.parse::<i64>().unwrap() * MS,
                duration_ns: duration.parse::<i64>().unwrap() * MS,
                in_progress: words[4].ends_with('…'),
                kind: match words[3] {
                    "server" => SpanKind::Server,
                    "client" => SpanKind::Client,
                    _ => SpanKind::Internal,
                },
                service: words[2],
            });
        }
        let mut told = String::new();
        for row in trace_tree(&spans, &links) {
            let span = &spans[row.span];
            told += &format!(
                "{}{} {}+{}",
                "  ".repeat(row.depth),
                names[row.span],
                span.start_time_unix_nano / MS,
                span.duration_ns / MS
            );
            for (flag, text) in [
                (row.critical, " critical".to_owned()),
                (row.missing_parent, " missing-parent".to_owned()),
                (row.clock_skew_ns != 0, format!(" skew {}ms", row.clock_skew_ns / MS)),
                (row.link.is_some(), format!(" link {}", row.link.unwrap_or(0))),
            ] {
                if flag {
                    told += &text;
                }
            }
            told.push('\n');
        }
        expected.assert_eq(&told);
    }

    #[test]
    fn depth_first_by_start() {
        check(
            "t/c a web internal 5+2
             t/b a web internal 1+3
             t/a - web server 0+10
             t/d b web client 2+1",
            expect![[r#"
                a web 0+10 critical
                  b web 1+3 critical
                    d web 2+1 critical
                  c web 5+2 critical
            "#]],
        );
    }

    #[test]
    fn roots_come_before_orphans() {
        check(
            "t/x y web internal 0+1
             t/z x web internal 0+1
             t/a - web server 3+1",
            expect![[r#"
                a web 3+1 critical
                x web 0+1 missing-parent
                  z web 0+1
            "#]],
        );
    }

    #[test]
    fn copies_fold_into_the_fullest() {
        check(
            "t/a - web server 0+9
             t/a - web internal 0+0…
             t/b a web internal 1+0…
             t/b a web internal 1+4
             t/b a web internal 1+4",
            expect![[r#"
                a web 0+9 critical
                  b web 1+4 critical
            "#]],
        );
    }

    #[test]
    fn two_sides_of_a_call_may_share_an_id() {
        check(
            "t/b a shop server 2+5
             t/c b shop internal 3+1
             t/b a web client 1+7
             t/a - web server 0+10",
            expect![[r#"
                a web 0+10 critical
                  b web 1+7 critical
                    b shop 2+5 critical
                      c shop 3+1 critical
            "#]],
        );
    }

    #[test]
    fn circles_are_cut_at_the_earliest() {
        check(
            "t/a c web internal 2+1
             t/b a web internal 1+1
             t/c b web internal 3+1
             t/d d web internal 9+1
             t/e a web internal 4+1",
            expect![[r#"
                b web 1+1 critical
                  c web 3+1
                    a web 2+1
                      e web 4+1
                d web 9+1
            "#]],
        );
    }

    #[test]
    fn clocks_that_disagree_are_centred() {
        check(
            "t/a - web server 100+10
             t/b a web client 101+8
             t/c b shop server 51+4
             t/d c shop internal 52+1
             t/e d db server 30+2
             t/f b long server 90+20
             t/g b late server 108+20
             t/h b near server 101+1",
            expect![[r#"
                a web 100+10 critical
                  b web 101+8 critical
                    c shop 51+4 critical skew 52ms
                      d shop 52+1 critical skew 52ms
                        e db 30+2 critical skew 74ms
                    f long 90+20 skew 11ms
                    h near 101+1 critical
                    g late 108+20 critical
            "#]],
        );
    }

    #[test]
    fn the_critical_path_goes_back_from_the_end() {
        check(
            "t/a - web server 0+100
             t/b a web internal 0+30
             t/c a web internal 5+40
             t/d a web internal 50+45
             t/e d web internal 55+10
             t/f d web internal 60+30
             t/g a web internal 96+50
             t/h a web internal 150+5",
            expect![[r#"
                a web 0+100 critical
                  b web 0+30
                  c web 5+40 critical
                  d web 50+45 critical
                    e web 55+10
                    f web 60+30 critical
                  g web 96+50 critical
                  h web 150+5
            "#]],
        );
    }

    #[test]
    fn a_span_in_progress_lasts_as_long_as_its_children() {
        check(
            "t/a - web server 0+0…
             t/b a web internal 1+5",
            expect![[r#"
                a web 0+0 critical
                  b web 1+5 critical
            "#]],
        );
    }

    #[test]
    fn a_linked_trace_hangs_below_its_link() {
        check(
            "o/a - web server 0+10
             o/b a web internal 2+3
             x/s - 127.0.0.1:4567 server 1+10
             x/t s 127.0.0.1:4567 internal 2+3
             x/u q 127.0.0.1:4567 internal 4+1
             link 0 x
             link 2 o
             link 1 x
             link 0 o
             link 0 z",
            expect![[r#"
                a web 0+10 critical
                  s 127.0.0.1:4567 1+10 critical link 0
                    t 127.0.0.1:4567 2+3 critical
                  b web 2+3 critical
                  u 127.0.0.1:4567 4+1 critical missing-parent link 0
            "#]],
        );
    }

    #[test]
    fn a_chain_of_twenty_thousand() {
        let id = |number: u64| SpanId((number + 1).to_be_bytes());
        let chain: Vec<SpanView<'_>> = (0..20_000_u64)
            .map(|number| SpanView {
                trace_id: TraceId([1; 16]),
                span_id: id(number),
                parent_span_id: number.checked_sub(1).map(id),
                start_time_unix_nano: number as i64,
                duration_ns: 40_000 - 2 * number as i64,
                in_progress: false,
                kind: SpanKind::Internal,
                service: if number % 2 == 0 { "even" } else { "odd" },
            })
            .collect();
        let rows = trace_tree(&chain, &[TraceLink { from: 19_999, to: TraceId([1; 16]) }]);
        trace_tree(&chain, &[]);
        assert_eq!(rows.last().unwrap().depth, 19_999);
        assert!(rows.iter().all(|row| row.critical && row.clock_skew_ns == 0));
    }

    fn any_span() -> impl Strategy<Value = SpanView<'static>> {
        let id = |number: u8| SpanId([number; 8]);
        let kind = prop::sample::select(vec![SpanKind::Internal, SpanKind::Server, SpanKind::Client]);
        let times = (prop_oneof![0..50_i64, any::<i64>()], prop_oneof![0..50_i64, any::<i64>()]);
        (1..3_u8, 1..9_u8, prop::option::of(1..9_u8), times, any::<bool>(), kind, prop::sample::select(vec!["a", "b"])).prop_map(
            move |(trace, span, parent, (start, duration), in_progress, kind, service)| SpanView {
                trace_id: TraceId([trace; 16]),
                span_id: id(span),
                parent_span_id: parent.map(id),
                start_time_unix_nano: start,
                duration_ns: duration,
                in_progress,
                kind,
                service,
            },
        )
    }

    proptest! {
        #[test]
        fn every_span_has_one_place(
            spans in prop::collection::vec(any_span(), 0..40),
            links in prop::collection::vec((0..40_usize, 1..4_u8), 0..4),
        ) {
            let links: Vec<TraceLink> =
                links.into_iter().map(|(from, to)| TraceLink { from, to: TraceId([to; 16]) }).collect();
            let rows = trace_tree(&spans, &links);
            let mut ids: Vec<_> = rows.iter().map(|row| row.span).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), rows.len());
            for span in &spans {
                let of_id = || rows.iter().filter(|row| spans[row.span].trace_id == span.trace_id && spans[row.span].span_id == span.span_id);
                prop_assert!(of_id().count() >= 1);
                if !span.in_progress {
                    prop_assert!(of_id().all(|row| !spans[row.span].in_progress));
                    prop_assert_eq!(of_id().filter(|row| spans[row.span].kind == span.kind && spans[row.span].service == span.service).count(), 1);
                }
            }
            for (at, row) in rows.iter().enumerate() {
                match row.parent {
                    Some(parent) => {
                        prop_assert!(parent < at && rows[parent].depth + 1 == row.depth);
                        prop_assert!(!row.critical || rows[parent].critical);
                    }
                    None => prop_assert!(row.depth == 0 && row.link.is_none()),
                }
            }
            prop_assert!(rows.is_empty() || rows.iter().any(|row| row.critical));
        }
    }
}
