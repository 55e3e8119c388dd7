//! Deploys: those announced, which are rows, and how they went on, which the metastore remembers.

use axum::extract::Path;
use engine::ask::occurrences::DeployTold;
use metastore::DeployState;
use serde_json::{Value, json};

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, id, seconds, told};
use crate::limits::{ROLLBAR_COMMENT_BYTES_MAX, ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX};
use crate::now_unix_nano;

const STATUSES: [&str; 4] = ["started", "succeeded", "failed", "timed_out"];

/// `GET /deploys/`, latest first.
pub(super) async fn list(call: Call) -> Told {
    let (page, limit) = (call.page()?, call.limit(ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX)?);
    let offset = (page - 1).saturating_mul(limit);
    let asker = &call.services.asker;
    let found = asker.deploys_told(None, None, offset as usize, limit as usize).await?;
    told(&json!({ "page": page, "deploys": with_states(&call, &found).await? }))
}

/// `GET /deploy/{id}`.
pub(super) async fn one(Path(text): Path<String>, call: Call) -> Told {
    told(&found(&call, id("Deploy", &text)?).await?)
}

/// `PATCH /deploy/{id}`: how it went on.
pub(super) async fn change(Path(text): Path<String>, call: Call) -> Told {
    call.is_meant()?;
    let deploy = id("Deploy", &text)?;
    let members = call.members()?;
    let status = members.get("status").and_then(Value::as_str).unwrap_or_default();
    if !STATUSES.contains(&status) {
        return Err(Wrong::invalid(format!("cannot read status from {status:?}: expected {}", STATUSES.join(", "))));
    }
    let comment = members.get("comment").and_then(Value::as_str).map(str::to_owned);
    if comment.as_ref().is_some_and(|comment| comment.len() > ROLLBAR_COMMENT_BYTES_MAX) {
        return Err(Wrong::invalid(format!("a comment has at most {ROLLBAR_COMMENT_BYTES_MAX} bytes")));
    }
    found(&call, deploy).await?;
    let now = now_unix_nano();
    let finished_at_unix_nano = (status != "started").then_some(now);
    let state = DeployState { deploy, status: status.to_owned(), comment, finished_at_unix_nano };
    call.services.metastore.put_deploy_state(call.project(), &state, now).await?;
    told(&found(&call, deploy).await?)
}

async fn found(call: &Call, number: i64) -> Result<Value, Wrong> {
    let found = call.services.asker.deploys_told(Some(number), None, 0, 1).await?;
    with_states(call, &found).await?.pop().ok_or_else(|| Wrong::missing("Deploy"))
}

async fn with_states(call: &Call, deploys: &[DeployTold]) -> Result<Vec<Value>, Wrong> {
    let numbers: Vec<i64> = deploys.iter().map(|deploy| deploy.number).collect();
    let states = call.services.metastore.deploy_states(call.project(), &numbers).await?;
    let state_of = |number| states.iter().find(|state| state.deploy == number);
    Ok(deploys.iter().map(|deploy| deploy_json(deploy, state_of(deploy.number))).collect())
}

/// A deploy that was announced without a status is done when it is announced.
pub(super) fn deploy_json(deploy: &DeployTold, state: Option<&DeployState>) -> Value {
    let announced = if deploy.status.is_empty() { "succeeded" } else { deploy.status.as_str() };
    let status = state.map_or(announced, |state| state.status.as_str());
    let announced_end = (announced != "started").then_some(deploy.time_unix_nano);
    let finished = state.map_or(announced_end, |state| state.finished_at_unix_nano);
    let comment = state.and_then(|state| state.comment.as_deref()).unwrap_or(&deploy.comment);
    json!({
        "id": deploy.number,
        "project_id": PROJECT_ID,
        "environment": deploy.environment,
        "revision": deploy.version,
        "local_username": deploy.user,
        "rollbar_username": deploy.rollbar_user,
        "user_id": null,
        "comment": comment,
        "status": status,
        "start_time": seconds(deploy.time_unix_nano),
        "finish_time": finished.map(seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_deploy_counts() {
        let announced = DeployTold { number: 5, time_unix_nano: 9_000_000_000, comment: "first".into(), ..DeployTold::default() };
        let alone = deploy_json(&announced, None);
        assert_eq!((&alone["status"], &alone["finish_time"]), (&json!("succeeded"), &json!(9)));
        let started = DeployTold { status: "started".into(), ..announced };
        assert_eq!(deploy_json(&started, None)["finish_time"], Value::Null);
        let failed =
            DeployState { deploy: 5, status: "failed".into(), comment: None, finished_at_unix_nano: Some(12_000_000_000) };
        let told = deploy_json(&started, Some(&failed));
        assert_eq!((&told["status"], &told["finish_time"], &told["comment"]), (&json!("failed"), &json!(12), &json!("first")));
    }
}
