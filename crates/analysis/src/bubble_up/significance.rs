//! Whether two distributions differ by more than chance: the G-test.

/// How many standard deviations from the expected a column has to be: about one column in ten thousand is by chance, so that
/// a table of a hundred attributes has a false one in a hundred looks.
const DEVIATIONS_MIN: f64 = 3.7;

/// Whether shares as different as these are to be expected of two samples of so many rows from one population.
///
/// `shares` are of the selection and the baseline, one pair for each value, each summing to one. G, twice the rows times the
/// divergence, follows a chi-square distribution when only chance is at work; Wilson and Hilferty's cube root makes that a
/// normal one.
pub fn is_chance(shares: &[(f64, f64)], selection_rows: f64, baseline_rows: f64) -> bool {
    let rows = selection_rows + baseline_rows;
    let mut g = 0.0;
    let mut values = 0;
    for (selection, baseline) in shares {
        let pooled = (selection * selection_rows + baseline * baseline_rows) / rows;
        if pooled <= 0.0 {
            continue;
        }
        values += 1;
        let term = |share: f64, rows: f64| if share > 0.0 { share * rows * (share / pooled).ln() } else { 0.0 };
        g += 2.0 * (term(*selection, selection_rows) + term(*baseline, baseline_rows));
    }
    if values < 2 {
        return true;
    }
    let freedom = f64::from(values - 1);
    let spread = 2.0 / (9.0 * freedom);
    let deviations = ((g.max(0.0) / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
    deviations < DEVIATIONS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_difference_is_chance_in_few_rows_only() {
        let shares = [(0.6, 0.5), (0.4, 0.5)];
        assert!(is_chance(&shares, 50.0, 500.0));
        assert!(!is_chance(&shares, 5_000.0, 50_000.0));
    }

    #[test]
    fn one_value_cannot_differ() {
        assert!(is_chance(&[(1.0, 1.0)], 1e6, 1e6));
        assert!(is_chance(&[(1.0, 1.0), (0.0, 0.0)], 1e6, 1e6));
    }
}
