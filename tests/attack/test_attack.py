#!/usr/bin/env python3
"""Tests of the attack itself: the evaluation against other methods, and that each attack finds errors planted in a program.

    test_attack.py          needs no program: a stand-in with planted errors is attacked
"""
import json
import os
import random
import signal
import stat
import sys
import tempfile
import unittest
from concurrent.futures.process import BrokenProcessPool
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
sys.path[:0] = [str(HERE), str(VECTORS)]

from flint import arb, ctx, fmpq

import attack
import compare
import families
import gridworld
import harness
import reference
from evaluate import Balls, Evaluation, Problem, evaluate
from modes import keys, optimum, solving
from numerals import fraction, from_fraction_text, load, nearest, rational, tree


def problem_text(environment, policy, **more):
    return json.dumps({"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "policy": policy, "environment": environment} | more)


BEYOND = "value of the answer is about 1.00e309, expected within the range of doubles"
BANDIT = {"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[1, 0]]}


def answer_to(text, exact=False):
    """What a faultless program prints: nearest doubles with their true errors as bounds, or fractions."""
    problem = Problem(text, exact)
    result = evaluate(problem)
    truth = result.answer()
    if exact:
        numbers, bounds = tree(truth, lambda x: None if x is None else str(x)), dict.fromkeys(compare.QUANTITIES, "0")
    else:
        numbers = tree(truth, nearest)
        bounds = {key: bound(key, numbers, truth, result.arithmetic.rational) for key in compare.QUANTITIES}
    edges = sorted(result.open_parameters())
    covers = "induced-mdp" if edges else "problem"
    answer = {"format": "pemdp-answer/1"} | numbers | {"error_bounds": bounds | {"covers": covers}, "smooth": not edges}
    return answer | ({"kink": [{"clip": [int(i) for i in problem.policy.pair(k)]} for k in edges]} if edges else {})


def bound(key, numbers, truth, is_rational):
    """The error of a quantity, rounded up to twice its double."""
    pairs = [(x, y) for k in ([key, "gradient_terms"] if key == "gradient" else [key])
             for x, y in zip(compare.entries(numbers[k]), compare.entries(truth[k])) if x is not None]
    errors = [abs(y - fraction(x)) if is_rational else abs(y - arb(x)).upper() for x, y in pairs]
    doubles = [nearest(error) for error in errors]
    error = sum(doubles) if key == "occupancy" else max(doubles, default=0.0)
    return 0.0 if all(error == 0 for error in errors) else max(2 * error, 5e-324)


# ------------------------------------------------------------------------------------------ the evaluation

class Vectors(unittest.TestCase):
    """Against the vectors of tests/vectors, whose reference differentiates in decimals, parameter by parameter."""

    def test_answers(self):
        checked = 0
        for path in sorted(VECTORS.glob("*.json")):
            vector = load(path.read_text())
            if "problem" not in vector:
                continue
            with self.subTest(path.name):
                self.hold(vector, json.loads(path.read_text()))
                checked += 1
        self.assertGreater(checked, 90)

    def hold(self, vector, plain):
        result = evaluate(Problem(vector["problem"]))
        mine, free = tree(result.answer(), nearest), set(plain.get("undetermined", []))
        for key in compare.QUANTITIES:
            for k, (x, y) in enumerate(zip(compare.entries(mine[key]), compare.entries(plain["answer"][key]))):
                if key != "gradient" or k not in free:
                    self.assertEqual(x, y, (key, k))
        for term in compare.TERMS:
            for k, (x, y) in enumerate(zip(mine["gradient_terms"][term], plain["answer"]["gradient_terms"][term])):
                if k not in free:
                    self.assertEqual(x, y, (term, k))
        self.assertEqual(plain["answer"]["smooth"], not (result.open_parameters() or result.follower_kinks()))
        if "exact" in plain:
            exact = tree(evaluate(Problem(vector["problem"], True)).answer(), lambda x: None if x is None else str(x))
            self.assertEqual(exact, {key: plain["exact"][key] for key in exact})

    def test_grids(self):
        data = json.loads((VECTORS / "numpy_grids.json").read_text())
        cells = {index: None if cell == "keep" else fraction(cell) for index, cell in enumerate(data["cells"])}
        for eps, seeds in data["grids"].items():
            for seed, digits in list(enumerate(seeds))[::10]:
                world = gridworld.World()
                grid = world.perturbed(seed, fraction(float(eps)))
                expected = [world.cells[s] if cells[int(c)] is None else cells[int(c)] for s, c in enumerate(digits)]
                self.assertEqual(grid, expected, (eps, seed))


class OtherMethods(unittest.TestCase):
    """Random problems by other routes."""

    def test_against_decimals(self):
        """reference.py: forward derivatives in 800 decimals, or in fractions."""
        for family in ("mixed", "affine", "explicit", "exponential-family", "coin", "loan", "entropy", "chains", "actions"):
            for index in range(18 if family == "actions" else 6):
                problem = tame(family, index)
                text = json.dumps(problem)
                with self.subTest(family=family, index=index):
                    theirs = reference.solve(text)
                    mine = tree(evaluate(Problem(text)).answer(), nearest)
                    for key in mine:
                        for x, y in zip(compare.entries(mine[key]), compare.entries(theirs[key])):
                            self.assertTrue(x == y or abs(x - y) < 1e-300, (key, x, y))

    def test_against_differences(self):
        """Central differences of J at theta +- h, h = 2^-200, in 1024 bits: errors of h^2 remain."""
        for family in ("mixed", "affine", "exponential-family", "log-linear", "entropy"):
            for index in range(6):
                problem = tame(family, index)
                with self.subTest(family=family, index=index):
                    self.differences(problem)

    def differences(self, problem):
        ctx.prec = 1024
        result = Evaluation(Problem(json.dumps(problem)), Balls)
        gradient = result.answer()["gradient"]
        scale = max([1.0] + [abs(nearest(x)) for row in result.Q for x in row if x is not None])
        for k, slope in enumerate(gradient):
            if slope is None or problem["environment"]["kind"] == "explicit":
                continue
            ends = [Evaluation(Problem(json.dumps(moved(problem, k, sign))), Balls).value for sign in (1, -1)]
            quotient = (ends[0] - ends[1]) * arb(2) ** 199
            self.assertLess(nearest(abs(quotient - slope)), 1e-50 * scale ** 3, k)

    def test_gridworld_against_differences(self):
        """Likewise, at probabilities whose rows are off 1 and along which a row's sum moves."""
        maker = families.Maker(families.random.Random("differences"))
        own = {"cells": [[0, "-1/3", 0.25], [1, -0.02, -0.5]], "terminal": [5, 3], "intervention_cost": "1/10"}
        for states, keys_, ks in ((64, {}, (4, 82)), (6, own, range(24))):
            rows = [[x + 1e-10 * a for a, x in enumerate(maker.doubles(4))] for _ in range(states)]
            problem = {"format": "pemdp-problem/1", "gamma": 0.9, "policy": {"kind": "probabilities", "values": rows},
                       "environment": {"kind": "gridworld", "eps": 0.5, "beta": 5, "followers": 1} | keys_}
            ctx.prec = 640
            gradient = Evaluation(Problem(json.dumps(problem)), Balls).answer()["gradient"]
            for k in ks:
                ends = [Evaluation(Problem(json.dumps(moved(problem, k, sign))), Balls).value for sign in (1, -1)]
                self.assertLess(nearest(abs((ends[0] - ends[1]) * arb(2) ** 199 - gradient[k])), 1e-50, k)

    def test_closed_forms(self):
        """Values known by hand."""
        cases = [
            (problem_text(BANDIT, {"kind": "softmax", "logits": [[1e308, -1e308]]}), "2"),
            (problem_text(BANDIT, {"kind": "weights", "values": [[1, 3]]}, gamma="999/1000"), "250"),
            (problem_text({"kind": "loan", "form": "mdp", "q0": 0.75, "c": 0.5, "gain": 1, "loss": 1},
                          {"kind": "weights", "values": [[1, 3]] * 4}, initial=[1, 0, 0, 0]), "1/24"),
            (problem_text({"kind": "coin", "mu": "1/8", "epsilon": "1/4"}, {"kind": "probabilities", "values": [["3/4", "1/4"]]}),
             "-7/16"),
            (problem_text({"kind": "exponential-family", "psi": [3], "reward": {"base": [[2]], "slope": 0, "clip": 1}},
                          {"kind": "weights", "values": [[7]]}), "2")]
        for text, value in cases:
            self.assertEqual(nearest(evaluate(Problem(text)).value), nearest(rational(value)), text)

    def test_numerals(self):
        text = load('[0.1, "0.1", "1/10", 1e-400, 123456789012345678901234567890]')
        self.assertEqual(rational(text[0]), fraction(0.1))
        self.assertEqual(rational(text[0], exact=True), fmpq(1, 10))
        self.assertEqual(rational(text[1]), rational(text[2]))
        self.assertEqual(rational(text[3]), 0)
        self.assertEqual(rational(text[4]), fraction(float(text[4])))
        self.assertIsNone(from_fraction_text("2/4"))
        self.assertEqual(from_fraction_text("-1/2"), fmpq(-1, 2))

    def test_kinks(self):
        """Exactly at a clip any element of the generalised gradient is right; next to it only one."""
        for base, open_ in (("1", {0}), ("1.0000000000000000000000000000000000000001", set())):
            reward = {"base": [[base]], "slope": 1, "clip": 1}
            text = problem_text({"kind": "exponential-family", "psi": [0], "reward": reward}, {"kind": "softmax", "logits": [[0]]})
            result = evaluate(Problem(text))
            result.answer()
            self.assertEqual(result.open_parameters(), open_)


def tame(family, index):
    """A problem of ordinary size for the slow reference: seeds are tried until the numbers are ordinary."""
    for seed in range(index * 1000, (index + 1) * 1000):
        problem = families.problem(family, seed, 0)
        numbers = [abs(Fraction(str(families.seen(problem, path)))) for path in families.paths(problem)
                   if keys.is_number(families.seen(problem, path))]
        states = len(problem.get("initial", [0] * 4))
        if all(x == 0 or Fraction(1, 10 ** 30) < x < 50 for x in numbers) and states <= 3 and smooth(problem):
            return problem
    raise AssertionError(f"no ordinary problem in {family}")


def smooth(problem):
    """Formulas are left out, too: there are two modules of this name."""
    result = evaluate(Problem(json.dumps(problem)))
    if result is None or problem["environment"]["kind"] == "formulas":
        return False
    result.answer()
    return not result.open_parameters() and problem["environment"]["kind"] != "gridworld"


def moved(problem, k, sign):
    """The problem at theta_k +- 2^-200. A weight w = exp(theta) moves to w exp(+-h), up to h^2 w (1 +- h)."""
    policy, h = problem["policy"], Fraction(sign, 2 ** 200)
    if policy["kind"] == "log-linear":
        path = ("policy", "theta", k)
    else:
        table = "logits" if policy["kind"] == "softmax" else "values"
        path = ("policy", table, *divmod(k, len(policy[table][0])))
    x = families.seen(problem, path)
    value = Fraction(x)
    return families.replaced(problem, path, families.text(value * (1 + h) if policy["kind"] == "weights" else value + h))


# --------------------------------------------------------------------------------------- the comparison

class Comparison(unittest.TestCase):
    """A faultless answer passes; each planted error is found."""

    TEXT = problem_text({"kind": "fixed", "transitions": [[[0.3, 0.7], [1, 0]], [[0.5, 0.5], [0, 1]]], "rewards": [[1, 0.3], [-2, 0.1]]},
                        {"kind": "softmax", "logits": [[0.1, 0.7], [0, -1]]}, initial=[0.5, 0.5], entropy=0.1)

    def verdict(self, answer, text=TEXT):
        return compare.examine(Problem(text), answer).failures

    def test_faultless(self):
        self.assertEqual(self.verdict(answer_to(self.TEXT)), [])
        for family in ("mixed", "entropy", "clip", "cancellation", "subnormals", "logits", "actions"):
            for index in range(10):
                text = json.dumps(families.problem(family, 5, index))
                if evaluate(Problem(text)) is None:
                    continue                                       # gamma is 1 and an episode never ends
                try:
                    answer = answer_to(text)
                    json.dumps(answer, allow_nan=False)
                except ValueError:
                    continue                                       # beyond doubles: nothing to print
                self.assertEqual(self.verdict(answer, text), [], (family, index))

    def test_off_by_two_bounds(self):
        for key in compare.QUANTITIES:
            answer = answer_to(self.TEXT)
            path = next(families.paths(answer[key]))
            step = 4 * answer["error_bounds"][key]
            answer = families.replaced(answer, (key, *path), families.seen(answer, (key, *path)) + max(step, 1e-15))
            answer["error_bounds"][key] = max(step, 1e-15) / 2
            self.assertEqual(len(self.verdict(answer)), 1, key)

    def test_zero_bounds(self):
        for key in compare.QUANTITIES:
            answer = answer_to(self.TEXT)
            answer["error_bounds"][key] = 0.0
            self.assertGreaterEqual(len(self.verdict(answer)), 1, key)

    def test_underflow(self):
        """A value of 1e-400 is not 0, and 0 with the bound 5e-324 is right."""
        text = problem_text(BANDIT, {"kind": "softmax", "logits": [[-921, 0]]}, gamma=0)
        answer = answer_to(text)
        self.assertEqual((answer["value"], self.verdict(answer, text)), (0.0, []))
        answer["error_bounds"]["value"] = 0.0
        self.assertEqual(len(self.verdict(answer, text)), 1)

    def test_forms(self):
        plain = answer_to(self.TEXT)
        broken = [plain | {"extra": 1}, {key: plain[key] for key in plain if key != "smooth"}, plain | {"value": None},
                  plain | {"value": [plain["value"]]}, plain | {"state_values": plain["state_values"][:1]},
                  plain | {"smooth": False}, plain | {"kink": []}, plain | {"format": "pemdp-answer/2"},
                  plain | {"error_bounds": plain["error_bounds"] | {"covers": "induced-mdp"}},
                  plain | {"error_bounds": plain["error_bounds"] | {"value": -1.0}}]
        for answer in broken:
            self.assertGreaterEqual(len(self.verdict(answer)), 1, answer)

    def test_exact(self):
        text = problem_text(BANDIT, {"kind": "weights", "values": [[1, 3]]}, gamma="1/3")
        answer = answer_to(text, exact=True)
        problem = Problem(text, True)
        self.assertEqual(compare.examine_exact(problem, answer).failures, [])
        self.assertEqual(len(compare.examine_exact(problem, answer | {"value": "3/9"}).failures), 1)
        self.assertEqual(len(compare.examine_exact(problem, answer | {"value": "6/16"}).failures), 1)

    def test_open_kink_has_to_be_named(self):
        reward = {"base": [[1]], "slope": 1, "clip": 1}
        text = problem_text({"kind": "exponential-family", "psi": [0], "reward": reward}, {"kind": "softmax", "logits": [[0]]})
        answer = answer_to(text)
        self.assertEqual(self.verdict(answer, text), [])
        silent = {key: x for key, x in answer.items() if key != "kink"} | {"smooth": True}
        self.assertGreaterEqual(len(self.verdict(silent, text)), 1)

    def test_reasons(self):
        problem = Problem(self.TEXT)
        self.assertEqual(compare.judge(problem, BEYOND), "false")
        self.assertEqual(compare.judge(problem, "gamma times the largest row sum is NaN"), "false")
        self.assertEqual(compare.judge(problem, "initial: sums to 2"), "false")
        self.assertEqual(compare.judge(problem, "because"), "unknown")
        huge = Problem(problem_text({**BANDIT, "rewards": [[1e308, 1e308]]}, {"kind": "softmax", "logits": [[0, 0]]}, gamma=0.9))
        self.assertEqual(compare.judge(huge, BEYOND), "true")


# -------------------------------------------------------------------------------------------- whole attacks

STAND_IN = '''#!{python}
import json, sys
sys.path[:0] = {path!r}
sys.dont_write_bytecode = True
from test_attack import stand_in
sys.exit(stand_in({fault!r}, sys.argv[1:]))
'''


def stand_in(fault, arguments):
    """A program like the one under test, with one fault."""
    command, exact = arguments[0], "--exact" in arguments
    if command == "verify":
        return 101 if fault == "panics" else 0 if fault == "accepts everything" else 2
    lines = sys.stdin.read().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            print(json.dumps(faulty(fault, line, exact), allow_nan=False))
        except Exception as error:
            if fault == "answers everything":
                print(json.dumps(faulty(None, Comparison.TEXT, False)))
            else:
                print(json.dumps({"error": f"line {number}: no answer: {type(error).__name__}"}))
    return 101 if fault == "panics" else 2


def faulty(fault, text, exact):
    answer = answer_to(text, exact)
    if fault == "off":
        answer["value"] += 10 * answer["error_bounds"]["value"] + 1e-300 + 1e-9 * abs(answer["value"])
    if fault == "zero bounds":
        answer["error_bounds"] |= dict.fromkeys(compare.QUANTITIES, 0.0)
    if fault == "ignores the clip" and "reward" in json.loads(text)["environment"]:
        problem = families.replaced(json.loads(text), ("environment", "reward", "clip"), None)
        answer = answer_to(json.dumps(problem), exact)
    return answer


class PlantedErrors(unittest.TestCase):
    """Each attack, whole, on a stand-in."""

    def attack(self, name, fault, problems, family=None):
        with tempfile.TemporaryDirectory() as folder:
            binary = Path(folder) / "pemdp"
            binary.write_text(STAND_IN.format(python=sys.executable, path=[str(HERE), str(VECTORS)], fault=fault))
            binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
            arguments = [name, "--problems", str(problems), "--binary", str(binary), "--out", folder, "--jobs", "1"]
            with open(os.devnull, "w") as nowhere:
                out, sys.stdout = sys.stdout, nowhere
                try:
                    status = attack.main(arguments + (["--family", family] if family else []))
                finally:
                    sys.stdout = out
            summary = json.loads((Path(folder) / f"{name}.json").read_text())
            examples = [entry["example"] for entry in summary["failures"].values()]
            self.assertTrue(all(Path(example).exists() for example in examples))
            self.assertEqual(status, 1 if summary["failures"] else 0)
            return summary

    def found(self, word, *arguments):
        summary = self.attack(*arguments)
        sentences = [entry["sentence"] for entry in summary["failures"].values()]
        self.assertTrue(any(word in sentence for sentence in sentences), sentences)

    def test_faultless(self):
        summary = self.attack("eval", None, 30, "affine")
        self.assertEqual(summary["failures"], {})
        self.assertGreater(summary["outcomes"]["answered"], 10)
        self.assertEqual(self.attack("exact", None, 20, "chains")["failures"], {})

    def test_eval(self):
        self.found("value[", "eval", "off", 20, "fixed")
        self.found("bound 0.0", "eval", "zero bounds", 20, "exponential-family")
        self.found("panic", "eval", "panics", 3, "fixed")
        self.found("an invalid problem is answered", "eval", "answers everything", 20, "invalid")

    def test_exact(self):
        self.found("is right", "exact", "ignores the clip", 20, "clip")

    def test_keys(self):
        self.found("environment.reward.clip (exponential-family, --exact): the answer does not change", "keys", "ignores the clip", 120,
                   "exponential-family")

    def test_verify(self):
        self.found("accepted", "verify", "accepts everything", 10)
        self.found("panic", "verify", "panics", 3)

    def test_optimum(self):
        """Bounds that are too low, values that are not reached, rows that are no distributions."""
        text = problem_text(BANDIT, {"kind": "softmax", "logits": [[0, 0]]})
        right = {"format": "pemdp-optimum/1", "value": 2.0, "upper_bound": 2.0, "gap": 0.0, "certified": True, "attained": True,
                 "domain": "all policies", "policy": [[1.0, 0.0]], "parameters": [1.0, 0.0], "method": "-", "nodes": 1.0, "stop": "gap"}
        self.assertEqual(self.optimum(right, text), [])
        wrong = [{"value": 1.0, "upper_bound": 1.9, "gap": 0.9, "certified": False, "stop": "budget", "policy": [[0.5, 0.5]]},
                 {"policy": [[0.5, 0.5]]}, {"policy": [[0.9, 0.0]]}, {"policy": [[1e9, 0.0]]}, {"gap": "inf"}, {"value": None},
                 {"certified": False}, {"stop": "ended"}, {"gap": 0.1}, {"upper_bound": 1.0}, {"parameters": [None, 0.0]}]
        for change in wrong:
            self.assertNotEqual(self.optimum(right | change, text), [], change)

    def optimum(self, answer, text):
        return optimum.inconsistencies(answer, text) or optimum.falsehoods(answer, text, random.Random(0), [])

    def test_optimum_at_infinity(self):
        """Two states, one action, P(1|s) = sigma(theta): 1 at theta = inf, where V = (1, 2)."""
        environment = {"kind": "exponential-family", "psi": [0, 1], "reward": {"base": [[0], [1]], "slope": 0, "clip": None}}
        text = problem_text(environment, {"kind": "softmax", "logits": [[0], [0]]}, initial=[1, 0])
        right = {"format": "pemdp-optimum/1", "value": 1.0, "upper_bound": 1.0, "gap": 0.0, "certified": True, "attained": False,
                 "domain": "all", "policy": [[1.0], [1.0]], "parameters": ["inf", "inf"], "method": "-", "nodes": 1.0, "stop": "gap"}
        self.assertEqual(self.optimum(right, text), [])
        self.assertNotEqual(self.optimum(right | {"parameters": ["inf", "-inf"]}, text), [])

    def test_solve(self):
        """Values that are not those of the printed policies."""
        text = problem_text(BANDIT, {"kind": "softmax", "logits": [[0, 0]]})
        iterate = {"value": 1.0, "regularised_value": 1.0, "iteration": 0.0}
        right = {"format": "pemdp-trajectory/1", "version": "0", "algorithm": "pepg", "settings": {}, "seed": 0, "iterates": [iterate],
                 "stop": "converged", "stop_reason": "", "policy": [[0.5, 0.5]], "parameters": [0.0, 0.0], "warnings": [],
                 "best": {"iteration": 0.0, "value": 1.0, "policy": [[0.5, 0.5]], "parameters": [0.0, 0.0]}}
        self.assertEqual(solving.flaws(right, text, 0, []), [])
        for change in ({"policy": [[1.0, 0.0]]}, {"policy": [[0.6, 0.5]]}, {"iterates": [iterate | {"value": 1.001}]}, {"seed": 1},
                       {"best": right["best"] | {"value": 1.5}}, {"iterates": [iterate | {"regularised_value": None}]}):
            self.assertNotEqual(solving.flaws(right | change, text, 0, []), [], change)

    def test_interrupted_summary(self):
        """What has been found is in the summary also when a run is cut short."""
        findings = harness.Findings("eval", tempfile.mkdtemp())
        findings.add(harness.result("fixed", 0, "{}", "answered", ["value[0]: 1.5 is off by 0.5"], ratios={"value": 3.0}))
        summary = findings.summary(True)
        self.assertTrue(summary["interrupted"] and summary["failures"])
        self.assertIn("interrupted", harness.markdown(summary))


    def test_killed_worker(self):
        """A worker that is killed, by want of memory say, ends the run instead of being waited for."""
        with self.assertRaises(BrokenProcessPool):
            harness.drive("eval", [0, 1], killed, SimpleNamespace(out=tempfile.mkdtemp(), jobs=2))


def killed(task):
    os.kill(os.getpid(), signal.SIGKILL)


class Families(unittest.TestCase):
    def test_reproducible(self):
        for family in families.FAMILIES:
            self.assertEqual(families.problem(family, 3, 7), families.problem(family, 3, 7))
            self.assertNotEqual([families.problem(family, 3, i) for i in range(5)], [families.problem(family, 4, i) for i in range(5)])

    def test_mean_something(self):
        """All but the invalid ones are read by the evaluation."""
        for family, (_, _, has_rational) in families.FAMILIES.items():
            for exact in (False, True):
                for index in range(0 if family == "invalid" or exact and not has_rational else 20):
                    problem = Problem(json.dumps(families.problem(family, 1, index, exact)), exact)
                    self.assertTrue(not exact or problem.is_rational(), (family, index))

    def test_affine_responses_are_kernels(self):
        """Rows sum to exactly 1 and are nonnegative at every deterministic policy."""
        for index in range(30):
            problem = families.problem("affine", 2, index)
            environment = problem["environment"]
            S, A = len(environment["rewards"]), len(environment["rewards"][0])
            for choice in range(A):
                rows = [[[Fraction(x) for x in row] for row in state] for state in environment["transitions"]]
                for s, a, t, s2, a2, m in environment["transition_slopes"]:
                    rows[s][a][t] += Fraction(m) * (a2 == (choice + s2) % A)
                for state in rows:
                    for row in state:
                        self.assertTrue(sum(row) == 1 and min(row) >= 0)


if __name__ == "__main__":
    unittest.main()
