//! Traces that tell of one request: a trace and those that an exact link names are one unit.

use std::collections::HashMap;

use super::lots::TraceKey;

/// Links remembered for one run; at about 40 bytes each this is 40 MB. Beyond it traces draw their own lots.
const LINKED_TRACES_MAX: usize = 1_000_000;

/// A union-find over the traces that have a link. The others are their own family.
#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    parents: HashMap<u64, u64>,
    overflowed: bool,
}

impl Families {
    pub fn link(&mut self, one: TraceKey, other: TraceKey) {
        if self.parents.len() >= LINKED_TRACES_MAX {
            self.overflowed = true;
            return;
        }
        let (one, other) = (self.root(one.0), self.root(other.0));
        // The least is the root: the same whatever order the links come in.
        let (least, greater) = (one.min(other), one.max(other));
        self.parents.entry(least).or_insert(least);
        self.parents.insert(greater, least);
    }

    /// The one key that stands for the family.
    pub fn head(&self, trace: TraceKey) -> TraceKey {
        TraceKey(self.root(trace.0))
    }

    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    fn root(&self, mut key: u64) -> u64 {
        // Roots are the least of their family, so the walk goes down and ends.
        while let Some(parent) = self.parents.get(&key).filter(|parent| **parent != key) {
            key = *parent;
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn families_do_not_depend_on_the_order_of_links(links in proptest::collection::vec((0u64..20, 0u64..20), 0..30)) {
            let made = |links: &[(u64, u64)]| {
                let mut families = Families::default();
                for (one, other) in links {
                    families.link(TraceKey(*one), TraceKey(*other));
                }
                (0..20).map(|key| families.head(TraceKey(key))).collect::<Vec<_>>()
            };
            let backwards: Vec<_> = links.iter().rev().map(|(one, other)| (*other, *one)).collect();
            let heads = made(&links);
            proptest::prop_assert_eq!(&heads, &made(&backwards));
            for (one, other) in links {
                proptest::prop_assert_eq!(heads[one as usize], heads[other as usize]);
            }
        }
    }
}
