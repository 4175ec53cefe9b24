#!/usr/bin/env python3
"""An independent evaluation of performative Markov decision problems (`pemdp-problem/1`). Python 3.10, python-flint.

    evaluate.py PROBLEM.json [--exact]     print the answer to a problem ("-" reads standard input)

Rational problems are evaluated in fractions. All others are evaluated in balls (a centre and a radius that holds the true
number for certain) with ever more bits, until as many are certain as whoever asks needs. Nothing here is shared with the
program under test; the formulas are those of docs/theory/gradient.md and docs/theory/environments.md.

    P_pi[s,t] = sum_a pi(a|s) P[s,a,t]        V = N r_pi,  N = (I - gamma P_pi)^-1
    r_pi[s] = sum_a pi(a|s) (r[s,a] - lambda log pi(a|s))
    Q[s,a] = r[s,a] - lambda log pi(a|s) + gamma sum_t P[s,a,t] V[t]
    d = rho N,  d[s,a] = d[s] pi(a|s),  J = rho . V

The gradient comes by two routes. Its terms are sums weighted with the occupancy,

    policy     sum_s d[s] sum_a dpi(a|s) Q[s,a]
    transition sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]
    reward     sum_{s,a} d[s,a] dr[s,a]
    entropy    -lambda sum_s d[s] sum_a dpi(a|s)

where an environment turns the weights of dP and dr into weights of dpi (`pullback`). The whole gradient of a small problem
is also computed forwards, dV = N (dr_pi + gamma dP_pi V), from derivatives written out parameter by parameter
(`tangent`), and has to agree. In a terminal state P and lambda are 0; an action that a state does not have is None in the policy's table,
its pi is 0, its soft reward and Q are None (episodes.py).
"""
import json
import sys

from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

import episodes
import formulas
import gridworld
from numerals import LARGEST, Malformed, index, leaves, load, nearest, rational, tree

SMALL = 8                                     # states up to which the gradient is also computed forwards
FRACTION_BITS = 40_000                        # height of a rational problem beyond which balls are cheaper
FIRST_BITS, MOST_BITS = 192, 32_768
ZERO = fmpq(0)


class Balls:
    matrix = arb_mat
    rational = False
    lift = staticmethod(arb)

    @staticmethod
    def separate(x, y):
        """Whether two enclosures of one number contradict each other."""
        return not x.overlaps(y)


class Fractions:
    matrix = fmpq_mat
    rational = True

    @staticmethod
    def lift(x):
        return x if isinstance(x, fmpq) else fmpq(x)

    @staticmethod
    def separate(x, y):
        return x != y


# ---------------------------------------------------------------------------------------------------- policies
#
# numbers(arithmetic)  (pi[s][a], log pi[s][a] or None where pi is 0); the logarithms only where they are wanted
# tangent(k)           [((s, a), d pi(a|s) / d theta_k)], nonzero entries only
# theta(s, a)          the parameter of a pair, for the exponential family

class Policy:
    """A policy read from a file; `at` fixes the arithmetic."""

    normalised = True                                               # whether sum_a dpi(a|s) = 0 identically

    def __init__(self, table, parameters=None):
        self.table, self.n_states, self.n_actions = table, len(table), len(table[0])
        self.by_pair = parameters is None
        self.n_parameters = self.n_states * self.n_actions if parameters is None else parameters

    def at(self, arithmetic, logarithms):
        self.arithmetic = arithmetic
        self.pi = [self.row(row) for row in self.table]
        self.others = [[sum((p for c, p in enumerate(row) if c != a), arithmetic.lift(ZERO)) for a in range(len(row))]
                       for row in self.pi]
        self.log_pi = [self.logarithms(s) for s in range(self.n_states)] if logarithms else None

    def pair(self, k):
        return divmod(k, self.n_actions)

    def frozen(self, k):
        """Whether parameter k is that of an action that its state does not have."""
        s, a = self.pair(k) if self.by_pair else (0, 0)
        return self.by_pair and self.table[s][a] is None

    def tangent(self, k):
        """Of a normalised policy: d pi(a|s) / d theta[s,b] = pi(a) (1[a=b] - pi(b)), 1 - pi(b) by the other entries."""
        s, b = self.pair(k)
        pi = self.pi[s]
        if self.frozen(k):
            return []
        return [((s, a), pi[b] * self.others[s][b] if a == b else -pi[a] * pi[b])
                for a in range(self.n_actions) if self.table[s][a] is not None]


class Softmax(Policy):
    """`table` holds the logits; only their differences are exponentiated."""

    def __init__(self, data, number):
        super().__init__(tree(data["logits"], number))

    def exponentials(self, row):
        """exp of the logits less the largest, and that one; None where there is no action."""
        top = max((x for x in row if x is not None), default=None)
        return [None if x is None else self.arithmetic.lift(x - top).exp() for x in row], top

    def row(self, row):
        weights, _ = self.exponentials(row)
        total = sum((w for w in weights if w is not None), arb(0))
        return [arb(0) if w is None else w / total for w in weights]

    def logarithms(self, s):
        weights, top = self.exponentials(self.table[s])
        if top is None:
            return weights
        total = sum((w for w in weights if w is not None), arb(0)).log()
        return [None if x is None else self.arithmetic.lift(x - top) - total for x in self.table[s]]

    def theta(self, s, a):
        return self.arithmetic.lift(self.table[s][a])


