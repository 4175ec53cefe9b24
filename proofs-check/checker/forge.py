#!/usr/bin/env python3
"""Forges certificates of both formats (docs/certificates.md) and decides whether one that its checker accepts is false.

    forge.py N [--seed K]

makes N of them from the samples and from certificates made here: numbers nudged, keys dropped, added and doubled, shapes
and types changed, parts of others grafted in, environments, policies and intervals altered with all that follows from them
derived again and the digest with it, so that nothing but the claim itself can be false. Each goes to the checker of its
format; one that is accepted goes to judge.py, which works by other means. Prints how many were refused and why, and how
many were accepted. Exit status: 1 if an accepted one is false, or the judge cannot follow it, else 0."""
import argparse
import copy
import json
import random
import re
import sys
from collections import Counter
from fractions import Fraction
from itertools import product
from pathlib import Path

import check_certificates
import check_optimum
import judge
from judge import DERIVED, Instance, Untrue, exactly, instance, numbers, policy, signed, text, texts

HERE = Path(__file__).resolve().parent


# Certificates made here. Most are true; some have everything derived from an instance for which the claim may be false.


def small(rng, positive=False):
    return Fraction(rng.randint(1 if positive else -8, 8), rng.choice((1, 1, 2, 3, 4, 8)))


def distribution(rng, n):
    weights = [rng.randint(0, 4) for _ in range(n)]
    weights[rng.randrange(n)] += 1
    return [Fraction(w, sum(weights)) for w in weights]


def random_family(rng, S, A, logistic=True):
    table = lambda entry: [[entry() for _ in range(A)] for _ in range(S)]
    reward = {"base": texts(table(lambda: small(rng))), "slope": 0, "clip": None}
    if logistic and rng.random() < .5:
        reward["logistic"] = texts(table(lambda: small(rng)))
    rows = table(lambda: [small(rng, True) for _ in range(S)])
    return {"kind": "exponential-family", "psi": [rng.randint(-2, 2) for _ in range(S)], "base_weights": texts(rows),
            "reward": reward}


def random_affine(rng, S, A, moves=4):
    """Each move takes at most a share of an entry, so that rows stay distributions."""
    P = [[distribution(rng, S) for _ in range(A)] for _ in range(S)]
    dP, dr = [], []
    for _ in range(rng.randint(0, moves)):
        s, a, s_2, a_2, t, u = (rng.randrange(n) for n in (S, A, S, A, S, S))
        m = P[s][a][t] / moves
        if m and t != u:
            dP += [[s, a, t, s_2, a_2, text(-m)], [s, a, u, s_2, a_2, text(m)]]
    for _ in range(rng.randint(0, moves)):
        dr.append([*(rng.randrange(n) for n in (S, A, S, A)), text(small(rng))])
    rewards = [[small(rng) for _ in range(A)] for _ in range(S)]
    return {"kind": "affine", "transitions": texts(P), "rewards": texts(rewards), "transition_slopes": dP,
            "reward_slopes": dr}


def random_loan(rng, outside=False):
    q, p = (Fraction(rng.randint(0, 8), 8) for _ in range(2))
    if outside:
        p = rng.choice((p - 1, p + 1))
    gain, loss = small(rng, True), small(rng, True)
    return {"kind": "loan", "form": rng.choice(("bandit", "mdp")), "q0": text(q), "c": text(q - p), "gain": text(gain),
            "loss": text(loss)}


def random_problem(rng, S=None, A=None, environment=None, kind="weights"):
    S, A = S or rng.randint(1, 3), A or rng.randint(1, 2)
    if environment and environment["kind"] == "loan":
        S, A = (1, 2) if environment["form"] == "bandit" else (4, 2)
    environment = environment or rng.choice((random_family, random_affine))(rng, S, A)
    values = [[small(rng, True) for _ in range(A)] for _ in range(S)]
    if kind == "probabilities":
        values = [distribution(rng, A) for _ in range(S)]
    return {"format": "pemdp-problem/1", "gamma": text(Fraction(rng.randint(0, 9), 10)),
            "initial": texts(distribution(rng, S)), "policy": {"kind": kind, "values": texts(values)},
            "environment": environment}


def certificate(claim, kind, **entries):
    document = {"format": "pemdp-certificate/1", "claim": claim, "kind": kind, **entries}
    return signed({**document, **DERIVED[kind](document)} if kind in DERIVED else document)


