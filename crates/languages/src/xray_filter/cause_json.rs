//! Root causes as people copy them out of a trace summary, to find traces with the same.
//!
//! Spec: docs.aws.amazon.com/xray/latest/api/API_ResponseTimeRootCause.html and its kin

use serde_json::Value;

use super::evaluate::{CauseEntity, CauseException, CauseService, RootCause};

/// Shares of time come rounded.
const COVERAGE_ERROR_MAX: f64 = 1e-6;

/// A root cause of which only some is told. Lists are told whole; members that are left out, or null, may be anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CauseJson {
    services: Option<Vec<ServiceJson>>,
    client_impacting: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ServiceJson {
    name: Option<String>,
    names: Option<Vec<String>>,
    r#type: Option<String>,
    inferred: Option<bool>,
    entity_path: Option<Vec<EntityJson>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct EntityJson {
    name: Option<String>,
    coverage: Option<f64>,
    remote: Option<bool>,
    exceptions: Option<Vec<ExceptionJson>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ExceptionJson {
    name: Option<String>,
    message: Option<String>,
}

impl CauseJson {
    /// Tells what was expected where the JSON is something else. Accounts are read and not compared.
    pub(super) fn from_json(json: &Value) -> Result<CauseJson, String> {
        let mut cause = CauseJson::default();
        members(json, "a root cause", |member, value| {
            match member {
                "Services" => cause.services = Some(list(value, "Services", service)?),
                "ClientImpacting" => cause.client_impacting = Some(boolean(value, member)?),
                _ => return Err("Services or ClientImpacting in a root cause".to_owned()),
            }
            Ok(())
        })?;
        Ok(cause)
    }

    /// Whether the cause is as told.
    pub fn describes(&self, cause: &RootCause) -> bool {
        self.client_impacting.is_none_or(|is| is == cause.client_impacting)
            && each(&self.services, &cause.services, ServiceJson::describes)
    }

    pub(super) fn asks_for_exceptions(&self) -> bool {
        let services = self.services.iter().flatten();
        services.flat_map(|service| service.entity_path.iter().flatten()).any(|entity| entity.exceptions.is_some())
    }
}

impl ServiceJson {
    fn describes(&self, service: &CauseService) -> bool {
        let ServiceJson { name, names, r#type, inferred, entity_path } = self;
        is(name, &service.name)
            && names.as_ref().is_none_or(|names| names.contains(&service.name))
            && is(r#type, &service.r#type)
            && inferred.is_none_or(|inferred| inferred == service.inferred)
            && each(entity_path, &service.entities, EntityJson::describes)
    }
}

impl EntityJson {
    fn describes(&self, entity: &CauseEntity) -> bool {
        is(&self.name, &entity.name)
            && self.coverage.is_none_or(|coverage| (coverage - entity.coverage).abs() <= COVERAGE_ERROR_MAX)
            && self.remote.is_none_or(|remote| remote == entity.remote)
            && each(&self.exceptions, &entity.exceptions, ExceptionJson::describes)
    }
}

impl ExceptionJson {
    fn describes(&self, exception: &CauseException) -> bool {
        is(&self.name, &exception.name) && is(&self.message, &exception.message)
    }
}

fn is(wanted: &Option<String>, found: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == found)
}

/// Whether a list, if it is told, is as long as the other and describes it one by one.
fn each<W, F>(wanted: &Option<Vec<W>>, found: &[F], describes: impl Fn(&W, &F) -> bool) -> bool {
    wanted.as_ref().is_none_or(|wanted| {
        wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| describes(wanted, found))
    })
}

fn service(json: &Value) -> Result<ServiceJson, String> {
    let mut service = ServiceJson::default();
    members(json, "a service", |member, value| {
        match member {
            "Name" => service.name = Some(text(value, member)?),
            "Names" => service.names = Some(list(value, member, |name| text(name, "Names"))?),
            "Type" => service.r#type = Some(text(value, member)?),
            "Inferred" => service.inferred = Some(boolean(value, member)?),
            "EntityPath" => service.entity_path = Some(list(value, member, entity)?),
            "AccountId" => {}
            _ => return Err("Name, Names, Type, AccountId, Inferred or EntityPath in a service".to_owned()),
        }
        Ok(())
    })?;
    Ok(service)
}

fn entity(json: &Value) -> Result<EntityJson, String> {
    let mut entity = EntityJson::default();
    members(json, "an entity", |member, value| {
        match member {
            "Name" => entity.name = Some(text(value, member)?),
            "Coverage" => entity.coverage = Some(value.as_f64().ok_or("a number for Coverage")?),
            "Remote" => entity.remote = Some(boolean(value, member)?),
            "Exceptions" => entity.exceptions = Some(list(value, member, exception)?),
            _ => return Err("Name, Coverage, Remote or Exceptions in an entity".to_owned()),
        }
        Ok(())
    })?;
    Ok(entity)
}

fn exception(json: &Value) -> Result<ExceptionJson, String> {
    let mut exception = ExceptionJson::default();
    members(json, "an exception", |member, value| {
        match member {
            "Name" => exception.name = Some(text(value, member)?),
            "Message" => exception.message = Some(text(value, member)?),
            _ => return Err("Name or Message in an exception".to_owned()),
        }
        Ok(())
    })?;
    Ok(exception)
}

/// Shows each member that is not null.
fn members(json: &Value, of: &str, mut read: impl FnMut(&str, &Value) -> Result<(), String>) -> Result<(), String> {
    let object = json.as_object().ok_or_else(|| format!("{of} to be an object"))?;
    object.iter().filter(|(_, value)| !value.is_null()).try_for_each(|(member, value)| read(member, value))
}

fn list<T>(json: &Value, member: &str, read: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    json.as_array().ok_or_else(|| format!("a list for {member}"))?.iter().map(read).collect()
}

fn text(json: &Value, member: &str) -> Result<String, String> {
    json.as_str().map(str::to_owned).ok_or_else(|| format!("a text for {member}"))
}

fn boolean(json: &Value, member: &str) -> Result<bool, String> {
    json.as_bool().ok_or_else(|| format!("true or false for {member}"))
}
