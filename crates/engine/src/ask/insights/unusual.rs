//! What is unusual about the lines of log groups: patterns that are new, or come in sudden numbers.
//!
//! Quirks:  a filter pattern of documents or of fields that stand in order leaves in what only its matcher could leave out

use analysis::log_patterns::{LogPattern, STEPS_MAX, Unusual, unusual};
use datafusion::logical_expr::{LogicalPlanBuilder, lit};
use datafusion::prelude::ident;
use languages::filter_pattern::{self, Pattern};

use super::events::{EventSources, Tables};
use super::protection::GroupMasks;
use super::stages::{columns, nanos};
use crate::ask::Asker;
use crate::ask::log_patterns::mined;
use crate::error::EngineError;

impl Asker {
    /// Patterns of the lines of log groups that are unusual, each with its lines by steps of so many nanoseconds.
    pub async fn unusual_patterns(
        &self,
        sources: &EventSources,
        masks: &GroupMasks,
        filter: Option<&Pattern>,
        step_nanos: i64,
    ) -> Result<Vec<(LogPattern, Unusual)>, EngineError> {
        let session = self.session(sources.range()).await?;
        let tables = Tables::of(&session).await?;
        let mut plan = tables.events(sources, masks, false)?;
        if let Some(necessary) = filter.and_then(|filter| filter_pattern::lower(filter, &ident("body")).necessary) {
            plan = LogicalPlanBuilder::from(plan).filter(necessary)?.build()?;
        }
        let step = (nanos(&plan) - lit(sources.start_unix_nano)) / lit(step_nanos.max(1));
        let (found, _) = mined(&session, plan.clone(), columns(&plan, ident("body"), step)).await?;
        let patterns = found.patterns();
        let length = sources.end_unix_nano.saturating_sub(sources.start_unix_nano) / step_nanos.max(1);
        let mut all = vec![0.0; usize::try_from(length).unwrap_or(0).min(STEPS_MAX)];
        for pattern in &patterns {
            all.iter_mut().zip(&pattern.steps).for_each(|(all, own)| *all += own);
        }
        let judged = patterns.into_iter().filter_map(|pattern| Some((unusual(&pattern, &all)?, pattern)));
        Ok(judged.map(|(unusual, pattern)| (pattern, unusual)).collect())
    }
}
