"""More wrong implementations: mistakes in the values, the visits, the model, the policy's derivative and the order of entries,
and further readings of those in known_mistakes.py.

MISTAKES[mistake][reading] is a sentence and a function of the true Evaluation, its tangents and the Problem whose policy was
deployed before, and where the reading has a number of sweeps or steps, of that. The function returns all quantities of an
answer in the problem's arithmetic, wrong or not, or None where the reading is not defined.
"""
import json
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import lru_cache
from math import isqrt

import known_mistakes
from known_mistakes import Stub, around, inner, stationary_visits, times, weighted, with_environment
from reference import Around, Evaluation, Gridworld, Problem, dot, inverse, softmax

MISTAKES = {}
COUNTED = ("sweeps-stopped-early", "truncated-at-horizon")    # their functions take a number of sweeps or steps


def reading(mistake, name, about):
    def add(function):
        MISTAKES.setdefault(mistake, {})[name] = (about, function)
        return function
    return add


# ---------------------------------------------------------------------------------------------------- assembling

def changed(e, **fields):
    """The same evaluation with other numbers in it."""
    other = object.__new__(Evaluation)
    other.__dict__.update(e.__dict__, **fields)
    if "d" in fields:
        other.occupancy = weighted(other.d, e.pi)
    return other


def valued(e, V, soft=None):
    """With other state values, and with the action values that one step makes of them."""
    soft = soft or e.soft
    PV = [[sum((p * V[t] for t, p in row.items()), e.problem.gamma * 0) for row in state] for state in e.P]
    Q = [[None if x is None else x + e.problem.gamma * y for x, y in zip(*rows)] for rows in zip(soft, PV)]
    return changed(e, V=V, soft=soft, PV=PV, Q=Q, value=dot(e.problem.initial, V))


def gradient(e, tangents, **factors):
    """The sum of the four terms of an evaluation, each times its factor."""
    rows = [e.terms(tangent) for tangent in tangents]
    return [None if None in row.values() else sum(factors.get(name, 1) * x for name, x in row.items()) for row in rows]


def answer(e, of_theta, **other):
    return {"value": e.value, "state_values": e.V, "action_values": e.Q, "occupancy": e.occupancy, "gradient": of_theta} | other


def in_model(e):
    """The answer of another model, by the forward derivative of its own value; the four terms have to add up to it."""
    tangents = known_mistakes.all_tangents(e)
    forward = [e.derivative(k, tangent) for k, tangent in enumerate(tangents)]
    small = 0 if e.problem.rational else e.scale() * Decimal(10) ** (60 - getcontext().prec)
    assert all(x is y is None or abs(x - y) <= small for x, y in zip(forward, gradient(e, tangents)))
    return answer(e, forward)


def zero(e):
    return e.problem.gamma * 0


def mean_rewards(e, soft=None):
    """r_pi, with 0 log 0 = 0."""
    return [sum((p * x for p, x in zip(*rows) if x is not None), zero(e)) for rows in zip(e.pi, soft or e.soft)]


def own_rewards(e):
    """r, None where an action is missing."""
    return [[x if has else None for x, has in zip(*rows)] for rows in zip(e.r, e.problem.available)]


def chain(e):
    """P_pi."""
    return [[sum((e.pi[s][a] * e.P[s][a].get(t, 0) for a in range(e.A)), zero(e)) for t in range(e.S)] for s in range(e.S)]


def absorbing(e):
    """The states in which every action taken stays."""
    return [s for s, row in enumerate(chain(e)) if [t for t, p in enumerate(row) if p] == [s]]


# ------------------------------------------------------------------------------------------------ terms and factors

def of_terms(mistake, name, about, **factors):
    @reading(mistake, name, about)
    def function(e, tangents, previous):
        return answer(e, gradient(e, tangents, **factors))


for term in ("policy", "transition", "reward"):
    of_terms("sign-of-one-term", term, f"the {term} term with its sign flipped, the other terms as they are.", **{term: -1})


def over(name, about, number):
    @reading("mean-instead-of-sum", name, about)
    def function(e, tangents, previous):
        return answer(e, times(1 / (zero(e) + number(e)), gradient(e, tangents)))


over("states", "the gradient divided by the number of states.", lambda e: e.S)
over("actions", "the gradient divided by the number of actions.", lambda e: e.A)
over("pairs", "the gradient divided by the number of states times the number of actions.", lambda e: e.S * e.A)


@reading("divided-by-episode-length", "steps", "the gradient divided by the expected number of steps, without discount, before the "
         "first absorbing state; not defined where none is reached for certain, or the first state is absorbing.")
def divided_by_episode_length(e, tangents, previous):
    matrix, ends = chain(e), absorbing(e)
    seen = [s for s in range(e.S) if e.problem.initial[s]]
    for s in seen:
        seen += [t for t in range(e.S) if matrix[s][t] and t not in seen and s not in ends]
    moving = [s for s in seen if s not in ends]
    to_an_end = set(ends)
    for _ in moving:
        to_an_end |= {s for s in moving if any(matrix[s][t] for t in to_an_end)}
    if not moving or not set(moving) <= to_an_end:
        return None
    N = inverse([[(s == t) - matrix[s][t] for t in moving] for s in moving])
    steps = sum(e.problem.initial[s] * x for s, row in zip(moving, N) for x in row)
    return answer(e, times(1 / steps, gradient(e, tangents)))


