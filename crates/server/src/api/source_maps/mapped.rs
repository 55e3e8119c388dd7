//! Frames of a payload, each with the place that people wrote, or why that is not known.

use std::collections::HashMap;
use std::sync::Arc;

use analysis::source_map::{Original, SourceMap};
use metastore::SourceMapKept;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::bare_url;
use crate::Services;
use crate::api::refusal::Refusal;
use crate::limits::FRAMES_MAPPED_MAX;

/// Lines of code before and behind the one that is told.
const CONTEXT_LINES: usize = 5;

/// Of a line of code, so that a source that is minified itself does not fill the page.
const LINE_CHARS_MAX: usize = 300;

/// Addresses or versions that a reason names.
const NAMED_MAX: usize = 5;

/// The host that stands for any.
const ANY_HOST: &str = "//dynamichost/";

#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorFrames {
    /// The latest exception first.
    pub traces: Vec<TraceTold>,
    /// By which source maps are looked for.
    pub version: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TraceTold {
    pub class: String,
    pub message: String,
    /// As the client sent them: the latest call is the last.
    pub frames: Vec<FrameTold>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FrameTold {
    pub filename: String,
    pub lineno: Option<u64>,
    pub colno: Option<u64>,
    pub method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<CodeContext>,
    /// Where a source map says that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalFrame>,
    /// Why no source map says so; nothing of frames that are not minified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CodeContext {
    pub pre: Vec<String>,
    pub post: Vec<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OriginalFrame {
    pub filename: String,
    pub lineno: u32,
    pub colno: u32,
    pub method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<CodeContext>,
    /// What stands at that place, where the minified code calls it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

enum Found {
    /// No frame of a page's script.
    Other,
    Because(String),
    At(OriginalFrame),
}

/// The frames of a payload in Rollbar's words.
pub async fn traces(services: &Services, payload: &Value) -> Result<ErrorFrames, Refusal> {
    let mut mapper = Mapper::of(services, payload).await?;
    let mut told = Vec::new();
    for pointer in pointers(payload) {
        let Some(trace) = payload.pointer(&pointer) else { continue };
        let found = mapper.frames(trace).await?;
        let text = |pointer: &str| trace.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let frames = frames_of(trace).iter().zip(found).map(|(frame, found)| frame_told(frame, found)).collect();
        told.push(TraceTold { class: text("/exception/class"), message: text("/exception/message"), frames });
    }
    Ok(ErrorFrames { traces: told, version: mapper.version })
}

/// Puts originals in the place of minified frames, which are kept beside them as `minified`; others get a `reason`.
pub async fn map_payload(services: &Services, payload: &mut Value) -> Result<(), Refusal> {
    let mut mapper = Mapper::of(services, payload).await?;
    for pointer in pointers(payload) {
        let Some(trace) = payload.pointer_mut(&pointer) else { continue };
        let found = mapper.frames(trace).await?;
        let frames = trace.get_mut("frames").and_then(Value::as_array_mut);
        for (frame, found) in frames.into_iter().flatten().zip(found) {
            let Found::At(original) = found else { continue };
            let minified = std::mem::take(frame);
            *frame = serde_json::to_value(original).unwrap_or_default();
            frame["minified"] = minified;
        }
    }
    Ok(())
}

/// Where traces lie: one, or a chain.
fn pointers(payload: &Value) -> Vec<String> {
    let chain = payload.pointer("/body/trace_chain").and_then(Value::as_array).map_or(0, Vec::len);
    match chain {
        0 if payload.pointer("/body/trace").is_some() => vec!["/body/trace".to_owned()],
        _ => (0..chain).map(|place| format!("/body/trace_chain/{place}")).collect(),
    }
}

fn frames_of(trace: &Value) -> &[Value] {
    trace.get("frames").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Looks frames of one occurrence up.
struct Mapper<'s> {
    services: &'s Services,
    version: Option<String>,
    /// Of this version.
    kept: Vec<SourceMapKept>,
    /// Scripts, by their addresses, with the debug ids that they say to have.
    debug_ids: HashMap<String, String>,
    /// Of these.
    kept_by_debug_id: Vec<SourceMapKept>,
    /// Of which there are source maps, asked for when a reason names them.
    versions: Option<Vec<String>>,
    maps: HashMap<i64, Result<Arc<SourceMap>, String>>,
    left: usize,
}

impl<'s> Mapper<'s> {
    async fn of(services: &'s Services, payload: &Value) -> Result<Mapper<'s>, Refusal> {
        let places = ["/client/javascript/code_version", "/code_version", "/server/code_version"];
        let text = |value: &Value| match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let mut named = places.iter().filter_map(|place| payload.pointer(place)).map(text);
        let version = named.find(|version| !version.is_empty());
        let kept = match &version {
            Some(version) => services.metastore.source_maps(&services.settings.project, Some(version)).await?,
            None => Vec::new(),
        };
        let debug_ids = debug_ids(payload);
        let kept_by_debug_id = if debug_ids.is_empty() {
            Vec::new()
        } else {
            let ids: Vec<String> = debug_ids.values().cloned().collect();
            services.metastore.source_maps_by_debug_id(&services.settings.project, &ids).await?
        };
        let (versions, maps, left) = (None, HashMap::new(), FRAMES_MAPPED_MAX);
        Ok(Mapper { services, version, kept, debug_ids, kept_by_debug_id, versions, maps, left })
    }

    async fn frames(&mut self, trace: &Value) -> Result<Vec<Found>, Refusal> {
        let mut found = Vec::new();
        for frame in frames_of(trace) {
            found.push(self.frame(frame).await?);
        }
        // What a call is named at the place of the call is the name of the function that was called, which is the next frame's.
        let mut called: Option<String> = None;
        for found in &mut found {
            match found {
                Found::At(original) => {
                    if let Some(name) = called.take() {
                        original.method = name;
                    }
                    called.clone_from(&original.name);
                }
                _ => called = None,
            }
        }
        Ok(found)
    }

    async fn frame(&mut self, frame: &Value) -> Result<Found, Refusal> {
        let filename = frame.get("filename").and_then(Value::as_str).unwrap_or_default();
        let is_page = ["http://", "https://", "//"].iter().any(|start| filename.starts_with(start));
        let wanted = bare_url(filename);
        let is_script = [".js", ".mjs", ".cjs"].iter().any(|end| wanted.ends_with(end));
        if !is_page && !is_script {
            return Ok(Found::Other);
        }
        let because = |reason: String| if is_page { Found::Because(reason) } else { Found::Other };
        let Some(kept) = self.kept_for(&wanted) else {
            return Ok(because(self.nothing_uploaded(&wanted).await?));
        };
        let (id, url) = (kept.id, kept.minified_url.clone());
        let number = |key: &str| frame.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        let (Some(line), Some(column)) = (number("lineno"), number("colno")) else {
            return Ok(Found::Because("the frame names no line and column".to_owned()));
        };
        if self.left == 0 {
            return Ok(Found::Because(format!("only {FRAMES_MAPPED_MAX} frames of an occurrence are looked up")));
        }
        self.left -= 1;
        if !self.maps.contains_key(&id) {
            let map = self.services.source_maps.get(&self.services.metastore, id).await?;
            self.maps.insert(id, map);
        }
        Ok(match self.maps.get(&id) {
            Some(Ok(map)) => match map.original(line, column) {
                Some(original) => Found::At(told(&original, frame)),
                None => Found::Because(format!("the source map of {url} has nothing at {line}:{column}")),
            },
            Some(Err(reason)) => Found::Because(format!("the source map of {url} cannot be read: {reason}")),
            None => Found::Other,
        })
    }

    /// The map with the script's debug id, else the one of its address in the occurrence's version.
    fn kept_for(&self, wanted: &str) -> Option<&SourceMapKept> {
        let by_id = self.debug_ids.get(wanted).and_then(|id| self.kept_by_debug_id.iter().find(|kept| kept.debug_id == *id));
        by_id.or_else(|| self.kept.iter().find(|kept| is_of(&kept.minified_url, wanted)))
    }

    /// What was looked for, and what there is.
    async fn nothing_uploaded(&mut self, wanted: &str) -> Result<String, Refusal> {
        let by_id = self.debug_ids.get(wanted).map(|id| format!("no source map with the debug id {id} was uploaded; "));
        let by_version = self.nothing_of_version(wanted).await?;
        Ok(by_id.unwrap_or_default() + &by_version)
    }

    async fn nothing_of_version(&mut self, wanted: &str) -> Result<String, Refusal> {
        let Some(version) = self.version.clone() else {
            return Ok(format!("the occurrence names no version, by which a source map of {wanted} would be found"));
        };
        if !self.kept.is_empty() {
            let uploaded = named(self.kept.iter().map(|kept| kept.minified_url.as_str()));
            return Ok(format!("no source map of {wanted} was uploaded for version {version}; there are {uploaded}"));
        }
        if self.versions.is_none() {
            let all = self.services.metastore.source_maps(&self.services.settings.project, None).await?;
            let mut versions = Vec::new();
            for kept in all.into_iter().filter(|kept| is_of(&kept.minified_url, wanted)) {
                if !versions.contains(&kept.version) {
                    versions.push(kept.version);
                }
            }
            self.versions = Some(versions);
        }
        Ok(match self.versions.as_deref() {
            Some([]) | None => format!("no source map of {wanted} was uploaded, for version {version} or another"),
            Some(versions) => {
                let uploaded = named(versions.iter().map(String::as_str));
                format!("no source map of {wanted} was uploaded for version {version}; there are some for {uploaded}")
            }
        })
    }
}

/// What Sentry's SDKs say of the scripts that were loaded: `debug_meta.images` of the type `sourcemap`.
fn debug_ids(payload: &Value) -> HashMap<String, String> {
    let images = payload.pointer("/debug_meta/images").and_then(Value::as_array);
    let scripts = images.into_iter().flatten().filter_map(|image| {
        let text = |name: &str| image.get(name).and_then(Value::as_str);
        let id = analysis::source_map::debug_id(text("debug_id")?)?;
        Some((bare_url(text("code_file")?), id))
    });
    scripts.take(FRAMES_MAPPED_MAX).collect()
}

fn named<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.take(NAMED_MAX + 1).collect();
    if names.len() > NAMED_MAX {
        names[NAMED_MAX] = "…";
    }
    names.join(", ")
}

fn is_of(kept: &str, wanted: &str) -> bool {
    let path = |url: &str| url.strip_prefix("//").and_then(|rest| rest.split_once('/')).map(|(_, path)| path.to_owned());
    kept == wanted || kept.strip_prefix(ANY_HOST).is_some_and(|kept| path(wanted).as_deref() == Some(kept))
}

fn told(original: &Original<'_>, frame: &Value) -> OriginalFrame {
    let lines: Vec<&str> = original.content.map(|content| content.lines().collect()).unwrap_or_default();
    let at = (original.line as usize).saturating_sub(1);
    let cut = |line: &&str| line.chars().take(LINE_CHARS_MAX).collect::<String>();
    let code = lines.get(at).map(cut);
    let context = code.as_ref().map(|_| CodeContext {
        pre: lines[at.saturating_sub(CONTEXT_LINES)..at].iter().map(cut).collect(),
        post: lines[at + 1..(at + 1 + CONTEXT_LINES).min(lines.len())].iter().map(cut).collect(),
    });
    OriginalFrame {
        filename: original.source.to_owned(),
        lineno: original.line,
        colno: original.column,
        method: frame.get("method").and_then(Value::as_str).unwrap_or_default().to_owned(),
        code,
        context,
        name: original.name.map(str::to_owned),
    }
}

fn frame_told(frame: &Value, found: Found) -> FrameTold {
    let text = |key: &str| frame.get(key).and_then(Value::as_str).map(str::to_owned);
    let lines = |key: &str| {
        let lines = frame.pointer(&format!("/context/{key}")).and_then(Value::as_array);
        lines.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<String>>()
    };
    let context = CodeContext { pre: lines("pre"), post: lines("post") };
    let (original, reason) = match found {
        Found::Other => (None, None),
        Found::Because(reason) => (None, Some(reason)),
        Found::At(original) => (Some(original), None),
    };
    FrameTold {
        filename: text("filename").unwrap_or_default(),
        lineno: frame.get("lineno").and_then(Value::as_u64),
        colno: frame.get("colno").and_then(Value::as_u64),
        method: text("method").unwrap_or_default(),
        code: text("code"),
        context: Some(context).filter(|context| !context.pre.is_empty() || !context.post.is_empty()),
        original,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scripts_say_their_debug_ids() {
        let id = "85314830-023f-4cf1-a267-02d94cb6d5d1";
        let image = |file: Value| json!({"type": "sourcemap", "code_file": file, "debug_id": id});
        let images =
            [image(json!("https://x.example/a.js?v=1")), image(json!(null)), json!({"debug_id": "?", "code_file": "b.js"})];
        let found = debug_ids(&json!({"debug_meta": {"images": images}}));
        assert_eq!(found, HashMap::from([("//x.example/a.js".to_owned(), id.replace('-', ""))]));
    }

    #[test]
    fn hosts_may_be_left_open() {
        assert!(is_of("//x.example/a.js", "//x.example/a.js"));
        assert!(is_of("//dynamichost/js/a.js", "//y.example/js/a.js"));
        assert!(!is_of("//dynamichost/js/a.js", "//y.example/a.js"));
        assert!(!is_of("//x.example/a.js", "//x.example/b.js"));
        assert_eq!(named(["a", "b"].into_iter()), "a, b");
        assert_eq!(named(["a"; 9].into_iter()), "a, a, a, a, a, …");
    }

    #[test]
    fn code_is_told_with_its_neighbours() {
        let content: String = (1..=20).map(|line| format!("line {line}\n")).collect();
        let original = Original { source: "a.ts", line: 3, column: 1, name: Some("buy"), content: Some(&content) };
        let told = told(&original, &json!({"method": "b"}));
        assert_eq!((told.code.as_deref(), told.method.as_str()), (Some("line 3"), "b"));
        let context = told.context.unwrap();
        assert_eq!(context.pre, ["line 1", "line 2"]);
        assert_eq!(context.post.last().map(String::as_str), Some("line 8"));
        let beyond = Original { line: 99, ..original };
        assert!(super::told(&beyond, &json!({})).code.is_none());
    }

    #[test]
    fn traces_lie_in_one_place_or_a_chain() {
        assert_eq!(pointers(&json!({"body": {"trace": {}}})), ["/body/trace"]);
        assert_eq!(pointers(&json!({"body": {"trace_chain": [{}, {}]}})), ["/body/trace_chain/0", "/body/trace_chain/1"]);
        assert!(pointers(&json!({"body": {"message": {}}})).is_empty());
    }
}
