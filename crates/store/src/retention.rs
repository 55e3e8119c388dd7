//! Retention: what is too old goes, and when there is not room for all, what is worth least goes first.
//!
//! A run looks at one project: parts past their age end without being read, log groups that have a shorter retention lose
//! their rows, and while spans and logs take more than their budget, a window of time at a time is thinned, as
//! `analysis::retention` plans and judges it. What a window loses in spans and logs is one commit of the catalog: a query
//! sees all of a trace or nothing. Everything may be interrupted anywhere: before the commit nothing happened, after it the
//! window is thinned, and whether it was noted as such makes no difference to the rows, which know their own share.

mod facts;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use analysis::retention::plan::{self, Step, WindowState};
use analysis::retention::survey::{Pins, Survey, Verdicts, Window};
use analysis::retention::{Class, Fate, LEVEL_MAX, Level, TraceKey};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampNanosecondType;
use metastore::{ClassRows, PinKind, RetentionPolicy, RetentionRun, ThinnedWindow};
use model::{Signal, TraceId};
use parking_lot::Mutex;

use crate::columns;
use crate::error::StoreError;
use crate::flush::remove_parts;
use crate::limits::{
    PART_LOG_GROUPS_MAX, PART_WINDOWS_MAX, RETENTION_SLACK_NANOS, RETENTION_STEP_NANOS, RETENTION_TARGET_SHARE,
    RETENTION_WINDOW_NANOS, RETENTION_YOUNG_NANOS, TRACE_SPREAD_NANOS,
};
use crate::part_writer::WrittenPart;
use crate::rewrite::Job;
use crate::snapshot::{Part, TimeRange};
use crate::store::{Inner, blocking};

const DAY_NANOS: i64 = 24 * 3_600 * 1_000_000_000;

/// The attribute that says to which log group of CloudWatch a record belongs.
const LOG_GROUP: &str = "aws.log.group.name";

/// The signals whose rows make up a trace, and share a budget.
const TRACE_SIGNALS: [Signal; 2] = [Signal::Spans, Signal::Logs];

/// Which log groups have rows in a part; parts never change, so it is asked once.
#[derive(Default)]
pub(crate) struct PartLogGroups(Mutex<HashMap<u64, Arc<HashSet<String>>>>);

/// What a run has done so far.
#[derive(Default)]
struct Done {
    parts_ended: u64,
    parts_rewritten: u64,
    said: Vec<String>,
}

impl Inner {
    /// The policy that is in force for a project: its own, or the settings'.
    pub async fn retention_policy(&self, project: &str) -> Result<RetentionPolicy, StoreError> {
        Ok(self.metastore.retention_policy(project).await?.unwrap_or(self.retention))
    }

    /// One run of retention over every project that has parts.
    pub async fn retain_all(self: &Arc<Inner>, cpu_share: f64) -> Result<(), StoreError> {
        let projects: HashSet<String> = self.shared.memory.catalog().tables().map(|(project, _)| project.to_owned()).collect();
        for project in projects {
            self.retain(&project, cpu_share).await?;
        }
        Ok(())
    }

    /// One run of retention over a project. Nothing is noted of a run that had nothing to do.
    pub async fn retain(self: &Arc<Inner>, project: &str, cpu_share: f64) -> Result<RetentionRun, StoreError> {
        let policy = self.retention_policy(project).await?;
        let job = self.job(cpu_share);
        let started = self.shared.clock.now_unix_nano();
        let (rows_before, bytes_before) = self.held(project, &Signal::ALL);
        let mut done = Done::default();
        self.age(&job, project, &policy, started, &mut done).await?;
        self.age_log_groups(&job, project, started, &mut done).await?;
        if let Some(budget) = policy.metrics_bytes_max {
            self.fit_metrics(project, budget, started, &mut done).await?;
        }
        if let Some(budget) = policy.traces_bytes_max {
            self.fit_traces(&job, project, budget, started, &mut done).await?;
        }
        let (rows_after, bytes_after) = self.held(project, &Signal::ALL);
        let run = RetentionRun {
            started_at_unix_nano: started,
            ended_at_unix_nano: self.shared.clock.now_unix_nano(),
            parts_ended: done.parts_ended,
            parts_rewritten: done.parts_rewritten,
            rows_before,
            rows_after,
            bytes_before,
            bytes_after,
            outcome: done.said.join("; "),
        };
        if !run.outcome.is_empty() {
            tracing::info!(
                project,
                run.parts_ended,
                run.parts_rewritten,
                bytes_before,
                bytes_after,
                outcome = run.outcome,
                "retention"
            );
            self.metastore.note_retention_run(project, &run).await?;
        }
        Ok(run)
    }