def scaled_values(mistake, name, about, factor):
    @reading(mistake, name, about)
    def function(e, tangents, previous):
        c = factor(e.problem.gamma)
        return None if c is None else answer(e, gradient(e, tangents), value=c * e.value, state_values=times(c, e.V),
                                             action_values=times(c, e.Q))


@reading("discount-one-step-late", "all", "gamma^(t+1) in place of gamma^t: all values, the occupancy and the gradient times gamma.")
def discount_one_step_late(e, tangents, previous):
    return {name: times(e.problem.gamma, x) for name, x in answer(e, gradient(e, tangents)).items()}


scaled_values("value-off-by-gamma", "times", "all values times gamma; occupancy and gradient right.", lambda g: g)
scaled_values("value-off-by-gamma", "over", "all values over gamma; occupancy and gradient right.", lambda g: 1 / g if g else None)
scaled_values("value-off-by-horizon", "times", "all values times 1 - gamma; occupancy and gradient right.", lambda g: 1 - g)
scaled_values("value-off-by-horizon", "over", "all values over 1 - gamma; occupancy and gradient right.", lambda g: None if g == 1 else 1 / (1 - g))


@reading("action-major-order", "all", "tables over states and actions, the gradient among them, written action by action: entry "
         "a S + s is that of (s,a). Not defined for log-linear policies.")
def action_major_order(e, tangents, previous):
    if type(e.policy).__name__ == "LogLinear":
        return None

    def reordered(entries):
        return [entries[s * e.A + a] for a in range(e.A) for s in range(e.S)]

    def table(rows):
        flat = reordered([x for row in rows for x in row])
        return [flat[s * e.A:(s + 1) * e.A] for s in range(e.S)]

    return answer(e, reordered(gradient(e, tangents)), action_values=table(e.Q), occupancy=table(e.occupancy))


# ---------------------------------------------------------------------------------------------------------- model

def kernel_for_every_policy(environment, problem):
    """Whether an affine environment has no negative entry at any vertex of the set of policies."""
    least, available = {}, problem.available
    for (s, a, t, s2, a2), m in environment.transition_slopes:
        if available[s][a] and s not in problem.terminal and available[s2][a2]:
            row = least.setdefault((s, a, t), {}).setdefault(s2, [0 if has else None for has in available[s2]])
            row[a2] += m
    least = {key: {s2: [x for x in row if x is not None] for s2, row in rows.items()} for key, rows in least.items()}
    return all(environment.transitions[s][a][t] + sum(map(min, rows.values())) >= 0 for (s, a, t), rows in least.items())


@reading("response-applied-twice", "all", "the environment with a response of twice the strength, model and derivative: epsilon "
         "(coin), c (loan), all slopes (affine), psi and the reward's slope (exponential family) doubled. Not defined where that is "
         "no environment for every policy.")
def response_applied_twice(e, tangents, previous):
    own = inner(e.problem.environment)
    twice = object.__new__(type(own))
    twice.__dict__.update(own.__dict__)
    kind = type(twice).__name__
    if kind == "Coin":
        twice.epsilon = 2 * twice.epsilon
    elif kind == "Loan":
        twice.c = 2 * twice.c
        if not 0 <= twice.q0 - twice.c <= 1:
            return None
    elif kind == "Affine":
        twice.transition_slopes = [(key, 2 * m) for key, m in twice.transition_slopes]
        twice.reward_slopes = [(key, 2 * n) for key, n in twice.reward_slopes]
        if not kernel_for_every_policy(twice, e.problem):
            return None
    elif kind == "ExponentialFamily":
        twice.psi, twice.slope = [2 * x for x in twice.psi], 2 * twice.slope
    else:
        return None
    return in_model(with_environment(e, around(e.problem.environment, twice)))


@reading("start-ignored", "all", "the first state is drawn uniformly; value, occupancy and gradient of that problem.")
def start_ignored(e, tangents, previous):
    share = 1 / (zero(e) + e.S)
    uniform = changed(e, d=[share * sum(row[t] for row in e.N) for t in range(e.S)], value=share * sum(e.V))
    return answer(uniform, gradient(uniform, tangents))


def stale(name, about, transitions, rewards, performative):
    """`transitions`, `rewards`: whether they are those of the previous policy."""
    @reading("stale-environment", name, about)
    def function(e, tangents, previous):
        if type(inner(e.problem.environment)).__name__ == "Explicit":
            return None
        deployed = previous.policy if previous else known_mistakes.uniform(e.policy)
        environment = (previous or e.problem).environment
        P, r = environment.response(deployed)
        other = with_environment(e, Stub(P if transitions else e.P, r if rewards else e.r))
        along = []
        for k, (dpi, dP, dr) in enumerate(tangents):
            before = environment.tangent(deployed, k, dpi)
            along.append((dpi, before[0] if transitions else dP, before[1] if rewards else dr) if performative else (dpi, {}, {}))
        return answer(other, gradient(other, along))


