"""Hostile problems: each family is after one way in which a program can go wrong.

    families.py FAMILY SEED INDEX [--rational]     print one problem
    families.py                                    list the families

A problem is reproducible from (family, seed, index). `rational` asks for one that `--exact` takes: rows that sum to
exactly 1 also where decimals are read as written, rational policies and environments. Most problems are valid; the family
`invalid` is not, and a few of the others reach limits that the documentation refuses (gamma times a row sum of 1).
"""
import copy
import json
import random
import sys
from fractions import Fraction

import formulas
import gridworld

TINY, HUGE, LARGEST = 5e-324, 1e308, Fraction(sys.float_info.max)
GAMMAS = [0, TINY, 1e-300, 0.5, 0.9, 0.99, 1 - 1e-9, 1 - 2.0 ** -53, 1 - 2.0 ** -52, "0.999999999999999999", "1/3",
          "0." + "9" * 40, "0." + "9" * 300, "1e-400", "0.1", "4503599627370495/4503599627370496"]
SCALES = [1.0] * 6 + [1e-12, 1e12, 1e-200, 1e100, 1e-300, 1e300, 1e-320, 1.7e308]


def text(q):
    """A fraction as a numeral."""
    return str(q.numerator) if q.denominator == 1 else f"{q.numerator}/{q.denominator}"


def decimal(q, digits):
    """A fraction cut to a decimal of so many digits after the point."""
    scaled = abs(q.numerator) * 10 ** digits // q.denominator
    whole, rest = divmod(scaled, 10 ** digits)
    return f"{'-' if q < 0 else ''}{whole}.{rest:0{digits}d}"


