#!/usr/bin/env python3
"""A reference evaluation of performative Markov decision problems. Python 3.11, standard library only.

    reference.py PROBLEM.json [--exact]    print the answer to a problem ("-" reads standard input)
    reference.py --regenerate              rewrite every generated vector in this folder
    reference.py --check                   recompute every generated vector; exit status 1 if one differs
                                           (both take some minutes; names after them select files by prefix)

It is written to be checked against, not to be fast: rational problems are evaluated in fractions, all others in
decimal arithmetic with 800 digits (400 on the gridworld), and only the last step rounds to the nearest double.
800 digits, because a policy with logits of +-700 has probabilities of 1e-608 whose complement to 1 must not be lost,
and because a quantity that is exactly 0 then comes out below 1e-700 and rounds to 0 without any threshold.

Notation: P[s,a,t] = P(t | s,a); P_pi, r_pi are averages over pi; N = (I - gamma P_pi)^-1; V = N r_pi;
Q = r + gamma P V; occupancy d = rho N, d[s,a] = d[s] pi(a|s), total 1/(1-gamma); J = rho . V. With entropy lambda the
reward r[s,a] is replaced by r[s,a] - lambda log pi(a|s) everywhere.

The gradient is computed forwards, one parameter k at a time, by differentiating (I - gamma P_pi) V = r_pi:

    dV = N (dr_pi + gamma dP_pi V),    dJ = rho . dV,

where the derivatives of pi, P and r with respect to parameter k (`tangent`) are written out for each policy and each
environment. The four gradient terms come by another route, the occupancy-weighted sums

    policy     sum_s d[s] sum_a dpi(a|s) Q[s,a]
    transition sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]
    reward     sum_{s,a} d[s,a] dr[s,a]
    entropy    -lambda sum_s d[s] sum_a dpi(a|s)      (0 unless the parameters are the probabilities themselves)

and must add up to it.

In a terminal state the episode ends: its rows of P are 0 and its entropy is not paid, whatever else is said here. An action that a state
does not have is None in the policy's table; pi is 0 there, its soft reward and its Q are None, and nothing depends on its parameter.

A problem is taken to be valid: this file does not repeat the checks that a reader of problems has to make.
"""
import sys

sys.dont_write_bytecode = True

import json
import re
from decimal import Decimal, getcontext
from fractions import Fraction

import formulas
import numpy_grids

DIGITS, GRID_DIGITS = 800, 400


# ---------------------------------------------------------------------------------------------------- reading

class Literal(str):
    """A JSON number, kept as its text: what it is worth depends on the reading."""


def load(text):
    return json.loads(text, parse_int=Literal, parse_float=Literal)


AXES = {"transitions": "sat", "rewards": "sa", "next_rewards": "sat", "transition_slopes": "satsa", "reward_slopes": "sasa",
        "transition_jacobian": "sat", "reward_jacobian": "sa"}


def numbered(data):
    """The problem with numbers in the place of the names of states and actions."""
    names = data.get("names", {})
    states, actions = ({name: i for i, name in enumerate(names.get(key, []))} for key in ("states", "actions"))
    of = {"s": states, "t": states, "a": actions}

    def within(formula):
        """pi[calm, 'to buy'] as pi[0,1]."""
        def indices(found):
            parts = [part.strip() for part in re.findall(r"'[^']*'|[^,\]']+", found[2])]
            parts = [part for part in parts if part]
            if len(parts) == 1:
                return found[0]
            numbers = [str(table.get(part.strip("'"), part)) for table, part in zip((states, actions), parts)]
            return f"{found[1]}[{','.join(numbers)}]"
        return re.sub(r"\b(pi|theta)\s*\[((?:'[^']*'|[^\]'])*)\]", indices, formula)

    def entry(x, axes):
        return [of[axis].get(y, y) if isinstance(y, str) else y for y, axis in zip(x, axes)] + x[len(axes):]

    environment = data["environment"]
    for key in AXES.keys() & environment.keys():
        rows = environment[key]
        if all(isinstance(x, list) and not any(isinstance(y, list) or y is None for y in x) for x in rows) and (
                environment["kind"] == "formulas" or key not in ("transitions", "rewards")
                or key == "transitions" and environment["kind"] == "fixed"):
            environment[key] = [entry(x, AXES[key]) for x in rows]

    def formulas_in(x):
        if isinstance(x, dict):
            return {key: formulas_in(y) for key, y in x.items()}
        return [formulas_in(y) for y in x] if isinstance(x, list) else within(x) if type(x) is str else x

    if environment["kind"] == "formulas":
        data["environment"] = formulas_in(environment)
    if "terminal" in data:
        data["terminal"] = [states.get(s, s) for s in data["terminal"]]
    return data


def rational_value(x, exact):
    """The number that a numeral denotes. A string ("1/6", "0.1") is always read exactly; a JSON number is the exact
    value of its double, or with `exact` the decimal as written."""
    if isinstance(x, Literal) and not exact:
        return Fraction(float(x))
    return Fraction(x)


def is_rational(data, exact):
    """Whether the answer is made of rational numbers: no logits, no entropy, and a response that is rational in pi
    (or, for the exponential family, in the weights)."""
    if rational_value(data.get("entropy", "0"), exact) != 0 or data["policy"]["kind"] not in ("weights", "probabilities"):
        return False
    environment = data["environment"]
    if environment["kind"] == "exponential-family":
        return ("base_weights" in environment and rational_value(environment["reward"]["slope"], exact) == 0
                and all(rational_value(x, exact).denominator == 1 for x in environment["psi"]))
    if environment["kind"] == "formulas":
        return formulas.is_rational(environment)
    return environment["kind"] in ("fixed", "affine", "explicit", "coin", "loan")


