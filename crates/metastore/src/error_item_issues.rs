//! The issue of a tracker in which an error item is worked on.

use serde_json::json;

use crate::database::Metastore;
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note};

impl Metastore {
    /// Links an item to an issue by its address, in the place of an earlier one; `None` takes the link away.
    pub async fn link_error_item_issue(
        &self,
        project: &str,
        item: i64,
        url: Option<&str>,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        if self.error_item(project, item).await?.is_none() {
            return Err(MetastoreError::NotFound { what: "item", name: item.to_string() });
        }
        let before = self.error_item_issue(item).await?;
        if before.as_deref() == url {
            return Ok(());
        }
        let mut writing = self.write().await?;
        let statement = match url {
            Some(url) => {
                let put = "insert into error_item_issues (item, url) values ($1, $2) on conflict (item) do update set url = $2";
                sqlx::query(put).bind(item).bind(url)
            }
            None => sqlx::query("delete from error_item_issues where item = $1").bind(item),
        };
        statement.execute(&mut *writing).await?;
        let details = json!({ "from": before, "to": url });
        note(&mut writing, project, item, now_unix_nano, ItemEventKind::IssueLinked, &details).await?;
        Ok(writing.commit().await?)
    }

    pub async fn error_item_issue(&self, item: i64) -> Result<Option<String>, MetastoreError> {
        let query = "select url from error_item_issues where item = $1";
        Ok(sqlx::query_scalar(query).bind(item).fetch_optional(self.readers()).await?)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ErrorItemFilter, ErrorItemOrder, Metastore, OccurrencesSeen};

    #[tokio::test]
    async fn items_are_found_by_having_an_issue() {
        let metastore = Metastore::in_memory().await.unwrap();
        let seen = ["a", "b"].map(|group| OccurrencesSeen { fingerprint: group.into(), count: 1, ..OccurrencesSeen::default() });
        metastore.record_occurrences("p", &seen, 1).await.unwrap();
        let linked = async |has: bool| {
            let filter = ErrorItemFilter { has_issue: Some(has), ..ErrorItemFilter::default() };
            let items = metastore.error_items("p", &filter, ErrorItemOrder::Counter, 0, 9).await.unwrap();
            items.into_iter().map(|item| item.fingerprint).collect::<Vec<_>>().concat()
        };
        assert_eq!((linked(true).await, linked(false).await), (String::new(), "ba".to_owned()));
        for _ in 0..2 {
            metastore.link_error_item_issue("p", 1_000_002, Some("https://x.example/7"), 2).await.unwrap();
        }
        assert_eq!((linked(true).await, linked(false).await), ("b".to_owned(), "a".to_owned()));
        metastore.link_error_item_issue("p", 1_000_002, None, 3).await.unwrap();
        assert_eq!(linked(true).await, "");
        let kinds: Vec<_> = metastore.error_item_events(1_000_002).await.unwrap().iter().map(|event| event.kind.name()).collect();
        assert_eq!(kinds, ["issue", "issue", "new"]);
        assert!(metastore.link_error_item_issue("p", 7, None, 3).await.is_err());
    }
}
