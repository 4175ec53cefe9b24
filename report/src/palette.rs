//! Colours: one for each algorithm, the same in all pictures.

use super::{Series, Style};

/// A colour on light and on dark paper, each with a contrast of 3 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hue {
    pub(super) light: &'static str,
    dark: &'static str,
}

/// Any two stay apart without red or green receptors too, by lightness where not by hue; the
/// first two are of Okabe and Ito.
pub(super) const HUES: [Hue; 10] = [
    Hue { light: "#0072b2", dark: "#56b4e9" },
    Hue { light: "#d55e00", dark: "#ff6a2a" },
    Hue { light: "#2f9e6a", dark: "#7df0a4" },
    Hue { light: "#4b2fd6", dark: "#8f7dff" },
    Hue { light: "#774400", dark: "#ffe94a" },
    Hue { light: "#d427b4", dark: "#ff5fcf" },
    Hue { light: "#222222", dark: "#ffffff" },
    Hue { light: "#881155", dark: "#d0407a" },
    Hue { light: "#5c7a2e", dark: "#7fae45" },
    Hue { light: "#777777", dark: "#b4b4b4" },
];

/// The colour of an algorithm, by the name that its labels begin with. Methods of ascent
/// stand for PePG by that method.
const ALGORITHMS: [(&str, usize); 13] = [
    ("PePG", 0),
    ("Adam", 0),
    ("policy gradient", 1),
    ("RR", 2),
    ("RPO-FS", 3),
    ("MDRR", 4),
    ("DRR", 5),
    ("0-FW", 6),
    ("RGA", 7),
    ("plain", 7),
    ("Newton", 8),
    ("natural", 8),
    ("backtracking", 9),
];

/// Paper, text, axes and mesh on light and on dark paper.
pub(super) const PAPER: Hue = Hue { light: "#ffffff", dark: "#14181f" };
pub(super) const INK: Hue = Hue { light: "#1c2430", dark: "#e6eaf0" };
pub(super) const AXIS: Hue = Hue { light: "#5d6875", dark: "#9aa6b4" };
pub(super) const MESH: Hue = Hue { light: "#e1e6ec", dark: "#2b323d" };

/// The index of the colour of the algorithm that a label names.
pub(super) fn algorithm(label: &str) -> Option<usize> {
    let named = |name: &str| {
        let rest = label.strip_prefix(name)?;
        rest.chars().next().is_none_or(|c| !c.is_alphanumeric()).then_some(())
    };
    ALGORITHMS.iter().find(|(name, _)| named(name).is_some()).map(|(_, hue)| *hue)
}

/// The colours of series: an algorithm's own, for others the next that is free. A series without
/// a label has that of the one before, a band that of the one after.
pub(super) fn hues(series: &[Series]) -> Vec<usize> {
    let taken: Vec<usize> = series.iter().filter_map(|series| algorithm(&series.label)).collect();
    let mut free = (0..HUES.len()).filter(|hue| !taken.contains(hue)).cycle();
    let mut hues: Vec<usize> = Vec::with_capacity(series.len());
    for one in series {
        let own = algorithm(&one.label);
        let hue = match (own, hues.last()) {
            (Some(hue), _) => hue,
            // Its own comes with the next; a guide has no colour.
            _ if one.style == Style::Band || one.style == Style::Dashed => hues.last().copied().unwrap_or(0),
            (None, Some(&before)) if one.label.is_empty() => before,
            _ => free.next().unwrap_or(0),
        };
        hues.push(hue);
    }
    for i in (1..series.len()).rev() {
        if series[i - 1].style == Style::Band {
            hues[i - 1] = hues[i];
        }
    }
    hues
}

/// What a reader who prefers dark pages sees instead of the colours written at the shapes, which
/// are those for paper.
pub(super) fn dark_style() -> String {
    let mut css = String::from("<style>@media (prefers-color-scheme: dark) {");
    for (class, hue) in [("paper", PAPER), ("ink", INK), ("axis", AXIS), ("mesh", MESH)] {
        css.push_str(&rule(class, hue));
    }
    for (i, hue) in HUES.into_iter().enumerate() {
        css.push_str(&rule(&format!("hue{i}"), hue));
    }
    css.push_str("}</style>\n");
    css
}

/// Lines have the class, filled shapes the class with `-fill`.
fn rule(class: &str, hue: Hue) -> String {
    format!(".pemdp .{class}{{stroke:{0}}}.pemdp .{class}-fill{{fill:{0}}}", hue.dark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue as linear light.
    fn channels(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|i| {
            let value = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Relative luminance (WCAG 2).
    fn luminance(colour: &str) -> f64 {
        let [r, g, b] = channels(colour);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        (a / b).max(b / a)
    }

    #[test]
    fn every_colour_is_seen_on_its_paper() {
        for hue in HUES.into_iter().chain([INK, AXIS]) {
            assert!(contrast(hue.light, PAPER.light) >= 3.0, "{hue:?}");
            assert!(contrast(hue.dark, PAPER.dark) >= 3.0, "{hue:?}");
        }
    }

    /// What is seen of a colour, in CIELAB of linear light through a matrix.
    fn seen(colour: &str, through: [[f64; 3]; 3]) -> [f64; 3] {
        let light = channels(colour);
        let dot = |row: [f64; 3]| (0..3).map(|i| row[i] * light[i]).sum::<f64>().clamp(0.0, 1.0);
        let [r, g, b] = through.map(dot);
        let root = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
        let y = root(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn colours_stay_apart_for_the_colour_blind() {
        // Machado, Oliveira and Fernandes 2009, severity 1: deuteranopia, protanopia; and all.
        const VIEWS: [[[f64; 3]; 3]; 3] = [
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ];
        for view in VIEWS {
            for (i, a) in HUES.iter().enumerate() {
                for b in &HUES[i + 1..] {
                    for (a, b) in [(a.light, b.light), (a.dark, b.dark)] {
                        let (p, q) = (seen(a, view), seen(b, view));
                        let apart = (0..3).map(|k| (p[k] - q[k]).powi(2)).sum::<f64>().sqrt();
                        // About 2 is just noticeable.
                        assert!(apart > 10.0, "{a} {b} {apart}");
                    }
                }
            }
        }
    }

    #[test]
    fn variants_of_an_algorithm_have_its_colour() {
        assert_eq!(algorithm("RR"), algorithm("RR, quadratic .1"));
        assert_eq!(algorithm("PePG, from uniform"), Some(0));
        assert_ne!(algorithm("MDRR, sampled"), algorithm("DRR"));
        assert_eq!(algorithm("plainly"), None);
    }

    #[test]
    fn others_take_what_is_free() {
        let series = |label: &str, style| Series { label: label.into(), points: Vec::new(), style };
        let all = [
            series("something", Style::Line),
            series("", Style::Line),
            series("", Style::Band),
            series("PePG", Style::Line),
            series("else", Style::Line),
        ];
        assert_eq!(hues(&all), [1, 1, 0, 0, 2]);
    }
}
