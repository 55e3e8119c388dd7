//! What is written is read; what is torn, flipped or left over is not, and harms nothing else.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::simulation::disk::{Faults, SimulatedDisk};
use crate::simulation::random::Random;

const FOLDER: &str = "/data/wal";

fn disk(seed: u64) -> SimulatedDisk {
    SimulatedDisk::new(Random::new(seed))
}

fn folder_on(disk: &SimulatedDisk) -> WalFolder {
    let wal = WalFolder::open(PathBuf::from(FOLDER), Arc::new(disk.clone())).unwrap();
    for folder in ["/", "/data"] {
        disk.sync_folder(std::path::Path::new(folder)).unwrap();
    }
    wal
}

fn segment(number: u64) -> PathBuf {
    PathBuf::from(FOLDER).join(format!("{number:016}.log"))
}

/// Writes groups of payloads, one append each.
fn write_groups(writer: &mut WalWriter, wal: &WalFolder, groups: &[Vec<Vec<u8>>]) {
    for group in groups {
        append(writer, wal, group).unwrap();
    }
}

fn append(writer: &mut WalWriter, wal: &WalFolder, group: &[Vec<u8>]) -> Result<(), StoreError> {
    writer.append(wal, group.iter().map(|payload| payload.split_at(payload.len() / 2).into()))
}

fn read(wal: &WalFolder, number: u64) -> (Vec<Vec<u8>>, SegmentRead) {
    let mut payloads = Vec::new();
    let read = wal.read(number, &mut |payload| payloads.push(payload.to_vec())).unwrap();
    (payloads, read)
}

fn flat(groups: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    groups.iter().flatten().cloned().collect()
}

fn groups() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    proptest::collection::vec(proptest::collection::vec(payload, 1..4), 1..4)
}

/// Two segments of these groups, the second on a recycled file that still holds an older segment's records.
fn two_segments(groups: &[Vec<Vec<u8>>], again: &[Vec<Vec<u8>>]) -> (SimulatedDisk, WalFolder, WalWriter) {
    let disk = disk(1);
    let mut wal = folder_on(&disk);
    wal.spare_from = 1;
    let mut old = WalWriter::new(1, None);
    let mut stale = groups.to_vec();
    stale.extend(again.to_vec());
    write_groups(&mut old, &wal, &stale);
    wal.note_bytes(1, old.bytes());
    let mut first = old.next();
    write_groups(&mut first, &wal, groups);
    wal.remove_through(1).unwrap();
    assert!(disk.names(std::path::Path::new(FOLDER)).contains(&"spare".to_owned()));
    let mut second = first.next();
    write_groups(&mut second, &wal, again);
    (disk, wal, second)
}

