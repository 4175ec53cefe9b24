"""The problems behind the vectors: each call of `vector` is one file. generate.py evaluates them.

`rational=True` asks for the "exact" member as well; `closed` is a function of the exact answer that asserts a formula
evaluated by hand; `digits` raises the precision of the second source; `strict` compares it entry by entry in relative
terms (for answers whose entries differ by hundreds of orders of magnitude); `as_doubles` is a rational problem with numbers, such as 0.1,
that are another problem as decimals, so that there is no "exact" member.
"""
import json
import pathlib
import random
from fractions import Fraction as F

VECTORS = []


def vector(name, comment, flags, problem, **options):
    assert name not in [v["name"] for v in VECTORS], name
    VECTORS.append({"name": name, "comment": comment, "flags": flags, "problem": {"format": "pemdp-problem/1"} | (problem or {})} | options)


def problem(gamma, policy, environment, initial=None, entropy=None):
    result = {"gamma": gamma}
    if initial is not None:
        result["initial"] = initial
    if entropy is not None:
        result["entropy"] = entropy
    return result | {"policy": policy, "environment": environment}


def softmax(*logits):
    return {"kind": "softmax", "logits": list(logits)}


def log_linear(features, theta):
    return {"kind": "log-linear", "features": features, "theta": theta}


def weights(*values):
    return {"kind": "weights", "values": list(values)}


def probabilities(*values):
    return {"kind": "probabilities", "values": list(values)}


def fixed(transitions, rewards):
    return {"kind": "fixed", "transitions": transitions, "rewards": rewards}


def family(psi, rewards, slope=0, clip=None, **base):
    return {"kind": "exponential-family", "psi": psi} | base | {"reward": {"base": rewards, "slope": slope, "clip": clip}}


def affine(transitions, rewards, transition_slopes=(), reward_slopes=()):
    return {"kind": "affine", "transitions": transitions, "transition_slopes": list(transition_slopes),
            "rewards": rewards, "reward_slopes": list(reward_slopes)}


def explicit(transitions, rewards, transition_jacobian=(), reward_jacobian=()):
    return {"kind": "explicit", "transitions": transitions, "rewards": rewards,
            "transition_jacobian": list(transition_jacobian), "reward_jacobian": list(reward_jacobian)}


def loan(form, q0=0.75, c=0.5, gain=1, loss=1):
    return {"kind": "loan", "form": form, "q0": q0, "c": c, "gain": gain, "loss": loss}


def coin(mu, epsilon):
    return {"kind": "coin", "mu": mu, "epsilon": epsilon}


def gridworld(beta, eps=None, followers=None, perturbed_grids=None, **own):
    """`own`: `cells`, `terminal`, `intervention_cost`."""
    return {"kind": "gridworld", "beta": beta} | own | ({"perturbed_grids": perturbed_grids} if perturbed_grids is not None
                                                        else {"eps": eps, "followers": followers})


def equal(got, *wanted):
    got = got if isinstance(got, list) else [got]
    assert got == [F(x) for x in wanted], (got, wanted)


def near(got, wanted, tolerance):
    assert abs(float(got) - wanted) <= tolerance, (float(got), wanted)


HALF2 = [0.5, 0.5]
T2 = [[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.3, 0.7]]]                     # plain doubles
T2X = [[["9/10", "1/10"], ["1/5", "4/5"]], [["3/5", "2/5"], ["3/10", "7/10"]]]
T3 = [[[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]], [[0.25, 0.25, 0.5], [0.7, 0.2, 0.1]], [[0.4, 0.4, 0.2], [0.05, 0.15, 0.8]]]
T3X = [[["1/2", "3/10", "1/5"], ["1/10", "3/5", "3/10"]], [["1/4", "1/4", "1/2"], ["7/10", "1/5", "1/10"]],
       [["2/5", "2/5", "1/5"], ["1/20", "3/20", "4/5"]]]
R3 = [[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75]]
RHO3 = [0.5, 0.25, 0.25]
L3 = [[0.3, -0.4], [1.2, 0.1], [-0.7, 0.6]]
W3 = [[1, 2], [3, 1], ["1/2", "2/3"]]
FEATURES3 = [[[1.0, 0.0], [0.0, 1.0]], [[0.5, -0.5], [-1.0, 2.0]], [[0.0, 0.0], [1.5, 0.25]]]

# ------------------------------------------------------------------------------------------------ fixed dynamics

vector("fixed-softmax", "Plain case: no performative effect, so the transition and reward terms are 0 and the gradient "
       "is the classical policy gradient.", ["basic"], problem(0.9, softmax(*L3), fixed(T3, R3), RHO3))
vector("fixed-weights-rational", "The same shape in rationals; catches a policy `weights` differentiated with respect to "
       "w instead of log w.", ["rational"], problem("9/10", weights(*W3), fixed(T3X, R3), RHO3), rational=True)
vector("fixed-probabilities-rational", "Parameters are the probabilities: the gradient is d[s] Q[s,a], unconstrained. "
       "Catches A in place of Q and a projection on the simplex.", ["rational", "unconstrained"],
       problem("9/10", probabilities(["1/3", "2/3"], [0.75, 0.25], ["1/5", "4/5"]), fixed(T3X, R3), RHO3), rational=True)
vector("fixed-log-linear", "Log-linear policy with two features; catches features not centred under pi.", ["log-linear"],
       problem(0.9, log_linear(FEATURES3, [0.4, -0.3]), fixed(T3, R3), RHO3))
vector("fixed-softmax-entropy", "Entropy inside the reward of every step, so inside V and Q.", ["entropy"],
       problem(0.9, softmax(*L3), fixed(T3, R3), RHO3, 0.3))
vector("fixed-weights-entropy", "Entropy with the rational policy: the logarithms make the answer irrational.", ["entropy"],
       problem(0.9, weights([1, 2], [3, 1], [0.5, 4]), fixed(T3, R3), RHO3, 0.2))
vector("fixed-log-linear-entropy", "Entropy with features; two actions share one feature vector, so their gap in Q cannot "
       "be acted on.", ["entropy", "log-linear"],
       problem(0.8, log_linear([[[1.0], [1.0]], [[0.5], [-1.0]], [[0.0], [2.0]]], [0.7]), fixed(T3, R3), RHO3, 1.0))
vector("fixed-probabilities-entropy", "Off the simplex d(-pi log pi) = -(log pi + 1) d pi: the term `entropy` is "
       "-lambda d[s] for this policy kind only.", ["entropy", "unconstrained"],
       problem(0.9, probabilities([0.25, 0.75], [0.5, 0.5], [0.125, 0.875]), fixed(T3, R3), RHO3, 0.4))
vector("fixed-probabilities-zero", "Exact zeros without entropy: all entries finite, Q of an action never taken included.",
       ["rational", "zero-probability", "unconstrained"],
       problem("9/10", probabilities([0, 1], [1, 0], [0.5, 0.5]), fixed(T3X, R3), RHO3), rational=True)
vector("fixed-probabilities-zero-entropy", "Exact zeros with entropy: 0 log 0 = 0 in V, and Q, the policy term and the "
       "gradient are null in exactly those entries. Catches NaN and -inf.", ["entropy", "zero-probability", "null"],
       problem(0.9, probabilities([0, 1], [1, 0], [0.5, 0.5]), fixed(T3, R3), RHO3, 0.5))
vector("fixed-probabilities-zero-three-actions", "One null entry among three actions; the other two stay finite.",
       ["entropy", "zero-probability", "null"],
       problem(0.5, probabilities([0.5, 0, 0.5], [0.25, 0.25, 0.5]),
               fixed([[[0.5, 0.5], [1, 0], [0, 1]], [[0.25, 0.75], [0, 1], [1, 0]]], [[1, 2, 3], [0, -1, 1]]), HALF2, 1))
vector("gamma-zero", "gamma = 0: V is the first reward, the occupancy is rho pi. Catches division by gamma.",
       ["rational", "gamma-zero"], problem(0, weights(*W3), fixed(T3X, R3), RHO3), rational=True)
vector("gamma-zero-entropy", "gamma = 0 with entropy.", ["gamma-zero", "entropy"],
       problem(0, softmax(*L3), fixed(T3, R3), RHO3, 2.0))
vector("gamma-small", "gamma = 1e-12: between 0 and what rounding can hide.", ["gamma-small"],
       problem(1e-12, softmax(*L3), fixed(T3, R3), RHO3))
vector("one-state", "A bandit: V = r_pi/(1-gamma).", ["rational", "one-state"],
       problem(0.75, weights([1, 2, 5]), fixed([[[1], [1], [1]]], [[1, -1, "1/3"]]), [1]), rational=True,
       closed=lambda a: equal(a["value"], F(1 - 2 + F(5, 3)) / 8 * 4))
vector("one-action", "One action: the policy cannot matter, the gradient of fixed dynamics is 0.", ["rational", "one-action"],
       problem("9/10", weights([2], [3], [5]), fixed([[row[0]] for row in T3X], [[1], [2], [4]]), RHO3), rational=True,
       closed=lambda a: equal(a["gradient"], 0, 0, 0))
vector("one-state-one-action", "The smallest problem: J = r/(1-gamma). Off the simplex J = pi r/(1 - gamma pi), so the partial derivative is r/(1-gamma)^2.", ["rational", "one-state", "one-action"],
       problem(0.75, probabilities([1]), fixed([[[1]]], [[3]]), [1]), rational=True,
       closed=lambda a: (equal(a["value"], 12), equal(a["gradient"], 48)))
vector("one-state-one-action-entropy", "log 1 = 0: entropy changes nothing but the gradient's entropy term of a "
       "`probabilities` policy, which is -lambda d = -4 lambda.", ["one-state", "one-action", "entropy"],
       problem(0.75, probabilities([1]), fixed([[[1]]], [[3]]), [1], 0.5),
       closed=lambda a: (equal([F(x) for x in a["gradient"]], 46), equal([F(x) for x in a["gradient_terms"]["entropy"]], -2)))
vector("unreachable-state", "State 2 is never visited: occupancy and gradient are 0 there, its values are not.",
       ["rational", "unreachable"],
       problem("9/10", weights([1, 2], [1, 1], [4, 1]),
               fixed([[[0.5, 0.5, 0], [1, 0, 0]], [[0.25, 0.75, 0], [0, 1, 0]], [[0, 0.5, 0.5], [0, 0, 1]]],
                     [[1, 0], [0, 2], [5, 7]]), [1, 0, 0]), rational=True,
       closed=lambda a: (equal(a["gradient"][4:], 0, 0), equal(a["occupancy"][2], 0, 0)))
vector("absorbing-states", "Two absorbing states that pay 1 and -1 for ever; 1/(1-gamma) in both.", ["rational", "absorbing"],
       problem("9/10", weights([1, 3], [1, 1], [1, 1]),
               fixed([[[0, 0.75, 0.25], [0.5, 0.25, 0.25]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]],
                     [[0, 0], [1, 1], [-1, -1]]), [1, 0, 0]), rational=True,
       closed=lambda a: equal(a["state_values"][1:], 10, -10))