def make_gradient(rng):
    return certificate("T2", "gradient", problem=random_problem(rng))


def make_no_kernel(rng):
    """A gradient where rows are distributions at the policy, or nowhere, but not for every policy."""
    problem = random_problem(rng, environment=random_affine(rng, 2, 2), S=2, A=2)
    _, pi = policy(problem)
    s, a, t, j = (rng.randrange(2) for _ in range(4))
    m = Fraction(rng.choice((-1, 1, 1, 3)), rng.choice((1, 2, 8)))
    environment = problem["environment"]
    environment["transition_slopes"].append([s, a, t, 0, j, text(m)])
    if rng.random() < .7:
        entry = environment["transitions"][s][a]
        entry[t] = text(Fraction(entry[t]) - m * pi[j])
    if rng.random() < .3:
        environment["transition_slopes"].append([s, a, 1 - t, 0, j, text(-m)])
    return certificate("T2", "gradient", problem=problem)


def make_difference(rng):
    kind = rng.choice(("weights", "probabilities"))
    S, A = rng.randint(1, 3), rng.randint(1, 3)
    environment = random_affine(rng, S, A) if kind == "probabilities" else None
    problem = random_problem(rng, S, A, environment, kind)
    other = {**problem, "policy": random_problem(rng, S, A, problem["environment"], kind)["policy"]}
    return certificate("L1", "performance-difference", problem=problem, other=other)


def make_curvature(rng):
    """The constant is the Hessian's size, or about the claim's, or less or more."""
    S = rng.randint(1, 2)
    problem = random_problem(rng, S, environment=random_family(rng, S, 2), A=2)
    claim = rng.choice(("L5x", "L5s"))
    model, weights, _ = exactly(problem)
    size = max(sum(map(abs, row)) for row in model.hessian(weights))
    constant = rng.choice((size, size / 2, size * 3, size * 30)) * Fraction(rng.randint(6, 12), 8)
    return certificate(claim, "curvature", problem=problem, constant=text(constant))


def make_bound(rng):
    problem = random_problem(rng, environment=random_family(rng, 1, 2), S=1, A=2)
    problem["policy"]["values"][0][rng.randrange(2)] = text(rng.choice((1, 10, 99, 999)))
    weights = rng.sample(["1", text(rng.choice((1, 99, 10**6)))], 2)
    return certificate("L3", "bound-fails", problem=problem, comparator={"kind": "weights", "values": [weights]})


def make_stable_point(rng):
    """Loans at the policies of the theory, or at others, or with probabilities outside [0,1]."""
    environment = random_loan(rng, rng.random() < .2)
    q, c, gain, loss = (Fraction(environment[key]) for key in ("q0", "c", "gain", "loss"))
    problem = random_problem(rng, environment=environment, kind="probabilities")
    stable = ((gain + loss) * q - loss) / ((gain + loss) * c) if c else Fraction(1, 2)
    other = copy.deepcopy(problem)
    for at, p in ((problem, stable), (other, stable / 2)):
        if 0 <= p <= 1 and rng.random() < .8:
            at["policy"]["values"][0] = [text(p), text(1 - p)]
    other["policy"]["values"][1:] = problem["policy"]["values"][1:]
    for at in (problem, other):
        at["initial"] = texts([1] + [0] * (len(at["policy"]["values"]) - 1))
    return certificate("PS", "stable-point", problem=problem, better=other)


def make_cycle(rng):
    gamma, weight, b = Fraction(rng.randint(0, 9), 10), small(rng, True) / 8, small(rng, True)
    a = b * Fraction(rng.randint(1, 7), 8)
    best = lambda x: min(Fraction(1), max(Fraction(0), Fraction(1, 2) + (1 - gamma) * (a - b * x) / (2 * weight)))
    p = best(Fraction(rng.choice((0, 0, 1))))
    return certificate("RR", "cycle", gamma=text(gamma), regularisation=text(weight), advantage=texts([a, b]),
                       cycle=texts([p, best(p)]))


