"""`attack.py solve`: the values of a trajectory are those of its policies."""
import json
import math
import random

from flint import arb, fmpq

import families
from compare import LARGE_BITS
from evaluate import Problem, evaluations
from harness import batches, guarded, message, refused, result, run, strict
from numerals import fraction, leaves, load, nearest, rational
from modes.optimum import json_numbers

BATCH, SECONDS = 4, 30.0
KINDS = ["fixed", "affine", "exponential-family", "loan", "coin"]
ELSEWHERE = {"zeroth-order-frank-wolfe"}      # deploys the nearest policy that is above its floor, not the problem's
KEYS = {"format", "version", "algorithm", "settings", "seed", "iterates", "stop", "stop_reason", "policy", "parameters",
        "best", "warnings"}


def algorithms(binary):
    """The names in `pemdp solve --list`, with their settings."""
    found, name = {}, None
    for line in run([binary, "solve", "--list"]).output.splitlines():
        if line and not line.startswith(" "):
            name = line.strip()
            found[name] = set()
        elif line.startswith("    "):
            found[name].add(line.split()[0])
    return found


def tasks(options):
    known = algorithms(options.binary)
    names = sorted(known)
    drawn = [(names[i % len(names)], i) for i in range(options.problems)]
    return [(options.binary, options.seed, options.family, known, part) for part in batches(drawn, BATCH)]


def work(task):
    binary, seed, kind, known, part = task
    return [guarded(attempt, name, index, json.dumps(problem(name, seed, index, kind)), binary, known[name]) for name, index in part]


def problem(algorithm, seed, index, kind=None):
    """Small problems, ordinary and hostile."""
    rng = random.Random(f"solve/{algorithm}/{seed}/{index}")
    maker = families.Maker(rng)
    if rng.random() < 0.7:
        maker.scale = rng.choice([1.0, 1e-6, 1e6])
    ordinary = rng.random() < 0.8 or algorithm == "finite-sample-retraining"
    gamma = rng.choice([0, 0.5, 0.9, "9/10", 0.99]) if ordinary else None
    return maker.problem(kind or rng.choice(KINDS), rng.choice([(1, 2), (2, 2), (3, 2), (2, 3)]), gamma)


def attempt(name, index, text, binary, settings):
    rng = random.Random(text)
    command = [binary, "solve", "-", "--algorithm", name, "--json", "--seed", str(index)]
    for setting, most in (("iterations", 6), ("trajectories", 5), ("directions", 4), ("steps", 5), ("horizon", 5)):
        if setting in settings and (setting != "trajectories" or rng.random() < 0.7 and short_episodes(text)):
            command += ["--set", f"{setting}={rng.randint(1, most)}"]
    outcome = run(command, text, SECONDS)
    if outcome.status is None:
        return result(name, index, text, "timeout", [f"not ended after {SECONDS:.0f} s"])
    if outcome.panicked():
        return result(name, index, text, "panic", [f"panic: {outcome.errors.strip()[:200]}"])
    lines = outcome.errors.strip().splitlines()
    if outcome.status == 2:
        if len(lines) != 1:
            return result(name, index, text, "refused", [f"a refusal of {len(lines)} lines"])
        return refused(name, index, text, message(lines[0]))
    if outcome.status != 0:
        return result(name, index, text, "status", [f"status {outcome.status}"])
    try:
        trajectory = strict(outcome.output)
    except ValueError as error:
        return result(name, index, text, "answered", [f"the output is not JSON: {error}"])
    notes = []
    failures = flaws(trajectory, text, index, notes)
    files = {"trajectory": outcome.output.strip(), "command": json.dumps(command[1:])}
    return result(name, index, text, "answered", failures, notes=notes, files=files)


def short_episodes(text):
    """Whether sampling is for today: an episode has 1 / (1 - gamma) steps in the mean."""
    return rational(load(text)["gamma"]) <= fmpq(99, 100)