vector("periodic-chain", "A cycle of three states: V = (1, gamma^2, gamma)/(1-gamma^3).", ["rational", "periodic"],
       problem("9/10", weights([1, 1], [1, 2], [5, 1]),
               fixed([[[0, 1, 0]] * 2, [[0, 0, 1]] * 2, [[1, 0, 0]] * 2], [[1, 1], [0, 0], [0, 0]]), [1, 0, 0]), rational=True,
       closed=lambda a: equal(a["state_values"], F(1000, 271), F(810, 271), F(900, 271)))
vector("disconnected-chains", "Two components that never meet; rho has mass in both.", ["rational", "disconnected"],
       problem("4/5", weights([1, 2], [2, 1], [1, 1], [3, 1]),
               fixed([[[0.5, 0.5, 0, 0], [1, 0, 0, 0]], [[0, 1, 0, 0], [0.25, 0.75, 0, 0]],
                      [[0, 0, 0, 1], [0, 0, 0.5, 0.5]], [[0, 0, 1, 0], [0, 0, 0, 1]]],
                     [[1, 0], [0, 3], [-2, 1], [0.5, 0.25]]), [0.25, 0.25, 0.25, 0.25]), rational=True)
vector("duplicate-states", "States 0 and 1 are copies of each other: same V, same Q, gradient in the ratio of their "
       "occupancies 3:1.", ["rational", "duplicate-states"],
       problem("9/10", weights([1, 2], [1, 2], [2, 1]),
               fixed([[["3/8", "1/8", 0.5], ["3/4", "1/4", 0]]] * 2 + [[["3/8", "1/8", 0.5], [0, 0, 1]]],
                     [[1, 2], [1, 2], [0, 3]]), ["3/8", "1/8", 0.5]), rational=True,
       closed=lambda a: (equal(a["state_values"][0], a["state_values"][1]), equal(a["gradient"][0], 3 * a["gradient"][2])))
vector("zero-rewards", "Everything but the occupancy is 0.", ["rational", "zero-rewards"],
       problem("9/10", weights(*W3), fixed(T3X, [[0, 0]] * 3), RHO3), rational=True,
       closed=lambda a: (equal(a["value"], 0), equal(a["gradient"], *[0] * 6)))
vector("zero-rewards-entropy", "Only entropy pays: J is the discounted entropy of the policy.", ["entropy", "zero-rewards"],
       problem(0.9, softmax(*L3), fixed(T3, [[0, 0]] * 3), RHO3, 0.7))
vector("huge-rewards-1e12", "Rewards of 1e12 beside rewards of 1: an absolute tolerance fails here.", ["scale"],
       problem(0.9, softmax(*L3), fixed(T3, [[1e12, 1.0], [-1e12, 2.0], [0.5, 1e12]]), RHO3))
vector("huge-rewards-1e100", "Rewards of 1e100: squares overflow nothing yet, but unscaled tolerances do.", ["scale"],
       problem(0.9, softmax(*L3), fixed(T3, [[1e100, -1e100], [2e100, 1.5e100], [0.0, 1e99]]), RHO3))
vector("tiny-rewards-1e-12", "Rewards of 1e-12: an absolute tolerance of 1e-9 cannot fail here, so scale it.", ["scale"],
       problem(0.9, softmax(*L3), fixed(T3, [[1e-12, 2e-12], [-1e-12, 0.0], [3e-12, 1e-12]]), RHO3))
vector("tiny-rewards-1e-200", "Rewards of 1e-200 with a performative effect: no flush to zero.", ["scale"],
       problem(0.9, softmax(*L3), family([1.0, 0.0, -1.0], [[1e-200, 2e-200], [-1e-200, 0.0], [3e-200, 1e-200]]), RHO3))
vector("gamma-0.9999", "Condition number 2e4.", ["ill-conditioned"], problem(0.9999, softmax(*L3), fixed(T3, R3), RHO3))
vector("gamma-0.999999", "Condition number 2e6; the gradient's rounding error grows with 1/(1-gamma)^2. A value iteration "
       "that stops at a small change is wrong in the first digits.", ["ill-conditioned"],
       problem(0.999999, softmax(*L3), fixed(T3, R3), RHO3))
vector("gamma-0.999999-rational", "The same in rationals, with slow mixing on top: the second eigenvalue is 1 - 2^-9.",
       ["rational", "ill-conditioned"],
       problem("999999/1000000", weights([1, 1], [1, 3]),
               fixed([[["1023/1024", "1/1024"]] * 2, [["1/1024", "1023/1024"]] * 2], [[1, 0], [0, 2]]), HALF2), rational=True)
vector("near-deterministic", "Logits of +-30: probabilities of 1e-26 next to 1; 1 - pi cancels.", ["near-deterministic"],
       problem(0.9, softmax([30, -30], [-30, 30], [30, -25]), fixed(T3, R3), RHO3), strict=True)
vector("logits-700", "Logits of +-700: exp overflows at 710 and pi = e^-1400 = 1e-608 underflows to 0, yet nothing in the "
       "answer is infinite.", ["near-deterministic", "underflow"],
       problem(0.9, softmax([700, -700], [-700, 700], [700, 0]), fixed(T3, R3), RHO3), digits=1500, strict=True)
vector("logits-700-entropy", "Logits of +-700 with entropy: -log pi = 1400 in the action values, by log-softmax; nothing "
       "is null.", ["near-deterministic", "underflow", "entropy"],
       problem(0.9, softmax([700, -700], [-700, 700], [700, 700]), fixed(T3, R3), RHO3, 0.5), digits=1500, strict=True)
vector("logits-shifted", "Logits of 1e6 + 0, 1, 2: only differences count; exp without subtracting the largest overflows.",
       ["overflow"], problem(0.9, softmax([1e6, 1000001.0], [-1e6, -999998.0], [1e6, 1e6]), fixed(T3, R3), RHO3))
vector("rows-sum-nearly-1", "Rows that sum to 1 only within 1e-10 are evaluated as given; an implementation that "
       "renormalises them is off by 1e-8 relative in V.", ["unnormalised"],
       problem(0.99, softmax([0.1, 0.2], [0.3, -0.4]),
               fixed([[[0.9, 0.1000000001], [0.2, 0.7999999999]], [[0.6, 0.4000000001], [0.3, 0.7000000001]]],
                     [[1, 2], [3, 5]]), [0.5, 0.5000000001]))
vector("strings-as-numerals", "Every number as a string, fractions and decimals mixed: \"0.1\" is one tenth exactly.",
       ["rational", "numerals"],
       problem("0.95", weights(["1", "2e0"], ["0.5", "1/3"]), fixed(T2X, [["1.25", "-1/7"], ["3e-1", "0.30"]]),
               ["0.1", "9/10"], "0"), rational=True)
vector("strings-and-doubles", "A JSON 0.1 is the double nearest to one tenth, the string \"0.1\" is one tenth; both occur.",
       ["numerals"], problem(0.9, softmax(["0.1", 0.1], ["1/3", -0.2]), fixed(T2X, [["1/7", 0.1], [2, "-1e-3"]]), ["1/3", "2/3"], "0.1"))
vector("initial-concentrated", "rho on one state of three.", ["initial"],
       problem(0.9, softmax(*L3), fixed(T3, R3), [0, 0, 1]))
rng = random.Random(20)
rows = [[[rng.randint(0, 9) for _ in range(6)] for _ in range(4)] for _ in range(6)]
vector("fixed-six-states", "Six states, four actions, sparse rational rows: catches an index in the wrong order of s, a, t "
       "that two states and two actions may hide.", ["rational", "size"],
       problem("7/8", weights(*[[rng.randint(1, 9) for _ in range(4)] for _ in range(6)]),
               fixed([[[f"{x}/{sum(row)}" for x in row] for row in state] for state in rows],
                     [[rng.randint(-5, 5) for _ in range(4)] for _ in range(6)]), ["1/6"] * 6), rational=True)

# --------------------------------------------------------------------------------------------- exponential family

PSI3 = [1.0, -0.5, 0.25]
B3 = [[[0.0, 0.2, -0.1], [0.1, 0.0, 0.3]], [[0.0, 0.0, 0.5], [0.3, -0.3, 0.0]], [[-0.2, 0.1, 0.0], [0.0, 0.4, 0.2]]]
BW3 = [[[1, 2, 1], [1, 0, 3]], [["1/2", 1, 1], [0, 0, 1]], [[5, 1, 2], [1, 1, 1]]]

vector("family-format-example", "The example of the format: two states, logits, base logits, slope, no clip.", ["basic"],
       problem(0.9, softmax([0.1, -0.2], [0.0, 0.3]),
               family([1.0, -0.5], [[1.0, 0.0], [0.0, 0.5]], 0.7, None,
                      base_logits=[[[0.0, 0.2], [0.1, 0.0]], [[0.0, 0.0], [0.3, -0.3]]]), [0.5, 0.5], 0.0))
vector("family-softmax", "All three terms at once, three states.", ["basic"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=B3), RHO3))
vector("family-softmax-entropy", "All three terms with entropy: the transition term uses the regularised V.", ["entropy"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=B3), RHO3, 0.3))
vector("family-no-base", "base_logits left out: they are 0.", ["defaults"],
       problem(0.9, softmax(*L3), family(PSI3, R3, -0.25), RHO3))
vector("family-base-weights", "base_weights with logits; a weight of 0 is a transition that cannot happen.", ["basic"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, None, base_weights=BW3), RHO3))
vector("family-null-transitions", "null in base_logits: the support never changes, and the other entries are normalised "
       "among themselves; one row has a single successor, whose derivative is 0.", ["null-transition"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=[
           [[0.0, None, -0.1], [0.1, 0.0, 0.3]], [[None, None, 0.5], [0.3, -0.3, None]], [[-0.2, 0.1, 0.0], [None, 0.4, 0.2]]]), RHO3))
vector("family-weights-rational", "Integer psi, base weights, slope 0: everything is rational.", ["rational"],
       problem("9/10", weights(*W3), family([1, -2, 0], R3, 0, None, base_weights=BW3), RHO3), rational=True)
vector("family-weights-slope", "Weights with a reward slope: r = base + slope log w, irrational unless w = 1.", ["basic"],
       problem(0.9, weights([1, 2], [3, 1], [0.5, 4]), family([1, -2, 0], R3, 0.5, None, base_weights=BW3), RHO3))
vector("family-weights-base-logits", "Weights with base logits and a psi that is not an integer.", ["basic"],
       problem(0.9, weights([1, 2], [3, 1], [0.5, 4]), family([0.5, -1.5, 2.25], R3, 0, None, base_logits=B3), RHO3))
vector("family-weights-entropy", "Weights with entropy in the exponential family.", ["entropy"],
       problem(0.9, weights([1, 2], [3, 1], [0.5, 4]), family([1, -2, 0], R3, 0, None, base_weights=BW3), RHO3, 0.25))
vector("family-psi-constant", "Constant psi: P does not depend on theta, so the transition term is exactly 0.", ["no-response"],
       problem(0.9, softmax(*L3), family([0.7, 0.7, 0.7], R3, 0.5, None, base_logits=B3), RHO3))