class LogLinear(Softmax):
    """logits[s,a] = sum_k features[s,a,k] theta[k], exactly."""

    def __init__(self, data, number):
        self.features, weights = tree(data["features"], number), tree(data["theta"], number)
        if any(f is not None and len(f) != len(weights) for row in self.features for f in row):
            raise Malformed("features and theta differ in length")
        Policy.__init__(self, [[None if f is None else sum((x * t for x, t in zip(f, weights)), ZERO) for f in row]
                               for row in self.features], len(weights))

    def tangent(self, k):
        """d pi(a|s) / d theta_k = pi(a|s) sum_b pi(b|s) (f[s,a,k] - f[s,b,k])."""
        lift, entries = self.arithmetic.lift, []
        for s, row in enumerate(self.features):
            own = [(p, g) for p, g in zip(self.pi[s], row) if g is not None]
            for a, f in enumerate(row):
                if f is None:
                    continue
                slope = sum((p * lift(f[k] - g[k]) for p, g in own if f[k] != g[k]), lift(ZERO))
                entries.append(((s, a), self.pi[s][a] * slope))
        return entries


class Weights(Policy):
    """pi = w / sum w; the parameters are log w."""

    def __init__(self, data, number):
        super().__init__(tree(data["values"], number))
        if any(w is not None and w <= 0 for row in self.table for w in row):
            raise Malformed("a weight is not positive")

    def row(self, row):
        total = sum((w for w in row if w is not None), ZERO)
        return [self.arithmetic.lift(ZERO if w is None else w / total) for w in row]

    def logarithms(self, s):
        total = sum((w for w in self.table[s] if w is not None), ZERO)
        return [None if w is None else self.arithmetic.lift(w / total).log() for w in self.table[s]]

    def theta(self, s, a):
        return self.arithmetic.lift(self.table[s][a]).log()


class Probabilities(Policy):
    """The parameters are the entries of pi themselves, differentiated without a constraint."""

    normalised = False

    def __init__(self, data, number):
        super().__init__(tree(data["values"], number))
        if any(p is not None and p < 0 for row in self.table for p in row):
            raise Malformed("a probability is negative")

    def row(self, row):
        return [self.arithmetic.lift(p or ZERO) for p in row]

    def logarithms(self, s):
        return [self.arithmetic.lift(p).log() if p else None for p in self.table[s]]

    def tangent(self, k):
        return [(self.pair(k), self.arithmetic.lift(fmpq(1)))]


POLICIES = {"softmax": Softmax, "log-linear": LogLinear, "weights": Weights, "probabilities": Probabilities}


# ------------------------------------------------------------------------------------------------ environments
#
# response(policy)     P[s][a] = {t: probability}, r[s][a]
# tangent(policy, k, dpi)  [((s, a), {t: dP})], [((s, a), dr)]: derivatives along parameter k, on which pi moves by dpi
# pullback(evaluation) the weights of the transition and of the reward term: of dpi, {(s, a): weight}, where the response
#                      depends on the policy's probabilities (through_policy), otherwise of dtheta, {k: weight}
# open_parameters      parameters along which the reward is exactly on the edge of its clip

class Environment:
    through_policy, default_initial, open_parameters = True, None, ()

    def at(self, arithmetic):
        self.arithmetic, self.lift = arithmetic, arithmetic.lift
        self.zero = arithmetic.lift(ZERO)

    def lifted(self, x):
        return tree(x, self.lift)


class Fixed(Environment):
    def __init__(self, data, number, problem):
        self.transitions, self.rewards = tree(data["transitions"], number), tree(data["rewards"], number)

    def response(self, policy):
        return ([[{t: self.lift(p) for t, p in enumerate(row) if p != 0} for row in state] for state in self.transitions],
                self.lifted(self.rewards))

    def tangent(self, policy, k, dpi):
        return [], []

    def pullback(self, evaluation):
        return {}, {}


