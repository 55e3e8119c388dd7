//! The life of items: made, counted, resolved, active again, or not.

use super::*;
use crate::error_items::{ErrorItemFilter, ErrorItemOrder, ErrorItemUpdate};

const SECOND: i64 = 1_000_000_000;

fn seen(fingerprint: &str, version: &str, second: i64) -> OccurrencesSeen {
    OccurrencesSeen {
        fingerprint: fingerprint.into(),
        level: 40,
        title: format!("E: {fingerprint} at {second}"),
        environment: "production".into(),
        version: version.into(),
        first_seen_unix_nano: second * SECOND,
        last_seen_unix_nano: second * SECOND,
        first_occurrence: second,
        last_occurrence: second,
        count: 2,
        ..OccurrencesSeen::default()
    }
}

async fn record(metastore: &Metastore, seen: OccurrencesSeen) -> Vec<ItemEventKind> {
    let now = seen.last_seen_unix_nano + SECOND / 2;
    let changes = metastore.record_occurrences("default", &[seen], now).await.unwrap();
    changes.into_iter().map(|change| change.kind).collect()
}

async fn resolve(metastore: &Metastore, id: i64, version: Option<&str>, second: i64) {
    let update = ErrorItemUpdate {
        status: Some(ItemStatus::Resolved),
        resolved_in_version: version.map(str::to_owned),
        ..ErrorItemUpdate::default()
    };
    metastore.update_error_item("default", id, &update, second * SECOND).await.unwrap();
}

async fn only(metastore: &Metastore) -> ErrorItem {
    let mut items = metastore.error_items("default", &ErrorItemFilter::default(), ErrorItemOrder::default(), 0, 9).await.unwrap();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[tokio::test]
async fn the_first_occurrence_makes_the_item_and_others_count() {
    let metastore = Metastore::in_memory().await.unwrap();
    assert_eq!(record(&metastore, seen("a", "1", 100)).await, [ItemEventKind::Created]);
    assert_eq!(record(&metastore, seen("a", "2", 300)).await, []);
    assert_eq!(record(&metastore, OccurrencesSeen { level: 50, ..seen("a", "1", 50) }).await, []);
    let item = only(&metastore).await;
    assert_eq!((item.id, item.counter), (1_000_001, 1));
    assert_eq!((item.occurrences, item.level, item.title.as_str()), (6, 40, "E: a at 100"));
    assert_eq!((item.first_seen_unix_nano, item.last_seen_unix_nano), (50 * SECOND, 300 * SECOND));
    assert_eq!((item.first_occurrence, item.last_occurrence, item.activating_occurrence), (50, 300, 100));
    let versions = metastore.error_item_versions(item.id).await.unwrap();
    assert_eq!(
        versions.iter().map(|version| (version.version.as_str(), version.occurrences)).collect::<Vec<_>>(),
        [("2", 2), ("1", 4)]
    );
    record(&metastore, seen("b", "", 400)).await;
    let second = metastore.error_item_by_counter("default", 2).await.unwrap().unwrap();
    assert_eq!((second.id, second.fingerprint.as_str()), (1_000_002, "b"));
    assert_eq!(metastore.error_item_by_counter("other", 2).await.unwrap(), None);
}

#[tokio::test]
async fn resolved_items_come_back_and_muted_ones_do_not() {
    let metastore = Metastore::in_memory().await.unwrap();
    record(&metastore, seen("a", "", 100)).await;
    let id = only(&metastore).await.id;
    resolve(&metastore, id, None, 200).await;
    // What was on its way when the item was resolved.
    assert_eq!(record(&metastore, seen("a", "", 199)).await, []);
    assert_eq!(only(&metastore).await.status, ItemStatus::Resolved);
    assert_eq!(record(&metastore, seen("a", "", 201)).await, [ItemEventKind::Reactivated]);
    let item = only(&metastore).await;
    assert_eq!((item.status, item.occurrences, item.activating_occurrence), (ItemStatus::Active, 2, 201));
    assert_eq!(item.title, "E: a at 201");
    for status in [ItemStatus::Muted, ItemStatus::Archived] {
        let update = ErrorItemUpdate { status: Some(status), ..ErrorItemUpdate::default() };
        metastore.update_error_item("default", id, &update, 300 * SECOND).await.unwrap();
        let expected: &[ItemEventKind] = if status == ItemStatus::Muted { &[] } else { &[ItemEventKind::Reactivated] };
        assert_eq!(record(&metastore, seen("a", "", 400)).await, expected, "{status:?}");
    }
    let kinds: Vec<&str> = metastore.error_item_events(id).await.unwrap().iter().rev().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["new", "resolved", "reactivated", "muted", "archived", "reactivated"]);
}

