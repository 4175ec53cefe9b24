"""Judges certificates of both formats (docs/certificates.md) by other means than their checkers: gradients backwards and in
closed form, Hessians by dual numbers and minors, ascent by running it, bounds by searching for a policy that exceeds them,
kernels by trying policies. It shares no code with the checkers. What it does not find may still be there: it is for
forge.py, which asks it whether an accepted certificate is false."""
import json
import random
import re
import zlib
from decimal import Decimal, getcontext
from fractions import Fraction
from itertools import combinations, product
from math import exp, gcd, prod

getcontext().prec = 60


class Untrue(Exception):
    """What a certificate says and is not so."""


def hold(condition, message):
    if not condition:
        raise Untrue(message)


# Arithmetic: all formulas run on fractions, floats, decimals and dual numbers.


class Dual:
    """a + b e with e^2 = 0."""
    def __init__(self, a, b=0):
        self.a, self.b = a, b

    def __add__(self, other):
        other = dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __mul__(self, other):
        other = dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __truediv__(self, other):
        other = dual(other)
        return Dual(self.a / other.a, (self.b * other.a - self.a * other.b) / (other.a * other.a))

    def __pow__(self, n):
        return prod([self] * n, start=Dual(1))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -dual(other)

    def __rsub__(self, other):
        return dual(other) - self

    def __rtruediv__(self, other):
        return dual(other) / self

    def __abs__(self):
        return abs(self.a)

    __radd__, __rmul__ = __add__, __mul__


def dual(x):
    return x if isinstance(x, Dual) else Dual(x)


def decimal(x):
    return Decimal(x.numerator) / Decimal(x.denominator)


def solve(matrix, right):
    """The x with matrix x = right, with the largest pivot of each column."""
    rows = [[*row, b] for row, b in zip(matrix, right)]
    n = len(rows)
    for k in range(n):
        best = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[best] = rows[best], rows[k]
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            if abs(factor) != 0:
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k])]
    x = [0] * n
    for k in reversed(range(n)):
        x[k] = (rows[k][n] - sum(rows[k][j] * x[j] for j in range(k + 1, n))) / rows[k][k]
    return x


def determinant(matrix):
    """By expansion: the matrices are small."""
    if not matrix:
        return 1
    minors = ([row[:k] + row[k + 1:] for row in matrix[1:]] for k in range(len(matrix)))
    return sum((-1) ** k * x * determinant(minor) for k, (x, minor) in enumerate(zip(matrix[0], minors)) if x != 0)


# A problem, in any arithmetic. Tables over pairs (s,a) are lists, at i = s A + a.


def numbers(entries):
    """All numbers in nested lists, in order."""
    return [x for entry in entries for x in numbers(entry)] if isinstance(entries, list) else [Fraction(entries)]