proptest! {
    // Each case goes through every byte.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(groups in groups(), again in groups()) {
        let (disk, wal, second) = two_segments(&groups, &again);
        prop_assert_eq!(disk.content(&segment(3)).unwrap().len() as u64 >= second.bytes(), true);
        for (number, groups) in [(2, &groups), (3, &again)] {
            let (payloads, read) = read(&wal, number);
            prop_assert_eq!(payloads, flat(groups));
            prop_assert_eq!(read.corrupt, 0);
        }
        prop_assert_eq!(read(&wal, 3).1.durable, second.bytes());
    }

    /// The newest segment may end anywhere, in zeros, or in an older segment's records.
    #[test]
    fn a_tail_torn_anywhere_loses_only_what_was_torn(groups in groups(), again in groups(), fill in 0..3u8) {
        let (disk, wal, second) = two_segments(&groups, &again);
        let bytes = disk.content(&segment(3)).unwrap();
        let stale = disk_before(&groups, &again);
        let mut ends = vec![0];
        let mut end = SEGMENT_HEADER_BYTES as u64;
        for payload in flat(&again) {
            end += (RECORD_HEADER_BYTES + payload.len()) as u64;
            ends.push(end);
        }
        prop_assert_eq!(end, second.bytes());
        for cut in 0..=second.bytes() as usize {
            let mut torn = bytes[..cut].to_vec();
            match fill {
                0 => {}
                1 => torn.resize(bytes.len() + 9, 0),
                _ => torn.extend_from_slice(stale.get(cut..).unwrap_or_default()),
            }
            disk.corrupt(&segment(3), |content| *content = torn);
            let whole = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
            let (payloads, read) = read(&wal, 3);
            // A payload of zeros is whole where zeros follow.
            prop_assert!(payloads.len() >= whole && flat(&again).starts_with(&payloads), "cut at {}", cut);
            prop_assert!(fill != 0 || payloads.len() == whole, "cut at {}", cut);
            prop_assert_eq!(read.corrupt, 0, "cut at {}", cut);
        }
    }

    /// In a segment whose end the next one tells, every changed bit is found and named, and harms one record at most.
    #[test]
    fn one_changed_bit_anywhere_is_found_and_harms_one_record(groups in groups(), again in groups()) {
        let (disk, wal, _) = two_segments(&groups, &again);
        let sound = disk.content(&segment(2)).unwrap();
        let payloads = flat(&groups);
        for place in 0..sound.len() {
            for bit in 0..8 {
                disk.corrupt(&segment(2), |content| {
                    content.clone_from(&sound);
                    content[place] ^= 1 << bit;
                });
                let mut left = payloads.clone();
                if place >= SEGMENT_HEADER_BYTES {
                    left.remove(record_of(&payloads, place));
                }
                let (found, read) = read(&wal, 2);
                prop_assert_eq!(&found, &left, "bit {} of byte {}", bit, place);
                prop_assert_eq!(read.corrupt, 1, "bit {} of byte {}", bit, place);
            }
        }
    }

    /// In the newest segment too, except in the last group: there it may be what a crash cut off.
    #[test]
    fn a_changed_bit_in_the_newest_segment_never_makes_a_wrong_row(groups in groups(), again in groups()) {
        let (disk, wal, _) = two_segments(&groups, &again);
        let sound = disk.content(&segment(3)).unwrap();
        let payloads = flat(&again);
        let last_group = payloads.len() - again.last().unwrap().len();
        let written: usize = SEGMENT_HEADER_BYTES + payloads.iter().map(|payload| RECORD_HEADER_BYTES + payload.len()).sum::<usize>();
        for place in 0..written {
            disk.corrupt(&segment(3), |content| {
                content.clone_from(&sound);
                content[place] ^= 1 << (place % 8);
            });
            let mut left = payloads.clone();
            let harmed = (place >= SEGMENT_HEADER_BYTES).then(|| record_of(&payloads, place));
            if let Some(harmed) = harmed {
                left.remove(harmed);
            }
            let (found, read) = read(&wal, 3);
            prop_assert_eq!(&found, &left, "byte {}", place);
            let is_certain = harmed.map_or(again.len() > 1, |harmed| harmed < last_group);
            prop_assert_eq!(read.corrupt, u64::from(is_certain), "byte {}", place);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_of_the_first_format_harms_one_record(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6),
        at in any::<proptest::sample::Index>(),
        bits in 1u8..,
    ) {
        let disk = disk(1);
        let wal = with_file(&disk, 1, version1::encode(&payloads));
        prop_assert_eq!(&read(&wal, 1).0, &payloads);
        let bytes = version1::encode(&payloads);
        let at = at.index(bytes.len());
        disk.corrupt(&segment(1), |content| content[at] ^= bits);
        let mut end = version1::SEGMENT_MAGIC.len();
        let harmed = payloads.iter().position(|payload| {
            let start = end;
            end += 12 + payload.len();
            (start..end).contains(&at)
        });
        let mut left = payloads.clone();
        harmed.map(|harmed| left.remove(harmed));
        let (found, read) = read(&wal, 1);
        prop_assert_eq!(found, left);
        prop_assert_eq!(read.corrupt, u64::from(harmed.is_none_or(|harmed| harmed + 1 < payloads.len())));
    }

    #[test]
    fn reading_anything_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), manner in 0..4u8) {
        let disk = disk(1);
        let mut file = match manner {
            0 => Vec::new(),
            1 => record::encode_segment_header(1, None).to_vec(),
            2 => record::encode_segment_header(1, Some(Previous { number: 0, durable: u64::MAX })).to_vec(),
            _ => version1::SEGMENT_MAGIC.to_vec(),
        };
        if manner > 0 {
            file.extend_from_slice(&record::RECORD_MAGIC);
        }
        file.extend_from_slice(&bytes);
        let wal = with_file(&disk, 1, file);
        let _ = wal.read(1, &mut |_| {});
    }
}

