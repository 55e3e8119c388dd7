//! Parquet's hybrid of runs and packed bits, for codes and for definition levels.

/// Equal values from which a run takes less room than packed bits, and the number of values that are packed together.
const GROUP: usize = 8;

/// Appends the values, each of `bits` bits at most.
pub(crate) fn encode(values: &[u32], bits: u8, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < values.len() {
        let value = values[at];
        let run = values[at..].iter().take_while(|next| **next == value).count();
        // What is packed before a run must be whole groups, so it takes some of the run's values if need be.
        let missing = (at - packed_from).next_multiple_of(GROUP) - (at - packed_from);
        if run < GROUP + missing {
            at += run;
            continue;
        }
        pack(&values[packed_from..at + missing], bits, out);
        let run = run - missing;
        write_varint((run as u64) << 1, out);
        out.extend_from_slice(&value.to_le_bytes()[..usize::from(bits.div_ceil(8))]);
        at += missing + run;
        packed_from = at;
    }
    pack(&values[packed_from..], bits, out);
}

/// The bits needed for values below `count`.
pub(crate) fn bits_for(count: usize) -> u8 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()) as u8
}

fn pack(values: &[u32], bits: u8, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    write_varint((groups as u64) << 1 | 1, out);
    out.reserve(groups * usize::from(bits));
    let end = out.len() + groups * usize::from(bits);
    let (mut buffer, mut filled) = (0u64, 0u32);
    for value in values {
        buffer |= u64::from(*value) << filled;
        filled += u32::from(bits);
        if filled >= 32 {
            out.extend_from_slice(&(buffer as u32).to_le_bytes());
            buffer >>= 32;
            filled -= 32;
        }
    }
    let rest = buffer.to_le_bytes();
    out.extend_from_slice(&rest[..filled.div_ceil(8) as usize]);
    out.resize(end, 0);
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the format's description reads.
    fn decode(bytes: &[u8], bits: u8, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        let mut at = 0;
        while values.len() < count {
            let (mut header, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[at];
                at += 1;
                header |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let width = usize::from(bits.div_ceil(8));
                let mut value = [0; 4];
                value[..width].copy_from_slice(&bytes[at..at + width]);
                at += width;
                values.extend(std::iter::repeat_n(u32::from_le_bytes(value), (header >> 1) as usize));
            } else {
                let groups = (header >> 1) as usize;
                for value in 0..groups * GROUP {
                    let of_bit = |bit: usize| u32::from(bytes[at + bit / 8] >> (bit % 8) & 1);
                    values.push((0..usize::from(bits)).map(|bit| of_bit(value * usize::from(bits) + bit) << bit).sum());
                }
                at += groups * usize::from(bits);
            }
        }
        assert_eq!(at, bytes.len());
        values.truncate(count);
        values
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded(runs in proptest::collection::vec((0u32..70_000, 1usize..40), 0..60), bits in 0u8..18) {
            let limit = 1u32 << bits;
            let values: Vec<u32> = runs.iter().flat_map(|(value, count)| std::iter::repeat_n(value % limit, *count)).collect();
            let mut bytes = Vec::new();
            encode(&values, bits, &mut bytes);
            proptest::prop_assert_eq!(decode(&bytes, bits, values.len()), values);
        }
    }

    #[test]
    fn bits_are_as_few_as_will_do() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(bits_for), [0, 0, 1, 2, 2, 3, 8, 9]);
    }
}
