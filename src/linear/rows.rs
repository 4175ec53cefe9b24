//! Rows of a matrix, dense or sparse (CSR), behind one type.

use super::ShapeError;
use crate::arithmetic::Field;

/// A matrix by rows: dense, or compressed sparse rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    width: usize,
    values: Vec<T>,
    /// `None` where the rows are dense.
    sparsity: Option<Sparsity>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sparsity {
    /// Row `i` holds the entries `offsets[i]..offsets[i + 1]`.
    offsets: Vec<usize>,
    columns: Vec<u32>,
}

/// The stored entries of one row, as pairs of a column and its value.
#[derive(Debug, Clone)]
pub struct Row<'a, T> {
    columns: Option<&'a [u32]>,
    values: &'a [T],
    next: usize,
}

impl<T> Row<'_, T> {
    const NONE: Self = Row { columns: None, values: &[], next: 0 };
}

impl<'a, T> Iterator for Row<'a, T> {
    type Item = (usize, &'a T);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        let value = self.values.get(at)?;
        self.next += 1;
        Some((self.columns.map_or(at, |columns| columns[at] as usize), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.values.len() - self.next;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Row<'_, T> {}

impl<T: Field> Rows<T> {
    /// Dense rows of `width` columns from their entries, row by row.
    ///
    /// # Errors
    /// [`ShapeError`] unless the number of entries is a multiple of `width`, which
    /// is at least 1.
    pub fn dense(width: usize, values: Vec<T>) -> Result<Self, ShapeError> {
        let over = values.len().checked_rem(width).unwrap_or(1);
        if over != 0 {
            let expected = (values.len() - over.min(values.len())) + width;
            return Err(ShapeError { what: "the entries of dense rows", seen: values.len(), expected });
        }
        Ok(Self { width, values, sparsity: None })
    }

    /// Sparse rows from an iterator of rows of `(column, value)`; entries of
    /// the same column of a row are added up. Dense ones where no entry is missing.
    ///
    /// # Errors
    /// [`ShapeError`] for a column that is not below `width`, or a width of 2^32 or
    /// more.
    pub fn sparse<R>(width: usize, rows: impl IntoIterator<Item = R>) -> Result<Self, ShapeError>
    where
        R: IntoIterator<Item = (usize, T)>,
    {
        let (result, reach) = Self::collected(width, rows);
        let expected = width.min(u32::MAX as usize);
        match reach.max(width) {
            seen if seen > expected => Err(ShapeError { what: "the columns of sparse rows", seen, expected }),
            _ => Ok(result),
        }
    }

    /// Sparse rows, and one more than their largest column, which the caller knows
    /// to be at most the width.
    fn collected<R>(width: usize, rows: impl IntoIterator<Item = R>) -> (Self, usize)
    where
        R: IntoIterator<Item = (usize, T)>,
    {
        let mut values: Vec<T> = Vec::new();
        let mut offsets = vec![0];
        let mut columns = Vec::new();
        let mut row: Vec<(usize, T)> = Vec::new();
        let mut reach = 0;
        for entries in rows {
            row.clear();
            row.extend(entries);
            if !row.is_sorted_by_key(|(column, _)| *column) {
                row.sort_by_key(|&(column, _)| column);
            }
            let start = values.len();
            let mut last = None;
            for (column, value) in row.drain(..) {
                reach = reach.max(column.saturating_add(1));
                if last == Some(column) && values.len() > start {
                    let end = values.len() - 1;
                    values[end] += value;
                } else {
                    columns.push(column as u32);
                    values.push(value);
                }
                last = Some(column);
            }
            offsets.push(values.len());
        }
        // Columns of a row are distinct: where each is there, the rows are dense.
        let is_full = reach <= width && offsets.windows(2).all(|ends| ends[1] - ends[0] == width);
        let sparsity = (!is_full || values.is_empty()).then_some(Sparsity { offsets, columns });
        (Self { width, values, sparsity }, reach)
    }

    /// The same rows without their zeros, where that saves at least half of the
    /// storage; the same rows as they are otherwise.
    pub fn compact(self) -> Self {
        let zeros = self.values.iter().filter(|value| value.is_zero()).count();
        let is_narrow = self.width < 8 || self.width > u32::MAX as usize;
        if self.sparsity.is_some() || 2 * zeros < self.values.len() || is_narrow {
            return self;
        }
        let rows = (0..self.len())
            .map(|i| self.row(i).filter(|(_, value)| !value.is_zero()).map(|(t, value)| (t, value.clone())));
        Self::collected(self.width, rows).0
    }

    /// The same rows, some of them without entries, or 0.
    #[must_use]
    pub fn without(mut self, is_empty: impl Fn(usize) -> bool) -> Self {
        if self.sparsity.is_some() {
            let kept = |i: usize| if is_empty(i) { Row::NONE } else { self.row(i) };
            let rows = (0..self.len()).map(|i| kept(i).map(|(t, value)| (t, value.clone())));
            return Self::collected(self.width, rows).0;
        }
        let width = self.width.max(1);
        for (_, row) in self.values.chunks_mut(width).enumerate().filter(|(i, _)| is_empty(*i)) {
            row.fill(T::zero());
        }
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.sparsity {
            Some(sparsity) => sparsity.offsets.len() - 1,
            None => self.values.len() / self.width.max(1),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether the rows are stored sparse.
    pub fn is_sparse(&self) -> bool {
        self.sparsity.is_some()
    }

    /// Number of stored entries.
    pub fn n_stored(&self) -> usize {
        self.values.len()
    }

    /// The stored entries of row `i`, in the order of their columns.
    pub fn row(&self, i: usize) -> Row<'_, T> {
        let (columns, range) = match &self.sparsity {
            Some(sparsity) => {
                let range = sparsity.offsets[i]..sparsity.offsets[i + 1];
                (Some(&sparsity.columns[range.clone()]), range)
            }
            None => (None, i * self.width..(i + 1) * self.width),
        };
        Row { columns, values: &self.values[range], next: 0 }
    }

    /// The entry of row `i` and column `t`, 0 where none is stored.
    pub fn entry(&self, i: usize, t: usize) -> T {
        if !self.is_sparse() {
            return self.values[i * self.width + t].clone();
        }
        self.row(i).find(|&(column, _)| column == t).map_or_else(T::zero, |(_, value)| value.clone())
    }

    /// The rows with every stored entry mapped.
    pub fn map<U: Field>(&self, map: impl FnMut(&T) -> U) -> Rows<U> {
        let values = self.values.iter().map(map).collect();
        Rows { width: self.width, values, sparsity: self.sparsity.clone() }
    }

    /// The rows with every stored entry mapped, with its row and column.
    pub fn map_entries<U: Field>(&self, map: impl Fn(usize, usize, &T) -> U) -> Rows<U> {
        let map = &map;
        let of_row = |i: usize| self.row(i).map(move |(t, value)| map(i, t, value));
        let values = (0..self.len()).flat_map(of_row).collect();
        Rows { width: self.width, values, sparsity: self.sparsity.clone() }
    }

    /// The rows `sum_a weight(i, a) row(i n + a)`, a = 0..n: the mixture of
    /// every group of `n` rows. Sparse where the rows are.
    pub fn mixtures<'a>(&self, n: usize, weight: impl Fn(usize, usize) -> &'a T) -> Self {
        let groups = self.len() / n;
        let mut total = vec![T::zero(); self.width];
        if !self.is_sparse() {
            let mut values = Vec::with_capacity(groups * self.width);
            for i in 0..groups {
                for a in 0..n {
                    for (t, value) in self.row(i * n + a) {
                        total[t] += value.clone() * weight(i, a);
                    }
                }
                values.extend(total.iter_mut().map(|entry| std::mem::replace(entry, T::zero())));
            }
            return Self { width: self.width, values, sparsity: None };
        }
        let mut seen = vec![false; self.width];
        let rows = (0..groups).map(|i| {
            let mut columns = Vec::new();
            for a in 0..n {
                for (t, value) in self.row(i * n + a) {
                    total[t] += value.clone() * weight(i, a);
                    if !std::mem::replace(&mut seen[t], true) {
                        columns.push(t);
                    }
                }
            }
            let take = |t: usize| (t, std::mem::replace(&mut total[t], T::zero()));
            let row: Vec<(usize, T)> = columns.iter().copied().map(take).collect();
            for t in columns {
                seen[t] = false;
            }
            row
        });
        Self::collected(self.width, rows).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense() -> Rows<f64> {
        let mut values = vec![0.0; 16 * 8];
        for i in 0..16 {
            values[i * 8 + i % 8] = 0.25;
            values[i * 8 + (i * 3 + 1) % 8] += 0.75;
        }
        Rows::dense(8, values).unwrap()
    }

    #[test]
    fn compact_rows_hold_the_same_entries() {
        let (dense, sparse) = (dense(), dense().compact());
        assert!(sparse.is_sparse() && !dense.is_sparse());
        assert_eq!((sparse.len(), sparse.width()), (16, 8));
        assert!(sparse.n_stored() < 33);
        for i in 0..16 {
            for t in 0..8 {
                assert_eq!(dense.entry(i, t), sparse.entry(i, t));
            }
        }
    }

    #[test]
    fn few_zeros_or_columns_stay_dense() {
        assert!(!Rows::dense(8, vec![0.5; 16]).unwrap().compact().is_sparse());
        assert!(!Rows::dense(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap().compact().is_sparse());
    }

    /// In whatever order they come.
    #[test]
    fn rows_that_are_full_are_dense() {
        let full = Rows::sparse(2, [vec![(1, 0.75), (0, 0.25)], vec![(0, 1.0), (1, 0.0)]]).unwrap();
        assert_eq!(full, Rows::dense(2, vec![0.25, 0.75, 1.0, 0.0]).unwrap());
        // A repeated column does not stand for one that is missing.
        assert!(Rows::sparse(2, [vec![(0, 0.25), (0, 0.75)], vec![(0, 0.5), (1, 0.5)]]).unwrap().is_sparse());
    }

    #[test]
    fn mixtures_agree_between_layouts() {
        let (dense, sparse) = (dense(), dense().compact());
        let weights = [0.125, 0.875];
        let from_dense = dense.mixtures(2, |_, a| &weights[a]);
        let from_sparse = sparse.mixtures(2, |_, a| &weights[a]);
        assert!(from_sparse.is_sparse());
        for i in 0..8 {
            for t in 0..8 {
                let expected = 0.125 * dense.entry(2 * i, t) + 0.875 * dense.entry(2 * i + 1, t);
                assert_eq!(from_dense.entry(i, t), expected);
                assert_eq!(from_sparse.entry(i, t), expected);
            }
        }
    }

    #[test]
    fn repeated_columns_are_added_up() {
        let rows = Rows::sparse(3, [vec![(2, 1.0), (0, 2.0), (2, 4.0)], vec![], vec![(2, 8.0)]]).unwrap();
        assert_eq!(rows.row(0).map(|(t, v)| (t, *v)).collect::<Vec<_>>(), [(0, 2.0), (2, 5.0)]);
        assert_eq!((rows.row(1).len(), rows.entry(2, 2), rows.n_stored()), (0, 8.0, 3));
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let shape = |seen, expected| move |e: ShapeError| (e.seen, e.expected) == (seen, expected);
        assert!(Rows::dense(3, vec![0.0; 7]).is_err_and(shape(7, 9)));
        assert!(Rows::dense(0, vec![0.0; 7]).is_err() && Rows::<f64>::dense(0, vec![]).is_err());
        assert!(Rows::<f64>::dense(3, vec![]).is_ok_and(|rows| rows.is_empty()));
        assert!(Rows::sparse(3, [vec![(1, 1.0)], vec![(3, 1.0)]]).is_err_and(shape(4, 3)));
        // A column that would be 1 in 32 bits.
        assert!(Rows::sparse(3, [vec![((1 << 32) + 1, 1.0)]]).is_err());
        assert!(Rows::<f64>::sparse(1 << 32, [vec![]]).is_err());
    }

    #[test]
    fn rows_tell_how_much_is_left_of_them() {
        let rows = Rows::dense(3, vec![1.0; 6]).unwrap();
        let mut row = rows.row(1);
        assert!(row.next().is_some() && row.len() == 2 && !rows.is_empty());
        // Half of the entries are zeros.
        let half = Rows::dense(8, (0..16).map(|i| f64::from(i % 2)).collect()).unwrap();
        assert!(half.compact().is_sparse());
    }
}
