"""numpy's `default_rng(seed)`, `random()` and `choice(list)`, bit for bit, and the benchmark's perturbed grids.

Written from the published algorithms: SeedSequence (O'Neill's seed_seq design), PCG64 (PCG XSL-RR 128/64) and
Lemire's bounded integers. Compared with numpy 2.4.6 on seeds 0..199 and eps 0.1, 0.3, 0.5, 0.9; the grids of that
comparison are numpy_grids.json.
"""

M32, M64, M128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1


def seed_words(seed, count):
    """`SeedSequence(seed).generate_state(count)`: the seed's 32-bit words, hashed into a pool of four, hashed out."""
    entropy = [seed & M32]
    while seed >> 32:
        seed >>= 32
        entropy.append(seed & M32)
    constant = 0x43B0D7E5

    def hashed(value):
        nonlocal constant
        value ^= constant
        constant = constant * 0x931E8875 & M32
        value = value * constant & M32
        return value ^ value >> 16

    def mixed(x, y):
        z = (x * 0xCA01F9DD - y * 0x4973F715) & M32
        return z ^ z >> 16

    pool = [hashed(entropy[i] if i < len(entropy) else 0) for i in range(4)]
    for source in range(4):
        for target in range(4):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source]))
    for word in entropy[4:]:
        for target in range(4):
            pool[target] = mixed(pool[target], hashed(word))
    words, constant = [], 0x8B51F9DD
    for i in range(count):
        value = pool[i % 4] ^ constant
        constant = constant * 0x58F38DED & M32
        value = value * constant & M32
        words.append(value ^ value >> 16)
    return words


class Generator:
    """`numpy.random.default_rng(seed)`."""

    MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645

    def __init__(self, seed):
        w = seed_words(seed, 8)
        q = [w[2 * i] | w[2 * i + 1] << 32 for i in range(4)]
        self.increment = ((q[2] << 64 | q[3]) << 1 | 1) & M128
        self.state = (self.increment + (q[0] << 64 | q[1])) & M128
        self.step()
        self.spare = None                                    # the unused half of a 64-bit draw

    def step(self):
        self.state = (self.state * self.MULTIPLIER + self.increment) & M128

    def next64(self):
        self.step()
        x, turn = (self.state >> 64 ^ self.state) & M64, self.state >> 122
        return (x >> turn | x << (64 - turn)) & M64

    def next32(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        value = self.next64()
        self.spare = value >> 32
        return value & M32

    def random(self):
        """A double in [0, 1): the top 53 bits."""
        return (self.next64() >> 11) * 2.0 ** -53

    def below(self, n):
        """An index 0..n-1 as `choice` draws it."""
        m = self.next32() * n
        if m & M32 < n:
            threshold = (1 << 32) % n
            while m & M32 < threshold:
                m = self.next32() * n
        return m >> 32


CHOICES = [-0.5, -0.02, -0.01]


def perturbation(seed, eps, rows=8, columns=8, terminal=None):
    """Indices into ["keep", -0.5, -0.02, -0.01] for follower `seed`, by state: all uniforms first, then the choices row
    by row; first row and first column are kept without a draw, and terminal cells (the last one where `terminal` is left
    out) elsewhere draw but are set back."""
    generator = Generator(seed)
    uniforms = [generator.random() for _ in range(rows * columns)]
    cells = [0 if s < columns or s % columns == 0 or u > eps else 1 + generator.below(3) for s, u in enumerate(uniforms)]
    for s in [rows * columns - 1] if terminal is None else terminal:
        cells[s] = 0
    return cells