stale("performative", "value and policy term of pi in the (P, r) induced by `previous`, and transition and reward terms with the values "
      "and visits there and the derivative of the response at `previous` along d pi of the present policy.", True, True, True)
for which, mixture in (("rewards", "the rewards induced by `previous` and the transitions induced by the present policy"),
                       ("transitions", "the transitions induced by `previous` and the rewards induced by the present policy")):
    whose = which == "transitions", which == "rewards"
    stale(which, f"value, occupancy and policy term of pi with {mixture}, held fixed.", *whose, False)
    stale(f"{which}-performative", f"value, occupancy and all four terms of pi with {mixture}, the derivative of either response at the "
          "policy that it is taken from, along d pi of the present policy.", *whose, True)


# ------------------------------------------------------------------------------------- terminal states, missing actions

def with_problem(e, **fields):
    """The same problem and policy with other fields."""
    other = object.__new__(Problem)
    other.__dict__.update(e.problem.__dict__, **fields)
    return Evaluation(other, e.policy)


def without_key(e, key):
    """The problem as it is written without a key, where each action that it then has has a distribution and, without discounting,
    episodes end; or None."""
    data = json.loads(e.problem.text)
    if not data.pop(key, None):
        return None
    problem = Problem(json.dumps(data))
    if problem.available != ([[True] * e.A] * e.S if key == "available" else e.problem.available):
        return None
    P, pi = problem.environment.response(problem.policy)[0], problem.policy.probabilities()
    rows = [P[s][a] for s in range(e.S) if s not in problem.terminal for a in range(e.A) if problem.available[s][a]]
    if any(abs(float(sum(row.values()) - 1)) > 1e-9 or min(row.values()) < 0 for row in rows):
        return None
    if problem.gamma == 1:
        next_ones = [{t for a, p in enumerate(pi[s]) if p for t, x in P[s][a].items() if x} for s in range(e.S)]
        to_an_end = {s for s, after in enumerate(next_ones) if not after}
        for _ in range(e.S):
            to_an_end |= {s for s, after in enumerate(next_ones) if after & to_an_end}
        if len(to_an_end) < e.S:
            return None
    return Evaluation(problem)


class Looping(Around):
    """An environment whose terminal states are never left."""

    def __init__(self, e):
        self.environment, self.terminal, self.available = e.problem.environment, e.problem.terminal, e.problem.available
        self.stay = zero(e) + 1

    def response(self, policy):
        p, r = self.environment.response(policy)
        return [[{s: self.stay} if has else {} for has in self.available[s]] if s in self.terminal else state
                for s, state in enumerate(p)], r

    def tangent(self, policy, k, dpi):
        return self.environment.tangent(policy, k, dpi)


@reading("terminal-goes-on", "rows", "the problem as it is written without its key `terminal`. Not defined where the rows that are "
         "written there are no distributions, or where without discounting an episode then never ends.")
def terminal_rows(e, tangents, previous):
    other = without_key(e, "terminal")
    return other and in_model(other)


def loop(name, about, **fields):
    @reading("terminal-goes-on", name, "terminal states are never left, whatever the action, and pay r[s,a] at every step, " + about +
             " Defined for gamma < 1.")
    def function(e, tangents, previous):
        if not e.problem.terminal or e.problem.gamma == 1:
            return None
        return in_model(with_problem(e, environment=Looping(e), **fields))


loop("loop", "with the bonus -lambda log pi.", terminal=set())
loop("loop-without-entropy", "without a bonus -lambda log pi.")


@reading("entropy-after-the-end", "once", "terminal states pay the bonus -lambda log pi once, as other states do in one step; value and "
         "exact gradient of that problem.")
def entropy_once(e, tangents, previous):
    return in_model(with_problem(e, terminal=set())) if e.problem.terminal and e.problem.entropy else None


@reading("entropy-after-the-end", "for-ever", "terminal states pay r once and the bonus -lambda log pi at every step for ever, together "
         "-lambda log pi / (1 - gamma); value and exact gradient of that problem. Defined for gamma < 1.")
def entropy_for_ever(e, tangents, previous):
    lam, gamma, ends = e.problem.entropy, e.problem.gamma, e.problem.terminal
    if not ends or not lam or gamma == 1:
        return None
    return in_model(with_problem(e, entropy_in=lambda s: lam / (1 - gamma) if s in ends else lam))


@reading("missing-actions-taken", "all", "the key `available` is overlooked: the policy runs over all actions, with the parameters, rewards "
         "and rows that are written. Not defined where nothing or null is written for one of them, and for `probabilities`.")
def missing_actions_taken(e, tangents, previous):
    other = without_key(e, "available") if is_normalised(e) else None
    return other and in_model(other)


# ------------------------------------------------------------------------------------------------------ gridworld

