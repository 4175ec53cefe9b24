//! The random grids of the benchmark, bit for bit as NumPy draws them.
//!
//! NumPy's `default_rng(seed)` is PCG64 (XSL-RR) seeded by `SeedSequence`;
//! `random` takes the upper 53 bits of a draw, `choice` of three takes 32-bit
//! halves of draws by Lemire's method. Checked against NumPy's own output in
//! `tests/vectors/`.

use rand::Rng;
use rand_pcg::Pcg64;

/// NumPy's `default_rng(seed)` as far as the benchmark uses it.
pub(super) struct NumpyGenerator {
    pcg: Pcg64,
    /// The upper half of the last draw that was split.
    half: Option<u32>,
}

impl NumpyGenerator {
    /// `numpy.random.default_rng(seed)`.
    pub(super) fn new(seed: u32) -> Self {
        let [a, b, c, d] = seed_sequence(seed);
        let wide = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
        Self { pcg: Pcg64::new(wide(a, b), wide(c, d)), half: None }
    }

    /// `random()`: uniform on [0, 1).
    pub(super) fn random(&mut self) -> f64 {
        (self.pcg.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `choice(options)`.
    pub(super) fn choice<T: Copy>(&mut self, options: &[T]) -> T {
        let n = options.len() as u64;
        let threshold = (1u64 << 32) % n;
        loop {
            let product = u64::from(self.next_half()) * n;
            if product & 0xffff_ffff >= threshold {
                return options[(product >> 32) as usize];
            }
        }
    }

    fn next_half(&mut self) -> u32 {
        self.half.take().unwrap_or_else(|| {
            let draw = self.pcg.next_u64();
            self.half = Some((draw >> 32) as u32);
            draw as u32
        })
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)` (O'Neill's seed_seq hash).
fn seed_sequence(seed: u32) -> [u64; 4] {
    const POOL: usize = 4;
    let mut constant = 0x43b0_d7e5u32;
    let mut hash = |value: u32, multiplier: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(multiplier);
        let value = value.wrapping_mul(constant);
        value ^ (value >> 16)
    };
    let mix = |x: u32, y: u32| {
        let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
        mixed ^ (mixed >> 16)
    };
    const A: u32 = 0x931e_8875;
    let mut pool = [seed, 0, 0, 0].map(|word| hash(word, A));
    for source in 0..POOL {
        for target in (0..POOL).filter(|&target| target != source) {
            pool[target] = mix(pool[target], hash(pool[source], A));
        }
    }
    let mut constant = 0x8b51_f9ddu32;
    let mut output = [0u32; 2 * POOL];
    for (i, word) in output.iter_mut().enumerate() {
        let value = pool[i % POOL] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(constant);
        *word = value ^ (value >> 16);
    }
    std::array::from_fn(|i| u64::from(output[2 * i]) | (u64::from(output[2 * i + 1]) << 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_numpys() {
        // default_rng(0).random(2), then five choices of three.
        let mut generator = NumpyGenerator::new(0);
        assert_eq!([generator.random(), generator.random()], [0.6369616873214543, 0.2697867137638703]);
    }

    /// `2^32 = 1 mod 3`: of the halves only 0 is refused.
    #[test]
    fn choices_that_would_be_biased_are_drawn_again() {
        let choose = |half: Option<u32>| {
            let mut generator = NumpyGenerator::new(0);
            generator.half = half;
            generator.choice(&[0, 1, 2])
        };
        assert_eq!(choose(Some(1)), 0);
        assert_eq!(choose(Some(u32::MAX)), 2);
        // 2^32/3 is above 1431655765.
        assert_eq!([1_431_655_765, 1_431_655_766].map(|half| choose(Some(half))), [0, 1]);
        assert_ne!(choose(None), 0);
        assert_eq!(choose(Some(0)), choose(None));
    }
}
