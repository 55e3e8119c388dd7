//! BubbleUp: which columns tell some rows from the others, and by which values.
//!
//! Given how often each value of each column occurs inside a selection and outside it, the columns are put in an order: those
//! whose values are distributed most differently first. See `docs/bubble-up.md` for the measure and why it is this one.
//!
//! Absent on purpose: reading rows (the engine counts), and advice what the cause is.

mod significance;

pub use significance::is_chance;

/// How often one value occurs, weighted by what rows stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<V> {
    pub value: V,
    pub selection: f64,
    pub baseline: f64,
}

/// Rows of the selection and of the baseline: how many there are, and how many they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub selection_rows: u64,
    pub baseline_rows: u64,
    pub selection: f64,
    pub baseline: f64,
}

/// How different a column is inside and outside the selection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The share of the selection that would have to have other values for both to be alike, from 0 to 1: the total variation
    /// distance, less what chance alone makes of it.
    pub distance: f64,
    /// Whether a difference as large is to be expected by chance.
    pub is_chance: bool,
}

/// A value of which fewer rows than this are expected in the selection says nothing alone; such values count together.
const EXPECTED_ROWS_MIN: f64 = 5.0;

/// Compares the distributions of one column. Null is a value like others: give it among them.
///
/// Values that `counted` does not list may be missing: whatever lacks to the totals counts as one further value.
pub fn difference<V>(counted: &[Counted<V>], totals: &Totals) -> Difference {
    let nothing = Difference { distance: 0.0, is_chance: true };
    if totals.selection <= 0.0 || totals.baseline <= 0.0 || totals.selection_rows == 0 || totals.baseline_rows == 0 {
        return nothing;
    }
    let rows = Rows { selection: totals.selection_rows as f64, baseline: totals.baseline_rows as f64 };
    let share = |count: &Counted<V>| (count.selection / totals.selection, count.baseline / totals.baseline);
    let (mut together, mut alone) = ((0.0, 0.0), Vec::new());
    let mut listed = (0.0, 0.0);
    for count in counted {
        let (selection, baseline) = share(count);
        listed = (listed.0 + selection, listed.1 + baseline);
        if rows.selection * rows.pooled(selection, baseline) < EXPECTED_ROWS_MIN {
            together = (together.0 + selection, together.1 + baseline);
        } else {
            alone.push((selection, baseline));
        }
    }
    let rest = ((1.0 - listed.0).max(0.0) + together.0, (1.0 - listed.1).max(0.0) + together.1);
    // Rounding leaves a rest that is none.
    if rest.0 > 1e-9 || rest.1 > 1e-9 {
        alone.push(rest);
    }
    if alone.len() < 2 {
        return nothing;
    }
    let distance: f64 = alone.iter().map(|(selection, baseline)| (selection - baseline).abs()).sum::<f64>() / 2.0;
    let by_chance: f64 = alone.iter().map(|(selection, baseline)| rows.chance(*selection, *baseline)).sum::<f64>() / 2.0;
    Difference { distance: (distance - by_chance).clamp(0.0, 1.0), is_chance: is_chance(&alone, rows.selection, rows.baseline) }
}

/// Sizes of the two samples.
struct Rows {
    selection: f64,
    baseline: f64,
}

impl Rows {
    /// The share of a value in both samples together.
    fn pooled(&self, selection: f64, baseline: f64) -> f64 {
        (selection * self.selection + baseline * self.baseline) / (self.selection + self.baseline)
    }

    /// By how much the two shares of a value differ on average when only chance makes them differ.
    fn chance(&self, selection: f64, baseline: f64) -> f64 {
        let pooled = self.pooled(selection, baseline);
        let variance = pooled * (1.0 - pooled) * (1.0 / self.selection + 1.0 / self.baseline);
        (variance.max(0.0) * std::f64::consts::FRAC_2_PI).sqrt()
    }
}

/// Puts columns in order: real differences before chance, larger before smaller, then as they came.
pub fn rank<C>(columns: &mut [(C, Difference)]) {
    columns.sort_by(|(_, a), (_, b)| a.is_chance.cmp(&b.is_chance).then(b.distance.total_cmp(&a.distance)));
}