class Problem:
    """A problem, its numbers lifted into the arithmetic that it needs: Fraction or Decimal."""

    def __init__(self, text, exact=False, digits=None):
        self.text, self.data = text, load(text)
        data = self.data
        if "names" in data:
            self.data = data = numbered(data)
        self.exact = exact
        self.rational = is_rational(data, exact)
        if not self.rational:
            getcontext().prec = digits or (GRID_DIGITS if data["environment"]["kind"] == "gridworld" else DIGITS)
        self.gamma = self.number(data["gamma"])
        self.entropy = self.number(data.get("entropy", "0"))
        self.terminal = {int(s) for s in data.get("terminal", [])}
        self.available = available_actions(data, self.terminal)
        self.policy = POLICIES[data["policy"]["kind"]](self, data["policy"])
        environment, next_rewards = without_next_rewards(dense(data["environment"], self.available, self.terminal, exact))
        self.environment = ENVIRONMENTS[environment["kind"]](self, environment)
        if self.terminal or self.gamma == 1 or not all(map(all, self.available)):
            self.environment = Ending(self.environment, self)
        if next_rewards is not None:
            self.environment = NextRewards(self.environment, self.numbers(next_rewards))
        self.initial = self.numbers(data["initial"]) if "initial" in data else self.environment.initial()
        if self.gamma == 1 and environment["kind"] == "fixed":
            self.terminal |= self.resting()

    def entropy_in(self, s):
        """lambda, which a terminal state does not pay."""
        return 0 if s in self.terminal else self.entropy

    def resting(self):
        """The states in which every action stays for certain and pays nothing, entropy included: nothing comes after them."""
        P, r = self.environment.response(self.policy)
        own = [[a for a, has in enumerate(row) if has] for row in self.available]
        return {s for s, actions in enumerate(own)
                if actions and all(P[s][a] == {s: 1} and r[s][a] == 0 for a in actions) and (self.entropy == 0 or len(actions) == 1)}

    def table(self, rows):
        """A policy's table, None where an action is missing."""
        return [[self.numbers(rows[s][a]) if has else None for a, has in enumerate(row)] for s, row in enumerate(self.available)]

    def lift(self, q):
        return q if self.rational else Decimal(q.numerator) / Decimal(q.denominator)

    def number(self, x):
        return self.lift(rational_value(x, self.exact))

    def numbers(self, x):
        return [self.numbers(y) for y in x] if isinstance(x, list) else self.number(x)


# -------------------------------------------------------------------------------- missing actions, terminal states

def entry(rows, s, a):
    """rows[s][a]; None where the row ends before it, or is null itself."""
    return rows[s][a] if rows[s] is not None and a < len(rows[s]) else None


def is_sparse(transitions):
    """Whether transitions are entries [s, a, t, p]: no element of an element is an array or null."""
    return all(isinstance(row, list) and not any(x is None or isinstance(x, list) for x in row) for row in transitions)


def available_actions(data, terminal):
    """Which actions each state has. The rows of transitions of a terminal state are not asked."""
    policy, environment = data["policy"], data["environment"]
    rows = policy[{"softmax": "logits", "log-linear": "features"}.get(policy["kind"], "values")]
    everywhere, going_on = [rows], []
    if environment["kind"] != "formulas":
        everywhere += [x for x in (environment.get("rewards"), environment.get("reward", {}).get("base")) if x is not None]
        going_on += [environment[key] for key in ("transitions", "base_logits", "base_weights")
                     if key in environment and not is_sparse(environment[key])]
    if "available" in data:
        everywhere.append([[None if str(x) in ("0", "False") else x for x in row] for row in data["available"]])
    return [[all(entry(table, s, a) is not None for table in everywhere + ([] if s in terminal else going_on))
             for a in range(max(len(row or []) for row in rows))] for s in range(len(rows))]


def dense(environment, available, terminal, exact):
    """An environment's tables with an entry for every pair, 0 where nothing is read; entries as tables, where repeated rewards add up."""
    pairs = [[(s, a) for a in range(len(row))] for s, row in enumerate(available)]
    no_row = [Literal("0")] * len(available)
    result = dict(environment)
    if environment["kind"] == "formulas":
        return result

    def is_read(key, s, a):
        return available[s][a] and (key == "rewards" or s not in terminal)

    def filled(key, table, nothing):
        return [[entry(table, s, a) if is_read(key, s, a) else nothing for s, a in row] for row in pairs]

    for key in ("transitions", "base_logits", "base_weights"):
        if key in environment and not (key == "transitions" and is_sparse(environment[key])):
            result[key] = filled(key, environment[key], no_row)
    if "transitions" in environment and is_sparse(environment["transitions"]):
        result["transitions"] = [[list(no_row) for _ in row] for row in pairs]
        for s, a, t, p in environment["transitions"]:
            if is_read("transitions", int(s), int(a)):
                result["transitions"][int(s)][int(a)][int(t)] = p
    if "next_rewards" in environment:
        result["next_rewards"] = [[list(no_row) for _ in row] for row in pairs]
        for s, a, t, r in environment["next_rewards"]:
            row = result["next_rewards"][int(s)][int(a)]
            row[int(t)] = rational_value(row[int(t)], exact) + rational_value(r, exact)
    rewards = environment.get("rewards", environment.get("reward", {}).get("base"))
    if rewards is None and "next_rewards" not in environment:
        return result
    by_next = rewards is not None and any(isinstance(x, list) for row in rewards for x in row or [])
    rewards = filled("rewards", rewards, no_row if by_next else Literal("0")) if rewards is not None else [
        [Literal("0") for _ in row] for row in pairs]
    return result | ({"reward": environment["reward"] | {"base": rewards}} if "reward" in environment else {"rewards": rewards})


