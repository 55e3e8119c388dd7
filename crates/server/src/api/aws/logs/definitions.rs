//! Query definitions: queries people saved, in folders by the slashes of their names.

use metastore::ResourceKind;
use serde_json::{Value, json};

use super::resources::{OF_KIND_MAX, Stored, object};
use super::{Answer, LogsApi};

pub(super) const QUERY_DEFINITION: ResourceKind = ResourceKind { name: "logs.query_definition", what: "query definition" };

const MEMBERS: [&str; 5] = ["queryLanguage", "name", "queryString", "logGroupNames", "parameters"];

impl LogsApi<'_> {
    pub(super) async fn put_query_definition(&self) -> Answer {
        let id = match self.input.text("queryDefinitionId") {
            Some(id) => self.existing(QUERY_DEFINITION, "", id).await?.name,
            None => self.new_definition_id(),
        };
        let mut document = self.input.only(&MEMBERS);
        document.entry("queryLanguage").or_insert_with(|| "CWLI".into());
        self.put(QUERY_DEFINITION, "", &id, &document, OF_KIND_MAX).await?;
        Ok(json!({ "queryDefinitionId": id }))
    }

    /// The same token makes the same definition, however often the call is sent.
    fn new_definition_id(&self) -> String {
        let token = self.input.text("clientToken");
        let id =
            token.map_or_else(uuid::Uuid::new_v4, |token| uuid::Uuid::from_u128(xxhash_rust::xxh3::xxh3_128(token.as_bytes())));
        id.to_string()
    }

    pub(super) async fn describe_query_definitions(&self) -> Answer {
        let prefix = self.input.text("queryDefinitionNamePrefix").unwrap_or_default();
        let language = self.input.text("queryLanguage");
        let mut all = self.all(QUERY_DEFINITION, None).await?;
        all.retain(|each| {
            each.text("name").starts_with(prefix) && language.is_none_or(|language| each.text("queryLanguage") == language)
        });
        let place = |each: &Stored| format!("{}\n{}", each.text("name"), each.name);
        let mut items: Vec<(String, Value)> = all.iter().map(|each| (place(each), told(each))).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let question = ["DescribeQueryDefinitions", prefix, language.unwrap_or_default()];
        self.listed_by_place("queryDefinitions", &question, items)
    }

    pub(super) async fn delete_query_definition(&self) -> Answer {
        self.forget(QUERY_DEFINITION, "", self.input.required("queryDefinitionId")).await?;
        Ok(json!({ "success": true }))
    }
}

fn told(stored: &Stored) -> Value {
    let mut told = Value::Object(stored.document.clone());
    told["queryDefinitionId"] = stored.name.as_str().into();
    told["lastModified"] = stored.changed_ms.into();
    object(told)
}
