"""What a wrong implementation would have answered: one function for each known mistake.

Each takes the true Evaluation of a problem and returns {"value", "gradient"} (and "occupancy" where that is what goes
wrong) in the problem's arithmetic, or None where the mistake is not defined. A quantity that the mistake does not touch
is the true one. READINGS says how each one-line definition was read.
"""
from decimal import Decimal, getcontext

from reference import Around, Evaluation, Fixed, Gridworld, Problem, dot, inverse

READINGS = {
    "no-transition-term": "policy + reward (+ entropy) terms.",
    "advantage-weighted-transition-score": "the transition term is sum_{s,a} d[s,a] A[s,a] sum_t dP[s,a,t] with A = Q - V: the "
        "score of the transition OUT OF (s,a), weighted by the advantage there.",
    "transition-score-one-step-late": "the transition term is gamma sum_{s,a} d[s,a] sum_t dP[s,a,t] sum_b pi(b|t) A[t,b]: the "
        "score of the transition INTO t, weighted by the advantage at t.",
    "no-reward-term": "policy + transition (+ entropy) terms.",
    "no-performative-terms": "the policy term (+ the entropy term of a `probabilities` policy, which is the policy's own).",
    "response-values-frozen": "gridworld only: dQ_f(s,b) = 0 for b = 0..3, and for b = 4 only the direct part, "
        "sum_a dpi(a|s) (g_f(next) + gamma U_f(next)); dU_f is dropped everywhere.",
    "transition-term-undiscounted": "the transition term with d[s] replaced by n[s] = the expected number of visits "
        "sum_t P(s_t = s) where every state with dP != 0 is transient, or by stationary[s]/(1-gamma) where the chain P_pi is "
        "irreducible; the factor gamma of gamma V(s') stays.",
    "transition-term-no-gamma": "sum_{s,a} d[s,a] sum_t dP[s,a,t] V[t], V and d the true, discounted ones.",
    "normalised-occupancy": "occupancy and gradient multiplied by (1-gamma); value unchanged.",
    "undiscounted-occupancy": "d[s] replaced by n[s] (as in transition-term-undiscounted) in all terms; the states that have to "
        "be transient are those that contribute to any term; at an absorbing state that contributes nothing n is not needed.",
    "entropy-in-reward-not-bootstrap": "W = N r_pi is the value without entropy; Q' = (r - lambda log pi) + gamma P W. "
        "value = sum_s rho[s] sum_a pi(a|s) Q'[s,a]; gradient: Q' in the policy term, W in the transition term, true d.",
    "entropy-in-bootstrap-not-reward": "Q' = r + gamma P V with the regularised V, in the policy term; the other terms and the "
        "value are the true ones.",
    "entropy-sign": "the whole evaluation with -lambda in place of lambda.",
    "reward-weighted-by-state": "the reward term is sum_{s,a} d[s] dr[s,a].",
    "terminal-keeps-transitions": "gridworld only: in the induced MDP of the LEARNER the terminal state 63 moves by its own moves "
        "(and the response agent's overrides, whose Q is 0 there, so its response is uniform) and still pays 0; the followers "
        "are right.",
    "terminal-keeps-rewards": "gridworld only: in the induced MDP of the LEARNER state 63 is absorbing but pays its cell's +1 for "
        "every action at every step; the followers are right.",
    "stale-environment": "value of pi in the fixed (P, r) induced by `previous` (or by the uniform policy: logits 0, weights 1, "
        "equal probabilities, theta 0), and the ordinary policy gradient in that fixed environment.",
    "descent": "the gradient with its sign flipped.",
    "transposed-transitions": "P'[s,a,t] = P[t,a,s]; value, d and all terms of that (non-stochastic) kernel, dP transposed the "
        "same way; the gradient is the exact derivative of the wrong value.",
}


def all_tangents(e):
    return [e.tangents(k) for k in range(e.policy.parameters)]


