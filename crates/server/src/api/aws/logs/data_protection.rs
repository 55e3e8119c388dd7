//! Data protection policies, of groups and of the account: what they name is masked wherever events are read.
//!
//! Missing: findings (the Audit statement is kept and sends nothing); data identifiers that have no form to be found by, which a
//!          policy cannot name here
//! Quirks:  filter patterns and queries see events as they are told, masked; `unmask` is for every caller, or for the keys of
//!          `--aws-unmask-keys`

use std::collections::HashMap;
use std::sync::Arc;

use analysis::sensitive::{Masks, Sensitive};
use engine::ask::insights::{EventSources, GroupMasks};
use http::StatusCode;
use metastore::{Resource, ResourceKind};
use parking_lot::Mutex;
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::account_policies::ACCOUNT_POLICY;
use super::resources::{OF_KIND_MAX, Stored, group_of, of_group};
use super::{Answer, LogsApi, aws_error, unavailable};
use crate::Services;

pub const DATA_PROTECTION: ResourceKind = ResourceKind { name: "logs.data_protection_policy", what: "data protection policy" };

/// The type of account policies that protect data.
pub(super) const ACCOUNT_POLICY_TYPE: &str = "DATA_PROTECTION_POLICY";

const POLICY: &str = "policy";

const MANAGED_PREFIX: &str = "arn:aws:dataprotection::aws:data-identifier/";

/// Identifiers of one's own in a policy, as at the service.
const CUSTOM_IDENTIFIERS_MAX: usize = 10;

/// Policies whose expressions are kept compiled; where there are more, they are compiled again.
const COMPILED_MAX: usize = 64;

/// Identifiers by their names; those of countries follow a dash.
const MANAGED: [(&str, Sensitive); 20] = [
    ("EmailAddress", Sensitive::EmailAddress),
    ("IpAddress", Sensitive::IpAddress),
    ("LatLong", Sensitive::LatLong),
    ("VehicleIdentificationNumber", Sensitive::VehicleIdentificationNumber),
    ("AwsSecretKey", Sensitive::SecretKey),
    ("OpenSshPrivateKey", Sensitive::OpenSshPrivateKey),
    ("PgpPrivateKey", Sensitive::PgpPrivateKey),
    ("PkcsPrivateKey", Sensitive::PkcsPrivateKey),
    ("PuttyPrivateKey", Sensitive::PuttyPrivateKey),
    ("CreditCardNumber", Sensitive::CreditCardNumber),
    ("CreditCardExpiration", Sensitive::CreditCardExpiration),
    ("CreditCardSecurityCode", Sensitive::CreditCardSecurityCode),
    ("BankAccountNumber-", Sensitive::BankAccountNumber),
    ("PhoneNumber-", Sensitive::PhoneNumber),
    ("Ssn-US", Sensitive::SocialSecurityNumber),
    ("PassportNumber-", Sensitive::PassportNumber),
    ("DriversLicense-", Sensitive::DriversLicense),
    ("ZipCode-US", Sensitive::ZipCode),
    ("PhoneNumber", Sensitive::PhoneNumber),
    ("Ssn", Sensitive::SocialSecurityNumber),
];

/// Policies by their text, compiled.
#[derive(Default)]
pub struct CompiledPolicies(Mutex<HashMap<String, Arc<Masks>>>);

impl CompiledPolicies {
    fn masks(&self, policy: &str) -> Result<Arc<Masks>, String> {
        if let Some(known) = self.0.lock().get(policy) {
            return Ok(Arc::clone(known));
        }
        let masks = Arc::new(read(policy)?);
        let mut compiled = self.0.lock();
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(policy.to_owned(), Arc::clone(&masks));
        Ok(masks)
    }
}

