//! What the columns of Rollbar's two tables are here: columns of logs, of items, and paths into the payload.

use super::ast::Table;

/// Columns of items, which whoever plans joins to the rows: their names behind `item.`, and whether they are whole numbers.
pub const ITEM_COLUMNS: [(&str, bool); 17] = [
    ("item.id", true),
    ("item.counter", true),
    ("item.hash", false),
    ("item.title", false),
    ("item.status", false),
    ("item.level", true),
    ("item.environment", false),
    ("item.framework", false),
    ("item.platform", false),
    ("item.total_occurrences", true),
    ("item.first_occurrence_id", true),
    ("item.first_occurrence_timestamp", true),
    ("item.last_occurrence_id", true),
    ("item.last_occurrence_timestamp", true),
    ("item.last_activated_timestamp", true),
    ("item.resolved_in_version", false),
    ("item.assigned_user_id", true),
];

/// Where the value of a column is found, first come first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Seconds since 1970 of the row's time.
    Seconds,
    /// The number of the occurrence.
    Number,
    /// Rollbar's word for the severity.
    Level,
    Project,
    /// Of an item.
    Item,
    /// A column of logs; where that does not exist, a path into the payload.
    Attribute(&'static str),
    /// Only in the payload.
    Payload,
}

const OCCURRENCE_COLUMNS: &[(&str, Source)] = &[
    ("timestamp", Source::Seconds),
    ("occurrence_id", Source::Number),
    ("level", Source::Level),
    ("project_id", Source::Project),
    ("environment", Source::Attribute("deployment.environment.name")),
    ("framework", Source::Attribute("rollbar.framework")),
    ("platform", Source::Attribute("rollbar.platform")),
    ("language", Source::Attribute("telemetry.sdk.language")),
    ("context", Source::Attribute("rollbar.context")),
    ("code_version", Source::Attribute("service.version")),
    ("uuid", Source::Attribute("rollbar.uuid")),
    ("title", Source::Attribute("body")),
    ("body.message.body", Source::Attribute("exception.message")),
    ("body.trace.exception.class", Source::Attribute("exception.type")),
    ("body.trace.exception.message", Source::Attribute("exception.message")),
    ("body.crash_report.raw", Source::Attribute("exception.stacktrace")),
    ("server.host", Source::Attribute("host.name")),
    ("server.root", Source::Attribute("rollbar.server.root")),
    ("server.branch", Source::Attribute("vcs.ref.head.name")),
    ("server.pid", Source::Attribute("process.pid")),
    ("request.url", Source::Attribute("url.full")),
    ("request.method", Source::Attribute("http.request.method")),
    ("request.user_ip", Source::Attribute("client.address")),
    ("client_ip", Source::Attribute("client.address")),
    ("person.id", Source::Attribute("user.id")),
    ("person.username", Source::Attribute("user.name")),
    ("person.email", Source::Attribute("user.email")),
    ("client.javascript.browser", Source::Attribute("user_agent.original")),
    ("notifier.name", Source::Attribute("telemetry.sdk.name")),
    ("notifier.version", Source::Attribute("telemetry.sdk.version")),
    ("service", Source::Attribute("service.name")),
    ("receiver", Source::Attribute("receiver")),
];

const DEPLOY_COLUMNS: &[(&str, Source)] = &[
    ("id", Source::Attribute("rollbar.deploy.id")),
    ("project_id", Source::Project),
    ("timestamp", Source::Seconds),
    ("start_time", Source::Seconds),
    ("environment", Source::Attribute("deployment.environment.name")),
    ("revision", Source::Attribute("service.version")),
    ("comment", Source::Attribute("body")),
    ("status", Source::Attribute("rollbar.deploy.status")),
    ("local_username", Source::Attribute("rollbar.deploy.local_username")),
    ("rollbar_username", Source::Attribute("rollbar.deploy.rollbar_username")),
    ("username", Source::Attribute("user.name")),
];

/// What `*` stands for: what the page of an item shows of its occurrences.
pub(super) fn of_star(table: Table) -> &'static [&'static str] {
    match table {
        Table::ItemOccurrence => &[
            "occurrence_id",
            "timestamp",
            "item.id",
            "item.counter",
            "item.title",
            "level",
            "environment",
            "language",
            "framework",
            "code_version",
            "context",
            "server.host",
            "request.url",
            "request.user_ip",
            "person.id",
            "uuid",
        ],
        Table::Deploy => &["id", "timestamp", "environment", "revision", "status", "local_username", "comment"],
    }
}

/// Where the values of a column are. A deploy has no payload, so a name that is none of its columns is `None` there.
pub(super) fn source(table: Table, name: &str) -> Option<Source> {
    let known = match table {
        Table::ItemOccurrence => OCCURRENCE_COLUMNS,
        Table::Deploy => DEPLOY_COLUMNS,
    };
    if let Some((_, source)) = known.iter().find(|(column, _)| *column == name) {
        return Some(*source);
    }
    match table {
        Table::Deploy => None,
        Table::ItemOccurrence if ITEM_COLUMNS.iter().any(|(column, _)| *column == name) => Some(Source::Item),
        // A misspelt column of items is nothing that a payload has.
        Table::ItemOccurrence if name.starts_with("item.") => None,
        Table::ItemOccurrence => Some(Source::Payload),
    }
}

/// The names that a table has beside paths into payloads, for those who ask for others.
pub(super) fn names(table: Table) -> Vec<&'static str> {
    match table {
        Table::ItemOccurrence => ITEM_COLUMNS.iter().map(|(name, _)| *name).collect(),
        Table::Deploy => DEPLOY_COLUMNS.iter().map(|(name, _)| *name).collect(),
    }
}

/// The columns of items that a query needs, in the order of [`ITEM_COLUMNS`].
pub fn item_columns_of(query: &super::Query) -> Vec<&'static str> {
    let named = query.columns();
    let star: &[&str] = if query.select.is_empty() { of_star(query.table) } else { &[] };
    let is_needed = |column: &str| query.table == Table::ItemOccurrence && (named.contains(&column) || star.contains(&column));
    ITEM_COLUMNS.iter().map(|(name, _)| *name).filter(|name| is_needed(name)).collect()
}