# ---------------------------------------------------------------------------------------------------- policies
#
# probabilities()      pi[s][a]
# log_probabilities()  log pi[s][a], None where pi is 0
# tangent(k)           {(s, a): d pi(a|s) / d theta_k}, nonzero entries only
# moved(k, h)          the policy at theta_k + h (weights: w_k (1 + h), which agrees with theta_k + h to first order)
# lost(k)              whether the parameter belongs to an action that its state does not have; pi does not depend on it
# theta(s, a)          the parameter of a pair, and power(s, a, x) = exp(x theta(s, a)), for the exponential family

class Policy:
    def changed(self, **fields):
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **fields)
        return other

    def log_probabilities(self):
        return [[p.ln() if p > 0 else None for p in row] for row in self.probabilities()]

    def lost(self, k):
        s, a = divmod(k, self.actions)
        return not self.available[s][a]


class Softmax(Policy):
    def __init__(self, problem, data):
        self.logits, self.available = problem.table(data["logits"]), problem.available
        self.actions = len(self.logits[0])
        self.parameters = len(self.logits) * self.actions
        self.shift = {}

    def probabilities(self):
        return [softmax(row) for row in self.logits]

    def log_probabilities(self):
        rows = []
        for row in self.logits:
            own = [x for x in row if x is not None]
            top = max(own, default=None)
            total = top + sum((x - top).exp() for x in own).ln() if own else None
            rows.append([None if x is None else x - total for x in row])
        return rows

    def tangent(self, k):
        if self.lost(k):
            return {}
        s, b = divmod(k, self.actions)
        pi = softmax(self.logits[s])
        return {(s, a): pi[a] * ((a == b) - pi[b]) for a in range(self.actions) if self.available[s][a]}

    def moved(self, k, h):
        if self.lost(k):
            return self
        return self.changed(logits=with_entry(self.logits, divmod(k, self.actions), h), shift={k: h})

    def theta(self, s, a):
        return self.logits[s][a]

    def power(self, s, a, x):
        return (x * self.logits[s][a]).exp()


class LogLinear(Softmax):
    def __init__(self, problem, data):
        self.features, self.weights = problem.table(data["features"]), problem.numbers(data["theta"])
        self.available = problem.available
        self.actions, self.parameters, self.shift = len(self.features[0]), len(self.weights), {}
        self.set_logits()

    def set_logits(self):
        self.logits = [[None if f is None else sum((x * t for x, t in zip(f, self.weights)), Decimal(0)) for f in row]
                       for row in self.features]

    def lost(self, k):
        return False

    def tangent(self, k):
        entries = {}
        for s, row in enumerate(self.features):
            pi = softmax(self.logits[s])
            mean = sum(p * f[k] for p, f in zip(pi, row) if f is not None)
            entries.update({(s, a): pi[a] * (f[k] - mean) for a, f in enumerate(row) if f is not None})
        return entries

    def moved(self, k, h):
        other = self.changed(weights=[t + h * (i == k) for i, t in enumerate(self.weights)], shift={k: h})
        other.set_logits()
        return other


class Weights(Policy):
    def __init__(self, problem, data):
        self.values, self.available = problem.table(data["values"]), problem.available
        self.actions = len(self.values[0])
        self.parameters = len(self.values) * self.actions
        self.shift, self.zero = {}, problem.lift(Fraction(0))

    def probabilities(self):
        return [[self.zero if w is None else w / sum(x for x in row if x is not None) for w in row] for row in self.values]

    def tangent(self, k):
        if self.lost(k):
            return {}
        s, b = divmod(k, self.actions)
        row = {a: w for a, w in enumerate(self.values[s]) if w is not None}
        total = sum(row.values())
        return {(s, a): row[b] * ((total if a == b else 0) - w) / total ** 2 for a, w in row.items()}

    def moved(self, k, h):
        if self.lost(k):
            return self
        s, a = divmod(k, self.actions)
        return self.changed(values=with_entry(self.values, (s, a), self.values[s][a] * h), shift={k: h})

    def theta(self, s, a):
        return self.values[s][a].ln()

    def power(self, s, a, x):
        if x == int(x):
            return self.values[s][a] ** int(x)
        return (x * self.theta(s, a)).exp()


class Probabilities(Policy):
    def __init__(self, problem, data):
        self.available, self.one = problem.available, problem.lift(Fraction(1))
        self.values = [[self.one - self.one if x is None else x for x in row] for row in problem.table(data["values"])]
        self.actions = len(self.values[0])
        self.parameters = len(self.values) * self.actions
        self.shift = {}

    def probabilities(self):
        return self.values

    def tangent(self, k):
        return {divmod(k, self.actions): self.one}

    def moved(self, k, h):
        return self.changed(values=with_entry(self.values, divmod(k, self.actions), h), shift={k: h})


POLICIES = {"softmax": Softmax, "log-linear": LogLinear, "weights": Weights, "probabilities": Probabilities}


def softmax(logits):
    """The softmax of those that are there, 0 for None; all 0 where there is none."""
    weights = exponentials(logits)
    total = sum(weights) or Decimal(1)
    return [w / total for w in weights]


