//! The resource and the scope that hold for the rows that come, made ready once however often they are told.
//!
//! A daemon or a collector sends for several services, a few rows of each at a time, over and over. What was told before in
//! the same request is found again, and the columns that it fills share its values.

use std::borrow::Cow;
use std::sync::Arc;

use model::limits::ATTRIBUTE_VALUE_BYTES_MAX;
use model::{Attributes, Resource, Scope, Value};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::attribute_columns::{cut, json_object, owned};
use crate::columns;
use crate::limits::RESOURCES_KNOWN_MAX;

/// An attribute of a run, shared by the columns that it fills.
pub(crate) struct RunAttribute {
    pub key: Box<str>,
    pub value: Arc<Value<'static>>,
}

/// What a resource or a scope says.
pub(crate) struct Said {
    /// Of those of one run no other has it.
    pub number: u32,
    pub attributes: Vec<RunAttribute>,
    /// Keys in order, each once.
    pub json: String,
    /// The service that it names.
    pub service: Option<Arc<Value<'static>>>,
}

impl Said {
    fn is(&self, attributes: &Attributes<'_>) -> bool {
        let same = |(kept, told): (&RunAttribute, &model::Attribute<'_>)| *kept.key == *told.key && *kept.value == told.value;
        self.attributes.len() == attributes.len() && self.attributes.iter().zip(attributes).all(same)
    }
}

/// The resource and scope that hold, kept until a signal's first row asks for them.
pub(crate) struct Run {
    pub resource: Arc<Said>,
    pub scope: Arc<Said>,
    /// Change whenever resource and scope do.
    pub resource_number: u32,
    pub scope_number: u32,
    /// What resource and scope add to the identity of a series.
    pub series: u64,
    /// Resources told so far, by the hash of what they say.
    known: Vec<(u64, Arc<Said>)>,
    nothing: Arc<Said>,
    said: u32,
    /// Which resource the scope was begun for.
    scope_of_resource: u32,
}

impl Run {
    pub fn new() -> Run {
        let nothing = Arc::new(Said { number: 0, attributes: Vec::new(), json: json_object(&[]), service: None });
        let mut run = Run {
            resource: Arc::clone(&nothing),
            scope: Arc::clone(&nothing),
            resource_number: 0,
            scope_number: 0,
            series: 0,
            known: Vec::new(),
            nothing,
            said: 0,
            scope_of_resource: 0,
        };
        run.resource(&Resource::default());
        run
    }

    pub fn resource(&mut self, resource: &Resource<'_>) {
        if self.resource_number > 0 && self.resource.is(resource.attributes) {
            return self.scope(&Scope::default());
        }
        let hash = hash_of(resource.attributes);
        let known = self.known.iter().find(|(known, said)| *known == hash && said.is(resource.attributes));
        self.resource = match known {
            Some((_, said)) => Arc::clone(said),
            None => {
                let service = cut(resource.service_name(), ATTRIBUTE_VALUE_BYTES_MAX).into_owned();
                let said = self.said(Vec::new(), resource.attributes, Some(service));
                if self.known.len() == RESOURCES_KNOWN_MAX {
                    self.known.clear();
                }
                self.known.push((hash, Arc::clone(&said)));
                said
            }
        };
        self.resource_number += 1;
        self.scope(&Scope::default());
    }

    pub fn scope(&mut self, scope: &Scope<'_>) {
        let same_resource = self.scope_of_resource == self.resource_number;
        if scope.is_empty() && same_resource && Arc::ptr_eq(&self.scope, &self.nothing) {
            return;
        }
        self.scope_of_resource = self.resource_number;
        self.scope_number += 1;
        self.scope = if scope.is_empty() { Arc::clone(&self.nothing) } else { self.scope_said(scope) };
        self.series = xxh3_64_with_seed(self.scope.json.as_bytes(), xxh3_64(self.resource.json.as_bytes()));
    }

    fn scope_said(&mut self, scope: &Scope<'_>) -> Arc<Said> {
        let mut members = Vec::new();
        for (key, text) in [("name", scope.name), ("version", scope.version)] {
            if !text.is_empty() {
                let mut json = String::new();
                model::json_string(&cut(text, ATTRIBUTE_VALUE_BYTES_MAX), &mut json);
                members.push((key.to_owned(), json));
            }
        }
        let named = scope.attributes.iter().rev().find(|attribute| attribute.key == columns::SERVICE_NAME);
        let named = named.map(|attribute| owned(&attribute.value).to_text().trim().to_owned()).filter(|name| !name.is_empty());
        self.said(members, scope.attributes, named)
    }

