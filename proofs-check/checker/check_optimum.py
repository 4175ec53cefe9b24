#!/usr/bin/env python3
"""Checks certificates of performative optima (docs/certificates.md, "pemdp-optimum-certificate/1"): no policy of the
domain has a value above the bound. Exit status 0: all hold, 1: one is false, 2: one cannot be read. Everything is done in
exact fractions, without derivatives of values and without searching; no code is shared with the program that wrote it."""
import json
import sys
from collections import defaultdict
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from math import ceil, floor, lcm, prod
from pathlib import Path


class Wrong(Exception):
    """A certificate of something that it does not prove."""


def require(condition, message, error=ValueError):
    if not condition:
        raise error(message)


def fraction(text):
    readable = type(text) is int or type(text) is str and set(text) <= set("-/0123456789")
    require(readable and str(Fraction(text)) == str(text), f"{str(text)[:40]!r} is not a fraction in lowest terms")
    return Fraction(text)


def fraction_or_none(text):
    return None if text is None else fraction(text)


def array(entries, *lengths, read=fraction):
    """A nested list with these lengths, each a number or None for any, and its entries read."""
    if not lengths:
        return read(entries)
    require(isinstance(entries, list) and lengths[0] in (None, len(entries)), "an array has another shape")
    return [array(entry, *lengths[1:], read=read) for entry in entries]


def fields(table, names):
    require(isinstance(table, dict) and table.keys() == set(names.split()), f"other keys than {names}")
    return [table[name] for name in names.split()]


def index(k, n):
    require(type(k) is int and 0 <= k < n, "an index is none")
    return k


# How far the sum of a row may be from 1, as where problems are read as doubles: it is certified as it is.
TOLERANCE = Fraction(1e-9)


def is_one(total):
    return abs(total - 1) <= TOLERANCE


def shape(rewards, n_states):
    """The number of actions in a table over states and actions."""
    require(isinstance(rewards, list) and len(rewards) == n_states, "an array has another shape")
    require(isinstance(rewards[0], list) and rewards[0], "no actions")
    return len(rewards[0])


# Environments that are affine in the policy. A table over pairs (s,a) is a list, at i = s A + a. The coordinates are
# x_i = pi(a|s) without those of the last action of each state, which is what the others leave. A polynomial in them is
# {sorted tuple of coordinates: coefficient}.


def add(polynomial, other, factor=1):
    for key, c in other.items():
        polynomial[key] += factor * c


def times(one, two):
    result = defaultdict(int)
    for key, c in one.items():
        for other, d in two.items():
            if c and d:
                result[tuple(sorted(key + other))] += c * d
    return result


