"""`attack.py optimum`: no policy is above `upper_bound`, `value` is reached, and what is printed makes sense.

The domain's policies that are held against the bound: the deterministic ones (among which is the optimum of a fixed chain),
random ones, those of a climb from the best, the printed one, and the closed forms of loans and coins. Of exponential families:
corners of the box of parameters (far out where there is none), random parameters and a climb.
"""
import itertools
import json
import math
import random
from fractions import Fraction

from flint import arb, arb_mat, ctx, fmpq

import families
from compare import LARGE_BITS
from evaluate import Balls, Problem, Softmax, evaluations
from harness import batches, guarded, message, refused, result, run, strict
from numerals import Malformed, fraction, leaves, load, nearest

BATCH, BUDGET, SLACK = 4, 1.0, 1.0            # seconds asked for, and by how much a run may be late
FAR = 40.0                                    # parameters that are nearly their limits
GAP, RELATIVE_GAP = 1e-6, 1e-12               # the defaults of --gap and --relative-gap
WIDEST = 64                                   # no box of parameters is wider
KEYS = {"format", "value", "upper_bound", "gap", "certified", "attained", "domain", "policy", "parameters", "method", "nodes", "stop"}
STOPS = {"gap", "exhausted", "budget", "memory", "interrupted"}
KINDS = ["fixed", "affine", "affine", "loan", "coin", "exponential-family", "exponential-family"]
UNBUDGETED = ("loan", "coin")                 # one number decides there: these have to end by themselves


# ------------------------------------------------------------------------------------------------- problems