/// Puts a column's values in order: those whose shares differ most first.
pub fn rank_values<V>(counted: &mut [Counted<V>], totals: &Totals) {
    let gap = |count: &Counted<V>| {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        (share(count.selection, totals.selection) - share(count.baseline, totals.baseline)).abs()
    };
    counted.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn totals(selection: u64, baseline: u64) -> Totals {
        Totals { selection_rows: selection, baseline_rows: baseline, selection: selection as f64, baseline: baseline as f64 }
    }

    fn counted(counts: &[(f64, f64)]) -> Vec<Counted<usize>> {
        let counts = counts.iter().enumerate();
        counts.map(|(value, (selection, baseline))| Counted { value, selection: *selection, baseline: *baseline }).collect()
    }

    #[test]
    fn a_value_that_is_all_of_the_selection_and_none_of_the_rest_is_all_the_difference() {
        let difference = difference(&counted(&[(1_000.0, 0.0), (0.0, 9_000.0)]), &totals(1_000, 9_000));
        assert!(difference.distance > 0.97 && !difference.is_chance, "{difference:?}");
    }

    #[test]
    fn equal_shares_are_no_difference() {
        let difference = difference(&counted(&[(100.0, 900.0), (900.0, 8_100.0)]), &totals(1_000, 9_000));
        assert_eq!(difference, Difference { distance: 0.0, is_chance: true });
    }

    #[test]
    fn values_that_are_all_different_tell_nothing() {
        let ids: Vec<(f64, f64)> = (0..2_000).map(|number| if number % 10 == 0 { (1.0, 0.0) } else { (0.0, 1.0) }).collect();
        assert!(difference(&counted(&ids), &totals(200, 1_800)).is_chance);
    }

    #[test]
    fn what_is_not_listed_counts_as_one_more_value() {
        let listed = difference(&counted(&[(800.0, 100.0), (200.0, 9_900.0)]), &totals(1_000, 10_000));
        let not_listed = difference(&counted(&[(800.0, 100.0)]), &totals(1_000, 10_000));
        assert!((listed.distance - not_listed.distance).abs() < 1e-9);
    }

    #[test]
    fn few_rows_prove_little() {
        assert!(difference(&counted(&[(3.0, 40.0), (1.0, 60.0)]), &totals(4, 100)).is_chance);
        assert!(!difference(&counted(&[(300.0, 4_000.0), (100.0, 6_000.0)]), &totals(400, 10_000)).is_chance);
    }

    #[test]
    fn an_empty_selection_has_no_difference() {
        assert!(difference(&counted(&[(0.0, 10.0)]), &totals(0, 10)).is_chance);
    }

    #[test]
    fn order_is_real_first_then_large() {
        let difference = |distance, is_chance| Difference { distance, is_chance };
        let mut columns = [("c", difference(0.9, true)), ("b", difference(0.2, false)), ("a", difference(0.5, false))];
        rank(&mut columns);
        assert_eq!(columns.map(|(name, _)| name), ["a", "b", "c"]);
        let mut values = counted(&[(10.0, 100.0), (50.0, 100.0), (40.0, 800.0)]);
        rank_values(&mut values, &totals(100, 1_000));
        assert_eq!(values.iter().map(|count| count.value).collect::<Vec<_>>(), [1, 2, 0]);
    }

    /// Numbers that look random, from a seed.
    fn random(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn chance_is_seldom_taken_for_more() {
        let mut seed = 7;
        let mut found = 0;
        for _ in 0..1_000 {
            let mut counts = vec![(0.0, 0.0); 12];
            for row in 0..1_500 {
                let value = (random(&mut seed) * random(&mut seed) * 12.0) as usize;
                if row % 5 == 0 { counts[value].0 += 1.0 } else { counts[value].1 += 1.0 }
            }
            found += usize::from(!difference(&counted(&counts), &totals(300, 1_200)).is_chance);
        }
        assert!(found <= 3, "{found} of 1,000 columns of pure chance were taken for a difference");
    }

    proptest! {
        #[test]
        fn distance_is_a_share_whatever_the_counts(
            counts in prop::collection::vec((0.0..1e9_f64, 0.0..1e9_f64), 0..40),
            rows in (0..1_000_000_u64, 0..1_000_000_u64),
        ) {
            let sum = |of: fn(&(f64, f64)) -> f64| counts.iter().map(of).sum::<f64>();
            let totals = Totals {
                selection_rows: rows.0,
                baseline_rows: rows.1,
                selection: sum(|count| count.0),
                baseline: sum(|count| count.1),
            };
            let found = difference(&counted(&counts), &totals).distance;
            prop_assert!((0.0..=1.0).contains(&found), "{found}");
        }
    }
}
