"""Rewrites or checks every generated file of this folder; run by `reference.py --regenerate` and `--check`.

The problems are in problems.py, the mistakes in known_mistakes.py, more_mistakes.py and mistakes_in_part.py, the problems that they are
shown on in mistake_problems.py, the broken files in broken.py. Nothing is written that was not asserted on the way: the four gradient terms
against the gradient, both against central differences of the reference's own values and against crosscheck.py, the stated closed
forms, the golden data, and the wrong answers that were given.
"""
import concurrent.futures
import json
import pathlib
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

import broken
import crosscheck
import known_mistakes
import mistake_problems
import mistakes_in_part
import more_mistakes
import numpy_grids
import optima
import problems
import reference
from reference import Evaluation, Gridworld, Problem, fractions, nearest

HERE = pathlib.Path(__file__).parent
TERMS = ("policy", "transition", "reward", "entropy")


def dump(x, indent=0):
    """JSON, with what fits on a line on a line."""
    flat = json.dumps(x)
    if len(flat) + indent <= 110 or not isinstance(x, (dict, list)):
        return flat
    pad = " " * (indent + 1)
    if isinstance(x, dict):
        return "{\n" + ",\n".join(f"{pad}{json.dumps(k)}: {dump(v, indent + 1)}" for k, v in x.items()) + "\n" + " " * indent + "}"
    if not any(isinstance(y, (dict, list)) for y in x):
        lines, line = [], ""
        for y in map(json.dumps, x):
            if line and len(line) + len(y) > 105:
                lines.append(line)
                line = ""
            line += (" " if line else "") + y + ","
        return "[\n" + "\n".join(pad + y for y in lines + [line[:-1]]) + "\n" + " " * indent + "]"
    return "[\n" + ",\n".join(pad + dump(y, indent + 1) for y in x) + "\n" + " " * indent + "]"


# ------------------------------------------------------------------------------------------------------- checks

def close(x, y, relative, absolute, what):
    """Lists of numbers and None; y is the reference's."""
    if isinstance(y, list):
        assert len(x) == len(y), what
        for i, (p, q) in enumerate(zip(x, y)):
            close(p, q, relative, absolute, f"{what}[{i}]")
    elif x is None or y is None:
        assert x is y is None, what
    else:
        y = Decimal(y.numerator) / Decimal(y.denominator) if isinstance(y, Fraction) else Decimal(y)
        assert abs(x - y) <= relative * abs(y) + absolute, (what, f"{x:.5e}", f"{y:.5e}", f"{x - y:.2e}", f"{absolute:.2e}")


def check_own_differences(text, answer, skip):
    """Central differences of the reference's own values, in every parameter."""
    e = Evaluation(Problem(text))
    h = Fraction(1, 10 ** 25) if e.problem.rational else Decimal(10) ** -60
    size = e.scale()
    for k, wanted in enumerate(answer["gradient"]):
        if wanted is not None and k not in skip:
            up, down = (Evaluation(e.problem, e.policy.moved(k, x)).value for x in (h, -h))
            error = abs((up - down) / (2 * h) - wanted)
            assert error <= size * h, (k, float(error))


def check_second_source(text, answer, size, options, skip):
    digits = options.get("digits", 250)
    c = crosscheck.Check(text, digits)
    size = Decimal(size.numerator) / Decimal(size.denominator) if isinstance(size, Fraction) else size
    h = Decimal(10) ** -50
    relative, absolute = Decimal(10) ** -40, size * Decimal(10) ** -60
    if options.get("strict"):
        absolute = size * Decimal(10) ** (-680 if digits > 1000 else -100)
    for name, x in c.static().items():
        close(x, answer[name], relative, absolute, name)
    for k in range(len(answer["gradient"])):
        if k in skip or answer["gradient"][k] is None:
            continue
        slopes = c.slopes([Decimal(int(i == k)) for i in range(len(answer["gradient"]))], h)
        for name, x in slopes.items():
            wanted = answer["gradient"][k] if name == "gradient" else answer["gradient_terms"][name][k]
            close(x, wanted, relative, absolute, f"{name}[{k}]")


