"""`attack.py keys`: every key and every number of a problem file has to matter.

Specimens are problems in which nearly every number has an effect. Of each, keys are taken away, added and doubled, and
numbers are changed one at a time (two at a time where a row has to go on summing to 1). The program must refuse, or give the
answer that the evaluation gives to the changed problem; an answer that stayed the same although the right one moved names a
number that is read and then ignored.
"""
import copy
import json
import random
from fractions import Fraction

import families
from compare import QUANTITIES, examine, examine_exact
from evaluate import Problem, evaluate
from families import paths, replaced, seen
from harness import batch, batches, guarded, result
from numerals import Malformed, nearest, tree

OPTIONAL = {"entropy", "initial", "base_logits", "base_weights", "slope", "clip", "cells", "terminal",
            "intervention_cost"}                                     # with a default; initial and cells only where the docs say so
STATES, ACTIONS = 3, 2
BATCH = 40


# ------------------------------------------------------------------------------------------------- specimens

class Generic(families.Maker):
    """Ordinary numbers, none of them 0, of which each one has an effect."""

    def __init__(self, rng, rational):
        super().__init__(rng, rational)
        self.scale, self.entropy_chance = 1.0, 0 if rational else 0.5

    def real(self, scale=None):
        return self.pick(text_or_number(Fraction(self.rng.randint(1, 40), self.pick(3, 8, 16)) * self.pick(1, -1), self.rng))

    def positive(self, scale=1.0):
        return text_or_number(Fraction(self.rng.randint(5, 40), self.pick(3, 8, 16)), self.rng)

    def gamma(self):
        return self.pick("3/4", 0.5, 0.75)

    def distribution(self, n):
        shares = [self.rng.randint(1, 9) for _ in range(n)]
        return [families.text(Fraction(x, sum(shares))) for x in shares]

    exact_row = distribution

    def softmax(self, S, A):
        return super().softmax(S, A, 1)

    def log_linear(self, S, A):
        return {"kind": "log-linear", "features": [[[self.real() for _ in range(3)] for _ in range(A)] for _ in range(S)],
                "theta": [self.real() for _ in range(3)]}

    def weights(self, S, A):
        return {"kind": "weights", "values": [[self.positive() for _ in range(A)] for _ in range(S)]}

    def psi(self, S):
        return [t * self.pick(1, -1) for t in range(1, S + 1)]

    def base_weights(self, S):
        return [self.positive() for _ in range(S)]

    def base_logits(self, S, size):
        return [self.real() for _ in range(S)]

    def exponential_family(self, S, A):
        """With some rewards inside and some outside of the clip."""
        environment = super().exponential_family(S, A)
        environment["reward"]["slope"] = 0 if self.rational else "1/3"
        environment["reward"]["clip"] = self.pick(1, "5/4", 1.5)
        return environment

    def coin(self):
        return {"kind": "coin", "mu": "1/8", "epsilon": "1/4"}

    def loan(self, form=None):
        return {"kind": "loan", "form": form or self.pick("bandit", "mdp"), "q0": "3/4", "c": "1/2", "gain": 2, "loss": "1/3"}

    def gridworld(self, own=None):
        own_keys = {"cells": self.grid(*own), "terminal": [own[0] * own[1] - 1], "intervention_cost": "1/20"} if own else {}
        if self.chance(0.5):
            return {"kind": "gridworld", "beta": 5, "perturbed_grids": [self.grid(*own or (8, 8))]} | own_keys
        return {"kind": "gridworld", "beta": 5, "eps": 0.5, "followers": 1} | own_keys


def text_or_number(q, rng):
    return families.text(q) if rng.random() < 0.5 or q.denominator & (q.denominator - 1) else float(q)


def specimen(kind, rng, rational):
    """A specimen of one kind of environment."""
    maker = Generic(rng, rational)
    if kind == "gridworld":
        return families.grid(maker)
    return maker.problem(kind, (STATES, ACTIONS))


# --------------------------------------------------------------------------------------------------- changes

def removals(problem):
    """Each key taken away: (what, path, changed)."""
    for path in branches(problem):
        if isinstance(path[-1], str):
            changed = copy.deepcopy(problem)
            del seen(changed, path[:-1])[path[-1]]
            yield "without", path, changed


def branches(x, at=()):
    """All paths, to leaves and to what holds them."""
    items = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ()
    for key, y in items:
        yield (*at, key)
        yield from branches(y, (*at, key))


def changes(problem, path, rng):
    """One leaf replaced by other numbers, by one of the wrong kind, or moved together with a neighbour."""
    x = seen(problem, path)
    for value in new_values(x):
        yield "with another", path, replaced(problem, path, value)
    row = seen(problem, path[:-1])
    if isinstance(row, list) and len(row) > 1 and is_number(x):
        other = rng.choice([i for i in range(len(row)) if i != path[-1]])
        if is_number(row[other]):
            moved = Fraction(str(x)) / 4
            changed = replaced(problem, path, families.text(Fraction(str(x)) - moved))
            yield "with moved", path, replaced(changed, (*path[:-1], other), families.text(Fraction(str(row[other])) + moved))


def is_number(x):
    if isinstance(x, bool) or x is None:
        return False
    try:
        Fraction(str(x))
    except (ValueError, ZeroDivisionError):
        return False
    return True