class Maker:
    """Draws the parts of a problem. `scale` is the size of rewards, `rational` what `--exact` needs."""

    def __init__(self, rng, rational=False):
        self.rng, self.rational = rng, rational
        self.scale = rng.choice(SCALES)
        self.entropy_chance = 0.25

    # ------------------------------------------------------------------------------------------ numbers

    def pick(self, *choices):
        return self.rng.choice(choices)

    def chance(self, p):
        return self.rng.random() < p

    def fraction(self, most=12):
        return Fraction(self.rng.randint(-most, most), self.rng.randint(1, most))

    def real(self, scale=None):
        """A number of about the size `scale`, in one of the ways to write one."""
        rng, scale = self.rng, self.scale if scale is None else scale
        style = rng.randrange(8)
        if style == 0:
            return 0
        if style == 1:
            return rng.randint(-3, 3) if scale == 1.0 else rng.choice([-1, 1]) * scale
        if style in (2, 3):
            q = max(-LARGEST, min(LARGEST, self.fraction() * Fraction(scale)))
            return text(q) if style == 2 else decimal(q, 40)
        if style == 4:
            return -0.0
        return rng.uniform(-1, 1) * scale

    def positive(self, scale=1.0):
        """A positive double, subnormal ones and the largest included."""
        return self.pick(max(self.rng.random() * scale, TINY), self.rng.randint(1, 9), text(abs(self.fraction()) + 1),
                         max(scale, TINY))

    def gamma(self):
        return self.rng.choice(GAMMAS) if self.chance(0.6) else round(self.rng.uniform(0, 0.94), self.rng.randint(1, 16))

    def entropy(self):
        if self.rational or not self.chance(self.entropy_chance):
            return 0
        return self.pick(0.1, 1, "1/7", 1e-12, TINY, 1e5, 1e-300, self.rng.random())

    def size(self):
        """States and actions, mostly 1..6 and 1..4."""
        return self.pick(1, 2, 2, 3, 3, 4, 5, 6), self.pick(1, 2, 2, 3, 4)

    # ---------------------------------------------------------------------------------------- distributions

    def distribution(self, n):
        """A row that sums to 1: exactly (also as decimals), or, for doubles, within 1e-9."""
        exact = [self.fractions, self.dyadic, self.point, self.uniform, self.decimals, self.nearly_point]
        loose = [self.doubles, self.loose, self.subnormal]
        return self.rng.choice(exact if self.rational else exact + 2 * loose)(n)

    def shares(self, n, total):
        """n nonnegative integers that sum to `total`."""
        cuts = sorted(self.rng.randint(0, total) for _ in range(n - 1))
        return [b - a for a, b in zip([0, *cuts], [*cuts, total])]

    def fractions(self, n):
        total = self.rng.randint(1, 1000)
        return [text(Fraction(x, total)) for x in self.shares(n, total)]

    def dyadic(self, n):
        bits = self.pick(2, 10) if self.rational else self.pick(2, 10, 50)    # as decimals, 50 bits are written rounded
        return [x / 2 ** bits for x in self.shares(n, 2 ** bits)]

    def decimals(self, n):
        return [f"0.{x:06d}" if x < 10 ** 6 else "1" for x in self.shares(n, 10 ** 6)]

    def point(self, n):
        at = self.rng.randrange(n)
        return [int(i == at) for i in range(n)]

    def uniform(self, n):
        return [text(Fraction(1, n))] * n

    def nearly_point(self, n):
        """All but one entry tiny, as text beyond doubles."""
        tiny = Fraction(1, 10 ** self.pick(17, 40, 300, 400))
        row = [text(tiny)] * n
        row[self.rng.randrange(n)] = text(1 - (n - 1) * tiny)
        return row

    def doubles(self, n):
        row = [self.rng.random() + 1e-9 for _ in range(n)]
        return [x / sum(row) for x in row]

    def loose(self, n):
        """Off 1 by nearly as much as is allowed."""
        row = self.dyadic(n)
        at = max(range(n), key=row.__getitem__)
        row[at] += self.pick(-9e-10, 9e-10, -1e-12, 1e-16)
        return row

    def subnormal(self, n):
        row = self.point(n)
        return [float(x) if x else self.pick(0, TINY, 1e-310) for x in row]

    def kernel(self, S, A):
        return [[self.distribution(S) for _ in range(A)] for _ in range(S)]

    # ------------------------------------------------------------------------------------------- policies

    def policy(self, S, A, kinds=None):
        kinds = kinds or (["weights", "probabilities"] if self.rational else
                          ["softmax", "softmax", "log-linear", "weights", "probabilities"])
        return getattr(self, self.rng.choice(kinds).replace("-", "_"))(S, A)

    def softmax(self, S, A, size=None):
        size = size or self.pick(1, 1, 1, 5, 30, 700, 1e308, 1e-300)
        return {"kind": "softmax", "logits": [[self.real(size) for _ in range(A)] for _ in range(S)]}

    def log_linear(self, S, A):
        K, size = self.rng.randint(1, S * A + 2), self.pick(1, 1, 3, 1e160, 1e-160)
        return {"kind": "log-linear", "features": [[[self.real(size) for _ in range(K)] for _ in range(A)] for _ in range(S)],
                "theta": [self.real(size) for _ in range(K)]}

    def weights(self, S, A):
        sizes = self.pick([1.0], [1.0], [1e-16, HUGE], [TINY, 1.0], [HUGE])
        return {"kind": "weights", "values": [[self.positive(self.rng.choice(sizes)) for _ in range(A)] for _ in range(S)]}

    def probabilities(self, S, A):
        return {"kind": "probabilities", "values": [self.distribution(A) for _ in range(S)]}

    # -------------------------------------------------------------------------------------- environments

    def rewards(self, S, A):
        return [[self.real() for _ in range(A)] for _ in range(S)]

    def fixed(self, S, A):
        return {"kind": "fixed", "transitions": self.kernel(S, A), "rewards": self.rewards(S, A)}

    def affine(self, S, A):
        """P = sum_{s2} share[s2] sum_{a2} pi(a2|s2) q[s2,a2] + (the remaining share) q: a kernel for every policy, with
        the remaining share 0 at the simplex' edge. Repeated slopes, some of which cancel."""
        rng = self.rng
        transitions, slopes = [], []
        for s in range(S):
            transitions.append([])
            for a in range(A):
                shares = self.shares(S + 1, self.pick(1, 2, 7, 100))
                total = sum(shares)
                rest = [Fraction(x) for x in self.exact_row(S)]
                transitions[s].append([text(Fraction(shares[S], total) * x) for x in rest])
                for s2, share in enumerate(shares[:S]):
                    for a2 in range(A if share else 0):
                        slopes += [[s, a, t, s2, a2, text(Fraction(share, total) * Fraction(x))]
                                   for t, x in enumerate(self.exact_row(S)) if Fraction(x)]
        reward_slopes = [[rng.randrange(S), rng.randrange(A), rng.randrange(S), rng.randrange(A), self.real()]
                         for _ in range(rng.randint(0, 6))]
        slopes = self.repeated(slopes)
        rng.shuffle(slopes)
        return {"kind": "affine", "transitions": transitions, "rewards": self.rewards(S, A),
                "transition_slopes": slopes, "reward_slopes": self.repeated(reward_slopes)}

    def exact_row(self, n):
        return self.pick(self.fractions, self.point, self.uniform)(n)

    def repeated(self, slopes):
        """Some entries split in two, the parts now and then far larger than their sum."""
        out = []
        for *at, x in slopes:
            if self.chance(0.1):
                part = Fraction(self.rng.randint(-9, 9)) * self.pick(1, 10 ** 9, 10 ** 200)
                out.append([*at, text(part)])
                x = text(Fraction(x) - part)
            out.append([*at, x])
        return out

    def explicit(self, S, A, parameters):
        """A point with random derivatives: rows of dP that sum to 0 exactly."""
        rng, size = self.rng, self.pick(1, 1, 1e6, 1e200, 1e-200)
        transition, reward = {}, {}
        for _ in range(rng.randint(0, 2 * parameters) if S > 1 else 0):
            s, a, k = rng.randrange(S), rng.randrange(A), rng.randrange(parameters)
            t, u = rng.sample(range(S), 2)
            if all((s, a, x, k) not in transition for x in range(S)):
                x = self.fraction() * Fraction(size)
                transition[s, a, t, k], transition[s, a, u, k] = text(x), text(-x)
        for _ in range(rng.randint(0, 4)):
            reward[rng.randrange(S), rng.randrange(A), rng.randrange(parameters)] = self.real()
        return {"kind": "explicit", "transitions": self.kernel(S, A), "rewards": self.rewards(S, A),
                "transition_jacobian": [[*at, x] for at, x in transition.items()],
                "reward_jacobian": [[*at, x] for at, x in reward.items()]}

    def exponential_family(self, S, A):
        environment = {"kind": "exponential-family", "psi": self.psi(S)}
        base = "base_weights" if self.rational else self.pick("base_weights", "base_logits", "base_logits", None)
        if base == "base_weights":
            environment[base] = [[self.base_weights(S) for _ in range(A)] for _ in range(S)]
        elif base == "base_logits":
            size = self.pick(1, 1, 30, 700, 1e308)
            environment[base] = [[self.base_logits(S, size) for _ in range(A)] for _ in range(S)]
        slope = 0 if self.rational or self.chance(0.4) else self.real()
        clip = None if self.chance(0.4) else self.positive(self.scale)
        environment["reward"] = {"base": self.rewards(S, A), "slope": slope, "clip": clip}
        return environment

    def psi(self, S):
        if self.rational:
            return [self.rng.randint(-4, 4) for _ in range(S)]
        size = self.pick(1, 1, 1, 1e-10, 100, 1e4)
        return [self.real(size) for _ in range(S)]

    def base_weights(self, S):
        row = [self.pick(0, self.positive(), self.positive(self.pick(TINY, 1.0, HUGE))) for _ in range(S)]
        row[self.rng.randrange(S)] = self.positive()
        return row

    def base_logits(self, S, size):
        row = [None if self.chance(0.15) else self.real(size) for _ in range(S)]
        row[self.rng.randrange(S)] = self.real(size)
        return row

    def coin(self):
        mu = self.pick(0, "1/8", 0.25, 0.5, -0.5, TINY, 1e-300, round(self.rng.uniform(-0.5, 0.5), 6))
        most = 1 - 2 * abs(Fraction(str(mu)) if self.rational else Fraction(mu))
        epsilon = self.pick(0, text(most), text(-most), text(most * Fraction(self.rng.randint(-100, 100), 100)), TINY)
        return {"kind": "coin", "mu": mu, "epsilon": epsilon if abs(Fraction(epsilon)) <= most else 0}

    def loan(self, form=None):
        """q0 and q0 - c in [0, 1], often at its ends."""
        q0 = Fraction(self.rng.randint(0, 20), 20)
        c = q0 - self.pick(Fraction(0), Fraction(1), Fraction(self.rng.randint(0, 140), 140), q0)
        return {"kind": "loan", "form": form or self.pick("bandit", "mdp"), "q0": text(q0), "c": text(c),
                "gain": self.payment(), "loss": self.payment()}

    def payment(self):
        return self.pick(0, 1, text(abs(self.fraction())), self.rng.random() * self.scale, self.scale)

    def gridworld(self, own=None):
        """On the benchmark's grid, or one of `own` rows and columns."""
        environment = {"kind": "gridworld", "beta": self.pick(0, 0.1, 1, 5, 5, 10, 200, 1e6, "1/3", TINY)}
        shape = own or (8, 8)
        if self.chance(0.3):
            environment["perturbed_grids"] = [self.grid(*shape) for _ in range(self.rng.randint(1, 2))]
        else:
            environment["followers"] = self.rng.randint(1, 3)
            environment["eps"] = self.pick(0, 1, 0.5, 0.5, 0.3, "1/3", self.next_to_a_draw())
        if own:
            alone = len(environment.get("perturbed_grids", [])) == 1 and own != (8, 8)
            if not (alone and self.chance(0.5)):
                environment["cells"] = self.grid(*own)
            states = range(own[0] * own[1])
            if self.chance(0.5):
                environment["terminal"] = self.rng.sample(states, self.rng.randint(0, min(3, len(states))))
            if self.chance(0.3):
                environment["intervention_cost"] = self.pick(0, 0.05, "1/20", 0.5, "1e-300", 100)
        return environment

    def grid(self, height=8, width=8):
        cells = self.pick(["-1/2", "-1/50", "-1/100"], ["1/3", -0.5, 0], ["-1e-300", -1], [-0.01, -0.02, -0.5], [-0.01, 1, 0.25])
        grid = [[self.rng.choice(cells) for _ in range(width)] for _ in range(height)]
        grid[-1][-1] = 1
        return grid

    def next_to_a_draw(self):
        """eps as text that is a uniform of the first follower, or off it by 1e-30."""
        draws = gridworld.Draws(0)
        uniform = [Fraction(draws.uniform()) for _ in range(self.rng.randint(1, 60))][-1]
        return text(uniform + self.pick(0, 1, -1) * Fraction(1, 10 ** 30))

    # ------------------------------------------------------------------------------------------- problems

    def assembled(self, policy, environment, states, gamma=None, initial=True):
        problem = {"format": "pemdp-problem/1", "gamma": self.gamma() if gamma is None else gamma}
        if initial:
            problem["initial"] = self.distribution(states)
        entropy = self.entropy()
        if entropy or self.chance(0.3):
            problem["entropy"] = entropy
        return problem | {"policy": policy, "environment": environment}

    def problem(self, kind=None, size=None, gamma=None):
        """A problem of any environment, or of one."""
        kind = kind or self.pick("fixed", "fixed", "exponential-family", "exponential-family", "affine", "explicit", "coin", "loan")
        S, A = size or self.size()
        if kind == "affine":
            S, A = min(S, 4), min(A, 3)                            # (S A)^2 S slopes
        if kind == "coin":
            return self.assembled(self.policy(1, 2), self.coin(), 1, gamma)
        if kind == "loan":
            environment = self.loan()
            states = 1 if environment["form"] == "bandit" else 4
            return self.assembled(self.policy(states, 2), environment, states, gamma, self.chance(0.5))
        if kind == "exponential-family":
            policy = self.policy(S, A, ["weights"] if self.rational else ["softmax", "weights"])
            return self.assembled(policy, self.exponential_family(S, A), S, gamma)
        policy = self.policy(S, A)
        if kind == "explicit":
            return self.assembled(policy, self.explicit(S, A, n_parameters(policy)), S, gamma)
        return self.assembled(policy, {"fixed": self.fixed, "affine": self.affine}[kind](S, A), S, gamma)