def check_grid(text, answer, environment, smooth):
    """The gridworld's second source: values, and derivatives along two dense directions and two single parameters."""
    c = crosscheck.GridCheck(text, environment.grids)
    n = len(answer["gradient"])
    for name, x in c.static().items():
        close(x, answer[name], 0, Decimal(10) ** -40, name)
    if not smooth:
        return
    directions = [[Decimal((k * step + 13) % 17 - 8) / 8 for k in range(n)] for step in (7919, 104729)]
    directions += [[Decimal(int(i == k)) for i in range(n)] for k in (39 % n, 214 % n)]
    for u in directions:
        for name, x in c.slopes(u, Decimal(10) ** -18).items():
            wanted = answer["gradient"] if name == "gradient" else answer["gradient_terms"][name]
            close(x, sum(p * q for p, q in zip(u, wanted)), 0, Decimal(10) ** -22, f"{name} along a direction")


def check_golden(answer, golden, environment):
    """The golden values, good to 1e-9; its occupancy leaves the terminal state out."""
    data, policy = golden
    flat = [x for row in policy["gradient_logits"] for x in row]
    myopic = [x for row in policy["myopic_gradient_logits"] for x in row]
    assert [[float(x) for x in grid] for grid in environment.grids] == [[x for row in g for x in row] for g in data["perturbed_grids"]]
    pairs = [([answer["value"]], [policy["value"]]), (answer["state_values"], policy["state_values"]),
             (answer["gradient"], flat), (answer["gradient_terms"]["policy"], myopic)]
    pairs += [(x, y) for x, y in zip(answer["occupancy"][:63], policy["occupancy_without_terminal"][:63])]
    assert all(abs(x - y) <= 1e-9 for a, b in pairs for x, y in zip(a, b))
    P, r = environment.induced(environment.agent)
    assert all(abs(float(P[s][a].get(t, 0)) - p) <= 1e-12 for s, a, t, p in policy["transitions"])
    assert all(abs(float(x) - y) <= 1e-12 for a, b in zip(r, policy["rewards"]) for x, y in zip(a, b))


def eps_greedy():
    """The benchmark's start policy. The learner's optimal values on its own grid, solved until nothing changes in 200
    digits; the first action within 1e-9 of the best is asserted to be the first exactly best one."""
    world = Problem(json.dumps(problems.problem(0.9, problems.UNIFORM, problems.gridworld(5, 0.5, 2)))).environment
    getcontext().prec = 200
    cells, gamma, v = [Decimal(x) for x in Gridworld.CELLS], Decimal(0.9), [Decimal(0)] * 64
    while True:
        q = [[cells[t] + gamma * v[t] for t in (world.next(s, a) for a in range(4))] for s in range(63)] + [[Decimal(0)] * 4]
        new = [max(row) for row in q]
        if max(abs(x - y) for x, y in zip(v, new)) < Decimal(10) ** -190:
            break
        v = new
    first = [next(a for a in range(4) if row[a] >= max(row) - Decimal("1e-9")) for row in q]
    assert first == [next(a for a in range(4) if row[a] >= max(row) - Decimal("1e-180")) for row in q]
    assert first == [next(a for a in range(4) if row[a] >= max(row) - Decimal("1e-5")) for row in q]
    return {"kind": "probabilities", "values": [["9/10" if a == b else "1/30" for a in range(4)] for b in first]}


# ------------------------------------------------------------------------------------------------------ vectors

FORWARD = "reference.py: forward derivatives through an explicit inverse of I - gamma P_pi, in "
SECOND = ("crosscheck.py, which shares no code with the reference: truncated power series with a tail bound, central "
          "differences with h = 1e-50, each gradient term by moving the parameters in one place only")
SECOND_GRID = ("crosscheck.py, which shares no code with the reference: followers by value iteration, values by a truncated "
               "series; every value, and each gradient term along two dense directions and two single parameters by central "
               "differences with h = 1e-18")