def with_entry(rows, index, h):
    """A copy of rows[s][a] with h added at one entry."""
    return [[x + h if (s, a) == index else x for a, x in enumerate(row)] for s, row in enumerate(rows)]


# ------------------------------------------------------------------------------------------------ environments
#
# response(policy)          P[s][a] = {t: probability}, r[s][a]
# tangent(policy, k, dpi)   {(s, a): {t: dP}}, {(s, a): dr}: derivatives along parameter k, on which pi moves by dpi
# kinks                     where the response is not differentiable, known after tangent() of every k
# undetermined              the gradient's entries that a kink leaves open

class Environment:
    kinks, undetermined = (), ()


def exponentials(logits):
    """exp of logits less the largest, 0 for None."""
    top = max((x for x in logits if x is not None), default=None)
    return [Decimal(0) if x is None else (x - top).exp() for x in logits]


def sparse(rows):
    """P[s][a][t] as P[s][a] = {t: probability}."""
    return [[{t: p for t, p in enumerate(row) if p != 0} for row in state] for state in rows]


class Fixed(Environment):
    def __init__(self, problem, data):
        self.transitions, self.rewards = sparse(problem.numbers(data["transitions"])), problem.numbers(data["rewards"])

    def response(self, policy):
        return self.transitions, self.rewards

    def tangent(self, policy, k, dpi):
        return {}, {}


class ExponentialFamily(Environment):
    """P(t|s,a) proportional to base[s,a,t] exp(psi[t] theta[s,a]); r = base + slope theta, clipped."""

    def __init__(self, problem, data):
        self.psi = problem.numbers(data["psi"])
        reward = data["reward"]
        self.base = problem.numbers(reward["base"])
        self.slope = problem.number(reward["slope"])
        self.clip = None if reward.get("clip") is None else problem.number(reward["clip"])
        states, actions = len(self.base), len(self.base[0])
        if "base_weights" in data:
            self.weights = problem.numbers(data["base_weights"])
        else:
            logits = data.get("base_logits", [[[Literal("0")] * states] * actions] * states)
            self.weights = [[exponentials([None if x is None else problem.number(x) for x in row]) for row in state]
                            for state in logits]
        self.kinks, self.undetermined = [], []

    def row(self, policy, s, a):
        if not policy.available[s][a]:
            return {}
        weights = {t: w * policy.power(s, a, self.psi[t]) for t, w in enumerate(self.weights[s][a]) if w != 0}
        total = sum(weights.values())
        return {t: w / total for t, w in weights.items()}

    def reward(self, policy, s, a):
        """The clipped reward and its derivative; exactly at the clip the derivative is taken as 0."""
        raw = self.base[s][a] + (self.slope * policy.theta(s, a) if self.slope and policy.available[s][a] else 0)
        if self.clip is None or abs(raw) < self.clip:
            return raw, self.slope
        if self.slope and abs(abs(raw) - self.clip) <= self.clip * Decimal(10) ** (10 - getcontext().prec):
            if {"clip": [s, a]} not in self.kinks:
                self.kinks.append({"clip": [s, a]})
                self.undetermined.append(s * len(self.base[0]) + a)
        return (self.clip if raw > 0 else -self.clip), 0

    def response(self, policy):
        pairs = [[(s, a) for a in range(len(row))] for s, row in enumerate(self.base)]
        return ([[self.row(policy, *pair) for pair in row] for row in pairs],
                [[self.reward(policy, *pair)[0] for pair in row] for row in pairs])

    def tangent(self, policy, k, dpi):
        s, a = divmod(k, len(self.base[0]))
        if policy.lost(k):
            return {}, {}
        row = self.row(policy, s, a)
        mean = sum(p * self.psi[t] for t, p in row.items())
        return ({(s, a): {t: p * (self.psi[t] - mean) for t, p in row.items()}},
                {(s, a): self.reward(policy, s, a)[1]})


class Affine(Environment):
    """P and r are affine in the policy's probabilities."""

    def __init__(self, problem, data):
        self.transitions, self.rewards = problem.numbers(data["transitions"]), problem.numbers(data["rewards"])
        self.transition_slopes = [([int(i) for i in e[:5]], problem.number(e[5])) for e in data.get("transition_slopes", [])]
        self.reward_slopes = [([int(i) for i in e[:4]], problem.number(e[4])) for e in data.get("reward_slopes", [])]

    def response(self, policy):
        pi = policy.probabilities()
        p = [[list(row) for row in state] for state in self.transitions]
        r = [list(row) for row in self.rewards]
        for (s, a, t, s2, a2), m in self.transition_slopes:
            p[s][a][t] += m * pi[s2][a2]
        for (s, a, s2, a2), n in self.reward_slopes:
            r[s][a] += n * pi[s2][a2]
        return sparse(p), r

    def tangent(self, policy, k, dpi):
        dp, dr = {}, {}
        for (s, a, t, s2, a2), m in self.transition_slopes:
            row = dp.setdefault((s, a), {})
            row[t] = row.get(t, 0) + m * dpi.get((s2, a2), 0)
        for (s, a, s2, a2), n in self.reward_slopes:
            dr[s, a] = dr.get((s, a), 0) + n * dpi.get((s2, a2), 0)
        return dp, dr


