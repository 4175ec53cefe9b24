"""The gridworld in balls (docs/gridworld.md, docs/theory/environments.md).

Two agents share one actor on a grid. Follower f answers the learner's policy optimally,

    Q_f(s,b) = x_f(n(s,b)) - cost  (b < 4),   Q_f(s,4) = sum_a pi(a|s) x_f(n(s,a)),   x_f(t) = g_f(t) + gamma U_f(t),

U_f = max_b Q_f, and the followers' mean makes the response xi(b|s) proportional to exp(beta mean_f Q_f(s,b)), which
overrides the learner's move (b < 4) or leaves it alone (b = 4).
"""
from flint import arb, arb_mat, fmpq

from numerals import fraction

FREE, ACTIONS = 4, 4
ROWS = "........ ..f.h... ...h..f. .f...h.f ...h..f. .hh.f.h. .h..h.h. ...h.f.g".split()
WORTH = {".": fraction(-0.01), "f": fraction(-0.02), "h": fraction(-0.5), "g": fmpq(1)}
GRID = [[WORTH[c] for c in row] for row in ROWS]
REPLACEMENTS = [fraction(-0.5), fraction(-0.02), fraction(-0.01)]
COST = fraction(0.05)


class World:
    """The learner's grid, with its terminal cells and what overriding a move costs."""

    def __init__(self, cells=GRID, terminal=None, cost=COST):
        self.height, self.width = len(cells), len(cells[0])
        self.cells, self.cost = [x for row in cells for x in row], cost
        self.states = range(self.height * self.width)
        self.terminal = {self.states[-1]} if terminal is None else set(terminal)
        self.inner = [s for s in self.states if s not in self.terminal]
        self.place = {s: i for i, s in enumerate(self.inner)}           # rows of matrices
        self.next = [[self.neighbour(s, a) for a in range(ACTIONS)] for s in self.states]
        self.first = [s < self.width or s % self.width == 0 for s in self.states]      # first row and first column

    def neighbour(self, s, a):
        """The cell that move a (left, right, up, down) leads to; off the grid it stays."""
        i, j = s // self.width + (0, 0, -1, 1)[a], s % self.width + (-1, 1, 0, 0)[a]
        return self.width * i + j if 0 <= i < self.height and 0 <= j < self.width else s

    def initial(self):
        """Uniform over the first row and column without terminal cells; None where nothing is left of these."""
        starts = [s for s in self.inner if self.first[s]]
        return [fmpq(int(s in starts), len(starts)) for s in self.states] if starts else None

    def perturbed(self, seed, eps):
        """Follower `seed`'s grid: all uniforms first, then a choice for each replaced cell, row by row; terminal cells keep theirs."""
        draws = Draws(seed)
        uniforms = [draws.uniform() for _ in self.states]
        grid = [worth if self.first[s] or fraction(u) > eps else REPLACEMENTS[draws.choice()]
                for s, (worth, u) in enumerate(zip(self.cells, uniforms))]
        return [self.cells[s] if s in self.terminal else x for s, x in enumerate(grid)]


# ------------------------------------------------------------------------------------------ perturbed grids

M32, M64, M128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1
PCG_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645


def seed_words(seed):
    """The eight 32-bit words of numpy's SeedSequence(seed), a pool of four hashed in and out."""
    constant = 0x43B0D7E5

    def hashed(value, multiplier):
        nonlocal constant
        value ^= constant
        constant = constant * multiplier & M32
        value = value * constant & M32
        return value ^ value >> 16

    def mixed(x, y):
        z = (x * 0xCA01F9DD - y * 0x4973F715) & M32
        return z ^ z >> 16

    words = [seed >> 32 * i & M32 for i in range(max(4, (seed.bit_length() + 31) // 32))]
    pool = [hashed(word, 0x931E8875) for word in words[:4]]
    for source in range(4):
        for target in range(4):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source], 0x931E8875))
    for word in words[4:]:
        for target in range(4):
            pool[target] = mixed(pool[target], hashed(word, 0x931E8875))
    constant = 0x8B51F9DD
    return [hashed(pool[i % 4], 0x58F38DED) for i in range(8)]