vector("family-psi-zero-slope-zero", "psi = 0 and slope 0: reduces to fixed dynamics; every performative mistake coincides "
       "with the truth.", ["no-response"], problem(0.9, softmax(*L3), family([0, 0, 0], R3, 0, None, base_logits=B3), RHO3))
vector("family-psi-negative", "psi negative and not an integer.", ["psi"],
       problem(0.9, softmax(*L3), family([-3.7, -0.31, -1.9], R3, 0.0, None, base_logits=B3), RHO3))
vector("family-psi-large", "psi = 1100.5 with weights: w^psi overflows a double before it is normalised.", ["overflow", "psi"],
       problem(0.5, weights([1, 2], [3, 1]), family([1100.5, -1100.5], [[1, 0], [0, 2]], 0, None,
               base_weights=[[[1, 1], [1, 2]], [[1, 1], [3, 1]]]), HALF2))
vector("family-clip-inactive", "A clip that is nowhere reached changes nothing.", ["clip"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, 10, base_logits=B3), RHO3))
vector("family-clip-active", "A clip that is active in three of six pairs, at both ends: derivative 0 there.", ["clip"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, 0.8, base_logits=B3), RHO3))
vector("family-clip-boundary", "base + slope theta is exactly the clip in (0,1) and exactly minus the clip in (1,0): not "
       "smooth there. The gradient takes the derivative 0; entries 1 and 2 are open between that and the slope's.",
       ["clip", "kink"],
       problem(0.75, softmax([0.5, 1.0], [-2.0, 0.25]), family([1.0, -1.0], [[0.25, 0.5], [0.0, 0.0]], 0.5, 1.0), HALF2))
vector("family-clip-boundary-flat", "At the clip with slope 0: the reward is constant in theta, so this is smooth.", ["clip"],
       problem(0.75, softmax([0.5, 1.0], [-2.0, 0.25]), family([1.0, -1.0], [[1.0, 0.5], [-1.0, 2.0]], 0.0, 1.0), HALF2))
vector("family-gamma-0.9999", "Ill-conditioned and performative.", ["ill-conditioned"],
       problem(0.9999, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=B3), RHO3))
vector("family-gamma-0.999999-entropy", "Ill-conditioned, performative, with entropy.", ["ill-conditioned", "entropy"],
       problem(0.999999, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=B3), RHO3, 0.1))
vector("family-gamma-zero", "gamma = 0: no transition term, but the reward term stays.", ["gamma-zero"],
       problem(0, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=B3), RHO3))
vector("family-logits-700", "Parameters of +-700 move the transitions as well: exp(psi theta) overflows both ways.",
       ["near-deterministic", "overflow", "underflow"],
       problem(0.9, softmax([700, -700], [-700, 700]), family([1.0, -0.5], [[1.0, 0.0], [0.0, 0.5]], 0.001), HALF2, 0.5),
       digits=1500, strict=True)
vector("family-unreachable-absorbing", "State 3 is unreachable, state 2 absorbing: no gradient at either.",
       ["unreachable", "absorbing", "rational"],
       problem(0.75, weights([2, 1], [1, 3], [1, 5], [2, 3]),
               family([1, 0, -1, 2], [[1, 0], [0, 3], [-1, -1], [9, 5]], 0, None,
                      base_weights=[[[1, 1, 1, 0]] * 2, [[2, 0, 1, 0], [1, 1, 0, 0]], [[0, 0, 1, 0]] * 2, [[1, 1, 1, 1]] * 2]),
               [0.5, 0.5, 0, 0]), rational=True,
       closed=lambda a: equal(a["gradient"][4:], 0, 0, 0, 0))
vector("family-one-state", "One state: the transition term is 0 whatever psi.", ["one-state"],
       problem(0.9, softmax([0.3, -0.4, 1.0]), family([2.0], [[1, 2, 3]], -0.5), [1], 0.2))
vector("family-one-state-one-action", "J = (base + slope theta)/(1-gamma), gradient slope/(1-gamma).",
       ["one-state", "one-action"], problem(0.75, softmax([0.5]), family([2.0], [[1]], 0.25), [1]))
vector("family-irreducible-weights", "Irreducible and rational with all rewards distinct: a standard problem for known mistakes.",
       ["rational"], problem("1/2", weights([1, 2], [3, 1]), family([1, -1], [[1, -2], [4, 0.5]], 0, None,
               base_weights=[[[1, 2], [3, 1]], [[1, 1], [2, 5]]]), [1, 0]), rational=True)

# The exact examples.

T2A = family([0, 1], [[0], [1]], 0, None, base_weights=[[[1, 1]], [[1, 1]]])
vector("t2a", "T2a at gamma 1/2: one action, so the whole gradient is the transition term, (3/16, 1/16); a gradient whose "
       "transition score is weighted by the advantage gives (0, 0).", ["rational", "claim", "one-action"],
       problem(0.5, weights([1], [1]), T2A, [1, 0]), rational=True,
       closed=lambda a: equal(a["gradient"], "3/16", "1/16"))
vector("t2a-gamma-0.9", "T2a at gamma 9/10: gradient (gamma (2-gamma), gamma^2)/(8 (1-gamma)).", ["rational", "claim"],
       problem("9/10", weights([1], [1]), T2A, [1, 0]), rational=True,
       closed=lambda a: equal(a["gradient"], F(9, 10) * F(11, 10) / F(8, 10), F(81, 100) / F(8, 10)))
for name, w, want in (("zero", 1, None), ("low", "1/100", None), ("high", 100, None)):
    w_ = F(w)
    value = 9 * (F(8, 10) * 1000 / w_ + 1000 * w_) / (1 / w_ ** 2 + 1000 / w_ + 10000 + 1000 * w_ + w_ ** 2)
    vector(f"local-maximum-{name}", f"Example A at theta = log {w}: V has local maxima 6.000 (theta = -4.605) and 7.500 "
           "(theta = 4.605), V(0) = 1.35.", ["rational", "claim", "absorbing", "one-action"],
           problem("9/10", weights([w], *[[1]] * 5),
                   family([0, -2, -1, 0, 1, 2], [[0], [0], ["4/5"], [0], [1], [0]], 0, None,
                          base_weights=[[[0, 1, 1000, 10000, 1000, 1]]] + [[[int(t == s) for t in range(6)]] for s in range(1, 6)]),
                   [1, 0, 0, 0, 0, 0]), rational=True,
           closed=lambda a, value=value, name=name: (
               equal(a["value"], value), equal(a["gradient"][1:], 0, 0, 0, 0, 0),
               near(a["value"], {"zero": 1.35, "low": 6.0, "high": 7.5}[name], 6e-4),
               name == "zero" or near(a["gradient"][0], 0, 2e-3)))
B = affine([[[1], [1]]], [[0, "4/5"]], [], [[0, 0, 0, 0, 1], [0, 1, 0, 0, "-4/5"]])
for name, p in (("boundary", F(4, 9)), ("below", F(44, 100)), ("above", F(45, 100))):
    value = (p * p + F(4, 5) * (1 - p) ** 2) * 10
    slope = p * (1 - p) * (2 * p - F(8, 5) * (1 - p)) * 10
    vector(f"two-basins-{name}", f"Example B at p = {p}: V = (p^2 + 0.8 (1-p)^2)/(1-gamma), dV/d theta = p (1-p) "
           "(3.6 p - 1.6)/(1-gamma) along the first logit, 0 at p = 4/9, the border of the two basins.",
           ["rational", "claim", "one-state"],
           problem("9/10", weights([str(p), str(1 - p)]), B, [1]), rational=True,
           closed=lambda a, v=value, s=slope: (equal(a["value"], v), equal(a["gradient"], s, -s)))
for w in (1, 3):
    c = F(3, 4)
    value = F(9) * (c + w * w) / (1 + w + w * w)
    slope = F(9) * w * (2 * w * (1 + w + w * w) - (c + w * w) * (1 + 2 * w)) / F(1 + w + w * w) ** 2
    vector(f"vanishing-w{w}", "Example C, c = 3/4: V = gamma/(1-gamma) (c + w^2)/(1 + w + w^2), its derivative w dV/dw by the "
           "quotient rule.", ["rational", "claim", "absorbing", "one-action"],
           problem("9/10", weights([w], [1], [1], [1]),
                   family([0, -1, 0, 1], [[0], ["3/4"], [0], [1]], 0, None,
                          base_weights=[[[0, 1, 1, 1]], [[0, 1, 0, 0]], [[0, 0, 1, 0]], [[0, 0, 0, 1]]]), [1, 0, 0, 0]),
           rational=True, closed=lambda a, v=value, s=slope: (equal(a["value"], v), equal(a["gradient"], s, 0, 0, 0)))

# ------------------------------------------------------------------------------------------------------- formulas

EXAMPLES = pathlib.Path(__file__).parent.parent.parent / "src" / "oracle" / "examples"


def formulas(transitions, rewards, **rest):
    return {"kind": "formulas", "transitions": transitions, "rewards": rewards} | rest


for name in ("congestion", "epidemic", "credit", "recommender"):
    ready = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    rational = name == "credit"
    vector(f"formulas-{name}", f"The ready problem {name}.", ["formulas"] + ["rational"] * rational, ready, rational=rational)

FOUR = [[0, 0, 0, "p"], [0, 0, 1, "1 - p"], [0, 1, 1, 1], [1, 0, 0, "q/2"], [1, 0, 1, "1 - q/2"], [1, 1, 0, "q"], [1, 1, 1, "1 - q"]]
PQ = {"p": "sigmoid(2*pi[1,0] - 1)", "q": "(1 + tanh(-theta[0,0]))/2"}
vector("formulas-functions", "Every function, `pi` and `theta` at once; `^` binds tighter than a sign.", ["formulas"],
       problem(0.9, softmax([0.3, -0.2], [0.1, 0.4]),
               formulas(FOUR, [[0, 0, "log(1 + pi[0,0])*3 - sqrt(pi[0,1])"], [0, 1, "-pi[1,1]^2 + 2^-1"], [1, 1, "exp(-abs(theta[3]))"]],
                        definitions=PQ), [0.5, 0.5], 0.1))
vector("formulas-log-linear", "`theta` of a log-linear policy has one index.", ["formulas"],
       problem(0.9, log_linear([[[1, 0], [0, 1]], [[0.5, 1], [1, -1]]], [0.3, -0.4]),
               formulas(FOUR, [[0, 0, "theta[0] * theta[1]"], [1, 1, "min(1, 3*pi[0,0], theta[0]^3)"]],
                        definitions={"p": "pi[0,0]^2", "q": "1/(1 + exp(theta[1]))"}), [1, 0]))
vector("formulas-weights", "`theta` of a weights policy is the logarithm of a weight.", ["formulas"],
       problem(0.8, weights([1, 3], [2, "1/2"]),
               formulas(FOUR, [[0, 0, "theta[0,1]"], [1, 0, "exp(theta[1,0]) - theta[1,1]"]],
                        definitions={"p": "sigmoid(theta[0,1] - theta[0,0])", "q": "pi[0,1]"}), [0.25, 0.75], 0.2))
