//! Releases: a version is known by the errors and source maps that name it, so a release that is announced changes nothing.

use axum::extract::Path;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Told, Wrong, told};
use crate::now_unix_nano;

#[derive(Deserialize)]
struct NewRelease {
    version: String,
}

/// `POST …/releases/`.
pub(super) async fn create(call: Call) -> Told {
    let new: NewRelease = call.json()?;
    if new.version.trim().is_empty() {
        return Err(Wrong::invalid("version: this field may not be blank"));
    }
    told(&release(&new.version))
}

/// `GET` and `PUT …/releases/{version}/`.
pub(super) async fn one(Path(path): Path<Vec<(String, String)>>, _: Call) -> Told {
    let version = path.into_iter().find(|(name, _)| name == "version").map(|(_, version)| version).unwrap_or_default();
    told(&release(&version))
}

fn release(version: &str) -> Value {
    let now = Timestamp::from_nanosecond(i128::from(now_unix_nano())).unwrap_or_default().to_string();
    json!({ "version": version, "shortVersion": version, "dateCreated": now, "dateReleased": now, "projects": [] })
}

/// `GET …/repos/`: there are none.
pub(super) async fn none(_: Call) -> Told {
    told(&Value::Array(Vec::new()))
}
