//! What is read back from disk after a crash: segments of the log, and the requests in them.

use receivers::{Envelope, by_name};
use store::inspect::{segment_contents, segment_from_payloads};

use crate::sink::exchange;

/// Two readings of one input: as a segment as it is, and as a list of payloads whose segment is then damaged. The first two
/// bytes say how: where, and whether it is cut or a byte is changed there. Payloads follow, each after its length.
pub fn wal_segment(input: &[u8]) {
    if let Ok(contents) = segment_contents(input) {
        let bytes: usize = contents.payloads.iter().map(Vec::len).sum();
        assert!(bytes <= input.len(), "{bytes} bytes of payload in a segment of {}", input.len());
    }
    let Some(([how, place], mut rest)) = input.split_first_chunk::<2>() else { return };
    let mut payloads = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (payload, after) = after.split_at(after.len().min(usize::from(*length)));
        payloads.push(payload);
        rest = after;
    }
    let whole = segment_from_payloads(&payloads);
    match segment_contents(&whole) {
        Ok(contents) => {
            assert_eq!(contents.payloads, payloads, "what was written is read back");
            assert_eq!(contents.gaps, 0);
        }
        Err(error) => panic!("a whole segment is refused: {error}"),
    }
    damaged(&payloads, whole, *how, usize::from(*place));
}

/// Records before the damage are read back, in order, whatever happened behind them.
fn damaged(payloads: &[&[u8]], mut segment: Vec<u8>, how: u8, place: usize) {
    let at = segment.len() * place / 256;
    let mut whole_before = 0;
    while whole_before < payloads.len() && segment_from_payloads(&payloads[..=whole_before]).len() <= at {
        whole_before += 1;
    }
    let is_cut = how.is_multiple_of(2);
    if is_cut {
        segment.truncate(at);
    } else if let Some(byte) = segment.get_mut(at) {
        *byte ^= how;
    }
    if let Ok(contents) = segment_contents(&segment) {
        let kept = &contents.payloads[..contents.payloads.len().min(whole_before)];
        assert_eq!(kept, &payloads[..whole_before], "records before the damage are kept");
        assert!(!is_cut || contents.payloads.len() == whole_before, "a record that was cut off is taken for whole");
        assert!(is_cut || contents.payloads.len() + 1 >= payloads.len(), "one changed byte harms more than one record");
    }
}

/// A record's payload, from the envelope to the columns.
pub fn wal_replay(input: &[u8]) {
    let Some(envelope) = Envelope::decode(input) else { return };
    let again = crate::corpus::written(&envelope);
    match Envelope::decode(&again) {
        Some(back) => assert_eq!(format!("{:?}", back.incoming), format!("{:?}", envelope.incoming)),
        None => panic!("an envelope that was read cannot be written and read again"),
    }
    if let Some(receiver) = by_name(envelope.receiver) {
        exchange(receiver, &envelope.incoming);
    }
}