class ExponentialFamily(Environment):
    """P(t|s,a) proportional to base[s,a,t] exp(psi[t] theta[s,a]); r = base + slope theta, clipped to [-clip, clip]."""

    through_policy = False

    def __init__(self, data, number, problem):
        self.psi = tree(data["psi"], number)
        reward = data["reward"]
        self.base, self.slope = tree(reward["base"], number), number(reward.get("slope", "0"))
        self.clip = None if reward.get("clip") is None else number(reward["clip"])
        states, actions = len(self.base), len(self.base[0])
        self.weights, self.logits = data.get("base_weights"), data.get("base_logits")
        if self.weights is not None:
            self.weights = tree(self.weights, number)
        elif self.logits is None:
            self.weights = [[[fmpq(1)] * states] * actions] * states
        else:
            self.logits = tree(self.logits, lambda x: None if x is None else number(x))

    def integer_powers(self):
        return all(x.q == 1 for x in self.psi)

    def row(self, policy, s, a):
        """The row's entries relative to its largest one, normalised."""
        if self.weights is None:
            support = [t for t, x in enumerate(self.logits[s][a]) if x is not None]
        else:
            support = [t for t, w in enumerate(self.weights[s][a]) if w != 0]
        if not support:
            raise Malformed("a row without a transition")
        relative = self.powers(policy, s, a, support)
        total = sum(relative.values(), self.zero)
        return {t: w / total for t, w in relative.items()}

    def powers(self, policy, s, a, support):
        """{t: base[t] exp(psi[t] theta)}, up to a factor."""
        lift, psi = self.lift, self.psi
        if self.weights is not None:
            row = self.weights[s][a]
            if isinstance(policy, Weights) and self.integer_powers() and self.arithmetic.rational:
                least, w = min(int(psi[t].p) for t in support), policy.table[s][a]
                return {t: row[t] * w ** (int(psi[t].p) - least) for t in support}
            exponents = {t: lift(row[t]).log() + lift(psi[t]) * policy.theta(s, a) for t in support}
            top = max(support, key=lambda t: (exponents[t] - exponents[support[0]]).mid())
            return {t: lift(row[t] / row[top]) * self.tilt(policy, s, a, psi[t] - psi[top]) for t in support}
        row = self.logits[s][a]
        if isinstance(policy, Softmax):
            exponents = {t: row[t] + psi[t] * policy.table[s][a] for t in support}
            top = max(exponents.values())
            return {t: lift(x - top).exp() for t, x in exponents.items()}
        exponents = {t: lift(row[t]) + lift(psi[t]) * policy.theta(s, a) for t in support}
        top = max(support, key=lambda t: exponents[t].mid())
        return {t: (lift(row[t] - row[top]) + lift(psi[t] - psi[top]) * policy.theta(s, a)).exp() for t in support}

    def tilt(self, policy, s, a, x):
        """exp(x theta[s,a])."""
        if isinstance(policy, Softmax):
            return self.lift(x * policy.table[s][a]).exp()
        return (self.lift(x) * policy.theta(s, a)).exp()

    def reward(self, policy, s, a):
        """The clipped reward and its derivative. Where the unclipped reward is exactly on the edge the derivative is
        anything from 0 to the slope; a ball that cannot be told from the edge is treated likewise."""
        lift, base, slope, clip = self.lift, self.base[s][a], self.slope, self.clip
        if slope == 0:
            return lift(base if clip is None else max(-clip, min(clip, base))), self.zero
        if isinstance(policy, Softmax):
            raw = base + slope * policy.table[s][a]
        else:
            raw = lift(base) + lift(slope) * policy.theta(s, a)
        if clip is None:
            return lift(raw), lift(slope)
        size, edge = abs(raw), clip if isinstance(raw, fmpq) else lift(clip)
        if size < edge:
            return lift(raw), lift(slope)
        if size > edge:
            return lift(clip if raw > 0 else -clip), self.zero
        self.open_parameters.append(s * policy.n_actions + a)
        if isinstance(raw, fmpq):
            return lift(raw), lift(slope) * arb(0.5, 0.5)
        return raw.union(edge if raw > 0 else -edge), lift(slope) * arb(0.5, 0.5)

    def response(self, policy):
        if (policy.n_states, policy.n_actions) != (len(self.base), len(self.base[0])):
            raise Malformed("the policy has another shape")
        self.open_parameters = []
        pairs = [[(s, a) for a in range(policy.n_actions)] for s in range(policy.n_states)]
        self.kernel = [[self.row(policy, *pair) if policy.table[pair[0]][pair[1]] is not None else {} for pair in row] for row in pairs]
        rewards = [[self.reward(policy, *pair) if policy.table[pair[0]][pair[1]] is not None else (self.zero, self.zero) for pair in row]
                   for row in pairs]
        self.reward_slopes = [[x[1] for x in row] for row in rewards]
        return self.kernel, [[x[0] for x in row] for row in rewards]

    def row_tangent(self, row):
        """dP[t] / dtheta = P[t] sum_u P[u] (psi[t] - psi[u])."""
        lift, psi = self.lift, self.psi
        return {t: p * sum((x * lift(psi[t] - psi[u]) for u, x in row.items() if psi[t] != psi[u]), self.zero)
                for t, p in row.items()}

    def tangent(self, policy, k, dpi):
        s, a = policy.pair(k)
        return [((s, a), self.row_tangent(self.kernel[s][a]))], [((s, a), self.reward_slopes[s][a])]

    def pullback(self, evaluation):
        """gamma d[s,a] Cov_P(psi, V), the covariance as the sum over pairs of P[t] P[u] (psi[t]-psi[u]) (V[t]-V[u]) / 2."""
        transition, reward = {}, {}
        lift, psi, V = self.lift, self.psi, evaluation.V
        for s, state in enumerate(self.kernel):
            for a, row in enumerate(state):
                entries, covariance = list(row.items()), self.zero
                for i, (t, p) in enumerate(entries):
                    for u, x in entries[:i]:
                        if psi[t] != psi[u]:
                            covariance += p * x * lift(psi[t] - psi[u]) * (V[t] - V[u])
                k = s * len(state) + a
                transition[k] = evaluation.gamma * evaluation.occupancy[s][a] * covariance
                reward[k] = evaluation.occupancy[s][a] * self.reward_slopes[s][a]
        return transition, reward