def n_parameters(policy):
    if policy["kind"] == "log-linear":
        return len(policy["theta"])
    table = policy["logits" if policy["kind"] == "softmax" else "values"]
    return len(table) * len(table[0])


# ------------------------------------------------------------------------------------------ replacing numbers

FREE = ("rewards", "logits", "theta", "features", "psi", "base", "base_logits", "slope", "reward_slopes", "reward_jacobian",
        "gain", "loss", "mu")
SIGNLESS = ("entropy", "base_weights", "clip", "beta")


def paths(x, at=()):
    """Where the leaves of nested lists and objects are."""
    items = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else None
    if items is None:
        yield at
        return
    for key, y in items:
        yield from paths(y, (*at, key))


def seen(x, path):
    for key in path:
        x = x[key]
    return x


def replaced(x, path, value):
    """A copy with another leaf (or branch) at a path."""
    x = copy.deepcopy(x)
    seen(x, path[:-1])[path[-1]] = value
    return x


def name(path):
    """The last name on a path: the key that a number belongs to."""
    return [key for key in path if isinstance(key, str)][-1]


def replaceable(problem, path):
    """Whether a number may be anything ("free"), anything nonnegative ("signless"), or not be replaced (None)."""
    key, x = name(path), seen(problem, path)
    if key in ("reward_slopes", "reward_jacobian") and path[-1] != len(seen(problem, path[:-1])) - 1:
        return None                                                # an index
    if x is None or isinstance(x, str) and key in ("kind", "format", "form"):
        return None
    if key == "mu":
        return "signless" if problem["environment"]["epsilon"] == 0 else None
    if key == "values" and problem["policy"]["kind"] == "weights":
        return "signless"
    return "free" if key in FREE else "signless" if key in SIGNLESS else None


