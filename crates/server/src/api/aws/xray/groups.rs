//! Groups: filter expressions with a name. There is always `Default`, which holds everything and whose expression is none.

use metastore::{MetastoreError, XrayGroup, XrayGroupUpdate};
use serde_json::{Value, json};

use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::{Answer, XrayApi, unavailable};
use crate::limits::XRAY_GROUPS_MAX;

/// The group that is everywhere.
pub const DEFAULT_GROUP: &str = "Default";

/// Groups on one page.
const GROUPS_PER_PAGE: usize = 100;

/// Longest expression: that of a group of AWS's has to be shorter.
const EXPRESSION_CHARS_MAX: usize = 4_096;

impl XrayApi<'_> {
    pub(super) async fn create_group(&self) -> Answer {
        let input = self.input()?;
        let name = input.required_text("GroupName", 1, 32)?;
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err(input.refuse("GroupName", "consist of visible characters"));
        }
        if name == DEFAULT_GROUP {
            return Err(invalid("Group name Default is reserved."));
        }
        let expression = expression(&input)?.unwrap_or_default();
        let (insights_enabled, notifications_enabled) = insights(&input)?;
        let tags = self.tags_of(&input)?;
        let now = self.call.received_at_unix_nano;
        let group = XrayGroup {
            name: name.to_owned(),
            id: uuid::Uuid::new_v4().simple().to_string().to_uppercase(),
            filter_expression: expression.to_owned(),
            insights_enabled: insights_enabled.unwrap_or(false),
            notifications_enabled: notifications_enabled.unwrap_or(false),
            created_at_unix_nano: now,
            modified_at_unix_nano: now,
        };
        self.metastore().create_xray_group(self.project, &group, XRAY_GROUPS_MAX).await.map_err(refused)?;
        self.put_new_tags(&resource(&group), &tags).await?;
        Ok(json!({ "Group": self.told(&group) }))
    }

    pub(super) async fn get_group(&self) -> Answer {
        let group = self.named_group(&self.input()?).await?;
        let group = group.ok_or_else(|| invalid("Either GroupName or GroupARN must be specified"))?;
        Ok(json!({ "Group": self.told(&group) }))
    }

    pub(super) async fn get_groups(&self) -> Answer {
        let input = self.input()?;
        let groups = self.all_groups().await?;
        let page =
            pages::page(&input, "GetGroups", &[], GROUPS_PER_PAGE, groups, |group| Place::new(group.name.as_str()))?;
        Ok(pages::answer("Groups", page.items.iter().map(|group| self.told(group)).collect(), page.next))
    }

    pub(super) async fn update_group(&self) -> Answer {
        let input = self.input()?;
        let known = self.named_group(&input).await?;
        let known = known.ok_or_else(|| invalid("Either GroupName or GroupARN must be specified"))?;
        let expression = expression(&input)?;
        let (insights_enabled, notifications_enabled) = insights(&input)?;
        let now = self.call.received_at_unix_nano;
        if known.name == DEFAULT_GROUP {
            if expression.is_some_and(|expression| !expression.trim().is_empty()) {
                return Err(invalid("The filter expression of the Default group cannot be changed."));
            }
            // The default has no row until it differs from what everybody has.
            match self.metastore().create_xray_group(self.project, &default_group(now), XRAY_GROUPS_MAX).await {
                Ok(()) | Err(MetastoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        let update = XrayGroupUpdate {
            filter_expression: expression.map(str::to_owned),
            insights_enabled,
            notifications_enabled,
        };
        let updated = self.metastore().update_xray_group(self.project, &known.name, &update, now).await.map_err(refused)?;
        Ok(json!({ "Group": self.told(&updated) }))
    }

    pub(super) async fn delete_group(&self) -> Answer {
        let group = self.named_group(&self.input()?).await?;
        let group = group.ok_or_else(|| invalid("Either GroupName or GroupARN must be specified"))?;
        if group.name == DEFAULT_GROUP {
            return Err(invalid("The Default group cannot be deleted."));
        }
        self.metastore().delete_xray_group(self.project, &group.name).await.map_err(refused)?;
        self.metastore().delete_all_tags(self.project, &resource(&group)).await.map_err(unavailable)?;
        Ok(json!({}))
    }

    /// Every group, the default first where it belongs by name.
    pub(super) async fn all_groups(&self) -> Checked<Vec<XrayGroup>> {
        let mut groups = self.metastore().xray_groups(self.project).await.map_err(unavailable)?;
        if !groups.iter().any(|group| group.name == DEFAULT_GROUP) {
            groups.push(default_group(0));
        }
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// The group that a request names by name or ARN; `None` when it names none.
    pub(super) async fn named_group(&self, input: &Input<'_>) -> Checked<Option<XrayGroup>> {
        let (name, arn) = (input.text_of("GroupName", 1, 32)?, input.text_of("GroupARN", 1, 400)?);
        let (name, id) = match (name, arn) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(invalid("Specify a group by either GroupName or GroupARN, but not both")),
            (Some(name), None) => (name, None),
            (None, Some(arn)) => group_of_arn(arn).ok_or_else(|| invalid(format!("Invalid ARN: {arn}")))?,
        };
        let found = self.metastore().xray_group(self.project, name).await.map_err(unavailable)?;
        let found = found.or_else(|| (name == DEFAULT_GROUP).then(|| default_group(0)));
        let found = found.filter(|group| id.is_none_or(|id| id == group.id));
        found.map(Some).ok_or_else(group_not_found)
    }

    fn told(&self, group: &XrayGroup) -> Value {
        json!({
            "GroupName": group.name,
            "GroupARN": self.group_arn(group),
            "FilterExpression": group.filter_expression,
            "InsightsConfiguration": {
                "InsightsEnabled": group.insights_enabled,
                "NotificationsEnabled": group.notifications_enabled,
            },
        })
    }

    pub(super) fn group_arn(&self, group: &XrayGroup) -> String {
        self.arn(&resource(group))
    }
}

/// What the ARN names behind the account.
fn resource(group: &XrayGroup) -> String {
    if group.id.is_empty() { format!("group/{}", group.name) } else { format!("group/{}/{}", group.name, group.id) }
}

/// Name and id in an ARN; a name may have slashes.
fn group_of_arn(arn: &str) -> Option<(&str, Option<&str>)> {
    let (_, named) = arn.split_once(":group/")?;
    Some(named.rsplit_once('/').map_or((named, None), |(name, id)| (name, Some(id))))
}

fn default_group(now_unix_nano: i64) -> XrayGroup {
    XrayGroup {
        name: DEFAULT_GROUP.to_owned(),
        created_at_unix_nano: now_unix_nano,
        modified_at_unix_nano: now_unix_nano,
        ..XrayGroup::default()
    }
}

fn expression<'i>(input: &'i Input<'_>) -> Checked<Option<&'i str>> {
    let expression = input.text_of("FilterExpression", 0, EXPRESSION_CHARS_MAX)?;
    if let Some(expression) = expression.filter(|expression| !expression.trim().is_empty()) {
        languages::xray_filter::parse(expression)
            .map_err(|error| invalid(format!("Invalid filter expression: {error}")))?;
    }
    Ok(expression)
}

/// Whether insights are looked for, and whether somebody is told; the second needs the first.
fn insights(input: &Input<'_>) -> Checked<(Option<bool>, Option<bool>)> {
    let Some(configuration) = input.object("InsightsConfiguration")? else { return Ok((None, None)) };
    let (enabled, notify) = (configuration.flag("InsightsEnabled")?, configuration.flag("NotificationsEnabled")?);
    if enabled == Some(false) && notify == Some(true) {
        return Err(invalid("InsightsEnabled must be true to set NotificationsEnabled to true."));
    }
    // Nobody is told about what is not looked for.
    Ok((enabled, if enabled == Some(false) { Some(false) } else { notify }))
}

fn group_not_found() -> receivers::aws::AwsError {
    invalid("Group not found.")
}

fn refused(error: MetastoreError) -> receivers::aws::AwsError {
    match error {
        MetastoreError::NotFound { .. } => group_not_found(),
        MetastoreError::AlreadyExists { .. } => invalid("Group already exists."),
        MetastoreError::TooMany { max, .. } => invalid(format!("You have reached the maximum number of groups, {max}.")),
        other => unavailable(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_groups() {
        for (arn, expected) in [
            ("arn:aws:xray:eu-west-1:1:group/shop/ABC", Some(("shop", Some("ABC")))),
            ("arn:aws:xray:eu-west-1:1:group/a/b/ABC", Some(("a/b", Some("ABC")))),
            ("arn:aws:xray:eu-west-1:1:group/Default", Some(("Default", None))),
            ("shop", None),
        ] {
            assert_eq!(group_of_arn(arn), expected, "{arn}");
        }
    }
}