class Affine(Environment):
    """P and r are affine in the policy's probabilities; repeated slopes add up."""

    def __init__(self, data, number, problem):
        self.transitions, self.rewards = tree(data["transitions"], number), tree(data["rewards"], number)
        self.transition_slopes = self.collected(data["transition_slopes"], number, 6)
        self.reward_slopes = self.collected(data["reward_slopes"], number, 5)

    @staticmethod
    def collected(entries, number, length):
        slopes = {}
        for entry in entries:
            if len(entry) != length:
                raise Malformed("a slope of another length")
            at = tuple(index(i) for i in entry[:-1])
            slopes[at] = slopes.get(at, ZERO) + number(entry[-1])
        return slopes

    def response(self, policy):
        P, r = self.lifted(self.transitions), self.lifted(self.rewards)
        self.m, self.n = ({at: self.lift(x) for at, x in slopes.items()}
                          for slopes in (self.transition_slopes, self.reward_slopes))
        for (s, a, t, s2, a2), m in self.m.items():
            P[s][a][t] += m * policy.pi[s2][a2]
        for (s, a, s2, a2), n in self.n.items():
            r[s][a] += n * policy.pi[s2][a2]
        return [[dict(enumerate(row)) for row in state] for state in P], r

    def tangent(self, policy, k, dpi):
        moved, dP, dr = dict(dpi), [], []
        for (s, a, t, *pair), m in self.m.items():
            if tuple(pair) in moved:
                dP.append(((s, a), {t: m * moved[tuple(pair)]}))
        for (s, a, *pair), n in self.n.items():
            if tuple(pair) in moved:
                dr.append(((s, a), n * moved[tuple(pair)]))
        return dP, dr

    def pullback(self, evaluation):
        transition, reward = {}, {}
        gamma, d, V = evaluation.gamma, evaluation.occupancy, evaluation.V
        for (s, a, t, *pair), m in self.m.items():
            transition[tuple(pair)] = transition.get(tuple(pair), self.zero) + gamma * d[s][a] * V[t] * m
        for (s, a, *pair), n in self.n.items():
            reward[tuple(pair)] = reward.get(tuple(pair), self.zero) + d[s][a] * n
        return transition, reward


class Explicit(Environment):
    """P and r at a point, with their derivatives there."""

    through_policy = False

    def __init__(self, data, number, problem):
        self.transitions, self.rewards = tree(data["transitions"], number), tree(data["rewards"], number)
        self.transition_jacobian = [([index(i) for i in e[:4]], number(e[4])) for e in data["transition_jacobian"]]
        self.reward_jacobian = [([index(i) for i in e[:3]], number(e[3])) for e in data["reward_jacobian"]]

    response = Fixed.response

    def tangent(self, policy, k, dpi):
        return ([((s, a), {t: self.lift(x)}) for (s, a, t, j), x in self.transition_jacobian if j == k],
                [((s, a), self.lift(x)) for (s, a, j), x in self.reward_jacobian if j == k])

    def pullback(self, evaluation):
        transition, reward = {}, {}
        gamma, d, V = evaluation.gamma, evaluation.occupancy, evaluation.V
        for (s, a, t, k), x in self.transition_jacobian:
            transition[k] = transition.get(k, self.zero) + gamma * d[s][a] * V[t] * self.lift(x)
        for (s, a, k), x in self.reward_jacobian:
            reward[k] = reward.get(k, self.zero) + d[s][a] * self.lift(x)
        return transition, reward