def with_values(maker, problem, values, share):
    """Some of the numbers that may be replaced, replaced by numbers from `values`."""
    problem = copy.deepcopy(problem)
    for path in list(paths(problem)):
        sign = replaceable(problem, path)
        if maker.rational and name(path) in ("psi", "slope", "entropy"):
            continue                                               # what has to stay an integer, or 0
        if sign and maker.chance(share) and not (name(path) == "base_weights" and seen(problem, path) == 0):
            value = maker.rng.choice(values)
            if name(path) == "mu":
                value = min(value, 0.5)
            seen(problem, path[:-1])[path[-1]] = -value if sign == "free" and maker.chance(0.5) else value
    return problem


# --------------------------------------------------------------------------------------------------- families

def mixed(maker):
    """Everything with everything."""
    return maker.problem()


def fixed(maker):
    """Ordinary chains at ordinary and extreme discounts."""
    return maker.problem("fixed")


def discount(maker):
    """Gamma at every edge."""
    return maker.problem(gamma=maker.rng.choice(GAMMAS))


def subnormals(maker):
    """Subnormal numbers in every field that takes any number."""
    maker.scale = 1.0
    return with_values(maker, maker.problem(), [TINY, 1e-320, 2.2250738585072014e-308, 1e-310], maker.pick(0.2, 1))


def overflow(maker):
    """Sums and products near and beyond the largest double."""
    maker.scale = maker.pick(1.0, 1e308)
    values = maker.pick([HUGE], [1e160, 1e155], [1.7976931348623157e308], [1e308, 1e-308])
    return with_values(maker, maker.problem(gamma=maker.pick(0, 0.5, 0.9, 1e-300)), values, maker.pick(0.2, 0.7))