vector("formulas-next-rewards", "A reward r(s,a,t) counts as its mean under the transitions, whose response it shares.",
       ["formulas", "rational"],
       problem("9/10", probabilities(["1/4", "3/4"], ["2/3", "1/3"]),
               formulas(FOUR, [[0, 0, "1/3"]], next_rewards=[[0, 0, 0, "pi[0,0]"], [0, 0, 1, -2], [1, 1, 0, "1/(1 + q)"]],
                        definitions={"p": "pi[1,1]^3", "q": "1/2 - pi[0,0]*pi[1,0]"}), ["1/2", "1/2"]), rational=True)
vector("formulas-normalised", "Rows proportional to rational functions; repeated entries add up before that.", ["formulas", "rational"],
       problem("1/2", weights([1, 2], [3, 1]),
               formulas([[0, 0, 0, "1 + pi[0,0]"], [0, 0, 1, "load"], [0, 0, 1, "load"], [0, 1, 0, "1/(2 - pi[1,1])"], [0, 1, 1, 1],
                         [1, 0, 1, "5"], [1, 1, 0, "a[0,1]"], [1, 1, 1, "a[1,0]"]], [[0, 0, 1], [1, 1, "max(load, 1/100, pi[0,1])"]],
                        normalise=True, constants={"a": [[1, "1/3"], [2, 4]]}, definitions={"load": "pi[0,1]*pi[1,0]"}), [0, 1]),
       rational=True)
vector("formulas-corner", "A maximum of two equal numbers: the first is taken, and the gradient that is printed is one of several.",
       ["formulas", "kink", "rational"],
       problem("1/2", weights([1, 1], [1, 3]),
               formulas([[0, 0, 0, 1], [0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]], [[0, 0, "2*gap"], [1, 0, 1]],
                        definitions={"gap": "max(pi[0,0], pi[0,1])"}), [1, 0]), rational=True)

# ------------------------------------------------------------------------------------------ rewards of the next state

NEXT = [[[2, "1/2"], [-1, 3]], [[0, "7/4"], [1, "-5/2"]]]
NP = [[["1/2", "1/2"], ["1/4", "3/4"]], [[1, 0], ["2/3", "1/3"]]]
vector("next-rewards-family", "An exponential family whose rewards have a next state: they respond with the transitions.", ["next-rewards"],
       problem(0.9, softmax([0.1, -0.2], [0.0, 0.3]),
               family([1.0, -0.5], [[[-1.1967077271925706, -0.32243815075139726], [-0.006761540346521785, -0.4453353669298123]],
                                    [[-0.05409396159544828, 1.3387734990547715], [-0.516894152589275, -1.2593071588782276]]],
                      base_logits=[[[0.0, 0.2], [0.1, 0.0]], [[0.0, 0.0], [0.3, -0.3]]]), [0.5, 0.5]))
vector("next-rewards-family-rational", "The same with weights and a slope of 0, in fractions.", ["next-rewards", "rational"],
       problem("3/4", weights([1, 2], [3, 1]), family([1, 0], NEXT, base_weights=[[[1, 2], [1, 1]], [[3, 1], [0, 1]]]), ["1/4", "3/4"]),
       rational=True)
vector("next-rewards-fixed", "Rewards with a next state where nothing responds.", ["next-rewards", "rational"],
       problem("9/10", probabilities(["1/4", "3/4"], ["1/2", "1/2"]), fixed(NP, NEXT), [1, 0]), rational=True)
vector("next-rewards-affine", "Rewards with a next state beside slopes of the transitions and of rewards.", ["next-rewards", "rational"],
       problem("1/2", weights([1, 3], [2, 1]),
               affine(NP, NEXT, [[0, 0, 0, 1, 0, "-1/4"], [0, 0, 1, 1, 0, "1/4"], [1, 0, 0, 0, 0, "-1/3"], [1, 0, 1, 0, 0, "1/3"]],
                      [[0, 1, 1, 1, "1/2"]]), ["1/2", "1/2"]), rational=True)
vector("next-rewards-explicit", "Rewards with a next state beside derivatives of the transitions and of rewards.", ["next-rewards"],
       problem(0.8, softmax([0.5, -0.25], [0, 1]),
               explicit(NP, NEXT, [[0, 0, 0, 2, 0.25], [0, 0, 1, 2, -0.25], [0, 0, 0, 0, 0.5], [0, 0, 1, 0, -0.5]],
                        [[0, 0, 2, 1.5], [1, 1, 3, -1]]), [0.25, 0.75], 0.2))

# --------------------------------------------------------------------------------------------------------- affine