class Coin(Environment):
    """One state, two actions, x = (pi(0) - pi(1)) / 2, reward -PR(x), PR(x) = 1/4 - 2 mu x + (1 - 2 epsilon) x^2."""

    def __init__(self, data, number, problem):
        self.mu, self.epsilon = number(data["mu"]), number(data["epsilon"])

    def response(self, policy):
        lift, (row,) = self.lift, policy.pi
        self.x = (row[0] - row[1]) / 2
        risk = lift(fmpq(1, 4)) - lift(2 * self.mu) * self.x + lift(1 - 2 * self.epsilon) * self.x * self.x
        return [[{0: lift(fmpq(1))}, {0: lift(fmpq(1))}]], [[-risk, -risk]]

    def slope(self):
        """d r / d x = 2 mu - 2 (1 - 2 epsilon) x."""
        return self.lift(2 * self.mu) - self.lift(2 - 4 * self.epsilon) * self.x

    def tangent(self, policy, k, dpi):
        moved = dict(dpi)
        dr = self.slope() * (moved.get((0, 0), self.zero) - moved.get((0, 1), self.zero)) / 2
        return [], [((0, 0), dr), ((0, 1), dr)]

    def pullback(self, evaluation):
        weight = self.slope() * sum(evaluation.occupancy[0], self.zero) / 2
        return {}, {(0, 0): weight, (0, 1): -weight}


class Loan(Environment):
    """Action 0 approves, 1 declines; an approved loan is repaid with probability q(p) = q0 - c p, p = pi(0|0)."""

    def __init__(self, data, number, problem):
        if data["form"] not in ("bandit", "mdp"):
            raise Malformed("form")
        self.bandit = data["form"] == "bandit"
        self.q0, self.c, self.gain, self.loss = (number(data[key]) for key in ("q0", "c", "gain", "loss"))
        self.default_initial = [fmpq(1)] if self.bandit else [fmpq(1), ZERO, ZERO, ZERO]

    def response(self, policy):
        lift, one = self.lift, self.lift(fmpq(1))
        q = lift(self.q0) - lift(self.c) * policy.pi[0][0]
        if self.bandit:
            return [[{0: one}, {0: one}]], [[lift(self.gain + self.loss) * q - lift(self.loss), self.zero]]
        home, rewards = [{0: one}, {0: one}], (ZERO, self.gain, -self.loss, ZERO)
        return [[{1: q, 2: one - q}, {3: one}], home, home, home], [[lift(x), lift(x)] for x in rewards]

    def tangent(self, policy, k, dpi):
        dq = -self.lift(self.c) * dict(dpi).get((0, 0), self.zero)
        if self.bandit:
            return [], [((0, 0), self.lift(self.gain + self.loss) * dq)]
        return [((0, 0), {1: dq, 2: -dq})], []

    def pullback(self, evaluation):
        c, d = self.lift(self.c), evaluation.occupancy[0][0]
        if self.bandit:
            return {}, {(0, 0): -c * self.lift(self.gain + self.loss) * d}
        return {(0, 0): -c * evaluation.gamma * d * (evaluation.V[1] - evaluation.V[2])}, {}


class Gridworld(Environment):
    """The two-agent grid; its response is in gridworld.py."""

    def __init__(self, data, number, problem):
        self.gamma, self.beta = problem.gamma, number(data["beta"])
        grids = tree(data["perturbed_grids"], number) if "perturbed_grids" in data else None
        own = {key: tree(data[key], number) for key in ("cells",) if key in data}
        if grids and not own and len(grids) == 1 and (len(grids[0]), len(grids[0][0])) != (8, 8):
            own = {"cells": grids[0]}                      # the only follower's grid is the learner's, too
        terminal = [index(s) for s in data["terminal"]] if "terminal" in data else None
        cost = number(data["intervention_cost"]) if "intervention_cost" in data else gridworld.COST
        self.world = gridworld.World(terminal=terminal, cost=cost, **own)
        if grids:
            self.grids = [[x for row in grid for x in row] for grid in grids]
        else:
            eps = number(data["eps"])
            self.grids = [self.world.perturbed(f, eps) for f in range(index(data["followers"]))]
        self.default_initial = self.world.initial()
        self.policies = [None] * len(self.grids)          # best responses found so far, to start the next search at

    def response(self, policy):
        self.answer = gridworld.Response(self.world, self.grids, self.lift(self.beta), self.lift(self.gamma), policy, self.policies)
        return self.answer.transitions, self.answer.rewards

    def pullback(self, evaluation):
        return self.answer.pullback(evaluation)


def without_next_rewards(data):
    """An environment whose rewards have an entry for each next state without them, and these; or itself and None."""
    is_family = data["kind"] == "exponential-family"
    rewards = data["reward"]["base"] if is_family else data.get("rewards")
    if data["kind"] == "formulas" or not isinstance(rewards, list) or not isinstance(rewards[0][0], list):
        return data, None
    none = [["0"] * len(row) for row in rewards]
    return data | ({"reward": data["reward"] | {"base": none}} if is_family else {"rewards": none}), rewards