def cancellation(maker):
    """Rewards that cancel to something far smaller: pairs x + small and -x of equal weight, at every scale."""
    rng, S = maker.rng, maker.pick(1, 2, 4)
    size = Fraction(10) ** maker.pick(5, 16, 30, 100, 300)
    small = maker.pick(Fraction(0), Fraction(1), Fraction(1, 10 ** 40), Fraction(1, 3))
    rewards = [[text(size * rng.randint(1, 9) + small)] for _ in range(S)]
    rewards = [[row[0], text(small - Fraction(row[0]))] for row in rewards]
    kernel = [[row, row] for row in (maker.distribution(S) for _ in range(S))]
    policy = maker.pick({"kind": "probabilities", "values": [["1/2", 0.5]] * S}, {"kind": "weights", "values": [[3, 3]] * S})
    if not maker.rational and maker.chance(0.5):
        logit = maker.real(5)
        policy = {"kind": "softmax", "logits": [[logit, logit]] * S}
    return maker.assembled(policy, {"kind": "fixed", "transitions": kernel, "rewards": rewards}, S)


def chains(maker):
    """Periodic, disconnected, absorbing, transient, duplicate and single states; single actions."""
    rng, S, A = maker.rng, maker.pick(1, 2, 3, 4, 6), maker.pick(1, 1, 2, 3)
    shape = maker.pick("periodic", "disconnected", "absorbing", "transient", "duplicate")

    def row(s):
        if shape == "periodic":
            return [int(t == (s + 1) % S) for t in range(S)]
        if shape == "absorbing" or S == 1:
            return [int(t == s) for t in range(S)] if s == S - 1 or maker.chance(0.3) else maker.distribution(S)
        if shape == "transient":
            return [int(t == min(s + 1, S - 1)) for t in range(S)]
        half = S // 2
        block = maker.distribution(half) + [0] * (S - half) if s < half else [0] * half + maker.distribution(S - half)
        return block if shape == "disconnected" else maker.distribution(S)

    kernel = [[row(s) for _ in range(A)] for s in range(S)]
    rewards = maker.rewards(S, A)
    if shape == "duplicate":
        kernel, rewards = [kernel[0]] * S, [rewards[0]] * S
    problem = maker.assembled(maker.policy(S, A), {"kind": "fixed", "transitions": kernel, "rewards": rewards}, S)
    problem["initial"] = [int(s == rng.randrange(1)) for s in range(S)] if maker.chance(0.5) else problem["initial"]
    return problem


def rows(maker):
    """Rows that sum to 1 within 1e-9, or exactly, everywhere: kernel, policy, start."""
    S, A = maker.size()
    row = maker.uniform if maker.rational else maker.pick(maker.loose, maker.doubles, maker.subnormal)
    kernel = [[row(S) for _ in range(A)] for _ in range(S)]
    problem = maker.assembled({"kind": "probabilities", "values": [row(A) for _ in range(S)]},
                              {"kind": "fixed", "transitions": kernel, "rewards": maker.rewards(S, A)}, S,
                              maker.pick(0, 0.5, 0.9, 1 - 2e-9, 1 - 1e-9))
    return problem | {"initial": row(S)}


def logits(maker):
    """Softmax at +-1e308, +-700, with ties and with differences beyond doubles."""
    S, A = maker.size()
    values = maker.pick([HUGE, -HUGE], [700, -700, 0], [745.2, -745.1, 0], [HUGE, HUGE, 0], [3, 3, 3, "3"], [1e16, 1e16 + 2],
                        [1.7976931348623157e308, -1.7976931348623157e308], [37, 0, -37], [TINY, 0])
    policy = {"kind": "softmax", "logits": [[maker.rng.choice(values) for _ in range(A)] for _ in range(S)]}
    environment = maker.pick(maker.fixed, maker.affine, maker.exponential_family)(S, A)
    return maker.assembled(policy, environment, S)


def log_linear(maker):
    """More and fewer parameters than pairs; features times theta beyond doubles or cancelling."""
    S, A = maker.size()
    K = maker.pick(1, 2, S * A, S * A + 3)
    size = maker.pick(1, 1, 1e200, 1e308, 1e-200)
    features = [[[maker.real(size) for _ in range(K)] for _ in range(A)] for _ in range(S)]
    theta = [maker.real(maker.pick(1, size)) for _ in range(K)]
    environment = maker.pick(maker.fixed, maker.affine)(S, A)
    return maker.assembled({"kind": "log-linear", "features": features, "theta": theta}, environment, S)


