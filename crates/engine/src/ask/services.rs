//! Services and routes: how much, how slow, how often wrong.

use std::collections::BTreeMap;

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::{Asker, Stats, Steps, UnixNano};
use crate::error::EngineError;
use crate::session::Session;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Services {
    pub services: Vec<Service>,
    pub stats: Stats,
}

/// One service over the asked range.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Service {
    pub name: String,
    pub receivers: Vec<String>,
    /// Spans, weighted.
    pub spans: f64,
    /// Server, consumer and root spans, weighted.
    pub requests: f64,
    pub errors: f64,
    pub error_rate: f64,
    pub p50_ns: Option<f64>,
    pub p95_ns: Option<f64>,
    pub logs: f64,
    pub exceptions: f64,
    pub last_seen_unix_nano: UnixNano,
    pub series: ServiceSeries,
}

/// The same over time; every list has one value a step.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ServiceSeries {
    pub step_seconds: i64,
    pub start_unix_nano: UnixNano,
    pub requests: Vec<f64>,
    pub errors: Vec<f64>,
    pub p95_ns: Vec<Option<f64>>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Routes {
    pub routes: Vec<Route>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Route {
    pub service: String,
    pub route: String,
    pub method: Option<String>,
    pub requests: f64,
    pub errors: f64,
    pub p50_ns: f64,
    pub p95_ns: f64,
    pub p99_ns: f64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Deploys {
    pub deploys: Vec<Deploy>,
    pub stats: Stats,
}

/// A release, as announced by a deploy event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Deploy {
    pub time_unix_nano: UnixNano,
    pub service: String,
    pub version: Option<String>,
    pub environment: Option<String>,
    pub comment: String,
    pub user: Option<String>,
}

/// A span that stands for a request: one end of it is this service's own door.
const IS_REQUEST: &str = "(kind IN ('server', 'consumer') OR (parent_span_id IS NULL AND kind <> 'client')) AND NOT in_progress";

const QUANTILES: &str = "approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(duration_ns AS DOUBLE)) AS p50, \
                         approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY CAST(duration_ns AS DOUBLE)) AS p95";

impl Asker {
    pub async fn services(&self, range: TimeRange) -> Result<Services, EngineError> {
        let session = self.session(range).await?;
        session.define("s", Signal::Spans, None).await?;
        session.define("l", Signal::Logs, None).await?;
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        let mut stats = session.seen();

        let totals = session
            .ask(
                r#"SELECT "service.name", receiver, sum(sample_rate) AS spans, max(time) AS last FROM s GROUP BY 1, 2 ORDER BY 2"#
            )
            .await?;
        for row in totals.iter() {
            let service = named(&mut services, row.str("service.name"));
            service.receivers.extend(row.string("receiver"));
            service.spans += row.f64("spans").unwrap_or_default();
            service.last_seen_unix_nano = service.last_seen_unix_nano.max(UnixNano(row.i64("last").unwrap_or_default()));
        }
        stats = stats.plus(totals.stats);

        let requests = session
            .ask(&format!(
                r#"SELECT "service.name", sum(sample_rate) AS requests, sum(CASE WHEN status_code = 'error' THEN sample_rate ELSE 0 END) AS errors, {QUANTILES} FROM s WHERE {IS_REQUEST} GROUP BY 1"#
            ))
            .await?;
        for row in requests.iter() {
            let service = named(&mut services, row.str("service.name"));
            service.requests = row.f64("requests").unwrap_or_default();
            service.errors = row.f64("errors").unwrap_or_default();
            service.error_rate = if service.requests > 0.0 { service.errors / service.requests } else { 0.0 };
            (service.p50_ns, service.p95_ns) = (row.f64("p50"), row.f64("p95"));
        }
        stats = stats.plus(requests.stats);

        let logs = session
            .ask(
                r#"SELECT "service.name", receiver, sum(sample_rate) AS logs, sum(CASE WHEN "error.group" IS NOT NULL THEN sample_rate ELSE 0 END) AS exceptions, max(time) AS last FROM l WHERE event_name IS DISTINCT FROM 'deploy' GROUP BY 1, 2 ORDER BY 2"#,
            )
            .await?;
        for row in logs.iter() {
            let service = named(&mut services, row.str("service.name"));
            if let Some(receiver) = row.string("receiver")
                && !service.receivers.contains(&receiver)
            {
                service.receivers.push(receiver);
            }
            service.logs += row.f64("logs").unwrap_or_default();
            service.exceptions += row.f64("exceptions").unwrap_or_default();
            service.last_seen_unix_nano = service.last_seen_unix_nano.max(UnixNano(row.i64("last").unwrap_or_default()));
        }
        stats = stats.plus(logs.stats);

        stats = stats.plus(add_series(&session, range, &mut services).await?);
        let mut services: Vec<Service> = services.into_values().collect();
        services.sort_by(|a, b| b.requests.total_cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
        Ok(Services { services, stats: stats.into() })
    }

    /// The routes whose slowest requests are slowest.
    pub async fn routes(&self, range: TimeRange, service: Option<&str>, limit: usize) -> Result<Routes, EngineError> {
        let session = self.session(range).await?;
        session.define("s", Signal::Spans, service.map(|service| super::is("service.name", service))).await?;
        let or_null = |column| session.column_or_null(Signal::Spans, column);
        let route = format!("coalesce({}, {}, {}, name)", or_null("http.route"), or_null("url.path"), or_null("http.target"));
        let method = format!("coalesce({}, {})", or_null("http.request.method"), or_null("http.method"));
        let answer = session
            .ask(&format!(
                r#"SELECT "service.name", {route} AS route, {method} AS method, sum(sample_rate) AS requests,
                   sum(CASE WHEN status_code = 'error' THEN sample_rate ELSE 0 END) AS errors, {QUANTILES},
                   approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY CAST(duration_ns AS DOUBLE)) AS p99
                   FROM s WHERE {IS_REQUEST} GROUP BY 1, 2, 3 ORDER BY p95 DESC LIMIT {limit}"#
            ))
            .await?;
        let routes = answer
            .iter()
            .map(|row| Route {
                service: row.string("service.name").unwrap_or_default(),
                route: row.string("route").unwrap_or_default(),
                method: row.string("method"),
                requests: row.f64("requests").unwrap_or_default(),
                errors: row.f64("errors").unwrap_or_default(),
                p50_ns: row.f64("p50").unwrap_or_default(),
                p95_ns: row.f64("p95").unwrap_or_default(),
                p99_ns: row.f64("p99").unwrap_or_default(),
            })
            .collect();
        Ok(Routes { routes, stats: answer.stats.into() })
    }

    pub async fn deploys(&self, range: TimeRange) -> Result<Deploys, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, Some(super::is("event_name", "deploy"))).await?;
        let or_null = |column| session.column_or_null(Signal::Logs, column);
        let answer = session
            .ask(&format!(
                r#"SELECT time, "service.name", body, {} AS version, {} AS environment, {} AS "user" FROM l ORDER BY time DESC LIMIT {}"#,
                or_null("service.version"),
                or_null("deployment.environment.name"),
                or_null("rollbar.deploy.local_username"),
                crate::limits::PAGE_ROWS_MAX,
            ))
            .await?;
        let deploys = answer
            .iter()
            .map(|row| Deploy {
                time_unix_nano: UnixNano(row.i64("time").unwrap_or_default()),
                service: row.string("service.name").unwrap_or_default(),
                version: row.string("version"),
                environment: row.string("environment"),
                comment: row.string("body").unwrap_or_default(),
                user: row.string("user"),
            })
            .collect();
        Ok(Deploys { deploys, stats: answer.stats.into() })
    }
}