    /// Rows and bytes of a project's parts.
    pub fn held(&self, project: &str, signals: &[Signal]) -> (u64, u64) {
        let catalog = self.shared.memory.catalog();
        let parts = signals.iter().flat_map(|signal| catalog.parts(project, *signal, TimeRange::ALL));
        parts.fold((0, 0), |(rows, bytes), part| (rows + part.rows, bytes + size(&part)))
    }

    fn parts(&self, project: &str, signal: Signal, range: TimeRange) -> Vec<Part> {
        self.shared.memory.catalog().parts(project, signal, range)
    }

    /// Ends parts that are past their age, and rewrites those that are so for the most part but hold something younger.
    async fn age(
        self: &Arc<Inner>,
        job: &Job,
        project: &str,
        policy: &RetentionPolicy,
        now: i64,
        done: &mut Done,
    ) -> Result<(), StoreError> {
        let _one_job = self.compaction.job.lock().await;
        let days = [policy.spans_days, policy.logs_days, policy.metrics_days];
        let mut ended = Vec::new();
        for (signal, days) in Signal::ALL.into_iter().zip(days) {
            let Some(cutoff) = days.map(|days| before(now, days)) else { continue };
            let old = TimeRange { end_unix_nano: cutoff, ..TimeRange::ALL };
            let (past, partly): (Vec<Part>, Vec<Part>) =
                self.parts(project, signal, old).into_iter().partition(|part| part.max_time < cutoff);
            ended.extend(past);
            let overdue = cutoff.saturating_sub(RETENTION_SLACK_NANOS);
            for part in partly.into_iter().filter(|part| part.min_time < overdue) {
                let (job, old_part) = (job.clone(), part.clone());
                let written = blocking(move || job.rewrite(&old_part, |batch| from(batch, cutoff))).await?;
                self.replace(written.into_iter().collect(), &[part], done).await?;
                done.said.push(format!("rows of {} before their {} days removed", signal.table(), days.unwrap_or(0)));
            }
        }
        if !ended.is_empty() {
            done.said.push(format!("{} parts past their age removed", ended.len()));
            self.replace(Vec::new(), &ended, done).await?;
        }
        let least = policy.spans_days.zip(policy.logs_days).map(|(spans, logs)| spans.max(logs));
        if let Some(days) = least {
            self.metastore.forget_windows(project, before(now, days)).await?;
        }
        Ok(())
    }

    /// Removes the rows of log groups that are past the group's own retention.
    async fn age_log_groups(self: &Arc<Inner>, job: &Job, project: &str, now: i64, done: &mut Done) -> Result<(), StoreError> {
        let cutoffs: HashMap<String, i64> = self
            .metastore
            .log_group_retentions(project)
            .await?
            .into_iter()
            .map(|(name, days)| (name, before(now, days)))
            .collect();
        let Some(newest) = cutoffs.values().copied().max() else { return Ok(()) };
        let _one_job = self.compaction.job.lock().await;
        let mut removed = 0;
        for part in self.parts(project, Signal::Logs, TimeRange { end_unix_nano: newest, ..TimeRange::ALL }) {
            let groups = self.log_groups_of(job, &part).await?;
            let is_due = |(name, cutoff): (&String, &i64)| {
                groups.contains(name) && (part.max_time < *cutoff || part.min_time < cutoff.saturating_sub(RETENTION_SLACK_NANOS))
            };
            if !cutoffs.iter().any(is_due) {
                continue;
            }
            let (job, old, cutoffs) = (job.clone(), part.clone(), cutoffs.clone());
            let written = blocking(move || job.rewrite(&old, |batch| within_groups(batch, &cutoffs))).await?;
            removed += part.rows - written.as_ref().map_or(0, |written| written.part.rows);
            self.replace(written.into_iter().collect(), &[part], done).await?;
        }
        if removed > 0 {
            done.said.push(format!("{removed} log events past their group's retention removed"));
        }
        Ok(())
    }

