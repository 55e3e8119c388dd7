//! Tags on groups and sampling rules, by ARN. What counts of an ARN is what stands behind the account, so that a tag is
//! found whichever region a caller names.

use metastore::MetastoreError;
use receivers::aws::AwsError;
use serde_json::json;

use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::{Answer, XrayApi, not_found, unavailable};

/// Tags of one resource; AWS's bound.
const TAGS_MAX: u32 = 50;

/// Tags of one request; AWS's bound.
const TAGS_PER_CALL_MAX: usize = 200;

/// Tags on one page: all that a resource can have.
const TAGS_PER_PAGE: usize = TAGS_MAX as usize;

type Tags = Vec<(String, String)>;

impl XrayApi<'_> {
    pub(super) async fn tag_resource(&self) -> Answer {
        let input = self.input()?;
        let resource = self.tagged(&input).await?;
        let tags = self.tags_of(&input)?;
        if input.get("Tags").is_none() {
            return Err(input.missing("Tags"));
        }
        self.put_new_tags(&resource, &tags).await?;
        Ok(json!({}))
    }

    pub(super) async fn untag_resource(&self) -> Answer {
        let input = self.input()?;
        let resource = self.tagged(&input).await?;
        let keys = input.texts("TagKeys", TAGS_PER_CALL_MAX, 128)?.ok_or_else(|| input.missing("TagKeys"))?;
        let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        self.metastore().delete_tags(self.project, &resource, &keys).await.map_err(unavailable)?;
        Ok(json!({}))
    }

    pub(super) async fn list_tags_for_resource(&self) -> Answer {
        let input = self.input()?;
        let resource = self.tagged(&input).await?;
        let tags = self.metastore().tags(self.project, &resource).await.map_err(unavailable)?;
        let operation = "ListTagsForResource";
        let page = pages::page(&input, operation, &[&resource], TAGS_PER_PAGE, tags, |(key, _)| Place::new(key.as_str()))?;
        let tags = page.items.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(pages::answer("Tags", tags, page.next))
    }

    /// The tags of a request, checked.
    pub(super) fn tags_of(&self, input: &Input<'_>) -> Checked<Tags> {
        let mut tags = Tags::new();
        for tag in input.objects("Tags", TAGS_PER_CALL_MAX)?.unwrap_or_default() {
            let key = tag.required_text("Key", 1, 128)?;
            let value = tag.required_text("Value", 0, 256)?;
            if key.to_ascii_lowercase().starts_with("aws:") {
                return Err(invalid("Tag keys that begin with aws: are reserved."));
            }
            if tags.iter().any(|(known, _)| known == key) {
                return Err(invalid(format!("Tag key {key} is given twice.")));
            }
            tags.push((key.to_owned(), value.to_owned()));
        }
        Ok(tags)
    }

    pub(super) async fn put_new_tags(&self, resource: &str, tags: &Tags) -> Result<(), AwsError> {
        if tags.is_empty() {
            return Ok(());
        }
        let put = self.metastore().put_tags(self.project, resource, tags, TAGS_MAX).await;
        put.map_err(|error| match error {
            MetastoreError::TooMany { max, .. } => {
                AwsError::new("TooManyTagsException", format!("A resource has at most {max} tags."))
            }
            other => unavailable(other),
        })
    }

    /// The resource that the request's ARN names, if it is there.
    async fn tagged(&self, input: &Input<'_>) -> Checked<String> {
        let arn = input.required_text("ResourceARN", 1, 1_011)?;
        let resource = resource_of(arn).ok_or_else(|| invalid(format!("Invalid ARN: {arn}")))?;
        let is_there = match resource.split_once('/') {
            Some(("sampling-rule", name)) => {
                let rules = self.metastore().sampling_rules(self.project).await.map_err(unavailable)?.rules;
                rules.iter().any(|rule| rule.name == name)
            }
            Some(("group", _)) => self.all_groups().await?.iter().any(|group| self.group_arn(group).ends_with(resource)),
            _ => false,
        };
        if is_there { Ok(resource.to_owned()) } else { Err(not_found(format!("Resource {arn} does not exist."))) }
    }
}

/// `arn:aws:xray:<region>:<account>:<resource>`
fn resource_of(arn: &str) -> Option<&str> {
    let rest = arn.strip_prefix("arn:")?;
    let mut parts = rest.splitn(5, ':');
    let (_, service) = (parts.next()?, parts.next()?);
    let resource = parts.nth(2)?;
    (service == "xray").then_some(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_resources() {
        assert_eq!(resource_of("arn:aws:xray:eu-west-1:123456789012:group/a:b/ID"), Some("group/a:b/ID"));
        assert_eq!(resource_of("arn:aws-cn:xray:cn-north-1:1:sampling-rule/x"), Some("sampling-rule/x"));
        for wrong in ["", "arn:aws:s3:::bucket", "arn:aws:xray", "group/a"] {
            assert_eq!(resource_of(wrong), None, "{wrong}");
        }
    }
}