def make_lipschitz(rng):
    n = rng.randint(2, 3)
    rows = [[Fraction(k, 12) for k in parts] for parts in
            rng.sample([c for c in product(range(1, 12), repeat=n) if sum(c) == 12], 2)]
    environment = {"kind": "affine", "transitions": [[["1"]] * n], "rewards": [["0"] * n], "transition_slopes": [],
                   "reward_slopes": []}
    problem = {"format": "pemdp-problem/1", "gamma": "0", "initial": ["1"], "environment": environment,
               "entropy": text(rng.choice((1, 10, 100, 1000))),
               "policy": {"kind": "probabilities", "values": texts([rows[0]])}}
    return certificate("CH3", "lipschitz", problem=problem, other=texts(rows[1]))


def trapped(rng, problem, i=0):
    """An interval around the start in which ascent along the line would stay, by doubles on a grid."""
    model, weights = instance(problem, float), policy(problem)[0]
    along = lambda w: [*map(float, weights[:i]), float(w), *map(float, weights[i + 1:])]
    grid = sorted({Fraction(2) ** (k // 2) * (1 if k % 2 == 0 else Fraction(7, 5)) for k in range(-14, 15)} | {weights[i]})
    values = [model.value(along(w)) for w in grid]
    slopes = [model.gradients(along(w))[0][i] for w in grid]
    at, best = grid.index(weights[i]), max(values)
    low = max((k for k in range(at) if slopes[k] > 0), default=None)
    high = min((k for k in range(at + 1, len(grid)) if slopes[k] < 0), default=None)
    inside = max(values[low or 0:len(grid) if high is None else high + 1])
    if best < inside + 1e-6 and rng.random() < .98:
        raise ValueError("no trap")
    ceiling = Fraction(inside + (best - inside) * rng.choice((.1, .5, .9))).limit_denominator(10**4)
    return certificate("T3", "trap", problem=problem, state=i // model.A, action=i % model.A, start=text(weights[i]),
                       low=text(0 if low is None else grid[low]), high=None if high is None else text(grid[high]),
                       ceiling=text(ceiling), better=text(grid[values.index(best)]))


def balanced(problem, path, defect):
    """With the number at a path at which a defect, affine in it, is 0 at the problem's own policy."""
    gaps = [defect(*exactly(put(problem, path, text(x)))) for x in (0, 1)]
    return put(problem, path, text(gaps[0] / (gaps[0] - gaps[1]))) if gaps[0] != gaps[1] else problem


def make_line(rng):
    """One action, from the first state into absorbing ones: only its parameter moves."""
    n = rng.randint(3, 5)
    base = [[[text(0)] * n] for _ in range(n)]
    base[0][0] = ["0"] + [text(rng.choice((1, 10, 100))) for _ in range(n - 1)]
    for t in range(1, n):
        base[t][0] = texts([int(t == u) for u in range(n)])
    environment = {"kind": "exponential-family", "psi": [0] + [rng.randint(-2, 2) for _ in range(n - 1)],
                   "base_weights": base, "reward": {"base": texts([[0]] + [[small(rng)] for _ in range(n - 1)]),
                                                    "slope": 0, "clip": None}}
    problem = random_problem(rng, n, 1, environment)
    problem["initial"] = texts([1] + [0] * (n - 1))
    return trapped(rng, problem)


def make_basins(rng):
    """One state, two actions whose rewards grow with their probabilities."""
    slopes = [[0, a, 0, a, text(small(rng, True))] for a in range(2)]
    environment = {"kind": "affine", "transitions": [[["1"], ["1"]]], "rewards": texts([[small(rng), small(rng)]]),
                   "transition_slopes": [], "reward_slopes": slopes}
    return trapped(rng, random_problem(rng, 1, 2, environment))


def make_elsewhere(rng):
    """A trap along one weight of an environment in which the others move too, perhaps not at the start."""
    S, A = rng.randint(2, 3), 2
    problem = random_problem(rng, S, A, random_affine(rng, S, A))
    environment, (_, pi) = problem["environment"], policy(problem)
    for s in range(1, S):  # the actions of the other states differ by rewards that respond to the first state
        environment["transitions"][s][1] = environment["transitions"][s][0]
        environment["rewards"][s][1] = environment["rewards"][s][0]
    for key, width in (("transition_slopes", 6), ("reward_slopes", 5)):
        kept = [entry for entry in environment[key] if entry[0] == 0 and entry[width - 3] == 0]
        environment[key] = kept
    environment["reward_slopes"] += [[0, a, 0, a, text(small(rng, True))] for a in range(2)]
    m = small(rng)
    environment["reward_slopes"].append([1, 0, 0, 0, text(m)])
    if rng.random() < .8:  # so that they rest at the start
        environment["rewards"][1][0] = text(Fraction(environment["rewards"][1][1]) - m * pi[0])
    return trapped(rng, problem)


def make_elsewhere_in_family(rng):
    """The same with one action: the second state's parameter rests at the start, where both of its successors are worth
    the same."""
    environment = random_family(rng, 4, 1, logistic=False)
    weight = lambda: text(small(rng, True))
    base = [[["0", "1", weight(), weight()]], [[weight(), "0", "0", weight()]],
            [["0", "0", "1", "0"]], [["0", "0", "0", "1"]]]
    environment.update(base_weights=base, psi=[rng.randint(-2, 2) for _ in range(4)])
    problem = random_problem(rng, 4, 1, environment)
    problem["initial"] = ["1/2", "1/2", "0", "0"]
    def gap(model, weights, pi):
        V = model.state_values(pi, *model.deployed(weights, pi))
        return V[0] - V[3]

    if rng.random() < .8:
        problem = balanced(problem, ("environment", "reward", "base", 3, 0), gap)
    return trapped(rng, problem)


def make_two_weights(rng):
    """Two actions whose rows respond to their own weights: no function of their ratio, though the derivatives by the two
    may be opposite at the start."""
    n = 3
    base = [[["0", text(small(rng, True)), text(small(rng, True))] for _ in range(2)]]
    base += [[texts([int(t == u) for u in range(n)])] * 2 for t in range(1, n)]
    reward = {"base": texts([[0, 0], [small(rng)] * 2, [small(rng)] * 2]), "slope": 0, "clip": None}
    reward["logistic"] = texts([[small(rng), small(rng)], [0, 0], [0, 0]])
    psi = [0, 0, 0] if rng.random() < .3 else [0, rng.randint(-2, 2), rng.randint(-2, 2)]
    environment = {"kind": "exponential-family", "psi": psi, "base_weights": base, "reward": reward}
    problem = random_problem(rng, n, 2, environment)
    problem["initial"] = ["1", "0", "0"]
    if rng.random() < .8:
        total = lambda model, weights, _: sum(model.gradients(weights)[0][:2])
        problem = balanced(problem, ("environment", "reward", "logistic", 0, 1), total)
    return trapped(rng, problem)


def make_still(rng):
    """An optimum where nothing responds, by the values of a best policy, raised."""
    S, A, bits = rng.randint(1, 3), rng.randint(1, 3), rng.randint(4, 20)
    environment = random_affine(rng, S, A)
    environment = {"kind": "fixed", "transitions": environment["transitions"], "rewards": environment["rewards"]}
    gamma, initial = Fraction(rng.randint(0, 9), 10), distribution(rng, S)
    model = Instance(environment, gamma, initial, A)
    policies = [[Fraction(choice[s] == a) for s in range(S) for a in range(A)] for choice in product(range(A), repeat=S)]
    V = [max(column) for column in zip(*(model.state_values(pi, model.P, model.r) for pi in policies))]
    raised = Fraction(rng.choice((-1, 0, 1, 2, 5)), 2**bits) / (1 - gamma)
    values = [-(-(v + raised) * 2**bits // 1) for v in V]
    bound = sum(p * w for p, w in zip(initial, values)) / 2**bits
    return {"format": "pemdp-optimum-certificate/1", "upper_bound": text(bound - rng.choice((0, 0, Fraction(1, 10**6)))),
            "problem": {"gamma": text(gamma), "initial": texts(initial), "environment": environment},
            "tree": {"bits": bits, "values": [int(w) for w in values], "slopes": [[0] * S * (A - 1)] * S}}


def make_halves(rng):
    """An affine optimum or a loan with a few cells and witnesses from values and derivatives at their centres."""
    loan = rng.random() < .3
    S, A = rng.randint(1, 2), 2
    environment = random_loan(rng, rng.random() < .3) if loan else random_affine(rng, S, A)
    if loan:
        S = 1 if environment["form"] == "bandit" else 4
    gamma, initial, bits = Fraction(rng.randint(0, 8), 10), distribution(rng, S), rng.randint(8, 20)
    model = Instance(environment, gamma, initial, A)
    raised = rng.choice((0, Fraction(1, 100), Fraction(1, 4), 2)) / (1 - gamma)

    def values(x):
        pi = [y for p in x for y in (p, 1 - p)]
        return model.state_values(pi, *model.deployed(None, pi))

    def leaf(low, high):
        centre = [(l + h) / 2 for l, h in zip(low, high)]
        V, e = values(centre), Fraction(1, 1000)
        steps = [values([x + e * (k == s) for k, x in enumerate(centre)]) for s in range(S)]
        slopes = [[int((step[t] - V[t]) / e * 2**bits) for step in steps] for t in range(S)]
        return {"bits": bits, "values": [int((v + raised) * 2**bits) for v in V], "slopes": slopes}, centre

    def tree(low, high, depth):
        if depth == 0:
            return leaf(low, high)[0]
        s = rng.randrange(S)
        middle = (low[s] + high[s]) / 2
        halves = [(low, high[:s] + [middle] + high[s + 1:]), (low[:s] + [middle] + low[s + 1:], high)]
        return [s * A, text(middle), *(tree(*half, depth - 1) for half in halves)]

    corners = [list(map(Fraction, corner)) for corner in product((0, 1), repeat=S)]
    most = max(sum(p * v for p, v in zip(initial, values(corner))) for corner in corners)
    return {"format": "pemdp-optimum-certificate/1", "upper_bound": text(most + raised + rng.choice((0, 0, 1, 5))),
            "problem": {"gamma": text(gamma), "initial": texts(initial), "environment": environment},
            "tree": tree([Fraction(0)] * S, [Fraction(1)] * S, rng.randint(0, 3))}


def make_flat(rng):
    """A family's bound by one value for all states: right if it is at least max r/(1-gamma), or not."""
    S, A = rng.randint(1, 3), rng.randint(1, 2)
    environment = random_family(rng, S, A, logistic=False)
    gamma, initial = Fraction(rng.randint(0, 9), 10), distribution(rng, S)
    if rng.random() < .3:
        environment["reward"].update(slope=text(small(rng)), clip="3/2")
    most = max(numbers(environment["reward"]["base"])) + (3 if environment["reward"]["clip"] else 0)
    value = most / (1 - gamma) + rng.choice((0, 0, 1, Fraction(-1, 10**6), -1))
    bounds = [rng.choice((None, text(small(rng, True)))) for _ in range(S)]
    points = [[["0"] if b is None else [] for _ in range(A)] for b in bounds]
    return {"format": "pemdp-optimum-certificate/1", "upper_bound": text(value),
            "problem": {"gamma": text(gamma), "initial": texts(initial), "environment": environment},
            "values": [text(value)] * S, "bounds": bounds, "shares": [["0"] * A] * S, "points": points}


MAKERS = [make_gradient, make_no_kernel, make_difference, make_curvature, make_bound, make_stable_point, make_cycle,
          make_lipschitz, make_line, make_basins, make_elsewhere, make_elsewhere_in_family, make_two_weights, make_still,
          make_halves, make_flat]


# Mutations. Each returns a text; what is derived and the digest stay as they are unless it says so.


def paths(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(entry, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def put(document, path, value):
    if not path:
        return value
    document = copy.deepcopy(document)
    at(document, path[:-1])[path[-1]] = value
    return document


def is_number(value):
    return type(value) is int or isinstance(value, str) and re.fullmatch(r"-?\d+(/\d+)?", value) is not None


def written(document):
    """With the digest that belongs to it, if it has one."""
    return json.dumps(signed(document) if isinstance(document, dict) and "digest" in document else document)


def some(rng, document, fits):
    return rng.choice([path for path in paths(document) if path and path[-1] != "digest" and fits(at(document, path))])


def another(rng, value):
    x = Fraction(value)
    little = Fraction(1, 10**9)
    y = rng.choice((x + little, x - little, 2 * x, x / 2, -x, x + 1, x - 1, Fraction(0), x * Fraction(9, 10)))
    return int(y) if type(value) is int else text(y)


def nudge(rng, document, _):
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = some(rng, document, is_number)
        document = put(document, path, another(rng, at(document, path)))
    return written(document)


def nudge_without_digest(rng, document, _):
    path = some(rng, document, is_number)
    return json.dumps(put(document, path, another(rng, at(document, path))))


def drop(rng, document, _):
    path = some(rng, {"": document}, lambda value: isinstance(value, dict) and value)[1:]
    place = dict(at(document, path))
    del place[rng.choice(list(place))]
    return written(put(document, path, place))


def add(rng, document, _):
    path = some(rng, {"": document}, lambda value: isinstance(value, dict))[1:]
    key = rng.choice(("unknown", "note", "logistic", "entropy", "clip", "initial", "format", "tree", "digest"))
    return written(put(document, path, {**at(document, path), key: rng.choice(("0", "1/2", None, []))}))


def twice(rng, document, _):
    """A key stands twice, with the same value or another."""
    path = some(rng, {"": document}, lambda value: isinstance(value, dict) and value)[1:]
    place = at(document, path)
    key = rng.choice(list(place))
    value = place[key]
    if is_number(value) and rng.random() < .5:
        value = another(rng, value)
    marked = put(signed(document) if "digest" in document else document, path, {key + "@": value, **place})
    return json.dumps(marked).replace('@"', '"')


def retype(rng, document, _):
    path = some(rng, document, lambda value: True)
    value = at(document, path)
    junk = [None, [], {}, "", "x", 0.5, "0.5", "1/0", "nan", "2/4", "1e9", " 1", "1_0", "\uff11", 10**30, -1, True, False,
            [value], {"0": value}, str(value)]
    return written(put(document, path, rng.choice(junk)))


def boolean(rng, document, _):
    path = some(rng, document, lambda value: is_number(value) and Fraction(value) in (0, 1))
    return written(put(document, path, Fraction(at(document, path)) == 1))


def raw(rng, document, _):
    """Numbers that JSON, or Python's idea of it, has and certificates have not."""
    path = some(rng, document, is_number)
    token = rng.choice(("NaN", "Infinity", "-Infinity", "1e999999999", "1E2", "0.0", "-0.0", "1.0"))
    return written(put(document, path, "@")).replace('"@"', token)


def reshape(rng, document, _):
    path = some(rng, document, lambda value: isinstance(value, list) and value)
    entries = list(at(document, path))
    k, l = rng.randrange(len(entries)), rng.randrange(len(entries))
    change = rng.randrange(5)
    if change == 0:
        del entries[k]
    elif change == 1:
        entries.insert(k, entries[l])
    elif change == 2:
        entries[k], entries[l] = entries[l], entries[k]
    elif change == 3:
        entries.append(copy.deepcopy(entries[-1]))
    else:
        entries = [entries]
    return written(put(document, path, entries))


def graft(rng, document, others):
    """A part of another certificate at the place of its own."""
    other = rng.choice(others)
    shared = [path for path in paths(document) if path and path[-1] != "digest" and path in set(paths(other))]
    path = rng.choice(shared)
    return written(put(document, path, at(other, path)))


def damage(rng, document, _):
    source = json.dumps(document)
    k = rng.randrange(len(source))
    return rng.choice((source[:k], source[:k] + source[k + 1:], source[:k] + rng.choice("019\"[]{},:-/") + source[k:]))


def derive(rng, document, _):
    """Another instance, with all that follows from it."""
    if document.get("kind") not in DERIVED:
        return nudge(rng, document, _)
    inside = [path for path in paths(document) if len(path) > 1 and path[0] in ("problem", "comparator", "better", "other")]
    path = rng.choice([path for path in inside if is_number(at(document, path))])
    value = another(rng, at(document, path))
    for twin in ("problem", "better", "other"):  # two policies of one problem
        if path[0] in ("problem", "better", "other") and path[1] != "policy" and isinstance(document.get(twin), dict):
            document = put(document, (twin, *path[1:]), value)
    document = put(document, path, value)
    if document["kind"] == "trap":
        document["start"] = document["problem"]["policy"]["values"][document["state"]][document["action"]]
    try:
        return written({**document, **DERIVED[document["kind"]](document)})
    except Exception:  # no instance any more; what it is then is the checker's to say
        return written(document)


def widen(rng, document, _):
    """A trap's interval, ceiling, start or better policy, a bound of an optimum, or a constant and its pivots."""
    kind, factor = document.get("kind"), Fraction(rng.choice((1, 2, 4, 7, 8, 9, 15)), 8)
    if kind == "trap":
        key = rng.choice(("low", "high", "ceiling", "better", "start"))
        value = Fraction(document[key] or document["start"]) * factor
        document = {**document, key: rng.choice((None, text(value))) if key == "high" else text(value)}
        if key == "start":
            path = ("problem", "policy", "values", document["state"], document["action"])
            document = put(document, path, document["start"])
    elif kind == "curvature":
        document = {**document, "constant": text(Fraction(document["constant"]) * factor)}
        document = {**document, **DERIVED["curvature"](document)}
    elif "upper_bound" in document:
        amount = abs(Fraction(document["upper_bound"])) * rng.choice((Fraction(1, 10**6), Fraction(1, 100), Fraction(1, 2)))
        document = copy.deepcopy(document)
        if rng.random() < .5:
            document["upper_bound"] = text(Fraction(document["upper_bound"]) - amount)
        if "values" in document:
            document["values"] = [text(Fraction(w) - amount) for w in document["values"]]
            if rng.random() < .3:
                document["bounds"] = [rng.choice((b, None, "9")) for b in document["bounds"]]
        elif rng.random() < .5:
            lower(document["tree"], amount)
    else:
        return nudge(rng, document, _)
    return written(document)


def lower(tree, amount):
    if isinstance(tree, list):
        lower(tree[2], amount)
        lower(tree[3], amount)
    elif tree:
        tree["values"] = [w - int(amount * 2 ** tree["bits"]) for w in tree["values"]]


def prune(rng, document, others):
    """A leaf left out, or put where what surrounds it was."""
    nodes = [path for path in paths(document.get("tree")) if isinstance(at(document["tree"], path), dict)
             and (not path or path[-1] in (2, 3))] if "tree" in document else []
    if not nodes:
        return derive(rng, document, others)
    path = rng.choice(nodes)
    leaf = at(document["tree"], path)
    if path and rng.random() < .5:
        return json.dumps(put(document, ("tree", *path[:-1]), leaf))
    return json.dumps(put(document, ("tree", *path), rng.choice((None, [], leaf["values"]))))


MUTATIONS = [nudge, nudge_without_digest, drop, add, twice, retype, boolean, raw, reshape, graft, damage, derive, derive,
             derive, widen, widen, prune]


def samples():
    files = [*sorted((HERE / "samples").glob("*.json")), *sorted((HERE / "optimum-samples").glob("*.json"))]
    return [json.loads(path.read_text("utf-8")) for path in files]


def made(rng):
    """A certificate from here. Some draws are none: not every landscape has a trap."""
    while True:
        maker = rng.choice(MAKERS)
        for _ in range(40):
            try:
                return maker.__name__, maker(rng)
            except (ValueError, ZeroDivisionError, Untrue):
                continue


def forged(rng, originals):
    """The name of a forgery and its text."""
    if rng.random() < .35:
        name, document = made(rng)
        return name, json.dumps(document)
    document = rng.choice(originals) if rng.random() < .6 else made(rng)[1]
    while True:
        mutation = rng.choice(MUTATIONS)
        try:
            return mutation.__name__, mutation(rng, document, originals)
        except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError, Untrue):
            continue  # there is nothing in it to change that way


def is_optimum(source):
    return '"pemdp-optimum-certificate' in source


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("count", type=int, help="how many forgeries")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    getattr(sys, "set_int_max_str_digits", abs)(0)
    rng, originals = random.Random(settings.seed), samples()
    refused, accepted, wrong = Counter(), Counter(), 0
    for k in range(settings.count):
        name, source = forged(rng, originals)
        checker, verdict = ((check_optimum, judge.optimum) if is_optimum(source)
                            else (check_certificates, judge.theory))
        try:
            message = checker.check(source)
        except checker.Wrong as error:
            refused[str(error)] += 1
            continue
        except Exception as error:  # as the checkers do
            reason = re.sub(r"'.*'", "...", str(error)) if type(error) is ValueError else type(error).__name__
            refused[f"unreadable: {reason}"] += 1
            continue
        try:
            verdict(source, message)
            accepted[name] += 1
        except Exception as error:  # a judge that cannot follow does not vouch for it
            wrong += 1
            print(f"FALSE, and accepted: forgery {k} ({name}): {error!r}\n{source}")
    for title, counts in (("refused", refused), ("accepted, and true", accepted)):
        print(f"{sum(counts.values())} {title}")
        for reason, n in counts.most_common():
            print(f"  {n:6} {reason}")
    print(f"{wrong} accepted, and false, of {settings.count} (seed {settings.seed})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