def clip(maker):
    """Rewards exactly at a clip, and just inside and outside of it by 1e-12 .. 1e-400."""
    rng, S, A = maker.rng, maker.pick(1, 2, 3), maker.pick(1, 2)
    slope = Fraction(0) if maker.rational else maker.pick(Fraction(1, 3), Fraction(-2), Fraction(0), Fraction(1, 10 ** 40))
    weights = maker.rational or maker.chance(0.3)
    edge = abs(maker.fraction()) + Fraction(1, 10 ** maker.pick(0, 1, 40))
    base, table = [], []
    for s in range(S):
        theta = [Fraction(0) if weights else maker.fraction() for _ in range(A)]
        away = [maker.pick(0, 1, -1) * Fraction(1, 10 ** maker.pick(1, 12, 17, 40, 400)) for _ in range(A)]
        base.append([text(maker.pick(1, -1) * (edge + x) - slope * y) for x, y in zip(away, theta)])
        table.append([1 if weights else text(y) for y in theta])
    if weights and maker.chance(0.5):
        table = [[maker.positive() for _ in range(A)] for _ in range(S)]
    policy = {"kind": "weights", "values": table} if weights else {"kind": "softmax", "logits": table}
    reward = {"base": base, "slope": text(slope), "clip": text(edge)}
    environment = {"kind": "exponential-family", "psi": maker.psi(S), "reward": reward}
    if maker.rational or maker.chance(0.3):
        environment["base_weights"] = [[maker.base_weights(S) for _ in range(A)] for _ in range(S)]
    maker.entropy_chance = 0.1
    return maker.assembled(policy, environment, S)


def entropy(maker):
    """Entropy 0, tiny and huge, with probabilities at both ends."""
    maker.entropy_chance = 1
    S, A = maker.size()
    policy = maker.policy(S, A, ["probabilities", "probabilities", "softmax", "log-linear", "weights"])
    return maker.assembled(policy, maker.pick(maker.fixed, maker.affine)(S, A), S)


def exponential_family(maker):
    """Exponential families: psi of 1e-10 .. 1e4, base logits that differ by 1e308."""
    return maker.problem("exponential-family")


def affine(maker):
    """Affine responses with slopes that reach the simplex' edge, some repeated."""
    return maker.problem("affine")


def explicit(maker):
    """Points with large and small Jacobians."""
    return maker.problem("explicit")


def actions(maker):
    """Terminal states, actions that states do not have, gamma 1 and entries: written in all the ways that there are."""
    rng, total = maker.rng, maker.chance(0.4)
    maker.scale = maker.pick(1.0, 1.0, 1e-12, 1e100)
    S, A = maker.pick(1, 2, 2, 3, 3, 4, 5), maker.pick(1, 2, 2, 3)
    kind = maker.pick("fixed", "fixed", "exponential-family", "formulas", "explicit", "affine")
    if kind == "affine":
        S, A, total = min(S, 3), min(A, 2), False                  # its rows need not lead to an end
    over = sorted(rng.sample(range(S), rng.randint(1, S))) if maker.chance(0.7) or total and kind != "fixed" else []
    rest = S - 1 if total and not over else None                   # ends an episode unsaid
    own = [[a for a in range(A) if maker.chance(0.7)] for _ in range(S)] if maker.chance(0.7) else [list(range(A))] * S
    may_be_empty = kind != "affine"                                # an affine row needs every state's probabilities to sum to 1
    own = [row or ([] if s in over and may_be_empty and maker.chance(0.3) else [rng.randrange(A)]) for s, row in enumerate(own)]
    if not any(A - 1 in row for row in own):
        own[0] = [*own[0], A - 1]                                  # the longest row has the last action
    if total:
        maker.entropy_chance = 0.1 if rest is not None else 0.25
    policy = maker.policy(S, A, ["weights"] if maker.rational and kind == "exponential-family" else ["softmax", "weights"]
                          if kind == "exponential-family" else None)
    if policy["kind"] == "softmax" and total:
        policy = maker.softmax(S, A, maker.pick(1, 5))             # with logits of 700 no end is in sight
    table = policy[table_key(policy)]
    if policy["kind"] == "probabilities":
        policy["values"] = table = [spread(maker.distribution(len(row)) if row else [], row, A) for row in own]
    if kind == "formulas":
        environment = ending_formulas(maker, (S, A), policy["kind"] in ("softmax", "weights"), over)
    elif kind == "explicit":
        environment = maker.explicit(S, A, n_parameters(policy))
    else:
        environment = getattr(maker, kind.replace("-", "_"))(S, A)
    if total and kind in ("fixed", "explicit"):
        environment["transitions"] = [[leaning(maker, [0 if x is None else x for x in maker.exact_row(S)], rng.choice(over or [rest]))
                                       for _ in range(A)] for _ in range(S)]
    if total and kind == "exponential-family" and "base_logits" in environment:
        environment["base_logits"] = [[[x or 0 for x in maker.base_logits(S, 1)] for _ in range(A)] for _ in range(S)]
    if rest is not None and kind == "fixed":
        environment["transitions"][rest] = [[int(t == rest) for t in range(S)]] * A
        environment["rewards"][rest] = [0] * A
    if kind == "fixed" and maker.chance(0.4):
        as_entries(maker, environment, own, over)
    problem = maker.assembled(policy, environment, S, 1 if total else maker.pick(0, 0.5, 0.9, "0.999"))
    if over:
        problem["terminal"] = rng.sample(over, len(over))
        unread_rows(maker, environment, over)
    return said(maker, problem, table, own, over)


def table_key(policy):
    return {"softmax": "logits", "log-linear": "features"}.get(policy["kind"], "values")


def spread(row, own, A):
    """A distribution over some of the actions, 0 elsewhere."""
    given = dict(zip(own, row))
    return [given.get(a, 0) for a in range(A)]