/// The file that the second segment was written over.
fn disk_before(groups: &[Vec<Vec<u8>>], again: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let disk = disk(1);
    let wal = folder_on(&disk);
    let mut writer = WalWriter::new(1, None);
    write_groups(&mut writer, &wal, groups);
    write_groups(&mut writer, &wal, again);
    disk.content(&segment(1)).unwrap()
}

/// Which record a byte of a segment belongs to.
fn record_of(payloads: &[Vec<u8>], place: usize) -> usize {
    let mut end = SEGMENT_HEADER_BYTES;
    let found = payloads.iter().position(|payload| {
        end += RECORD_HEADER_BYTES + payload.len();
        place < end
    });
    found.unwrap()
}

fn with_file(disk: &SimulatedDisk, number: u64, content: Vec<u8>) -> WalFolder {
    disk.create_folder(std::path::Path::new(FOLDER)).unwrap();
    crate::disk::write(disk, &segment(number), &content).unwrap();
    folder_on(disk)
}

fn one(payload: &str) -> Vec<Vec<u8>> {
    vec![payload.as_bytes().to_vec()]
}

/// A payload that holds a copy of a record is one payload, also when the record around it is damaged.
#[test]
fn a_record_within_a_payload_is_no_record() {
    let disk = disk(1);
    let wal = folder_on(&disk);
    let mut writer = WalWriter::new(1, None);
    append(&mut writer, &wal, &one("inner")).unwrap();
    let copy = disk.content(&segment(1)).unwrap()[SEGMENT_HEADER_BYTES..].to_vec();
    append(&mut writer, &wal, &[copy]).unwrap();
    append(&mut writer, &wal, &one("last")).unwrap();
    let at = writer.bytes() as usize - 2 * RECORD_HEADER_BYTES - "last".len() - "inner".len() - RECORD_HEADER_BYTES;
    disk.corrupt(&segment(1), |content| content[at + 4] ^= 1);
    let (payloads, read) = read(&wal, 1);
    assert_eq!((payloads, read.corrupt), (vec![b"inner".to_vec(), b"last".to_vec()], 1));
}

#[test]
fn a_later_format_is_refused() {
    let disk = disk(1);
    let mut header = record::encode_segment_header(1, None);
    header[..8].copy_from_slice(b"cupwal03");
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    let wal = with_file(&disk, 1, header.to_vec());
    let error = wal.read(1, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(reason) if reason.contains("cupwal03")), "{error}");
}

#[test]
fn records_larger_than_a_window_are_read() {
    let disk = disk(1);
    let wal = folder_on(&disk);
    let mut writer = WalWriter::new(1, None);
    let groups: Vec<Vec<Vec<u8>>> =
        (0..4).map(|number| vec![vec![number; 300_000 * usize::from(number)], vec![9; 100_000]]).collect();
    write_groups(&mut writer, &wal, &groups);
    assert_eq!(read(&wal, 1).0, flat(&groups));
    // The header of a large one is damaged: what follows is found far behind it.
    let large = SEGMENT_HEADER_BYTES + 4 * RECORD_HEADER_BYTES + 500_000;
    disk.corrupt(&segment(1), |content| content[large + 5] ^= 1);
    let (payloads, read) = read(&wal, 1);
    assert_eq!((payloads.len(), read.corrupt), (7, 1));
}

#[test]
fn a_failed_sync_poisons_the_log() {
    let disk = disk(1);
    let wal = folder_on(&disk);
    let mut writer = WalWriter::new(1, None);
    append(&mut writer, &wal, &one("one")).unwrap();
    disk.set_faults(Faults { sync_fails: true, ..Faults::default() });
    assert!(matches!(append(&mut writer, &wal, &one("two")), Err(StoreError::Unavailable(_))));
    assert!(matches!(append(&mut writer, &wal, &one("three")), Err(StoreError::Unavailable(_))));
    let mut next = writer.next();
    assert!(next.is_poisoned() && append(&mut next, &wal, &one("four")).is_err());
    disk.crash();
    assert_eq!(read(&folder_on(&disk), 1).0[0], b"one");
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    for seed in 0..50 {
        let disk = disk(seed);
        let wal = folder_on(&disk);
        let mut writer = WalWriter::new(1, None);
        // Full at once, so that not even a file can be made, or after a record.
        if seed % 2 == 0 {
            append(&mut writer, &wal, &one("kept")).unwrap();
        }
        for faults in [Faults { full: true, ..Faults::default() }, Faults { read_only: true, ..Faults::default() }] {
            disk.set_faults(faults);
            for _ in 0..3 {
                let refused = append(&mut writer, &wal, &[vec![1; 700], b"refused".to_vec(), vec![2; 3000]]);
                assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
                assert!(wal.probe().is_err());
            }
            disk.set_faults(Faults::default());
            wal.probe().unwrap();
            append(&mut writer, &wal, &one("kept")).unwrap();
        }
        let kept = 2 + usize::from(seed % 2 == 0);
        disk.crash();
        let (payloads, read) = read(&folder_on(&disk), 1);
        assert_eq!((payloads, read.corrupt), (vec![b"kept".to_vec(); kept], 0), "seed {seed}");
    }
}

