//! What the payloads of Sentry share: times, ids, tags, people, and where they come from.

use model::{Attribute, Resource, RowSink, Scope, SpanId, TraceId, Value, flatten_json};
use serde_json::{Map, Value as Json};

use crate::incoming::Incoming;

pub type Object = Map<String, Json>;

/// Where a payload arrived.
pub struct Place<'a> {
    pub project: &'a str,
    pub incoming: &'a Incoming<'a>,
}

/// Where telemetry comes from, as far as it says.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub release: Option<String>,
    pub environment: Option<String>,
    pub server_name: Option<String>,
    pub service: Option<String>,
    pub sdk_name: Option<String>,
    pub sdk_version: Option<String>,
    pub platform: Option<String>,
}

impl Origin {
    /// Of an event or a transaction.
    pub fn of_event(event: &Object) -> Origin {
        let sdk = |key| event.get("sdk").and_then(|sdk| sdk.get(key)).and_then(text_of);
        Origin {
            release: text(event, "release"),
            environment: text(event, "environment"),
            server_name: text(event, "server_name"),
            service: tags(event).find(|(key, _)| key == "service" || key == "service.name").map(|(_, value)| value),
            sdk_name: sdk("name"),
            sdk_version: sdk("version"),
            platform: text(event, "platform"),
        }
    }

    pub fn push(&self, place: &Place<'_>, sink: &mut dyn RowSink) {
        let mut out = Attributes::default();
        let release = self.release.as_deref().map(package_and_version);
        let named = self.service.clone().or_else(|| release?.0.filter(|name| !name.is_empty()).map(str::to_owned));
        out.text("service.name", Some(named.unwrap_or_else(|| format!("sentry-{}", place.project))));
        out.text("service.version", release.map(|(_, version)| version.to_owned()));
        out.text("deployment.environment.name", self.environment.clone());
        out.text("host.name", self.server_name.clone());
        out.text("telemetry.sdk.name", self.sdk_name.clone());
        out.text("telemetry.sdk.version", self.sdk_version.clone());
        out.text("telemetry.sdk.language", self.language());
        out.text("sentry.project", Some(place.project.to_owned()));
        sink.resource(&Resource { attributes: &out.0, schema_url: "" });
        sink.scope(&Scope::default());
    }

    /// OpenTelemetry's word for the platform.
    fn language(&self) -> Option<String> {
        let platform = self.platform.as_deref()?;
        let sdk = self.sdk_name.as_deref().unwrap_or_default();
        let on_server = ["node", "nextjs-server", "bun", "deno", "aws-serverless"].iter().any(|word| sdk.contains(word));
        Some(match platform {
            "node" => "nodejs".to_owned(),
            "javascript" if on_server => "nodejs".to_owned(),
            "javascript" => "webjs".to_owned(),
            "csharp" => "dotnet".to_owned(),
            other => other.to_owned(),
        })
    }
}

/// A text that is not blank, or a number or truth as its text.
pub fn text(object: &Object, key: &str) -> Option<String> {
    object.get(key).and_then(text_of)
}

pub fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Seconds since 1970, or a time in RFC 3339, as nanoseconds.
pub fn time(value: Option<&Json>) -> Option<i64> {
    match value? {
        // A double holds times to a quarter of a microsecond.
        Json::Number(number) => ((number.as_f64()? * 1e6).round() as i64).checked_mul(1_000).filter(|nanos| *nanos > 0),
        Json::String(text) => {
            let zoned = if text.ends_with('Z') || text.get(10..).is_some_and(|rest| rest.contains(['+', '-'])) {
                text.parse::<jiff::Timestamp>().ok()
            } else {
                format!("{text}Z").parse().ok()
            };
            i64::try_from(zoned?.as_nanosecond()).ok().filter(|nanos| *nanos > 0)
        }
        _ => None,
    }
}

