//! Bounds as people read them.

/// An upper bound with two digits, rounded up: it stays one.
///
/// ```
/// use pemdp_experiments::bound_above;
/// assert_eq!(bound_above(1.04e-17), "1.1e-17");
/// assert_eq!(bound_above(0.0), "0");
/// ```
pub fn bound_above(bound: f64) -> String {
    if bound == 0.0 {
        return "0".to_owned();
    }
    let nearest = format!("{bound:.1e}");
    let shown = nearest.parse::<f64>().unwrap_or(f64::NAN);
    let exponent = || nearest.split_once('e')?.1.parse::<i32>().ok();
    let Some(exponent) = exponent().filter(|_| shown < bound) else { return nearest };
    format!("{:.1e}", shown + 10f64.powi(exponent - 1))
}

#[cfg(test)]
mod tests {
    use super::bound_above;

    #[test]
    fn bounds_are_rounded_up() {
        for (bound, expected) in
            [(0.0, "0"), (1.04e-17, "1.1e-17"), (1.06e-17, "1.1e-17"), (9.94e-3, "1.0e-2"), (5e-9, "5.0e-9")]
        {
            assert_eq!(bound_above(bound), expected);
        }
        for i in 1..100_000 {
            let bound = f64::from(i) * 1.7e-9;
            let shown: f64 = bound_above(bound).parse().unwrap();
            assert!(shown >= bound && shown <= 1.11 * bound, "{bound}");
        }
    }
}