#[tokio::test]
async fn only_code_that_should_have_the_mend_brings_an_item_back() {
    // Version it was seen in first, that it was resolved in, that it is seen in then, and whether it comes back.
    let sha = |digit: char| digit.to_string().repeat(40);
    let cases = [
        ("1.0", "1.2", "1.1", false),
        ("1.0", "1.2", "1.2", true),
        ("1.0", "1.2", "1.10", true),
        ("1.0", "1.2", "", true),
        (&sha('a'), &sha('b'), &sha('b'), true),
        (&sha('a'), &sha('b'), &sha('a'), false),
        (&sha('a'), &sha('b'), &sha('c'), true),
    ];
    for (first, resolved, then, expected) in cases {
        let metastore = Metastore::in_memory().await.unwrap();
        record(&metastore, seen("a", first, 100)).await;
        resolve(&metastore, only(&metastore).await.id, Some(resolved), 200).await;
        let kinds = record(&metastore, seen("a", then, 300)).await;
        assert_eq!(kinds == [ItemEventKind::Reactivated], expected, "{first}, resolved in {resolved}, then {then}");
    }
}

#[tokio::test]
async fn a_storm_of_reactivations_is_braked() {
    let metastore = Metastore::in_memory().await.unwrap();
    record(&metastore, seen("a", "", 100)).await;
    let id = only(&metastore).await.id;
    let mut reactivated = 0;
    for second in 200..320 {
        resolve(&metastore, id, None, second).await;
        reactivated += record(&metastore, seen("a", "", second)).await.len();
    }
    assert_eq!(reactivated, 2, "once a minute");
}

#[tokio::test]
async fn an_item_of_an_earlier_algorithm_goes_on() {
    let metastore = Metastore::in_memory().await.unwrap();
    record(&metastore, seen("01old", "", 100)).await;
    let newer = OccurrencesSeen { earlier_fingerprints: vec!["01old".into()], ..seen("02new", "", 200) };
    assert_eq!(record(&metastore, newer).await, []);
    let item = only(&metastore).await;
    assert_eq!((item.fingerprint.as_str(), item.occurrences), ("01old", 4));
    assert_eq!(metastore.error_item_fingerprints(item.id).await.unwrap(), ["01old", "02new"]);
    let found = metastore.error_items_of_fingerprints("default", &["02new".into(), "x".into()]).await.unwrap();
    assert_eq!(found, [("02new".to_owned(), item)]);
}