def tolerances(e, answer):
    """What doubles reach: 1e-9 of the largest entry and 1e-15 R c^2 (c = e.steps()), without R of the occupancy (README.md), to three digits."""
    def largest(x):
        parts = x.values() if isinstance(x, dict) else x if isinstance(x, list) else None
        return max(map(largest, parts), default=0) if parts is not None else abs(x or 0)

    squared = float(e.steps() ** 2)
    rounding = 1e-15 * squared * float(largest(e.soft))
    names = ("value", "state_values", "action_values", "occupancy", "gradient", "gradient_terms")
    found = {name: 1e-9 * float(largest(answer[name])) + (1e-15 * squared if name == "occupancy" else rounding) for name in names}
    return {name: float(f"{min(x, 1.79e308):.2e}") for name, x in found.items()}


def make_vector(v):
    golden = None
    if "golden" in v:
        file, index = v["golden"]
        data = json.loads((HERE / "gridworld" / file).read_text())
        golden = data, data["policies"][index]
        if "policy" not in v["problem"]:
            v["problem"] |= problems.problem(0.9, problems.softmax(*golden[1]["logits"]),
                                             problems.gridworld(data["beta"], data["eps"], data["followers"]))
    if v.get("eps_greedy"):
        v["problem"] |= problems.problem(0.9, eps_greedy(), problems.gridworld(5, 0.5, 2))
    text = json.dumps(v["problem"])
    e = Evaluation(Problem(text))
    answer = e.answer()
    skip = set(e.problem.environment.undetermined)
    size, grid, rational = e.scale(), v["problem"]["environment"]["kind"] == "gridworld", e.problem.rational
    rounded = reference.presented(answer, nearest)
    assert rational == (v.get("rational", False) or v.get("as_doubles", False)), v["name"]
    sources = [{"kind": "exact-rational" if rational else "decimal",
                "provenance": FORWARD + ("exact fractions" if rational else f"{getcontext().prec} digits")}]
    result = {"format": "pemdp-vector/1", "name": v["name"], "comment": v["comment"],
              "flags": v["flags"] + ([] if answer["smooth"] else ["not-smooth"]), "sources": sources, "problem": v["problem"],
              "answer": rounded, "tolerances": tolerances(e, answer)}
    if skip:
        result["undetermined"] = sorted(skip)
    if rational and not v.get("as_doubles"):
        exact = reference.solve(text, exact=True)
        assert exact == reference.presented(answer, fractions), "the two readings of the numbers differ"
        result["exact"] = exact
    elif not rational:
        # the doubles do not depend on the precision
        assert rounded == reference.solve(text, digits=(360 if grid else 900)), v["name"]
    if "closed" in v:
        Problem(text)                                                     # restores the precision
        v["closed"](answer)
        sources.append({"kind": "closed-form", "provenance": "the formula in the comment, evaluated and asserted in problems.py"})
    if grid:
        check_grid(text, answer, e.problem.environment, answer["smooth"])
        sources.append({"kind": "decimal", "provenance": SECOND_GRID if answer["smooth"] else
                        "crosscheck.py (value iteration and a truncated series) for the values; no second source for the "
                        "gradient, which is not unique here"})
    else:
        Problem(text)
        check_own_differences(text, answer, skip)
        check_second_source(text, answer, size, v, skip)
        sources.append({"kind": "decimal", "provenance": SECOND + (
            f"; entries {sorted(skip)} of the gradient, which are not unique, are not covered" if skip else "")})
    if golden:
        check_golden(rounded, golden, e.problem.environment)
        sources.append({"kind": "numpy-golden", "provenance": f"gridworld/{v['golden'][0]}, policy {golden[1]['name']}: value, state "
                        "values, occupancy, gradient, policy term, P and r agree within 1e-9"})
    if v.get("eps_greedy"):
        assert abs(rounded["value"] + 0.2195) < 5e-5
    return result


# ----------------------------------------------------------------------------------------------------- mistakes

TABLES = {}