class Instance:
    def __init__(self, environment, gamma, initial, n_actions, number=Fraction):
        self.number, self.gamma = number, number(Fraction(gamma))
        read = lambda entries: [number(x) for x in numbers(entries)]
        self.rho, self.A, self.kind = read(initial), n_actions, environment["kind"]
        self.S = len(self.rho)
        self.transition_slopes, self.reward_slopes, self.clip = [], [], None
        pair = lambda s, a: s * self.A + a
        if self.kind == "exponential-family":
            reward = environment["reward"]
            self.psi = [Fraction(p) for p in environment["psi"]]
            self.slope, clip = number(Fraction(reward["slope"])), reward["clip"]
            self.clip = None if clip is None else number(Fraction(clip))
            self.logistic = read(reward.get("logistic", [0] * self.S * self.A))
            rows, self.r = environment.get("base_weights") or environment["base_logits"], read(reward["base"])
            self.weighted = "base_weights" in environment
            self.base = [[None if x is None else number(Fraction(x)) for x in row] for state in rows for row in state]
        elif self.kind == "loan":
            q, c, gain, loss = read([environment[key] for key in ("q0", "c", "gain", "loss")])
            self.repaid = q, q - c
            if environment["form"] == "bandit":
                self.P, self.r = [[1], [1]], [gain * q - loss * (1 - q), 0]
                self.reward_slopes = [(0, 0, -c * (gain + loss))]
            else:
                self.P = [[0, q, 1 - q, 0], [0, 0, 0, 1]] + [[1, 0, 0, 0]] * 6
                self.r = [0, 0, gain, gain, -loss, -loss, 0, 0]
                self.transition_slopes = [(0, 1, 0, -c), (0, 2, 0, c)]
        else:
            self.P = [read(row) for state in environment["transitions"] for row in state]
            self.r = read(environment["rewards"])
            for s, a, t, s_2, a_2, m in environment.get("transition_slopes", []):
                self.transition_slopes.append((pair(s, a), t, pair(s_2, a_2), number(Fraction(m))))
            for s, a, s_2, a_2, m in environment.get("reward_slopes", []):
                self.reward_slopes.append((pair(s, a), pair(s_2, a_2), number(Fraction(m))))

    def by_state(self, entries):
        return [entries[k:k + self.A] for k in range(0, len(entries), self.A)]

    def normalised(self, weights):
        return [w / sum(row) for row in self.by_state(weights) for w in row]

    def tilted(self, thetas):
        """Rows and rewards of a family at real parameters, for decimals and floats."""
        power = (lambda x: x.exp()) if self.number is decimal else exp
        P, r = [], []
        for row, base, x in zip(self.base, self.r, thetas):
            pairs = [(h, self.number(p)) for h, p in zip(row, self.psi)]
            if self.weighted:
                terms = [h * power(p * x) if h else h for h, p in pairs]
            else:
                terms = [0 if o is None else power(o + p * x) for o, p in pairs]
            P.append([term / sum(terms) for term in terms])
            reward = base + self.slope * x
            r.append(reward if self.clip is None else max(-self.clip, min(self.clip, reward)))
        return P, r

    def deployed(self, weights, pi):
        """P[i][t] and r[i] where a policy is deployed."""
        if self.kind == "exponential-family":
            least = min(self.psi)
            rows = [[h * w ** int(p - least) for h, p in zip(row, self.psi)] for row, w in zip(self.base, weights)]
            r = [x + c * w / (1 + w) for x, c, w in zip(self.r, self.logistic, weights)]
            return [[x / sum(row) for x in row] for row in rows], r
        P, r = [list(row) for row in self.P], list(self.r)
        for i, t, j, m in self.transition_slopes:
            P[i][t] = P[i][t] + m * pi[j]
        for i, j, m in self.reward_slopes:
            r[i] = r[i] + m * pi[j]
        return P, r

    def matrix(self, pi, P):
        mixed = [[sum(x * row[t] for x, row in zip(*pair)) for t in range(self.S)]
                 for pair in zip(self.by_state(pi), self.by_state(P))]
        return [[(s == t) - self.gamma * p for t, p in enumerate(row)] for s, row in enumerate(mixed)]

    def state_values(self, pi, P, r):
        return solve(self.matrix(pi, P), [sum(x * y for x, y in zip(*pair)) for pair in zip(*map(self.by_state, (pi, r)))])

    def action_values(self, pi, P, r):
        V = self.state_values(pi, P, r)
        return [x + self.gamma * sum(p * v for p, v in zip(row, V)) for x, row in zip(r, P)]

    def occupancy(self, pi, P):
        d = solve([list(column) for column in zip(*self.matrix(pi, P))], self.rho)
        return [d[i // self.A] * x for i, x in enumerate(pi)]

    def value(self, weights, pi=None):
        pi = pi or self.normalised(weights)
        return sum(p * v for p, v in zip(self.rho, self.state_values(pi, *self.deployed(weights, pi))))

    def pulled_back(self, pi, cotangent):
        """From derivatives by pi to derivatives by theta = log of the weights."""
        means = [sum(x * c for x, c in zip(*pair)) for pair in zip(self.by_state(pi), self.by_state(cotangent))]
        return [x * (c - means[i // self.A]) for i, (x, c) in enumerate(zip(pi, cotangent))]

    def gradients(self, weights, soft=None):
        """dJ/dtheta, and what theorem 2 as printed gives, backwards; soft are rewards to add that have no derivative
        in expectation, those of entropy."""
        pi = self.normalised(weights)
        P, r = self.deployed(weights, pi)
        rewards = [x + y for x, y in zip(r, soft or [0] * len(r))]
        V, Q, d = self.state_values(pi, P, rewards), self.action_values(pi, P, rewards), self.occupancy(pi, P)
        visits = [d[i] / x for i, x in enumerate(pi)]
        A = [q - V[i // self.A] for i, q in enumerate(Q)]
        truth, printed = [x * q for x, q in zip(visits, Q)], [x * a for x, a in zip(visits, A)]
        for i, t, j, m in self.transition_slopes:
            truth[j] += m * self.gamma * d[i] * V[t]
            printed[j] += m * d[i] * A[i]
        for i, j, m in self.reward_slopes:
            truth[j] += m * d[i]
            printed[j] += m * d[i]
        truth, printed = self.pulled_back(pi, truth), self.pulled_back(pi, printed)
        if self.kind == "exponential-family":
            for i, (row, w, c) in enumerate(zip(P, weights, self.logistic)):
                mean = sum(p * self.number(psi) for p, psi in zip(row, self.psi))
                tilt = sum(p * (self.number(psi) - mean) * v for p, psi, v in zip(row, self.psi, V))
                slope = d[i] * c * w / ((1 + w) * (1 + w))
                truth[i], printed[i] = truth[i] + self.gamma * d[i] * tilt + slope, printed[i] + slope
        return truth, printed

    def hessian(self, weights):
        """Column by column, as the gradient of dual numbers."""
        along = lambda j: [Dual(w, w if i == j else 0) for i, w in enumerate(weights)]
        return [[dual(g).b for g in self.gradients(along(j))[0]] for j in range(len(weights))]


def instance(problem, number=Fraction):
    values = problem["policy"]["values"]
    initial = problem.get("initial", [1] + [0] * (len(values) - 1))
    return Instance(problem["environment"], problem["gamma"], initial, len(values[0]), number)


def policy(problem):
    """The weights, or probabilities in their place, and pi."""
    values, width = numbers(problem["policy"]["values"]), len(problem["policy"]["values"][0])
    totals = [sum(values[k:k + width]) for k in range(0, len(values), width)]
    if problem["policy"]["kind"] == "weights":
        hold(min(values) > 0, "a weight is not positive")
        return values, [w / totals[i // width] for i, w in enumerate(values)]
    hold(min(values) >= 0 and set(totals) == {1}, "a policy is none")
    return values, values


# Well-formed documents.

PROBLEM, ENTROPY = {"format", "gamma", "initial", "policy", "environment"}, {"entropy"}
ENVIRONMENTS = {
    "fixed": {"transitions", "rewards"},
    "affine": {"transitions", "rewards", "transition_slopes", "reward_slopes"},
    "loan": {"form", "q0", "c", "gain", "loss"},
    "exponential-family": {"psi", "reward"},
}
KINDS = {
    "gradient": {"problem", "gradient", "as_printed"},
    "performance-difference": {"problem", "other", "left", "right"},
    "curvature": {"problem", "constant", "pivots"},
    "bound-fails": {"problem", "comparator", "suboptimality", "coverage", "gradient_norm_squared"},
    "trap": {"problem", "state", "action", "start", "low", "high", "ceiling", "better", "numerator", "denominator",
             "degree"},
    "stable-point": {"problem", "better", "value", "better_value", "action_values"},
    "cycle": {"gamma", "regularisation", "advantage", "cycle"},
    "lipschitz": {"problem", "other", "difference", "bound_squared"},
}


def signed(document):
    rest = {key: entry for key, entry in document.items() if key != "digest"}
    compact = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return {**rest, "digest": f"{zlib.crc32(compact.encode()):08x}"}


def single(pairs):
    hold(len(dict(pairs)) == len(pairs), "a key stands twice")
    return dict(pairs)


def parsed(source):
    """The document, in which every leaf is a word, an integer, null or a fraction in lowest terms."""
    def number(token):
        raise Untrue(f"{token} stands for a number")

    def look(value):
        if isinstance(value, (dict, list)):
            for entry in value.values() if isinstance(value, dict) else value:
                look(entry)
        else:
            hold(value is None or type(value) in (int, str), "a leaf of another type")
            if isinstance(value, str) and re.fullmatch(r"[-+\d./eE_\s]+", value):
                match = re.fullmatch(r"(-?[0-9]+)(?:/([0-9]+))?", value)
                hold(match and int(match[2] or 1) != 0 and str(Fraction(value)) == value, "not in lowest terms")

    document = json.loads(source, object_pairs_hook=single, parse_float=number, parse_constant=number)
    look({key: entry for key, entry in document.items() if key != "digest"})
    return document


def look_at_environment(environment, extra):
    kind = environment["kind"]
    keys = environment.keys() - {"kind"}
    if kind == "exponential-family":
        hold(keys - ENVIRONMENTS[kind] in [{key} for key in extra], "keys of a family")
        hold(environment["reward"].keys() - {"logistic"} == {"base", "slope", "clip"}, "keys of a reward")
    else:
        hold(keys == ENVIRONMENTS[kind], "keys of an environment")


def look_at_problem(problem):
    kind = problem["environment"]["kind"]
    optional = ENTROPY | ({"initial"} if kind == "loan" else set())
    hold(problem.keys() | optional == PROBLEM | optional and problem["format"] == "pemdp-problem/1", "keys of a problem")
    look_at_environment(problem["environment"], ["base_weights"])
    values = problem["policy"]["values"]
    look_at_shapes(problem["environment"], len(values), len(values[0]))
    hold(len(values[0]) > 0 and all(len(row) == len(values[0]) for row in values), "rows of different lengths")
    hold(problem["policy"].keys() == {"kind", "values"}, "keys of a policy")
    hold(problem["policy"]["kind"] in ("weights", "probabilities"), "another kind of policy")
    hold(len(numbers(problem.get("initial", values))) in (len(values), len(values) * len(values[0])), "the initial shape")
    look_at_kernel(instance(problem), 0)


def look_at_shapes(environment, S, A):
    if environment["kind"] == "loan":
        return hold((environment["form"], S, A) in (("bandit", 1, 2), ("mdp", 4, 2)), "another loan")
    family = environment["kind"] == "exponential-family"
    rewards = environment["reward"]["base"] if family else environment["rewards"]
    rows = environment.get("base_weights") or environment.get("base_logits") or environment["transitions"]
    hold([len(row) for row in rewards] == [A] * S and [len(row) for row in rows] == [A] * S, "actions")
    hold(all(len(row) == S for state in rows for row in state), "a row of another length")
    hold(not family or len(environment["psi"]) == S, "psi of another length")


def look_at_kernel(model, tolerance):
    """gamma, the initial distribution, and that rows are distributions: affine rows where each state takes one action,
    all combinations if they are few."""
    hold(0 <= model.gamma < 1, "gamma")
    hold(min(model.rho) >= 0 and abs(sum(model.rho) - 1) <= tolerance, "the initial distribution")
    if model.kind == "exponential-family":
        for row in model.base:
            weights = [h for h in row if h is not None]
            hold(weights and (not model.weighted or min(weights) >= 0 and sum(weights) > 0), "a row without weight")
        return
    if model.kind == "loan":
        hold(all(0 <= q <= 1 for q in model.repaid), "a probability of repayment")
    choices = list(product(range(model.A), repeat=model.S)) if model.A ** model.S <= 512 else [
        [random.Random(k).randrange(model.A) for _ in range(model.S)] for k in range(512)]
    for choice in choices:
        pi = [Fraction(choice[s] == a) for s in range(model.S) for a in range(model.A)]
        for row in model.deployed(None, pi)[0]:
            hold(min(row) >= 0 and abs(sum(row) - 1) <= tolerance, "a row is no distribution for some policy")


# What a certificate's numbers are, derived here: for forgeries that are consistent, and to judge those of others.


def text(x):
    return str(Fraction(x))


def texts(entries):
    return [texts(x) for x in entries] if isinstance(entries, list) else text(entries)


def exactly(problem):
    return (instance(problem), *policy(problem))


def of_gradient(document):
    model, weights, _ = exactly(document["problem"])
    truth, printed = model.gradients(weights)
    return {"gradient": texts(truth), "as_printed": texts(printed)}


def of_difference(document):
    (model, weights, pi), (other, weights_2, pi_2) = exactly(document["problem"]), exactly(document["other"])
    (P, r), (P_2, r_2) = model.deployed(weights, pi), other.deployed(weights_2, pi_2)
    V, V_2, Q_2 = model.state_values(pi, P, r), other.state_values(pi_2, P_2, r_2), other.action_values(pi_2, P_2, r_2)
    right = 0
    for i, d in enumerate(model.occupancy(pi, P_2)):
        shift = sum((p - q) * v for p, q, v in zip(P[i], P_2[i], V))
        right += d * (Q_2[i] - V_2[i // model.A] + r[i] - r_2[i] + model.gamma * shift)
    left = sum(p * (v - w) for p, v, w in zip(model.rho, V, V_2))
    return {"left": text(left), "right": text(right)}


def of_curvature(document):
    """The pivots, quotients of successive leading minors."""
    model, weights, _ = exactly(document["problem"])
    H, L = model.hessian(weights), Fraction(document["constant"])
    pivots = []
    for sign in (1, -1):
        matrix = [[L * (i == j) + sign * x for j, x in enumerate(row)] for i, row in enumerate(H)]
        minors = [determinant([row[:k] for row in matrix[:k]]) for k in range(len(H) + 1)]
        pivots.append([b / a if a else Fraction(0) for a, b in zip(minors, minors[1:])])
    return {"pivots": texts(pivots)}


def of_bound(document):
    model, weights, pi = exactly(document["problem"])
    other, weights_2, pi_2 = exactly({**document["problem"], "policy": document["comparator"]})
    P, _ = model.deployed(weights, pi)
    d, d_2 = model.occupancy(pi, P), model.occupancy(pi_2, P)
    gradient = model.gradients(weights)[0]
    gap = other.value(weights_2, pi_2) - model.value(weights, pi)
    return {"suboptimality": text(gap), "coverage": text(max(y / x for x, y in zip(d, d_2) if x)),
            "gradient_norm_squared": text(sum(g * g for g in gradient))}


def of_stable_point(document):
    (model, weights, pi), (other, weights_2, pi_2) = exactly(document["problem"]), exactly(document["better"])
    Q = model.action_values(pi, *model.deployed(weights, pi))
    return {"value": text(model.value(weights, pi)), "better_value": text(other.value(weights_2, pi_2)),
            "action_values": model.by_state(texts(Q))}


def of_lipschitz(document):
    pi, other = policy(document["problem"])[1], numbers(document["other"])
    n = 1
    for p in pi + other:
        n = n * p.denominator // gcd(n, p.denominator)
    hold(n < 1000, "probabilities with large denominators")
    ratio = prod(q ** int(n * q) for q in other) / prod(p ** int(n * p) for p in pi)
    distance = sum((p - q) ** 2 for p, q in zip(pi, other))
    return {"difference": text(Fraction(document["problem"]["entropy"]) * (1 - ratio) / n),
            "bound_squared": text(4 * len(pi) * distance / min(pi + other) ** 2)}


def line(document):
    """J as a function of the weight that moves."""
    model, weights, _ = exactly(document["problem"])
    i = document["state"] * model.A + document["action"]
    return model, i, lambda w: model.value(weights[:i] + [w] + weights[i + 1:])


def kernel_vector(matrix):
    """A vector that a matrix maps to 0, if there is one."""
    rows, pivots, width = [list(row) for row in matrix], [], len(matrix[0])
    for k in range(width):
        best = next((i for i in range(len(pivots), len(rows)) if rows[i][k] != 0), None)
        if best is None:
            vector = [Fraction(0)] * width
            vector[k] = Fraction(1)
            for i, p in enumerate(pivots):
                vector[p] = -rows[i][k]
            return vector
        n = len(pivots)
        rows[n], rows[best] = rows[best], rows[n]
        rows[n] = [x / rows[n][k] for x in rows[n]]
        rows = [row if i == n or row[k] == 0 else [x - row[k] * y for x, y in zip(row, rows[n])]
                for i, row in enumerate(rows)]
        pivots.append(k)
    return None


def of_trap(document):
    """The quotient of the lowest degree that has the right values at many points: N(w) - J(w) D(w) = 0."""
    model, _, J = line(document)
    E = model.S + 1 + (int(max(model.psi) - min(model.psi)) if model.kind == "exponential-family" else 0)
    points = [(w, J(w)) for w in map(Fraction, range(1, 2 * E + 3))]
    for degree in range(E + 1):
        powers = [[w ** k for k in range(degree + 1)] for w, _ in points]
        found = kernel_vector([row + [-y * x for x in row] for (_, y), row in zip(points, powers)])
        if found:
            N, D = found[:degree + 1], found[degree + 1:]
            unit = D[0] or 1
            numerator, denominator = (texts([c / unit for c in p]) for p in (N, D))
            return {"numerator": numerator, "denominator": denominator, "degree": degree}
    raise ValueError("no quotient of this degree")


DERIVED = {"gradient": of_gradient, "performance-difference": of_difference, "curvature": of_curvature,
           "bound-fails": of_bound, "trap": of_trap, "stable-point": of_stable_point, "lipschitz": of_lipschitz}


# Judges: each raises what is false.


def judge_gradient(document, _):
    problem, claimed = document["problem"], (numbers(document["gradient"]), numbers(document["as_printed"]))
    hold(problem["policy"]["kind"] == "weights", "derivatives by probabilities")
    if document["claim"] == "T2":
        hold(Fraction(problem.get("entropy", 0)) == 0, "entropy")
        found = tuple(map(numbers, of_gradient(document).values()))
        return hold(found == claimed and found[0] != found[1], "the gradients")
    weight, basis = Fraction(problem["entropy"]), [int(b) for b in document["logarithms"]]
    hold(weight > 0 and all(b > 1 for b in basis) and all(gcd(a, b) == 1 for a, b in combinations(basis, 2)), "the basis")
    model, (weights, pi) = instance(problem, decimal), policy(problem)
    soft = [-decimal(weight) * decimal(p).ln() for p in pi]
    logarithms = [Decimal(1)] + [Decimal(b).ln() for b in basis]
    n = len(pi)
    for found, coefficients in zip(model.gradients([decimal(w) for w in weights], soft), claimed):
        hold(len(coefficients) == n * len(logarithms), "a vector of another length")
        said = [sum(decimal(coefficients[k * n + i]) * x for k, x in enumerate(logarithms)) for i in range(n)]
        hold(all(abs(x - y) < Decimal("1e-40") * (1 + abs(x)) for x, y in zip(found, said)), "a gradient")
    hold(claimed[0] != claimed[1], "equal gradients")


def judge_difference(document, _):
    hold({**document["problem"], "policy": 0} == {**document["other"], "policy": 0}, "two problems")
    found = of_difference(document)
    hold([document["left"], document["right"]] == list(found.values()) and found["left"] == found["right"], "the sides")


def judge_curvature(document, _):
    problem, L = document["problem"], Fraction(document["constant"])
    model, weights, _ = exactly(problem)
    H, n = model.hessian(weights), range(len(weights))
    for sign in (1, -1):
        matrix = [[L * (i == j) + sign * H[i][j] for j in n] for i in n]
        for size in range(1, len(H) + 1):
            for chosen in combinations(n, size):  # semidefinite if and only if no principal minor is negative
                hold(determinant([[matrix[i][j] for j in chosen] for i in chosen]) >= 0, "a matrix is not semidefinite")
    if all(x != "0" for row in document["pivots"] for x in row):
        hold(of_curvature(document)["pivots"] == document["pivots"], "the pivots")
    hold(model.kind == "exponential-family", "the claims are about families")
    T, B = 1 / (1 - decimal(model.gamma)), decimal(max(model.psi) - min(model.psi))
    high = max(x + max(c, 0) for x, c in zip(model.r, model.logistic))
    low = min(x + min(c, 0) for x, c in zip(model.r, model.logistic))
    R, c = decimal(high - low) / 2, decimal(max(map(abs, model.logistic)))
    I, slope, second = (2 + decimal(model.gamma) * B * B) / 4, c / 4, c * Decimal("0.0962251")
    bound = {"L5x": 2 * R * I * T**2 + 2 * slope * I.sqrt() * T * T.sqrt() + second * T,
             "L5s": ((3 + Decimal(8).sqrt()) * (1 + B) * (2 * I).sqrt() * R + 2 * slope * I.sqrt()) * T * T.sqrt()
             + (B * B * R / 2 + second) * T}[document["claim"]]
    hold(decimal(L) <= bound * (1 + Decimal("1e-50")), "the constant is not the claim's")


def judge_bound(document, _):
    hold(document["problem"]["policy"]["kind"] == "weights", "derivatives by probabilities")
    look_at_problem({**document["problem"], "policy": document["comparator"]})
    found = of_bound(document)
    hold(all(document[key] == x for key, x in found.items()), "a number")
    gap, coverage, norm = map(Fraction, found.values())
    hold(gap > 0 and gap ** 2 > len(policy(document["problem"])[0]) * coverage * norm, "the bound holds")


def judge_trap(document, message):
    """By exact values at random points, and by ascent in doubles with the steps that the checker names."""
    model, i, J = line(document)
    weights, _ = policy(document["problem"])
    low, start, ceiling, better = (Fraction(document[key]) for key in ("low", "start", "ceiling", "better"))
    high = None if document["high"] is None else Fraction(document["high"])
    hold(document["problem"]["policy"]["kind"] == "weights", "derivatives by probabilities")
    hold(0 <= low < start == weights[i] and (high is None or start < high) and better > 0, "the interval")
    hold(J(better) > ceiling, "J(better)")
    rng, top = random.Random(str(document)), high or start * 1000
    inside = [low + (top - low) * Fraction(rng.randint(1, 10**6), 10**6) for _ in range(40)] + [top]
    quotient = [numbers(document[key]) for key in ("numerator", "denominator")]
    at = lambda w: weights[:i] + [w] + weights[i + 1:]
    own = range(i // model.A * model.A, (i // model.A + 1) * model.A)
    for w in inside:
        N, D = (sum(c * w ** k for k, c in enumerate(p)) for p in quotient)
        hold(J(w) * D == N and D != 0, "the quotient")
        hold(J(w) < ceiling, "J reaches the ceiling")
    hold(max(map(len, quotient)) <= document["degree"] + 1, "the degree")
    for w in inside[:3]:
        gradient = model.gradients(at(w))[0]
        hold(not any(g for j, g in enumerate(gradient) if j not in own), "another parameter moves")
        scaled = [x * 3 if j in own else x for j, x in enumerate(at(w))]
        hold(model.A == 1 or model.A == 2 and model.value(scaled) == J(w), "ascent leaves the line")
    step = float(Fraction(re.search(r"steps of at most (\S+) ", message)[1]))
    floats = instance(document["problem"], float)
    for steps in ([step] * 60, [step * rng.random() for _ in range(40)], [step / 20] * 20):
        w = [float(x) for x in weights]
        for eta in steps:
            gradient = floats.gradients(w)[0]
            w = [x * exp(eta * g) for x, g in zip(w, gradient)]
            now = w[i] if model.A == 1 else w[i] * float(weights[2 * own[0] + 1 - i]) / w[2 * own[0] + 1 - i]
            hold(now >= float(low) * (1 - 1e-9) and (high is None or now <= float(high) * (1 + 1e-9)), "ascent leaves")
            hold(floats.value(w) < float(ceiling) + 1e-9 * (1 + abs(float(ceiling))), "ascent exceeds the ceiling")


def judge_stable_point(document, _):
    hold({**document["problem"], "policy": 0} == {**document["better"], "policy": 0}, "two problems")
    found = of_stable_point(document)
    hold(all(document[key] == x for key, x in found.items()), "a value")
    model, weights, pi = exactly(document["problem"])
    P, r = model.deployed(weights, pi)
    for choice in product(range(model.A), repeat=model.S):  # no deterministic policy is better there
        other = [Fraction(choice[s] == a) for s in range(model.S) for a in range(model.A)]
        gains = zip(model.state_values(pi, P, r), model.state_values(other, P, r))
        hold(all(x >= y for x, y in gains), "it is not stable")
    hold(Fraction(found["better_value"]) > Fraction(found["value"]), "it is not better")


def judge_cycle(document, _):
    gamma, weight = Fraction(document["gamma"]), Fraction(document["regularisation"])
    (a, b), (p, q) = numbers(document["advantage"]), numbers(document["cycle"])
    hold(0 <= gamma < 1 and weight > 0 and p != q and min(p, q) >= 0 and max(p, q) <= 1, "no bandit")
    best = lambda x: min(Fraction(1), max(Fraction(0), Fraction(1, 2) + (1 - gamma) * (a - b * x) / (2 * weight)))
    hold(best(p) == q and best(q) == p, "no cycle")


def judge_lipschitz(document, _):
    problem, other = document["problem"], numbers(document["other"])
    pi, weight = policy(problem)[1], decimal(Fraction(problem["entropy"]))
    model = instance(problem)
    hold(weight > 0 and min(other) > 0 and sum(other) == 1 and len(other) == len(pi), "policies")
    P, r = model.deployed(pi, pi)
    flat = not any(r) and not any(m for _, _, m in model.reward_slopes)
    hold(model.S == 1 and model.gamma == 0 and flat and model.kind == "affine", "another setting")
    entropy = lambda row: -sum(decimal(x) * decimal(x).ln() for x in row)
    gain, root = weight * (entropy(other) - entropy(pi)), decimal(Fraction(document["bound_squared"])).sqrt()
    distance = decimal(sum((x - y) ** 2 for x, y in zip(pi, other))).sqrt()
    bound = 2 * Decimal(len(pi)).sqrt() * distance / decimal(min(pi + other))
    hold(abs(root - bound) < Decimal("1e-40") * bound, "the bound")
    hold(gain >= decimal(Fraction(document["difference"])) * (1 - Decimal("1e-50")) > 0 and gain > bound, "the difference")


JUDGES = {"gradient": judge_gradient, "performance-difference": judge_difference, "curvature": judge_curvature,
          "bound-fails": judge_bound, "trap": judge_trap, "stable-point": judge_stable_point, "cycle": judge_cycle,
          "lipschitz": judge_lipschitz}
CLAIMS = {"gradient": ("T2", "T2e"), "performance-difference": ("L1",), "curvature": ("L5x", "L5s"), "bound-fails": ("L3",),
          "trap": ("T3",), "stable-point": ("PS",), "cycle": ("RR",), "lipschitz": ("CH3",)}


def theory(source, message):
    document = parsed(source)
    kind = document["kind"]
    extra = {"logarithms"} if document["claim"] == "T2e" else set()
    hold(document.keys() == KINDS[kind] | extra | {"format", "claim", "kind", "digest"}, "keys of a certificate")
    hold(document["digest"] == signed(document)["digest"] and document["claim"] in CLAIMS[kind], "digest or claim")
    for key in {"problem", "other", "better"} & document.keys():
        if isinstance(document[key], dict):
            look_at_problem(document[key])
            with_entropy = document["claim"] in ("T2e", "CH3")
            hold(with_entropy or Fraction(document[key].get("entropy", 0)) == 0, "entropy")
    JUDGES[kind](document, message)


def optimum(source, message):
    """Searches for a policy whose value exceeds the bound."""
    document = parsed(source)
    problem, bound = document["problem"], Fraction(document["upper_bound"])
    environment = problem["environment"]
    family = environment["kind"] == "exponential-family"
    proof = {"values", "bounds", "shares", "points"} if family else {"tree"}
    hold(document.keys() == proof | {"format", "problem", "upper_bound"}, "keys of a certificate")
    hold(problem.keys() == {"gamma", "initial", "environment"}, "keys of a problem")
    look_at_environment(environment, ["base_weights", "base_logits"])
    S, loan = len(problem["initial"]), environment["kind"] == "loan"
    A = 2 if loan else len((environment["reward"]["base"] if family else environment["rewards"])[0])
    look_at_shapes(environment, S, A)
    model = lambda number: Instance(environment, problem["gamma"], problem["initial"], A, number)
    look_at_kernel(model(Fraction), Fraction(1e-9))
    hold(Fraction(re.search(r"is above (\S+):", message)[1]) >= bound, "the bound printed is lower")
    rng, floats = random.Random(source), model(float)
    if family:
        ends = [20.0 if b is None else float(Fraction(b)) for b in document["bounds"]]
        theta = searched(rng, lambda x: family_value(floats, x), [end for end in ends for _ in range(A)])
        value = family_value(model(decimal), [Decimal(x) for x in theta])
        hold(value <= decimal(bound) + Decimal("1e-40"), "a policy exceeds the bound")
        return
    exact = model(Fraction)
    weights = lambda x: [exp(y) for y in x]
    best = searched(rng, lambda x: floats.value(weights(x)), [12.0] * S * A)
    corners = product(range(A), repeat=S) if A ** S <= 256 else ()
    policies = [exact.normalised([Fraction(w) for w in weights(best)])]
    policies += [[Fraction(choice[s] == a) for s in range(S) for a in range(A)] for choice in corners]
    hold(all(exact.value(None, pi) <= bound for pi in policies), "a policy exceeds the bound")


def family_value(model, theta):
    power = (lambda x: x.exp()) if model.number is decimal else exp
    pi = model.normalised([power(x) for x in theta])
    return sum(p * v for p, v in zip(model.rho, model.state_values(pi, *model.tilted(theta))))


def searched(rng, value, ends):
    """A point within +-ends with a large value, coordinate by coordinate from a few starts."""
    best = None
    for _ in range(3):
        x = [rng.uniform(-end, end) for end in ends]
        here, width = value(x), 1.0
        while width > 1e-4:
            before = here
            for i, end in enumerate(ends):
                for y in (x[i] - width * end, x[i] + width * end, -end, end):
                    moved = x[:i] + [max(-end, min(end, y))] + x[i + 1:]
                    there = value(moved)
                    if there > here:
                        x, here = moved, there
            width = width if here > before + 1e-12 else width / 4
        best = max(best or (here, x), (here, x))
    return best[1]
