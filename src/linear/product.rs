//! Products of doubles.

/// `sum a b`, in eight sums that do not wait for each other.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, last_a), (b, last_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in a.iter().zip(b) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    let last: f64 = last_a.iter().zip(last_b).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + last
}

#[cfg(test)]
mod tests {
    use super::dot;

    #[test]
    fn products_of_any_length_are_summed() {
        for n in 0..40 {
            let (a, b): (Vec<f64>, Vec<f64>) = (0..n).map(|i| (f64::from(i) - 3.0, f64::from(i * i))).unzip();
            let expected: i32 = (0..n).map(|i| (i - 3) * i * i).sum();
            assert_eq!(dot(&a, &b), f64::from(expected), "{n}");
        }
    }
}
