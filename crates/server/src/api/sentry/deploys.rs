//! Deploys of releases: announced here they are the deploys of Rollbar's API, and are told as those are.

use axum::extract::Path;
use bytes::Bytes;
use engine::ask::occurrences::DeployTold;
use http::StatusCode;
use jiff::Timestamp;
use receivers::{Headers, Incoming};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Told, Wrong, told};
use super::releases::version_of;
use crate::limits::SENTRY_DEPLOYS_TOLD_MAX;
use crate::now_unix_nano;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewDeploy {
    environment: String,
    name: Option<String>,
    url: Option<String>,
    date_started: Option<Value>,
    date_finished: Option<Value>,
}

/// `POST …/releases/{version}/deploys/`.
pub(super) async fn create(Path(path): Path<Vec<(String, String)>>, call: Call) -> Told {
    let release = version_of(path);
    let new: NewDeploy = call.json()?;
    if new.environment.trim().is_empty() {
        return Err(Wrong::invalid("environment: this field may not be blank"));
    }
    let now = now_unix_nano();
    let body = Bytes::from(announcement(&release, &new).to_string());
    let incoming = Incoming {
        headers: Headers(vec![("content-type", "application/json"), ("x-rollbar-access-token", "present")]),
        ..Incoming::new("deploy", now, &body)
    };
    let receiver = receivers::by_name("rollbar")
        .ok_or_else(|| Wrong::new(StatusCode::SERVICE_UNAVAILABLE, "deploys cannot be taken in: their receiver is missing"))?;
    let reply = call.services.ingest.take(receiver, &incoming, &body).await;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if !reply.status.is_success() {
        let reason = answer["message"].as_str().unwrap_or("the deploy was not kept");
        return Err(Wrong::new(reply.status, reason));
    }
    told(&json!({
        "id": answer["data"]["deploy_id"].to_string(),
        "environment": new.environment,
        "name": new.name,
        "url": new.url,
        "dateStarted": new.date_started,
        "dateFinished": new.date_finished,
    }))
}

/// As Rollbar's clients announce it. A deploy that has no end yet has only begun.
fn announcement(release: &str, new: &NewDeploy) -> Value {
    let (service, version) = receivers::sentry::package_and_version(release);
    let comment: Vec<&str> = [&new.name, &new.url].into_iter().flatten().map(String::as_str).collect();
    json!({
        "environment": new.environment,
        "revision": version,
        "service": service,
        "comment": comment.join(" "),
        "status": if new.date_finished.as_ref().is_some_and(|end| !end.is_null()) { "succeeded" } else { "started" },
    })
}

/// `GET …/releases/{version}/deploys/`, latest first.
pub(super) async fn list(Path(path): Path<Vec<(String, String)>>, call: Call) -> Told {
    let release = version_of(path);
    let version = receivers::sentry::version(&release);
    let found = call.services.asker.deploys_told(None, Some(version), 0, SENTRY_DEPLOYS_TOLD_MAX).await;
    let found = found.map_err(|error| Wrong::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    told(&found.iter().map(deploy).collect::<Vec<_>>())
}

fn deploy(deploy: &DeployTold) -> Value {
    let at = Timestamp::from_nanosecond(i128::from(deploy.time_unix_nano)).unwrap_or_default().to_string();
    let finished = (deploy.status != "started").then(|| at.clone());
    json!({
        "id": deploy.number.to_string(),
        "environment": deploy.environment,
        "name": deploy.comment,
        "url": null,
        "dateStarted": at,
        "dateFinished": finished,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deploy_is_announced_by_the_version_that_errors_tell() {
        let announced = |release: &str, deploy: &str| announcement(release, &serde_json::from_str(deploy).unwrap()).to_string();
        let whole =
            r#"{"environment": "production", "name": "web", "url": "http://ci/7", "dateFinished": "2026-11-22T05:00:00Z"}"#;
        expect_test::expect![[
            r#"{"environment":"production","revision":"1.2","service":"shop","comment":"web http://ci/7","status":"succeeded"}"#
        ]]
        .assert_eq(&announced("shop@1.2", whole));
        expect_test::expect![[r#"{"environment":"staging","revision":"1.2","service":null,"comment":"","status":"started"}"#]]
            .assert_eq(&announced("1.2", r#"{"environment": "staging", "dateFinished": null}"#));
    }
}