class Draws:
    """`numpy.random.default_rng(seed)`: PCG64, XSL-RR 128/64."""

    def __init__(self, seed):
        w = seed_words(seed)
        q = [w[2 * j] + (w[2 * j + 1] << 32) for j in range(4)]
        self.increment = (2 * ((q[2] << 64) + q[3]) + 1) & M128
        self.state, self.half = self.increment, None                # start with 0, step
        self.state = self.stepped(self.state + (q[0] << 64) + q[1])

    def stepped(self, x):
        return (x * PCG_MULTIPLIER + self.increment) & M128

    def word(self):
        self.state = self.stepped(self.state)
        x, turn = (self.state >> 64 ^ self.state) & M64, self.state >> 122
        return (x >> turn | x << 64 - turn) & M64

    def uniform(self):
        return (self.word() >> 11) * 2.0 ** -53

    def half_word(self):
        if self.half is None:
            word = self.word()
            self.half = word >> 32
            return word & M32
        half, self.half = self.half, None
        return half

    def choice(self):
        """An index below 3; a low half of 0 is numpy's rejection for this range."""
        while True:
            product = 3 * self.half_word()
            if product & M32:
                return product >> 32


# ------------------------------------------------------------------------------------------------ followers

def mixture(pi, s, b):
    """[(move, probability)] of a follower's action."""
    return list(enumerate(pi[s])) if b == FREE else [(b, arb(1))]


def resolvent(world, pi, gamma, choice):
    """(I - gamma P_sigma)^-1 on the cells that are not terminal, those being worth 0."""
    rows = [[arb(int(s == t)) for t in world.inner] for s in world.inner]
    for i, s in enumerate(world.inner):
        for move, p in mixture(pi, s, choice[s]):
            t = world.next[s][move]
            if t not in world.terminal:
                rows[i][world.place[t]] -= gamma * p
    return arb_mat(rows).inv()


class Follower:
    """One follower's optimal values U and Q, enclosed, and what is tied with the policy found."""

    def __init__(self, world, grid, gamma, pi, start):
        self.world, self.next, self.inner = world, world.next, world.inner
        self.grid, self.gamma, self.pi = [arb(x) for x in grid], gamma, pi
        self.cost, self.choice = arb(world.cost), list(start or [FREE] * len(world.states))
        self.improve()
        self.widen()
        self.ties = [(s, b) for s in self.inner for b in range(5)
                     if b != self.choice[s] and not self.Q[s][b] < self.Q[s][self.choice[s]]]

    def improve(self):
        """Policy iteration: switch only where another action is certainly better. It ends, as each switch raises U."""
        while True:
            self.N = resolvent(self.world, self.pi, self.gamma, self.choice)
            reward = [sum((p * self.grid[self.next[s][a]] for a, p in mixture(self.pi, s, self.choice[s])), arb(0)) -
                      (0 if self.choice[s] == FREE else self.cost) for s in self.inner]
            self.set_values((self.N * arb_mat(len(reward), 1, reward)).entries())
            best = {s: max(range(5), key=lambda b: self.Q[s][b].mid()) for s in self.inner}
            better = {s: b for s, b in best.items() if self.Q[s][b] > self.Q[s][self.choice[s]]}
            if not better:
                return
            for s, b in better.items():
                self.choice[s] = b

    def set_values(self, U):
        """Those of the cells that are not terminal."""
        self.U, step = U, dict(zip(self.inner, U))
        self.x = [g + self.gamma * step.get(t, arb(0)) for t, g in enumerate(self.grid)]
        self.Q = [[*(self.x[t] - self.cost for t in moves), sum((p * self.x[t] for p, t in zip(self.pi[s], moves)), arb(0))]
                  for s, moves in enumerate(self.next)]

    def widen(self):
        """U_sigma <= U* <= U_sigma + e / (1 - gamma R), e the largest possible improvement, R the largest row sum."""
        e = arb(0)
        for s in self.inner:
            for b in range(5):
                e = e.max((self.Q[s][b] - self.Q[s][self.choice[s]]).upper())
        largest = arb(1)
        for s in self.inner:
            largest = largest.max(sum(self.pi[s], arb(0)).upper())
        excess = (e / (1 - self.gamma * largest)).upper()
        self.set_values([u + excess * arb(0.5, 0.5) for u in self.U])

    # The derivative of U along pi(a|z) is N[., z] x(n(z,a)) where sigma leaves the learner's move alone, else 0.

    def slope(self, t, z):
        """dU(t) / dpi(.|z) up to the factors x(n(z,.))."""
        place = self.world.place
        return arb(0) if t not in place or self.choice[z] != FREE else self.N[place[t], place[z]]

    def action_slope(self, s, b, z):
        """dQ(s,b) / dpi(.|z), up to the same factors."""
        through = sum((p * self.slope(self.next[s][a], z) for a, p in mixture(self.pi, s, b)), arb(0))
        return self.gamma * through + (1 if b == FREE and z == s else 0)

    def harmful_ties(self, normalised):
        """Ties between actions whose derivatives differ, or cannot be told to agree with these bits."""
        return [(s, b) for s, b in self.ties if not self.harmless(s, b, normalised)]

    def harmless(self, s, b, normalised):
        if self.landing(s, b) is not None and self.landing(s, b) == self.landing(s, self.choice[s]):
            return True
        for z in self.inner:
            gap = self.action_slope(s, b, z) - self.action_slope(s, self.choice[s], z)
            worth = [self.x[t] for t in self.next[z]]
            if normalised:                                         # only sum_a dpi(a|z) = 0 matters
                worth = [x - worth[0] for x in worth[1:]]
            if any(not (gap * x).contains(0) for x in worth):
                return False
        return True

    def landing(self, s, b):
        """Where overriding from (s, b) on leads to: (cell, moves) of the first cell that is left alone, or "nowhere"
        (a terminal cell, or a cycle). None for action 4 itself. Equal landings have equal derivatives."""
        if b == FREE:
            return None
        t, seen, ends = self.next[s][b], [], self.world.terminal
        while t not in ends and t not in seen and self.choice[t] != FREE:
            seen.append(t)
            t = self.next[t][self.choice[t]]
        return "nowhere" if t in ends or t in seen else (t, len(seen))