class Explicit(Environment):
    """P and r at a point, with their derivatives there; away from the point they are continued linearly, which is
    what a finite difference across the point needs."""

    def __init__(self, problem, data):
        self.transitions, self.rewards = problem.numbers(data["transitions"]), problem.numbers(data["rewards"])
        self.dp, self.dr = {}, {}
        for s, a, t, k, value in data.get("transition_jacobian", []):
            self.dp.setdefault(int(k), {}).setdefault((int(s), int(a)), {})[int(t)] = problem.number(value)
        for s, a, k, value in data.get("reward_jacobian", []):
            self.dr.setdefault(int(k), {})[int(s), int(a)] = problem.number(value)

    def response(self, policy):
        p = [[list(row) for row in state] for state in self.transitions]
        r = [list(row) for row in self.rewards]
        for k, h in policy.shift.items():
            for (s, a), row in self.dp.get(k, {}).items():
                for t, x in row.items():
                    p[s][a][t] += h * x
            for (s, a), x in self.dr.get(k, {}).items():
                r[s][a] += h * x
        return sparse(p), r

    def tangent(self, policy, k, dpi):
        return self.dp.get(k, {}), self.dr.get(k, {})


class Coin(Environment):
    """One state, two actions, x = (pi(0) - pi(1))/2, reward -PR(x) with PR(x) = 1/4 - 2 mu x + (1 - 2 epsilon) x^2."""

    def __init__(self, problem, data):
        self.mu, self.epsilon = problem.number(data["mu"]), problem.number(data["epsilon"])
        self.quarter = problem.lift(Fraction(1, 4))

    def initial(self):
        return [1]

    def response(self, policy):
        (p0, p1), = policy.probabilities()
        x = (p0 - p1) / 2
        risk = self.quarter - 2 * self.mu * x + (1 - 2 * self.epsilon) * x * x
        return [[{0: 1}, {0: 1}]], [[-risk, -risk]]

    def tangent(self, policy, k, dpi):
        (p0, p1), = policy.probabilities()
        twice_dx = dpi.get((0, 0), 0) - dpi.get((0, 1), 0)
        slope = (self.mu - (1 - 2 * self.epsilon) * (p0 - p1) / 2) * twice_dx
        return {}, {(0, 0): slope, (0, 1): slope}


class Loan(Environment):
    """Action 0 approves, 1 declines; an approved loan is repaid with probability q(p) = q0 - c p, p = pi(0|0)."""

    def __init__(self, problem, data):
        self.bandit = data["form"] == "bandit"
        self.q0, self.c, self.gain, self.loss = (problem.number(data[key]) for key in ("q0", "c", "gain", "loss"))

    def initial(self):
        return [1] if self.bandit else [1, 0, 0, 0]

    def response(self, policy):
        q = self.q0 - self.c * policy.probabilities()[0][0]
        if self.bandit:
            return [[{0: 1}, {0: 1}]], [[q * self.gain - (1 - q) * self.loss, q * 0]]
        home = [{0: 1}, {0: 1}]
        return [[{1: q, 2: 1 - q}, {3: 1}], home, home, home], [[r, r] for r in (0, self.gain, -self.loss, 0)]

    def tangent(self, policy, k, dpi):
        dq = -self.c * dpi.get((0, 0), 0)
        if self.bandit:
            return {}, {(0, 0): (self.gain + self.loss) * dq}
        return {(0, 0): {1: dq, 2: -dq}}, {}


