//! Real parts in a temporary folder, published again and again; what the log says is compared with what is there.

use std::sync::atomic::AtomicBool;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use model::Signal;
use serde_json::Value;

use super::*;
use crate::columns;
use crate::disk::RealDisk;
use crate::limits::CHECKPOINT_VERSIONS;
use crate::part_writer::{PartOptions, PartWriter, PartsPlace};
use crate::parts_folder::PartsFolder;
use crate::snapshot::PartInfo;
use crate::trace_index::TraceIndex;

const SECOND: i64 = 1_000_000_000;

struct Stage {
    folder: tempfile::TempDir,
    publisher: Publisher,
    next_id: u64,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new(folder.path(), false, Arc::default());
        Stage { folder, publisher, next_id: 1 }
    }

    /// The same folder after a restart.
    fn restart(&mut self) {
        self.publisher = Publisher::new(self.folder.path(), false, Arc::default());
    }

    fn part(&mut self, level: u8, attribute: (&str, ArrayRef)) -> Part {
        let rows = attribute.1.len();
        let first = i64::try_from(self.next_id).unwrap() * SECOND;
        let time = TimestampNanosecondArray::from_iter_values((0..rows).map(|row| first + row as i64)).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([(columns::TIME, Arc::new(time) as ArrayRef), attribute]).unwrap();
        let disk = Arc::new(RealDisk { fsync: false });
        let folder = Arc::new(PartsFolder { path: self.folder.path().join("parts"), fsync: false, disk });
        let traces = Arc::new(TraceIndex::open(self.folder.path().join("index"), false).unwrap());
        let place = PartsPlace { folder, traces };
        let options = PartOptions { project: "default", signal: Signal::Logs, level, stop: &AtomicBool::new(false) };
        let mut writer = PartWriter::create(&place, options, batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let written = writer.finish().unwrap().part;
        self.next_id += 1;
        Part::from(PartInfo {
            id: self.next_id,
            project: written.project,
            signal: Signal::Logs,
            path: object_store::path::Path::parse(&written.path).unwrap(),
            rows: written.rows,
            bytes: written.bytes,
            sidecar_bytes: written.sidecar_bytes,
            min_time: written.min_time,
            max_time: written.max_time,
            level,
        })
    }

    fn numbers(&mut self) -> Part {
        self.part(1, ("n", Arc::new(Int64Array::from(vec![1, 2, 3]))))
    }

    fn table(&self) -> PathBuf {
        self.folder.path().join("delta/default/logs")
    }

    fn state(&self) -> State {
        DeltaLog::open(self.table(), false).unwrap().read(0).unwrap()
    }

    fn publish(&mut self, parts: &[&Part], seconds: i64) -> u64 {
        let parts: Vec<Part> = parts.iter().map(|part| (*part).clone()).collect();
        let versions = self.publisher.publish(&parts, seconds * SECOND, Publish::Settled).unwrap();
        let state = self.state();
        // What a version names is there, and is the part.
        for (name, file) in &state.files {
            assert_eq!(fs::metadata(self.table().join(name)).unwrap().len(), u64::try_from(file.bytes).unwrap());
        }
        let wanted: Vec<&str> = parts.iter().filter(|part| part.level > 0).map(file_name).collect();
        assert_eq!(state.files.len(), wanted.len());
        assert!(wanted.iter().all(|name| state.files.contains_key(*name)));
        versions
    }

    fn files(&self) -> Vec<String> {
        names_in(&self.table()).unwrap().into_iter().filter(|name| name.ends_with(PART)).collect()
    }
}

#[test]
fn a_table_follows_the_parts() {
    let mut stage = Stage::new();
    let (first, second) = (stage.numbers(), stage.numbers());
    let fresh = stage.part(0, ("n", Arc::new(Int64Array::from(vec![4]))));
    assert_eq!(stage.publisher.publish(std::slice::from_ref(&fresh), 0, Publish::Settled).unwrap(), 0);
    assert!(!stage.folder.path().join("delta").exists());
    assert_eq!(stage.publish(&[&first, &second, &fresh], 1), 1);
    assert_eq!(stage.publish(&[&first, &second, &fresh], 2), 0);
    let state = stage.state();
    assert_eq!(state.version, 0);
    let stats: Value = serde_json::from_str(&state.files[file_name(&first)].stats).unwrap();
    assert_eq!((&stats["numRecords"], &stats["minValues"]["time"]), (&Value::from(3), &Value::from(first.min_time)));
    let merged = stage.numbers();
    assert_eq!(stage.publish(&[&merged], 3), 1);
    assert_eq!((stage.state().version, stage.state().removed.len()), (1, 2));
    // A table without parts is empty and stays.
    assert_eq!(stage.publish(&[], 4), 1);
    assert_eq!(stage.publish(&[], 5), 0);
}

