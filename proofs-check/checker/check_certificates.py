#!/usr/bin/env python3
"""Checks certificates of the theory suite (docs/certificates.md) and exits with 0: all hold, 1: one is false, 2: one
cannot be read. Everything is computed again from the instance that a certificate carries, in exact fractions, by
forward differentiation and plain elimination; no code is shared with the program that wrote it."""
import json, math, sys, zlib  # one line: the whole is to stay short
from fractions import Fraction
from itertools import product
from pathlib import Path

class Wrong(Exception): pass  # a certificate of something false
def require(condition, message, error=ValueError):
    if not condition:
        raise error(message)
def equal(carried, found, what):
    require(carried == found, f"{what} is not what the instance gives", Wrong)
def fraction(text):
    readable = type(text) is int or type(text) is str and set(text) <= set("-/0123456789")
    require(readable and str(Fraction(text)) == str(text), f"{str(text)[:40]!r} is not a fraction in lowest terms")
    return Fraction(text)
def array(entries, *shape):
    """A nested list of this shape, each length a number or None for any, with its entries read."""
    if not shape:
        return fraction(entries)
    require(isinstance(entries, list) and shape[0] in (None, len(entries)), "an array has another shape")
    return [array(entry, *shape[1:]) for entry in entries]
def index(k, n):
    require(type(k) is int and 0 <= k < n, "an index is none")
    return k
def fields(table, names, **optional):
    """The values of these keys and of optional ones, which have defaults; no others may be there."""
    table = {**optional, **table}
    require(table.keys() == {*names.split(), *optional}, f"other keys than {names}")
    return [table[name] for name in [*names.split(), *optional]]

class Jet(dict):
    """A series to second order: {(): value, (i,): derivative by i, (i, j) with i <= j: coefficient of the product}."""
    def __add__(self, other):
        return Jet({key: self.get(key, 0) + part(other, *key) for key in {**self, **jet(other)}})
    def __mul__(self, other):
        terms = Jet()
        for (one, c), (two, d) in product(self.items(), jet(other).items()):
            if c and d and len(one) + len(two) <= 2:
                key = tuple(sorted(one + two))
                terms[key] = terms.get(key, 0) + c * d
        return terms
    def __truediv__(self, other):
        inverse = Fraction(1) / part(other)
        rest = jet(other) * inverse - 1
        return self * inverse * (rest * rest - rest + 1)  # 1/(1+h) = 1 - h + h^2
    __radd__, __rmul__ = __add__, __mul__
    __sub__ = lambda self, other: self + -1 * other
    __rsub__ = lambda self, other: -1 * self + other
    __rtruediv__ = lambda self, other: jet(other) / self

def jet(x):
    return x if isinstance(x, Jet) else Jet({(): x})
def part(x, *key):
    return jet(x).get(key, 0)  # without a key the value
def dot(x, y):
    return sum(a * b for a, b in zip(x, y))
def require_distributions(rows):
    for row in rows:
        require(min(map(part, row)) >= 0 and sum(map(part, row)) == 1, "a row is not a distribution")
def solve(matrix, right):
    """The x with matrix x = right, by elimination; the diagonal of I - gamma P dominates."""
    rows = [[*row, b] for row, b in zip(matrix, right)]
    for k in range(len(rows)):
        rows[k] = pivot = [x / rows[k][k] for x in rows[k]]
        rows = [row if i == k else [x - row[k] * y for x, y in zip(row, pivot)] for i, row in enumerate(rows)]
    return [row[-1] for row in rows]