class OtherTerminal(Gridworld):
    """The gridworld with other rules for its terminal states: `learner` and `followers` are "absorbing" (the right one), "moves" (its moves
    lead out, no reward), "pays" (absorbing, the cell's own value at every step) or "pays moves" (absorbing, the value of the cell
    that a move would lead to, less the cost of intervening)."""

    def __init__(self, environment, learner, followers):
        self.__dict__.update(environment.__dict__, solved=None, rules={"learner": learner, "followers": followers})

    def step(self, who, grid, s, move):
        """The next state and what is gained."""
        rule = self.rules[who] if s in self.ends else "cell"
        t = self.next(s, move)
        return {"cell": (t, grid[t]), "moves": (t, grid[t] * 0), "absorbing": (s, grid[t] * 0), "pays": (s, grid[s]),
                "pays moves": (s, grid[t])}[rule]

    def paid(self, s):
        return self.cost if s not in self.ends or self.rules["followers"] == "pays moves" else Decimal(0)

    def moves(self, grid, u):
        """What each move is worth to a follower whose state values are u, without the cost."""
        steps = [[self.step("followers", grid, s, a) for a in range(4)] for s in range(self.S)]
        return [[gain + self.gamma * u[t] for t, gain in row] for row in steps]

    def best_response(self, grid, pi):
        small, choice = Decimal(10) ** (60 - getcontext().prec), [4] * self.S
        free = self.rules["followers"] == "absorbing"                   # then U = 0 in terminal states
        while True:
            matrix, gained = [[Decimal(int(s == t)) for t in range(self.S)] for s in range(self.S)], [Decimal(0)] * self.S
            for s in self.inner if free else range(self.S):
                for a, p in enumerate(pi[s]) if choice[s] == 4 else [(choice[s], 1)]:
                    t, gain = self.step("followers", grid, s, a)
                    matrix[s][t] -= self.gamma * p
                    gained[s] += p * gain - (self.paid(s) if choice[s] < 4 else 0)
            resolvent = inverse(matrix)
            u = [dot(row, gained) for row in resolvent]
            q = [[x - self.paid(s) for x in row] + [dot(pi[s], row)] for s, row in enumerate(self.moves(grid, u))]
            first = [next(b for b in range(5) if max(row) - row[b] <= small) for row in q]
            if all(max(row) - row[c] <= small for row, c in zip(q, choice)):
                return u, q, first, choice, resolvent
            choice = first

    def induced(self, response):
        p, r = [[{} for _ in range(4)] for _ in range(self.S)], [[Decimal(0)] * 4 for _ in range(self.S)]
        for s in range(self.S):
            for a in range(4):
                for b in range(5):
                    t, gain = self.step("learner", self.cells, s, a if b == 4 else b)
                    p[s][a][t] = p[s][a].get(t, 0) + response[s][b]
                    r[s][a] += response[s][b] * gain
        return p, r

    def tangent(self, policy, k, dpi):
        if self.solved is not policy:
            self.response(policy)
        dq = [[Decimal(0)] * 5 for _ in range(self.S)]
        for grid, (u, _, _, choice, resolvent) in zip(self.grids, self.answers):
            worth, direct = self.moves(grid, u), [Decimal(0)] * self.S
            for (s, a), x in dpi.items():
                direct[s] += x * worth[s][a]
            sources = [s for s in range(self.S) if choice[s] == 4 and direct[s]]
            du = [sum((row[s] * direct[s] for s in sources), Decimal(0)) for row in resolvent]
            for s in range(self.S):
                row = [self.gamma * du[self.step("followers", grid, s, b)[0]] for b in range(4)]
                for b, x in enumerate(row + [direct[s] + dot(self.pi[s], row)]):
                    dq[s][b] += x / len(self.grids)
        dp, dr = {}, {}
        for s in range(self.S):
            mean = dot(self.agent[s], dq[s])
            dagent = [self.beta * x * (y - mean) for x, y in zip(self.agent[s], dq[s])]
            for a in range(4) if any(dagent) else ():
                row, gained = {}, Decimal(0)
                for b in range(5):
                    t, gain = self.step("learner", self.cells, s, a if b == 4 else b)
                    row[t] = row.get(t, 0) + dagent[b]
                    gained += dagent[b] * gain
                dp[s, a], dr[s, a] = row, gained
        return dp, dr


def terminal(mistake, name, rule, followers, about):
    @reading(mistake, name, "gridworld only: " + about)
    def function(e, tangents, previous):
        own = inner(e.problem.environment)
        if not isinstance(own, Gridworld):
            return None
        return in_model(with_environment(e, around(e.problem.environment, OtherTerminal(own, rule, followers))))


terminal("terminal-keeps-transitions", "everybody", "moves", "moves", "state 63 moves as any other cell and pays 0, to followers "
         "too, who pay no cost there.")
terminal("terminal-keeps-rewards", "everybody", "pays", "pays", "state 63 is absorbing and pays its cell's value at every step, to "
         "followers too: U_f(63) = 1/(1-gamma).")
terminal("terminal-keeps-rewards", "moves", "pays moves", "absorbing", "state 63 is absorbing but pays the learner the value of "
         "the cell that a move, its own or an override, would lead to; followers are right.")
terminal("terminal-keeps-rewards", "moves-everybody", "pays moves", "pays moves", "state 63 is absorbing but pays the value of the cell "
         "that a move would lead to, to the learner and to followers on their own grids, with the cost of intervening.")