    async fn log_groups_of(self: &Arc<Inner>, job: &Job, part: &Part) -> Result<Arc<HashSet<String>>, StoreError> {
        if let Some(known) = self.log_groups.0.lock().get(&part.id) {
            return Ok(Arc::clone(known));
        }
        let (job, asked) = (job.clone(), part.clone());
        let groups = Arc::new(blocking(move || read_log_groups(&job, &asked)).await?);
        let mut known = self.log_groups.0.lock();
        if known.len() >= PART_LOG_GROUPS_MAX {
            known.clear();
        }
        known.insert(part.id, Arc::clone(&groups));
        Ok(groups)
    }

    /// Ends the oldest parts of metrics until the rest fits. Points are not thinned: a series with gaps has other rates, and
    /// a weight means nothing for a gauge.
    async fn fit_metrics(self: &Arc<Inner>, project: &str, budget: u64, now: i64, done: &mut Done) -> Result<(), StoreError> {
        let _one_job = self.compaction.job.lock().await;
        let (_, mut bytes) = self.held(project, &[Signal::Metrics]);
        if bytes <= budget {
            return Ok(());
        }
        let mut parts = self.parts(project, Signal::Metrics, TimeRange::ALL);
        parts.sort_by_key(|part| part.max_time);
        let mut ended = Vec::new();
        let target = target(budget);
        for part in parts.into_iter().filter(|part| part.max_time < now.saturating_sub(RETENTION_YOUNG_NANOS)) {
            if bytes <= target {
                break;
            }
            bytes -= size(&part);
            ended.push(part);
        }
        if !ended.is_empty() {
            done.said.push(format!("{} parts of metrics beyond the budget removed", ended.len()));
            self.replace(Vec::new(), &ended, done).await?;
        }
        if bytes > budget {
            done.said.push(format!("metrics of the last hour alone take {bytes} bytes, more than their budget"));
        }
        Ok(())
    }

    /// Thins windows until spans and logs fit their budget.
    async fn fit_traces(
        self: &Arc<Inner>,
        job: &Job,
        project: &str,
        budget: u64,
        now: i64,
        done: &mut Done,
    ) -> Result<(), StoreError> {
        let (_, bytes) = self.held(project, &TRACE_SIGNALS);
        if bytes <= budget {
            return Ok(());
        }
        let pins = Arc::new(self.pins(project).await?);
        let young_from = now.saturating_sub(RETENTION_YOUNG_NANOS);
        // Each window is looked at once a run, so that a run ends whatever the estimates were worth.
        let mut seen: HashSet<i64> = HashSet::new();
        loop {
            let (_, bytes) = self.held(project, &TRACE_SIGNALS);
            let windows = self.windows(project).await?;
            let (open, fixed): (Vec<WindowState>, Vec<WindowState>) =
                windows.into_iter().partition(|window| !seen.contains(&window.start));
            let fixed_bytes = fixed.iter().map(|window| window.bytes).sum();
            // When the first window is chosen the budget is exceeded, and then there is to be room to spare.
            let steps = plan::steps(&open, fixed_bytes, target(budget), young_from, now);
            let Some(step) = plan::joined(&steps, RETENTION_STEP_NANOS).first().copied() else {
                if bytes > budget {
                    done.said.push(format!(
                        "spans and logs take {bytes} bytes, {} more than their budget: the last hour is kept whole",
                        bytes - budget
                    ));
                }
                return Ok(());
            };
            seen.extend(open.iter().map(|window| window.start).filter(|start| (step.start..step.end).contains(start)));
            self.thin(job, project, step, &pins, &open, now, done).await?;
        }
    }

    /// What is pinned, as the judge wants it.
    async fn pins(&self, project: &str) -> Result<Pins, StoreError> {
        let mut pins = Pins::default();
        for pin in self.metastore.pins(project).await? {
            match (pin.pin.kind, pin.pin.range) {
                (PinKind::Trace, _) => {
                    pins.traces.extend(TraceId::parse(&pin.pin.value).ok().map(|id| TraceKey::new(&id.0)));
                }
                (PinKind::ErrorGroup, _) => {
                    pins.error_groups.insert(pin.pin.value);
                }
                (PinKind::TimeRange, range) => pins.ranges.extend(range),
            }
        }
        Ok(pins)
    }

