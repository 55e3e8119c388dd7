//! The report: every goal with its measured figure beside it, and the figures behind, worded from [`Findings`].
//!
//! What could not be measured says so and why; a figure is never made up.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::measure::Sizes;
use crate::measure::answers::{Asked, Settled};
use crate::measure::ingest::{Ingested, UnderQuery};
use crate::measure::lifecycle::Lifecycle;
use crate::peers::{Engine, Mode, Peers};
use crate::queries::{Agreed, posted, questions};

const TEMPLATE: &str = include_str!("../report-template.md");

/// A figure, or why there is none.
pub type Measured<T> = Result<T, String>;

/// Everything that was measured.
pub struct Findings {
    pub date: String,
    pub commit: String,
    pub machine: String,
    pub sizes: Sizes,
    pub spans_acked: Measured<Ingested>,
    pub spans_grpc: Measured<Ingested>,
    pub spans: Measured<Ingested>,
    pub lines: Measured<Ingested>,
    pub points: Measured<Ingested>,
    pub documents: Measured<Ingested>,
    pub datagrams: Measured<Ingested>,
    pub events: Measured<Ingested>,
    pub items: Measured<Ingested>,
    pub error_groups: Measured<usize>,
    pub under_query: Measured<UnderQuery>,
    pub lifecycle: Measured<Lifecycle>,
    pub visible: Measured<BTreeMap<&'static str, f64>>,
    /// Hit and miss.
    pub traces: Measured<(Asked, Asked)>,
    /// Bounded in time, and any row of all parts.
    pub planning: Measured<(Asked, Measured<Asked>)>,
    pub settled: Measured<Settled>,
    pub peers: Peers,
    pub peers_failed: Vec<String>,
    pub house: Measured<String>,
}

/// Whether a figure should be large or small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    AtLeast,
    AtMost,
}

/// One line of the table of goals.
struct Goal {
    what: &'static str,
    unit: &'static str,
    wanted: Wanted,
    goal: f64,
    measured: Measured<f64>,
    /// What others are known to need for the same work.
    known: &'static str,
    /// The question peers were asked in this run.
    asked: Option<&'static str>,
}