@lru_cache(maxsize=None)
def followers_by_sweeps(environment, policy, digits):
    """The learner's environment, where followers' values are those of sweeps from 0 until the largest change is below 10^-digits."""
    pi, small, answers = policy.probabilities(), Decimal(10) ** -digits, []
    for grid in environment.grids:
        u, change = [Decimal(0)] * environment.S, small
        while change >= small:
            old, u = u, [max(row) for row in environment.follower_values(grid, pi, u)]
            change = max(abs(x - y) for x, y in zip(u, old))
        answers.append(environment.follower_values(grid, pi, u))
    mean = [[sum(q[s][b] for q in answers) / len(answers) for b in range(5)] for s in range(environment.S)]
    return Stub(*environment.induced([softmax([environment.beta * x for x in row]) for row in mean]))


def swept_followers(who, digits, about, sweeps_of_learner):
    """sweeps_of_learner(e, own, small): the learner's values in this environment; None for the exact ones."""
    @reading("sweeps-of-followers", f"{who}-{digits}", "gridworld only: followers' values by sweeps U(s) <- max_b Q(s,b) from 0, all states "
             f"from the old values, until the largest change is below 1e-{digits}, and the response to the Q of the last U; the learner's values "
             f"{about}; occupancy and gradient right.")
    def function(e, tangents, previous):
        own = inner(e.problem.environment)
        if not isinstance(own, Gridworld):
            return None
        environment = around(e.problem.environment, followers_by_sweeps(own, e.policy, digits))
        if sweeps_of_learner:
            P, r = environment.response(e.policy)
            other = changed(e, P=P, r=r, soft=[[None if x is None else x - y + z for x, y, z in zip(*rows)] for rows in zip(e.soft, e.r, r)])
            other = valued(other, sweeps_of_learner(other, own, Decimal(10) ** -digits))
        else:
            other = with_environment(e, environment)
        if not hasattr(e, "right_gradient"):
            e.right_gradient = gradient(e, tangents)
        return answer(e, e.right_gradient, value=other.value, state_values=other.V, action_values=other.Q)


def until_values_rest(e, own, small):
    return swept(e, False, small)[0]


def until_visits_rest(e, own, small):
    matrix, now, n = chain(e), list(e.problem.initial), 1
    while max((now[s] * max(e.pi[s]) for s in own.inner), default=0) >= small:
        now, n = [e.problem.gamma * sum(now[s] * matrix[s][t] for s in range(e.S)) for t in range(e.S)], n + 1
    return swept(e, False, n)[0]


for digits in range(2, 7):
    swept_followers("followers", digits, "exactly", None)
    swept_followers("everybody", digits, "by sweeps V <- r_pi + gamma P_pi V from 0 until the same change", until_values_rest)
    swept_followers("visits", digits, "by n sweeps V <- r_pi + gamma P_pi V from 0, n such that the last step of the visits, gamma^(n-1) "
                    "(rho P_pi^(n-1))[s] pi(a|s), is below the same change outside terminal cells for the first time, so that the value is "
                    "sum over k < n of gamma^k rho P_pi^k r_pi", until_visits_rest)


# --------------------------------------------------------------------------------------------------------- visits

def visited(e, tangents, d, factor=1, occupancy=None):
    other = changed(e, d=d)
    return answer(e, times(factor, gradient(other, tangents)), occupancy=occupancy or other.occupancy)


def stationary(name, about, normalised, printed):
    @reading("stationary-distribution", name, about + " Not defined where the chain is not irreducible.")
    def function(e, tangents, previous):
        d = stationary_visits(e)
        factor = 1 - e.problem.gamma if normalised else 1
        return d and visited(e, tangents, d, factor, weighted([factor * x for x in d], e.pi) if printed else e.occupancy)


MU = "d[s] replaced by mu[s]/(1-gamma), mu the stationary distribution, in all terms of the gradient"
NU = "d[s] replaced by mu[s], the stationary distribution, in all terms of the gradient"
stationary("over", MU + "; the right occupancy.", False, False)
stationary("over-printed", MU + " and in the occupancy.", False, True)
stationary("normalised", NU + "; the right occupancy.", True, False)
stationary("normalised-printed", NU + " and in the occupancy.", True, True)


def alike(name, about, weight):
    @reading("states-weighted-alike", name, f"d[s] replaced by {about} in every state and in all terms of the gradient; the right occupancy.")
    def function(e, tangents, previous):
        share = weight(e)
        return None if share is None else visited(e, tangents, [zero(e) + share] * e.S, occupancy=e.occupancy)


alike("once", "1", lambda e: 1)
alike("mean", "1/S", lambda e: 1 / (zero(e) + e.S))
alike("horizon", "1/(S(1-gamma))", lambda e: None if e.problem.gamma == 1 else 1 / (e.S * (1 - e.problem.gamma)))


@reading("undiscounted-occupancy", "printed", "d[s] replaced by n[s] in all terms of the gradient and in the occupancy, where states "
         "that are not transient have 0 unless the chain is irreducible, and terminal states are visited as other transient ones are.")
def undiscounted_occupancy(e, tangents, previous):
    n = known_mistakes.undiscounted_visits(e, tangents)
    return n and visited(e, tangents, n)