    /// The hours that have spans or logs, with the bytes that fall to each and how far each was thinned.
    async fn windows(&self, project: &str) -> Result<Vec<WindowState>, StoreError> {
        let parts: Vec<Part> = TRACE_SIGNALS.iter().flat_map(|signal| self.parts(project, *signal, TimeRange::ALL)).collect();
        let bytes = bytes_by_window(&parts);
        let noted: HashMap<i64, ThinnedWindow> =
            self.metastore.thinned_windows(project).await?.into_iter().map(|window| (window.start_unix_nano, window)).collect();
        let state = |(start, bytes): (i64, u64)| {
            let noted = noted.get(&start);
            // What came late lifts a window above what it was left with; it is then thinned to the same level again.
            let came_late = noted.is_some_and(|noted| bytes > noted.bytes_after.saturating_mul(2));
            let level = noted.map_or(0, |noted| noted.level.saturating_sub(u8::from(came_late)));
            let classes = noted.filter(|_| !came_late).map(|noted| {
                let ClassRows { plain, notable, error, pinned } = noted.rows;
                [plain, notable, error, pinned]
            });
            WindowState { start, end: start + RETENTION_WINDOW_NANOS, level: Level::new(level), bytes, classes }
        };
        Ok(bytes.into_iter().map(state).collect())
    }

    /// Brings one stretch of time to a level, in one commit. Between two steps other jobs have their turn.
    #[expect(clippy::too_many_arguments, reason = "one step of one run; the arguments are the run")]
    async fn thin(
        self: &Arc<Inner>,
        job: &Job,
        project: &str,
        step: Step,
        pins: &Arc<Pins>,
        windows: &[WindowState],
        now: i64,
        done: &mut Done,
    ) -> Result<(), StoreError> {
        let window = Window { start: step.start, end: step.end, spread: TRACE_SPREAD_NANOS };
        let _one_job = self.compaction.job.lock().await;
        let (from, to) = window.around();
        let around = TimeRange { start_unix_nano: from, end_unix_nano: to };
        let parts: Vec<Part> = TRACE_SIGNALS.iter().flat_map(|signal| self.parts(project, *signal, around)).collect();
        let (job, pins) = (job.clone(), Arc::clone(pins));
        let thinned = blocking(move || thin_parts(&job, window, step.to, &parts, &pins)).await?;
        done.said.push(format!(
            "{} h from {} thinned to {}",
            (step.end - step.start) / RETENTION_WINDOW_NANOS,
            step.start,
            step.to
        ));
        if thinned.overflowed {
            tracing::warn!(
                project,
                start = step.start,
                end = step.end,
                "more units than can be remembered; some counted as plain"
            );
        }
        self.replace(thinned.written, &thinned.replaced, done).await?;
        let kept: Vec<Part> = TRACE_SIGNALS.iter().flat_map(|signal| self.parts(project, *signal, around)).collect();
        let bytes_after = bytes_by_window(&kept);
        let left = |start: i64| thinned.counts.get(&start).copied().unwrap_or_default();
        let noted: Vec<ThinnedWindow> = windows
            .iter()
            .filter(|window| (step.start..step.end).contains(&window.start))
            .map(|window| {
                let [plain, notable, error, pinned] = left(window.start).after;
                ThinnedWindow {
                    start_unix_nano: window.start,
                    end_unix_nano: window.end,
                    level: step.to.number(),
                    rows: ClassRows { plain, notable, error, pinned },
                    rows_before: left(window.start).before,
                    bytes_before: window.bytes,
                    bytes_after: bytes_after.get(&window.start).copied().unwrap_or(0),
                    thinned_at_unix_nano: now,
                }
            })
            .collect();
        Ok(self.metastore.note_thinned_windows(project, &noted).await?)
    }

    async fn replace(self: &Arc<Inner>, written: Vec<WrittenPart>, replaced: &[Part], done: &mut Done) -> Result<(), StoreError> {
        if replaced.is_empty() {
            return Ok(());
        }
        done.parts_rewritten += written.len() as u64;
        done.parts_ended += (replaced.len() - written.len()) as u64;
        self.replace_parts(written, replaced, None).await
    }
}

/// So many days before now.
fn before(now: i64, days: u32) -> i64 {
    now.saturating_sub(i64::from(days).saturating_mul(DAY_NANOS))
}

fn target(budget: u64) -> u64 {
    (budget as f64 * RETENTION_TARGET_SHARE) as u64
}

fn size(part: &Part) -> u64 {
    part.bytes + part.sidecar_bytes
}