def table(problem, previous):
    """The truth and every mistake of known_mistakes.py on one problem, with what they were computed from."""
    key = json.dumps([problem, previous])
    if key not in TABLES:
        before = Problem(json.dumps(previous)) if previous else None
        e = Evaluation(Problem(json.dumps(problem)))
        tangents = known_mistakes.all_tangents(e)
        rows = {"truth": {"value": e.value, "gradient": [e.derivative(k, t) for k, t in enumerate(tangents)]}}
        for name, function in known_mistakes.MISTAKES.items():
            rows[name] = function(e, tangents, before)
        TABLES[key] = {name: nearest(row) for name, row in rows.items()}, (e, tangents, before)
    return TABLES[key]


def same(x, y, names=("value", "gradient")):
    """Whether two answers agree in every quantity that both have: within 1e-9 of the largest entry."""
    for name in names:
        p, q = (numbers(z[name]) for z in (x, y))
        size = max((abs(z) for z in p + q if z is not None), default=0) or 1
        if any((a is None) != (b is None) or a is not None and abs(a - b) > 1e-9 * size for a, b in zip(p, q)):
            return False
    return True


def numbers(x):
    return [z for y in x for z in numbers(y)] if isinstance(x, list) else [x]


def distance(x, y):
    """In units of the largest entry of y, of the entries that both have."""
    pairs = [(a, b) for a, b in zip(numbers(x), numbers(y)) if a is not None and b is not None]
    return max(abs(a - b) for a, b in pairs) / max(abs(b) for _, b in pairs)


def make_mistake(mistake, suffix, problem, previous):
    rows, _ = table(problem, previous)
    wrong, truth = rows[mistake], rows["truth"]
    assert wrong is not None, (mistake, suffix)
    off = distance(wrong["gradient"], truth["gradient"])
    assert off > 1e-3, (mistake, suffix, off)
    also = [name for name, row in rows.items() if row is not None and name not in (mistake, "truth") and same(row, wrong)
            and not same(row, truth)]
    missing = [name for name, row in rows.items() if row is None]
    comment = known_mistakes.READINGS[mistake] + f" On this problem the gradient is off by {off:.2g} of its largest entry."
    return {"format": "pemdp-mistake/1", "mistake": mistake, "comment": comment, "coincides_with": also, "not_applicable": missing,
            "problem": problem, "previous": previous, "answer": wrong, "truth": truth}


MORE_TABLES = {}
# Wrong answers that implementations gave.
GIVEN = {("response-applied-twice", "coin-one-step"): {"value": -0.20795305695795846,
                                                       "gradient": [0.05542821832327726, -0.05542821832327726]},
         ("entropy-stops-at-absorbing", "gridworld-uniform"): {"value": 6.304228658282671},
         ("sweeps-of-followers", "uniform-visits"): {"value": -0.3699682533725993}}


def more_table(problem, previous):
    """All readings of all mistakes that have no number of sweeps: (mistake, answer), the answer None where it is not defined."""
    key = json.dumps([problem, previous])
    if key not in MORE_TABLES:
        rows, given = table(problem, previous)
        truth = nearest(more_mistakes.answer(given[0], rows["truth"]["gradient"]))
        found = [(mistake, row and truth | row) for mistake, row in rows.items() if mistake != "truth"]
        for mistake, readings in more_mistakes.MISTAKES.items():
            if mistake not in more_mistakes.COUNTED:
                found += [(mistake, nearest(function(*given))) for _, function in readings.values()]
        MORE_TABLES[key] = truth, found
    return MORE_TABLES[key]


def make_more(mistake, suffix, reading, has, problem, previous, count):
    truth, found = more_table(problem, previous)
    (about, function), (_, given) = more_mistakes.MISTAKES[mistake][reading], table(problem, previous)
    if count is None:
        wrong = nearest(function(*given))
    else:
        number = more_mistakes.swept(given[0], reading == "in-place", count)[1]
        wrong = nearest(function(*given, number))
        about = about.format(n=number) + ("" if count == number else f" ({number}: a change below {count}.)")
    assert wrong is not None, (mistake, suffix)
    given_answer = GIVEN.get((mistake, suffix), {})
    assert all(distance(wrong[name], x) < 1e-14 for name, x in given_answer.items()), (mistake, suffix)
    off = {name: distance(wrong[name], truth[name]) for name in has if not same(wrong, truth, [name])}
    assert max(off.values(), default=0) > (1e-4 if given_answer else 1e-3), (mistake, suffix, off)
    also = [name for name, row in found if row and name != mistake and same(row, wrong, has) and not same(row, truth, has)]
    defined = {name for name, row in found if row}
    missing = [name for name, _ in found if name not in defined]
    far = ", ".join(f"{name} by {x:.2g}" for name, x in off.items())
    return {"format": "pemdp-mistake/1", "mistake": mistake,
            "comment": f"{about} On this problem, in units of the largest entry, off are: {far}.",
            "coincides_with": list(dict.fromkeys(also)), "not_applicable": list(dict.fromkeys(missing)),
            "problem": problem, "previous": previous, "answer": {name: wrong[name] for name in has},
            "truth": {name: truth[name] for name in has}}