pub fn trace_id(object: &Object) -> Option<TraceId> {
    TraceId::parse(object.get("trace_id")?.as_str()?).ok()
}

pub fn span_id(object: &Object, key: &str) -> Option<SpanId> {
    SpanId::parse(object.get(key)?.as_str()?).ok()
}

/// `contexts.trace` of an event.
pub fn trace_context(event: &Object) -> Option<&Object> {
    event.get("contexts")?.get("trace")?.as_object()
}

/// Tags are an object, or a list of pairs.
pub fn tags(event: &Object) -> impl Iterator<Item = (String, String)> + '_ {
    let tags = event.get("tags");
    let of_object = tags.and_then(Json::as_object).into_iter().flatten();
    let of_object = of_object.filter_map(|(key, value)| Some((key.clone(), text_of(value)?)));
    let of_list = tags.and_then(Json::as_array).into_iter().flatten();
    let of_list = of_list.filter_map(|pair| Some((text_of(pair.get(0)?)?, text_of(pair.get(1)?)?)));
    of_object.chain(of_list)
}

/// Attributes being collected; what is absent is not pushed.
#[derive(Default)]
pub struct Attributes(pub Vec<Attribute<'static>>);

impl Attributes {
    pub fn text(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.push(Attribute::new(key.to_owned(), Value::Str(value.into())));
        }
    }

    pub fn json(&mut self, key: &str, value: Option<&Json>) {
        if let Some(value) = value {
            flatten_json(key.to_owned().into(), value, &mut self.0);
        }
    }

    /// Each member under its own name.
    pub fn members(&mut self, object: Option<&Json>) {
        for (key, value) in object.and_then(Json::as_object).into_iter().flatten() {
            self.json(key, Some(value));
        }
    }

    /// `{"key": {"value": …, "type": …}}`, as logs, metrics and newer spans have them.
    pub fn typed(&mut self, object: Option<&Json>) {
        for (key, value) in object.and_then(Json::as_object).into_iter().flatten() {
            self.json(key, Some(value.get("value").unwrap_or(value)));
        }
    }

    /// Who it happened to, and in which request.
    pub fn person_and_request(&mut self, event: &Object) {
        let user = event.get("user").and_then(Json::as_object);
        let of_user = |key| user.and_then(|user| text(user, key));
        self.text("user.id", of_user("id"));
        self.text("user.name", of_user("username").or_else(|| of_user("name")));
        self.text("user.email", of_user("email"));
        let request = event.get("request").and_then(Json::as_object);
        let of_request = |key| request.and_then(|request| text(request, key));
        self.text("http.request.method", of_request("method"));
        self.text("url.full", of_request("url"));
        let header = |name: &str| {
            let headers = request?.get("headers")?;
            let of_object =
                || headers.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            let of_list = || headers.as_array()?.iter().find(|pair| is_named(pair, name))?.get(1);
            of_object().or_else(of_list).and_then(text_of)
        };
        self.text("user_agent.original", header("user-agent"));
        let env = request.and_then(|request| request.get("env"));
        let address = of_user("ip_address").or_else(|| env?.get("REMOTE_ADDR").and_then(text_of));
        self.text("client.address", address.filter(|address| address != "{{auto}}"));
    }
}

fn is_named(pair: &Json, name: &str) -> bool {
    pair.get(0).and_then(Json::as_str).is_some_and(|key| key.eq_ignore_ascii_case(name))
}

/// `{{auto}}` is the address of whoever sent it.
pub fn sender_address(event: &Object, place: &Place<'_>) -> Option<String> {
    let told = event.get("user")?.get("ip_address")?.as_str()?;
    (told == "{{auto}}").then(|| place.incoming.remote_addr.map(|address| address.to_string()))?
}

/// `package@version`, or a version alone.
pub fn package_and_version(release: &str) -> (Option<&str>, &str) {
    release.split_once('@').map_or((None, release), |(package, version)| (Some(package), version))
}