#[test]
fn nothing_is_copied() {
    use std::os::unix::fs::MetadataExt;
    let mut stage = Stage::new();
    let part = stage.numbers();
    stage.publish(&[&part], 0);
    let of_part = fs::metadata(stage.folder.path().join("parts").join(part.path.as_ref())).unwrap();
    let published = fs::metadata(stage.table().join(file_name(&part))).unwrap();
    assert_eq!((of_part.ino(), of_part.nlink()), (published.ino(), 2));
}

#[test]
fn a_removed_file_stays_for_readers_that_have_begun_and_then_goes() {
    let mut stage = Stage::new();
    let (old, new) = (stage.numbers(), stage.numbers());
    stage.publish(&[&old], 0);
    stage.publish(&[&new], 10);
    // The store's own file may go at any time.
    fs::remove_file(stage.folder.path().join("parts").join(old.path.as_ref())).unwrap();
    let kept = i64::try_from(REMOVED_FILES_KEPT.as_secs()).unwrap();
    stage.publish(&[&new], 10 + kept - 1);
    assert_eq!(stage.files().len(), 2);
    stage.publish(&[&new], 10 + kept);
    assert_eq!(stage.files(), [file_name(&new)]);
    // At once, when asked.
    stage.publisher.publish(&[], 20 * SECOND, Publish::AllNow).unwrap();
    assert_eq!(stage.files(), Vec::<String>::new());
}

#[test]
fn a_restart_reads_the_log_and_removes_what_a_crash_left() {
    let mut stage = Stage::new();
    let (first, second) = (stage.numbers(), stage.numbers());
    stage.publish(&[&first], 0);
    // Linked, and then the crash came before the version was written.
    fs::hard_link(stage.folder.path().join("parts").join(second.path.as_ref()), stage.table().join(file_name(&second))).unwrap();
    fs::write(stage.table().join("_delta_log/.next.tmp"), b"{\"add\"").unwrap();
    stage.restart();
    assert_eq!(stage.publish(&[&first], 1), 0);
    assert_eq!(stage.files().len(), 2);
    stage.publish(&[&first], 1 + i64::try_from(REMOVED_FILES_KEPT.as_secs()).unwrap());
    assert_eq!(stage.files(), [file_name(&first)]);
    stage.restart();
    assert_eq!(stage.publish(&[&first, &second], 1_000), 1);
    assert_eq!(stage.state().version, 1);
}

#[test]
fn types_that_differ_leave_a_column_out_until_they_agree() {
    let mut stage = Stage::new();
    let whole = stage.numbers();
    let broken = stage.part(1, ("n", Arc::new(Float64Array::from(vec![0.5]))));
    let texts = stage.part(1, ("n", Arc::new(StringArray::from(vec!["1", "2", "3"]))));
    let of_n = |stage: &Stage| {
        let metadata = stage.state().metadata;
        let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
        let field = schema["fields"].as_array().unwrap().iter().find(|field| field["name"] == "n").cloned();
        let left_out = metadata["configuration"]["cupola.columnsLeftOut"].as_str().unwrap_or_default().to_owned();
        (field.map(|field| field["type"].as_str().unwrap().to_owned()), left_out)
    };
    stage.publish(&[&whole], 0);
    assert_eq!(of_n(&stage), (Some("long".into()), String::new()));
    let id = stage.state().metadata["id"].clone();
    stage.publish(&[&whole, &broken], 1);
    assert_eq!(of_n(&stage), (None, "n".into()));
    stage.publish(&[&texts], 2);
    assert_eq!(of_n(&stage), (Some("string".into()), String::new()));
    assert_eq!(stage.state().metadata["id"], id);
}

