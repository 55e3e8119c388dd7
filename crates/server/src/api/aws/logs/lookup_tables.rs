//! Lookup tables: CSV that the `lookup` command joins with.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::resources::{OF_KIND_MAX, Stored, object};
use super::tags::of_resource;
use super::{Answer, LogsApi, not_found};

pub const LOOKUP_TABLE: ResourceKind = ResourceKind { name: "logs.lookup_table", what: "lookup table" };

/// Columns of a table.
const COLUMNS_MAX: usize = 100;

impl LogsApi<'_> {
    pub(super) async fn create_lookup_table(&self) -> Answer {
        let name = self.input.required("lookupTableName");
        if self.stored(LOOKUP_TABLE, "", name).await?.is_some() {
            return Err(AwsError::new("ResourceAlreadyExistsException", "The specified lookup table already exists"));
        }
        self.check_table()?;
        let document = self.input.only(&["description", "tableBody", "kmsKeyId"]);
        self.put(LOOKUP_TABLE, "", name, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&format!("lookup-table:{name}"))).await?;
        Ok(json!({ "lookupTableArn": self.table_arn(name), "createdAt": self.now_ms() }))
    }

    pub(super) async fn update_lookup_table(&self) -> Answer {
        let mut stored = self.lookup_table().await?;
        self.check_table()?;
        stored.document.extend(self.input.only(&["description", "tableBody", "kmsKeyId"]));
        self.put(LOOKUP_TABLE, "", &stored.name, &stored.document, OF_KIND_MAX).await?;
        Ok(json!({ "lookupTableArn": self.table_arn(&stored.name), "lastUpdatedTime": self.now_ms() }))
    }

    pub(super) async fn get_lookup_table(&self) -> Answer {
        let stored = self.lookup_table().await?;
        Ok(object(json!({
            "lookupTableArn": self.table_arn(&stored.name),
            "lookupTableName": stored.name,
            "description": stored.document.get("description"),
            "tableBody": stored.text("tableBody"),
            "sizeBytes": stored.text("tableBody").len(),
            "lastUpdatedTime": stored.changed_ms,
            "kmsKeyId": stored.document.get("kmsKeyId"),
        })))
    }

    pub(super) async fn describe_lookup_tables(&self) -> Answer {
        let prefix = self.input.text("lookupTableNamePrefix").unwrap_or_default();
        let mut all = self.all(LOOKUP_TABLE, None).await?;
        all.retain(|each| each.name.starts_with(prefix));
        self.listed("lookupTables", &["DescribeLookupTables", prefix], all, |each| {
            let body = each.text("tableBody");
            object(json!({
                "lookupTableArn": self.table_arn(&each.name),
                "lookupTableName": each.name,
                "description": each.document.get("description"),
                "tableFields": columns(body),
                "recordsCount": body.lines().skip(1).filter(|line| !line.is_empty()).count(),
                "sizeBytes": body.len(),
                "lastUpdatedTime": each.changed_ms,
                "kmsKeyId": each.document.get("kmsKeyId"),
            }))
        })
    }

    pub(super) async fn delete_lookup_table(&self) -> Answer {
        let stored = self.lookup_table().await?;
        self.forget(LOOKUP_TABLE, "", &stored.name).await?;
        self.forget_tags_of(&of_resource(&format!("lookup-table:{}", stored.name))).await?;
        Ok(json!({}))
    }

    fn check_table(&self) -> Result<(), AwsError> {
        if self.input.has("queryId") {
            return Err(self.invalid("A lookup table is made of tableBody here, not of a query's results."));
        }
        let Some(body) = self.input.text("tableBody") else {
            return Err(self.invalid("tableBody must be specified."));
        };
        let columns = columns(body);
        if columns.is_empty() || columns.len() > COLUMNS_MAX || columns.iter().any(String::is_empty) {
            return Err(self.invalid(format!("The table must be CSV with a header of 1 to {COLUMNS_MAX} names.")));
        }
        Ok(())
    }

    async fn lookup_table(&self) -> Result<Stored, AwsError> {
        let name = self.input.required("lookupTableArn").rsplit(':').next().unwrap_or_default();
        let found = self.stored(LOOKUP_TABLE, "", name).await?;
        found.ok_or_else(|| not_found("The specified lookup table does not exist."))
    }

    fn table_arn(&self, name: &str) -> Value {
        self.arn(&format!("lookup-table:{name}")).into()
    }
}

/// The names in the first line.
fn columns(body: &str) -> Vec<String> {
    let header = body.lines().next().unwrap_or_default();
    header.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect()
}
