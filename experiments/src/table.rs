//! Tables of what an experiment is about.

use super::datum::Datum;

/// Columns of counts, also where they are means over runs.
const COUNTS: [&str; 5] = ["runs", "iterations", "deployments", "samples", "kinks"];

/// A table of values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// How many of the first columns say what a row is.
    pub keys: usize,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each with a value for every column.
    pub rows: Vec<Vec<Datum>>,
}

impl Table {
    /// Whether the numbers of a column are shown without decimals: they count something, or
    /// all of them are whole.
    pub fn has_counts(&self, column: usize) -> bool {
        let mut numbers = self.rows.iter().filter_map(|row| row.get(column)?.number());
        self.columns.get(column).is_some_and(|name| COUNTS.contains(&name.as_str()))
            || numbers.all(|x| x.fract() == 0.0 && x.abs() < 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::datum;

    #[test]
    fn counts_are_told_by_name_or_by_being_whole() {
        let columns = ["samples", "value", "beta"].map(str::to_owned).to_vec();
        let rows = vec![
            [datum(10.5), datum(1.0), datum(5.0)].to_vec(),
            [datum(3.0), datum(0.5), Datum::NOTHING].to_vec(),
        ];
        let table = Table { keys: 0, columns, rows };
        assert_eq!([0, 1, 2, 3].map(|i| table.has_counts(i)), [true, false, true, true]);
    }
}
