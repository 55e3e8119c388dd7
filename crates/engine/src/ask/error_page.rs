//! One error in full: its occurrences, the messages it comes with, and whom and where it hits.

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::attributes::AttributeValue;
use super::errors::{ErrorFilter, ErrorGroup, condition, figures, person};
use super::logs::{Log, tell};
use super::{Asker, Stats, UnixNano};
use crate::engine::quote;
use crate::error::EngineError;
use crate::limits::PAGE_ROWS_MAX;
use crate::session::Session;

#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// `None` when nothing matches.
    pub figures: Option<ErrorGroup>,
    /// Newest first, with the vendor's own documents.
    pub occurrences: Vec<Log>,
    pub breakdowns: Vec<Breakdown>,
    /// Most frequent first.
    pub variants: Vec<Variant>,
    /// How many different messages there are.
    pub messages: u64,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Breakdown {
    pub key: String,
    pub values: Vec<AttributeValue>,
    /// Whether the key is a column that can be searched, or worked out from one.
    pub searchable: bool,
}

/// One of the messages that an error comes with.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Variant {
    pub message: String,
    #[serde(serialize_with = "super::weighted")]
    pub count: f64,
    pub people: u64,
    pub first_seen_unix_nano: UnixNano,
    pub last_seen_unix_nano: UnixNano,
}

/// A page of occurrences, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Occurrences {
    pub occurrences: Vec<Log>,
    pub next_cursor: Option<String>,
    pub stats: Stats,
}

/// Keys by which people ask who is hit; those that exist are broken down.
const BREAKDOWN_KEYS: [&str; 12] = [
    "service.version",
    "deployment.environment.name",
    "service.name",
    "host.name",
    "http.route",
    "url.path",
    "rollbar.context",
    "user.id",
    "client.address",
    "rollbar.framework",
    "session.id",
    "receiver",
];

/// Values of one breakdown.
const BREAKDOWN_VALUES: usize = 10;

/// Browsers' names for themselves that are read to tell the browsers.
const USER_AGENTS_READ: usize = 500;

const USER_AGENT: &str = "user_agent.original";

const VARIANTS_TOLD: usize = 20;

impl Asker {
    /// What there is to tell of an item within a range; `groups` are its own.
    pub async fn error_page(
        &self,
        range: TimeRange,
        filter: &ErrorFilter,
        groups: &[String],
        occurrences_max: usize,
    ) -> Result<ErrorPage, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, condition(&session, filter, Some(groups)).await?).await?;
        let figures = figures(&session, range, std::slice::from_ref(&groups.to_vec())).await?.0.pop();
        let newest = session.first_rows("l", &[("time", true), ("received_at", true)], occurrences_max).await?;
        let occurrences: Vec<Log> = newest.iter().map(|row| tell(row, true)).collect();
        let mut stats: Stats = newest.stats.into();
        stats.sampled = occurrences.iter().any(|one| one.sample_rate != 1.0);
        if occurrences.is_empty() {
            return Ok(ErrorPage {
                figures: None,
                occurrences,
                breakdowns: Vec::new(),
                variants: Vec::new(),
                messages: 0,
                stats,
            });
        }
        let (variants, messages) = variants(&session).await?;
        Ok(ErrorPage { figures, occurrences, breakdowns: breakdowns(&session).await?, variants, messages, stats })
    }

    /// A page of an item's occurrences.
    pub async fn error_occurrences(
        &self,
        range: TimeRange,
        filter: &ErrorFilter,
        groups: &[String],
        offset: usize,
        limit: usize,
    ) -> Result<Occurrences, EngineError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, condition(&session, filter, Some(groups)).await?).await?;
        let order = [("time", true), ("received_at", true), ("body", false)];
        let newest = session.first_rows("l", &order, offset.saturating_add(limit + 1)).await?;
        let mut occurrences: Vec<Log> = newest.iter().skip(offset).map(|row| tell(row, false)).collect();
        let more = occurrences.len() > limit;
        occurrences.truncate(limit);
        let mut stats: Stats = newest.stats.into();
        stats.sampled = occurrences.iter().any(|one| one.sample_rate != 1.0);
        Ok(Occurrences { occurrences, next_cursor: more.then(|| (offset + limit).to_string()), stats })
    }

    /// The occurrence of this id, whole.
    pub async fn error_occurrence(&self, groups: &[String], id: &str) -> Result<Option<Log>, EngineError> {
        let time = id.split('-').next().and_then(|time| time.parse::<i64>().ok());
        let Some(time) = time else {
            return Err(EngineError::invalid(format!("cannot read occurrence {id:?}: expected the id of a log record")));
        };
        let moment = TimeRange { start_unix_nano: time, end_unix_nano: time.saturating_add(1) };
        let session = self.session(moment).await?;
        session.define("l", Signal::Logs, condition(&session, &ErrorFilter::default(), Some(groups)).await?).await?;
        let rows = session.first_rows("l", &[("received_at", false)], PAGE_ROWS_MAX).await?;
        Ok(rows.iter().map(|row| tell(row, true)).find(|log| log.id == id))
    }
}