#[tokio::test]
async fn lists_are_narrowed_and_changes_remembered() {
    let metastore = Metastore::in_memory().await.unwrap();
    let staging = OccurrencesSeen { environment: "staging".into(), level: 20, ..seen("b", "7", 200) };
    metastore.record_occurrences("default", &[seen("a", "6", 100), staging], 0).await.unwrap();
    let found = async |filter: ErrorItemFilter| {
        let items = metastore.error_items("default", &filter, ErrorItemOrder::LastSeen, 0, 9).await.unwrap();
        assert_eq!(metastore.count_error_items("default", &filter).await.unwrap(), items.len() as u64);
        items.iter().map(|item| item.fingerprint.clone()).collect::<Vec<_>>().join("")
    };
    let all = ErrorItemFilter::default;
    assert_eq!(found(all()).await, "ba");
    assert_eq!(found(ErrorItemFilter { environments: vec!["staging".into()], ..all() }).await, "b");
    assert_eq!(found(ErrorItemFilter { levels: vec![40, 50], ..all() }).await, "a");
    assert_eq!(found(ErrorItemFilter { versions: vec!["6".into()], ..all() }).await, "a");
    assert_eq!(found(ErrorItemFilter { title_words: vec!["e: B".into()], ..all() }).await, "b");
    assert_eq!(found(ErrorItemFilter { fingerprints: Some(vec!["a".into()]), ..all() }).await, "a");
    assert_eq!(found(ErrorItemFilter { fingerprints: Some(Vec::new()), ..all() }).await, "");
    assert_eq!(found(ErrorItemFilter { seen_since_unix_nano: Some(150 * SECOND), ..all() }).await, "b");
    let id = 1_000_001;
    let update = ErrorItemUpdate {
        level: Some(50),
        assigned_user_id: Some(Some(7)),
        snoozed_until_unix_nano: Some(Some(900)),
        ..ErrorItemUpdate::default()
    };
    metastore.update_error_item("default", id, &update, 500).await.unwrap();
    assert_eq!(found(ErrorItemFilter { awake_at_unix_nano: Some(899), ..all() }).await, "b");
    assert_eq!(found(ErrorItemFilter { awake_at_unix_nano: Some(900), ..all() }).await, "ba");
    assert_eq!(found(ErrorItemFilter { is_assigned: Some(false), ..all() }).await, "b");
    assert_eq!(found(ErrorItemFilter { assigned_user_ids: vec![7], ..all() }).await, "a");
    metastore.add_error_item_comment("default", id, "ada", "looks bad", 600).await.unwrap();
    assert_eq!(found(ErrorItemFilter { has_comments: Some(true), ..all() }).await, "a");
    assert!(metastore.add_error_item_comment("default", 5, "ada", "?", 600).await.is_err());
    let again = metastore.update_error_item("default", id, &update, 700).await.unwrap();
    assert_eq!(again.changed_at_unix_nano, 500, "what is as it was is no change");
    let kinds: Vec<&str> = metastore.error_item_events(id).await.unwrap().iter().rev().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["new", "level", "assigned", "snoozed", "commented"]);
    assert_eq!(metastore.error_environments("default").await.unwrap(), ["production", "staging"]);
    let of_version = metastore.error_items_of_version("default", "production", "6", 9).await.unwrap();
    assert_eq!(of_version.iter().map(|known| (known.item.id, known.is_new)).collect::<Vec<_>>(), [(id, true)]);
    let everywhere = metastore.error_item_activations("default", 0, i64::MAX, &[]).await.unwrap();
    assert_eq!(everywhere, [100 * SECOND, 200 * SECOND]);
    assert_eq!(metastore.error_item_activations("default", 0, i64::MAX, &["staging".into()]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_comes_together_is_as_what_comes_one_by_one() {
    let in_staging = |seen: OccurrencesSeen| OccurrencesSeen { environment: "staging".into(), ..seen };
    let all = vec![
        seen("a", "1", 100),
        seen("b", "1", 110),
        seen("a", "2", 120),
        in_staging(seen("a", "2", 90)),
        OccurrencesSeen { earlier_fingerprints: vec!["b".into()], ..seen("b2", "1", 130) },
        seen("b2", "1", 140),
        seen("group-item-2", "1", 150),
        seen("c", "1", 170),
        seen("group-item-9", "1", 160),
        seen("a", "1", 180),
    ];
    let told = async |metastore: &Metastore| {
        let order = ErrorItemOrder::Counter;
        let items = metastore.error_items("default", &ErrorItemFilter::default(), order, 0, 99).await.unwrap();
        let mut told = Vec::new();
        for item in items {
            let groups = metastore.error_item_fingerprints(item.id).await.unwrap();
            let versions = metastore.error_item_versions(item.id).await.unwrap();
            let history = metastore.error_item_events(item.id).await.unwrap();
            told.push((ErrorItem { changed_at_unix_nano: 0, ..item }, groups, versions, history.len()));
        }
        told
    };
    let (together, one_by_one) = (Metastore::in_memory().await.unwrap(), Metastore::in_memory().await.unwrap());
    for _ in 0..2 {
        together.record_occurrences("default", &all, 200 * SECOND).await.unwrap();
        for seen in &all {
            one_by_one.record_occurrences("default", std::slice::from_ref(seen), 200 * SECOND).await.unwrap();
        }
        let together = told(&together).await;
        assert_eq!(
            together.iter().map(|(item, ..)| item.fingerprint.as_str()).collect::<Vec<_>>(),
            ["group-item-9", "c", "b", "a"]
        );
        for (one, other) in together.iter().zip(told(&one_by_one).await) {
            assert_eq!(*one, other);
        }
    }
}
