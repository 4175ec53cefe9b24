//! An axis: which values it shows, where, and with which labels.

/// An axis from `low` to `high`, drawn from `start` to `end` of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) logarithmic: bool,
    pub(super) start: f64,
    pub(super) end: f64,
}

/// A tick: its value, and its label where it has one.
pub(super) type Tick = (f64, Option<String>);

impl Axis {
    /// The axis of values with a little room at both ends; none without values.
    pub(super) fn of(values: impl Iterator<Item = f64>, logarithmic: bool) -> Option<Self> {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        if low > high {
            return None;
        }
        let (low, high) = if logarithmic {
            let room = (high / low).powf(0.04).max(1.1);
            (low / room, high * room)
        } else {
            let room = if high > low { 0.04 * (high - low) } else { 0.5 * low.abs().max(1.0) };
            (low - room, high + room)
        };
        Some(Self { low, high, logarithmic, start: 0.0, end: 1.0 })
    }

    /// The same between two places.
    pub(super) fn between(self, start: f64, end: f64) -> Self {
        Self { start, end, ..self }
    }

    /// Where a value is drawn.
    pub(super) fn place(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.logarithmic { v.ln() } else { v };
        let share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low));
        self.start + share * (self.end - self.start)
    }

    /// Ticks, about `count` of them with labels.
    pub(super) fn ticks(&self, count: usize) -> Vec<Tick> {
        if self.logarithmic {
            self.logarithmic_ticks(count)
        } else {
            let (values, step) = round_values(self.low, self.high, count);
            values.into_iter().map(|x| (x, Some(number(x, step)))).collect()
        }
    }

    /// At powers of ten; in between where there are few of them.
    fn logarithmic_ticks(&self, count: usize) -> Vec<Tick> {
        // Powers of ten of whole exponents are not rounded evenly.
        const NOISE: f64 = 1e-9;
        let (low, high) = (self.low.log10(), self.high.log10());
        let is_inside = |x: &f64| (low - NOISE..=high + NOISE).contains(&x.log10());
        let exponents = (low.floor() as i32)..=(high.ceil() as i32);
        let powers: Vec<i32> = exponents.clone().filter(|&e| is_inside(&10f64.powi(e))).collect();
        let multiples = |mantissas: &[f64]| -> Vec<f64> {
            let all = exponents.clone().flat_map(|e| mantissas.iter().map(move |m| m * 10f64.powi(e)));
            all.filter(is_inside).collect()
        };
        if powers.len() < 2 {
            let mut values = multiples(&[1.0, 2.0, 5.0]);
            if values.len() < 2 {
                values = round_values(self.low, self.high, count).0;
            }
            return values.into_iter().map(|x| (x, Some(number(x, x)))).collect();
        }
        let every = powers.len().div_ceil(count.max(1)) as i32;
        let mut ticks: Vec<Tick> = powers
            .iter()
            .map(|&e| (10f64.powi(e), (e.rem_euclid(every) == 0).then(|| power_of_ten(e))))
            .collect();
        if powers.len() <= 4 {
            let between = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
            ticks.extend(multiples(&between).into_iter().map(|x| (x, None)));
        }
        ticks
    }
}

/// Multiples of 1, 2 or 5 times a power of ten between two values, about `count`, and
/// their distance.
fn round_values(low: f64, high: f64, count: usize) -> (Vec<f64>, f64) {
    let rough = (high - low) / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(rough);
    // Multiples of whole numbers, so that 0 is 0.
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    ((first..=last).map(|k| k as f64 * step).collect(), step)
}

/// A number as precise as its distance to the next one.
pub(super) fn number(x: f64, step: f64) -> String {
    let size = x.abs().max(step.abs());
    if x == 0.0 {
        "0".into()
    } else if (1e-4..1e5).contains(&size) {
        // One more than the step's first digit, for steps such as 2.5.
        let decimals = (1.0 - step.abs().log10().floor()).clamp(0.0, 8.0) as usize;
        let text = format!("{x:.decimals$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        text.replace('-', "\u{2212}")
    } else {
        let exponent = x.abs().log10().floor() as i32;
        let leading = format!("{:.1}", x / 10f64.powi(exponent));
        let leading = leading.trim_end_matches(".0").replace('-', "\u{2212}");
        format!("{leading}\u{d7}{}", power_of_ten(exponent))
    }
}

/// `10` with a raised exponent.
fn power_of_ten(exponent: i32) -> String {
    let raised = |c: char| match c {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => digit.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(digit),
    };
    format!("10{}", exponent.to_string().chars().map(raised).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64, logarithmic: bool) -> Axis {
        Axis { low, high, logarithmic, start: 0.0, end: 100.0 }
    }

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks(6).into_iter().filter_map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(labels(axis(-0.42, -0.13, false)), ["−0.4", "−0.35", "−0.3", "−0.25", "−0.2", "−0.15"]);
        assert_eq!(labels(axis(-1.0, 1.0, false)), ["−1", "−0.5", "0", "0.5", "1"]);
        assert_eq!(labels(axis(0.0, 3e6, false))[1], "5×10⁵");
        assert_eq!(number(2.5e-7, 1e-8), "2.5×10⁻⁷");
    }

    #[test]
    fn logarithmic_axes_have_powers_of_ten_and_no_zero() {
        assert_eq!(labels(axis(0.5, 2000.0, true)), ["10⁰", "10¹", "10²", "10³"]);
        assert_eq!(labels(axis(1e-16, 1.5, true)), ["10⁻¹⁵", "10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "10⁰"]);
        assert_eq!(labels(axis(0.9, 6.0, true)), ["1", "2", "5"]);
        assert_eq!(labels(axis(2.1, 2.2, true)).first().map(String::as_str), Some("2.1"));
        for low in [1e-12, 1e-3, 0.7] {
            for factor in [1.2, 5.0, 1e3, 1e9] {
                let labels = labels(axis(low, low * factor, true));
                assert!(labels.len() > 1 && !labels.contains(&"0".to_owned()), "{low} {factor} {labels:?}");
            }
        }
    }

    #[test]
    fn places_are_shares_of_the_axis() {
        assert_eq!(axis(-1.0, 1.0, false).place(0.0), 50.0);
        assert_eq!(axis(1.0, 100.0, true).place(10.0), 50.0);
    }
}
