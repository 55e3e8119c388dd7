//! What people configure, kept as documents and given back: putting, finding, listing page by page.

use metastore::{Resource, ResourceKind, ResourcesMax};
use receivers::aws::AwsError;
use receivers::cloudwatch::tokens::PageToken;
use serde_json::{Map, Value, json};

use super::{Answer, LogsApi, NANOS_PER_MS, aws_error, page_after, unavailable};
use crate::Services;

/// Of one kind, where the service has no limit of its own: a list of them is read whole.
pub const OF_KIND_MAX: ResourcesMax = ResourcesMax::OfKind(5_000);

/// Entries of one page, where the request does not say.
const PAGE_DEFAULT: usize = 50;

/// A document and when it was written.
#[derive(Clone, Debug)]
pub struct Stored {
    pub owner: String,
    pub name: String,
    pub document: Map<String, Value>,
    pub created_ms: i64,
    pub changed_ms: i64,
}

impl Stored {
    pub fn read(resource: Resource) -> Result<Stored, AwsError> {
        let document = serde_json::from_str(&resource.document).map_err(unavailable)?;
        Ok(Stored {
            owner: resource.owner,
            name: resource.name,
            document,
            created_ms: resource.created_at_unix_nano / NANOS_PER_MS,
            changed_ms: resource.changed_at_unix_nano / NANOS_PER_MS,
        })
    }

    pub fn text(&self, member: &str) -> &str {
        self.document.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What things of a log group belong to.
pub fn of_group(group: &str) -> String {
    format!("log-group/{group}")
}

/// The group that such an owner names.
pub fn group_of(owner: &str) -> &str {
    owner.strip_prefix("log-group/").unwrap_or(owner)
}

/// What is kept of a kind, in the order of names.
pub(super) async fn all(services: &Services, kind: ResourceKind, owner: Option<&str>) -> Result<Vec<Stored>, AwsError> {
    let found = services.metastore.resources(&services.settings.project, kind, owner).await.map_err(aws_error)?;
    found.into_iter().map(Stored::read).collect()
}

impl LogsApi<'_> {
    pub(super) async fn put(
        &self,
        kind: ResourceKind,
        owner: &str,
        name: &str,
        document: &Map<String, Value>,
        max: ResourcesMax,
    ) -> Result<(), AwsError> {
        let document = serde_json::to_string(document).map_err(unavailable)?;
        let now = self.call.received_at_unix_nano;
        self.metastore().put_resource(self.project, kind, owner, name, &document, max, now).await.map_err(aws_error)
    }

    pub(super) async fn stored(&self, kind: ResourceKind, owner: &str, name: &str) -> Result<Option<Stored>, AwsError> {
        let found = self.metastore().resource(self.project, kind, owner, name).await.map_err(aws_error)?;
        found.map(Stored::read).transpose()
    }

    /// Refuses: one that is not there.
    pub(super) async fn existing(&self, kind: ResourceKind, owner: &str, name: &str) -> Result<Stored, AwsError> {
        let found = self.stored(kind, owner, name).await?;
        found.ok_or_else(|| super::not_found(format!("The specified {} does not exist.", kind.what)))
    }

    /// In the order of names.
    pub(super) async fn all(&self, kind: ResourceKind, owner: Option<&str>) -> Result<Vec<Stored>, AwsError> {
        all(self.services, kind, owner).await
    }

    /// Refuses: one that is not there.
    pub(super) async fn forget(&self, kind: ResourceKind, owner: &str, name: &str) -> Result<(), AwsError> {
        self.metastore().delete_resource(self.project, kind, owner, name).await.map_err(aws_error)
    }

    /// `{member: [...], "nextToken": ...}` of what is listed in the order of `place`, which is never the same twice.
    pub(super) fn listed(&self, member: &str, question: &[&str], items: Vec<Stored>, tell: impl Fn(&Stored) -> Value) -> Answer {
        let place = |item: &Stored| format!("{}\n{}", item.name, item.owner);
        let items = items.into_iter().map(|item| (place(&item), tell(&item))).collect();
        self.listed_by_place(member, question, items)
    }

    /// The same of anything that is in order.
    pub(super) fn listed_by_place(&self, member: &str, question: &[&str], items: Vec<(String, Value)>) -> Answer {
        let after = page_after(self.input.text("nextToken"), question)?;
        let limit = self.input.integer("limit").or_else(|| self.input.integer("maxResults"));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0).unwrap_or(PAGE_DEFAULT);
        let mut rest: Vec<(String, Value)> =
            items.into_iter().filter(|(place, _)| after.as_ref().is_none_or(|after| place > after)).collect();
        let more = rest.len() > limit;
        rest.truncate(limit);
        let next = rest.last().filter(|_| more).map(|(place, _)| PageToken::new(place.as_str(), question).encode());
        let mut answer = json!({ member: rest.into_iter().map(|(_, item)| item).collect::<Vec<_>>() });
        if let Some(next) = next {
            answer["nextToken"] = next.into();
        }
        Ok(answer)
    }
}

/// An object without members that have no value.
pub fn object(members: Value) -> Value {
    match members {
        Value::Object(members) => Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}