impl Findings {
    /// The whole report in Markdown.
    pub fn markdown(&self) -> String {
        let parts = [
            ("date", self.date.clone()),
            ("commit", self.commit.clone()),
            ("machine", self.machine.clone()),
            ("runs", self.sizes.runs.to_string()),
            ("repeats", self.sizes.repeats.to_string()),
            ("rows", grouped(self.sizes.rows as f64)),
            ("trace_parts", grouped(self.sizes.trace_parts as f64)),
            ("goals", self.goals_table()),
            ("ingest", self.ingest_table()),
            ("disk", self.disk_table()),
            ("visible", self.visible_table()),
            ("questions", self.questions_table()),
            ("peers", self.peers_table()),
            ("beside", self.beside()),
            ("house", self.house.clone().unwrap_or_else(|why| format!("not measured: {why}"))),
        ];
        parts.iter().fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value.trim_end()))
    }

    /// The goals without a figure, each with its reason.
    pub fn missing(&self) -> Vec<String> {
        let goals = self.goals().into_iter();
        let missing = goals.filter_map(|goal| goal.measured.err().map(|why| format!("{}: {why}", goal.what)));
        missing.chain(self.peers_failed.iter().cloned()).chain(self.disagreements()).collect()
    }

    fn goals(&self) -> Vec<Goal> {
        use Wanted::{AtLeast, AtMost};
        let goal = |what, unit, wanted, goal, measured, known, asked| Goal { what, unit, wanted, goal, measured, known, asked };
        let acked = |it: &Measured<Ingested>| it.as_ref().map(|it| it.acked_per_cpu_second).map_err(Clone::clone);
        let all = |it: &Measured<Ingested>| it.as_ref().map(|it| it.all_per_cpu_second).map_err(Clone::clone);
        let disk = |which: usize| self.settled.as_ref().map(|it| it.bytes_each[which]).map_err(Clone::clone);
        let life = |of: fn(&Lifecycle) -> f64| self.lifecycle.as_ref().map(of).map_err(Clone::clone);
        let slowest = self.visible.as_ref().map(|kinds| kinds.values().copied().fold(0.0, f64::max)).map_err(Clone::clone);
        let trace = |of: fn(&(Asked, Asked)) -> f64| self.traces.as_ref().map(of).map_err(Clone::clone);
        let fall = |of: fn(&UnderQuery) -> f64| self.under_query.as_ref().map(of).map_err(Clone::clone);
        vec![
            goal(
                "spans, durable ack",
                "a CPU second",
                AtLeast,
                200_000.0,
                acked(&self.spans_acked),
                "Tempo 29,000 (in memory), ClickHouse 34,000-42,000 (insert only), VictoriaTraces 12,000-21,000",
                None,
            ),
            goal(
                "spans, with flush, Parquet and compaction",
                "a CPU second",
                AtLeast,
                120_000.0,
                all(&self.spans),
                "ClickHouse 25,000-29,000, VictoriaTraces 12,000-20,000, Tempo 11,000",
                None,
            ),
            goal(
                "log records, durable, all counted",
                "a CPU second",
                AtLeast,
                200_000.0,
                all(&self.lines),
                "VictoriaLogs 37,000",
                None,
            ),
            goal(
                "metric points, durable",
                "a CPU second",
                AtLeast,
                300_000.0,
                acked(&self.points),
                "VictoriaMetrics 278,000 (not durable)",
                None,
            ),
            goal(
                "X-Ray documents, durable",
                "a CPU second",
                AtLeast,
                60_000.0,
                acked(&self.documents),
                "moto 2,300 (in memory)",
                None,
            ),
            goal(
                "CloudWatch events, durable",
                "a CPU second",
                AtLeast,
                200_000.0,
                acked(&self.events),
                "moto 20,500 (in memory)",
                None,
            ),
            goal(
                "Rollbar items, grouped and queryable",
                "a CPU second",
                AtLeast,
                5_000.0,
                acked(&self.items),
                "Bugsink 30",
                None,
            ),
            goal("disk, a span, settled, everything", "B", AtMost, 50.0, disk(0), "ClickHouse 90", None),
            goal("disk, a log record, settled, everything", "B", AtMost, 40.0, disk(1), "VictoriaLogs 58", None),
            goal(
                "memory at full speed, peak",
                "MB",
                AtMost,
                200.0,
                self.spans.as_ref().map(|it| it.peak_megabytes).map_err(Clone::clone),
                "VictoriaTraces 148, Tempo 2,000",
                None,
            ),
            goal("memory, idle", "MB", AtMost, 30.0, life(|it| it.idle_megabytes), "", None),
            goal(
                "ack to visible, slowest kind of query",
                "ms",
                AtMost,
                10.0,
                slowest,
                "Tempo 4 by id but 30,000 in searches, VictoriaTraces 1,000-2,000",
                None,
            ),
            goal(
                "trace by id among many parts, hit",
                "ms CPU",
                AtMost,
                5.0,
                trace(|it| it.0.cpu_ms),
                "VictoriaTraces 25",
                Some("trace, hit"),
            ),
            goal(
                "trace by id among many parts, miss",
                "ms CPU",
                AtMost,
                5.0,
                trace(|it| it.1.cpu_ms),
                "VictoriaTraces 150-500",
                Some("trace, miss"),
            ),
            goal(
                "count, p50, p95, p99 by service and route",
                "ms CPU",
                AtMost,
                1_200.0,
                self.answer("percentiles"),
                "embedded ClickHouse 1,260, DataFusion as it comes 4,200",
                Some("percentiles"),
            ),
            goal(
                "heatmap of one service",
                "ms CPU",
                AtMost,
                150.0,
                self.answer("heatmap"),
                "ClickHouse 64-97, DuckDB 158",
                Some("heatmap"),
            ),
            goal(
                "top 20 of a million users",
                "ms CPU",
                AtMost,
                400.0,
                self.answer("top users"),
                "ClickHouse 1,640, DuckDB 380",
                Some("top users"),
            ),
            goal(
                "errors over time by service",
                "ms CPU",
                AtMost,
                90.0,
                self.answer("errors over time"),
                "ClickHouse 331-348, DuckDB 93",
                Some("errors over time"),
            ),
            goal(
                "BubbleUp of 12 attributes",
                "ms CPU",
                AtMost,
                1_500.0,
                self.answer("bubble up"),
                "ClickHouse 4,800, DuckDB 3,500",
                Some("bubble up"),
            ),
            goal("Explore: heatmap of all, with its summary", "ms CPU", AtMost, 150.0, self.answer("explore: heatmap"), "", None),
            goal(
                "Explore: by a field of a million values, table, lines and total",
                "ms CPU",
                AtMost,
                400.0,
                self.answer("explore: by a million users"),
                "",
                None,
            ),
            goal(
                "Explore: p99 by route, table, lines and total",
                "ms CPU",
                AtMost,
                1_200.0,
                self.answer("explore: p99 by route"),
                "",
                None,
            ),
            goal(
                "Explore: BubbleUp of every field, an hour of a day",
                "ms CPU",
                AtMost,
                3_000.0,
                self.answer("explore: bubble up, every field"),
                "",
                None,
            ),
            goal(
                "logs: a token with 19 hits",
                "ms CPU",
                AtMost,
                200.0,
                self.answer("token, 19 hits"),
                "ClickHouse 298",
                Some("token, 19 hits"),
            ),
            goal(
                "logs: an absent token",
                "ms CPU",
                AtMost,
                30.0,
                self.answer("token, absent"),
                "ClickHouse 62",
                Some("token, absent"),
            ),
            goal(
                "logs: newest 100 of a common word",
                "ms CPU",
                AtMost,
                40.0,
                self.answer("newest 100 of a common word"),
                "ClickHouse 596",
                Some("newest 100 of a common word"),
            ),
            goal(
                "logs: count of a substring",
                "ms CPU",
                AtMost,
                1_500.0,
                self.answer("substring, count"),
                "ClickHouse 2,017",
                Some("substring, count"),
            ),
            goal(
                "planning over many parts",
                "ms CPU",
                AtMost,
                5.0,
                self.planning.as_ref().map(|it| it.0.cpu_ms).map_err(Clone::clone),
                "DataFusion's listing 1,300",
                None,
            ),
            goal("start with many parts, wall", "s", AtMost, 0.3, life(|it| it.start_seconds), "", None),
            goal("stop after load, wall", "s", AtMost, 1.0, life(|it| it.stop_seconds), "Tempo over 40", None),
            goal(
                "ingest under a heavy query, room on the core: falls by",
                "%",
                AtMost,
                20.0,
                fall(|it| (1.0 - it.paced_with_query / it.offered.min(it.alone)) * 100.0),
                "",
                None,
            ),
            goal(
                "ingest under a heavy query, one full core for both: falls by",
                "%",
                AtMost,
                20.0,
                fall(|it| (1.0 - it.with_query / it.alone) * 100.0),
                "",
                None,
            ),
        ]
    }

    fn answer(&self, id: &str) -> Measured<f64> {
        let settled = self.settled.as_ref().map_err(Clone::clone)?;
        match settled.answers.get(id) {
            Some(Ok(asked)) => Ok(asked.cpu_ms),
            Some(Err(why)) => Err(why.clone()),
            None => Err("was not asked".to_owned()),
        }
    }

    fn goals_table(&self) -> String {
        let mut out = String::from(
            "| what | unit | goal | measured | | best known peer | best peer in this run |\n|---|---|---|---|---|---|---|\n",
        );
        for goal in self.goals() {
            let sign = if goal.wanted == Wanted::AtLeast { "≥" } else { "≤" };
            let (measured, verdict) = match &goal.measured {
                Ok(figure) => {
                    // More than one: better than the goal, whichever way it points.
                    let factor = if goal.wanted == Wanted::AtLeast { figure / goal.goal } else { goal.goal / figure };
                    let is_met = factor >= 1.0 || *figure <= 0.0 && goal.wanted == Wanted::AtMost;
                    (format!("**{}**", shown(*figure)), if is_met { "met".to_owned() } else { format!("missed: {factor:.2}x") })
                }
                Err(why) => (format!("not measured: {}", in_cell(why)), String::new()),
            };
            let peer = goal.asked.map_or(String::new(), |id| self.best_peer(id, goal.measured.as_ref().ok().copied()));
            let _ = writeln!(
                out,
                "| {} | {} | {sign} {} | {measured} | {verdict} | {} | {peer} |",
                goal.what,
                goal.unit,
                shown(goal.goal),
                goal.known
            );
        }
        out
    }

    /// The peer that needed least, and how many times as much as we that is.
    fn best_peer(&self, id: &str, ours: Option<f64>) -> String {
        let answered =
            self.peers.iter().filter_map(|(key, answers)| Some((key, answers.cpu_ms.get(id)?.as_ref().ok().copied()?)));
        let best = answered.min_by(|a, b| a.1.total_cmp(&b.1));
        let Some(((engine, mode), figure)) = best else { return "not measured".to_owned() };
        let ratio = ours.map_or(String::new(), |ours| format!(", {:.2}x ours", figure / ours));
        format!("{} {}{ratio}", peer_name(*engine, *mode), shown(figure))
    }

    fn ingest_table(&self) -> String {
        let mut out = String::from(
            "| what | B a unit | a CPU second, acked | a CPU second, settled | a second, wall | ack p50 / p99, ms | peak MB | told to come later | lost |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        let rows = [
            ("spans, OTLP/HTTP, flush put off", &self.spans_acked),
            ("spans, OTLP/gRPC, flush put off", &self.spans_grpc),
            ("spans, OTLP/HTTP, as it comes", &self.spans),
            ("log records, OTLP/HTTP, as it comes", &self.lines),
            ("metric points, OTLP/HTTP, flush put off", &self.points),
            ("X-Ray documents, PutTraceSegments, flush put off", &self.documents),
            ("X-Ray documents, datagrams, as it comes", &self.datagrams),
            ("CloudWatch events, PutLogEvents, flush put off", &self.events),
            ("Rollbar items, one a request, as it comes", &self.items),
        ];
        for (what, measured) in rows {
            let _ = match measured {
                Ok(it) => writeln!(
                    out,
                    "| {what} | {} | {} | {} | {} | {:.1} / {:.1} | {:.0} | {} | {} |",
                    shown(it.wire_bytes_each),
                    shown(it.acked_per_cpu_second),
                    if it.disk_bytes_each.is_empty() { String::new() } else { shown(it.all_per_cpu_second) },
                    shown(it.per_second),
                    it.ack_p50.as_secs_f64() * 1e3,
                    it.ack_p99.as_secs_f64() * 1e3,
                    it.peak_megabytes,
                    it.told_later,
                    it.lost,
                ),
                Err(why) => writeln!(out, "| {what} | not measured: {} | | | | | | | |", in_cell(why)),
            };
        }
        if let Ok(groups) = &self.error_groups {
            let _ = writeln!(out, "\nThe Rollbar items of a run make {groups} groups in the list of errors.");
        }
        out
    }

    fn disk_table(&self) -> String {
        let mut out = String::from("| B a row, settled | all | by what lies in the folder |\n|---|---|---|\n");
        for (what, measured) in [("span", &self.spans), ("log record", &self.lines)] {
            let _ = match measured {
                Ok(it) => {
                    let places = it.disk_bytes_each.iter().filter(|(_, bytes)| bytes.abs() >= 0.05);
                    let places: Vec<String> = places.map(|(place, bytes)| format!("{place} {bytes:.1}")).collect();
                    writeln!(
                        out,
                        "| {what}, {} rows just taken in | {:.1} | {} |",
                        grouped(it.units as f64),
                        it.disk_bytes(),
                        places.join(", ")
                    )
                }
                Err(why) => writeln!(out, "| {what} | not measured: {} | |", in_cell(why)),
            };
        }
        if let Ok(settled) = &self.settled {
            for (what, bytes) in ["span", "log record"].into_iter().zip(settled.bytes_each) {
                let _ = writeln!(out, "| {what}, {} rows of the query set | {bytes:.1} | |", grouped(self.sizes.rows as f64));
            }
        }
        for ((engine, mode), answers) in &self.peers {
            for (set, bytes) in &answers.bytes {
                let each = *bytes as f64 / self.sizes.rows as f64;
                let _ = writeln!(out, "| {set}, the same rows, {} | {each:.1} | |", peer_name(*engine, *mode));
            }
        }
        out
    }

    fn visible_table(&self) -> String {
        let mut out = String::from("| kind of query | ms from ack to the answer that shows it |\n|---|---|\n");
        match &self.visible {
            Ok(kinds) => kinds.iter().for_each(|(kind, ms)| {
                let _ = writeln!(out, "| {kind} | {ms:.1} |");
            }),
            Err(why) => {
                let _ = writeln!(out, "| all | not measured: {} |", in_cell(why));
            }
        }
        out
    }

    fn questions_table(&self) -> String {
        let mut out = String::from("| question | CPU ms | first time | wall ms | rows | asked as |\n|---|---|---|---|---|---|\n");
        let mut line = |what: &str, measured: Measured<&Asked>| {
            let _ = match measured {
                Ok(it) => writeln!(
                    out,
                    "| {what} | {} | {} | {} | {} | `{}` |",
                    shown(it.cpu_ms),
                    shown(it.cold_cpu_ms),
                    shown(it.wall_ms),
                    it.rows,
                    in_cell(&it.how)
                ),
                Err(why) => writeln!(out, "| {what} | not measured: {} | | | | |", in_cell(&why)),
            };
        };
        let parts = grouped(self.sizes.trace_parts as f64);
        line(&format!("trace by id, {parts} parts, hit"), self.traces.as_ref().map(|it| &it.0).map_err(Clone::clone));
        line(&format!("trace by id, {parts} parts, miss"), self.traces.as_ref().map(|it| &it.1).map_err(Clone::clone));
        let ids = questions().into_iter().map(|question| question.id);
        for id in ids.chain(posted().into_iter().map(|question| question.id)) {
            let asked = self.settled.as_ref().map_err(Clone::clone).and_then(|it| match it.answers.get(id) {
                Some(asked) => asked.as_ref().map_err(Clone::clone),
                None => Err("was not asked".to_owned()),
            });
            line(id, asked);
        }
        let parts = grouped(self.sizes.many_parts as f64);
        line(&format!("one second of {parts} parts"), self.planning.as_ref().map(|it| &it.0).map_err(Clone::clone));
        let whole = self.planning.as_ref().map_err(Clone::clone).and_then(|it| it.1.as_ref().map_err(Clone::clone));
        line(&format!("any row of {parts} parts"), whole);
        out
    }

    fn peers_table(&self) -> String {
        let mut out = String::from("| question, CPU ms | Cupola |");
        for ((engine, mode), answers) in &self.peers {
            let _ = write!(out, " {} {} |", peer_name(*engine, *mode), answers.version);
        }
        let _ = writeln!(out, "\n|---|---|{}", "---|".repeat(self.peers.len()));
        let ids = questions().into_iter().map(|question| question.id);
        for id in ids.chain(["bubble up", "trace, hit", "trace, miss"]) {
            let ours = match id {
                // Ours are asked among many parts, theirs in the settled files.
                "trace, hit" => self.traces.as_ref().map(|it| it.0.cpu_ms).map_err(Clone::clone),
                "trace, miss" => self.traces.as_ref().map(|it| it.1.cpu_ms).map_err(Clone::clone),
                id => self.answer(id),
            };
            let _ = write!(out, "| {id} | {} |", ours.as_ref().map_or("–".to_owned(), |ms| shown(*ms)));
            for answers in self.peers.values() {
                let cell = match answers.cpu_ms.get(id) {
                    Some(Ok(ms)) => match &ours {
                        Ok(ours) => format!("{} ({:.2}x)", shown(*ms), ms / ours),
                        Err(_) => shown(*ms),
                    },
                    Some(Err(why)) => format!("failed: {}", in_cell(why)),
                    None => "–".to_owned(),
                };
                let _ = write!(out, " {cell} |");
            }
            out.push('\n');
        }
        for failed in &self.peers_failed {
            let _ = writeln!(out, "\nNot measured: {}", in_cell(failed));
        }
        for disagreement in self.disagreements() {
            let _ = writeln!(out, "\nAnswers differ: {}", in_cell(&disagreement));
        }
        out
    }

    /// Peers whose answers are not ours: then one of both is wrong, and its speed means nothing.
    fn disagreements(&self) -> Vec<String> {
        let mut out = Vec::new();
        let Ok(settled) = &self.settled else { return out };
        for question in questions() {
            let Some(Ok(ours)) = settled.answers.get(question.id) else { continue };
            for ((engine, mode), peer) in &self.peers {
                let Some((rows, first)) = peer.told.get(question.id) else { continue };
                let differs = match question.agreed {
                    Agreed::Nothing => false,
                    Agreed::Rows => *rows != ours.rows,
                    Agreed::First => *rows != ours.rows || *first != ours.first,
                };
                if differs {
                    let peer = peer_name(*engine, *mode);
                    let (id, our_rows, our_first) = (question.id, ours.rows, &ours.first);
                    out.push(format!("{id}: {our_rows} rows from {our_first:?} on, {peer} has {rows} from {first:?} on"));
                }
            }
        }
        out
    }

    fn beside(&self) -> String {
        let mut out = String::new();
        let _ = match &self.under_query {
            Ok(it) => writeln!(
                out,
                "- Ingest beside a heavy query (percentiles over {} spans, asked again and again, {} answers meanwhile), both on the \
                 server's one core: {} spans a second alone, {} with it. At an offered {} spans a second, {} were taken in.",
                grouped(self.sizes.rows as f64),
                it.answered,
                shown(it.alone),
                shown(it.with_query),
                shown(it.offered),
                shown(it.paced_with_query)
            ),
            Err(why) => writeln!(out, "- Ingest beside a heavy query: not measured: {why}"),
        };
        let _ = match &self.lifecycle {
            Ok(it) => writeln!(
                out,
                "- Start with {} parts: {:.3} s wall, {:.3} s of it CPU. Stop, with rows in memory that are not in parts yet: {:.3} s. \
                 Idle: {:.1} MB, {:.1} MB of it not pages of the program's file; {:.2} % of a core.",
                grouped(it.parts as f64),
                it.start_seconds,
                it.start_cpu_seconds,
                it.stop_seconds,
                it.idle_megabytes,
                it.idle_own_megabytes,
                it.idle_cpu_share * 100.0
            ),
            Err(why) => writeln!(out, "- Start, stop and idle: not measured: {why}"),
        };
        out
    }
}