@reading("stationary-distribution", "one-class", MU + " and in the occupancy, where other states lead to the one class of several states "
         "that is never left. Not defined elsewhere.")
def stationary_of_one_class(e, tangents, previous):
    matrix, reach = chain(e), [{s} for s in range(e.S)]
    for _ in range(e.S):
        reach = [x | {u for t in x for u in range(e.S) if matrix[t][u]} for x in reach]
    last = {s for s in range(e.S) if all(s in x for x in reach)}
    if not 1 < len(last) < e.S:
        return None
    states, one = sorted(last), zero(e) + 1
    inside = [[matrix[t][s] - (s == t) for t in states] for s in states[1:]] + [[one] * len(states)]
    d = [zero(e)] * e.S
    for s, row in zip(states, inverse(inside)):
        d[s] = row[-1] / (1 - e.problem.gamma)
    return visited(e, tangents, d)


@reading("absorbing-rows-missing", "all", "the occupancy with 0 in the rows of absorbing states; everything else right.")
def absorbing_rows_missing(e, tangents, previous):
    ends = absorbing(e)
    return answer(e, gradient(e, tangents), occupancy=[[x * (s not in ends) for x in row] for s, row in enumerate(e.occupancy)])


def started(e, rho):
    """The visits from another distribution of the first state."""
    return [sum(rho[s] * e.N[s][t] for s in range(e.S)) for t in range(e.S)]


@reading("start-one-step-late", "moved", "rho replaced by rho P_pi: value sum_s (rho P_pi)[s] V[s], and d = (rho P_pi) N in the occupancy and "
         "in all terms of the gradient.")
def start_moved(e, tangents, previous):
    matrix = chain(e)
    rho = [sum(e.problem.initial[s] * matrix[s][t] for s in range(e.S)) for t in range(e.S)]
    other = changed(e, d=started(e, rho), value=dot(rho, e.V))
    return answer(other, gradient(other, tangents))


@reading("start-one-step-late", "first-left-out", "d replaced by d - rho, without the first state, in the occupancy and in all terms of the "
         "gradient; the right value.")
def first_state_left_out(e, tangents, previous):
    return visited(e, tangents, [x - y for x, y in zip(e.d, e.problem.initial)])


# --------------------------------------------------------------------------------------------------------- values

def bootstrapped(mistake, name, about, bootstrap):
    """Other action values, in the policy term too; bootstrap(e, s, a) in the place of gamma sum_t P[s,a,t] V[t]."""
    @reading(mistake, name, about + " in the action values and the policy term; all else right.")
    def function(e, tangents, previous):
        other = changed(e, Q=[[None if x is None else x + bootstrap(e, s, a) for a, x in enumerate(row)] for s, row in enumerate(e.soft)])
        return answer(other, gradient(other, tangents))


bootstrapped("bootstrap-undiscounted", "all", "Q[s,a] = r~[s,a] + sum_t P[s,a,t] V[t], without gamma,", lambda e, s, a: e.PV[s][a])
bootstrapped("no-bootstrap", "reward", "Q[s,a] = r~[s,a]", lambda e, s, a: 0)
bootstrapped("no-bootstrap", "own-state", "Q[s,a] = r~[s,a] + gamma V[s]", lambda e, s, a: e.problem.gamma * e.V[s])


def sweeps(e, in_place):
    """V after each sweep of V <- r_pi + gamma P_pi V from 0, and the largest change."""
    matrix, r = [[(t, p) for t, p in enumerate(row) if p] for row in chain(e)], mean_rewards(e)
    V = [zero(e)] * e.S
    while True:
        old, new = V, list(V)
        for s in range(e.S):
            new[s] = r[s] + e.problem.gamma * sum(p * (new if in_place else old)[t] for t, p in matrix[s])
        V = new
        yield V, max(abs(x - y) for x, y in zip(new, old))


def swept(e, in_place, count):
    """V after so many sweeps, and their number; a limit of the change in place of a number stops at a change below it."""
    for n, (V, change) in enumerate(sweeps(e, in_place), 1):
        if n == count or count < 1 and change < count:
            return V, n


def stopped(name, about, in_place):
    @reading("sweeps-stopped-early", name, about + " from V = 0; all else is made of these values and the right occupancy.")
    def function(e, tangents, previous, count):
        other = valued(e, swept(e, in_place, count)[0])
        return answer(other, gradient(other, tangents))


stopped("sweeps", "{n} sweeps V <- r_pi + gamma P_pi V", False)
stopped("in-place", "{n} sweeps V[s] <- r_pi[s] + gamma sum_t P_pi[s,t] V[t], each new value in use at once, in the order of states,",
        True)


def cut(name, about, printed):
    @reading("truncated-at-horizon", name, "V = sum over k < {n} of gamma^k P_pi^k r_pi, d = sum over k < {n} of gamma^k rho P_pi^k, and "
             "all else made of these by the formulas of the truth, " + about)
    def function(e, tangents, previous, count):
        V, n = swept(e, False, count)
        matrix, now = chain(e), list(e.problem.initial)
        d = [zero(e)] * e.S
        for _ in range(n):
            d = [x + y for x, y in zip(d, now)]
            now = [e.problem.gamma * sum(now[s] * matrix[s][t] for s in range(e.S)) for t in range(e.S)]
        other = changed(valued(e, V), d=d)
        return answer(other, gradient(other, tangents), occupancy=other.occupancy if printed else e.occupancy)