def flaws(trajectory, text, seed, notes):
    """What is wrong with a trajectory."""
    if set(trajectory) - {"period"} != KEYS:
        return [f"keys: {sorted(set(trajectory) ^ KEYS)}"]
    found, iterates, best = [], trajectory["iterates"], trajectory["best"]
    if trajectory["seed"] != seed:
        found.append("another seed is printed")
    values = [x["value"] for x in iterates]
    if not all(isinstance(x, float) and math.isfinite(x) for x in values + [x["regularised_value"] for x in iterates]):
        return [*found, "a value is no number"]
    if best["value"] != max(values) or values[int(best["iteration"]) - int(iterates[0]["iteration"])] != best["value"]:
        found.append("best is not the iterate of the largest value")
    start = Problem(text)
    if trajectory["algorithm"] not in ELSEWHERE:
        found += first_flaws(iterates[0], start, notes)
    for name, value, at in (("the last value", values[-1], trajectory), ("the best value", best["value"], best)):
        policy, parameters = at["policy"], at["parameters"]
        if not all(is_distribution(row) for row in policy):
            found.append("a policy is no distribution")
        elif start.kind == "exponential-family":
            found += held(name, value, with_logits(start, parameters), notes, without_entropy=True)
        else:
            as_printed, normalised = (held(name, value, with_probabilities(start, rows), notes, without_entropy=True)
                                      for rows in (policy, normalised_rows(policy)))
            found += as_printed and normalised                    # rows may be off 1 by rounding
    return found


def first_flaws(iterate, start, notes):
    """Whether the first values are those of a problem."""
    return (held("the first value", iterate["value"], start, notes, without_entropy=True)
            + held("the first regularised value", iterate["regularised_value"], start, notes))


def is_distribution(row):
    """Within 1e-9, as a problem's own policy may be."""
    return all(isinstance(p, float) and 0 <= p <= 1 + 1e-9 for p in row) and abs(sum(row) - 1) <= 1.0000001e-9


def normalised_rows(policy):
    return [[str(fraction(p) / sum(map(fraction, row), fmpq(0))) for p in row] for row in policy]


def with_probabilities(problem, rows):
    return Problem(problem.data | {"policy": json_numbers({"kind": "probabilities", "values": rows})})


def with_logits(problem, parameters):
    A = problem.policy.n_actions
    rows = [parameters[i:i + A] for i in range(0, len(parameters), A)]
    return Problem(problem.data | {"policy": json_numbers({"kind": "softmax", "logits": rows})})


def held(name, value, problem, notes, without_entropy=False):
    """Whether a value is that of a problem's policy, up to the rounding of doubles: 1e-9 of the largest state value and
    1e-14 R / (1 - gamma)^2, R the largest reward. What is farther off, but not farther than rounding of the larger numbers
    that the reward is made of, is only noted."""
    if without_entropy:
        problem = Problem(problem.data | {"entropy": "0"})
    for evaluation in evaluations(problem, LARGE_BITS):
        J = arb(evaluation.value)
        if J.is_finite() and J.rad() < 1e-30 + abs(J) * 1e-30:
            break
    reward = max((abs(nearest(x)) for row in evaluation.soft for x in row if x is not None), default=0.0)
    most = max(abs(nearest(x)) for x in evaluation.V)
    c = nearest(1 / (1 - evaluation.gamma))
    error = nearest(abs(J - arb(value)))
    if error <= 1e-9 * most + 1e-14 * reward * c * c + 1e-307 * c:
        return []
    if error <= 1e-14 * max(reward, ingredients(problem)) * c * c:
        notes.append(f"{name} has lost digits to the cancellation in a reward")
        return []
    return [f"{name} is {value}, and {J.str(17, radius=False)} is right"]


def ingredients(problem):
    """The largest number that a reward is made of; repeated slopes count as their sum."""
    environment = problem.environment
    parts = {"fixed": lambda: list(leaves(environment.rewards)),
             "affine": lambda: [*leaves(environment.rewards), *environment.reward_slopes.values()],
             "loan": lambda: [environment.gain, environment.loss],
             "coin": lambda: [fmpq(1), environment.mu, environment.epsilon],
             "exponential-family": lambda: list(leaves(environment.base))}[problem.kind]()
    return max(abs(nearest(x)) for x in parts)
