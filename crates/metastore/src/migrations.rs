//! The schema, as the steps that made it. A step that was released never changes; a new one goes to the end.

use sqlx::{Connection, SqliteConnection};

use crate::error::MetastoreError;

const MIGRATIONS: &[&[&str]] = &[
    &[
        // Facts there is one of: the catalog's identity, its newest snapshot, the next part's id.
        "create table facts (name text not null primary key, value text not null)",
        "create table counters (name text not null primary key, value bigint not null)",
        "insert into counters (name, value) values ('snapshot', 0), ('next_part', 1)",
        // How far each writer's write-ahead log is in parts.
        "create table wal_positions (writer text not null primary key, position bigint not null)",
        // A part is visible to a snapshot from `begin_snapshot` until before `end_snapshot`.
        "create table parts (
        id bigint not null primary key,
        project text not null,
        signal text not null,
        path text not null unique,
        rows bigint not null,
        bytes bigint not null,
        min_time bigint not null,
        max_time bigint not null,
        level bigint not null,
        begin_snapshot bigint not null,
        end_snapshot bigint
    )",
        "create index parts_by_time on parts (project, signal, max_time, min_time)",
        "create table attributes (
        project text not null,
        signal text not null,
        key text not null,
        type text not null,
        first_seen bigint not null,
        last_seen bigint not null,
        primary key (project, signal, key)
    )",
        "create table log_groups (
        project text not null,
        name text not null,
        created_at bigint not null,
        retention_days bigint,
        primary key (project, name)
    )",
        "create table log_streams (
        project text not null,
        log_group text not null,
        name text not null,
        created_at bigint not null,
        first_event_time bigint,
        last_event_time bigint,
        last_ingestion_time bigint,
        stored_bytes bigint not null,
        primary key (project, log_group, name)
    )",
        "create index log_streams_by_time on log_streams (project, log_group, last_event_time)",
    ],
    &[
        // What lies beside the part, and why its file cannot be trusted any more; null for a sound one.
        "alter table parts add column sidecar_bytes bigint not null default 0",
        "alter table parts add column damage text",
        // What changed since a snapshot is asked after every commit.
        "create index parts_by_begin on parts (begin_snapshot)",
        "create index parts_by_end on parts (end_snapshot) where end_snapshot is not null",
    ],
    &[
        // Which files were imported, by their contents, so that none is imported twice.
        "create table imports (
        project text not null,
        signal text not null,
        sha256 text not null,
        name text not null,
        rows bigint not null,
        imported_at bigint not null,
        primary key (project, signal, sha256)
    )",
    ],
    &[
        // How long a project keeps what; null is for ever, or without a bound. A project without a row has the settings'.
        "create table retention_policies (
            project text not null primary key,
            spans_days bigint,
            logs_days bigint,
            metrics_days bigint,
            traces_bytes_max bigint,
            metrics_bytes_max bigint,
            changed_at bigint not null
        )",
        // What is kept to the last: a trace, all occurrences of an error group, or a range of time.
        "create table pins (
            id integer primary key,
            project text not null,
            kind text not null,
            value text not null,
            start_time bigint,
            end_time bigint,
            reason text not null,
            created_at bigint not null,
            unique (project, kind, value)
        )",
        // Windows of time that were thinned: how far, and what that left.
        "create table retention_windows (
            project text not null,
            start_time bigint not null,
            end_time bigint not null,
            level bigint not null,
            plain_rows bigint not null,
            notable_rows bigint not null,
            error_rows bigint not null,
            pinned_rows bigint not null,
            rows_before bigint not null,
            bytes_before bigint not null,
            bytes_after bigint not null,
            thinned_at bigint not null,
            primary key (project, start_time)
        )",
        "create table retention_runs (
            id integer primary key,
            project text not null,
            started_at bigint not null,
            ended_at bigint not null,
            parts_ended bigint not null,
            parts_rewritten bigint not null,
            rows_before bigint not null,
            rows_after bigint not null,
            bytes_before bigint not null,
            bytes_after bigint not null,
            outcome text not null
        )",
        "create index retention_runs_by_project on retention_runs (project, id)",
        // Requests to delete, and their receipts. Whom a request was about is forgotten when it is done.
        "create table deletions (
            id text not null primary key,
            project text not null,
            kind text not null,
            trace_id text,
            attributes text,
            value text,
            service text,
            start_time bigint,
            end_time bigint,
            signals text not null,
            requested_at bigint not null,
            started_at bigint,
            log_truncated_at bigint,
            done_at bigint,
            erased_at bigint,
            spans bigint not null default 0,
            logs bigint not null default 0,
            metrics bigint not null default 0,
            cells bigint not null default 0,
            parts_rewritten bigint not null default 0,
            parts_removed bigint not null default 0,
            bytes_removed bigint not null default 0,
            bytes_written bigint not null default 0,
            parts_unreadable bigint not null default 0,
            failure text
        )",
        "create index deletions_by_time on deletions (project, requested_at)",
        // Parts whose files hold deleted rows until they are removed.
        "create table deletion_parts (
            deletion text not null,
            part bigint not null,
            primary key (deletion, part)
        )",
    ],
    &[
        // X-Ray's groups. The id stands in the group's ARN.
        "create table xray_groups (
            project text not null,
            name text not null,
            id text not null,
            filter_expression text not null,
            insights_enabled bigint not null,
            notifications_enabled bigint not null,
            created_at bigint not null,
            modified_at bigint not null,
            primary key (project, name)
        )",
        // Sampling rules; a project that never changed its default has no row for it. Attributes are a JSON object of texts.
        "create table sampling_rules (
            project text not null,
            name text not null,
            priority bigint not null,
            fixed_rate double precision not null,
            reservoir_size bigint not null,
            service_name text not null,
            service_type text not null,
            host text not null,
            http_method text not null,
            url_path text not null,
            resource_arn text not null,
            attributes text not null,
            version bigint not null,
            boost_max_rate double precision,
            boost_cooldown_minutes bigint,
            created_at bigint not null,
            modified_at bigint not null,
            primary key (project, name)
        )",
        // When a project's rules last changed: a rule that was removed has no row to tell.
        "create table sampling_changes (project text not null primary key, changed_at bigint not null)",
        "create table sampling_statistics (
            project text not null,
            rule text not null,
            window_start bigint not null,
            requests bigint not null,
            sampled bigint not null,
            borrowed bigint not null,
            primary key (project, window_start, rule)
        )",
        "create table tags (
            project text not null,
            resource text not null,
            key text not null,
            value text not null,
            primary key (project, resource, key)
        )",
        "create table resource_policies (
            project text not null,
            name text not null,
            document text not null,
            revision bigint not null,
            updated_at bigint not null,
            primary key (project, name)
        )",
        "create table project_settings (
            project text not null,
            name text not null,
            value text not null,
            changed_at bigint not null,
            primary key (project, name)
        )",
    ],
    &[
        // What Honeycomb's API keeps: queries and their results, calculated fields, markers, boards. The document is JSON;
        // the scope is a dataset, or empty for what belongs to none.
        "create table honeycomb_documents (
            project text not null,
            kind text not null,
            scope text not null,
            id text not null,
            document text not null,
            created_at bigint not null,
            changed_at bigint not null,
            primary key (project, kind, id)
        )",
        "create index honeycomb_documents_by_scope on honeycomb_documents (project, kind, scope, created_at)",
    ],
    &[
        // What APIs were told to keep and give back, e.g. metric filters; the document is JSON.
        "create table resources (
            project text not null,
            kind text not null,
            owner text not null,
            name text not null,
            document text not null,
            created_at bigint not null,
            changed_at bigint not null,
            primary key (project, kind, owner, name)
        )",
        "create index resources_by_owner on resources (project, owner)",
    ],
    &[
        // Error items: what people did about a group of errors, and what is told of it without reading rows.
        "create table error_items (
            id integer primary key autoincrement,
            project text not null,
            counter bigint not null,
            fingerprint text not null,
            status text not null,
            level bigint not null,
            title text not null,
            environment text not null,
            framework text not null,
            platform text not null,
            language text not null,
            assigned_user_id bigint,
            assigned_team_id bigint,
            snoozed_until bigint,
            resolved_at bigint,
            resolved_in_version text,
            first_seen bigint not null,
            last_seen bigint not null,
            last_activated_at bigint not null,
            first_occurrence bigint not null,
            last_occurrence bigint not null,
            activating_occurrence bigint not null,
            occurrences bigint not null,
            changed_at bigint not null,
            unique (project, counter)
        )",
        "create index error_items_by_time on error_items (project, last_seen desc)",
        "create index error_items_by_status on error_items (project, status, last_seen desc)",
        // The fingerprints whose occurrences are an item's: its first, those of other algorithms, and merged ones.
        "create table error_item_fingerprints (
            project text not null,
            fingerprint text not null,
            item bigint not null,
            primary key (project, fingerprint)
        )",
        "create index error_item_fingerprints_by_item on error_item_fingerprints (item)",
        // In which environments and versions of the code an item was seen. An empty text is one that was not told.
        "create table error_item_versions (
            item bigint not null,
            environment text not null,
            version text not null,
            first_seen bigint not null,
            last_seen bigint not null,
            occurrences bigint not null,
            primary key (item, environment, version)
        )",
        "create index error_item_versions_by_version on error_item_versions (version, environment)",
        // What happened to items, details as JSON.
        "create table error_item_events (
            id integer primary key,
            project text not null,
            item bigint not null,
            at bigint not null,
            kind text not null,
            details text not null
        )",
        "create index error_item_events_by_item on error_item_events (item, id)",
        "create index error_item_events_by_time on error_item_events (project, kind, at)",
        "create table error_item_comments (
            id integer primary key,
            project text not null,
            item bigint not null,
            at bigint not null,
            author text not null,
            body text not null
        )",
        "create index error_item_comments_by_item on error_item_comments (item, id)",
        // How deploys went on; who announced them and what of is a row.
        "create table deploy_states (
            project text not null,
            deploy bigint not null,
            status text not null,
            comment text,
            finished_at bigint,
            changed_at bigint not null,
            primary key (project, deploy)
        )",
        // Ids look unlike counters, so that a client that takes one for the other is told so.
        "insert into sqlite_sequence (name, seq) values ('error_items', 1000000)",
    ],
    &[
        // What is sent to others, and what came of it. Destination and payload are JSON.
        "create table deliveries (
            id integer primary key autoincrement,
            project text not null,
            origin text not null,
            dedupe_key text not null,
            destination text not null,
            payload text not null,
            state text not null,
            attempts bigint not null,
            answer text not null,
            created_at bigint not null,
            attempted_at bigint,
            next_attempt bigint not null,
            unique (project, origin, dedupe_key)
        )",
        "create index deliveries_pending on deliveries (project, next_attempt) where state = 'pending'",
        // What evaluators on the clock remember of each thing they look at.
        "create table evaluations (
            project text not null,
            evaluator text not null,
            subject text not null,
            state text not null,
            evaluated_at bigint not null,
            primary key (project, evaluator, subject)
        )",
    ],
    &[
        // What happened to alarms; data is JSON.
        "create table alarm_history (
            id integer primary key autoincrement,
            project text not null,
            alarm text not null,
            at bigint not null,
            kind text not null,
            summary text not null,
            data text not null
        )",
        "create index alarm_history_by_alarm on alarm_history (project, alarm, id)",
    ],
    &[
        // Items that people put together: the members point at the group's item, whose their fingerprints are meanwhile.
        "alter table error_items add column group_item bigint",
        "create index error_items_by_group on error_items (group_item) where group_item is not null",
        "alter table error_item_fingerprints add column member bigint",
    ],
    &[
        // People who were named, so that items can be theirs.
        "create table people (
            id integer primary key,
            project text not null,
            name text not null,
            created_at bigint not null
        )",
        "create unique index people_by_name on people (project, lower(name))",
    ],
    // Objectives and what evaluations found.
    &[
        "create table slo_counts (
            project text not null,
            slo text not null,
            minute bigint not null,
            good real not null,
            total real not null,
            primary key (project, slo, minute)
        ) without rowid",
        "create table alert_history (
            project text not null,
            subject text not null,
            at bigint not null,
            entry text not null,
            primary key (project, subject, at)
        ) without rowid",
    ],
    &[
        // Source maps that were uploaded, compressed.
        "create table error_source_maps (
            id integer primary key autoincrement,
            project text not null,
            version text not null,
            minified_url text not null,
            content blob not null,
            bytes bigint not null,
            sources bigint not null,
            uploaded_at bigint not null
        )",
        "create unique index error_source_maps_by_url on error_source_maps (project, version, minified_url)",
    ],
    &[
        // The environments an item was seen in, each with a separator before and behind it, so that lists need not look.
        "alter table error_items add column environments text not null default ''",
        "update error_items set environments = char(31) || coalesce((select group_concat(environment, char(31)) || char(31) from
            (select distinct v.environment as environment from error_item_versions v where v.item = error_items.id)), '')",
        // All that lists are narrowed and sorted by: a page is found in the index alone, whatever is asked.
        "drop index error_items_by_time",
        "drop index error_items_by_status",
        "create index error_items_listed on error_items (project, last_seen desc, id desc, status, level, environments,
            occurrences, first_seen, framework, assigned_user_id, assigned_team_id, snoozed_until, title)
            where group_item is null",
        "drop index error_item_versions_by_version",
        "create index error_item_versions_by_version on error_item_versions (version, environment, item)",
    ],
    &[
        // How often errors occurred by the hour, which stays when their rows go.
        "create table error_counts (
            project text not null,
            hour bigint not null,
            fingerprint text not null,
            environment text not null,
            occurrences bigint not null,
            primary key (project, hour, fingerprint, environment)
        ) without rowid",
        "create index error_counts_by_fingerprint on error_counts (project, fingerprint, hour)",
        // The issue of a tracker that an item is worked on in.
        "create table error_item_issues (
            item bigint primary key,
            url text not null
        )",
        // By these, scripts and their source maps find each other whatever the version.
        "alter table error_source_maps add column debug_id text not null default ''",
        "create index error_source_maps_by_debug_id on error_source_maps (project, debug_id) where debug_id <> ''",
    ],
    &[
        // With the column of its condition an index answers without its table.
        "drop index error_items_listed",
        "create index error_items_listed on error_items (project, last_seen desc, id desc, status, level, environments,
            occurrences, first_seen, framework, assigned_user_id, assigned_team_id, snoozed_until, last_activated_at, title,
            group_item) where group_item is null",
        // In the order in which items are counted by what lists are narrowed by.
        "create index error_items_counted on error_items (project, status, level, environments, framework, assigned_user_id,
            assigned_team_id, last_seen, first_seen, snoozed_until, title, group_item) where group_item is null",
        // Builds of one version, or of none, tell themselves apart by debug ids.
        "drop index error_source_maps_by_url",
        "create unique index error_source_maps_by_url on error_source_maps (project, version, minified_url, debug_id)",
    ],
    &[
        // All occurrences that an item ever had, whatever became of it meanwhile; null where nobody knows. Of items from before
        // this column nobody does.
        "alter table error_items add column occurrences_ever bigint",
        "drop index error_items_listed",
        "create index error_items_listed on error_items (project, last_seen desc, id desc, status, level, environments,
            occurrences, first_seen, framework, assigned_user_id, assigned_team_id, snoozed_until, last_activated_at,
            occurrences_ever, title, group_item) where group_item is null",
        // Which revision of the code a version was built from.
        "create table release_revisions (
            project text not null,
            version text not null,
            revision text not null,
            repository text not null,
            set_at bigint not null,
            primary key (project, version)
        ) without rowid",
    ],
];

/// Brings the database to the newest schema, one transaction a step.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), MetastoreError> {
    sqlx::query("create table if not exists schema_version (version bigint not null primary key)")
        .execute(&mut *connection)
        .await?;
    let known = MIGRATIONS.len() as i64;
    loop {
        // The version is read under the write lock, so that two processes that start together do not both migrate.
        let mut transaction = connection.begin_with("begin immediate").await?;
        let version: i64 =
            sqlx::query_scalar("select coalesce(max(version), 0) from schema_version").fetch_one(&mut *transaction).await?;
        if version > known {
            return Err(MetastoreError::NewerSchema { found: version, known });
        }
        let Some(steps) = MIGRATIONS.get(version as usize) else { return Ok(()) };
        for step in *steps {
            sqlx::query(*step).execute(&mut *transaction).await?;
        }
        sqlx::query("insert into schema_version (version) values ($1)").bind(version + 1).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
}