async fn breakdowns(session: &Session) -> Result<Vec<Breakdown>, EngineError> {
    let mut breakdowns = Vec::new();
    for key in BREAKDOWN_KEYS.into_iter().filter(|key| session.has(Signal::Logs, key)) {
        let values = values(session, key, BREAKDOWN_VALUES).await?;
        if !values.is_empty() {
            breakdowns.push(Breakdown { key: key.to_owned(), values, searchable: true });
        }
    }
    if session.has(Signal::Logs, USER_AGENT) {
        let agents = values(session, USER_AGENT, USER_AGENTS_READ).await?;
        for (key, name) in [("browser", browser as fn(&str) -> String), ("operating system", operating_system)] {
            let mut sums: Vec<AttributeValue> = Vec::new();
            for agent in &agents {
                let value = name(&agent.value);
                match sums.iter_mut().find(|sum| sum.value == value) {
                    Some(sum) => sum.count += agent.count,
                    None => sums.push(AttributeValue { value, count: agent.count }),
                }
            }
            sums.sort_by(|left, right| right.count.total_cmp(&left.count));
            sums.truncate(BREAKDOWN_VALUES);
            if !sums.is_empty() {
                breakdowns.insert(0, Breakdown { key: key.to_owned(), values: sums, searchable: false });
            }
        }
    }
    Ok(breakdowns)
}

async fn values(session: &Session, key: &str, limit: usize) -> Result<Vec<AttributeValue>, EngineError> {
    let key = quote(key);
    let answer = session
        .ask(&format!(
            "SELECT CAST({key} AS VARCHAR) AS value, sum(sample_rate) AS n FROM l WHERE {key} IS NOT NULL GROUP BY 1 ORDER BY n DESC, value LIMIT {limit}"
        ))
        .await?;
    let values = answer.iter().filter_map(|row| Some(AttributeValue { value: row.string("value")?, count: row.f64("n")? }));
    Ok(values.collect())
}

async fn variants(session: &Session) -> Result<(Vec<Variant>, u64), EngineError> {
    let answer = session
        .ask(&format!(
            r#"SELECT coalesce("exception.message", body) AS message, sum(sample_rate) AS n, count(DISTINCT {}) AS people,
               min(time) AS first, max(time) AS last FROM l GROUP BY 1 ORDER BY n DESC, last DESC LIMIT {VARIANTS_TOLD}"#,
            person(session)
        ))
        .await?;
    let variants: Vec<Variant> = answer
        .iter()
        .map(|row| Variant {
            message: row.string("message").unwrap_or_default(),
            count: row.f64("n").unwrap_or_default(),
            people: row.i64("people").unwrap_or_default().unsigned_abs(),
            first_seen_unix_nano: UnixNano(row.i64("first").unwrap_or_default()),
            last_seen_unix_nano: UnixNano(row.i64("last").unwrap_or_default()),
        })
        .collect();
    if variants.len() < VARIANTS_TOLD {
        let messages = variants.len() as u64;
        return Ok((variants, messages));
    }
    let answer = session.ask(r#"SELECT count(DISTINCT coalesce("exception.message", body)) AS n FROM l"#).await?;
    let messages = answer.iter().next().and_then(|row| row.i64("n")).unwrap_or_default();
    Ok((variants, messages.unsigned_abs()))
}

/// The browser's name and main version. Most say the names of others too, so the order counts.
fn browser(user_agent: &str) -> String {
    const MARKS: [(&str, &str); 9] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Headless Chrome"),
        ("Chrome/", "Chrome"),
        ("Version/", "Safari"),
    ];
    let Some((mark, name)) = MARKS.into_iter().find(|(mark, _)| user_agent.contains(mark)) else {
        return user_agent.split([' ', '(']).next().unwrap_or_default().to_owned();
    };
    let after = user_agent.split_once(mark).map_or("", |(_, after)| after);
    let version: String = after.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).take(4).collect();
    if version.is_empty() { name.to_owned() } else { format!("{name} {version}") }
}

fn operating_system(user_agent: &str) -> String {
    const MARKS: [(&str, &str); 8] = [
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "macOS"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = MARKS.into_iter().find(|(mark, _)| user_agent.contains(mark));
    named.map_or("other", |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_what_only_they_say() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.1",
                "Edge 120",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
                "Safari 17",
                "macOS",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "Firefox 121", "Linux"),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36",
                "Chrome 119",
                "Android",
            ),
            ("curl/8.5.0", "curl/8.5.0", "other"),
            ("", "", "other"),
        ];
        for (agent, name, system) in cases {
            assert_eq!((browser(agent).as_str(), operating_system(agent).as_str()), (name, system), "{agent}");
        }
    }
}