#[test]
fn old_segments_go_and_damaged_ones_are_set_aside() {
    let disk = disk(1);
    let wal = folder_on(&disk);
    let mut writer = WalWriter::new(1, None);
    for _ in 1..=4 {
        append(&mut writer, &wal, &one("a row")).unwrap();
        writer = writer.next();
    }
    wal.mark_damaged(2);
    wal.remove_through(3).unwrap();
    assert_eq!(wal.segments(), [4]);
    let names = ["0000000000000002.damaged", "0000000000000004.log"];
    assert_eq!(disk.names(std::path::Path::new(FOLDER)), names);
    assert_eq!(folder_on(&disk).segments(), [4]);
}

#[test]
fn a_spare_is_made_once_and_taken_over() {
    let disk = disk(1);
    let mut wal = folder_on(&disk);
    (wal.spare_from, wal.spare_bytes) = (64, 10_000);
    let names = || disk.names(std::path::Path::new(FOLDER));
    let mut writer = WalWriter::new(1, None);
    append(&mut writer, &wal, &[vec![7; 100]]).unwrap();
    assert!(!wal.wants_spare(1, 10) && wal.wants_spare(1, writer.bytes()) && !wal.wants_spare(1, writer.bytes()));
    wal.make_spare().unwrap();
    assert_eq!(names(), ["0000000000000001.log", "spare"]);
    writer = writer.next();
    append(&mut writer, &wal, &one("on zeros")).unwrap();
    assert_eq!(names(), ["0000000000000001.log", "0000000000000002.log"]);
    assert_eq!(disk.content(&segment(2)).unwrap().len(), 10_000);
    assert_eq!(read(&wal, 2).0, one("on zeros"));
    wal.note_bytes(1, 128);
    wal.remove_through(1).unwrap();
    assert_eq!(names(), ["0000000000000002.log", "spare"]);
    assert!(!wal.wants_spare(2, 1_000));
    wal.close();
    wal.make_spare().unwrap();
    assert_eq!(names(), ["0000000000000002.log"]);
}

#[test]
fn one_spare_is_made_at_a_time() {
    let mut wal = folder_on(&disk(1));
    (wal.spare_from, wal.spare_bytes) = (64, 10_000);
    assert!(wal.wants_spare(1, 64));
    assert!(!wal.wants_spare(2, 64), "the first is still being written");
    wal.make_spare().unwrap();
    assert!(!wal.wants_spare(3, 64), "there is one");
    drop(wal.begin(4).map_err(|_| "no segment").unwrap());
    assert!(wal.wants_spare(4, 64));
    wal.gave_up_spare();
    assert!(!wal.wants_spare(4, 64) && wal.wants_spare(5, 64));
}

#[test]
fn a_write_that_was_taken_back_stays_away_once_a_start_has_shown_nothing_of_it() {
    for seed in 0..100 {
        let disk = disk(seed);
        let wal = folder_on(&disk);
        let mut writer = WalWriter::new(1, None);
        // So that the file is there, and can be seen again after a loss of power.
        drop(wal.begin(1).map_err(|_| "no segment").unwrap());
        writer.file = Some(disk.open_to_write(&segment(1)).unwrap());
        disk.set_faults(Faults { full: true, ..Faults::default() });
        assert!(append(&mut writer, &wal, &[b"refused".to_vec(), vec![1; 3_000]]).is_err());
        disk.kill();
        disk.set_faults(Faults::default());
        let wal = folder_on(&disk);
        assert_eq!(read(&wal, 1).0.len(), 0);
        wal.remove(1).unwrap();
        disk.crash();
        let wal = folder_on(&disk);
        let back = if wal.segments().is_empty() { 0 } else { read(&wal, 1).0.len() };
        assert_eq!(back, 0, "seed {seed}");
    }
}