impl LogsApi<'_> {
    pub(super) async fn put_data_protection_policy(&self) -> Answer {
        let group = self.readable_group_named_by("logGroupIdentifier").await?;
        self.checked_policy(self.input.required("policyDocument"))?;
        self.put(DATA_PROTECTION, &of_group(&group), POLICY, &self.input.only(&["policyDocument"]), OF_KIND_MAX).await?;
        self.get_data_protection_policy().await
    }

    pub(super) async fn get_data_protection_policy(&self) -> Answer {
        let group = self.readable_group_named_by("logGroupIdentifier").await?;
        let identifier = self.input.required("logGroupIdentifier");
        Ok(match self.stored(DATA_PROTECTION, &of_group(&group), POLICY).await? {
            Some(stored) => json!({
                "logGroupIdentifier": identifier,
                "policyDocument": stored.text("policyDocument"),
                "lastUpdatedTime": stored.changed_ms,
            }),
            None => json!({ "logGroupIdentifier": identifier }),
        })
    }

    pub(super) async fn delete_data_protection_policy(&self) -> Answer {
        let group = self.readable_group_named_by("logGroupIdentifier").await?;
        self.forget(DATA_PROTECTION, &of_group(&group), POLICY).await?;
        Ok(json!({}))
    }

    /// Refuses: a policy that could not be acted on.
    pub(super) fn checked_policy(&self, policy: &str) -> Result<(), AwsError> {
        read(policy).map(|_| ()).map_err(|message| self.invalid(message))
    }

    /// What is masked in a group's events; `None` where nothing is.
    pub(super) async fn masks_of(&self, group: &str) -> Result<Option<Arc<Masks>>, AwsError> {
        masks_of(self.services, group).await
    }

    /// The same, and nothing where the call asks for events as they were sent and may have them.
    pub(super) async fn masks_asked(&self, group: &str) -> Result<Option<Arc<Masks>>, AwsError> {
        if self.input.flag("unmask") != Some(true) {
            return self.masks_of(group).await;
        }
        if !self.may_unmask() {
            let message = "The caller may not read what is protected: logs:Unmask is not allowed for this access key.";
            return Err(AwsError::new("AccessDeniedException", message).with_status(StatusCode::BAD_REQUEST));
        }
        Ok(None)
    }

    /// Whether who calls may read what is protected.
    pub(super) fn may_unmask(&self) -> bool {
        let Some(allowed) = &self.services.settings.aws_unmask_keys else { return true };
        let key = super::super::access_key_id(&self.call.headers);
        key.is_some_and(|key| allowed.iter().any(|allowed| allowed == key))
    }
}

/// What is masked in a group's events; `None` where nothing is.
pub(super) async fn masks_of(services: &Services, group: &str) -> Result<Option<Arc<Masks>>, AwsError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let own = metastore.resource(project, DATA_PROTECTION, &of_group(group), POLICY).await.map_err(aws_error)?;
    let of_account = masks_of_account(services).await?;
    own.into_iter().try_fold(of_account, |masks, policy| masks_and(services, masks, policy))
}

/// What is masked in every group's events.
async fn masks_of_account(services: &Services) -> Result<Option<Arc<Masks>>, AwsError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let policies = metastore.resources(project, ACCOUNT_POLICY, Some(ACCOUNT_POLICY_TYPE)).await.map_err(aws_error)?;
    policies.into_iter().try_fold(None, |masks, policy| masks_and(services, masks, policy))
}

/// What is masked in the events that a query may read.
pub(super) async fn masks_of_sources<'s>(
    services: &Services,
    sources: impl Iterator<Item = &'s EventSources>,
) -> Result<GroupMasks, AwsError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let everywhere = masks_of_account(services).await?;
    let sources: Vec<&EventSources> = sources.collect();
    let mut of_groups = HashMap::new();
    for policy in metastore.resources(project, DATA_PROTECTION, None).await.map_err(aws_error)? {
        let group = group_of(&policy.owner).to_owned();
        if sources.iter().any(|sources| sources.includes(&group))
            && let Some(masks) = masks_and(services, everywhere.clone(), policy)?
        {
            of_groups.insert(group, masks);
        }
    }
    Ok(GroupMasks::new(everywhere, of_groups))
}

/// These, and what a policy masks.
fn masks_and(services: &Services, others: Option<Arc<Masks>>, policy: Resource) -> Result<Option<Arc<Masks>>, AwsError> {
    let policy = Stored::read(policy)?;
    let masks = services.logs.policies.masks(policy.text("policyDocument")).map_err(unavailable)?;
    let all = match others {
        None => masks,
        Some(others) => Arc::new(others.as_ref().clone().and(masks.as_ref().clone())),
    };
    Ok(Some(all).filter(|masks| !masks.is_empty()))
}