cut("printed", "the occupancy too.", True)
cut("exact-occupancy", "but the occupancy, which is right.", False)


@reading("truncated-at-horizon", "visits", "d = sum over k < {n} of gamma^k rho P_pi^k, in the occupancy and in all terms of the gradient; "
         "the right values.")
def visits_cut(e, tangents, previous, count):
    matrix, now, d = chain(e), list(e.problem.initial), [zero(e)] * e.S
    for _ in range(count):
        d = [x + y for x, y in zip(d, now)]
        now = [e.problem.gamma * sum(now[s] * matrix[s][t] for s in range(e.S)) for t in range(e.S)]
    return visited(e, tangents, d)


@reading("truncated-at-horizon", "derivative", "V = sum over k < {n} of gamma^k P_pi^k r_pi, and the gradient as the exact derivative of "
         "sum_s rho[s] V[s], by forward differentiation of its sweeps.")
def return_cut(e, tangents, previous, count):
    matrix, r, gamma = chain(e), mean_rewards(e), e.problem.gamma
    values = [[zero(e)] * e.S]
    for _ in range(count):
        values.append([r[s] + gamma * dot(matrix[s], values[-1]) for s in range(e.S)])

    def forward(dpi, dP, dr):
        moved = [[zero(e)] * e.S for _ in range(e.S)]               # d P_pi
        gained = [zero(e)] * e.S                                    # d r_pi
        for (s, a), x in dpi.items():
            gained[s] += x * (e.soft[s][a] - e.lam(s))
            for t, p in e.P[s][a].items():
                moved[s][t] += x * p
        for (s, a), x in dr.items():
            gained[s] += e.pi[s][a] * x
        for (s, a), row in dP.items():
            for t, x in row.items():
                moved[s][t] += e.pi[s][a] * x
        dV = [zero(e)] * e.S
        for V in values[:-1]:
            dV = [gained[s] + gamma * (dot(moved[s], V) + dot(matrix[s], dV)) for s in range(e.S)]
        return dot(e.problem.initial, dV)

    return answer(valued(e, values[-1]), [forward(*tangent) for tangent in tangents])


@reading("transposed-transitions", "solves-only", "P'[s,a,t] = P[t,a,s]; value, Q, d and all terms with these, and the derivative of the "
         "right P.")
def transposed_solves(e, tangents, previous):
    flipped = known_mistakes.transposed_transitions(e, tangents, previous)
    if flipped is None:
        return None
    P = [[{t: e.P[t][a][s] for t in range(e.S) if s in e.P[t][a]} for a in range(e.A)] for s in range(e.S)]
    other = with_environment(e, Stub(P, e.r))
    return answer(other, gradient(other, tangents))


def transposed(name, about, values, occupancy):
    @reading("transposed-system", name, about)
    def function(e, tangents, previous):
        other, r = e, mean_rewards(e)
        if values:
            other = valued(other, [sum(e.N[t][s] * r[t] for t in range(e.S)) for s in range(e.S)])
        if occupancy:
            other = changed(other, d=[dot(row, e.problem.initial) for row in e.N])
        return answer(other, gradient(other, tangents))


transposed("values", "V = (I - gamma P_pi^T)^-1 r_pi, and all that is made of V; the right occupancy.", True, False)
transposed("visits", "d = (I - gamma P_pi)^-1 rho, and all that is made of d; the right values.", False, True)
transposed("both", "V = (I - gamma P_pi^T)^-1 r_pi and d = (I - gamma P_pi)^-1 rho, and all that is made of them.", True, True)


# -------------------------------------------------------------------------------------------------------- entropy

@reading("entropy-forgotten", "all", "the whole problem with lambda = 0.")
def entropy_forgotten(e, tangents, previous):
    return in_model(with_environment(e, Stub(e.P, e.r, lambda k: tangents[k][1:]), e.problem.entropy * 0))


def with_ends(e, tangents, ends, rewards):
    """The answer with other rewards, entropy included, in states that are never left."""
    soft = [rewards(s) if s in ends else row for s, row in enumerate(e.soft)]
    r = mean_rewards(e, soft)
    other = valued(e, [dot(row, r) for row in e.N], soft)
    # an exact derivative: no d(-lambda log pi) where it does not count
    other.lam = lambda s: 0 if s in ends else e.lam(s)
    return answer(other, gradient(other, tangents))


@reading("entropy-stops-at-absorbing", "all", "no bonus -lambda log pi in absorbing states: value and exact gradient of that problem.")
def entropy_stops_at_absorbing(e, tangents, previous):
    return with_ends(e, tangents, absorbing(e), own_rewards(e).__getitem__)


@reading("absorbing-taken-for-terminal", "all", "absorbing states pay nothing, have no bonus -lambda log pi and respond to nothing, so "
         "that V = 0 there: value and exact gradient of that problem; the occupancy still has their rows.")