AX = [[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], [[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], [[0.25, 0.5, 0.25], [0.125, 0.25, 0.625]]]
AS = [[0, 0, 0, 0, 1, 0.25], [0, 0, 2, 0, 1, -0.25], [1, 0, 1, 2, 0, 0.25], [1, 0, 2, 2, 0, -0.25],
      [2, 1, 0, 1, 1, -0.125], [2, 1, 1, 1, 1, 0.125], [0, 1, 1, 1, 0, -0.5], [0, 1, 0, 1, 0, 0.5]]
AR = [[0, 0, 0, 0, -0.5], [1, 1, 2, 0, 1.5], [2, 0, 0, 1, 2], [2, 0, 2, 1, -1]]
for name, policy, rational, entropy in (
        ("softmax", softmax(*L3), False, None), ("weights", weights(*W3), True, None),
        ("probabilities", probabilities(["1/3", "2/3"], [0.75, 0.25], [0.5, 0.5]), True, None),
        ("log-linear", log_linear(FEATURES3, [0.4, -0.3]), False, None),
        ("softmax-entropy", softmax(*L3), False, 0.3),
        ("probabilities-entropy", probabilities([0.25, 0.75], [0.5, 0.5], [0.125, 0.875]), False, 0.5),
        ("probabilities-zero-entropy", probabilities([0, 1], [0.5, 0.5], [1, 0]), False, 0.5)):
    flags = (["rational"] if rational else []) + (["entropy"] if entropy else []) + \
        (["unconstrained"] if "probabilities" in name else []) + (["null", "zero-probability"] if "zero" in name else []) + \
        (["log-linear"] if name == "log-linear" else [])
    vector(f"affine-{name}", "P and r are affine in pi, the response of one pair to the policy in another state included; "
           "catches a response that is differentiated only at its own (s,a).", flags,
           problem("9/10" if rational else 0.9, policy, affine(AX, R3, AS, AR), RHO3, entropy), rational=rational)
vector("affine-repeated-slopes", "Two entries for the same (s,a,t,s2,a2) add up; at the border of the simplex the row has "
       "an exact 0.", ["rational", "unconstrained", "zero-probability"],
       problem(0.75, probabilities([1, 0], [0.5, 0.5]),
               affine([[[0.5, 0.5], [1, 0]], [[0, 1], [0.5, 0.5]]], [[1, 0], [0, 2]],
                      [[0, 0, 0, 0, 0, 0.25], [0, 0, 0, 0, 0, 0.25], [0, 0, 1, 0, 0, -0.5]],
                      [[1, 0, 0, 0, 1], [1, 0, 0, 0, "1/3"]]), HALF2), rational=True)

# ------------------------------------------------------------------------------------------------------- explicit

EJ = [[0, 0, 0, 0, 0.25], [0, 0, 1, 0, -0.25], [0, 1, 1, 3, 0.5], [0, 1, 2, 3, -0.5], [2, 1, 0, 5, -1], [2, 1, 1, 5, 0.25],
      [2, 1, 2, 5, 0.75], [1, 0, 0, 2, 0.125], [1, 0, 2, 2, -0.125]]
ER = [[0, 0, 0, 1], [1, 1, 0, -0.5], [2, 0, 4, 2], [2, 1, 5, -3]]
EJ1 = [e for e in EJ if e[3] < 2] + [[2, 1, 0, 1, -1], [2, 1, 1, 1, 0.25], [2, 1, 2, 1, 0.75]]
ER1 = [[0, 0, 0, 1], [1, 1, 0, -0.5], [2, 1, 1, -3]]
for name, policy, rational, entropy in (
        ("softmax", softmax(*L3), False, None), ("softmax-entropy", softmax(*L3), False, 0.3),
        ("weights", weights(*W3), True, None),
        ("probabilities", probabilities(["1/3", "2/3"], [0.75, 0.25], [0.5, 0.5]), True, None),
        ("log-linear-entropy", log_linear(FEATURES3, [0.4, -0.3]), False, 0.3)):
    small = name.startswith("log-linear")
    vector(f"explicit-{name}", "P, r and their Jacobians at a point, sparse, parameters acting on pairs that are not their own; "
           + ("entropy comes on top and is not part of the given rewards." if entropy else "the third index of a reward entry is k, not t."),
           (["rational"] if rational else []) + (["entropy"] if entropy else []) + (["unconstrained"] if name == "probabilities" else []),
           problem("9/10" if rational else 0.9, policy,
                   explicit(T3X if rational else T3, R3, EJ1 if small else EJ, ER1 if small else ER), RHO3, entropy), rational=rational)
vector("explicit-no-jacobian", "Empty Jacobians: the answer is that of fixed dynamics.", ["rational", "no-response"],
       problem("9/10", weights(*W3), explicit(T3X, R3), RHO3), rational=True)

# ----------------------------------------------------------------------------------------------------------- coin

for name, theta, risk in (("erm", F(1, 8), F(29, 128)), ("stable", F(1, 6), F(2, 9)), ("optimal", F(1, 4), F(7, 32))):
    slope = 2 * F(1, 8) - 2 * F(1, 2) * theta
    vector(f"coin-{name}", f"The coin, mu 1/8, epsilon 1/4, at theta = {theta}: risk {risk}; -PR'(theta) = {slope}, which is 0 "
           "only at the optimum, not at the stable point.", ["rational", "claim", "one-state"],
           problem(0.5, weights([str(F(1, 2) + theta), str(F(1, 2) - theta)]), coin("1/8", "1/4"), [1]), rational=True,
           closed=lambda a, r=risk, g=slope, t=theta: (
               equal(a["value"], -2 * r), equal(a["gradient"], *[2 * g * (F(1, 4) - t * t) * x for x in (1, -1)])))
vector("coin-probabilities", "Unconstrained partial derivatives: the policy term is d Q, equal for both actions, on top of the "
       "response's +-PR'/2.", ["rational", "unconstrained", "one-state"],
       problem("9/10", probabilities(["2/3", "1/3"]), coin("1/8", "1/4"), [1]), rational=True)
vector("coin-softmax-entropy", "The coin with logits and entropy.", ["entropy", "one-state"],
       problem(0.9, softmax([0.4, -0.1]), coin(0.1, 0.3), [1], 0.2))
vector("coin-log-linear", "The coin with one feature.", ["log-linear", "one-state"],
       problem(0.9, log_linear([[[1.0], [-0.5]]], [0.6]), coin(0.1, -0.3), [1]))

# ----------------------------------------------------------------------------------------------------------- loan

for name, p in (("optimal", F(1, 4)), ("stable", F(1, 2)), ("erm", F(1))):
    profit = p * (2 * (F(3, 4) - p / 2) - 1)
    policy = weights([str(p), str(1 - p)]) if p < 1 else probabilities([1, 0])
    vector(f"loan-bandit-{name}", f"The loan as a bandit at p = {p}: V = p (2 q(p) - 1)/(1-gamma), zero profit at the stable "
           "point p = 1/2, optimum at p = 1/4, p = 1 is the model fitted at p = 0.", ["rational", "claim", "one-state"],
           problem("9/10", policy, loan("bandit")), rational=True,
           closed=lambda a, v=10 * profit: equal(a["value"], v))
    vector(f"loan-mdp-{name}", f"The loan as an MDP at p = {p}, gamma 1/2: V(s0) = gamma p (2 q(p) - 1)/(1-gamma^2).",
           ["rational", "claim", "periodic"],
           problem(0.5, weights(*[x for x in [[str(p), str(1 - p)]] + [[1, 1]] * 3]) if p < 1 else
                   probabilities([1, 0], HALF2, HALF2, HALF2), loan("mdp")), rational=True,
           closed=lambda a, p=p, v=F(2, 3) * profit: (equal(a["value"], v), p < 1 and equal(
               a["gradient"][:2], *[p * (p - 1) * (4 * p - 1) / 3 * x for x in (1, -1)])))
vector("t2b", "T2b: the loan MDP at gamma 1/2, p = 1/3: dV/d theta = p (p-1)(4p-1)/3 = -2/81 along the first logit; weighting "
       "the transition score by the advantage gives +2/81, the wrong sign.", ["rational", "claim", "periodic"],
       problem(0.5, weights([1, 2], [1, 1], [1, 1], [1, 1]), loan("mdp")), rational=True,
       closed=lambda a: equal(a["gradient"][:2], "-2/81", "2/81"))
vector("loan-bandit-other", "Other constants, gain and loss unequal.", ["rational", "one-state"],
       problem("4/5", weights([2, 3]), loan("bandit", "9/10", "3/5", "1/2", 2)), rational=True,
       closed=lambda a: equal(a["value"], F(2, 5) * (F(5, 2) * (F(9, 10) - F(6, 25)) - 2) * 5))
vector("loan-mdp-initial", "An initial distribution of its own, not s0, and rewards inside the cycle.", ["rational", "unconstrained"],
       problem("4/5", probabilities(["1/3", "2/3"], [1, 0], [0.5, 0.5], [0, 1]), loan("mdp", "9/10", "3/5", "1/2", 2),
               ["1/4", "1/4", "1/2", 0]), rational=True)
vector("loan-softmax-entropy", "The loan MDP with logits and entropy: entropy pays in the three other states too.", ["entropy"],
       problem(0.9, softmax([0.3, -0.5], [0.1, 0.2], [0.0, 0.0], [1.0, -1.0]), loan("mdp"), None, 0.1))
vector("loan-bandit-log-linear", "The loan bandit with a feature.", ["log-linear", "one-state"],
       problem(0.9, log_linear([[[1.0, 0.5], [0.0, -1.0]]], [0.2, -0.3]), loan("bandit")))

# --------------------------------------------------------------------------------- where a bound is easily false

vector("edge-exact-clip", "A clip that is active, in fractions: the reward 2 is clipped to 1. Catches an exact arithmetic that "
       "has no clip and answers 4.", ["edge", "rational", "one-state"],
       problem(0.5, weights([7]), family([3], [[2]], 0, 1, base_weights=[[[1]]]), [1]), rational=True,
       closed=lambda a: equal(a["value"], 2))
vector("edge-exact-clips", "Rewards inside the clip, beyond it on either side and on its edge, with slope 0, where the edge is no "
       "kink.", ["edge", "rational"],
       problem("3/4", weights([1, 3], [2, 1]), family([0, 2], [["5/4", -2], ["-3/2", 4]], 0, "3/2",
                                                      base_weights=[[[1, 2], [3, 1]], [[1, 0], [2, 5]]]), HALF2), rational=True)
vector("edge-clip-inside", "(-1 + 1e-41) + 3/3 = 1e-41 is within a clip of 1e-40, so the slope is 1/3. 32 digits do not tell it from "
       "the edge.", ["edge", "one-state"],
       problem(0, softmax([3]), family([0], [["-" + str(1 - F(1, 10 ** 41))]], "1/3", "1e-40"), [1]),
       closed=lambda a: near(a["gradient"][0], 1 / 3, 1e-16))
vector("edge-clip-below", "-1e-40 + 1/3 is just below the clip 1/3.", ["edge", "one-state"],
       problem(0.5, softmax([1]), family([0], [["-1/" + "1" + "0" * 40]], "1/3", "1/3"), [1]),
       closed=lambda a: near(a["gradient"][0], 2 / 3, 2e-16))
vector("edge-clip-above", "1e-40 + 1/3 is just above the clip 1/3: the reward is 1/3 and its slope is 0.", ["edge", "one-state"],
       problem(0.5, softmax([1]), family([0], [["1/" + "1" + "0" * 40]], "1/3", "1/3"), [1]),
       closed=lambda a: near(a["gradient"][0], 0, 0))
vector("edge-quotient-underflows", "Weights 1e-16 and 1e308, rewards 1e308 and 0: the first probability is 1e-324, and the value is "
       "1/2. Catches bounds that become 0 because a quotient underflows.", ["edge", "rational", "underflow", "one-state"],
       problem("0.9999999999999998", weights(["1e-16", "1e308"]), fixed([[[1], [1]]], [["1e308", 0]]), [1]), rational=True,
       closed=lambda a: near(a["value"], 0.5, 1e-16))
SMALL = F(5e-324)
vector("edge-weights-subnormal", "The two smallest doubles as weights: the policy is (1/3, 2/3).", ["edge", "rational", "underflow"],
       problem("9/10", weights([str(SMALL), str(2 * SMALL)], [str(2 * SMALL), str(SMALL)]), fixed(T2X, [[1, 0], [0.5, -1]]), HALF2),
       rational=True)
vector("edge-weights-large", "Two weights of which the sum is beyond doubles.", ["edge", "rational", "overflow"],
       problem("9/10", weights(["1e308", "1.5e308"], ["1.7e308", "1e308"]), fixed(T2X, [[1, 0], [0.5, -1]]), HALF2), rational=True)
vector("edge-logits-difference", "Logits of which the difference is beyond doubles: a deterministic state.", ["edge", "overflow"],
       problem(0.9, softmax([-1e308, 1e308], [0, 0]), fixed([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[1, 2], [3, 4]]), HALF2, 0.0), digits=900,
       closed=lambda a: near(a["value"], 29.82758620689655, 1e-14))
vector("edge-features-products", "Products of a feature and a parameter that are beyond doubles; the logits differ by 1.",
       ["edge", "overflow", "log-linear", "one-state"],
       problem(0.5, log_linear([[[1e200, 1.0], [1e200, 0.0]]], [1e200, 1.0]), fixed([[[1], [1]]], [[1, 3]]), [1]), digits=1200)
vector("edge-base-logits", "Base logits of 1e308 that differ by nothing or by everything; the parameter still tilts the rows that "
       "have two successors.", ["edge", "overflow"],
       problem(0.5, softmax([0.5, -0.25], [0, 1]), family([1, -1], [[1, 0], [0.5, -1]], 0, None, base_logits=[
           [[-1e308, -1e308], [1e308, -1e308]], [[1e308, 1e308], [None, -1e308]]]), HALF2), digits=900)
vector("edge-gamma-text", "A discount factor that is 1 as a double: every policy is worth 1/(1 - gamma) = 1e18.", ["edge", "one-state"],
       problem("0.999999999999999999", softmax([0, 1]), fixed([[[1], [1]]], [[1, 1]]), [1]),
       closed=lambda a: near(a["value"], 1e18, 0))
vector("edge-gamma-text-exact", "The same in two states and fractions.", ["edge", "rational"],
       problem("999999999999999999/1000000000000000000", weights([1, 2], [3, 1]), fixed(T2X, [[1, 0], ["1/2", -1]]), HALF2),
       rational=True)
vector("edge-more-parameters", "A log-linear policy with more parameters than pairs of a state and an action.",
       ["edge", "log-linear", "one-state"], problem(0.5, log_linear([[[1, 0]]], [0, 0]), fixed([[[1]]], [[1]]), [1]),
       closed=lambda a: near(a["value"], 2, 0))
vector("edge-small-rewards", "Rewards of 1e-12: an answer of zeros is wrong, whatever absolute tolerance it is held to.", ["edge"],
       problem(0.9, softmax(*L3), fixed(T3, [[1e-12, 2e-12], [-1e-12, 0.0], [3e-12, 1e-12]]), RHO3),
       closed=lambda a: near(a["value"], 8.222455218264323e-12, 1e-26))
vector("edge-repeated-slopes", "Repeated slopes that cancel to 1e-3 from 1e17: they add up exactly.", ["edge"],
       problem(0.5, softmax([0.5, -0.5]), affine([[[1], [1]]], [[1, 0]], [], [
           [0, 0, 0, 1, 1e17], [0, 0, 0, 1, 1e-3], [0, 0, 0, 1, -1e17]]), [1]))
vector("edge-long-denominators", "Fractions of which no two denominators share a factor.", ["edge", "rational"],
       problem("1000003/1000033", weights(["1/1000037", "3/1000039"], ["5/1000081", "2/1000099"]), family(
           [0, 3], [["1/1000117", "-1/1000121"], ["2/1000133", "1/1000151"]], 0, None,
           base_weights=[[["1/1000159", "1/1000171"], [1, "2/1000183"]], [["3/1000187", 1], ["1/1000193", 2]]]), HALF2),
       rational=True)

# ------------------------------------------------------------- terminal states, missing actions, no discounting, entries


def sparse(transitions, rewards=None, next_rewards=None):
    """A fixed environment of entries [s, a, t, p] and [s, a, t, r]."""
    return fixed(transitions, rewards) if next_rewards is None and rewards is not None else {
        "kind": "fixed", "transitions": transitions} | ({"rewards": rewards} if rewards is not None else {}) | {"next_rewards": next_rewards}


NONE3 = [[0, 0, 0], [0, 0, 0]]
ENDING = [T3[0], T3[1], NONE3]
ENDINGX = [T3X[0], T3X[1], NONE3]

vector("terminal-fixed", "State 2 ends the episode; it pays once, by the action that is taken there, and its rows are 0. Catches r/(1-gamma) "
       "in a terminal state, and a reward that is never paid.", ["terminal"],
       problem(0.9, softmax(*L3), fixed(ENDING, R3), RHO3) | {"terminal": [2]})
vector("terminal-fixed-entropy", "The same with entropy, which is not paid in the terminal state, though its policy is not deterministic.",
       ["terminal", "entropy"], problem(0.9, softmax(*L3), fixed(ENDING, R3), RHO3, 0.3) | {"terminal": [2]})
vector("terminal-initial-rational", "The first state is terminal as often as not, and `null` stands for its rows: V(2) = 3/5 and d(2) counts the "
       "start.", ["terminal", "rational", "initial"],
       problem("9/10", weights([1, 2], [3, 1], [3, 2]), fixed([T3X[0], T3X[1], [None, None]], [[1, "-1/2"], ["1/4", 2], [-1, 3]]),
               ["1/4", "1/4", "1/2"]) | {"terminal": [2]}, rational=True,
       closed=lambda a: (equal(a["state_values"][2], "3/5"), equal(a["action_values"][2], -1, 3)))
vector("terminal-rows-not-read", "Rows of terminal states are not read: one stays, one is no distribution, one is null and one is 0.",
       ["terminal", "rational"],
       problem("3/4", weights([1, 1], [1, 3], [2, 1]),
               fixed([[["1/2", "1/4", "1/4"], [0, "1/3", "2/3"]], [[0, 1, 0], [7, -1, "1/2"]], [None, [0, 0, 0]]],
                     [[1, 2], [4, 0], [-2, 1]]), [1, 0, 0]) | {"terminal": [1, 2]}, rational=True,
       closed=lambda a: equal(a["state_values"][1:], 1, -1))
vector("terminal-probabilities-entropy", "Off the simplex, with entropy: the entropy term leaves the terminal state out, and an action of probability 0 "
       "there has a finite value and gradient, unlike the one in state 0.", ["terminal", "entropy", "unconstrained", "null", "zero-probability"],
       problem(0.8, probabilities([0, 1], [0.25, 0.75], [1, 0]), fixed(ENDING, R3), RHO3, 0.5) | {"terminal": [2]})
vector("terminal-formulas-entropy", "The reward of the terminal state responds to the policy, its row would too and does not count; the reward on the way in "
       "shares the response of the transition.", ["terminal", "formulas", "entropy"],
       problem(0.9, softmax([0.3, -0.2], [0.1, 0.4], [-0.5, 0.2]),
               formulas([[0, 0, 1, "x"], [0, 0, 0, "1 - x"], [0, 1, 2, "y"], [0, 1, 0, "1 - y"], [1, 0, 2, "pi[0,0]"], [1, 0, 0, "pi[0,1]"],
                         [1, 1, 2, 1], [2, 0, 0, "pi[2,0]"], [2, 1, 1, "y"]],
                        [[0, 0, -0.25], [1, 1, "x*y"], [2, 0, "tanh(theta[0,1]) + pi[2,1]"], [2, 1, "3*pi[0,0]^2"]],
                        next_rewards=[[0, 1, 2, "1 + x"], [2, 0, 0, 50], [1, 0, 2, -2]],
                        definitions={"x": "sigmoid(theta[0] - theta[1,1])", "y": "pi[1,0]/2 + pi[2,0]/2"}), [0.5, 0.25, 0.25], 0.2)
       | {"terminal": [2]})
vector("terminal-formulas-rational", "Normalised rows, none for the terminal state; its reward responds.", ["terminal", "formulas", "rational"],
       problem("4/5", weights([1, 2], [3, 1], [2, 1]),
               formulas([[0, 0, 0, 1], [0, 0, 1, "1 + pi[1,1]"], [0, 1, 2, "2"], [0, 1, 0, "pi[2,0]"], [1, 0, 0, 1], [1, 1, 2, 1]],
                        [[0, 0, "1/3"], [1, 0, "-pi[0,1]"], [2, 0, "4*pi[0,0]"], [2, 1, "pi[2,0]/3"]], normalise=True), [1, 0, 0])
       | {"terminal": [2]}, rational=True)
vector("terminal-affine-rational", "Slopes of a terminal state's rows do not count; those of its rewards do.", ["terminal", "rational"],
       problem("9/10", weights(*W3), affine([AX[0], AX[1], NONE3], R3, [x for x in AS if x[0] != 2], AR + [[2, 1, 0, 1, "1/3"]]), RHO3)
       | {"terminal": [2]}, rational=True)
vector("terminal-affine-probabilities", "The same off the simplex with entropy, and the rows of the terminal state written in full.",
       ["terminal", "entropy", "unconstrained"],
       problem(0.9, probabilities([0.25, 0.75], [0.5, 0.5], [0.125, 0.875]), affine(AX, R3, AS, AR), RHO3, 0.4) | {"terminal": [2]})
vector("terminal-family-entropy", "An exponential family: the slope of the terminal state's rewards counts, its transitions do not.",
       ["terminal", "entropy"],
       problem(0.9, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=[B3[0], B3[1], [None, None]]), RHO3, 0.3) | {"terminal": [2]})
