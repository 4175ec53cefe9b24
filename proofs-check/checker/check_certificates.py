#!/usr/bin/env python3
"""Checks certificates of the theory suite (docs/certificates.md): check_certificates.py FILE...

Everything is computed again from the instance that a certificate carries, in exact fractions, by
forward differentiation and plain elimination; no code is shared with the program that wrote it.
Exit status: 0 all hold, 1 a certificate is false, 2 one cannot be read.
"""
import json
import math
import re
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

class Wrong(Exception):
    """A certificate of something false."""

def require(condition, message, error=ValueError):
    if not condition:
        raise error(message)

def equal(carried, found, what):
    require(carried == found, f"{what} is not what the instance gives", Wrong)

def fraction(text):
    require(re.fullmatch(r"-?[0-9]+(/[1-9][0-9]*)?", text), f"{text[:40]!r} is not a fraction")
    require(str(Fraction(text)) == text, f"{text[:40]!r} is not in lowest terms")
    return Fraction(text)

def integer(value):
    require(type(value) is int and abs(value) < 1000, f"{str(value)[:40]!r} is not a small integer")
    return value

def array(entries, *shape, of=fraction):
    """A nested list of this shape, each length a number or None for any, with its entries read."""
    if not shape:
        return of(entries)
    require(isinstance(entries, list) and shape[0] in (None, len(entries)), "an array has another shape")
    return [array(entry, *shape[1:], of=of) for entry in entries]

def fields(table, names, optional=""):
    """The values of exactly these keys, in this order; None for an optional one that is not there."""
    known = names.split() + optional.split()
    require(isinstance(table, dict) and set(names.split()) <= set(table) <= set(known), f"keys are not {known}")
    return [table.get(name) for name in known]

class Jet(dict):
    """A power series in small variables up to second order: {(): value, (i,): derivative by variable i,
    (i, j) with i <= j: coefficient of the product of two}."""

    def __add__(self, other):
        return Jet({key: self.get(key, 0) + part(other, *key) for key in {**self, **jet(other)}})

    def __mul__(self, other):
        terms = Jet()
        for (one, c), (two, d) in product(self.items(), jet(other).items()):
            if len(one) + len(two) <= 2:
                key = tuple(sorted(one + two))
                terms[key] = terms.get(key, 0) + c * d
        return terms

    def __truediv__(self, other):
        inverse = Fraction(1) / part(other)
        rest = jet(other) * inverse - 1  # 1/(1+h) = 1 - h + h^2
        return self * inverse * (rest * rest - rest + 1)

    __radd__, __rmul__ = __add__, __mul__
    __sub__ = lambda self, other: self + -1 * other
    __rsub__ = lambda self, other: -1 * self + other

def jet(x):
    return x if isinstance(x, Jet) else Jet({(): x})

def part(x, *key):
    """A coefficient of a jet, or of a number as a constant; without a key the value."""
    return jet(x).get(key, 0)