fn peer_name(engine: Engine, mode: Mode) -> String {
    let engine = if engine == Engine::DuckDb { "DuckDB" } else { "ClickHouse" };
    format!("{engine}, {}", if mode == Mode::Files { "same files" } else { "own tables" })
}

/// Three digits that matter, thousands apart.
fn shown(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1_000.0 => {
            grouped((figure / 10f64.powi(size.log10() as i32 - 2)).round() * 10f64.powi(size.log10() as i32 - 2))
        }
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Text that does not break a table.
fn in_cell(text: &str) -> String {
    let mut line: String = text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 300 {
        line = line.chars().take(300).collect::<String>() + "…";
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_that_matter() {
        let all = [1_234_567.0, 99_940.0, 1_000.0, 123.4, 12.34, 1.234, 0.05, -4.0].map(shown);
        assert_eq!(all, ["1,230,000", "99,900", "1,000", "123", "12.3", "1.23", "0.05", "-4.00"]);
        assert_eq!([grouped(1_000.0), grouped(100.0), grouped(12_345_678.0)], ["1,000", "100", "12,345,678"]);
    }

    #[test]
    fn a_report_of_nothing_names_every_goal_and_makes_nothing_up() {
        let nothing = || "left out of this run".to_owned();
        let findings = Findings {
            date: "2026-11-21".into(),
            commit: "0000000".into(),
            machine: "none".into(),
            sizes: Sizes::quick(),
            spans_acked: Err(nothing()),
            spans_grpc: Err(nothing()),
            spans: Err(nothing()),
            lines: Err(nothing()),
            points: Err(nothing()),
            documents: Err(nothing()),
            datagrams: Err(nothing()),
            events: Err(nothing()),
            items: Err(nothing()),
            error_groups: Err(nothing()),
            under_query: Err(nothing()),
            lifecycle: Err(nothing()),
            visible: Err(nothing()),
            traces: Err(nothing()),
            planning: Err(nothing()),
            settled: Err(nothing()),
            peers: Peers::new(),
            peers_failed: Vec::new(),
            house: Err(nothing()),
        };
        let text = findings.markdown();
        assert!(!text.contains("{{"), "{text}");
        assert_eq!(findings.missing().len(), findings.goals().len());
        let lines = text.lines().filter(|line| line.contains("not measured: left out of this run"));
        assert!(lines.count() > findings.goals().len());
    }
}