def new_values(x):
    if isinstance(x, bool) or x is None or not is_number(x):
        return [1, None, "softmax", "bandit", "mdp", True]
    q = Fraction(str(x))
    return [families.text(q * Fraction(65, 64)), families.text(-q), families.text(q + 1), 0, None, True, "x", [x]]


def additions(problem):
    """A key that nobody knows, in each object."""
    for path in [(), *(p for p in branches(problem) if isinstance(seen(problem, p), dict))]:
        yield "with an unknown", (*path, "temperature"), replaced(problem, (*path, "temperature"), 1)


def doubled(problem, path):
    """The text with the key at a path written twice, the second time with another value."""
    mark = "@@"
    marked = json.dumps(replaced(problem, path, mark))
    key = json.dumps(path[-1])
    return marked.replace(f'{key}: "{mark}"', f"{key}: {json.dumps(seen(problem, path))}, {key}: {json.dumps('1/2')}", 1)


def texts(problem, rng):
    """All changed problems: (what was done, to which key, text)."""
    for what, path, changed in [*removals(problem), *additions(problem)]:
        yield what, path, json.dumps(changed)
    for path in branches(problem):
        if isinstance(path[-1], str):
            yield "with a doubled", path, doubled(problem, path)
    for path in paths(problem):
        for what, path, changed in changes(problem, path, rng):
            yield what, path, json.dumps(changed)


# ------------------------------------------------------------------------------------------------------ work

KINDS = ["fixed", "exponential-family", "affine", "explicit", "coin", "loan", "gridworld"]


def tasks(options):
    """Changed problems, so many of each field of each specimen that the number asked for is reached."""
    rng = random.Random(f"keys/{options.seed}")
    chosen, round_ = [], 0
    while len(chosen) < options.problems:
        for kind in [options.family] if options.family else KINDS:
            for rational in (False, True):
                if kind == "gridworld" and (rational or round_ % 4):
                    continue
                chosen += sampled(kind, specimen(kind, rng, rational), rational, rng)
        round_ += 1
    rng.shuffle(chosen)
    return [(options.binary, part) for part in batches(list(enumerate(chosen[:options.problems])), BATCH)]


def sampled(kind, problem, rational, rng):
    """Up to three changes of each sort to each field, so that long tables do not crowd out the rest."""
    fields = {}
    for what, path, text in texts(problem, rng) if kind != "gridworld" else few_texts(problem, rng):
        fields.setdefault((what, tuple(key for key in path if isinstance(key, str))), []).append((what, path, text))
    return [(kind, rational, json.dumps(problem), *change) for found in fields.values()
            for change in rng.sample(found, min(3, len(found)))]


def few_texts(problem, rng):
    """Of a gridworld, whose tables are long: keys, and the numbers outside of tables with a few of those within."""
    for what, path, changed in [*removals(problem), *additions(problem)]:
        yield what, path, json.dumps(changed)
    long = [path for path in paths(problem) if len(path) > 2]
    for path in [path for path in paths(problem) if len(path) <= 2] + rng.sample(long, 6):
        for what, path, changed in changes(problem, path, rng):
            yield what, path, json.dumps(changed)


def work(task):
    """Evaluates changed problems and the ones that they were, and judges each reply."""
    binary, part = task
    results = []
    for exact in (False, True):
        chosen = [(index, change) for index, change in part if change[1] == exact]
        if not chosen:
            continue
        originals = sorted({change[2] for _, change in chosen})
        flags = ["--exact"] if exact else []
        before = dict(zip(originals, batch(binary, originals, flags)))
        after = batch(binary, [change[-1] for _, change in chosen], flags)
        results += [guarded(judged, change[0], index, change[-1], change, before[change[2]], reply)
                    for (index, change), reply in zip(chosen, after)]
    return results


def judged(kind, index, text, change, before, reply):
    """The result for one changed problem."""
    _, exact, original, what, path, _ = change
    field = ".".join(key for key in path if isinstance(key, str))
    subject = f"{what} {field} ({kind}{', --exact' if exact else ''})"

    def found(outcome, failures=(), **more):
        return result(kind, index, text, outcome, failures, files={"original": original}, **more)

    if reply.failure:
        return found("failure", [f"{subject}: {reply.failure}"])
    if reply.answer is None:
        return found("refused")
    if what in ("with a doubled", "with an unknown"):
        return found("accepted", [f"{subject} key: accepted"])
    if what == "without" and path[-1] not in OPTIONAL:
        return found("accepted", [f"{subject}: accepted, and no default is documented"])
    try:
        problem = Problem(text, exact)
    except Malformed as error:
        return found("accepted", [f"{subject}: accepted, and it means nothing: {error}"])
    hold = examine_exact if exact else examine
    failures = hold(problem, reply.answer).failures
    if not failures:
        return found("answered")
    if before.answer is not None and same(before.answer, reply.answer) and moved(original, text, exact):
        return found("ignored", [f"{subject}: the answer does not change"])
    if before.answer is None or hold(Problem(original, exact), before.answer).failures:
        return found("wrong before", [f"a {kind} is answered wrongly before any change"])
    return found("wrong", [f"{subject}: {sentence}" for sentence in failures])


def moved(original, text, exact):
    """Whether the right answer changed."""
    x, y = (tree(evaluate(Problem(problem, exact)).answer(), nearest) for problem in (original, text))
    return not same(x, y)


def same(x, y):
    return all(x[key] == y[key] for key in (*QUANTITIES, "gradient_terms"))
