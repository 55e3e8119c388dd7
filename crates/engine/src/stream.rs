//! A question told while it is worked on: progress twice a second or so, rows as they are found, and how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::answer::QueryStats;
use crate::engine::{AbortOnDrop, cut_at};
use crate::error::EngineError;
use crate::limits::{DAMAGED_PARTS_PER_QUESTION_MAX, STREAM_EVENTS_QUEUED_MAX};
use crate::session::{Session, rows_scanned};

/// What happens while a question is worked on.
#[derive(Debug)]
pub enum SqlEvent {
    /// The answer's columns; once, at first.
    Columns(SchemaRef),
    Progress(SqlProgress),
    /// Some rows of the answer. Aggregates have theirs only at the end.
    Rows(RecordBatch),
    /// What was told so far does not hold: a damaged part was set aside, and the question begins anew without it.
    Restarted,
    /// The end of a whole answer.
    Ended {
        stats: QueryStats,
        truncated: Option<String>,
    },
    /// The end of one that failed.
    Failed(EngineError),
}

/// How far a question is.
#[derive(Clone, Copy, Debug)]
pub struct SqlProgress {
    /// What it rests on so far.
    pub stats: QueryStats,
    /// Of all rows, how many need not be looked at any more; between 0 and 1.
    pub share: f64,
}

/// The events of one question. Dropping it ends the work.
pub struct SqlStream {
    events: mpsc::Receiver<SqlEvent>,
    _work: AbortOnDrop<()>,
}

impl SqlStream {
    /// The next event; nothing after the last.
    pub async fn next(&mut self) -> Option<SqlEvent> {
        self.events.recv().await
    }
}

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) fn start(session: Session, frame: DataFrame, rows_max: usize) -> SqlStream {
    let (sender, events) = mpsc::channel(STREAM_EVENTS_QUEUED_MAX);
    let engine = session.engine.clone();
    let work = engine.spawn(async move {
        let time_max = session.engine.options.time_max;
        let told = tokio::time::timeout(time_max, tell(&session, frame, rows_max, &sender)).await;
        let last = match told {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => SqlEvent::Failed(error),
            Err(_) => SqlEvent::Failed(EngineError::OutOfTime { seconds: time_max.as_secs() }),
        };
        // Whoever asked may be gone; then nobody wants to know.
        let _ = sender.send(last).await;
    });
    SqlStream { events, _work: work }
}

async fn tell(
    session: &Session,
    frame: DataFrame,
    rows_max: usize,
    events: &mpsc::Sender<SqlEvent>,
) -> Result<SqlEvent, EngineError> {
    let started = Instant::now();
    let (state, plan) = frame.into_parts();
    let columns: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
    let _ = events.send(SqlEvent::Columns(columns)).await;
    let mut left = DAMAGED_PARTS_PER_QUESTION_MAX;
    loop {
        match tell_once(session, &state, &plan, rows_max, started, events).await {
            Err(error) if left > 0 && session.leave_out_damaged() => {
                tracing::warn!(%error, "a question is asked again without a damaged part");
                let _ = events.send(SqlEvent::Restarted).await;
                left -= 1;
            }
            outcome => return outcome,
        }
    }
}

async fn tell_once(
    session: &Session,
    state: &SessionState,
    plan: &LogicalPlan,
    rows_max: usize,
    started: Instant,
    events: &mpsc::Sender<SqlEvent>,
) -> Result<SqlEvent, EngineError> {
    let physical = state.create_physical_plan(plan).await?;
    let stats = |physical: &Arc<dyn ExecutionPlan>| QueryStats {
        elapsed: started.elapsed(),
        rows_scanned: rows_scanned(physical),
        ..session.seen()
    };
    let mut rows = execute_stream(Arc::clone(&physical), state.task_ctx())?;
    let mut told = 0;
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let truncated = loop {
        let batch = tokio::select! {
            biased;
            _ = tick.tick() => {
                let progress = SqlProgress { stats: stats(&physical), share: session.view.progress.share() };
                // A slow reader gets the next one.
                let _ = events.try_send(SqlEvent::Progress(progress));
                continue;
            }
            batch = rows.next() => batch,
        };
        let Some(batch) = batch.transpose()? else { break None };
        let keep = batch.num_rows().min(rows_max - told);
        told += keep;
        if keep > 0 && events.send(SqlEvent::Rows(batch.slice(0, keep))).await.is_err() {
            break None;
        }
        if keep < batch.num_rows() {
            break Some(cut_at(rows_max));
        }
    };
    drop(rows);
    Ok(SqlEvent::Ended { stats: stats(&physical), truncated })
}