class NextRewards:
    """Rewards r(s,a,t) beside those of an environment: their means under its transitions count."""

    def __init__(self, environment, rewards):
        self.environment, self.next_rewards = environment, rewards

    def __getattr__(self, name):
        return getattr(self.environment, name)

    def mean(self, s, a, row):
        lift = self.environment.lift
        return sum((p * lift(self.next_rewards[s][a][t]) for t, p in row.items()), self.environment.zero)

    def response(self, policy):
        self.policy = policy
        P, r = self.environment.response(policy)
        return P, [[x + self.mean(s, a, P[s][a]) for a, x in enumerate(row)] for s, row in enumerate(r)]

    def tangent(self, policy, k, dpi):
        dP, dr = self.environment.tangent(policy, k, dpi)
        return dP, [*dr, *(((s, a), self.mean(s, a, row)) for (s, a), row in dP)]

    def pullback(self, evaluation):
        """The means' part by moving one weight at a time."""
        transition, reward = self.environment.pullback(evaluation)
        policy, d = self.policy, evaluation.occupancy
        one = self.environment.lift(fmpq(1))
        for k in range(policy.n_states * policy.n_actions if self.through_policy else policy.n_parameters):
            at = divmod(k, policy.n_actions) if self.through_policy else k
            dP, _ = self.environment.tangent(policy, k, [(at, one)] if self.through_policy else [])
            moved = sum((d[s][a] * self.mean(s, a, row) for (s, a), row in dP), self.environment.zero)
            reward[at] = reward.get(at, self.environment.zero) + moved
        return transition, reward


ENVIRONMENTS = {"fixed": Fixed, "exponential-family": ExponentialFamily, "affine": Affine, "explicit": Explicit,
                "coin": Coin, "loan": Loan, "gridworld": Gridworld, "formulas": formulas.Formulas}


# ---------------------------------------------------------------------------------------------------- problems