def absorbing_taken_for_terminal(e, tangents, previous):
    ends = absorbing(e)

    def rest(rows):
        return {(s, a): x for (s, a), x in rows.items() if s not in ends}

    return with_ends(e, [(dpi, rest(dP), rest(dr)) for dpi, dP, dr in tangents], ends,
                     lambda s: [zero(e) if has else None for has in e.problem.available[s]])


# --------------------------------------------------------------------------------------------- policy and its derivative

def root(x):
    """The square root, of a fraction to 200 digits."""
    return x.sqrt() if isinstance(x, Decimal) else Fraction(isqrt(x.numerator * 10 ** 400 // x.denominator), 10 ** 200)


def with_policy_term(e, tangents, term):
    """The gradient with another policy term, which is a function of dpi."""
    return answer(e, [x if x is None else x + term(k, t[0]) for k, (x, t) in enumerate(zip(gradient(e, tangents, policy=0), tangents))])


def standardised(name, about, weights):
    @reading("standardised-advantages", name, f"the policy term with (A - m)/sigma in place of Q, m the mean and sigma the standard "
             f"deviation of A {about}; not defined where sigma is 0.")
    def function(e, tangents, previous):
        pairs = [(s, a) for s in range(e.S) for a in range(e.A) if e.Q[s][a] is not None]
        A, w = {(s, a): e.Q[s][a] - e.V[s] for s, a in pairs}, {(s, a): weights(e, s, a) for s, a in pairs}
        total = sum(w.values())
        mean = sum(w[i] * A[i] for i in pairs) / total
        variance = sum(w[i] * (A[i] - mean) ** 2 for i in pairs) / total
        if variance <= (0 if e.problem.rational else e.scale() ** 2 * Decimal(10) ** (60 - getcontext().prec)):
            return None
        sigma = root(variance)
        return with_policy_term(e, tangents, lambda k, dpi: sum(
            (e.d[s] * x * (A[s, a] - mean) / sigma for (s, a), x in dpi.items()), zero(e)))


standardised("occupancy", "weighted by d[s,a]", lambda e, s, a: e.occupancy[s][a])
standardised("uniform", "over all pairs alike (divided by their number)", lambda e, s, a: 1 + zero(e))


def is_normalised(e):
    return type(e.policy).__name__ != "Probabilities"


@reading("response-of-own-state", "all", "of the derivatives of P[s,a,.] and r[s,a] those along the parameters of state s alone. Not defined "
         "for log-linear policies.")
def response_of_own_state(e, tangents, previous):
    if type(e.policy).__name__ == "LogLinear":
        return None

    def own(rows, k):
        return {(s, a): x for (s, a), x in rows.items() if s == k // e.A}

    return answer(e, gradient(e, [(dpi, own(dP, k), own(dr, k)) for k, (dpi, dP, dr) in enumerate(tangents)]))


@reading("softmax-jacobian-diagonal", "all", "the policy term with d pi(a|s) = pi(a|s) d logit[s,a], without the part - pi(a|s) sum_b "
         "pi(b|s) d logit[s,b]; the other terms are right.")
def softmax_jacobian_diagonal(e, tangents, previous):
    if not is_normalised(e):
        return None

    def direction(k):
        """The derivative of the logits along parameter k."""
        if type(e.policy).__name__ == "LogLinear":
            return {(s, a): f[k] for s, row in enumerate(e.policy.features) for a, f in enumerate(row) if f is not None}
        return {} if e.policy.lost(k) else {divmod(k, e.A): 1}

    return with_policy_term(e, tangents, lambda k, dpi: sum(
        (e.d[s] * e.pi[s][a] * x * e.Q[s][a] for (s, a), x in direction(k).items()), zero(e)))


@reading("pi-counted-twice", "all", "the policy term sum_s d[s] sum_a dpi(a|s) pi(a|s) Q[s,a]; the other terms are right.")
def pi_counted_twice(e, tangents, previous):
    if not is_normalised(e):
        return None
    return with_policy_term(e, tangents, lambda k, dpi: sum(
        (e.d[s] * x * e.pi[s][a] * e.Q[s][a] for (s, a), x in dpi.items()), zero(e)))


@reading("gradient-of-probabilities", "all", "the partial derivatives with respect to the entries of pi, as for a `probabilities` "
         "policy: the policy term d[s] Q[s,a], the entropy term -lambda d[s]; a response to the parameters themselves keeps its "
         "derivative with respect to these. Not defined for log-linear policies.")
def gradient_of_probabilities(e, tangents, previous):
    return by_probabilities(e)


@reading("gradient-of-probabilities", "without-entropy-term", "the same without its entropy term -lambda d[s].")
def gradient_of_probabilities_without_entropy_term(e, tangents, previous):
    return by_probabilities(e, entropy=0)


def by_probabilities(e, **factors):
    if not is_normalised(e) or type(e.policy).__name__ == "LogLinear":
        return None
    units = [{} if e.policy.lost(k) else {divmod(k, e.A): 1 + zero(e)} for k in range(e.S * e.A)]
    return answer(e, gradient(e, [(dpi, *e.problem.environment.tangent(e.policy, k, dpi)) for k, dpi in enumerate(units)],
                              **factors))