# ------------------------------------------------------------------------------------------------- response

class Response:
    """The learner's P and r, and the pullback of their derivatives to the policy."""

    def __init__(self, world, grids, beta, gamma, policy, starts):
        self.world, pi = world, policy.pi
        self.beta, self.gamma, self.pi = beta, gamma, pi
        self.normalised = policy.normalised
        self.followers = [Follower(world, grid, gamma, pi, start) for grid, start in zip(grids, starts)]
        starts[:] = [f.choice for f in self.followers]
        self.cells = [arb(x) for x in world.cells]
        self.xi = {s: self.softmax([sum((f.Q[s][b] for f in self.followers), arb(0)) / len(grids) for b in range(5)])
                   for s in world.inner}
        self.transitions = [[{s: arb(1)} if s in world.terminal else self.row(s, a) for a in range(ACTIONS)] for s in world.states]
        self.rewards = [[arb(0) if s in world.terminal else sum((p * self.cells[t] for t, p in row.items()), arb(0)) for row in state]
                        for s, state in enumerate(self.transitions)]

    def softmax(self, values):
        top = max(values, key=lambda x: x.mid())
        weights = [(self.beta * (x - top)).exp() for x in values]
        total = sum(weights, arb(0))
        return [w / total for w in weights]

    def row(self, s, a):
        row = {}
        for b, p in enumerate(self.xi[s]):
            t = self.world.next[s][a if b == FREE else b]
            row[t] = row.get(t, arb(0)) + p
        return row

    def kinks(self):
        return [(f, s, b) for f, follower in enumerate(self.followers) for s, b in follower.harmful_ties(self.normalised)]

    def pullback(self, evaluation):
        """The weights of dpi(a|s) in the transition term and in the reward term."""
        occupancy, V = evaluation.occupancy, evaluation.V
        return self.pulled(occupancy, [self.gamma * v for v in V]), self.pulled(occupancy, self.cells)

    def pulled(self, occupancy, worth):
        """Pulls sum_{s,a} d[s,a] sum_t dP[s,a,t] worth[t] back to the policy (the reward is such a sum too)."""
        moves, inner, place = self.world.next, self.world.inner, self.world.place
        weights = {(s, a): arb(0) for s in self.world.states for a in range(ACTIONS)}
        q = {s: self.value_weights(s, occupancy, worth) for s in inner}
        for follower in self.followers:
            arriving = [arb(0)] * len(inner)                        # the weight of dU(t)
            for s in inner:
                for b in range(5):
                    for a, p in mixture(self.pi, s, b):
                        if moves[s][a] in place:
                            arriving[place[moves[s][a]]] += self.gamma * q[s][b] * p
            back = (follower.N.transpose() * arb_mat(len(inner), 1, arriving)).entries()
            for s, weight in zip(inner, back):
                weight = q[s][FREE] + (weight if follower.choice[s] == FREE else 0)
                for a in range(ACTIONS):
                    weights[s, a] += weight * follower.x[moves[s][a]]
        return weights

    def value_weights(self, s, occupancy, worth):
        """The weight of dQ_f(s,b): beta/F xi(b) sum_c xi(c) (m(b) - m(c)), m(b) = sum_a d[s,a] worth[where b leads]."""
        visits = sum(occupancy[s], arb(0))                          # not d[s]: a row of the policy may be off 1
        moves = self.world.next[s]
        m = [*(visits * worth[t] for t in moves), sum((x * worth[t] for x, t in zip(occupancy[s], moves)), arb(0))]
        factor, xi = self.beta / len(self.followers), self.xi[s]
        return [factor * xi[b] * sum((xi[c] * (m[b] - m[c]) for c in range(5) if c != b), arb(0)) for b in range(5)]