class Problem:
    """A problem file, its numbers read exactly. A valid file is assumed; what has no meaning raises `Malformed`."""

    def __init__(self, text, exact=False):
        data = load(text) if isinstance(text, str) else text
        self.data = data = episodes.by_number(data) if "names" in data else data
        self.exact = exact
        try:
            self.gamma, self.entropy = self.number(data["gamma"]), self.number(data.get("entropy", "0"))
            self.shape = shape = episodes.Shape(data)
            self.policy = POLICIES[data["policy"]["kind"]](self.whole_policy(data["policy"]), self.optional)
            self.kind = data["environment"]["kind"]
            environment, apart = shape.environment(data["environment"], exact)
            environment, next_rewards = without_next_rewards(environment)
            self.environment = ENVIRONMENTS[self.kind](environment, self.number, self)
            if self.gamma == 1 and self.kind == "fixed":
                shape.over |= self.resting(next_rewards, apart)
            if not shape.is_plain():
                self.environment = episodes.Ended(self.environment, shape)
            if next_rewards is not None:
                self.environment = NextRewards(self.environment, tree(next_rewards, self.number))
            if apart:
                n, width = range(shape.n), range(shape.width)
                self.environment = NextRewards(self.environment, [[[apart.get((s, a, t), ZERO) for t in n] for a in width] for s in n])
            self.initial = tree(data["initial"], self.number) if "initial" in data else self.environment.default_initial
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise Malformed(repr(error)) from error
        if not isinstance(self.initial, list) or len(self.initial) != self.policy.n_states:
            raise Malformed("initial")

    def number(self, x):
        return rational(x, self.exact)

    def optional(self, x):
        """A number of a policy's table, or None where an action is absent."""
        return None if x is None else self.number(x)

    def whole_policy(self, data):
        """The policy's data with None for what is absent."""
        table = episodes.policy_table(data)
        if any(s not in self.shape.over and len(row or []) > self.shape.width for s, row in enumerate(table)):
            raise Malformed("a policy's rows differ in length")
        if data["kind"] == "probabilities" and any(
                row[a] is not None and self.number(row[a]) != 0 for s, row in enumerate(table) for a in range(len(row or []))
                if (s, a) in self.shape.absent):
            raise Malformed("a probability of an action that is absent")
        return data | {key: self.shape.whole(x, None) for key, x in data.items() if x is table}

    def resting(self, next_rewards, apart):
        """The states of a fixed environment where nothing moves and nothing is paid."""
        P, r = self.environment.transitions, [list(row) for row in self.environment.rewards]
        for s, a in self.shape.pairs:
            r[s][a] += sum((p * (self.number(next_rewards[s][a][t]) if next_rewards else ZERO) + p * apart.get((s, a, t), ZERO)
                            for t, p in enumerate(P[s][a])), ZERO)
        return episodes.resting(P, r, self.shape, self.entropy)

    def is_rational(self):
        """Whether the answer is made of fractions (docs/oracle.md, Exact arithmetic)."""
        if self.entropy != 0 or not isinstance(self.policy, (Weights, Probabilities)):
            return False
        if self.kind == "exponential-family":
            family = self.environment
            return family.weights is not None and family.slope == 0 and family.integer_powers()
        if self.kind == "formulas":
            return self.environment.is_rational()
        return self.kind != "gridworld"

    def height(self):
        """About how many bits the fractions of the answer have."""
        bits = max((x.height_bits() for x in self.numbers()), default=1) * self.policy.n_states
        if self.kind == "formulas":
            bits *= 100
        if self.kind == "exponential-family" and self.environment.weights is not None:
            bits *= 1 + max(int(abs(x.p) // x.q) for x in self.environment.psi)
        return bits

    def numbers(self):
        data = [self.policy.table, self.initial]
        if self.kind != "formulas":                                # whose rewards are numbers of the last evaluation
            data += [getattr(self.environment, name, None) or [] for name in ("transitions", "rewards", "weights")]
        return [self.gamma, *(x for part in data for x in leaves(part) if x is not None)]


# -------------------------------------------------------------------------------------------------- evaluation

class Evaluation:
    """Everything at one policy, in one arithmetic (balls: with the precision in force)."""

    def __init__(self, problem, arithmetic):
        self.problem, self.arithmetic, policy, environment = problem, arithmetic, problem.policy, problem.environment
        lift = self.lift = arithmetic.lift
        self.gamma, self.entropy, self.zero = lift(problem.gamma), lift(problem.entropy), lift(ZERO)
        policy.at(arithmetic, problem.entropy != 0)
        environment.at(arithmetic)
        try:
            self.P, self.r = environment.response(policy)
            self.solve()
        except (IndexError, KeyError, TypeError) as error:
            raise Malformed(repr(error)) from error
        self.terms = self.gradient = None                           # until asked for

    def solve(self):
        problem, zero = self.problem, self.zero
        self.pi, self.n_states = problem.policy.pi, problem.policy.n_states
        if len(self.P) != self.n_states or any(len(row) != problem.policy.n_actions for row in self.r):
            raise Malformed("the policy has another shape than the environment")
        self.soft = self.soft_rewards()
        r_pi = [sum((p * x for p, x in zip(*rows) if x is not None), zero) for rows in zip(self.pi, self.soft)]
        initial = [self.lift(x) for x in problem.initial]
        self.V, self.d = self.values_and_occupancy(r_pi, initial)
        self.PV = [[sum((p * self.V[t] for t, p in row.items()), zero) for row in state] for state in self.P]
        self.Q = [[None if x is None else x + self.gamma * y for x, y in zip(*rows)] for rows in zip(self.soft, self.PV)]
        self.occupancy = [[d * p for p in row] for d, row in zip(self.d, self.pi)]
        self.value = sum((x * v for x, v in zip(initial, self.V)), zero)
        self.initial = initial

    def soft_rewards(self):
        """r - lambda log pi; None where pi is 0 and lambda is not: there it is infinite, and 0 log 0 counts as 0. None for what is absent."""
        log_pi, shape = self.problem.policy.log_pi, self.problem.shape

        def soft(s, a):
            if (s, a) in shape.absent:
                return None
            if self.problem.entropy == 0 or s in shape.over:
                return self.r[s][a]
            return None if log_pi[s][a] is None else self.r[s][a] - self.entropy * log_pi[s][a]

        return [[soft(s, a) for a in range(len(row))] for s, row in enumerate(self.r)]

    def values_and_occupancy(self, r_pi, initial):
        """V = N r_pi and d = rho N."""
        n, matrix = self.n_states, self.arithmetic.matrix
        entries = [[self.lift(fmpq(int(s == t))) for t in range(n)] for s in range(n)]
        for s in range(n):
            for p, row in zip(self.pi[s], self.P[s]):
                scaled = self.gamma * p
                for t, x in row.items():
                    entries[s][t] -= scaled * x
        m = matrix(entries)
        column, row = matrix(n, 1, r_pi), matrix(n, 1, initial)
        if self.arithmetic.rational and n > SMALL:
            self.N = None
            return m.solve(column).entries(), m.transpose().solve(row).entries()
        self.N = m.inv()
        return (self.N * column).entries(), (self.N.transpose() * row).entries()

    # -------------------------------------------------------------------------------------------- derivatives

    def differentiate(self):
        policy, environment = self.problem.policy, self.problem.environment
        transition, reward = environment.pullback(self)
        self.terms = {"policy": [], "transition": [], "reward": [], "entropy": []}
        for k in range(policy.n_parameters):
            dpi = policy.tangent(k)
            if policy.frozen(k):
                for term, row in self.terms.items():
                    row.append(None if term == "policy" and not policy.normalised else self.zero)
                continue
            infinite = any(self.Q[s][a] is None for (s, a), _ in dpi)
            self.terms["policy"].append(
                None if infinite else sum((x * self.d[s] * self.Q[s][a] for (s, a), x in dpi), self.zero))
            if environment.through_policy:
                self.terms["transition"].append(sum((x * transition[at] for at, x in dpi if at in transition), self.zero))
                self.terms["reward"].append(sum((x * reward[at] for at, x in dpi if at in reward), self.zero))
            else:
                self.terms["transition"].append(transition.get(k, self.zero))
                self.terms["reward"].append(reward.get(k, self.zero))
            self.terms["entropy"].append(self.entropy_term(dpi))
        self.gradient = [None if x is None else x + y + z + w for x, y, z, w in zip(*self.terms.values())]
        if self.n_states <= SMALL and hasattr(environment, "tangent"):
            self.cross_check()

    def entropy_term(self, dpi):
        """0 identically unless the parameters are the probabilities themselves."""
        if self.problem.policy.normalised:
            return self.zero
        return sum((-self.entropy * self.d[s] * x for (s, _), x in dpi if s not in self.problem.shape.over), self.zero)

    def cross_check(self):
        """The gradient once more, forwards."""
        for k, total in enumerate(self.gradient):
            forward = self.derivative(k)
            if (total is None) != (forward is None) or total is not None and self.arithmetic.separate(total, forward):
                raise AssertionError(f"two routes to gradient[{k}] differ: {total} and {forward}")

    def derivative(self, k):
        """dJ along parameter k, by differentiating V = r_pi + gamma P_pi V; None where it is infinite."""
        policy, zero = self.problem.policy, self.zero
        if policy.frozen(k):
            return zero if policy.normalised else None
        dpi = policy.tangent(k)
        dP, dr = self.problem.environment.tangent(policy, k, dpi)
        source = [zero] * self.n_states
        for (s, a), x in dpi:
            if self.soft[s][a] is None:
                return None
            slope = self.soft[s][a] + self.gamma * self.PV[s][a]
            if not policy.normalised and s not in self.problem.shape.over:
                slope -= self.entropy
            source[s] += x * slope
        for (s, a), x in dr:
            source[s] += self.pi[s][a] * x
        for (s, a), row in dP:
            source[s] += self.pi[s][a] * self.gamma * sum((x * self.V[t] for t, x in row.items()), zero)
        dV = (self.N * self.arithmetic.matrix(self.n_states, 1, source)).entries()
        return sum((x * y for x, y in zip(self.initial, dV)), zero)

    def answer(self):
        """The quantities of a pemdp-answer/1, still in this arithmetic."""
        if self.gradient is None:
            self.differentiate()
        return {"value": self.value, "state_values": self.V, "action_values": self.Q, "occupancy": self.occupancy,
                "gradient": self.gradient, "gradient_terms": self.terms}

    # ------------------------------------------------------------------------------------------------- kinks

    def open_parameters(self):
        """Parameters whose derivative is not unique (or not decided with these bits), because of a clip."""
        return set(self.problem.environment.open_parameters)

    def follower_kinks(self):
        """Followers' ties that are not harmless, or not decided with these bits."""
        return self.problem.environment.answer.kinks() if self.problem.kind == "gridworld" else []


def evaluations(problem, most_bits=MOST_BITS):
    """Ever sharper evaluations of one problem: a single one in fractions, or balls with twice the bits each time. What
    was lost in the bits (a matrix that cannot be told from a singular one) is passed over."""
    if problem.is_rational() and (problem.exact or problem.height() <= FRACTION_BITS):
        try:
            yield Evaluation(problem, Fractions)
        except ZeroDivisionError:                                  # gamma is 1 and an episode never ends: there is no value
            pass
        return
    bits = FIRST_BITS
    while bits <= most_bits:
        ctx.prec = bits
        try:
            yield Evaluation(problem, Balls)
        except ZeroDivisionError:
            pass
        bits *= 2


def settled(x):
    """Whether a number is known far beyond a double's precision, or to be below all doubles."""
    if not isinstance(x, arb):
        return True
    if not x.is_finite():
        return False
    return x.rel_accuracy_bits() >= 120 or x.rad() < arb(2) ** -1200


def evaluate(problem, most_bits=MOST_BITS):
    """The first evaluation whose every entry is settled, but for those at a kink; the sharpest where none is."""
    best = None
    for best in evaluations(problem, most_bits):
        answer = best.answer()
        exempt = best.open_parameters()
        gradients = [answer["gradient"], *answer["gradient_terms"].values()]
        numbers = [x for key in ("value", "state_values", "action_values", "occupancy") for x in leaves(answer[key])]
        numbers += [x for row in gradients for k, x in enumerate(row) if k not in exempt]
        if all(x is None or settled(x) for x in numbers):
            return best
    return best


def overflows(x):
    """Whether a number is certainly beyond the largest double."""
    return x is not None and (abs(x) > LARGEST if isinstance(x, fmpq) else bool(abs(x) > arb(LARGEST)))


def main(arguments):
    exact = "--exact" in arguments
    files = [x for x in arguments if x != "--exact"]
    if len(files) != 1:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    if files[0] == "-":
        text = sys.stdin.read()
    else:
        with open(files[0], encoding="utf-8") as file:
            text = file.read()
    problem = Problem(text, exact)
    if exact and not problem.is_rational():
        print("--exact: this problem is not rational", file=sys.stderr)
        return 2
    rule = (lambda x: None if x is None else str(x)) if exact else nearest
    print(json.dumps({"format": "pemdp-answer/1"} | tree(evaluate(problem).answer(), rule)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