def leaning(maker, row, end):
    """A row that goes to `end` with a probability of its own."""
    q = maker.pick(Fraction(1, 2), Fraction(1, 9), Fraction(1, 10 ** 6), Fraction(1))
    return [text((1 - q) * Fraction(x) + q * (t == end)) for t, x in enumerate(row)]


def ending_formulas(maker, shape, has_theta, over):
    """Random formulas, which speak of probabilities only: a parameter may be that of an action that is not there."""
    environment = formulas.environment(maker.rng, shape, maker.rational, False)
    if maker.chance(0.5):                                          # nothing need be said of what is not read
        environment["transitions"] = [e for e in environment["transitions"] if e[0] not in over]
    return environment


def as_entries(maker, environment, own, over):
    """Transitions, or rewards of next states, as entries; repeated ones of the latter add up."""
    rng, S, A = maker.rng, len(own), len(environment["rewards"][0])
    if maker.chance(0.7):
        entries = [[s, a, t, x] for s, state in enumerate(environment["transitions"]) for a, row in enumerate(state)
                   for t, x in enumerate(row) if Fraction(x) != 0 and (a in own[s] and s not in over or maker.chance(0.5))]
        rng.shuffle(entries)
        if entries:
            environment["transitions"] = entries
    if maker.chance(0.6):
        environment["next_rewards"] = [[rng.randrange(S), rng.randrange(A), rng.randrange(S), maker.real()] for _ in range(rng.randint(0, 5))]
        if maker.chance(0.4):
            del environment["rewards"]


def unread_rows(maker, environment, over):
    """What stands in the rows of terminal states: 0, null, themselves, anything, or what was there."""
    key = next((key for key in ("transitions", "base_logits", "base_weights") if key in environment), None)
    if key is None or environment["kind"] == "formulas" or not any(isinstance(row, list) for row in environment[key][0]):
        return
    S = len(environment[key])
    for s in over:
        for a in range(len(environment[key][s])):
            row = environment[key][s][a]
            environment[key][s][a] = maker.pick([0] * S, None, [int(t == s) for t in range(S)], row, row)
    if environment["kind"] == "affine":                            # slopes of rows that are not read, or none
        environment["transition_slopes"] = [e for e in environment["transition_slopes"] if e[0] not in over or maker.chance(0.5)]


def said(maker, problem, table, own, over):
    """Which actions there are not, said in one way or several."""
    A, environment = len(table[0]), problem["environment"]
    absent = [(s, a) for s, row in enumerate(own) for a in range(A) if a not in row]
    rewards, transitions = environment.get("rewards"), environment.get("transitions", [[0]])
    tabular = environment["kind"] != "formulas"
    masked = maker.chance(0.4)
    if masked:
        yes, no = maker.pick((1, 0), (True, False))
        problem["available"] = [[yes if a in row else no for a in range(A)] for row in own]
    for s, a in absent:
        ways = [1] if masked else []
        if tabular and rewards and maker.chance(0.4):
            rewards[s][a] = None
            ways.append(2)
        if tabular and any(isinstance(row, list) for row in transitions[0]) and s not in over and maker.chance(0.3):
            transitions[s][a] = None
            ways.append(3)
        if not ways or maker.chance(0.5):
            table[s][a] = None
            for rows in (environment.get("reward", {}).get("base"), environment.get("base_logits"), environment.get("base_weights")):
                if rows and maker.chance(0.3):                     # which say it, too, where the policy does
                    rows[s][a] = None
    for row in table:                                              # null at the end of a row, or nothing
        while len(row) > 1 and row[-1] is None and maker.chance(0.5):
            row.pop()
    if max(map(len, table)) < A:
        table[0] += [None] * (A - len(table[0]))
    return problem


def loan(maker):
    """Loans at the ends of their domain."""
    return maker.problem("loan")


def coin(maker):
    """Coins at the ends of their domain."""
    return maker.problem("coin")


def formula(maker):
    """Random formulas of the policy, its parameters and each other."""
    problem = maker.problem("fixed")
    policy = problem["policy"]
    table = policy.get("logits") or policy.get("values") or policy["features"]
    has_theta = policy["kind"] in ("softmax", "weights")
    shape = (len(table), len(table[0]))
    return problem | {"environment": formulas.environment(maker.rng, shape, maker.rational, has_theta)}