vector("terminal-family-rational", "An exponential family in fractions, two terminal states, one of them the usual start.", ["terminal", "rational", "initial"],
       problem("9/10", weights(*W3), family([1, -2, 0], R3, 0, None, base_weights=[BW3[0], NONE3, BW3[2]]), ["1/8", "3/4", "1/8"])
       | {"terminal": [1, 2]}, rational=True)
vector("terminal-explicit", "A point with derivatives: of the terminal state's rows they do not count, of its rewards they do.", ["terminal", "entropy"],
       problem(0.9, softmax(*L3), explicit(T3, R3, EJ, ER), RHO3, 0.3) | {"terminal": [2]})
vector("terminal-explicit-rational", "The same in fractions, without the rows that do not count.", ["terminal", "rational"],
       problem("9/10", weights(*W3), explicit(ENDINGX, R3, [e for e in EJ if e[0] != 2], ER), RHO3) | {"terminal": [2]}, rational=True)
vector("terminal-next-rewards", "Rewards r(s,a,t): nothing comes next in a terminal state, so it pays 0. Gymnasium's convention: paid on the way in.",
       ["terminal", "rational", "next-rewards"],
       problem("9/10", weights([1, 3], [2, 1]), fixed([NP[0], [None, None]], [NEXT[0], [[9, 9], [9, 9]]]), [1, 0]) | {"terminal": [1]},
       rational=True, closed=lambda a: equal(a["state_values"][1], 0))
vector("terminal-loan", "The loan as one decision: V(s0) = gamma p (2 q(p) - 1) at p = 1/3.", ["terminal", "rational"],
       problem(0.5, weights([1, 2], [1, 1], [1, 1], [1, 1]), loan("mdp")) | {"terminal": [1, 2, 3]}, rational=True,
       closed=lambda a: (equal(a["value"], F(1, 36)), equal(a["gradient"][:2], "-1/54", "1/54")))

# A room of 3 x 4 cells with a wall in it. A move goes astray to either side with probability 1/10, and stays where there is a wall.
ROOM = {cell: s for s, cell in enumerate((i, j) for i in range(3) for j in range(4) if (i, j) != (1, 1))}


def room(number):
    """Rows of the moves up, right, down, left."""
    moves, table = [(-1, 0), (0, 1), (1, 0), (0, -1)], []
    for i, j in ROOM:
        table.append([])
        for a in range(4):
            row = [0] * 11
            for b, tenths in ((a, 8), (a - 1, 1), (a + 1, 1)):
                di, dj = moves[b % 4]
                row[ROOM.get((i + di, j + dj), ROOM[i, j])] += tenths
            table[-1].append([number(x) for x in row])
    return table


def room_problem(gamma, number, policy, absorbing=False):
    """Cells 3 and 6 pay 1 and -1 and end the episode: as terminal states, or on the way to a state that pays nothing."""
    table, rewards = room(number), [[number(10) if s == 3 else number(-10) if s == 6 else number(-0.4)] * 4 for s in range(11)]
    if absorbing:
        table = [[row + [number(0)] for row in state] for state in table]
        for s in (3, 6):
            table[s] = [[number(0)] * 11 + [number(10)]] * 4
        table, rewards = table + [[[number(0)] * 11 + [number(10)]] * 4], rewards + [[number(0)] * 4]
        return problem(gamma, policy, fixed(table, rewards), [number(10 * (s == 7)) for s in range(12)], 0.0)
    for s in (3, 6):
        table[s] = [[number(0)] * 11] * 4
    return problem(gamma, policy, fixed(table, rewards), [number(10 * (s == 7)) for s in range(11)], 0.0) | {"terminal": [3, 6]}


def tenths(x):
    return round(x / 10, 2)


def greedy_room(count):
    best = [1, 1, 1, 0, 0, 0, 0, 0, 3, 3, 3, 0]
    return probabilities(*[[1.0 if a == b else 0.0 for a in range(4)] for b in best[:count]])


vector("terminal-room", "The 4 x 3 world of the textbooks, discounted, with rows of 0 in its two terminal states.", ["terminal", "size", "unconstrained"],
       room_problem(0.9, tenths, greedy_room(11)), as_doubles=True, closed=lambda a: near(a["value"], 0.29187121318312453, 1e-15))

vector("missing-ragged-entropy", "States with two and three actions, all tables with rows of their own length. Catches a state's third action read "
       "from the next state.", ["missing", "entropy"],
       problem(0.9, softmax([0.2, -0.1], [0.3, 0, -0.4]),
               fixed([[[1.0, 0.0], [0.7, 0.30000000000000004]], [[0.0, 1.0], [0.44999999999999996, 0.55], [1.0, 0.0]]],
                     [[1.0, 3.0], [1.0, 0.30000000000000027, 0.0]]), [1, 0], 0.2),
       closed=lambda a: near(a["value"], 17.301346312914767, 2e-14))
vector("missing-null-reward", "A null reward says that state 1 does not have action 1 (elsewhere written as a reward of minus infinity); V = (-60/7, -20) "
       "up to the discount's rounding.", ["missing", "unconstrained", "null"],
       problem(0.95, probabilities([1.0, 0.0], [1.0, 0.0]), fixed([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.5, 0.5]]], [[5.0, 10.0], [-1.0, None]]),
               [0.5, 0.5], 0.0), as_doubles=True, closed=lambda a: near(a["state_values"][0], -60 / 7, 2e-14))
vector("missing-null-logits", "Null logits, the first of a row too, with an exponential family, a slope and entropy: no parameter is there to tilt or to pay.",
       ["missing", "entropy"],
       problem(0.9, softmax([None, 0.3, -0.4], [1.2, None, 0.1], [-0.7, 0.6, 0.2]),
               family(PSI3, [[9, 1.0, -0.5], [0.25, None, 2.0], [-1.5, 0.75, 1]], 0.5, None,
                      base_logits=[[B3[0][0], B3[0][1], B3[1][0]], [B3[1][1], B3[2][0], B3[2][1]], [B3[0][0], B3[1][1], B3[2][1]]]), RHO3, 0.3))
vector("missing-family-rational", "An exponential family in fractions whose missing action has neither base weights nor a reward.",
       ["missing", "rational"],
       problem("9/10", weights([1, 2, 5], [3, 1], ["1/2", None, "2/3"]),
               family([1, -2, 0], [[1, 2, 3], [1, 1], [0, None, -1]], 0, None,
                      base_weights=[[BW3[0][0], BW3[0][1], BW3[1][0]], BW3[1], [BW3[2][0], None, BW3[2][1]]]), RHO3), rational=True)
