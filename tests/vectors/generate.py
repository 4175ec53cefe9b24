"""Rewrites or checks every generated file of this folder; run by `reference.py --regenerate` and `--check`.

The problems are in problems.py, the mistakes in known_mistakes.py, the broken files in broken.py. Nothing is written
that was not asserted on the way: the four gradient terms against the gradient, both against central differences of the
reference's own values and against crosscheck.py, the stated closed forms, and the golden data.
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
    grids = [[grid[8 * i:8 * i + 8] for i in range(8)] for grid in environment.grids]
    c = crosscheck.GridCheck(text, grids)
    for name, x in c.static().items():
        close(x, answer[name], 0, Decimal(10) ** -40, name)
    if not smooth:
        return
    directions = [[Decimal((k * step + 13) % 17 - 8) / 8 for k in range(256)] for step in (7919, 104729)]
    directions += [[Decimal(int(i == k)) for i in range(256)] for k in (39, 214)]
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
    getcontext().prec = 200
    cells, gamma, v = [Decimal(x) for x in Gridworld.CELLS], Decimal(0.9), [Decimal(0)] * 64
    while True:
        q = [[cells[t] + gamma * v[t] for t in (Gridworld.next(s, a) for a in range(4))] for s in range(63)] + [[Decimal(0)] * 4]
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
    size, grid, rational = e.scale(), isinstance(e.problem.environment, Gridworld), e.problem.rational
    rounded = reference.presented(answer, nearest)
    assert rational == v.get("rational", False), v["name"]
    sources = [{"kind": "exact-rational" if rational else "decimal",
                "provenance": FORWARD + ("exact fractions" if rational else f"{getcontext().prec} digits")}]
    result = {"format": "pemdp-vector/1", "name": v["name"], "comment": v["comment"],
              "flags": v["flags"] + ([] if answer["smooth"] else ["not-smooth"]), "sources": sources, "problem": v["problem"],
              "answer": rounded}
    if skip:
        result["undetermined"] = sorted(skip)
    if rational:
        exact = reference.solve(text, exact=True)
        assert exact == reference.presented(answer, fractions), "the two readings of the numbers differ"
        result["exact"] = exact
    else:
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

def mistake_problems():
    """The problems on which mistakes are shown: (mistake, suffix, problem, previous)."""
    named = {v["name"]: v["problem"] for v in problems.VECTORS}
    full, full_entropy, grid = named["family-softmax"], named["family-softmax-entropy"], named["gridworld-uniform"]
    grid = grid | {"policy": problems.random_logits(5, 1)}
    transient = {"format": "pemdp-problem/1"} | problems.problem(
        "9/10", problems.weights([1, 2], [3, 1], [1, 1]),
        problems.family([1, -1, 2], [[1, -2], [4, 0.5], [0, 0]], 0, None,
                        base_weights=[[[1, 2, 1], [3, 1, 1]], [[1, 1, 1], [2, 5, 1]], [[0, 0, 1]] * 2]), ["3/4", "1/4", 0])
    irreducible, t2a, t2b = named["family-irreducible-weights"], named["t2a"], named["t2b"]
    affine, coin = named["affine-softmax"], named["coin-softmax-entropy"]
    other = affine | {"policy": problems.softmax([-1.0, 0.5], [0.25, 0.0], [2.0, -1.0])}
    full_other = full | {"policy": problems.softmax([-0.2, 0.4], [0.0, 0.3], [0.5, -1.1])}
    grid_other = grid | {"policy": problems.random_logits(6, 1)}
    plan = []
    for mistake in ("no-transition-term", "advantage-weighted-transition-score", "transition-score-one-step-late"):
        plan += [(mistake, "family", full, None), (mistake, "t2a", t2a, None), (mistake, "t2b", t2b, None)]
    plan += [("no-transition-term", "gridworld", grid, None), ("no-transition-term", "affine", affine, None)]
    plan += [("no-reward-term", "family", full, None), ("no-reward-term", "affine", affine, None), ("no-reward-term", "coin", coin, None)]
    plan += [("no-performative-terms", "family", full, None), ("no-performative-terms", "gridworld", grid, None)]
    plan += [("response-values-frozen", "gridworld", grid, None)]
    for mistake in ("transition-term-undiscounted", "undiscounted-occupancy"):
        plan += [(mistake, "irreducible", irreducible, None), (mistake, "transient", transient, None), (mistake, "loan", t2b, None),
                 (mistake, "gridworld", grid, None)]
    plan += [("transition-term-no-gamma", "family", full, None), ("transition-term-no-gamma", "irreducible", irreducible, None)]
    plan += [("normalised-occupancy", "family", full, None), ("normalised-occupancy", "t2b", t2b, None)]
    for mistake in ("entropy-in-reward-not-bootstrap", "entropy-in-bootstrap-not-reward", "entropy-sign"):
        plan += [(mistake, "family", full_entropy, None), (mistake, "fixed", named["fixed-softmax-entropy"], None),
                 (mistake, "gridworld", named["gridworld-random-entropy"], None)]
    plan += [("reward-weighted-by-state", "family", full, None), ("reward-weighted-by-state", "affine", affine, None)]
    plan += [("terminal-keeps-transitions", "gridworld", grid, None), ("terminal-keeps-rewards", "gridworld", grid, None)]
    plan += [("stale-environment", "affine", affine, other), ("stale-environment", "family", full, full_other),
             ("stale-environment", "uniform", irreducible, None), ("stale-environment", "gridworld", grid, grid_other)]
    plan += [("descent", "family", full, None), ("descent", "gridworld", grid, None)]
    plan += [("transposed-transitions", "fixed", {"format": "pemdp-problem/1"} | problems.problem(
        0.5, problems.softmax(*problems.L3), problems.fixed(problems.T3, problems.R3), problems.RHO3), None),
        ("transposed-transitions", "affine", affine | {"gamma": 0.5}, None)]
    return plan


TABLES = {}


def table(problem, previous):
    """The truth and every mistake on one problem."""
    key = json.dumps([problem, previous])
    if key not in TABLES:
        before = Problem(json.dumps(previous)) if previous else None
        e = Evaluation(Problem(json.dumps(problem)))
        tangents = known_mistakes.all_tangents(e)
        rows = {"truth": {"value": e.value, "gradient": [e.derivative(k, t) for k, t in enumerate(tangents)]}}
        for name, function in known_mistakes.MISTAKES.items():
            rows[name] = function(e, tangents, before)
        TABLES[key] = {name: nearest(row) for name, row in rows.items()}
    return TABLES[key]


def same(x, y):
    """Whether two answers agree in every quantity that both have: within 1e-9 of the largest entry."""
    for name in ("value", "gradient"):
        p, q = ([z[name]] if name == "value" else z[name] for z in (x, y))
        size = max(map(abs, p + q)) or 1
        if any(abs(a - b) > 1e-9 * size for a, b in zip(p, q)):
            return False
    return True


def make_mistake(mistake, suffix, problem, previous):
    rows = table(problem, previous)
    wrong, truth = rows[mistake], rows["truth"]
    assert wrong is not None, (mistake, suffix)
    distance = max(abs(a - b) for a, b in zip(wrong["gradient"], truth["gradient"])) / max(map(abs, truth["gradient"]))
    assert distance > 1e-3, (mistake, suffix, distance)
    also = [name for name, row in rows.items() if row is not None and name not in (mistake, "truth") and same(row, wrong)
            and not same(row, truth)]
    missing = [name for name, row in rows.items() if row is None]
    comment = known_mistakes.READINGS[mistake] + f" On this problem the gradient is off by {distance:.2g} of its largest entry."
    return {"format": "pemdp-mistake/1", "mistake": mistake, "comment": comment, "coincides_with": also, "not_applicable": missing,
            "problem": problem, "previous": previous, "answer": wrong, "truth": truth}


# ---------------------------------------------------------------------------------------------------------- run

def job(item):
    kind, number = item
    if kind == "vector":
        v = problems.VECTORS[number]
        return [(f"{v['name']}.json", dump(make_vector(v)) + "\n")]
    return [(f"mistakes/{plan[0]}-{plan[1]}.json", dump(make_mistake(*plan)) + "\n") for plan in mistake_groups()[number]]


def mistake_groups():
    """The plan by problem, so that each table of mistakes is made once."""
    groups = {}
    for plan in mistake_problems():
        groups.setdefault(json.dumps(plan[2:]), []).append(plan)
    return list(groups.values())


def files(report, only):
    """(path, content) of every generated file; the long computations side by side."""
    jobs = [("vector", i) for i in range(len(problems.VECTORS))] + [("mistakes", i) for i in range(len(mistake_groups()))]
    if only:
        jobs = [x for x in jobs if x[0] == "vector" and problems.VECTORS[x[1]]["name"].startswith(only)
                or x[0] == "mistakes" and any(p[0].startswith(only) for p in mistake_groups()[x[1]])]
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