def grid(maker):
    """Gridworlds: the benchmark's and others of 2 to 30 cells, with any terminal cells; beta of 0 .. 1e6, gamma near 1, eps next to
    a draw, given grids with fractions."""
    maker.scale = 1.0
    own = maker.pick((1, 2), (2, 1), (1, 6), (5, 1), (2, 2), (2, 3), (3, 3), (4, 4), (4, 4), (3, 5), (6, 5)) if maker.chance(0.7) else None
    (height, width), A = own or (8, 8), gridworld.ACTIONS
    S = height * width
    style = maker.pick("uniform", "random", "random", "greedy", "probabilities", "weights")
    if style == "uniform":
        policy = {"kind": "softmax", "logits": [[0] * A] * S}
    elif style == "greedy":
        policy = {"kind": "softmax", "logits": [[maker.pick(-700, 0, 40) for _ in range(A)] for _ in range(S)]}
    elif style == "random":
        policy = {"kind": "softmax", "logits": [[round(maker.rng.gauss(0, 1), 3) for _ in range(A)] for _ in range(S)]}
    elif style == "weights":
        policy = {"kind": "weights", "values": [[maker.rng.randint(1, 9) for _ in range(A)] for _ in range(S)]}
    else:
        policy = {"kind": "probabilities", "values": [maker.distribution(A) for _ in range(S)]}
    gamma = maker.pick(0, 0.5, 0.9, 0.9, 0.99, "0.9", 1 - 1e-9, 1e-300)
    environment = maker.gridworld(own)
    needs_initial = gridworld.World([[0] * width] * height, environment.get("terminal")).initial() is None
    return maker.assembled(policy, environment, S, gamma, maker.chance(0.3) or needs_initial)


def large(maker):
    """30 to 60 states."""
    maker.scale = maker.pick(1.0, 1e100)
    S, A = maker.rng.randint(30, 60), maker.pick(1, 2, 3)
    return maker.problem("fixed", (S, A), maker.pick(0, 0.9, 0.99, 1 - 1e-9, "0.95"))


def invalid(maker):
    """Broken on purpose: one thing of a valid problem made wrong. A refusal is right, an answer is not."""
    problem = maker.problem(gamma=maker.pick(0.5, 0.9))
    breaks = [missing_key, unknown_key, wrong_sum, negative_probability, not_a_number, wrong_shape, gamma_beyond]
    return maker.rng.choice(breaks)(maker, problem)


def missing_key(maker, problem):
    required = [("format",), ("gamma",), ("policy",), ("environment",), ("policy", "kind"), ("environment", "kind")]
    path = maker.rng.choice(required)
    problem = copy.deepcopy(problem)
    del seen(problem, path[:-1])[path[-1]]
    return problem


def unknown_key(maker, problem):
    path = maker.pick((), ("policy",), ("environment",))
    return replaced(problem, (*path, "temperature"), 1)


def wrong_sum(maker, problem):
    return problem | {"initial": [0.25] + [0] * (len(problem.get("initial", [0])) - 1)}


def negative_probability(maker, problem):
    size = len(problem.get("initial", [0]))
    return problem | {"initial": [2, -1] + [0] * (size - 2) if size > 1 else [-1]}


def not_a_number(maker, problem):
    junk = maker.pick("x", True, None, [], {}, "1/0", "NaN", "1e5000", "--1", "")
    return replaced(problem, maker.pick(("gamma",), ("initial",), ("policy", "kind")), junk)


def wrong_shape(maker, problem):
    return problem | {"initial": problem.get("initial", [1]) + [0]}


def gamma_beyond(maker, problem):
    """Not 1 itself: a random problem may have an end."""
    return problem | {"gamma": maker.pick("1.000000000000000000001", 1.5, -0.1, "-1e-400", "1" + "0" * 400)}


# How often each family is drawn, and whether it has rational problems.
FAMILIES = {
    "mixed": (mixed, 20, True), "fixed": (fixed, 8, True), "discount": (discount, 10, True),
    "subnormals": (subnormals, 8, True), "overflow": (overflow, 8, True), "cancellation": (cancellation, 5, True),
    "chains": (chains, 6, True), "rows": (rows, 4, True), "logits": (logits, 6, False), "log-linear": (log_linear, 5, False),
    "clip": (clip, 5, True), "entropy": (entropy, 5, False), "exponential-family": (exponential_family, 6, True),
    "affine": (affine, 6, True), "actions": (actions, 12, True), "explicit": (explicit, 4, True), "loan": (loan, 2, True), "coin": (coin, 2, True),
    "formulas": (formula, 8, True), "invalid": (invalid, 3, True), "gridworld": (grid, 1, False), "large": (large, 1, True),
}


def problem(family, seed, index, rational=False):
    """The problem with this index, as an object for json.dumps."""
    rng = random.Random(f"{family}/{seed}/{index}/{rational}")
    return FAMILIES[family][0](Maker(rng, rational))


def schedule(problems, seed, only=None, rational=False):
    """(family, index) of each problem of a run, in proportion to the families' shares."""
    names = [only] if only else [name for name, (_, _, exact) in FAMILIES.items() if exact or not rational]
    rng = random.Random(f"schedule/{seed}")
    drawn = rng.choices(names, [FAMILIES[name][1] for name in names], k=problems)
    counts = dict.fromkeys(names, 0)
    for family in drawn:
        yield family, counts[family]
        counts[family] += 1


def main(arguments):
    rational = "--rational" in arguments
    words = [x for x in arguments if x != "--rational"]
    if len(words) != 3 or words[0] not in FAMILIES:
        for family, (make, _, exact) in FAMILIES.items():
            print(f"{family:14} {make.__doc__.splitlines()[0]}{'' if exact else ' Not rational.'}")
        return 0 if not words else 2
    print(json.dumps(problem(words[0], int(words[1]), int(words[2]), rational)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