vector("missing-available-rational", "The mask alone says which actions there are, in 1 and 0; the weights of the others are not read.", ["missing", "rational"],
       problem("9/10", weights([1, 2, 100], [7, 3, 1], ["1/2", 8, "2/3"]),
               fixed([[*T3X[0], [1, 0, 0]], [[0, 0, 1], *T3X[1]], [T3X[2][0], ["1/2", "1/2", 0], T3X[2][1]]], [[1, -2, 50], [9, 0, 2], [1, -70, 3]]), RHO3)
       | {"available": [[1, 1, 0], [0, 1, 1], [1, 0, 1]]}, rational=True)
vector("missing-available-logits", "The mask in true and false; the largest logits and rewards are those of missing actions.", ["missing", "entropy", "overflow"],
       problem(0.9, softmax([800, 0.5, -0.5], [0.25, 1000, 0.75]),
               fixed([[[1, 0], *T2[0]], [T2[1][0], [0, 1], T2[1][1]]], [[1e9, 1, 2], [0, -1e9, 3]]), HALF2, 0.25)
       | {"available": [[False, True, True], [True, False, True]]})
vector("missing-log-linear-entropy", "Null features, and a row that ends early: features are centred among the actions that there are.",
       ["missing", "log-linear", "entropy"],
       problem(0.9, log_linear([[[1.0, 0.0], None, [0.0, 1.0]], [[0.5, -0.5], [-1.0, 2.0]], [[0.0, 0.0], [1.5, 0.25], [-1, 1]]], [0.4, -0.3]),
               fixed([[T3[0][0], None, T3[0][1]], T3[1], [*T3[2], [0.5, 0.25, 0.25]]], [[1, None, -0.5], [0.25, 2], [-1.5, 0.75, 1]]), RHO3, 0.2))
vector("missing-probabilities-rational", "Off the simplex there is no derivative along an action that is not there: null in the gradient and its policy term, 0 in "
       "the other terms, also where a response refers to it.", ["missing", "rational", "unconstrained", "null"],
       problem("9/10", probabilities(["1/4", "3/4", 0], ["1/2", None, "1/2"]),
               affine([[["1/2", "1/2"], ["1/4", "3/4"], [1, 0]], [["1/2", "1/2"], None, ["1/3", "2/3"]]], [[1, 0, 7], [-2, 5, "1/2"]],
                      [[0, 0, 0, 1, 1, "1/4"], [0, 0, 1, 1, 1, "-1/4"], [1, 0, 0, 0, 0, "1/2"], [1, 0, 1, 0, 0, "-1/2"]],
                      [[0, 1, 1, 1, 3], [1, 2, 0, 2, 2], [1, 0, 0, 1, -1]]), HALF2) | {"available": [[1, 1, 0], [1, 1, 1]]}, rational=True)
vector("missing-probabilities-entropy", "A probability of 0 that could be more beside one that cannot: both null, for different reasons, and only the former has an "
       "entropy term.", ["missing", "entropy", "unconstrained", "null", "zero-probability"],
       problem(0.9, probabilities([0.25, 0, 0.75], [0.5, 0.5]),
               fixed([[[0.5, 0.5], [1, 0], [0, 1]], [[0.25, 0.75], [0, 1]]], [[1, 2, 3], [0, -1]]), HALF2, 0.4))
vector("missing-affine-softmax", "Slopes that refer to a missing action, and slopes of its own row and reward, do nothing.", ["missing", "entropy"],
       problem(0.9, softmax([0.3, -0.4], [1.2], [-0.7, 0.6]), affine([AX[0], [AX[1][0], [1, 0, 0]], AX[2]], R3, AS, AR), RHO3, 0.1))
vector("missing-explicit", "Derivatives along the parameter of a missing action, and those of its own row and reward.", ["missing"],
       problem(0.9, softmax([0.3, -0.4], [1.2, 0.1], [-0.7]), explicit([T3[0], T3[1], [T3[2][0], [0, 0, 1]]], R3, EJ, ER), RHO3))
vector("missing-formulas", "pi of a missing action is 0 in a formula.", ["missing", "formulas", "rational"],
       problem("4/5", weights([1, 2, 1], [3, None, 1]),
               formulas([[0, 0, 0, "pi[1,2]"], [0, 0, 1, "pi[1,0] + pi[1,1]"], [0, 1, 1, 1], [0, 2, 0, 1], [1, 0, 0, "1 - pi[1,1]/2"], [1, 0, 1, "pi[1,1]/2"],
                         [1, 2, 1, 1]], [[0, 0, 1], [0, 2, "pi[1,1] - pi[0,2]"], [1, 2, 2]]), [1, 0]), rational=True)
vector("missing-terminal-entropy", "A terminal state without any action: its row of the policy is empty, nothing is paid there, and its occupancy is 0.",
       ["missing", "terminal", "entropy"],
       problem(0.9, softmax([0.3, -0.4], [1.2, 0.1], []), fixed([T3[0], T3[1], []], [[1, -0.5], [0.25, 2], []]), RHO3, 0.3) | {"terminal": [2]})

vector("total-room", "Without discounting: the 4 x 3 world with a last state where nothing is paid, which ends the episode without being called terminal.",
       ["total", "size", "absorbing", "unconstrained"], room_problem(1, tenths, greedy_room(12), True), as_doubles=True,
       closed=lambda a: near(a["value"], 0.7053082191780824, 1e-15))
vector("total-room-rational", "The 4 x 3 world in fractions with a policy that tries everything.", ["total", "size", "terminal", "rational"],
       room_problem(1, lambda x: str(F(str(x)) / 10), weights(*[[1, 2, 1, 1 + s % 3] for s in range(11)])) | {"entropy": 0}, rational=True)


def unrolled(transitions, rewards, policy, steps):
    """A finite horizon: state 2 n + s is s at time n, and the last one ends it."""
    last = 2 * steps
    table, paid = [], []
    for n in range(steps):
        for s in range(2):
            table.append([[row[t - 2 * n - 2] if n + 1 < steps and 0 <= t - 2 * n - 2 < 2 else float(n + 1 == steps and t == last)
                           for t in range(last + 1)] for row in transitions[s]])
            paid.append(rewards[s])
    table.append([[float(t == last) for t in range(last + 1)]] * 2)
    return problem(1, probabilities(*(policy * steps), [0.5, 0.5]), fixed(table, paid + [[0.0, 0.0]]), [float(t == 0) for t in range(last + 1)], 0.0)


vector("total-horizon", "Five steps unrolled into states. Powers of the matrix have norm 1 until they are 0.", ["total", "size", "absorbing", "unconstrained"],
       unrolled([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.1, 0.9]]], [[1.0, 0.0], [0.0, 2.0]], [[0.3, 0.7], [0.6, 0.4]], 5), as_doubles=True,
       closed=lambda a: near(a["value"], 2.744942185, 1e-15))
PATH = [[["1/2", "1/2", 0], [0, "3/4", "1/4"]], [["1/3", "1/3", "1/3"], [1, 0, 0]], [[0, 0, 1], [0, 0, 1]]]
vector("total-shortest-path", "A stochastic shortest path: each step costs, the goal is where nothing costs any more.", ["total", "absorbing"],
       problem(1, softmax([0.2, -0.3], [0.5, 0.1], [0, 1]), fixed(PATH, [[-1, -2], [-1, -1], [0, 0]]), [0.75, 0.25, 0]))
vector("total-shortest-path-rational", "The same in fractions, off the simplex: partial derivatives of (I - P_pi)^-1 where rows no longer sum to 1.",
       ["total", "absorbing", "rational", "unconstrained"],
       problem(1, probabilities(["1/3", "2/3"], ["3/4", "1/4"], [1, 0]), fixed(PATH, [[-1, -2], [-1, -1], [0, 0]]), ["3/4", "1/4", 0]), rational=True)
vector("total-formulas-rational", "Performative and without discounting: the more the gate is tried, the rarer it opens. V = 1/x - cost of the tries, x = "
       "pi(0) (1 - pi(0)/2).", ["total", "terminal", "formulas", "rational"],
       problem(1, weights([1, 2], [1, 1]),
               formulas([[0, 0, 1, "1 - pi[0,0]/2"], [0, 0, 0, "pi[0,0]/2"], [0, 1, 0, 1]], [[0, 0, -1], [1, 0, "3*pi[0,0]"], [1, 1, 1]]), [1, 0])
       | {"terminal": [1]}, rational=True,
       closed=lambda a, p=F(1, 3): equal(a["value"], -p / (p * (1 - p / 2)) + (3 * p + 1) / 2))
vector("total-formulas-entropy", "Performative, with entropy until the end.", ["total", "terminal", "formulas", "entropy"],
       problem(1, softmax([0.2, -0.4], [0.1, 0.6], [1, 0]),
               formulas([[0, 0, 1, "x"], [0, 0, 0, "1 - x"], [0, 1, 0, "x"], [0, 1, 2, "1 - x"], [1, 0, 2, 0.5], [1, 0, 0, 0.5], [1, 1, 2, 1]],
                        [[0, 0, "-theta[1,0]^2"], [2, 0, "exp(-pi[0,0])"], [2, 1, -1]], definitions={"x": "sigmoid(theta[1,1]) * pi[0,1]"}), [1, 0, 0], 0.3)
       | {"terminal": [2]})
vector("total-family-entropy", "An exponential family without discounting, with a slope and entropy.", ["total", "terminal", "entropy"],
       problem(1, softmax(*L3), family(PSI3, R3, 0.5, None, base_logits=B3), RHO3, 0.3) | {"terminal": [1]})
vector("total-rest-entropy", "With entropy a state where nothing is paid ends the episode only if it has one action, which state 2 has.",
       ["total", "missing", "entropy", "absorbing"],
       problem(1, softmax([0.2, -0.3], [0.5, 0.1], [None, 7]), fixed([*PATH[:2], [None, [0, 0, 1]]], [[-1, -2], [-1, -1], [5, 0]]), [0.75, 0.25, 0], 0.2))
vector("total-slow", "The episode lasts about 1.5 million steps: as ill-conditioned as a discount factor of 0.999999. A sum of 10,000 steps is off by 99 %.",
       ["total", "terminal", "rational", "ill-conditioned"],
       problem(1, weights([1, 2], [3, 1], [1, 1]),
               fixed([[["999999/1000000", 0, "1/1000000"], [0, 1, 0]], [["1/2", "1/2", 0], [1, 0, 0]], NONE3], [["1/1000", -1], [2, "1/3"], [0, 5]]), [1, 0, 0])
       | {"terminal": [2]}, rational=True)

ENTRIES = [[0, 0, 1, "1/2"], [0, 0, 0, "1/2"], [1, 1, 2, "1/4"], [1, 1, 0, "3/4"], [0, 1, 2, 1], [1, 0, 1, "2/3"], [1, 0, 2, "1/3"], [2, 0, 0, 1], [2, 1, 2, "1/5"],
           [2, 1, 1, "4/5"]]
GAINS = [[0, 0, 1, 3], [1, 1, 0, "1/2"], [1, 1, 0, -1], [2, 1, 2, 10], [2, 1, 0, 77]]
vector("sparse-rational", "Transitions as entries [s, a, t, p] in any order; the rest is 0.", ["sparse", "rational"],
       problem("9/10", weights(*W3), sparse(ENTRIES, R3), RHO3), rational=True)
