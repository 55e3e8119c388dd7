//! Releases: a version is known by the errors and source maps that name it, so a release that is announced changes nothing.
//! Which commit it was built from is kept, and told with the deploys that errors are suspected to come from.

use axum::extract::Path;
use http::StatusCode;
use jiff::Timestamp;
use metastore::ReleaseRevision;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Told, Wrong, told};
use crate::limits::{SENTRY_RELEASE_BYTES_MAX, SENTRY_REVISION_BYTES_MAX};
use crate::now_unix_nano;

#[derive(Deserialize)]
struct NewRelease {
    version: String,
}

/// What `PUT` says of commits; what else it says is left.
#[derive(Default, Deserialize)]
struct Change {
    /// Latest first.
    #[serde(default)]
    commits: Vec<Commit>,
    #[serde(default)]
    refs: Vec<Reference>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    repository: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    commit: String,
    #[serde(default)]
    repository: String,
}

/// `POST …/releases/`.
pub(super) async fn create(call: Call) -> Told {
    let new: NewRelease = call.json()?;
    if new.version.trim().is_empty() {
        return Err(Wrong::invalid("version: this field may not be blank"));
    }
    told(&release(&new.version, None))
}

/// `GET …/releases/{version}/`.
pub(super) async fn one(Path(path): Path<Vec<(String, String)>>, call: Call) -> Told {
    let name = version_of(path);
    let version = receivers::sentry::version(&name).to_owned();
    let known =
        call.services.metastore.release_revisions(&call.services.settings.project, &[version]).await.map_err(unavailable)?;
    told(&release(&name, known.first().map(|known| known.revision.as_str())))
}

/// `PUT …/releases/{version}/`: the commits it was built from, of which the latest is kept.
pub(super) async fn change(Path(path): Path<Vec<(String, String)>>, call: Call) -> Told {
    let name = version_of(path);
    let change: Change = if call.body.is_empty() { Change::default() } else { call.json()? };
    let Some((revision, repository)) = latest(change) else { return told(&release(&name, None)) };
    for (what, text, bytes_max) in [
        ("version", &name, SENTRY_RELEASE_BYTES_MAX),
        ("commit", &revision, SENTRY_REVISION_BYTES_MAX),
        ("repository", &repository, SENTRY_RELEASE_BYTES_MAX),
    ] {
        if text.len() > bytes_max {
            return Err(Wrong::invalid(format!("{what}: expected at most {bytes_max} bytes")));
        }
    }
    let version = receivers::sentry::version(&name).to_owned();
    let kept = ReleaseRevision { version, revision, repository };
    let (metastore, project) = (&call.services.metastore, &call.services.settings.project);
    metastore.put_release_revision(project, &kept, now_unix_nano()).await.map_err(unavailable)?;
    told(&release(&name, Some(&kept.revision)))
}

/// The commit that a release is at, and its repository.
fn latest(change: Change) -> Option<(String, String)> {
    let reference = change.refs.into_iter().map(|reference| (reference.commit, reference.repository));
    let commit = change.commits.into_iter().map(|commit| (commit.id, commit.repository.unwrap_or_default()));
    reference.chain(commit).find(|(revision, _)| !revision.trim().is_empty())
}

/// `GET …/releases/{version}/previous-with-commits/`: none is told, so that clients send the latest commits there are.
pub(super) async fn previous(_: Call) -> Told {
    told(&json!({}))
}

fn release(name: &str, revision: Option<&str>) -> Value {
    let now = Timestamp::from_nanosecond(i128::from(now_unix_nano())).unwrap_or_default().to_string();
    let commit = revision.map(|revision| json!({ "id": revision }));
    json!({
        "version": name,
        "shortVersion": name,
        "dateCreated": now,
        "dateReleased": now,
        "lastCommit": commit,
        "projects": [],
    })
}

/// The release that a path names.
pub(super) fn version_of(path: Vec<(String, String)>) -> String {
    path.into_iter().find(|(name, _)| name == "version").map(|(_, version)| version).unwrap_or_default()
}

fn unavailable(error: metastore::MetastoreError) -> Wrong {
    Wrong::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

/// `GET …/repos/`: there are none.
pub(super) async fn none(_: Call) -> Told {
    told(&Value::Array(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_commit_is_the_releases() {
        let latest = |change: &str| latest(serde_json::from_str(change).unwrap());
        let pair = |revision: &str, repository: &str| Some((revision.to_owned(), repository.to_owned()));
        let commits = r#"{"commits": [{"id": "b", "repository": "shop", "message": "mend"}, {"id": "a"}]}"#;
        assert_eq!(latest(commits), pair("b", "shop"));
        assert_eq!(latest(r#"{"commits": [{"id": "b"}]}"#), pair("b", ""));
        let refs = r#"{"refs": [{"repository": "shop", "commit": "c", "previousCommit": null}], "projects": []}"#;
        assert_eq!(latest(refs), pair("c", "shop"));
        assert_eq!(latest(r#"{"dateReleased": "2026-11-22T05:00:00Z", "refs": []}"#), None);
    }
}