def assembled(e, tangents, policy=None, transition=None, reward=None, entropy=True):
    """A gradient from cotangents: policy[s][a] for dpi, transition[s][a][t] for dP (a function), reward[s][a] for dr."""
    result = []
    for dpi, dP, dr in tangents:
        total = e.problem.gamma * 0
        if policy and any(policy[s][a] is None for s, a in dpi):
            result.append(None)
            continue
        for (s, a), x in dpi.items():
            if policy:
                total += x * policy[s][a]
            if entropy:
                total -= e.lam(s) * e.d[s] * x
        if transition:
            for (s, a), row in dP.items():
                total += sum(x * transition(s, a, t) for t, x in row.items())
        if reward:
            total += sum(x * reward[s][a] for (s, a), x in dr.items())
        result.append(total)
    return result


def times(c, x):
    """c times every number in nested lists, None as it is."""
    return [times(c, y) for y in x] if isinstance(x, list) else x if x is None else c * x


def weighted(d, rows):
    return [times(w, row) for w, row in zip(d, rows)]


def truth(e):
    """The three cotangents: d Q, gamma d V, d[s,a]."""
    gamma = e.problem.gamma
    return weighted(e.d, e.Q), lambda s, a, t: gamma * e.occupancy[s][a] * e.V[t], e.occupancy


def chain_and_reach(e):
    """P_pi, and what each state leads to, itself included."""
    n = e.S
    chain = [[sum(e.pi[s][a] * e.P[s][a].get(t, 0) for a in range(e.A)) for t in range(n)] for s in range(n)]
    reach = [{s} for s in range(n)]
    for s in range(n):
        todo = [s]
        while todo:
            for t, p in enumerate(chain[todo.pop()]):
                if p and t not in reach[s]:
                    reach[s].add(t)
                    todo.append(t)
    return chain, reach


def visits(e, needed):
    """Undiscounted visits of the states `needed`, or stationary/(1-gamma), or None. A state is transient, too, where episodes end
    or from where they may come to an end."""
    n, one = e.S, e.problem.gamma * 0 + 1
    chain, reach = chain_and_reach(e)
    transient = [s for s in range(n) if any(s not in reach[t] or not any(chain[t]) for t in reach[s])]
    if set(needed) <= set(transient):
        if not transient:
            return [one * 0] * n
        N = inverse([[one * (s == t) - chain[s][t] for t in transient] for s in transient])
        result = [one * 0] * n
        for j, t in enumerate(transient):
            result[t] = sum(e.problem.initial[s] * N[i][j] for i, s in enumerate(transient))
        return result
    return stationary_visits(e)


def stationary_visits(e):
    """stationary/(1-gamma) where the chain is irreducible, or None."""
    n, one = e.S, e.problem.gamma * 0 + 1
    chain, reach = chain_and_reach(e)
    if not all(len(x) == n for x in reach) or not all(map(any, chain)):
        return None
    # replace one balance equation by the sum
    matrix = [[chain[t][s] - (s == t) for t in range(n)] for s in range(n - 1)] + [[one] * n]
    return [row[n - 1] / (1 - e.problem.gamma) for row in inverse(matrix)]


class Stub(Fixed):
    """A given (P, r), with given tangents."""

    def __init__(self, P, r, tangents=lambda k: ({}, {})):
        self.transitions, self.rewards, self.tangents = P, r, tangents

    def tangent(self, policy, k, dpi):
        return self.tangents(k)


def inner(environment):
    """The environment that others only end, or pay for the next state."""
    return inner(environment.environment) if isinstance(environment, Around) else environment


def around(environment, core):
    """The same with another inner environment."""
    if not isinstance(environment, Around):
        return core
    other = object.__new__(type(environment))
    other.__dict__.update(environment.__dict__, environment=around(environment.environment, core))
    return other


def with_environment(e, environment, entropy=None):
    """The same problem, policy and initial distribution in another environment."""
    other = object.__new__(Problem)
    other.__dict__.update(e.problem.__dict__, environment=environment)
    if entropy is not None:
        other.entropy = entropy
    return Evaluation(other, e.policy)


def evaluated(e, tangents=None):
    """value and gradient of another evaluation, by its own forward derivative."""
    return {"value": e.value, "gradient": [e.derivative(k, e.tangents(k)) for k in range(e.policy.parameters)]}


def only_gradient(e, gradient):
    return {"value": e.value, "gradient": gradient}