class Gridworld(Environment):
    """The two-agent grid, 8 x 8 or given: followers answer the learner's policy optimally, their averaged action values make a
    softmax response, and the response overrides (actions 0..3) or leaves alone (action 4) the learner's move."""

    ROWS = "........ ..f.h... ...h..f. .f...h.f ...h..f. .hh.f.h. .h..h.h. ...h.f.g".split()
    CELLS = [{".": -0.01, "f": -0.02, "h": -0.5, "g": 1.0}[c] for row in ROWS for c in row]
    MOVES = [(0, -1), (0, 1), (-1, 0), (1, 0)]
    INTERVENTION = 0.05
    frozen = False                   # a known mistake: the followers' values held fixed while pi is differentiated

    def __init__(self, problem, data):
        self.gamma, self.beta = problem.gamma, problem.number(data["beta"])
        self.rows = self.columns = 8
        self.cells = [Decimal(x) for x in self.CELLS]
        given = data.get("perturbed_grids")
        # one grid of another shape is the learner's too
        own = data.get("cells", given[0] if given and len(given) == 1 and (len(given[0]), len(given[0][0])) != (8, 8) else None)
        if own is not None:
            self.rows, self.columns = len(own), len(own[0])
            self.cells = [problem.number(x) for row in own for x in row]
        self.S = len(self.cells)
        self.ends = {int(x) for x in data["terminal"]} if "terminal" in data else {self.S - 1}
        self.inner = [s for s in range(self.S) if s not in self.ends]
        self.first = [s for s in range(self.S) if s < self.columns or s % self.columns == 0]
        self.cost = problem.number(data["intervention_cost"]) if "intervention_cost" in data else Decimal(self.INTERVENTION)
        if given is not None:
            self.grids = [[problem.number(x) for row in grid for x in row] for grid in given]
        else:
            eps = rational_value(data["eps"], problem.exact)
            draws = [numpy_grids.perturbation(f, eps, self.rows, self.columns, self.ends) for f in range(int(data["followers"]))]
            self.grids = [[cell if c == 0 else Decimal(numpy_grids.CHOICES[c - 1]) for cell, c in zip(self.cells, draw)]
                          for draw in draws]
        self.solved = None

    def initial(self):
        starts = [s for s in self.first if s not in self.ends]
        return [Decimal(1) / len(starts) if s in starts else Decimal(0) for s in range(self.S)]

    def next(self, s, move):
        i, j = s // self.columns + self.MOVES[move][0], s % self.columns + self.MOVES[move][1]
        return self.columns * i + j if 0 <= i < self.rows and 0 <= j < self.columns else s

    def follower_values(self, grid, pi, u):
        """Q[s][b] of a follower whose state values are u."""
        q = [[Decimal(0)] * 5 for _ in range(self.S)]
        for s in self.inner:
            steps = [grid[t] + self.gamma * u[t] for t in (self.next(s, a) for a in range(4))]
            q[s] = [x - self.cost for x in steps] + [sum(p * x for p, x in zip(pi[s], steps))]
        return q

    def best_response(self, grid, pi):
        """Exact policy iteration: the optimal values u, Q, the set of optimal actions in each state (a tie is a gap
        of 0 up to the last digits), the policy taken (of tied actions the first) and its resolvent. A float sweep only
        chooses where to start."""
        small = Decimal(10) ** (60 - getcontext().prec)
        g, fpi, fgrid = float(self.gamma), [[float(p) for p in row] for row in pi], [float(x) for x in grid]
        fu, moves = [0.0] * self.S, [[self.next(s, a) for a in range(4)] for s in range(self.S)]
        for _ in range(400):
            for s in self.inner:
                steps = [fgrid[t] + g * fu[t] for t in moves[s]]
                fq = [x - float(self.cost) for x in steps] + [sum(p * x for p, x in zip(fpi[s], steps))]
                fu[s] = max(fq)
        choice = [max(range(5), key=q.__getitem__) for q in self.follower_values(grid, pi, [Decimal(x) for x in fu])]
        while True:
            matrix, reward = [], []
            for s in range(self.S):
                row = [Decimal(int(t == s)) for t in range(self.S)]
                mix = [] if s in self.ends else enumerate(pi[s]) if choice[s] == 4 else [(choice[s], Decimal(1))]
                gained = Decimal(0)
                for a, p in mix:
                    t = self.next(s, a)
                    row[t] -= self.gamma * p
                    gained += p * (grid[t] - (0 if choice[s] == 4 else self.cost))
                matrix.append(row)
                reward.append(gained)
            resolvent = inverse(matrix)
            u = [dot(row, reward) for row in resolvent]
            q = self.follower_values(grid, pi, u)
            better = [b for s in range(self.S) for b in range(5) if q[s][b] - q[s][choice[s]] > small]
            ties = [[b for b in range(5) if max(row) - row[b] <= small] for row in q]
            first = [t[0] for t in ties]
            if not better and choice == first:
                return u, q, ties, choice, resolvent
            choice = first

    def induced(self, response):
        """The learner's P and r when the response agent acts by response[s][b]."""
        p = [[{s: Decimal(1)} if s in self.ends else {} for _ in range(4)] for s in range(self.S)]
        r = [[Decimal(0)] * 4 for _ in range(self.S)]
        for s in self.inner:
            for a in range(4):
                for b in range(5):
                    t = self.next(s, a if b == 4 else b)
                    p[s][a][t] = p[s][a].get(t, 0) + response[s][b]
                    r[s][a] += response[s][b] * self.cells[t]
        return p, r

    def response(self, policy):
        pi = policy.probabilities()
        answers = [self.best_response(grid, pi) for grid in self.grids]
        mean = [[sum(x[1][s][b] for x in answers) / len(answers) for b in range(5)] for s in range(self.S)]
        response = [softmax([self.beta * x for x in row]) for row in mean]
        self.solved, self.pi, self.answers, self.agent = policy, pi, answers, response
        self.kinks, self.undetermined = [], []
        return self.induced(response)

    def tangent(self, policy, k, dpi):
        if self.solved is not policy:
            self.response(policy)
        dq = [[Decimal(0)] * 5 for _ in range(self.S)]
        for f, (grid, (u, _, ties, choice, resolvent)) in enumerate(zip(self.grids, self.answers)):
            # d u = N_f (derivative of the chosen actions' one-step values at fixed u); only action 4 sees pi directly
            direct = [Decimal(0)] * self.S
            for (s, a), x in dpi.items():
                if s not in self.ends:
                    direct[s] += x * (grid[self.next(s, a)] + self.gamma * u[self.next(s, a)])
            sources = [s for s in self.inner if choice[s] == 4 and direct[s] != 0]
            sources = [] if self.frozen else sources
            du = [sum((resolvent[s][t] * direct[t] for t in sources), Decimal(0)) for s in range(self.S)]
            for s in self.inner:
                row = [self.gamma * du[self.next(s, b)] for b in range(4)]
                row.append(direct[s] + sum(p * x for p, x in zip(self.pi[s], row)))
                for b in range(5):
                    dq[s][b] += row[b] / len(self.grids)
                if any(abs(row[b] - row[ties[s][0]]) > Decimal(10) ** (100 - getcontext().prec) for b in ties[s]):
                    kink = {"follower": f, "state": s, "actions": ties[s], "gap": 0.0}
                    if kink not in self.kinks:
                        self.kinks.append(kink)
                    if k not in self.undetermined:
                        self.undetermined.append(k)
        dp, dr = {}, {}
        for s in self.inner:
            mean = sum(x * y for x, y in zip(self.agent[s], dq[s]))
            dagent = [self.beta * x * (y - mean) for x, y in zip(self.agent[s], dq[s])]
            if not any(dagent):
                continue
            for a in range(4):
                row, gained = {}, Decimal(0)
                for b in range(5):
                    t = self.next(s, a if b == 4 else b)
                    row[t] = row.get(t, 0) + dagent[b]
                    gained += dagent[b] * self.cells[t]
                dp[s, a], dr[s, a] = row, gained
        return dp, dr