class Affine:
    def __init__(self, gamma, initial, environment):
        self.gamma, self.initial, self.S = gamma, initial, len(initial)
        read = {"fixed": self.fixed, "affine": self.affine, "loan": self.loan}
        P, r, dP, dr = read[environment["kind"]](environment)
        A = self.A
        self.reference = [s * A + A - 1 for s in range(self.S)]
        self.coordinates = [i for i in range(len(r)) if i not in self.reference]
        # Linear functions of the coordinates.
        self.P = [[defaultdict(int, {(): p}) for p in row] for row in P]
        self.r = [defaultdict(int, {(): x}) for x in r]
        slopes = [(self.P[i][t], j, m) for i, t, j, m in dP] + [(self.r[i], j, m) for i, j, m in dr]
        moves = defaultdict(lambda: [0] * len(r))
        for entry, j, m in slopes:
            last = self.reference[j // A]
            for key, c in [((j,), m)] if j != last else [((), m)] + [((k,), -m) for k in range(last - A + 1, last)]:
                entry[key] += c
        for i, t, j, m in dP:
            moves[i, t][j] += m
        self.require_kernel(P, moves)
        # Integers over common denominators.
        self.unit_P, self.unit_r = (lcm(*(Fraction(c).denominator for f in functions for c in f.values()))
                                    for functions in (sum(self.P, []), self.r))
        for functions, unit in ((sum(self.P, []), self.unit_P), (self.r, self.unit_r)):
            for f in functions:
                f.update({key: int(c * unit) for key, c in f.items()})

    def require_kernel(self, P, moves):
        """No policy has a negative transition, a row whose sum is not 1, or one whose sum times gamma reaches 1. Entries
        and sums are affine, so that their extremes are at deterministic policies, state by state."""
        still = [0] * len(P)
        for i, row in enumerate(P):
            moved = [moves.get((i, t), still) for t in range(self.S)]
            for p, m in zip(row, moved):
                require(p + sum(map(min, self.by_state(m))) >= 0, "a transition is negative for some policy")
            total = self.by_state([sum(column) for column in zip(*moved)])
            least, most = (sum(row) + sum(map(end, total)) for end in (min, max))
            require(is_one(least) and is_one(most), "a row does not sum to 1 for every policy")
            require(self.gamma * most < 1, "no contraction")

    def by_state(self, entries):
        return [entries[i:i + self.A] for i in range(0, len(entries), self.A)]

    def table(self, entries, *shape):
        return sum(array(entries, self.S, self.A, *shape), [])

    def fixed(self, environment):
        _, P, r = fields(environment, "kind transitions rewards")
        self.A = shape(r, self.S)
        return self.table(P, self.S), self.table(r), [], []

    def affine(self, environment):
        _, P, r, dP, dr = fields(environment, "kind transitions rewards transition_slopes reward_slopes")
        self.A = shape(r, self.S)
        require(type(dP) is type(dr) is list, "no list of slopes")

        def pair(s, a):
            return index(s, self.S) * self.A + index(a, self.A)
        return (self.table(P, self.S), self.table(r),
                [(pair(s, a), index(t, self.S), pair(s_2, a_2), fraction(m)) for s, a, t, s_2, a_2, m in dP],
                [(pair(s, a), pair(s_2, a_2), fraction(m)) for s, a, s_2, a_2, m in dr])

    def loan(self, environment):
        """A loan is repaid with probability q0 - c pi(approve)."""
        _, form, *numbers = fields(environment, "kind form q0 c gain loss")
        q_0, c, gain, loss = array(numbers, 4)
        require(0 <= min(q_0, q_0 - c) and max(q_0, q_0 - c) <= 1, "a loan's probability is none for some policy")
        require([form, self.S] in (["bandit", 1], ["mdp", 4]), "an unknown form")
        self.A = 2
        if form == "bandit":
            return [[Fraction(1)]] * 2, [gain * q_0 - loss * (1 - q_0), Fraction(0)], [], [(0, 0, -c * (gain + loss))]
        P = [[0, q_0, 1 - q_0, 0], [0, 0, 0, 1]] + [[1, 0, 0, 0]] * 6
        return P, [0, 0, gain, gain, -loss, -loss, 0, 0], [(0, 1, 0, -c), (0, 2, 0, c)], []

    def check(self, node, low, high, bound):
        """J <= bound for the policies with low <= x <= high; the number of leaves."""
        high = dict(high)
        for last in self.reference:
            own = range(last - self.A + 1, last)
            for i in own:
                high[i] = min(high[i], 1 - sum(low[j] for j in own if j != i))
        if node is None:
            require(any(low[i] > high[i] for i in self.coordinates), "a part of the domain is left out", Wrong)
            return 0
        if isinstance(node, list):
            # Whatever the point is, the two parts cover the cell.
            i, at, below, above = node
            require(index(i, len(self.r)) in low, "no coordinate")
            at = fraction(at)
            return (self.check(below, low, {**high, i: min(high[i], at)}, bound)
                    + self.check(above, {**low, i: max(low[i], at)}, high, bound))
        self.check_leaf(node, low, high, bound)
        return 1

    def check_leaf(self, leaf, low, high, bound):
        """w(x) = w + slopes (x - centre) is no less than B_x(w(x)) on the cell, so V_x <= w(x), and rho . w <= bound."""
        bits, values, slopes = fields(leaf, "bits values slopes")
        values, slopes = array(values, self.S), array(slopes, self.S, len(self.coordinates))
        require(all(n.denominator == 1 for n in sum(slopes, values)), "a witness has integers")
        # All in integers: steps from the centre in units of 1/K, w in units of 1/(K 2^bits), and so on.
        K = 2 * lcm(*(x.denominator for x in [*low.values(), *high.values()]))
        low, high = ({i: int(K * x) for i, x in ends.items()} for ends in (low, high))
        centre = {i: (low[i] + high[i]) // 2 for i in self.coordinates}
        half = {i: (high[i] - low[i]) // 2 for i in self.coordinates}
        require(min(half.values(), default=0) >= 0, "a witness for an empty cell")
        w = [{(): K * int(x), **{(i,): int(g) for i, g in zip(self.coordinates, row) if g}}
             for x, row in zip(values, slopes)]

        def centred(linear, factor=1):
            constant = linear[()] * K + sum(c * centre[key[0]] for key, c in linear.items() if key)
            return {key: factor * c for key, c in {**linear, (): constant}.items()}

        gamma, unit_gamma = self.gamma.as_integer_ratio()
        reward, unit = self.unit_P * unit_gamma * K * 2 ** index(bits, 1000), self.unit_r * self.unit_P * unit_gamma * K * K

        def action_value(i):
            """r + gamma P w in units of 1/(2^bits unit)."""
            q = defaultdict(int, centred(self.r[i], reward))
            for p, w_t in zip(self.P[i], w):
                add(q, times(centred(p), w_t), gamma * self.unit_r)
            return q

        for s, last in enumerate(self.reference):
            base = action_value(last)
            residual = defaultdict(int)
            add(residual, base, K)
            add(residual, w[s], -unit)
            for i in range(s * self.A, last):
                advantage = action_value(i)
                add(advantage, base, -1)
                add(residual, times({(): centre[i], (i,): 1}, advantage))
            # Twice the terms of order 2: each square with half of its mixed terms; and those of order 3.
            squares, cubes = defaultdict(int), 0
            for key, c in residual.items():
                size = abs(c) * prod(half[i] for i in key)
                if len(key) == 3:
                    cubes += size
                elif len(key) == 2:
                    for i in key:
                        squares[i] += size if key[0] != key[1] or c > 0 else -size
            most = residual[()] + self.largest_step(residual, low, high, centre, K) + cubes
            require(2 * most + sum(max(t, 0) for t in squares.values()) <= 0, f"a witness is exceeded in state {s}", Wrong)
        value = defaultdict(int)
        for p, w_s in zip(self.initial, w):
            add(value, w_s, p)
        most = value[()] + self.largest_step(value, low, high, centre, K)
        require(most <= bound * K * 2**bits, "a witness is above the bound", Wrong)

    def largest_step(self, linear, low, high, centre, one):
        """The maximum of the linear terms of a function of x - centre, for probabilities in units of 1/one."""
        slopes = {i: linear[i,] for i in self.coordinates}
        total = sum(slopes[i] * (low[i] - centre[i]) for i in self.coordinates)
        for s, last in enumerate(self.reference):
            own = range(s * self.A, last)
            left = one - sum(low[i] for i in own)
            for i in sorted((i for i in own if slopes[i] > 0), key=lambda i: -slopes[i]):
                step = min(left, high[i] - low[i])
                total, left = total + slopes[i] * step, left - step
        return total


# Exponential families. An interval is a pair of fractions.

BITS = 96


def exponential(x):
    """An interval around e^x, in units of 2^-BITS."""
    require(abs(x) < 10**4, "an exponent is too large")
    # e^|x| = (e^y)^(2^n) with y = |x|/2^n <= 1/4; the terms after y^k/k! add up to less than twice the next one.
    n = (4 * ceil(abs(x))).bit_length()
    bits = BITS + 2 * n + 8
    low, high = (series(end, end(abs(x) * 2**(bits - n)), bits) for end in (floor, ceil))
    for _ in range(n):
        low, high = low * low >> bits, -(-high * high >> bits)
    if x < 0:
        low, high = 2**(2 * bits) // high, -(-2**(2 * bits) // low)
    return Fraction(low >> bits - BITS, 2**BITS), Fraction(-(-high >> bits - BITS), 2**BITS)


def series(end, y, bits):
    """A bound of e^y from below (floor) or above (ceil), in units of 2^-bits as y is."""
    sign = 1 if end is floor else -1
    total, term, k = 0, 2**bits, 1
    while term > 1 and k < 99:
        total, term, k = total + term, sign * (sign * term * y // (k << bits)), k + 1
    return total if end is floor else total + 2 * term


def product(one, two):
    ends = [x * y for x in one for y in two]
    return min(ends), max(ends)


def total(intervals):
    return tuple(sum(ends) for ends in zip(*intervals)) or (0, 0)


class Family:
    """P_t proportional to h_t e^(psi_t x), r = base + slope x, clipped; x = theta[s,a], pi the softmax of theta."""
    def __init__(self, gamma, initial, environment):
        self.gamma, self.initial, self.S = gamma, initial, len(initial)
        weighted = "base_weights" in environment
        _, psi, base, reward = fields(environment, f"kind psi {'base_weights' if weighted else 'base_logits'} reward")
        rewards, slope, clip = fields(reward, "base slope clip")
        self.psi, self.slope, self.clip = array(psi, self.S), fraction(slope), fraction_or_none(clip)
        self.A = shape(rewards, self.S)
        self.rewards = array(rewards, self.S, self.A)
        require(self.clip is None or self.clip >= 0, "a negative clip")
        number = fraction if weighted else fraction_or_none
        self.base = [[self.row(row, weighted) for row in rows] for rows in array(base, self.S, self.A, self.S, read=number)]

    def row(self, entries, weighted):
        """[(t, h_t, o_t)] with weight h_t e^(o_t) of the states that can be next."""
        if weighted:
            row = [(t, h, Fraction(0)) for t, h in enumerate(entries) if h != 0]
        else:
            row = [(t, Fraction(1), o) for t, o in enumerate(entries) if o is not None]
        require(row and min(h for _, h, _ in row) > 0, "a row has no weight, or a negative one")
        return row

    def reward(self, s, a, x):
        r = self.rewards[s][a] + self.slope * x
        return r if self.clip is None else max(-self.clip, min(self.clip, r))

    def reward_slope(self, s, a, low, high):
        """An interval with the slopes of the reward between two points."""
        ends = [self.rewards[s][a] + self.slope * x for x in (low, high)]
        if self.clip is None or max(map(abs, ends)) <= self.clip:
            return self.slope, self.slope
        if min(ends) >= self.clip or max(ends) <= -self.clip:
            return Fraction(0), Fraction(0)
        return min(self.slope, Fraction(0)), max(self.slope, Fraction(0))

    def check(self, values, bounds, shares, points, bound):
        """For each state sum_a shares <= 0 and e^x (r(x) + gamma P(x) values - values[s]) <= shares[s][a] for all x, which
        gives B_theta(values) <= values for all theta, so V <= values; the number of cells."""
        n = 0
        for s in range(self.S):
            require(sum(shares[s]) <= 0, f"the shares of state {s} are positive", Wrong)
            for a in range(self.A):
                n += self.check_row(s, a, values, bounds[s], shares[s][a], points[s][a])
        require(sum(p * v for p, v in zip(self.initial, values)) <= bound, "a value is above the bound", Wrong)
        return n

    def check_row(self, s, a, values, bound, share, points):
        """sum_t h_t e^(o_t + psi_t x) (r(x) + gamma values[t] - values[s] - share e^-x) <= 0 between neighbouring points."""
        support = self.base[s][a]
        middle = (max(self.psi[t] for t, _, _ in support) + min(self.psi[t] for t, _, _ in support)) / 2
        row = [(h, o, self.psi[t] - middle, self.gamma * values[t] - values[s]) for t, h, o in support]
        where = f"in state {s}, action {a}"
        if bound is not None:
            points = [-bound, *points, bound]
        require(points and all(x < y for x, y in zip(points, points[1:])), f"the points do not ascend {where}", Wrong)
        for low, high in zip(points, points[1:]):
            require(self.largest(s, a, row, share, low, high) <= 0, f"the values are exceeded {where}", Wrong)
        if bound is None:
            require(share == 0, f"a share over all parameters {where}", Wrong)
            for end, side in ((points[0], -1), (points[-1], 1)):
                require(self.largest_beyond(s, a, row, end, side) <= 0, f"the values are exceeded {where}", Wrong)
        return len(points) - 1 + 2 * (bound is None)

    def largest(self, s, a, row, share, low, high):
        """A bound by the value in the middle and the derivative, up to a positive factor that keeps exponentials small."""
        centre, half = (low + high) / 2, (high - low) / 2
        still = Fraction(0), Fraction(0)
        slope = self.reward_slope(s, a, low, high)
        ends = sorted([self.reward(s, a, low), self.reward(s, a, high)])
        at = self.reward(s, a, centre)
        # Terms h e^(o + p x) c(x): c at the centre, c and c' over the cell.
        terms = [(h, o, p, at + v, (ends[0] + v, ends[1] + v), slope) for h, o, p, v in row]
        if share != 0:
            terms += [(h, o, p - 1, -share, (-share, -share), still) for h, o, p, _ in row]
        scale = max(o + p * centre for _, o, p, _, _, _ in terms)
        value, derivative = [], []
        for h, o, p, c, over, change in terms:
            exponent = o + p * centre - scale
            value.append(product((h * c, h * c), exponential(exponent)))
            around = exponential(exponent - abs(p) * half)[0], exponential(exponent + abs(p) * half)[1]
            derivative.append(product(total([product((h * p, h * p), over), (h * change[0], h * change[1])]), around))
        return total(value)[1] + half * max(map(abs, total(derivative)))

    def largest_beyond(self, s, a, row, end, side):
        """A bound over x >= end (side 1) or x <= end (side -1), divided by the exponential that grows fastest there."""
        require(self.clip is not None or self.slope * side <= 0, "rewards without bound", Wrong)
        grows = self.slope * side > 0
        reward = self.clip if grows else self.reward(s, a, end)
        top = max(p * side for _, _, p, _ in row)
        terms = [(h, o + (p - side * top) * end, p * side == top, reward + v) for h, o, p, v in row]
        scale = max(exponent for _, exponent, _, _ in terms)
        # A negative term that vanishes at infinity is at most 0.
        kept = [(h * c, exponent) for h, exponent, leads, c in terms if leads or c > 0]
        return total(product((c, c), exponential(exponent - scale)) for c, exponent in kept)[1]


def unique(pairs):
    require(len({key for key, _ in pairs}) == len(pairs), "a key stands twice")
    return dict(pairs)


def rounded_up(bound):
    """A decimal that is no less, with 17 digits."""
    return Context(prec=17, rounding=ROUND_CEILING).divide(*map(Decimal, bound.as_integer_ratio()))


def check(text):
    """What the certificate in a text proves; raises what is wrong."""
    document = json.loads(text, object_pairs_hook=unique, parse_float=fraction, parse_constant=fraction)
    kind = document["problem"]["environment"]["kind"]
    family = kind == "exponential-family"
    form, problem, bound, *proof = fields(
        document, "format problem upper_bound " + ("values bounds shares points" if family else "tree"))
    require(form == "pemdp-optimum-certificate/1", "an unknown format")
    gamma, initial, environment = fields(problem, "gamma initial environment")
    gamma, initial, bound = fraction(gamma), array(initial, None), fraction(bound)
    require(0 <= gamma < 1, "gamma is not in [0, 1)")
    require(min(initial) >= 0 and is_one(sum(initial)), "the initial distribution is none")
    model = (Family if family else Affine)(gamma, initial, environment)
    if family:
        values, bounds, shares, points = proof
        bounds = array(bounds, model.S, read=fraction_or_none)
        require(all(b is None or b > 0 for b in bounds), "a bound is not positive")
        n = model.check(array(values, model.S), bounds, array(shares, model.S, model.A),
                        array(points, model.S, model.A, None), bound)
        domain = ("all parameters" if set(bounds) == {None} else
                  "parameters within " + ", ".join("any" if b is None else f"+-{b}" for b in bounds))
    else:
        n = model.check(proof[0], dict.fromkeys(model.coordinates, Fraction(0)),
                        dict.fromkeys(model.coordinates, Fraction(1)), bound)
        domain = "all policies"
    return f"no value of {kind} over {domain} is above {rounded_up(bound)}: {n} cells"


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