def no_transition_term(e, tangents, previous):
    q, _, w = truth(e)
    return only_gradient(e, assembled(e, tangents, q, None, w))


def advantage_weighted_transition_score(e, tangents, previous):
    q, _, w = truth(e)
    return only_gradient(e, assembled(e, tangents, q, lambda s, a, t: e.occupancy[s][a] * (e.Q[s][a] - e.V[s]), w))


def transition_score_one_step_late(e, tangents, previous):
    q, _, w = truth(e)
    mean = [sum(e.pi[t][b] * (e.Q[t][b] - e.V[t]) for b in range(e.A) if e.Q[t][b] is not None) for t in range(e.S)]
    return only_gradient(e, assembled(e, tangents, q, lambda s, a, t: e.problem.gamma * e.occupancy[s][a] * mean[t], w))


def no_reward_term(e, tangents, previous):
    q, v, _ = truth(e)
    return only_gradient(e, assembled(e, tangents, q, v, None))


def no_performative_terms(e, tangents, previous):
    return only_gradient(e, assembled(e, tangents, truth(e)[0]))


def response_values_frozen(e, tangents, previous):
    environment = inner(e.problem.environment)
    if not isinstance(environment, Gridworld):
        return None
    environment.frozen = True
    result = evaluated(e)
    environment.frozen = False
    return result


def transition_term_undiscounted(e, tangents, previous):
    n = visits(e, {s for _, dP, _ in tangents for (s, a), row in dP.items() if e.pi[s][a] and any(row.values())})
    if n is None:
        return None
    q, _, w = truth(e)
    return only_gradient(e, assembled(e, tangents, q, lambda s, a, t: e.problem.gamma * n[s] * e.pi[s][a] * e.V[t], w))


def transition_term_no_gamma(e, tangents, previous):
    q, _, w = truth(e)
    return only_gradient(e, assembled(e, tangents, q, lambda s, a, t: e.occupancy[s][a] * e.V[t], w))


def normalised_occupancy(e, tangents, previous):
    g = 1 - e.problem.gamma
    return {"value": e.value, "gradient": times(g, assembled(e, tangents, *truth(e))), "occupancy": times(g, e.occupancy)}


def undiscounted_visits(e, tangents):
    """Undiscounted visits where the states that contribute to any term are transient, or the chain is irreducible; or None."""
    if e.policy.__class__.__name__ == "Probabilities":
        return None                                          # the terms do not vanish where A does: left undefined here
    needed, small = set(), e.scale() * (Decimal(10) ** (60 - getcontext().prec) if not e.problem.rational else 0)
    for dpi, dP, dr in tangents:
        needed |= {s for (s, a), row in dP.items() if e.pi[s][a] and any(row.values())}
        needed |= {s for (s, a), x in dr.items() if x and e.pi[s][a]}
        for s in {s for s, _ in dpi}:
            if abs(sum(x * e.Q[s2][a] for (s2, a), x in dpi.items() if s2 == s)) > small:
                needed.add(s)
    return visits(e, needed)


def undiscounted_occupancy(e, tangents, previous):
    n = undiscounted_visits(e, tangents)
    if n is None:
        return None
    occupancy = weighted(n, e.pi)
    return only_gradient(e, assembled(e, tangents, weighted(n, e.Q),
                                      lambda s, a, t: e.problem.gamma * occupancy[s][a] * e.V[t], occupancy))


def entropy_in_reward_not_bootstrap(e, tangents, previous):
    gamma = e.problem.gamma
    plain = [dot(row, [dot(e.pi[s], e.r[s]) for s in range(e.S)]) for row in e.N]
    q = [[None if e.soft[s][a] is None else e.soft[s][a] + gamma * sum(p * plain[t] for t, p in e.P[s][a].items())
          for a in range(e.A)] for s in range(e.S)]
    mean = [sum(p * x for p, x in zip(*rows) if x is not None) for rows in zip(e.pi, q)]
    return {"value": dot(e.problem.initial, mean),
            "gradient": assembled(e, tangents, weighted(e.d, q), lambda s, a, t: gamma * e.occupancy[s][a] * plain[t], e.occupancy)}