#[test]
fn checkpoints_say_all_that_the_versions_said_and_the_log_stays_short() {
    let mut stage = Stage::new();
    let parts = [stage.numbers(), stage.numbers()];
    let always = stage.part(1, ("odd", Arc::new(StringArray::from(vec!["x"]))));
    let versions = 2 * CHECKPOINT_VERSIONS + 3;
    for version in 0..versions {
        stage.publish(&[&parts[usize::from(version % 2 == 0)], &always], version);
    }
    let log = names_in(&stage.table().join("_delta_log")).unwrap();
    let count = |ending: &str| log.iter().filter(|name| name.ends_with(ending)).count() as i64;
    assert_eq!((count(".checkpoint.parquet"), count(".json")), (2, CHECKPOINT_VERSIONS + 3));
    let before = stage.state();
    assert_eq!(before.version, versions - 1);
    // Only the checkpoint is left to begin at.
    for name in log.iter().filter(|name| name.ends_with(".json")) {
        if name[..20].parse::<i64>().unwrap() <= 2 * CHECKPOINT_VERSIONS {
            fs::remove_file(stage.table().join("_delta_log").join(name)).unwrap();
        }
    }
    let after = stage.state();
    assert_eq!(after, before);
    stage.restart();
    assert_eq!(stage.publish(&[&always], versions), 1);
}

#[test]
fn a_damaged_log_is_set_aside_and_the_table_begins_anew() {
    let mut stage = Stage::new();
    let part = stage.numbers();
    stage.publish(&[&part], 0);
    fs::write(stage.table().join("_delta_log/00000000000000000000.json"), b"{\"add\": tru").unwrap();
    stage.restart();
    assert_eq!(stage.publish(&[&part], 1), 1);
    assert_eq!(stage.state().version, 0);
    assert!(names_in(&stage.table()).unwrap().iter().any(|name| name.starts_with("_delta_log.damaged-")));
}

#[test]
fn a_version_that_somebody_else_wrote_is_not_overwritten() {
    let mut stage = Stage::new();
    let (first, second) = (stage.numbers(), stage.numbers());
    stage.publish(&[&first], 0);
    let foreign = "{\"commitInfo\":{\"operation\":\"WRITE\"}}\n";
    let path = stage.table().join("_delta_log/00000000000000000001.json");
    fs::write(&path, foreign).unwrap();
    let both = [first.clone(), second.clone()];
    stage.publisher.publish(&both, SECOND, Publish::Settled).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
    // The log is read again, and the next version comes after theirs.
    assert_eq!(stage.publish(&[&first, &second], 2), 1);
    assert_eq!(stage.state().version, 2);
}

#[test]
fn turning_publishing_off_removes_the_tables() {
    let mut stage = Stage::new();
    let part = stage.numbers();
    stage.publish(&[&part], 0);
    unpublish(stage.folder.path()).unwrap();
    unpublish(stage.folder.path()).unwrap();
    assert!(!stage.folder.path().join("delta").exists());
    assert!(stage.folder.path().join("parts").join(part.path.as_ref()).exists());
}

#[test]
fn fresh_parts_are_published_when_they_are_old_or_asked_for_and_then_stay() {
    let mut stage = Stage::new();
    let fresh = stage.part(0, ("n", Arc::new(Int64Array::from(vec![4]))));
    let written = modified_ms(&stage.folder.path().join("parts").join(fresh.path.as_ref())).unwrap() * 1_000_000;
    let after = i64::try_from(FRESH_PART_PUBLISHED_AFTER.as_nanos()).unwrap();
    let parts = std::slice::from_ref(&fresh);
    let publisher = &mut stage.publisher;
    assert_eq!(publisher.publish(parts, written + after - 1_000_000, Publish::Settled).unwrap(), 0);
    assert_eq!(publisher.fresh, 1);
    assert_eq!(publisher.publish(parts, written + after, Publish::Settled).unwrap(), 1);
    let newer = stage.part(0, ("n", Arc::new(Int64Array::from(vec![5]))));
    let both = [fresh.clone(), newer];
    assert_eq!(stage.publisher.publish(&both, 0, Publish::AllNow).unwrap(), 1);
    assert_eq!(stage.publisher.publish(&both, 0, Publish::Settled).unwrap(), 0);
    stage.restart();
    assert_eq!(stage.publisher.publish(&both, 0, Publish::Settled).unwrap(), 0);
    assert_eq!(stage.state().files.len(), 2);
}

#[test]
fn publishing_ends_when_the_store_does_and_goes_on_at_the_next_start() {
    let mut stage = Stage::new();
    let part = stage.numbers();
    stage.publisher.stop.store(true, Ordering::Relaxed);
    let error = stage.publisher.publish(std::slice::from_ref(&part), 0, Publish::Settled).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    stage.restart();
    assert_eq!(stage.publish(&[&part], 1), 1);
}