def dot(x, y):
    return sum(a * b for a, b in zip(x, y))

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
        form, gamma, initial, entropy, policy, self.environment = fields(
            document, "format gamma initial entropy policy environment")
        self.gamma, self.initial, self.entropy = fraction(gamma), array(initial, None), fraction(entropy)
        require(form == "pemdp-problem/1" and 0 <= self.gamma < 1, "not a pemdp-problem/1")
        require(self.entropy > 0 if regularised else self.entropy == 0, "entropy is for T2e, and positive there")
        require(min(self.initial) >= 0 and sum(self.initial) == 1, "initial is not a distribution")
        self.S, self.A = len(self.initial), len(policy["values"][0])
        self.kind = policy["kind"]
        self.policy = self.read(policy)

    def read(self, policy):
        kind, values = fields(policy, "kind values")
        require(kind == self.kind and kind in ("weights", "probabilities"), "another kind of policy")
        return self.table(values)

    def table(self, entries, *shape):
        return sum(array(entries, self.S, self.A, *shape), [])

    def by_state(self, entries):
        return [entries[s * self.A:(s + 1) * self.A] for s in range(self.S)]

    def world(self, policy=None):
        """pi[i], P[i][t], r[i] where a policy is deployed, its own if none is given."""
        policy = policy or self.policy
        pi = policy if self.kind != "weights" else [w / sum(row) for row in self.by_state(policy) for w in row]
        respond = {"exponential-family": self.family, "affine": self.affine, "loan": self.loan}
        P, r = respond[self.environment["kind"]](policy, pi)
        require(self.kind != "weights" or min(map(part, policy)) > 0, "a weight is not positive")
        for row in self.by_state(pi) + P:
            require(min(map(part, row)) >= 0 and sum(map(part, row)) == 1, "a row is not a distribution")
        return pi, P, r

    def series(self):
        """The same around theta = 0 for the weights w exp(theta), in jets."""
        require(self.kind == "weights", "derivatives are for weights")
        return self.world([Jet({(): w, (i,): w, (i, i): w / 2}) for i, w in enumerate(self.policy)])

    def family(self, weights, _):
        """P proportional to base w^psi[t], r = base + logistic w/(1+w)."""
        _, psi, base, reward = fields(self.environment, "kind psi base_weights reward")
        fixed, slope, clip, logistic = fields(reward, "base slope clip", "logistic")
        require(self.kind == "weights" and integer(slope) == 0 and clip is None, "a slope or a clip")
        psi, P = array(psi, self.S, of=integer), []
        for w, row in zip(weights, self.table(base, self.S)):
            tilted = [h * math.prod([w] * (p - min(psi))) for h, p in zip(row, psi)]
            P.append([x / sum(tilted) for x in tilted])
        amplitudes = self.table(logistic) if logistic else [0] * len(weights)
        return P, [x + c * w / (1 + w) for x, c, w in zip(self.table(fixed), amplitudes, weights)]

    def affine(self, _, pi):
        """P = transitions + slopes pi, r = rewards + slopes pi."""
        _, base, fixed, slopes, reward_slopes = fields(
            self.environment, "kind transitions rewards transition_slopes reward_slopes")
        P, r, pi = self.table(base, self.S), self.table(fixed), self.by_state(pi)
        for s, a, t, s_2, a_2, m in slopes:
            P[s * self.A + a][t] += fraction(m) * pi[s_2][a_2]
        for s, a, s_2, a_2, m in reward_slopes:
            r[s * self.A + a] += fraction(m) * pi[s_2][a_2]
        return P, r

    def loan(self, _, pi):
        """A loan is repaid with probability q = q0 - c pi(approve)."""
        _, form, *numbers = fields(self.environment, "kind form q0 c gain loss")
        q_0, c, gain, loss = array(numbers, 4)
        q = q_0 - c * pi[0]
        if form == "bandit":
            return [[1], [1]], [gain * q - loss * (1 - q), 0]
        require(form == "mdp" and self.S == 4, "another form of loan")
        return [[0, q, 1 - q, 0], [0, 0, 0, 1]] + [[1, 0, 0, 0]] * 6, [0, 0, gain, gain, -loss, -loss, 0, 0]

    def evaluate(self, pi, P, r):
        """J = rho . V, V = (I - gamma P_pi)^-1 r_pi, the advantages r + gamma P V - V, and the occupancy
        d[s] pi(a|s), not normalised."""
        matrix = [[(s == t) - self.gamma * dot(x, column) for t, column in enumerate(zip(*y))]
                  for s, (x, y) in enumerate(zip(self.by_state(pi), self.by_state(P)))]
        V = solve(matrix, [dot(*rows) for rows in zip(self.by_state(pi), self.by_state(r))])
        A = [x + self.gamma * dot(row, V) - V[i // self.A] for i, (x, row) in enumerate(zip(r, P))]
        d = solve(zip(*matrix), self.initial)
        return dot(self.initial, V), V, A, [d[i // self.A] * x for i, x in enumerate(pi)]

def logarithm(x, basis, n):
    """log x, with a variable n + k in place of log basis[k]."""
    value, terms = Fraction(part(x)), Jet()
    for k, b in enumerate(basis):
        up, down = (max(e for e in range(y.bit_length()) if y % b**e == 0) for y in value.as_integer_ratio())
        terms[n + k,] = up - down
    equal(math.prod(Fraction(b) ** terms[n + k,] for k, b in enumerate(basis)), value, "the basis")
    rest = x / value - 1
    return terms + rest - rest * rest / 2

def check_gradient(claim, document):
    """grad J is not E sum_t gamma^t [A (grad log pi + grad log P) + grad r - lambda grad log pi], the formula
    as printed; with entropy coefficient by coefficient of 1 and the logarithms of a coprime basis."""
    regularised = {"T2": False, "T2e": True}[claim]
    document, truth, printed, *basis = fields(
        document, "problem gradient as_printed" + " logarithms" * regularised)
    problem, basis = Problem(document, regularised), [int(b) for row in array(basis, None, None) for b in row]
    require(basis == sorted(basis) and min(basis, default=2) > 1, "the basis does not ascend from 2")
    require(all(math.gcd(b, c) == 1 for b in basis for c in basis if b is not c), "the basis is not coprime")
    n, weight = len(problem.policy), problem.entropy
    (pi, P, r), (pi_0, P_0, r_0) = problem.series(), problem.world()
    soft, soft_0 = ([x - weight * logarithm(p, basis, n) if weight else x for x, p in zip(*pair)]
                    for pair in ((r, pi), (r_0, pi_0)))
    J, (*_, A, d) = problem.evaluate(pi, P, soft)[0], problem.evaluate(pi_0, P_0, soft_0)
    formula = [0] * n
    for i, j in product(range(n), range(n)):
        score = part(pi[j], i) / pi_0[j]
        scores = score + sum(part(p, i) for p in P[j])  # P grad log P = grad P
        formula[i] += d[j] * (A[j] * scores + part(r[j], i) - weight * score)
    keys = [()] + [(n + k,) for k in range(len(basis))]
    found = [part(J, i, *key) for key in keys for i in range(n)]
    formula = [part(x, *key) for key in keys for x in formula]
    equal(array(truth, len(found)), found, "the gradient")
    equal(array(printed, len(found)), formula, "the printed formula")
    require(found != formula, "the printed formula is right here", Wrong)
    return "the gradient and what the printed formula gives, another vector"

def check_performance_difference(claim, document):
    """J(pi) - J(pi') = sum d^pi_{pi'} [A^{pi'}_{pi'} + (r_pi - r_pi') + gamma (P_pi - P_pi') V^pi_pi]."""
    first, second, left, right = fields(document, "problem other left right")
    one, two = Problem(first), Problem(second)
    require(claim == "L1" and {**first, "policy": 0} == {**second, "policy": 0}, "not two policies of one problem")
    (pi, P, r), (pi_2, P_2, r_2) = one.world(), two.world()
    J, V, *_ = one.evaluate(pi, P, r)
    J_2, _, A, _ = two.evaluate(pi_2, P_2, r_2)
    equal(fraction(left), J - J_2, "the left side")
    terms = [A[i] + r[i] - r_2[i] + one.gamma * (dot(P[i], V) - dot(P_2[i], V)) for i in range(len(r))]
    equal(fraction(right), dot(one.evaluate(pi, P_2, r)[3], terms), "the right side")
    require(left == right, "the sides differ", Wrong)
    return f"both sides are {left}"

def pivots(rows):
    """The pivots of L D L^T for a symmetric matrix, which must be positive semidefinite."""
    found = []
    while rows:
        (pivot, *tail), *rest = rows
        require(pivot > 0 or pivot == 0 and not any(tail), "a matrix is not semidefinite", Wrong)
        found.append(pivot)
        rows = [[x - (row[0] * y / pivot if pivot else 0) for x, y in zip(row[1:], tail)] for row in rest]
    return found

def check_curvature(claim, document):
    """L I + H and L I - H are semidefinite, H the Hessian of J; or |u'Hu| > L u'u."""
    refuted = "direction" in document
    document, constant, holds, first, second, *u = fields(
        document, "problem constant holds " + ("left right direction" if refuted else "plus minus"))
    problem, L = Problem(document), fraction(constant)
    require(holds is not refuted and claim in ("L5", "L6"), "a direction is for a constant that fails")
    J, n = problem.evaluate(*problem.series())[0], range(len(problem.policy))
    H = [[part(J, min(i, j), max(i, j)) * (1 + (i == j)) for j in n] for i in n]
    if not refuted:
        for sign, carried in ((1, first), (-1, second)):
            found = pivots([[L * (i == j) + sign * H[i][j] for j in n] for i in n])
            equal(array(carried, len(n)), found, "a pivot")
        return f"-L I <= H <= L I at this point for L = {constant}"
    u = array(u[0], len(n))
    require(next(filter(None, u), 0) > 0, "the first entry of a direction is positive")
    left, right = abs(dot(u, [dot(row, u) for row in H])), L * dot(u, u)
    equal([fraction(first), fraction(second)], [left, right], "|u'Hu| or L u'u")
    require(left > right, "the direction does not refute the constant", Wrong)
    return f"|u'Hu| > L u'u for L = {constant}"

def check_bound_fails(claim, document):
    """SubOpt > 0 and SubOpt^2 > S A Cov ||grad J||^2, against L3 without its bias."""
    document, comparator, *numbers = fields(
        document, "problem comparator suboptimality coverage gradient_norm_squared")
    problem, (gap, coverage, norm) = Problem(document), array(numbers, 3)
    (pi, P, r), better = problem.world(), problem.world(problem.read(comparator))
    J, n = problem.evaluate(*problem.series())[0], len(pi)
    equal(gap, problem.evaluate(*better)[0] - part(J), "the suboptimality")
    visits = zip(problem.evaluate(better[0], P, r)[3], problem.evaluate(pi, P, r)[3])
    equal(coverage, max(x / y for x, y in visits if y), "the coverage")
    equal(norm, sum(part(J, i) ** 2 for i in range(n)), "the gradient's norm")
    require(claim == "L3" and gap > 0 and gap**2 > n * coverage * norm, "the bound holds", Wrong)
    return "the suboptimality exceeds sqrt(S A Cov) times the gradient's norm"

CHECKS = {"gradient": check_gradient, "performance-difference": check_performance_difference,
          "curvature": check_curvature, "bound-fails": check_bound_fails}

def unique(pairs):
    require(len(dict(pairs)) == len(pairs), "a key twice")
    return dict(pairs)

def check(path):
    text = Path(path).read_text(encoding="utf-8")
    document = json.loads(text, object_pairs_hook=unique, parse_float=fraction, parse_constant=fraction)
    form, claim, kind = (document.pop(name, None) for name in ("format", "claim", "kind"))
    require(form == "pemdp-certificate/1" and kind in CHECKS, f"unknown format {form!r} or kind {kind!r}")
    return f"{claim}: {CHECKS[kind](claim, document)}"

def main(paths):
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)  # fractions may be long
    status = 0 if paths else 2
    for path in paths:
        try:
            verdict = f"ok {Path(path).stem}: {check(path)}"
        except Wrong as error:
            verdict, status = f"FAILED {Path(path).stem}: {error}", max(status, 1)
        except Exception as error:  # whatever an unreadable certificate does, it is refused
            verdict, status = f"FAILED {Path(path).stem}: {type(error).__name__}: {error}", 2
        print(" ".join(verdict.split())[:200])
    return status

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