# ---------------------------------------------------------------------------------------------------------- run

def job(item):
    kind, number = item
    if kind == "vector":
        v = problems.VECTORS[number]
        return [(f"{v['name']}.json", dump(make_vector(v)) + "\n")]
    return [(f"mistakes/{plan[0]}-{plan[1]}.json", dump(make(*plan)) + "\n") for make, plan in mistake_groups()[number]]


def mistake_groups():
    """The plans by problem, so that each table of mistakes is made once."""
    groups = {}
    for plan in mistake_problems.mistake_problems():
        groups.setdefault(json.dumps(plan[2:]), []).append((make_mistake, plan))
    for plan in mistake_problems.more_mistake_problems():
        groups.setdefault(json.dumps(plan[4:6]), []).append((make_more, plan))
    return list(groups.values())


def files(report, only):
    """(path, content) of every generated file; the long computations side by side."""
    jobs = [("vector", i) for i in range(len(problems.VECTORS))] + [("mistakes", i) for i in range(len(mistake_groups()))]
    if only:
        jobs = [x for x in jobs if x[0] == "vector" and problems.VECTORS[x[1]]["name"].startswith(only)
                or x[0] == "mistakes" and any(p[0].startswith(only) for _, p in mistake_groups()[x[1]])]
    slow = sorted(jobs, key=lambda x: x[0] == "vector" and not problems.VECTORS[x[1]]["name"].startswith(("gridworld", "family-l", "logits")))
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for i, result in enumerate(pool.map(job, slow)):
            report(f"{i + 1} of {len(jobs)} computations")
            yield from result
    yield from broken.files(dump)
    yield from optima.files(dump)
    grids = {str(eps): ["".join(map(str, numpy_grids.perturbation(seed, eps))) for seed in range(200)]
             for eps in (0.1, 0.3, 0.5, 0.9)}
    yield "numpy_grids.json", dump({
        "format": "pemdp-numpy-grids/1",
        "comment": "Perturbed grids of the gridworld, as drawn by numpy 2.4.6: grids[eps][seed] is 64 digits, row by row, each an "
                   "index into `cells`; a kept cell has the value of the unperturbed grid.",
        "cells": ["keep", -0.5, -0.02, -0.01], "grids": grids}) + "\n"


def run(check, only=()):
    different, seen = [], set()

    def report(name):
        if sys.stderr.isatty():
            print(f"\r\x1b[K{name}", end="", file=sys.stderr, flush=True)

    for name, content in files(report, only):
        if only and not name.removeprefix("mistakes/").removeprefix("invalid/").removeprefix("optimum/").startswith(only):
            continue
        seen.add(name)
        path, content = HERE / name, content.encode("utf-8") if isinstance(content, str) else content
        if check:
            if not path.exists() or path.read_bytes() != content:
                different.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    report("")
    extra = [str(p.relative_to(HERE)) for folder in ("", "mistakes", "invalid", "optimum") for p in sorted((HERE / folder).iterdir())
             if p.is_file() and p.suffix not in (".py", ".md") and str(p.relative_to(HERE)) not in seen and not only]
    for name in different:
        print(f"differs: {name}")
    for name in extra:
        print(f"not generated: {name}")
    print(f"{len(seen)} files " + ("checked" if check else "written"))
    return 1 if different or extra else 0