def without_next_rewards(environment):
    """An environment whose rewards have an entry for each next state without them, and these; or itself and None."""
    is_family = environment["kind"] == "exponential-family"
    rewards = environment["reward"]["base"] if is_family else environment.get("rewards")
    if "next_rewards" in environment and environment["kind"] == "fixed":
        return environment, environment["next_rewards"]
    if environment["kind"] == "formulas" or rewards is None or not isinstance(rewards[0][0], list):
        return environment, None
    none = [[Literal("0")] * len(row) for row in rewards]
    own = {"reward": environment["reward"] | {"base": none}} if is_family else {"rewards": none}
    return environment | own, rewards


class Around(Environment):
    """An environment that changes what another one does."""

    @property
    def kinks(self):
        return self.environment.kinks

    @property
    def undetermined(self):
        return self.environment.undetermined


class Ending(Around):
    """An environment in which nothing follows terminal states, and actions that a state does not have do nothing."""

    def __init__(self, environment, problem):
        self.environment, self.terminal, self.available = environment, problem.terminal, problem.available

    def __getattr__(self, name):
        return getattr(self.environment, name)

    def response(self, policy):
        p, r = self.environment.response(policy)
        return ([[row if has and s not in self.terminal else {} for row, has in zip(state, self.available[s])]
                 for s, state in enumerate(p)],
                [[x if has else x * 0 for x, has in zip(row, self.available[s])] for s, row in enumerate(r)])

    def tangent(self, policy, k, dpi):
        if policy.lost(k):
            return {}, {}
        dp, dr = self.environment.tangent(policy, k, dpi)
        return ({(s, a): row for (s, a), row in dp.items() if self.available[s][a] and s not in self.terminal},
                {(s, a): x for (s, a), x in dr.items() if self.available[s][a]})


class NextRewards(Around):
    """Rewards r(s,a,t) beside those of an environment: their means under its transitions count."""

    def __init__(self, environment, rewards):
        self.environment, self.rewards = environment, rewards
        self.initial = getattr(environment, "initial", None)

    def mean(self, s, a, row):
        return sum(p * self.rewards[s][a][t] for t, p in row.items())

    def response(self, policy):
        p, r = self.environment.response(policy)
        return p, [[x + self.mean(s, a, p[s][a]) for a, x in enumerate(row)] for s, row in enumerate(r)]

    def tangent(self, policy, k, dpi):
        dp, dr = self.environment.tangent(policy, k, dpi)
        dr = dict(dr)
        for (s, a), row in dp.items():
            dr[s, a] = dr.get((s, a), 0) + self.mean(s, a, row)
        return dp, dr


ENVIRONMENTS = {"fixed": Fixed, "exponential-family": ExponentialFamily, "affine": Affine, "explicit": Explicit,
                "coin": Coin, "loan": Loan, "gridworld": Gridworld,
                "formulas": lambda problem, data: formulas.Formulas(problem, data, Literal)}


# -------------------------------------------------------------------------------------------------- evaluation

def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