class Problem:
    """An instance ("pemdp-problem/1", docs/oracle.md); a table over pairs (s,a) is a list, at i = s A + a."""
    def __init__(self, document, regularised=False):
        kind, n = document["environment"]["kind"], len(document["policy"]["values"])
        own = {"initial": [1] + [0] * (n - 1)} if kind == "loan" else {}  # loans have a distribution of their own
        form, gamma, policy, environment, initial, entropy = fields(
            document, "format gamma policy environment" + " initial" * (not own), **own, entropy=0)
        policy_kind, table = fields(policy, "kind values")
        self.S, self.A, self.gamma, self.entropy = len(table), len(table[0]), fraction(gamma), fraction(entropy)
        self.policy, self.initial, self.psi = self.table(table), array(initial, self.S), [0]
        self.weighted = {"weights": True, "probabilities": False}[policy_kind]
        require(form == "pemdp-problem/1" and 0 <= self.gamma < 1, "not a pemdp-problem/1")
        require(self.entropy > 0 if regularised else self.entropy == 0, "entropy is for T2e and CH3, positive there")
        require_distributions([self.initial])
        self.respond = {"exponential-family": self.family, "affine": self.affine, "loan": self.loan}[kind](environment)
    def table(self, entries, *shape):
        return sum(array(entries, self.S, self.A, *shape), [])
    def by_state(self, entries):
        return [entries[s * self.A:(s + 1) * self.A] for s in range(self.S)]
    def world(self, policy=None, jets=False):
        """pi[i], P[i][t], r[i] where a policy is deployed, by default its own; as jets for weights w exp(theta)."""
        policy = policy or self.policy
        require(min(policy) > 0 if self.weighted else not jets, "a weight is not positive, or jets of probabilities")
        policy = [Jet({(): w, (i,): w, (i, i): w / 2}) for i, w in enumerate(policy)] if jets else policy
        pi = [w / sum(row) for row in self.by_state(policy) for w in row] if self.weighted else policy
        P, r = self.respond(policy, pi)
        require_distributions(self.by_state(pi) + P)
        return pi, P, r
    def family(self, environment):
        """P proportional to base w^psi[t], r = base + logistic w/(1+w)."""
        _, self.psi, base, reward = fields(environment, "kind psi base_weights reward")
        fixed, slope, clip, logistic = fields(reward, "base slope clip", logistic=[[0] * self.A] * self.S)
        base, self.fixed, self.logistic = self.table(base, self.S), self.table(fixed), self.table(logistic)
        psi, integers = self.psi, all(type(p) is int and abs(p) < 1000 for p in self.psi)
        fits = self.weighted and len(psi) == self.S and integers and min(map(min, base)) >= 0
        require(fits and fraction(slope) == 0 and clip is None, "another kind of family")
        self.outside = ""
        # Whether a row depends on its weight itself, not only on the probabilities.
        self.is_local = [c != 0 or len({p for h, p in zip(row, psi) if h}) > 1 for c, row in zip(self.logistic, base)]
        def respond(weights, _):
            P = [[h * math.prod([w] * (p - min(psi))) for h, p in zip(row, psi)] for w, row in zip(weights, base)]
            r = [x + c * w / (1 + w) if c else x for x, c, w in zip(self.fixed, self.logistic, weights)]
            return [[x / sum(row) for x in row] for row in P], r
        return respond
    def affine(self, environment):
        """P = transitions + slopes pi, r = rewards + slopes pi."""
        _, P, r, dP, dr = fields(environment, "kind transitions rewards transition_slopes reward_slopes")
        require(type(dP) is type(dr) is list, "no list of slopes")
        pair = lambda s, a: index(s, self.S) * self.A + index(a, self.A)
        return self.linear(self.table(P, self.S), self.table(r),
                           [(pair(s, a), index(t, self.S), pair(s_2, a_2), fraction(m)) for s, a, t, s_2, a_2, m in dP],
                           [(pair(s, a), pair(s_2, a_2), fraction(m)) for s, a, s_2, a_2, m in dr])
    def loan(self, environment):
        """A loan is repaid with probability q = q0 - c pi(approve)."""
        _, form, *numbers = fields(environment, "kind form q0 c gain loss")
        q, c, gain, loss = array(numbers, 4)
        require(0 <= min(q, q - c) and max(q, q - c) <= 1, "a loan's probability is none for some policy")
        require([form, self.S, self.A] in (["bandit", 1, 2], ["mdp", 4, 2]), "an unknown form")
        if form == "bandit":
            return self.linear([[1], [1]], [gain * q - loss * (1 - q), 0], [], [(0, 0, -c * (gain + loss))])
        return self.linear([[0, q, 1 - q, 0], [0, 0, 0, 1]] + [[1, 0, 0, 0]] * 6,
                           [0, 0, gain, gain, -loss, -loss, 0, 0], [(0, 1, 0, -c), (0, 2, 0, c)], [])
    def linear(self, P, r, dP, dr):
        """What responds by P[i][t] + m pi[j] over dP, r[i] + m pi[j] over dr. Entries and sums of rows are least and
        largest where each state takes one action: the rows are distributions for all policies (environments.md)."""
        slopes, pays = [[[0] * len(r) for _ in row] for row in P], [[0] * len(r) for _ in r]
        for i, t, j, m in dP:
            slopes[i][t][j] += m
        for i, j, m in dr:
            pays[i][j] += m
        for row, moves in zip(P, slopes):
            least = [p + sum(map(min, self.by_state(move))) for p, move in zip(row, moves)]
            sums = [sum(row) + sum(map(end, self.by_state([sum(move) for move in zip(*moves)]))) for end in (min, max)]
            require(min(least) >= 0 and sums == [1, 1], "a row is not a distribution for every policy")
        self.is_local, responds = [False] * len(r), any(m for moves in slopes for move in moves for m in move)
        self.outside = "; outside of the claim, whose transitions are an exponential family" * responds
        def respond(_, pi):
            moved = lambda x, move: x + sum(m * p for m, p in zip(move, pi) if m)
            return [list(map(moved, *row)) for row in zip(P, slopes)], list(map(moved, r, pays))
        return respond
    def values(self, pi, P, r):
        """V = (I - gamma P_pi)^-1 r_pi, and the matrix."""
        matrix = [[(s == t) - self.gamma * dot(x, column) for t, column in enumerate(zip(*y))]
                  for s, (x, y) in enumerate(zip(self.by_state(pi), self.by_state(P)))]
        return solve(matrix, [dot(*rows) for rows in zip(self.by_state(pi), self.by_state(r))]), matrix
    def evaluate(self, pi, P, r):
        """J = rho . V, V, r + gamma P V - V, and d[s] pi(a|s), not normalised."""
        V, matrix = self.values(pi, P, r)
        A = [x + self.gamma * dot(row, V) - V[i // self.A] for i, (x, row) in enumerate(zip(r, P))]
        d = solve(zip(*matrix), self.initial)
        return dot(self.initial, V), V, A, [d[i // self.A] * x for i, x in enumerate(pi)]
    def value(self, pi, P, r):
        return dot(self.initial, self.values(pi, P, r)[0])
    def gradient(self, policy=None):
        J = self.value(*self.world(policy, jets=True))
        return [part(J, i) for i in range(len(self.policy))]

def two_policies(first, second):
    require({**first, "policy": 0} == {**second, "policy": 0}, "not two policies of one problem")
    return Problem(first), Problem(second)
def logarithm(x, basis, n):
    """log x, with a variable n + k in place of log basis[k]."""
    value, terms = Fraction(part(x)), Jet()
    for k, b in enumerate(basis):
        up, down = (max(e for e in range(y.bit_length()) if y % b**e == 0) for y in value.as_integer_ratio())
        terms[n + k,] = up - down
    equal(math.prod(Fraction(b) ** terms[n + k,] for k, b in enumerate(basis)), value, "the basis")
    return terms + (x / value - 1) - (x / value - 1) * (x / value - 1) / 2

def check_gradient(document, claim):
    """grad J is not E sum_t gamma^t [A (grad log pi + grad log P) + grad r - lambda grad log pi], the formula
    as printed; with entropy coefficient by coefficient of 1 and the logarithms of a coprime basis."""
    names, regularised = "problem gradient as_printed", claim == "T2e"
    document, truth, printed, *basis = fields(document, names + " logarithms" * regularised)
    problem, basis = Problem(document, regularised), [int(str(b)) for row in array(basis, None, None) for b in row]
    require(math.lcm(*basis) == math.prod(basis) and [1, *basis] == sorted({1, *basis}), "no coprime basis")
    (pi, P, r), (pi_0, P_0, r_0), weight = problem.world(jets=True), problem.world(), problem.entropy
    n, formula = len(pi), [0] * len(pi)
    soft, soft_0 = ([x - weight * logarithm(p, basis, n) if weight else x for x, p in zip(*pair)]
                    for pair in ((r, pi), (r_0, pi_0)))
    J, (*_, A, d) = problem.value(pi, P, soft), problem.evaluate(pi_0, P_0, soft_0)
    for i, j in product(range(n), range(n)):
        score = part(pi[j], i) / pi_0[j]
        scores = score + sum(part(p, i) for p in P[j])  # P grad log P = grad P
        formula[i] += d[j] * (A[j] * scores + part(r[j], i) - weight * score)
    keys = [()] + [(n + k,) for k in range(len(basis))]
    found = [part(J, i, *key) for key in keys for i in range(n)]
    formula = [part(x, *key) for key in keys for x in formula]
    equal(array([truth, printed], 2, len(found)), [found, formula], "a gradient")
    require(found != formula, "the printed formula is right here", Wrong)

def check_performance_difference(document, _):
    """J(pi) - J(pi') = sum d^pi_{pi'} [A^{pi'}_{pi'} + (r_pi - r_pi') + gamma (P_pi - P_pi') V^pi_pi]."""
    first, second, left, right = fields(document, "problem other left right")
    one, two = two_policies(first, second)
    (pi, P, r), (pi_2, P_2, r_2) = one.world(), two.world()
    (J, V, *_), (J_2, _, A, _) = one.evaluate(pi, P, r), two.evaluate(pi_2, P_2, r_2)
    terms = [A[i] + r[i] - r_2[i] + one.gamma * (dot(P[i], V) - dot(P_2[i], V)) for i in range(len(r))]
    equal(array([left, right], 2), [J - J_2, dot(one.evaluate(pi, P_2, r)[3], terms)], "a side")
    require(left == right, "the sides differ", Wrong)

def pivots(rows):
    """The pivots of L D L^T for a symmetric matrix, which must be positive semidefinite."""
    found = []
    while rows:
        (pivot, *tail), *rest = rows
        require(pivot > 0 or pivot == 0 and not any(tail), "a matrix is not semidefinite", Wrong)
        found.append(pivot)
        rows = [[x - (row[0] * y / pivot if pivot else 0) for x, y in zip(row[1:], tail)] for row in rest]
    return found

def check_curvature(document, claim):
    """L I + H and L I - H are semidefinite, H the Hessian of J, and L is at most the claim's bound of |H| over all
    policies."""
    document, constant, carried = fields(document, "problem constant pivots")
    problem, L = Problem(document), fraction(constant)
    J, n = problem.value(*problem.world(jets=True)), range(len(problem.policy))
    H = [[part(J, min(i, j), max(i, j)) * (1 + (i == j)) for j in n] for i in n]
    found = [pivots([[L * (i == j) + sign * H[i][j] for j in n] for i in n]) for sign in (1, -1)]
    equal(array(carried, 2, len(n)), found, "the pivots")
    require(is_within_bound(problem, L, claim), "the constant is above the claim's bound", Wrong)

def is_within_bound(problem, L, claim):
    """Whether L <= sqrt(I T^3) (p + q sqrt 2) + rest, the bound of L5x (theory/smoothness.md) or of L5s
    (theory/curvature.md) in a family, with T = 1/(1-gamma) and suprema over all policies."""
    T, B, c = 1 / (1 - problem.gamma), max(problem.psi) - min(problem.psi), max(map(abs, problem.logistic))
    ends = [end(x + end(c, 0) for x, c in zip(problem.fixed, problem.logistic)) for end in (min, max)]
    # A logistic function has slopes up to 1/4, and second derivatives up to 1/(6 sqrt 3) < .0962251.
    R, L_r, C, I = (ends[1] - ends[0]) / 2, c / 4, c * Fraction(962251, 10**7), (2 + problem.gamma * B * B) / 4
    p, q, rest = {"L5x": (2 * L_r, 0, 2 * R * I * T * T + C * T),
                  "L5s": (4 * (1 + B) * R + 2 * L_r, 3 * (1 + B) * R, (B * B * R / 2 + C) * T)}[claim]
    excess = (L - rest)**2 / (I * T**3) - p * p - 2 * q * q  # squares, to do without roots
    return L <= rest or excess <= 0 or excess**2 <= 8 * (p * q)**2

def check_bound_fails(document, _):
    """SubOpt > 0 and SubOpt^2 > S A Cov ||grad J||^2, against L3 without its bias."""
    first, policy, *numbers = fields(document, "problem comparator suboptimality coverage gradient_norm_squared")
    (one, two), (gap, coverage, norm) = two_policies(first, {**first, "policy": policy}), array(numbers, 3)
    (pi, P, r), better = one.world(), two.world()
    (J, *_, d), d_2, gradient = one.evaluate(pi, P, r), one.evaluate(better[0], P, r)[3], one.gradient()
    found = [two.value(*better) - J, max(x / y for x, y in zip(d_2, d) if y), dot(gradient, gradient)]
    equal([gap, coverage, norm], found, "the suboptimality, the coverage or the gradient's norm")
    require(gap > 0 and gap**2 > len(pi) * coverage * norm, "the bound holds", Wrong)
    return "SubOpt^2 > S A Cov ||grad J||^2 and SubOpt > 0, against the comparator and without the bias" + one.outside

def value_at(p, x):
    return sum(c * x**k for k, c in enumerate(p))
def trimmed(p):
    """Coefficients, ascending, without zeros at the end."""
    return p[:max((k + 1 for k, c in enumerate(p) if c), default=0)]
def combined(c, p, d, q):
    """c p + d q."""
    n = max(len(p), len(q))
    return [c * x + d * y for x, y in zip(p + [0] * (n - len(p)), q + [0] * (n - len(q)))]
def multiplied(p, q):
    return [sum(p[i] * q[k - i] for i in range(len(p)) if 0 <= k - i < len(q)) for k in range(len(p) + len(q) - 1)]
def derivative(p):
    return [k * c for k, c in enumerate(p)][1:]
def roots(p, low, high):
    """How many roots p has in (low, high], by Sturm's theorem; high None is infinity."""
    chain = [trimmed(p), derivative(trimmed(p))]
    while chain[-1]:
        rest, divisor = chain[-2:]
        while rest and (len(rest) >= len(divisor) or not rest[-1]):
            shifted = [0] * (len(rest) - len(divisor)) + divisor
            rest = [x - rest[-1] / divisor[-1] * y for x, y in zip(rest, shifted)][:-1]
        chain.append([-x for x in rest])
    signs = [[y for q in chain if q for y in [q[-1] if x is None else value_at(q, x)] if y] for x in (low, high)]
    changes = [sum(y * z < 0 for y, z in zip(row, row[1:])) for row in signs]
    return changes[0] - changes[1]
def is_positive(p, low, high):
    """p > 0 on [low, high]."""
    return value_at(p, low) > 0 == roots(p, low, high)
def logarithmic_derivative(N, D):
    """N/D by theta = log w, as such a quotient: w (N'D - ND') / D^2."""
    return [0] + combined(1, multiplied(derivative(N), D), -1, multiplied(N, derivative(D))), multiplied(D, D)

def check_trap(document, _):
    """Ascent with small steps stays in [low, high], where J = N/D < ceiling < J(better), as J rises at low and falls
    at high; J(w) is J with the weight w of a state's action, and nothing else moves (theory/convergence.md)."""
    document, s, a, *numbers, high, N, D, degree = fields(
        document, "problem state action start low ceiling better high numerator denominator degree")
    problem, (start, low, ceiling, better) = Problem(document), array(numbers, 4)
    i, N, D = index(s, problem.S) * problem.A + index(a, problem.A), array(N, None), array(D, None)
    high = None if high is None else fraction(high)
    require(problem.weighted and problem.policy[i] == start and 0 <= low < start and (high is None or start < high),
            "start is not inside, or not the problem's weight", Wrong)
    at = lambda w: problem.policy[:i] + [w] + problem.policy[i + 1:]
    J = lambda w: problem.value(*problem.world(at(w)))
    # J is a quotient of polynomials of degree at most E (lemma 1), so it is N/D where this many values are equal.
    E = max(problem.S + 1, max(problem.psi) - min(problem.psi) + 2)
    points = [Fraction(w) for w in range(1, E + len(D) + 1)]
    equal([value_at(N, w) for w in points], [J(w) * value_at(D, w) for w in points], "the quotient")
    require(type(degree) is int and len(N) <= len(D) <= degree + 1, "the degree is none")
    require(is_positive(D, Fraction(0), None), "J has poles", Wrong)
    # Ascent stays on the line: two weights of a state move against each other and J depends on their ratio alone; the
    # derivatives by others are quotients with numerators up to degree 2 E (lemma 2), and vanish with 2 E + 1 values.
    local = any(problem.is_local[s * problem.A:(s + 1) * problem.A])
    require(problem.A == 1 or problem.A == 2 and not local, "ascent does not move along the line", Wrong)
    for w in range(1, 2 * E + 2):
        moves = problem.by_state(problem.gradient(at(Fraction(w))))
        require(not any(map(any, moves[:s] + moves[s + 1:])), "another parameter moves", Wrong)
    kept = (low == 0 or problem.gradient(at(low))[i] > 0) and (high is None or problem.gradient(at(high))[i] < 0)
    require(kept, "ascent may leave the interval", Wrong)
    require(is_positive(combined(ceiling, D, -1, N), low, high), "J reaches the ceiling", Wrong)
    require(J(better) > ceiling, "J(better) is no better", Wrong)
    # With |d2J/dtheta2| <= L on the interval a step of 1/L does not cross a critical point (lemma 3).
    L, (N_2, D_2) = 1, logarithmic_derivative(*logarithmic_derivative(N, D))
    while not all(is_positive(combined(L, D_2, sign, N_2), low, high) for sign in (1, -1)):
        L *= 2
    return (f"ascent from weight {start} of ({s},{a}) with steps of at most {Fraction(1, problem.A * L)} stays in "
            f"[{low}, {'infinity' if high is None else high}], where J < {ceiling} < J({better})" + problem.outside)

def check_stable_point(document, _):
    """Q <= V where a policy is deployed, so it is stable; another one has a larger J where it is deployed."""
    first, second, *numbers, table = fields(document, "problem better value better_value action_values")
    (one, two), (value, better) = two_policies(first, second), array(numbers, 2)
    J, V, A, _ = one.evaluate(*one.world())
    found = [J, two.value(*two.world()), [x + V[i // one.A] for i, x in enumerate(A)]]
    equal([value, better, one.table(table)], found, "a value")
    require(max(A) <= 0 and value < better, "it is not stable, or not worse", Wrong)

def check_cycle(document, _):
    """One state, two actions, rewards that differ by a - b p for p = pi(0): each of two policies maximises
    <d, r> - lambda/2 |d|^2, d = (p, 1-p)/(1-gamma), with the rewards at the other."""
    *numbers, advantage, cycle = fields(document, "gamma regularisation advantage cycle")
    (gamma, weight), (a, b), cycle = array(numbers, 2), array(advantage, 2), array(cycle, 2)
    require(0 <= gamma < 1 and weight > 0 and 0 <= min(cycle) < max(cycle) <= 1, "no bandit, or no cycle")
    for p, other in (cycle, cycle[::-1]):
        slope = a - b * p - weight * (2 * other - 1) / (1 - gamma)
        require(slope == 0 or other == (slope > 0), "a policy is not the best response to the other", Wrong)

def check_lipschitz(document, _):
    """J(pi') - J(pi) > 2 sqrt(A)/Delta |pi' - pi| for one state, gamma = 0, no rewards, entries >= Delta."""
    first, other, *numbers = fields(document, "problem other difference bound_squared")
    problem = Problem(first, True)
    (pi, _, r), other, still = problem.world(), array(other, problem.A), first["environment"]["reward_slopes"] == []
    n = math.lcm(*(p.denominator for p in pi + other))  # n H(pi) = -log prod pi^(n pi), log x >= 1 - 1/x
    require(still and [problem.S, problem.gamma, *r] == [1, 0] + [0] * len(pi) and n < 100, "another setting")
    one, two = (math.prod(p ** int(n * p) for p in row) for row in (pi, other))
    distance = sum((p - q) ** 2 for p, q in zip(pi, other))
    found = [problem.entropy * (1 - two / one) / n, 4 * len(pi) * distance / min(pi + other) ** 2]
    equal(array(numbers, 2), found, "the difference or the bound")
    require(min(pi + other) > 0 and sum(other) == 1 and found[0] > 0 and found[0] ** 2 > found[1], "the bound holds", Wrong)

CHECKS = {"gradient": (check_gradient, "T2 T2e"), "performance-difference": (check_performance_difference, "L1"),
          "curvature": (check_curvature, "L5x L5s"), "bound-fails": (check_bound_fails, "L3"),
          "trap": (check_trap, "T3"), "stable-point": (check_stable_point, "PS"), "cycle": (check_cycle, "RR"),
          "lipschitz": (check_lipschitz, "CH3")}
def digest(document):  # so that what nothing depends on cannot be changed unnoticed either
    return f"{zlib.crc32(json.dumps(document, sort_keys=True, separators=(',', ':')).encode()):08x}"
def unique(pairs):
    require(len({key for key, _ in pairs}) == len(pairs), "a key stands twice")
    return dict(pairs)
def check(text):
    """What the certificate in a text proves; raises what is wrong."""
    document = json.loads(text, object_pairs_hook=unique, parse_float=fraction, parse_constant=fraction)
    equal(document.pop("digest"), digest(document), "the digest")
    form, claim, kind = (document.pop(name) for name in ("format", "claim", "kind"))
    check_kind, claims = CHECKS[kind]
    require(form == "pemdp-certificate/1" and claim in claims.split(), "an unknown format or claim")
    return f"{claim}: {check_kind(document, claim) or ' '.join(check_kind.__doc__.split())}"

def main(paths):
    getattr(sys, "set_int_max_str_digits", abs)(0)  # fractions may be long
    status = 0 if paths else 2
    for path in paths:
        try:
            print(f"ok {Path(path).stem}: {check(Path(path).read_text('utf-8'))}")
        except Exception as error:  # whatever an unreadable certificate does, it is refused
            status = max(status, 1 if isinstance(error, Wrong) else 2)
            print(f"FAILED {Path(path).stem}: {error if isinstance(error, Wrong) else repr(error)[:200]}")
    return status

if __name__ == "__main__": sys.exit(main(sys.argv[1:]))
