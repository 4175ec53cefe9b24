"""`attack.py verify`: right answers are accepted, wrong ones are not, and nothing makes the program panic."""
import json
import math
import random
import tempfile
from pathlib import Path

import families
from compare import QUANTITIES, TERMS, entries
from evaluate import Problem, evaluate
from harness import batches, guarded, result, run, single
from numerals import nearest, tree

BATCH = 10
WRONG = 1e-3                                  # how far off, relative to the largest entry, a wrong answer is
NAMES = ["fixed", "mixed", "exponential-family", "affine", "explicit", "coin", "loan", "chains", "entropy", "log-linear", "clip", "rows"]


def tasks(options):
    only = [options.family] if options.family else NAMES
    drawn = [(only[i % len(only)], i // len(only)) for i in range(options.problems)]
    return [(options.binary, options.seed, part) for part in batches(drawn, BATCH)]


def work(task):
    binary, seed, part = task
    return [guarded(attempt, family, index, json.dumps(families.problem(family, seed, index)), binary, seed)
            for family, index in part]


def attempt(family, index, text, binary, seed):
    """One problem with one answer, right or wrong."""
    rng = random.Random(f"verify/{family}/{seed}/{index}")
    problem = Problem(text)
    evaluation = evaluate(problem)
    truth = tree(evaluation.answer(), nearest)
    numbers = [x for part in truth.values() for x in entries(part) if x is not None]
    if evaluation.open_parameters() or not all(math.isfinite(x) for x in numbers):
        return result(family, index, text, "skipped")
    make = rng.choice(RIGHT if rng.random() < 0.4 else MISTAKES)
    answer = make(rng, problem, truth)
    if answer is None:
        return result(family, index, text, "skipped")
    answer_text = answer if isinstance(answer, str) else json.dumps(answer)
    outcome = verify(binary, text, answer_text)
    failures, kind = verdict(outcome, make in RIGHT)
    if failures == ["accepted"] and make in MEASURED and within_bounds(binary, text, answer, problem, truth, make):
        return result(family, index, text, "within the program's own bounds")
    if failures == ["accepted"] and make is not false_bound and says_undecided(outcome.output):
        return result(family, index, text, "said to be undecided")
    if failures == ["accepted"] and make in MEASURED and set(answer) <= {"format", "gradient"} and is_lost(problem, truth):
        return result(family, index, text, "doubles cannot tell")
    subject = make.__doc__.rstrip(".")
    return result(family, index, text, kind, [f"{subject}: {failure}" for failure in failures], files={"answer": answer_text})


def verify(binary, problem, answer):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.json"
        path.write_text(problem, encoding="utf-8")
        return run([binary, "verify", str(path), "-", "--json"], answer)


def verdict(outcome, right):
    """(failures, how it ended)."""
    if outcome.status is None:
        return ["no verdict in time"], "timeout"
    if outcome.panicked():
        return [f"panic: {outcome.errors.strip()[:200]}"], "panic"
    if outcome.status == 2 and len(outcome.errors.strip().splitlines()) != 1:
        return ["a refusal that is not one line"], "refused"
    if right and outcome.status == 1:
        return [f"a right answer is called wrong: {first_difference(outcome.output)}"], "wrong"
    if right and outcome.status == 2:
        return [], "refused"                                      # eval's refusals are judged by the attack on eval
    if not right and outcome.status == 0:
        return ["accepted"], "accepted"
    return [], {0: "accepted", 1: "wrong", 2: "refused"}.get(outcome.status, "status")


def within_bounds(binary, text, answer, problem, truth, make):
    """Whether the errors of an answer are below the program's own error bounds, than which no tolerance is tighter."""
    reply = single(binary, text)
    if reply.answer is None:
        return False
    tolerance = 0.0 if make is false_bound else 1e-6
    return all(abs(x - y) <= 2 * reply.answer["error_bounds"][key] + tolerance * size(truth[key])
               for key in QUANTITIES if key in answer
               for x, y in zip(compared(problem, key, answer[key]), compared(problem, key, truth[key])) if x is not None)


def says_undecided(output):
    """Whether the verdict lists entries that doubles may round so much."""
    try:
        verdict = json.loads(output)
    except ValueError:
        return False
    return any(entry["why"] == "rounding" for entry in verdict.get("undecided", []))


def is_lost(problem, truth):
    """Whether differences of values, each rounded to a double, leave nothing of the gradient: it is visits times these."""
    visits = float(1 / (1 - problem.gamma)) if problem.gamma != 1 else sum(entries(truth["occupancy"]))
    return 2.0 ** -53 * visits * size(truth["state_values"]) > 0.01 * size(truth["gradient"])


def first_difference(output):
    differences = json.loads(output)["differences"]
    return json.dumps(differences[0]) if differences else "no difference named"


# ---------------------------------------------------------------------------------------------- right answers

def with_format(answer):
    return {"format": "pemdp-answer/1"} | answer


def whole(rng, problem, truth):
    """The whole answer."""
    return with_format(truth)


def subset(rng, problem, truth):
    """Some of the quantities."""
    keys = [key for key in QUANTITIES if rng.random() < 0.5] or [rng.choice(QUANTITIES)]
    return with_format({key: truth[key] for key in keys})


def nearly(rng, problem, truth):
    """Right to 1e-8 of the largest entry."""
    most = {key: max((abs(x) for x in compared(problem, key, truth[key]) if x is not None), default=0.0) for key in QUANTITIES}
    return with_format({key: tree(truth[key], lambda x: None if x is None else x + rng.uniform(-1, 1) * 1e-8 * most[key])
                        for key in QUANTITIES})


def printed(rng, problem, truth):
    """The whole answer with bounds that hold."""
    return with_format(truth) | {"error_bounds": rounding(truth) | {"covers": "problem"}, "smooth": True}


def rounding(truth):
    """Bounds of what rounding to doubles has done to each quantity."""
    terms = truth["gradient_terms"]
    largest = {key: max(size(truth[key]), size(terms) if key == "gradient" else 0.0) for key in QUANTITIES}
    count = len(entries(truth["occupancy"]))
    return {key: math.ulp(x) * (count if key == "occupancy" else 1) for key, x in largest.items()}


def to_twelve_digits(rng, problem, truth):
    """The whole answer to twelve digits."""
    rounded = tree(truth, lambda x: None if x is None else float(f"{x:.11e}"))
    for of in (lambda x: x["gradient"], *(lambda x, term=term: x["gradient_terms"][term] for term in TERMS)):
        before, after = (compared(problem, "gradient", of(x)) for x in (truth, rounded))
        if any(x is not None and abs(x - y) > 1e-9 * size(before) for x, y in zip(before, after)):
            return None                                           # a state's mean is larger by digits that are cut
    return with_format(rounded)


def summed_otherwise(rng, problem, truth):
    """The answer made of its parts in doubles, summed in another order."""
    terms = [list(entries(truth["gradient_terms"][term])) for term in TERMS]
    order = rng.sample(range(len(terms)), len(terms))
    gradient = []
    for row in zip(*terms):
        total = 0.0
        for i in order:
            total = None if total is None or row[i] is None else total + row[i]
        gradient.append(total)
    if any(x is not None and not math.isfinite(x) for x in gradient):
        return None
    states = [float(x) for x in problem.initial]
    value = 0.0
    for s in rng.sample(range(len(states)), len(states)):
        value += states[s] * truth["state_values"][s]
    return with_format(truth | {"gradient": gradient, "value": value}) if math.isfinite(value) else None


# ---------------------------------------------------------------------------------------------- wrong answers

def size(quantity):
    return max((abs(x) for x in entries(quantity) if x is not None), default=0.0)


def compared(problem, key, quantity):
    """The entries as `verify` compares them: gradients by probabilities without each state's mean; None as it is."""
    numbers = entries(quantity)
    if key != "gradient" or problem.policy.normalised:
        return numbers
    A, rows = problem.policy.n_actions, []
    for i in range(0, len(numbers), A):
        known = [x for x in numbers[i:i + A] if x is not None]
        mean = sum(x / len(known) for x in known) if known else 0.0
        rows += [None if x is None else x - mean for x in numbers[i:i + A]]
    return rows


def is_wrong(problem, key, quantity, truth):
    """Whether a quantity is certainly off by more than anybody's tolerance. Sizes near underflow are left out."""
    largest = size(truth)
    if largest < 1e-290:
        return False
    return any((x is None) != (y is None) or x is not None and abs(x - y) > 0.9 * WRONG * largest
               for x, y in zip(compared(problem, key, quantity), compared(problem, key, truth)))


def changed(rng, problem, truth, change):
    """The answer with one quantity changed, alone or among the right ones; None where the change is none."""
    key = rng.choice(QUANTITIES)
    quantity = change(truth[key])
    if not is_wrong(problem, key, quantity, truth[key]):
        return None
    return with_format({key: quantity} if rng.random() < 0.5 else {k: truth[k] for k in QUANTITIES} | {key: quantity})


def perturbed(rng, problem, truth):
    """One entry off."""
    def change(quantity):
        at = rng.choice([path for path in families.paths(quantity) if read(quantity, path) is not None])
        moved = read(quantity, at) + rng.choice([1, -1]) * max(2 * WRONG * size(quantity), 2 * WRONG * abs(read(quantity, at)))
        return moved if at == () else families.replaced(quantity, at, moved)
    return changed(rng, problem, truth, change)


def read(x, path):
    return families.seen(x, path) if path else x


def zeroed(rng, problem, truth):
    """A quantity of zeros."""
    return changed(rng, problem, truth, lambda quantity: tree(quantity, lambda x: None if x is None else 0.0))


def all_zero(rng, problem, truth):
    """An answer of zeros."""
    if not any(is_wrong(problem, key, tree(truth[key], lambda x: None if x is None else 0.0), truth[key]) for key in QUANTITIES):
        return None
    return with_format({key: tree(truth[key], lambda x: None if x is None else 0.0) for key in QUANTITIES})


def negated(rng, problem, truth):
    """A quantity with the wrong sign."""
    return changed(rng, problem, truth, lambda quantity: tree(quantity, lambda x: None if x is None else -x))


def scaled(rng, problem, truth):
    """A quantity times a factor."""
    factor = rng.choice([2.0, 0.5, 1.01, 0.1])
    return changed(rng, problem, truth, lambda quantity: tree(quantity, lambda x: None if x is None else x * factor))


def swapped(rng, problem, truth):
    """Occupancy and action values exchanged."""
    if not is_wrong(problem, "occupancy", truth["action_values"], truth["occupancy"]):
        return None
    return with_format({"occupancy": truth["action_values"], "action_values": truth["occupancy"]})


def wrong_terms(rng, problem, truth):
    """A wrong term of the gradient."""
    if problem.policy.n_actions < 2 and not problem.policy.normalised:
        return None                                               # the mean of a state is free
    term = rng.choice(TERMS)
    terms = dict(truth["gradient_terms"])
    most = (size(terms) or size(truth["action_values"]) or 1.0)
    known = [k for k, x in enumerate(terms[term]) if x is not None]
    at = rng.choice(known)
    terms[term] = [x + most if k == at else x for k, x in enumerate(terms[term])]
    return with_format(truth) | {"gradient_terms": terms}


def hidden_number(rng, problem, truth):
    """A number left out (null)."""
    key = rng.choice(QUANTITIES)
    numbers = [path for path in families.paths(truth[key]) if read(truth[key], path) is not None]
    at = rng.choice(numbers)
    return with_format(truth | {key: None if at == () else families.replaced(truth[key], at, None)})


def no_number(rng, problem, truth):
    """NaN or an infinity for a number."""
    key = rng.choice(QUANTITIES)
    at = rng.choice(list(families.paths(truth[key])))
    junk = rng.choice([math.nan, math.inf, -math.inf])
    return with_format({key: junk if at == () else families.replaced(truth[key], at, junk)})


def junk(rng, problem, truth):
    """Something else for a number or a list."""
    key = rng.choice([*QUANTITIES, "gradient_terms"])
    # No term at all is as good as no terms.
    nothing = [] if key == "gradient_terms" else [{}]
    thing = rng.choice(["hello", True, {"a": 1}, [[[]]], "1e400", "1/0", "", *nothing])
    return with_format(truth) | {key: thing}


def junk_beside(rng, problem, truth):
    """Something else in a key that is not compared."""
    key, thing = rng.choice(["format", "smooth", "error_bounds", "kink"]), rng.choice(["hello", 7, [1], {"a": 1}])
    return with_format(truth) | {key: thing}


def nested(rng, problem, truth):
    """Lists nested wrongly."""
    key = rng.choice(QUANTITIES)
    if len(entries(truth[key])) == 1 and key == "value":
        return with_format({key: [truth[key]]})
    # A gradient may have a row for each state, of which there may be one.
    deeper = [[truth[key]]] if key == "gradient" else [truth[key]]
    return with_format({key: rng.choice([deeper, entries(truth[key])[:-1], entries(truth[key]) + [0.0], {}])})


def unknown(rng, problem, truth):
    """A key that nobody knows."""
    return with_format(truth) | {"temperature": 1}


def false_bound(rng, problem, truth):
    """An entry off by more than its claimed bound, though by less than the tolerance."""
    key = rng.choice(QUANTITIES)
    at = rng.choice([path for path in families.paths(truth[key]) if read(truth[key], path) is not None])
    most = size(truth[key])
    if not 1e-290 < most < 1e300 or key == "gradient" and not problem.policy.normalised:
        return None
    off = read(truth[key], at) + 1e-10 * most * rng.choice([1, -1])
    bounds = rounding(truth) | {"covers": "problem", key: 1e-11 * most}
    return with_format(truth) | {key: off if at == () else families.replaced(truth[key], at, off), "error_bounds": bounds}


def false_kink(rng, problem, truth):
    """A kink where the answer is smooth."""
    claims = [{"smooth": False}, {"error_bounds": rounding(truth) | {"covers": "induced-mdp"}}, {"kink": [{"clip": [0, 0]}]}]
    return with_format(truth) | rng.choice(claims)


def empty(rng, problem, truth):
    """No quantity at all, or no JSON."""
    return rng.choice(['{"format": "pemdp-answer/1"}', "", "[]", "null", "{", "hello", '{"format": "pemdp-answer/2", "value": 1}',
                       '{"format": "pemdp-answer/1", "value": 1, "value": 1}'])


MEASURED = {perturbed, zeroed, all_zero, negated, scaled, swapped, false_bound}
RIGHT = [whole, subset, nearly, printed, to_twelve_digits, summed_otherwise]
MISTAKES = [perturbed, perturbed, zeroed, all_zero, negated, scaled, swapped, wrong_terms, hidden_number, no_number, junk,
            junk_beside, nested, unknown, false_bound, false_kink, empty]