def inverse(matrix):
    """Gauss-Jordan elimination with the largest pivot of each column."""
    n = len(matrix)
    one = matrix[0][0] * 0 + 1
    rows = [list(row) + [one if i == j else one - one for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        best = max(range(i, n), key=lambda j: abs(rows[j][i]))
        rows[i], rows[best] = rows[best], rows[i]
        pivot = rows[i][i]
        rows[i] = [x / pivot if x else x for x in rows[i]]
        support = [c for c, x in enumerate(rows[i]) if x]
        for j in range(n):
            factor = rows[j][i]
            if j != i and factor:
                row, base = rows[j], rows[i]
                for c in support:
                    row[c] -= factor * base[c]
    return [row[n:] for row in rows]


class Evaluation:
    """Everything at one policy: pi, log_pi, P, r, soft rewards, V, Q, d and J."""

    def __init__(self, problem, policy=None):
        self.problem, self.policy = problem, policy or problem.policy
        gamma, lam = problem.gamma, problem.entropy
        self.pi = pi = self.policy.probabilities()
        self.P, self.r = problem.environment.response(self.policy)
        self.S, self.A = len(pi), len(pi[0])
        zero = gamma * 0
        log_pi = self.policy.log_probabilities() if lam else None
        # r - lambda log pi; None where pi = 0 (and lambda > 0): there it is infinite, and pi log pi counts as 0;
        # and where an action is missing. A terminal state pays no entropy.
        self.lam = problem.entropy_in
        self.soft = [[None if not problem.available[s][a] else self.r[s][a] if not self.lam(s) else
                      None if log_pi[s][a] is None else self.r[s][a] - self.lam(s) * log_pi[s][a]
                      for a in range(self.A)] for s in range(self.S)]
        matrix = [[zero + (s == t) for t in range(self.S)] for s in range(self.S)]
        for s in range(self.S):
            for a in range(self.A):
                for t, p in self.P[s][a].items():
                    matrix[s][t] -= gamma * pi[s][a] * p
        self.N = inverse(matrix)
        self.V = [dot(row, [zero + sum(p * x for p, x in zip(pi[s], self.soft[s]) if x is not None)
                            for s in range(self.S)]) for row in self.N]
        self.PV = [[sum((p * self.V[t] for t, p in row.items()), zero) for row in state] for state in self.P]
        self.Q = [[None if x is None else x + gamma * y for x, y in zip(*rows)] for rows in zip(self.soft, self.PV)]
        self.d = [sum(problem.initial[s] * self.N[s][t] for s in range(self.S)) for t in range(self.S)]
        self.occupancy = [[self.d[s] * p for p in pi[s]] for s in range(self.S)]
        self.value = dot(problem.initial, self.V)

    def tangents(self, k):
        dpi = self.policy.tangent(k)
        return (dpi,) + self.problem.environment.tangent(self.policy, k, dpi)

    def derivative(self, k, tangents):
        """dJ along parameter k, by differentiating the linear system; None where it is infinite."""
        dpi, dP, dr = tangents
        gamma = self.problem.gamma
        source = [gamma * 0] * self.S                                          # dr_pi + gamma dP_pi V
        for (s, a), x in dpi.items():
            if self.soft[s][a] is None:
                return None
            source[s] += x * (self.soft[s][a] - self.lam(s) + gamma * self.PV[s][a])    # d(-pi log pi) = -(log pi + 1) dpi
        for (s, a), x in dr.items():
            source[s] += self.pi[s][a] * x
        for (s, a), row in dP.items():
            source[s] += self.pi[s][a] * gamma * sum(x * self.V[t] for t, x in row.items())
        where = [s for s in range(self.S) if source[s]]
        dV = [sum((row[s] * source[s] for s in where), gamma * 0) for row in self.N]
        return dot(self.problem.initial, dV)

    def terms(self, tangents):
        """The four occupancy-weighted sums of the derivative along one parameter."""
        dpi, dP, dr = tangents
        gamma, zero = self.problem.gamma, self.problem.gamma * 0
        infinite = any(self.Q[s][a] is None for s, a in dpi)
        return {"policy": None if infinite else sum((self.d[s] * x * self.Q[s][a] for (s, a), x in dpi.items()), zero),
                "transition": sum((self.occupancy[s][a] * gamma * x * self.V[t]
                                   for (s, a), row in dP.items() for t, x in row.items()), zero),
                "reward": sum((self.occupancy[s][a] * x for (s, a), x in dr.items()), zero),
                "entropy": sum((-self.lam(s) * self.d[s] * x for (s, a), x in dpi.items() if self.problem.available[s][a]), zero)}

    def answer(self):
        """The numbers of a pemdp-answer/1, still in the problem's arithmetic."""
        gradient, terms = [], {"policy": [], "transition": [], "reward": [], "entropy": []}
        for k in range(self.policy.parameters):
            tangents = self.tangents(k)
            gradient.append(self.derivative(k, tangents))
            for name, x in self.terms(tangents).items():
                terms[name].append(x)
        size = self.scale()
        for k, total in enumerate(gradient):
            parts = [terms[name][k] for name in terms]
            assert (total is None) == (None in parts), k
            if total is not None:
                error = abs(total - sum(parts))
                assert error == 0 if self.problem.rational else error <= size * Decimal(10) ** (60 - getcontext().prec), k
        result = {"value": self.value, "state_values": self.V, "action_values": self.Q, "occupancy": self.occupancy,
                  "gradient": gradient, "gradient_terms": terms, "smooth": not self.problem.environment.kinks}
        if self.problem.environment.kinks:
            result["kink"] = list(self.problem.environment.kinks)
        return result

    def scale(self):
        """A size to hold errors of derivatives against: (largest soft reward + lambda) c^3."""
        largest = max([abs(x) for row in self.soft for x in row if x is not None] + [self.problem.entropy])
        return (largest or 1) * self.steps() ** 3

    def steps(self):
        """c = 1 / (1 - gamma), the number of steps that count; without discounting the most expected steps from a state to the end."""
        return 1 / (1 - self.problem.gamma) if self.problem.gamma != 1 else max(map(sum, self.N))


def nearest(x):
    """Numbers to the nearest doubles, through lists and objects."""
    if isinstance(x, dict):
        return {key: nearest(y) for key, y in x.items()}
    if isinstance(x, list):
        return [nearest(y) for y in x]
    return float(x) + 0.0 if isinstance(x, (Fraction, Decimal)) or type(x) is int else x


def fractions(x):
    """Numbers as fractions in lowest terms, as strings."""
    if isinstance(x, dict):
        return {key: fractions(y) for key, y in x.items()}
    if isinstance(x, list):
        return [fractions(y) for y in x]
    return str(x) if isinstance(x, Fraction) or type(x) is int else x


def presented(answer, rule):
    """An answer's numbers by `nearest` or `fractions`; the indices in `kink` are left alone."""
    return {key: x if key == "kink" else rule(x) for key, x in answer.items()}


def solve(text, exact=False, digits=None):
    """The answer to a problem's text: doubles, and with `exact` fractions."""
    return presented(Evaluation(Problem(text, exact, digits)).answer(), fractions if exact else nearest)


def main(arguments):
    if arguments[:1] in (["--regenerate"], ["--check"]):
        import generate
        return generate.run(check=arguments[0] == "--check", only=tuple(arguments[1:]))
    exact = "--exact" in arguments
    files = [x for x in arguments if x != "--exact"]
    if len(files) != 1 or files[0].startswith("--"):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    if files[0] == "-":
        text = sys.stdin.read()
    else:
        with open(files[0], encoding="utf-8") as file:
            text = file.read()
    if exact and not is_rational(load(text), exact):
        print("--exact: this problem is not rational", file=sys.stderr)
        return 2
    print(json.dumps({"format": "pemdp-answer/1"} | solve(text, exact)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