/// The bytes that fall to each hour, as if a part's rows were evenly spread over its time.
fn bytes_by_window(parts: &[Part]) -> BTreeMap<i64, u64> {
    let mut windows = BTreeMap::new();
    for part in parts {
        let first = part.min_time.div_euclid(RETENTION_WINDOW_NANOS);
        let last = part.max_time.div_euclid(RETENTION_WINDOW_NANOS);
        if last - first >= PART_WINDOWS_MAX {
            *windows.entry(last * RETENTION_WINDOW_NANOS).or_default() += size(part);
            continue;
        }
        let length = (part.max_time - part.min_time) as f64 + 1.0;
        for window in first..=last {
            let start = window * RETENTION_WINDOW_NANOS;
            let covered = (part.max_time.min(start + RETENTION_WINDOW_NANOS - 1) - part.min_time.max(start)) as f64 + 1.0;
            *windows.entry(start).or_default() += (size(part) as f64 * covered / length) as u64;
        }
    }
    windows
}

/// Rows of one hour, before and after.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    before: u64,
    /// By class.
    after: [u64; 4],
}

#[derive(Default)]
struct Thinned {
    written: Vec<WrittenPart>,
    replaced: Vec<Part>,
    counts: BTreeMap<i64, Counts>,
    overflowed: bool,
}

/// Judges the rows of a window and writes the parts that lose some of them anew.
fn thin_parts(job: &Job, window: Window, level: Level, parts: &[Part], pins: &Pins) -> Result<Thinned, StoreError> {
    let mut thinned = Thinned::default();
    let result = match level {
        LEVEL_MAX => thin_to_nothing(job, window, parts, &mut thinned),
        level => thin_to(job, window, level, parts, pins, &mut thinned),
    };
    match result {
        Ok(()) => Ok(thinned),
        Err(error) => {
            remove_parts(&job.place, &thinned.written);
            Err(error)
        }
    }
}

fn thin_to(
    job: &Job,
    window: Window,
    level: Level,
    parts: &[Part],
    pins: &Pins,
    thinned: &mut Thinned,
) -> Result<(), StoreError> {
    let verdicts = judge(job, window, parts, pins)?;
    thinned.overflowed = verdicts.overflowed();
    for part in parts.iter().filter(|part| part.max_time >= window.start) {
        if !count(job, window, level, part, &verdicts, &mut thinned.counts)? {
            continue;
        }
        let written = job.rewrite(part, |batch| {
            let judged = facts::judged(&batch, part.signal, &verdicts, level);
            facts::after(&batch, &judged).map(Some)
        })?;
        thinned.written.extend(written);
        thinned.replaced.push(part.clone());
    }
    Ok(())
}

/// Looks at the rows in and around the window twice.
fn judge(job: &Job, window: Window, parts: &[Part], pins: &Pins) -> Result<Verdicts, StoreError> {
    let mut survey = Survey::default();
    each_batch(job, window, parts, |signal, batch| match signal {
        Signal::Spans => facts::Spans::of(batch).each().for_each(|span| survey.span(&span)),
        _ => facts::Logs::of(batch).each().for_each(|log| survey.log(&log)),
    })?;
    let mut judge = survey.judge(window, pins);
    each_batch(job, window, parts, |signal, batch| match signal {
        Signal::Spans => facts::Spans::of(batch).each().for_each(|span| judge.span(&span)),
        _ => facts::Logs::of(batch).each().for_each(|log| judge.log(&log)),
    })?;
    Ok(judge.verdicts())
}

/// Every row in and around the window, with the columns that the judge asks for.
fn each_batch(job: &Job, window: Window, parts: &[Part], mut look: impl FnMut(Signal, &RecordBatch)) -> Result<(), StoreError> {
    let (from, to) = window.around();
    let range = TimeRange { start_unix_nano: from, end_unix_nano: to };
    for part in parts {
        for batch in job.read(part, Some(asked(part.signal)), range)? {
            let batch = between(batch?, range)?;
            if batch.num_rows() > 0 {
                look(part.signal, &batch);
            }
        }
    }
    Ok(())
}

fn asked(signal: Signal) -> &'static [&'static str] {
    if signal == Signal::Spans { &facts::SPAN_COLUMNS } else { &facts::LOG_COLUMNS }
}