/// What a policy masks.
///
/// Refuses: anything but two statements, one that audits and one that masks the same identifiers; identifiers that are not known
/// here, which would leave in the clear what somebody believes protected.
fn read(policy: &str) -> Result<Masks, String> {
    let policy: Value =
        serde_json::from_str(policy).map_err(|error| format!("The policy document is not valid JSON: {error}"))?;
    let two = "The policy document must be JSON with two statements, one with the operation Audit and one with Deidentify.";
    let statements = policy["Statement"].as_array().filter(|statements| statements.len() == 2).ok_or(two)?;
    let with = |operation: &str| statements.iter().find(|statement| statement["Operation"][operation].is_object()).ok_or(two);
    let (audit, mask) = (with("Audit")?, with("Deidentify")?);
    if !mask["Operation"]["Deidentify"]["MaskConfig"].is_object() {
        return Err("The operation Deidentify must have an empty MaskConfig.".to_owned());
    }
    if audit["DataIdentifier"] != mask["DataIdentifier"] {
        return Err("Both statements must name the same data identifiers.".to_owned());
    }
    let custom = policy["Configuration"]["CustomDataIdentifier"].as_array().map(Vec::as_slice).unwrap_or_default();
    if custom.len() > CUSTOM_IDENTIFIERS_MAX {
        return Err(format!("A policy can have at most {CUSTOM_IDENTIFIERS_MAX} custom data identifiers."));
    }
    let identifiers = mask["DataIdentifier"].as_array().filter(|identifiers| !identifiers.is_empty());
    let identifiers = identifiers.ok_or("DataIdentifier must be a list of data identifiers.")?;
    let (mut kinds, mut expressions) = (Vec::new(), Vec::new());
    for identifier in identifiers {
        let name = identifier.as_str().unwrap_or_default();
        if let Some(known) = custom.iter().find(|custom| custom["Name"].as_str() == Some(name)) {
            expressions.push(known["Regex"].as_str().unwrap_or_default());
            continue;
        }
        let managed = name.strip_prefix(MANAGED_PREFIX).and_then(|name| {
            let is_of = |known: &str| known == name || (known.ends_with('-') && name.starts_with(known));
            MANAGED.iter().find(|(known, _)| is_of(known))
        });
        let Some((_, kind)) = managed else {
            return Err(format!("The data identifier {identifier} is not known here."));
        };
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    Masks::new(&kinds, &expressions).map_err(|error| format!("A custom data identifier has an invalid expression: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(identifiers: &str, custom: &str) -> String {
        format!(
            r#"{{"Version": "2021-06-01", "Configuration": {{"CustomDataIdentifier": [{custom}]}}, "Statement": [
                {{"DataIdentifier": [{identifiers}], "Operation": {{"Audit": {{"FindingsDestination": {{}}}}}}}},
                {{"DataIdentifier": [{identifiers}], "Operation": {{"Deidentify": {{"MaskConfig": {{}}}}}}}}]}}"#
        )
    }

    #[test]
    fn policies_are_read() {
        let custom = r#"{"Name": "Badge", "Regex": "B-\\d{4}"}"#;
        let both = r#""arn:aws:dataprotection::aws:data-identifier/EmailAddress", "Badge""#;
        let masks = read(&policy(both, custom)).unwrap();
        assert_eq!(masks.mask("a@b.de has B-1234"), "****** has ******");
        assert!(read(&policy(r#""arn:aws:dataprotection::aws:data-identifier/PhoneNumber-DE""#, "")).is_ok());
    }

    #[test]
    fn what_could_not_be_acted_on_is_refused() {
        let email = r#""arn:aws:dataprotection::aws:data-identifier/EmailAddress""#;
        for (policy, part) in [
            ("{".to_owned(), "not valid JSON"),
            ("{}".to_owned(), "two statements"),
            (policy("", ""), "must be a list"),
            (policy(r#""arn:aws:dataprotection::aws:data-identifier/Name""#, ""), "not known here"),
            (policy(r#""Badge""#, r#"{"Name": "Badge", "Regex": "("}"#), "invalid expression"),
            (policy(email, "").replace("Deidentify", "Audit"), "two statements"),
            (policy(email, "").replacen("EmailAddress", "IpAddress", 1), "the same data identifiers"),
        ] {
            let refused = read(&policy).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
