//! Names, identifiers, ARNs and retention: what CloudWatch Logs allows, refused in its words.

use super::limits::{ARN_BYTES_MAX, NAME_CHARS_MAX, RETENTION_DAYS};
use crate::aws::AwsError;

/// `1 validation error detected: Value '…' at '…' failed to satisfy constraint: …`
pub fn constraint(member: &str, value: &str, rule: &str) -> AwsError {
    let value: String = value.chars().take(VALUE_SHOWN_CHARS_MAX).collect();
    let message = format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}");
    AwsError::new("InvalidParameterException", message)
}

/// Of a wrong value, as much is repeated as helps to find it.
const VALUE_SHOWN_CHARS_MAX: usize = 600;

/// A required member that was not sent.
pub fn missing(member: &str) -> AwsError {
    let rule = "failed to satisfy constraint: Member must not be null";
    AwsError::new("InvalidParameterException", format!("1 validation error detected: Value null at '{member}' {rule}"))
}

/// 1 to 512 of letters, digits and `. - _ / #`.
pub fn validate_log_group_name(member: &str, name: &str) -> Result<(), AwsError> {
    validate_length(member, name, 1, NAME_CHARS_MAX)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte)) {
        return Ok(());
    }
    Err(constraint(member, name, r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"))
}

/// 1 to 512 characters without `:` and `*`.
pub fn validate_log_stream_name(member: &str, name: &str) -> Result<(), AwsError> {
    validate_length(member, name, 1, NAME_CHARS_MAX)?;
    if !name.contains([':', '*']) {
        return Ok(());
    }
    Err(constraint(member, name, "Member must satisfy regular expression pattern: [^:*]*"))
}

pub fn validate_length(member: &str, text: &str, chars_min: usize, chars_max: usize) -> Result<(), AwsError> {
    let chars = text.chars().count();
    if chars < chars_min {
        return Err(constraint(member, text, &format!("Member must have length greater than or equal to {chars_min}")));
    }
    if chars > chars_max {
        return Err(constraint(member, text, &format!("Member must have length less than or equal to {chars_max}")));
    }
    Ok(())
}

pub fn validate_range(member: &str, value: i64, min: i64, max: i64) -> Result<(), AwsError> {
    if value < min {
        return Err(constraint(member, &value.to_string(), &format!("Member must have value greater than or equal to {min}")));
    }
    if value > max {
        return Err(constraint(member, &value.to_string(), &format!("Member must have value less than or equal to {max}")));
    }
    Ok(())
}

/// Days a group may be kept; AWS takes only those on its list.
pub fn validate_retention_days(days: i64) -> Result<u32, AwsError> {
    let listed = RETENTION_DAYS.iter().find(|listed| i64::from(**listed) == days);
    listed.copied().ok_or_else(|| {
        let list: Vec<String> = RETENTION_DAYS.iter().map(u32::to_string).collect();
        let rule = format!("Member must satisfy enum value set: [{}]", list.join(", "));
        constraint("retentionInDays", &days.to_string(), &rule)
    })
}

/// Region and account that ARNs are made with.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub region: &'a str,
    pub account_id: &'a str,
}

impl Owner<'_> {
    /// `logGroupArn`, which ends with the name.
    pub fn log_group_arn(&self, log_group_name: &str) -> String {
        format!("arn:aws:logs:{}:{}:log-group:{log_group_name}", self.region, self.account_id)
    }

    /// `arn` of a group, which ends with `:*` and stands for its streams in policies.
    pub fn log_group_arn_with_streams(&self, log_group_name: &str) -> String {
        format!("{}:*", self.log_group_arn(log_group_name))
    }

    pub fn log_stream_arn(&self, log_group_name: &str, log_stream_name: &str) -> String {
        format!("{}:log-stream:{log_stream_name}", self.log_group_arn(log_group_name))
    }
}

/// The name in a `logGroupIdentifier`: a name, or either form of the ARN.
pub fn log_group_name_from_identifier<'a>(member: &str, identifier: &'a str) -> Result<&'a str, AwsError> {
    validate_length(member, identifier, 1, ARN_BYTES_MAX)?;
    let name = match identifier.strip_prefix("arn:") {
        None => identifier,
        Some(rest) => {
            let name = rest.splitn(5, ':').nth(4).and_then(|resource| resource.strip_prefix("log-group:"));
            let name = name.map(|name| name.split_once(':').map_or(name, |(name, _)| name));
            name.ok_or_else(|| constraint(member, identifier, "Member must be the ARN of a log group"))?
        }
    };
    validate_log_group_name(member, name)?;
    Ok(name)
}

/// The group of a request that takes a name or an identifier, but not both.
pub fn log_group_name<'a>(name: Option<&'a str>, identifier: Option<&'a str>) -> Result<&'a str, AwsError> {
    match (name, identifier) {
        (Some(name), None) => validate_log_group_name("logGroupName", name).map(|()| name),
        (None, Some(identifier)) => log_group_name_from_identifier("logGroupIdentifier", identifier),
        (None, None) => Err(missing("logGroupName")),
        (Some(_), Some(_)) => {
            let message = "LogGroup name and LogGroup ARN are mutually exclusive parameters.";
            Err(AwsError::new("InvalidParameterException", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        for (name, group, stream) in [
            ("/aws/lambda/shop-1_a.b#c", true, true),
            ("", false, false),
            ("with space", false, true),
            ("ümlaut", false, true),
            ("a:b", false, false),
            ("a*b", false, false),
            (&"x".repeat(512), true, true),
            (&"x".repeat(513), false, false),
        ] {
            assert_eq!(validate_log_group_name("n", name).is_ok(), group, "{name}");
            assert_eq!(validate_log_stream_name("n", name).is_ok(), stream, "{name}");
        }
    }

    #[test]
    fn identifiers_are_names_or_arns() {
        let owner = Owner { region: "eu-west-1", account_id: "000000000000" };
        for identifier in ["/app/web".to_owned(), owner.log_group_arn("/app/web"), owner.log_group_arn_with_streams("/app/web")] {
            assert_eq!(log_group_name_from_identifier("i", &identifier), Ok("/app/web"));
        }
        let stream = owner.log_stream_arn("/app/web", "web/1");
        assert_eq!(stream, "arn:aws:logs:eu-west-1:000000000000:log-group:/app/web:log-stream:web/1");
        assert_eq!(log_group_name_from_identifier("i", &stream), Ok("/app/web"));
        for wrong in ["arn:", "arn:aws:logs:eu-west-1:0:destination:x", "a b", ""] {
            assert!(log_group_name_from_identifier("i", wrong).is_err(), "{wrong}");
        }
        assert!(log_group_name(Some("a"), Some("a")).is_err());
        assert!(log_group_name(None, None).is_err());
    }

    #[test]
    fn retention_has_a_list() {
        assert_eq!(validate_retention_days(3653), Ok(3653));
        assert!(validate_retention_days(2).unwrap_err().message.starts_with("1 validation error detected: Value '2'"));
        assert!(validate_retention_days(-1).is_err());
    }
}
