//! `GET /api/errors/{group}/suspects`: the deploys after which an error appeared, the likeliest first.

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::UnixNano;
use engine::ask::occurrences::DeployTold;
use metastore::{ErrorItem, ItemVersion};
use serde::Serialize;
use utoipa::ToSchema;

use super::item::found;
use crate::Services;
use crate::api::refusal::Refusal;
use crate::limits::SUSPECT_DEPLOYS_LOOKED_AT;

const HOUR_NS: i64 = 3_600_000_000_000;

/// What a deploy broke is seen within days; what was seen a week later had another cause as well.
const LONGEST_NS: i64 = 7 * 24 * HOUR_NS;

const TOLD_MAX: usize = 3;

#[derive(Serialize, ToSchema)]
pub struct ErrorSuspects {
    pub suspects: Vec<SuspectDeploy>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SuspectDeploy {
    pub deploy_id: i64,
    pub time_unix_nano: UnixNano,
    pub environment: String,
    pub version: String,
    /// The commit that the version was built from; empty where nobody announced it.
    pub revision: String,
    pub user: String,
    pub comment: String,
    /// Up to one.
    pub score: f64,
    pub why: String,
}

/// The deploys that may have brought an error, or brought it back.
#[utoipa::path(get, tag = "Errors", operation_id = "error_suspects", path = "/api/errors/{group}/suspects", params(("group" = String, Path, description = "one of the item's groups, or its number")), responses((status = 200, body = ErrorSuspects), (status = 404, body = Refusal)))]
pub async fn suspects(State(services): State<Services>, Path(group): Path<String>) -> Result<Json<ErrorSuspects>, Refusal> {
    let (item, _) = found(&services, &group).await?;
    let versions = services.metastore.error_item_versions(item.id).await?;
    let deploys = services.asker.deploys_told(None, None, 0, SUSPECT_DEPLOYS_LOOKED_AT).await?;
    let mut suspects = ranked(&item, &versions, &deploys);
    let versions: Vec<String> = suspects.iter().map(|suspect| suspect.version.clone()).collect();
    for release in services.metastore.release_revisions(&services.settings.project, &versions).await? {
        for suspect in suspects.iter_mut().filter(|suspect| suspect.version == release.version) {
            suspect.revision.clone_from(&release.revision);
        }
    }
    Ok(Json(ErrorSuspects { suspects }))
}

/// A deploy of the version that the error was first seen in is the likeliest, then the last one before it came.
fn ranked(item: &ErrorItem, versions: &[ItemVersion], deploys: &[DeployTold]) -> Vec<SuspectDeploy> {
    let came = item.last_activated_at_unix_nano.max(item.first_seen_unix_nano);
    let is_back = came > item.first_seen_unix_nano;
    let first = versions.iter().filter(|seen| !seen.version.is_empty()).min_by_key(|seen| seen.first_seen_unix_nano);
    let environments: Vec<&str> =
        versions.iter().map(|seen| seen.environment.as_str()).chain([item.environment.as_str()]).collect();
    let mut out: Vec<SuspectDeploy> = deploys
        .iter()
        .filter(|deploy| deploy.environment.is_empty() || environments.contains(&deploy.environment.as_str()))
        .filter(|deploy| (0..=LONGEST_NS).contains(&(came - deploy.time_unix_nano)))
        .map(|deploy| {
            let hours = (came - deploy.time_unix_nano) as f64 / HOUR_NS as f64;
            let closeness = 1.0 / (1.0 + hours / 6.0);
            let is_its_version = !is_back && first.is_some_and(|first| first.version == deploy.version);
            let came_after = format!("{} {} after it", if is_back { "came back" } else { "first seen" }, length(hours));
            let (score, why) = match is_its_version {
                true => (0.5 + closeness / 2.0, format!("{came_after}, in the version that was deployed")),
                false => (closeness / 2.0, came_after),
            };
            let user = if deploy.rollbar_user.is_empty() { &deploy.user } else { &deploy.rollbar_user };
            SuspectDeploy {
                deploy_id: deploy.number,
                time_unix_nano: UnixNano(deploy.time_unix_nano),
                environment: deploy.environment.clone(),
                version: deploy.version.clone(),
                revision: String::new(),
                user: user.clone(),
                comment: deploy.comment.clone(),
                score: (score * 100.0).round() / 100.0,
                why,
            }
        })
        .collect();
    out.sort_by(|one, other| other.score.total_cmp(&one.score).then(other.time_unix_nano.0.cmp(&one.time_unix_nano.0)));
    out.truncate(TOLD_MAX);
    out
}

fn length(hours: f64) -> String {
    match hours {
        short if short < 1.0 / 60.0 => "seconds".to_owned(),
        short if short < 1.5 => format!("{:.0} min", short * 60.0),
        short if short < 48.0 => format!("{short:.0} h"),
        long => format!("{:.0} days", long / 24.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deploy(number: i64, hour: i64, environment: &str, version: &str) -> DeployTold {
        DeployTold {
            number,
            time_unix_nano: hour * HOUR_NS,
            environment: environment.into(),
            version: version.into(),
            user: "ann".into(),
            rollbar_user: String::new(),
            status: String::new(),
            comment: String::new(),
        }
    }

    #[test]
    fn the_version_it_came_with_is_likelier_than_the_last_deploy() {
        let item = ErrorItem {
            environment: "production".into(),
            first_seen_unix_nano: 100 * HOUR_NS,
            last_activated_at_unix_nano: 100 * HOUR_NS,
            ..ErrorItem::default()
        };
        let seen = ItemVersion {
            environment: "production".into(),
            version: "2".into(),
            first_seen_unix_nano: 100 * HOUR_NS,
            last_seen_unix_nano: 100 * HOUR_NS,
            occurrences: 1,
        };
        let deploys = [
            deploy(4, 101, "production", "3"),
            deploy(3, 99, "staging", "2"),
            deploy(2, 99, "production", "x"),
            deploy(1, 94, "production", "2"),
        ];
        let told: Vec<(i64, f64, String)> =
            ranked(&item, &[seen], &deploys).into_iter().map(|suspect| (suspect.deploy_id, suspect.score, suspect.why)).collect();
        let expected = [
            (1, 0.75, "first seen 6 h after it, in the version that was deployed".to_owned()),
            (2, 0.43, "first seen 60 min after it".to_owned()),
        ];
        assert_eq!(told, expected);
        let back = ErrorItem { last_activated_at_unix_nano: 102 * HOUR_NS, ..item };
        assert_eq!(ranked(&back, &[], &deploys)[0].why, "came back 60 min after it");
    }
}