fn named<'a>(services: &'a mut BTreeMap<String, Service>, name: Option<&str>) -> &'a mut Service {
    let name = name.unwrap_or(model::UNKNOWN_SERVICE);
    services.entry(name.to_owned()).or_insert_with(|| Service { name: name.to_owned(), ..Service::default() })
}

/// Steps of a sparkline: as many as it has pixels to show apart.
const SPARKLINE_STEPS: i64 = 60;

async fn add_series(
    session: &Session,
    range: TimeRange,
    services: &mut BTreeMap<String, Service>,
) -> Result<crate::QueryStats, EngineError> {
    let steps = Steps::over(range, SPARKLINE_STEPS);
    for service in services.values_mut() {
        service.series = ServiceSeries {
            step_seconds: steps.step_seconds,
            start_unix_nano: UnixNano(steps.start_unix_nano),
            requests: vec![0.0; steps.count],
            errors: vec![0.0; steps.count],
            p95_ns: vec![None; steps.count],
        };
    }
    let answer = session
        .ask(&format!(
            r#"SELECT "service.name", {} AS step, sum(sample_rate) AS requests,
               sum(CASE WHEN status_code = 'error' THEN sample_rate ELSE 0 END) AS errors, {QUANTILES}
               FROM s WHERE {IS_REQUEST} GROUP BY 1, 2"#,
            steps.sql()
        ))
        .await?;
    for row in answer.iter() {
        let series = &mut named(services, row.str("service.name")).series;
        let Some(place) = steps.place(row.i64("step")) else { continue };
        if place < series.requests.len() {
            series.requests[place] = row.f64("requests").unwrap_or_default();
            series.errors[place] = row.f64("errors").unwrap_or_default();
            series.p95_ns[place] = row.f64("p95");
        }
    }
    Ok(answer.stats)
}