/// Counts what becomes of a part's rows; says whether any of them changes.
fn count(
    job: &Job,
    window: Window,
    level: Level,
    part: &Part,
    verdicts: &Verdicts,
    counts: &mut BTreeMap<i64, Counts>,
) -> Result<bool, StoreError> {
    let mut changes = false;
    let range = TimeRange { start_unix_nano: window.start, end_unix_nano: window.end.saturating_add(window.spread) };
    for batch in job.read(part, Some(asked(part.signal)), range)? {
        let batch = batch?;
        let Some(times) = times(&batch) else { continue };
        for (time, judged) in times.iter().zip(facts::judged(&batch, part.signal, verdicts, level)) {
            let Some((class, fate)) = judged else { continue };
            let hour = (*time).min(window.end - 1).div_euclid(RETENTION_WINDOW_NANOS) * RETENTION_WINDOW_NANOS;
            let counts = counts.entry(hour).or_default();
            counts.before += 1;
            counts.after[class as usize] += u64::from(fate != Fate::Goes);
            changes |= fate != Fate::Stays;
        }
    }
    Ok(changes)
}

/// Nothing is left of the window: parts within it end without being read.
fn thin_to_nothing(job: &Job, window: Window, parts: &[Part], thinned: &mut Thinned) -> Result<(), StoreError> {
    let inside = TimeRange { start_unix_nano: window.start, end_unix_nano: window.end };
    for part in parts.iter().filter(|part| inside.overlaps(part.min_time, part.max_time)) {
        let is_within = part.min_time >= window.start && part.max_time < window.end;
        if !is_within {
            let written = job.rewrite(part, |batch| outside(batch, inside).map(Some))?;
            if written.as_ref().is_some_and(|written| written.part.rows == part.rows) {
                // No row of it was meant; what was written for nothing is not kept.
                remove_parts(&job.place, written.as_slice());
                continue;
            }
            thinned.written.extend(written);
        }
        thinned.replaced.push(part.clone());
    }
    for hour in (window.start..window.end).step_by(RETENTION_WINDOW_NANOS as usize) {
        thinned.counts.insert(hour, Counts { before: 0, after: [0; Class::ALL.len()] });
    }
    Ok(())
}

fn times(batch: &RecordBatch) -> Option<&[i64]> {
    let column = batch.column_by_name(columns::TIME)?;
    column.as_primitive_opt::<TimestampNanosecondType>().map(|times| &times.values()[..])
}

fn filtered(batch: &RecordBatch, stays: impl Fn(i64) -> bool) -> Result<RecordBatch, StoreError> {
    let times = times(batch).ok_or_else(|| StoreError::Corrupt("part without a time column".into()))?;
    let mask: BooleanArray = times.iter().map(|time| Some(stays(*time))).collect();
    Ok(filter_record_batch(batch, &mask)?)
}

fn between(batch: RecordBatch, range: TimeRange) -> Result<RecordBatch, StoreError> {
    filtered(&batch, |time| range.overlaps(time, time))
}

fn outside(batch: RecordBatch, range: TimeRange) -> Result<RecordBatch, StoreError> {
    filtered(&batch, |time| !range.overlaps(time, time))
}

fn from(batch: RecordBatch, start: i64) -> Result<Option<RecordBatch>, StoreError> {
    filtered(&batch, |time| time >= start).map(Some)
}

/// The log groups that a part has rows of.
fn read_log_groups(job: &Job, part: &Part) -> Result<HashSet<String>, StoreError> {
    let mut groups: HashSet<String> = HashSet::new();
    for batch in job.read(part, Some(&[LOG_GROUP]), TimeRange::ALL)? {
        let batch = batch?;
        let Some(names) = batch.column_by_name(LOG_GROUP).and_then(|column| column.as_string_opt::<i32>()) else { break };
        for name in names.iter().flatten() {
            if !groups.contains(name) {
                groups.insert(name.to_owned());
            }
        }
    }
    Ok(groups)
}

/// The rows that are not past the retention of their log group.
fn within_groups(batch: RecordBatch, cutoffs: &HashMap<String, i64>) -> Result<Option<RecordBatch>, StoreError> {
    let names = batch.column_by_name(LOG_GROUP).and_then(|column| column.as_string_opt::<i32>());
    let (Some(names), Some(times)) = (names, times(&batch)) else { return Ok(Some(batch)) };
    let stays = |row: usize| names.is_null(row) || cutoffs.get(names.value(row)).is_none_or(|cutoff| times[row] >= *cutoff);
    let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(stays(row))).collect();
    Ok(Some(filter_record_batch(&batch, &mask)?))
}