    /// What is said for the first time: `members`, which win, and the attributes.
    fn said(&mut self, members: Vec<(String, String)>, attributes: &Attributes<'_>, service: Option<String>) -> Arc<Said> {
        self.said += 1;
        let attributes: Vec<RunAttribute> = attributes
            .iter()
            .map(|attribute| RunAttribute { key: (*attribute.key).into(), value: Arc::new(owned(&attribute.value)) })
            .collect();
        Arc::new(Said {
            number: self.said,
            json: canonical_json(members, &attributes),
            attributes,
            service: service.map(|service| Arc::new(Value::Str(Cow::Owned(service)))),
        })
    }
}

/// A hash of attributes in their order.
fn hash_of(attributes: &Attributes<'_>) -> u64 {
    attributes.iter().fold(0, |hash, attribute| {
        let hash = xxh3_64_with_seed(attribute.key.as_bytes(), hash);
        match &attribute.value {
            Value::Str(text) | Value::Json(text) => xxh3_64_with_seed(text.as_bytes(), hash),
            Value::Bool(value) => hash.rotate_left(1) ^ u64::from(*value),
            Value::Int(value) => hash.rotate_left(1) ^ value.cast_unsigned(),
            Value::Float(value) => hash.rotate_left(1) ^ value.to_bits(),
        }
    })
}

/// The attributes as JSON whose keys are in order and occur once, after `members`, which win.
fn canonical_json(members: Vec<(String, String)>, attributes: &[RunAttribute]) -> String {
    let mut sorted: Vec<(String, String)> = Vec::with_capacity(attributes.len());
    for attribute in attributes.iter().rev() {
        let mut json = String::new();
        attribute.value.write_json(&mut json);
        sorted.push((attribute.key.clone().into_string(), json));
    }
    // The sort is stable and the last attribute came first, so it is the one that stays.
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted.dedup_by(|later, earlier| later.0 == earlier.0);
    sorted.retain(|(key, _)| !members.iter().any(|(taken, _)| taken == key));
    let all: Vec<(String, String)> = members.into_iter().chain(sorted).collect();
    json_object(&all)
}

#[cfg(test)]
mod tests {
    use model::Attribute;

    use super::*;

    #[test]
    fn what_was_told_before_is_found_again() {
        let shop = [Attribute::str("service.name", "shop"), Attribute::str("host.name", "a")];
        let cart = [Attribute::str("service.name", "cart"), Attribute::str("host.name", "a")];
        let mut run = Run::new();
        let mut told = Vec::new();
        for attributes in [&shop, &cart, &shop, &cart, &cart] {
            run.resource(&Resource { attributes, schema_url: "" });
            told.push((run.resource_number, run.resource.number, run.series));
        }
        assert_eq!((told[0].1, told[1].1), (told[2].1, told[3].1));
        assert_ne!((told[0].1, told[0].2), (told[1].1, told[1].2));
        assert_eq!(told[0].2, told[2].2);
        assert_ne!(told[0].0, told[2].0, "rows between were another's");
        assert_eq!(told[3], told[4]);
        assert_eq!(run.resource.json, r#"{"host.name":"a","service.name":"cart"}"#);
    }

    #[test]
    fn values_of_other_kinds_are_others() {
        let values = [Value::Int(1), Value::Bool(true), Value::str("1"), Value::Json("1".into()), Value::Float(1.0)];
        let mut run = Run::new();
        for value in &values {
            run.resource(&Resource { attributes: &[Attribute::new("key", value.clone())], schema_url: "" });
        }
        assert_eq!(run.resource_number, 1 + values.len() as u32);
        for (value, number) in values.iter().zip(2..) {
            run.resource(&Resource { attributes: &[Attribute::new("key", value.clone())], schema_url: "" });
            assert_eq!(run.resource.number, number);
        }
    }

    #[test]
    fn many_resources_are_not_all_kept() {
        let mut run = Run::new();
        for number in 0..10 * RESOURCES_KNOWN_MAX as i64 {
            run.resource(&Resource { attributes: &[Attribute::new("key", Value::Int(number))], schema_url: "" });
            assert!(run.known.len() <= RESOURCES_KNOWN_MAX);
            assert_eq!(run.resource.json, format!(r#"{{"key":{number}}}"#));
        }
    }
}