def entropy_in_bootstrap_not_reward(e, tangents, previous):
    _, v, w = truth(e)
    q = [[e.r[s][a] + e.problem.gamma * e.PV[s][a] if e.problem.available[s][a] else None for a in range(e.A)] for s in range(e.S)]
    return only_gradient(e, assembled(e, tangents, weighted(e.d, q), v, w))


def entropy_sign(e, tangents, previous):
    return evaluated(with_environment(e, e.problem.environment, -e.problem.entropy))


def reward_weighted_by_state(e, tangents, previous):
    q, v, _ = truth(e)
    return only_gradient(e, assembled(e, tangents, q, v, [[x] * e.A for x in e.d]))


class MovingTerminal(Gridworld):
    def induced(self, response):
        p, r = super().induced(response)
        for s in self.ends:
            for a in range(4):
                p[s][a] = {}
                for b in range(5):
                    t = self.next(s, a if b == 4 else b)
                    p[s][a][t] = p[s][a].get(t, 0) + response[s][b]
        return p, r


class PayingTerminal(Gridworld):
    def induced(self, response):
        p, r = super().induced(response)
        for s in self.ends:
            r[s] = [self.cells[s]] * 4
        return p, r


def on_another_grid(e, kind):
    own = inner(e.problem.environment)
    if not isinstance(own, Gridworld):
        return None
    other = object.__new__(kind)
    other.__dict__.update(own.__dict__, solved=None)
    return evaluated(with_environment(e, around(e.problem.environment, other)))


def terminal_keeps_transitions(e, tangents, previous):
    return on_another_grid(e, MovingTerminal)


def terminal_keeps_rewards(e, tangents, previous):
    return on_another_grid(e, PayingTerminal)


def uniform(policy):
    """The uniform policy of the same kind, over the actions that a state has."""
    name, one = type(policy).__name__, None
    if name == "Softmax":
        return policy.changed(logits=[[x if x is None else x * 0 for x in row] for row in policy.logits])
    if name == "LogLinear":
        other = policy.changed(weights=[x * 0 for x in policy.weights])
        other.set_logits()
        return other
    if name == "Weights":
        return policy.changed(values=[[x if x is None else x * 0 + 1 for x in row] for row in policy.values])
    return policy.changed(values=[[(x * 0 + has) / max(sum(own), 1) for x, has in zip(row, own)]
                                  for row, own in zip(policy.values, policy.available)])


def stale_environment(e, tangents, previous):
    if type(inner(e.problem.environment)).__name__ == "Explicit":
        return None
    deployed = previous.policy if previous else uniform(e.policy)
    P, r = (previous or e.problem).environment.response(deployed)
    return evaluated(with_environment(e, Stub(P, r)))


def descent(e, tangents, previous):
    return only_gradient(e, times(-1, assembled(e, tangents, *truth(e))))


def transposed_transitions(e, tangents, previous):
    def flipped(P):
        result = [[{} for _ in range(e.A)] for _ in range(e.S)]
        for s in range(e.S):
            for a in range(e.A):
                for t, p in P[s][a].items():
                    result[t][a][s] = p
        return result

    def tangent(k):
        dP, dr = {}, tangents[k][2]
        for (s, a), row in tangents[k][1].items():
            for t, x in row.items():
                dP.setdefault((t, a), {})[s] = x
        return dP, dr

    P = flipped(e.P)
    # the spectral radius of gamma P'_pi is below 1 if some power of it has a norm below 1
    matrix = [[float(e.problem.gamma) * sum(float(e.pi[s][a]) * float(P[s][a].get(t, 0)) for a in range(e.A))
               for t in range(e.S)] for s in range(e.S)]
    for _ in range(20):
        if max(sum(row) for row in matrix) < 1:
            return evaluated(with_environment(e, Stub(P, e.r, tangent)))
        if max(sum(row) for row in matrix) > 1e100:
            break
        matrix = [[sum(row[k] * matrix[k][j] for k in range(e.S)) for j in range(e.S)] for row in matrix]
    return None


MISTAKES = {name: globals()[name.replace("-", "_")] for name in READINGS}