def problem(kind, seed, index):
    """A small problem without entropy; rewards of hostile sizes in half of them."""
    rng = random.Random(f"optimum/{kind}/{seed}/{index}")
    maker = families.Maker(rng)
    maker.entropy_chance = 0
    if rng.random() < 0.5:
        maker.scale = 1.0
    size = rng.choice([(1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (3, 2)])
    gamma = None if rng.random() < 0.4 else rng.choice([0, 0.5, 0.9, "99/100", 0.99])
    return maker.problem(kind, size, gamma) | {"entropy": 0}


def tasks(options):
    kinds = [options.family] if options.family else KINDS
    drawn = [(kinds[i % len(kinds)], i) for i in range(options.problems)]
    return [(options.binary, options.seed, part) for part in batches(drawn, BATCH)]


def work(task):
    binary, seed, part = task
    return [guarded(attempt, kind, index, json.dumps(problem(kind, seed, index)), binary) for kind, index in part]


def attempt(kind, index, text, binary):
    """One optimum, with a budget but for the simplest kinds."""
    free = kind in UNBUDGETED and index % 2 == 0
    budget = [] if free else ["--budget", str(BUDGET)]
    outcome = run([binary, "optimum", "-", "--json", *budget], text, 10 * SLACK if free else 10 * BUDGET)
    if outcome.status is None:
        return result(kind, index, text, "timeout", [f"not ended after {10 * BUDGET:.0f} s {' '.join(budget) or 'without a budget'}"])
    if outcome.panicked():
        return result(kind, index, text, "panic", [f"panic: {outcome.errors.strip()[:200]}"])
    lines = outcome.errors.strip().splitlines()
    if outcome.status == 2 and len(lines) == 1:
        return refused(kind, index, text, message(lines[0]))
    if outcome.status != 0:
        return result(kind, index, text, "status", [f"status {outcome.status} with {len(lines)} lines of errors"])
    failures = [] if free or outcome.seconds <= BUDGET + SLACK else [f"a budget of {BUDGET} s took {outcome.seconds:.1f} s"]
    try:
        answer = strict(outcome.output)
    except ValueError as error:
        return result(kind, index, text, "answered", [f"the output is not JSON: {error}"])
    notes = []
    failures += inconsistencies(answer, text) or falsehoods(answer, text, random.Random(text), notes)
    return result(kind, index, text, "answered", failures, notes=notes, files={"optimum": outcome.output.strip()})


# ----------------------------------------------------------------------------------------------- consistency

def inconsistencies(answer, text):
    """What is wrong with the form: keys, numbers, rows, and the gap with what is said about it."""
    if set(answer) != KEYS and set(answer) | {"note"} != KEYS | {"note"}:
        return [f"keys: {sorted(set(answer) ^ KEYS)}"]
    flaws = []
    value, upper, gap = answer["value"], answer["upper_bound"], answer["gap"]
    for name in ("value", "upper_bound", "gap"):
        if not isinstance(answer[name], float) or not math.isfinite(answer[name]):
            flaws.append(f"{name} is no number")
    shape = load(text)["policy"]
    rows = shape.get("logits") or shape.get("values") or shape["features"]
    policy = answer["policy"]
    if [len(row) for row in policy] != [len(row) for row in rows]:
        return [*flaws, "the policy has another shape"]
    for row in policy:
        if not is_distribution(row):
            flaws.append("a row of the policy is no distribution")
            break
    if not all(isinstance(x, float) or x in ("inf", "-inf") for x in answer["parameters"]):
        flaws.append("a parameter is no number")
    if answer["stop"] not in STOPS or not isinstance(answer["certified"], bool):
        flaws.append("stop or certified")
    if flaws:
        return flaws
    exact = fraction(upper) - fraction(value)
    if exact < 0:
        flaws.append("upper_bound is below value")
    if fraction(gap) < exact or gap > math.nextafter(math.nextafter(max(upper - value, 0.0), math.inf), math.inf):
        flaws.append(f"gap is {gap}, and upper_bound - value is {upper - value}")
    least, most = sizes(text)
    if answer["certified"] != (fraction(gap) <= wanted(least)) and not wanted(least) < fraction(gap) <= wanted(most):
        flaws.append(f"certified is {answer['certified']} at a gap of {gap}")
    if answer["stop"] == "gap" and not answer["certified"]:
        flaws.append(f"stop is {answer['stop']} and certified {answer['certified']}")
    return flaws


def wanted(size):
    """The gap that is called certified where values are of a size."""
    return max(fraction(GAP), fraction(RELATIVE_GAP) * size)


def sizes(text):
    """Values are of the size R / (1 - gamma), R the least power of two above all rewards of the domain: two ends for it."""
    problem = Problem(text)
    environment = problem.environment
    ends = {"fixed": lambda: (environment.rewards, []),
            "affine": lambda: (environment.rewards, environment.reward_slopes.values()),
            "loan": lambda: ([environment.gain, environment.loss], []),
            "coin": lambda: ([1], []),
            "exponential-family": lambda: (environment.base, [environment.slope * WIDEST])}
    base, slopes = ends[problem.kind]()
    least = max(abs(x) for x in leaves(base))
    most = least + sum(abs(x) for x in slopes)
    clip = getattr(environment, "clip", None)
    if clip is not None:
        least, most = (min(x, clip) for x in (least, most))
    return least / (1 - problem.gamma), 4 * most / (1 - problem.gamma)


def is_distribution(row):
    return all(isinstance(p, float) and 0 <= p <= 1 for p in row) and abs(sum(map(fraction, row), fmpq(0)) - 1) <= fraction(1e-12)


# -------------------------------------------------------------------------------------------------- the truth

class Model:
    """A problem whose policy can be replaced: `value(rows)` of probabilities, or of logits where the environment wants them."""

    def __init__(self, text):
        self.data = load(text)
        self.problem = Problem(self.data)
        self.kind = self.problem.kind
        self.by_parameters = self.kind == "exponential-family"
        self.S, self.A = self.problem.policy.n_states, self.problem.policy.n_actions

    def with_policy(self, rows):
        """The problem with these rows for a policy."""
        policy = {"kind": "softmax", "logits": rows} if self.by_parameters else {"kind": "probabilities", "values": rows}
        return Problem(self.data | {"policy": json_numbers(policy), "entropy": "0"})

    def value(self, rows):
        """J as a fraction or a ball that is far sharper than doubles."""
        for evaluation in evaluations(self.with_policy(rows), LARGE_BITS):
            J = evaluation.value
            if evaluation.arithmetic.rational or J.is_finite() and (J.rel_accuracy_bits() > 110 or J.rad() < arb(2) ** -1200):
                break
        return J

    def box(self):
        """Half the width of the box of parameters; infinite where rewards are bounded."""
        reward = self.problem.environment
        return 3.0 if reward.slope != 0 and reward.clip is None else math.inf


def json_numbers(x):
    """Python numbers as a reader of JSON would have them."""
    return load(json.dumps(x))


def falsehoods(answer, text, rng, notes):
    """Policies above the upper bound, or a value above that of the printed policy. Where the printed rows are off 1 by
    rounding, a value that their quotients by the sums reach is only noted."""
    try:
        model = Model(text)
    except Malformed as error:
        return [f"an invalid problem has an optimum: {error}"]
    flaws = []
    reached = printed_value(model, answer)
    if reached is not None and number(answer["value"], reached) > reached:
        if of_normalised(model, answer):
            notes.append("value is that of the printed policy with its rows normalised")
        else:
            flaws.append(f"value {answer['value']} is above {text_of(reached)}, that of the printed policy")
    if model.by_parameters:
        flaws += parameter_flaws(model, answer)
    name, best = largest(model, answer, rng)
    if best is not None and best > number(answer["upper_bound"], best):
        flaws.append(f"upper_bound {answer['upper_bound']} is below {text_of(best)}, the value of {name}")
    return flaws


def parameter_flaws(model, answer):
    """Parameters outside of the box, or finite ones of which the printed policy is not the softmax."""
    flaws, A = [], model.A
    if any(abs(float(x)) > model.box() for x in answer["parameters"]):
        flaws.append(f"a parameter is outside of the box of {model.box()}")
    for s, row in enumerate(answer["policy"]):
        parameters = answer["parameters"][s * A:(s + 1) * A]
        if all(isinstance(x, float) for x in parameters):
            policy = Softmax(json_numbers({"logits": [parameters]}), model.problem.number)
            policy.at(Balls, False)
            if any(abs(nearest(p) - q) > 1e-12 for p, q in zip(policy.pi[0], row)):
                flaws.append(f"the policy of state {s} is not the softmax of its parameters")
    return flaws


def number(x, like):
    return fraction(x) if isinstance(like, fmpq) else arb(fraction(x))


def text_of(x):
    return arb(x).str(25, radius=False) if isinstance(x, fmpq) else x.str(25, radius=False)


def sums_to_one(rows):
    return all(sum(map(fraction, row), fmpq(0)) == 1 for row in rows)


def of_normalised(model, answer):
    """Whether the value is one of the printed policy divided by its rows' sums, where these are off 1 by rounding."""
    if model.by_parameters or sums_to_one(answer["policy"]):
        return False
    rows = [[str(fraction(p) / sum(map(fraction, row), fmpq(0))) for p in row] for row in answer["policy"]]
    J = model.value(rows)
    return not number(answer["value"], J) > J


def printed_value(model, answer):
    """J of the printed policy; of a family, of the printed parameters or their limit."""
    if not model.by_parameters:
        return model.value(answer["policy"])
    A, parameters = model.A, answer["parameters"]
    rows = [parameters[s * A:(s + 1) * A] for s in range(model.S)]
    if all(isinstance(x, float) for x in parameters):
        return model.value(rows)
    return limit_value(model, rows, answer["policy"])


def limit_value(model, rows, policy):
    """J where some parameters are infinite: the limits of the kernel's rows and of the rewards, and the printed policy.
    None where the reward has no limit."""
    ctx.prec = 2048                                                # as much as 1 - gamma may need
    family = model.problem.environment
    if family.slope != 0 and family.clip is None:
        return None
    near = model.with_policy([[x if isinstance(x, float) else 0.0 for x in row] for row in rows])
    near.policy.at(Balls, False)
    near.environment.at(Balls)
    near.environment.response(near.policy)
    transitions = [[near.environment.kernel[s][a] if isinstance(x, float) else limit_row(family, s, a, 1 if x == "inf" else -1)
                    for a, x in enumerate(row)] for s, row in enumerate(rows)]
    rewards = [[near.environment.reward(near.policy, s, a)[0] if isinstance(x, float) else limit_reward(family, s, a, x)
                for a, x in enumerate(row)] for s, row in enumerate(rows)]
    return frozen_value(model, transitions, rewards, policy)


def limit_reward(family, s, a, x):
    if family.slope == 0:
        return arb(family.base[s][a] if family.clip is None else max(-family.clip, min(family.clip, family.base[s][a])))
    return arb(family.clip if (x == "inf") == (family.slope > 0) else -family.clip)


def limit_row(family, s, a, sign):
    """The base row on the states of its support where psi is largest (smallest)."""
    raw = family.logits[s][a] if family.weights is None else family.weights[s][a]
    support = [t for t, x in enumerate(raw) if x is not None and (family.weights is None or x != 0)]
    edge = max(sign * family.psi[t] for t in support)
    ends = [t for t in support if sign * family.psi[t] == edge]
    if family.weights is not None:
        total = sum((raw[t] for t in ends), fmpq(0))
        return {t: arb(raw[t] / total) for t in ends}
    top = max(raw[t] for t in ends)
    weights = {t: arb(raw[t] - top).exp() for t in ends}
    total = sum(weights.values(), arb(0))
    return {t: w / total for t, w in weights.items()}


def frozen_value(model, transitions, rewards, policy):
    """J of a policy in a given model, in balls with the precision in force."""
    n, gamma = model.S, arb(model.problem.gamma)
    entries = [[arb(int(s == t)) for t in range(n)] for s in range(n)]
    r = [arb(0)] * n
    for s in range(n):
        for p, row, x in zip(policy[s], transitions[s], rewards[s]):
            r[s] += arb(p) * x
            for t, y in row.items():
                entries[s][t] -= gamma * arb(p) * y
    V = arb_mat(entries).solve(arb_mat(n, 1, r)).entries()
    return sum((arb(x) * v for x, v in zip(model.problem.initial, V)), arb(0))


def largest(model, answer, rng):
    """The best policy that the search finds: (a name, its J)."""
    printed = not model.by_parameters and sums_to_one(answer["policy"])
    candidates = [("the printed policy", answer["policy"])] if printed else []
    candidates += corners(model, rng) if model.by_parameters else deterministic(model)
    candidates += [("a random policy", random_rows(model, rng)) for _ in range(10)]
    candidates += [("a closed form", rows) for rows in closed_forms(model)]
    name, rows, best = None, None, None
    for what, candidate in candidates:
        J = model.value(candidate)
        if best is None or J > best:
            name, rows, best = what, candidate, J
    return climb(model, name, rows, best, rng)


def deterministic(model):
    for choice in itertools.product(range(model.A), repeat=model.S):
        yield "a deterministic policy", [[1.0 if a == b else 0.0 for a in range(model.A)] for b in choice]


def corners(model, rng):
    """Some corners of the box of parameters."""
    far = min(FAR, model.box())
    for _ in range(40):
        yield "a corner", [[rng.choice([far, -far]) for _ in range(model.A)] for _ in range(model.S)]


def random_rows(model, rng):
    """Rows of dyadic probabilities that sum to exactly 1, or logits within the box."""
    if model.by_parameters:
        width = min(model.box(), 6.0)
        return [[rng.uniform(-width, width) for _ in range(model.A)] for _ in range(model.S)]
    return [dyadic_row(model.A, rng) for _ in range(model.S)]


def dyadic_row(n, rng):
    cuts = sorted(rng.randrange(2 ** 30) for _ in range(n - 1))
    return [(b - a) / 2 ** 30 for a, b in zip([0, *cuts], [*cuts, 2 ** 30])]


def closed_forms(model):
    """Loan: p = (k q0 - l) / (2 k c); coin: x = mu / (1 - 2 epsilon); each projected, as exact fractions."""
    environment = model.problem.environment
    if model.kind == "loan":
        k = environment.gain + environment.loss
        if k * environment.c > 0:
            p = max(fmpq(0), min(fmpq(1), (k * environment.q0 - environment.loss) / (2 * k * environment.c)))
            yield [[str(p), str(1 - p)]] + [["1", "0"]] * (model.S - 1)
    if model.kind == "coin" and environment.epsilon != fmpq(1, 2):
        x = max(-fmpq(1, 2), min(fmpq(1, 2), environment.mu / (1 - 2 * environment.epsilon)))
        yield [[str(fmpq(1, 2) + x), str(fmpq(1, 2) - x)]]


def climb(model, name, rows, best, rng, steps=40):
    """Random steps from the best policy found, kept where J rises, and shorter ones where it does not."""
    width = 1.0
    for _ in range(steps):
        candidate = [step(row, width, model, rng) for row in rows] if rng.random() < 0.5 else one_step(rows, width, model, rng)
        J = model.value(candidate)
        if J > best:
            name, rows, best = "a climb", candidate, J
        else:
            width *= 0.85
    return name, best


def one_step(rows, width, model, rng):
    at = rng.randrange(len(rows))
    return [step(row, width, model, rng) if s == at else row for s, row in enumerate(rows)]


def step(row, width, model, rng):
    if model.by_parameters:
        most = model.box()
        return [max(-most, min(most, x + rng.gauss(0, width))) for x in row]
    share = Fraction(rng.random() * width)
    mixed = [(1 - share) * Fraction(p) + share * Fraction(q) for p, q in zip(row, dyadic_row(len(row), rng))]
    return [families.text(x) for x in mixed]