vector("sparse-next-rewards-rational", "Rewards of the next state as entries and no others; two add up, and one is of a transition that does not happen.",
       ["sparse", "rational", "next-rewards"], problem("9/10", weights(*W3), sparse(ENTRIES, None, GAINS), RHO3), rational=True)
vector("sparse-both-rewards-entropy", "Entries of rewards count beside `rewards`; a policy with entropy.", ["sparse", "entropy", "next-rewards"],
       problem(0.9, softmax(*L3), sparse(ENTRIES, R3, GAINS), RHO3, 0.3))
vector("sparse-dense-transitions", "Entries of rewards beside transitions in a table.", ["sparse", "rational", "next-rewards"],
       problem("9/10", weights(*W3), sparse(T3X, R3, GAINS), RHO3), rational=True)
vector("sparse-terminal-total", "No discounting, a terminal state without entries that is paid for on the way in, and an action that is not there.",
       ["sparse", "terminal", "total", "missing", "rational", "next-rewards"],
       problem(1, weights([1, 2, 1], [3, 1], []), sparse([x for x in ENTRIES if x[0] != 2] + [[0, 2, 2, "1/3"], [0, 2, 1, "2/3"]], None,
                                                         [[0, 1, 2, 1], [0, 2, 2, 5], [1, 1, 0, "-1/2"], [1, 0, 2, -3]]), [1, 0, 0])
       | {"terminal": [2]}, rational=True)

# ------------------------------------------------------------------------------------------------------ gridworld

UNIFORM = softmax(*[[0.0] * 4] * 64)


def random_logits(seed, scale, states=64):
    rng = random.Random(seed)
    return softmax(*[[round(scale * (2 * rng.random() - 1), 3) for _ in range(4)] for _ in range(states)])


vector("gridworld-uniform", "The benchmark at eps .5, beta 5, 2 followers, uniform policy; `initial` left out. Ten exact ties "
       "in the followers' best responses, all harmless: right and down, where the follower intervenes all the way to the goal on "
       "both routes, so that neither value depends on the policy.", ["gridworld", "ties"],
       problem(0.9, UNIFORM, gridworld(5, 0.5, 2)), golden=("gridworld_eps0.5_beta5_f2.json", 0))
vector("gridworld-golden-random", "Random logits from the golden data, eps .5, beta 1, 2 followers.", ["gridworld"], None,
       golden=("gridworld_eps0.5_beta1_f2.json", 1))
vector("gridworld-golden-near-deterministic", "Near-deterministic policy from the golden data, eps .3, beta 1, 1 follower: "
       "probabilities of 3e-4 next to 0.999.", ["gridworld", "near-deterministic"], None, golden=("gridworld_eps0.3_beta1_f1.json", 2))
vector("gridworld-ten-followers", "Ten followers, eps .3, beta 10, golden random logits.", ["gridworld"], None,
       golden=("gridworld_eps0.3_beta10_f10.json", 1))
vector("gridworld-eps-greedy", "The benchmark's start policy, 9/10 on the first greedy action of the learner's own grid and 1/30 "
       "on the others, as `probabilities`; exact value -0.2195. Unconstrained partial derivatives.",
       ["gridworld", "unconstrained"], None, eps_greedy=True)
vector("gridworld-random-entropy", "Random logits and entropy .2. The terminal state pays no reward, but its policy's entropy "
       "like any other state's.", ["gridworld", "entropy"], problem(0.9, random_logits(1, 1), gridworld(5, 0.5, 2), None, 0.2))
vector("gridworld-beta-200", "beta 200: the response is nearly a best response, exp(beta Q) must be shifted.",
       ["gridworld", "near-deterministic"], problem(0.9, random_logits(2, 0.5), gridworld(200, 0.3, 2)))
vector("gridworld-beta-zero", "beta 0: the response is uniform whatever the followers want; transition and reward terms are 0.",
       ["gridworld", "no-response"], problem(0.9, random_logits(3, 0.5), gridworld(0, 0.5, 1)))
rng = random.Random(7)
GRIDS = [[[(1.0 if i == j == 7 else rng.choice([-0.5, -0.02, -0.01, -0.01])) for j in range(8)] for i in range(8)] for _ in range(2)]
vector("gridworld-given-grids", "perturbed_grids given, another gamma, the initial distribution on one state.", ["gridworld", "initial"],
       problem(0.95, random_logits(4, 1), gridworld(2, perturbed_grids=GRIDS), [0] * 9 + [1] + [0] * 54))
SYMMETRIC = [[[1.0 if i == j == 7 else -0.5 if (i, j) in ((2, 3), (3, 2)) else -0.01 for j in range(8)] for i in range(8)]]
vector("gridworld-kink", "A grid symmetric about its diagonal, with two holes beside the diagonal, and the uniform policy: the follower "
       "has to leave (2,2) and (3,3) and is indifferent between two directions, after which it leaves the learner alone, so the "
       "two values depend on the policy in different states and the response is not differentiable. The gradient is one element "
       "of the generalised gradient (of tied actions the first is taken).", ["gridworld", "kink", "ties"], problem(0.5, UNIFORM, gridworld(5, perturbed_grids=SYMMETRIC)))

# of any shape; a cell is . -0.01, f -0.02, h -0.5 or g +1

WORTH = {".": -0.01, "f": -0.02, "h": -0.5, "g": 1.0}


def cells(rows):
    return [[WORTH[c] for c in row] for row in rows.split()]


FOUR = cells(".... .fhh .h.. .f.g")
vector("gridworld-4x4", "The 4 x 4 grid of the gradually shifting environments, beta 10, one follower with the learner's own grid: "
       "`cells` left out are those of the only perturbed grid. Uniform policy; `initial` left out is 1/7 on the first row and column.",
       ["gridworld", "cells"], problem(0.9, softmax(*[[0.0] * 4] * 16), gridworld(10.0, perturbed_grids=[FOUR])))
vector("gridworld-4x4-followers", "The 4 x 4 grid with two followers on different grids, beta 1/2 and a cost of 1/10, random logits.",
       ["gridworld", "cells"], problem(0.9, random_logits(8, 1, 16), gridworld(
           0.5, perturbed_grids=[cells("..h. .fh. .h.. .f.g"), cells(".... .f.. hhf. ...g")], cells=FOUR, intervention_cost="1/10")))
vector("gridworld-4x4-entropy", "The 4 x 4 grid with entropy .2, followers drawn with eps 1/2: seeds 0 and 1 on 4 x 4 draws.",
       ["gridworld", "cells", "entropy"], problem(0.9, random_logits(9, 1, 16), gridworld(5, 0.5, 2, cells=FOUR), None, 0.2))
vector("gridworld-3x5", "Three rows of five with two terminal cells, one of them in the first row: `initial` left out is 1/6 on what is "
       "left of the first row and column. Followers drawn with eps .7, seeds 0 to 2.", ["gridworld", "cells"],
       problem(0.8, random_logits(10, 1, 15), gridworld(5, 0.7, 3, cells=cells("..h.g .hf.. ....g"), terminal=[4, 14])))
vector("gridworld-5x2", "Five rows of two, weights, a terminal cell in the middle and a good one that is not terminal; follower and "
       "`initial` given. An entry `perturbed_grids` beside `cells` has its shape.", ["gridworld", "cells", "initial"],
       problem("0.75", weights(*[[1 + (s + 2 * a) % 5 for a in range(4)] for s in range(10)]), gridworld(
           3, perturbed_grids=[[[-0.1, "1/7"], [-0.5, 0.3], [0, 0.25], [-0.02, -0.02], [1, -1]]], terminal=[5],
           cells=[[-0.1, 0.2], [-0.5, "1/3"], [0.5, 0.75], [-0.02, -0.01], [0, -1]]), [0.25, 0, 0, 0.5, 0, 0, 0, 0, 0.25, 0]))
vector("gridworld-1x6-no-terminal", "A row of six without a terminal cell: moves up and down stay, and nothing ends.",
       ["gridworld", "cells"], problem(0.95, random_logits(11, 2, 6), gridworld(
           20, 1, 2, cells=[[0.25, -0.5, -0.01, 0.5, -0.5, 1]], terminal=[])))
vector("gridworld-8x8-terminals", "The benchmark's own cells with two terminal states, random logits.", ["gridworld", "cells"],
       problem(0.9, random_logits(12, 1), gridworld(5, 0.5, 1, terminal=[20, 63])))
DIAGONAL = [cells(".... ..h. .h.. ...g")]
vector("gridworld-4x4-kink", "A 4 x 4 grid symmetric about its diagonal, with a hole on either side of it: as in gridworld-kink the follower is "
       "indifferent between two directions, here out of (1,1).", ["gridworld", "cells", "kink", "ties"],
       problem(0.5, softmax(*[[0.0] * 4] * 16), gridworld(5, perturbed_grids=DIAGONAL)))
vector("terminal-gridworld-entropy", "Episodes end in the goal, so that its policy's entropy is not paid there: what code that stops in cell 63 computes, and "
       "another value than that of the same problem without `terminal`.", ["gridworld", "terminal", "entropy", "ties"],
       problem(0.9, UNIFORM, gridworld(5, 0.5, 2), None, 0.5) | {"terminal": [63]}, closed=lambda a: near(a["value"], 6.304228658282671, 1e-13))

vector("names-entries", "Names of states and actions, in entries beside their numbers, and of the terminal state.", ["names", "terminal", "rational"],
       problem("9/10", weights([1, 2], ["1/2", 3], [1, 1]),
               {"kind": "fixed",
                "transitions": [["calm", "buy", "a \"bad\" day", 1], ["calm", "wait", "calm", "1/3"], [0, 1, "it's over", "2/3"],
                                ["a \"bad\" day", 0, "calm", 1], [1, "wait", 2, 1]],
                "rewards": [[1, 0], [-2, "1/2"], [3, 5]]}, ["1/2", "1/2", 0])
       | {"names": {"states": ["calm", "a \"bad\" day", "it's over"], "actions": ["buy", "wait"]}, "terminal": ["it's over"]},
       rational=True)
vector("names-formulas", "Formulas that speak of states and actions by name, with quotation marks where a name has a space.", ["names"],
       problem(0.9, softmax([0.3, -0.2], [0.1, 0.4]),
               {"kind": "formulas", "normalise": True,
                "definitions": {"load": "pi[calm,buy] + pi['busy day', buy]^2", "more": "exp(theta['busy day','to wait'])*load"},
                "transitions": [["calm", "buy", "busy day", "load"], ["calm", 0, 0, "1"], ["calm", "to wait", "calm", "more"],
                                [0, 1, 1, "pi[ 0,'to wait' ]"], ["busy day", "buy", "calm", "1"], [1, 1, "busy day", "1"]],
                "rewards": [["calm", "buy", "1 - load"], ["busy day", 1, "theta[calm, buy]"]]}, [0.5, 0.5], 0.1)
       | {"names": {"states": ["calm", "busy day"], "actions": ["buy", "to wait"]}})
