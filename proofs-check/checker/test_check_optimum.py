#!/usr/bin/env python3
"""Tests of check_optimum.py: the samples are accepted, and no forgery of any kind is."""
import contextlib
import copy
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

import check_optimum

HERE = Path(__file__).resolve().parent
SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "optimum-samples").glob("*.json"))}
TREES = [name for name, document in SAMPLES.items() if "tree" in document]
FAMILIES = [name for name, document in SAMPLES.items() if "tree" not in document]


def leaves(node, path=()):
    """Paths of the leaves of a tree."""
    if isinstance(node, list):
        yield from leaves(node[2], path + (2,))
        yield from leaves(node[3], path + (3,))
    elif node is not None:
        yield path


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changed(document, path, value):
    document = copy.deepcopy(document)
    at(document, path[:-1])[path[-1]] = value
    return document


def plus(text, step):
    return str(Fraction(text) + step)


class Checker(unittest.TestCase):
    def run_on(self, *documents):
        """Exit status and output for files with these contents."""
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()) as output:
            paths = [os.path.join(directory, f"{i}.json") for i in range(len(documents))]
            for path, document in zip(paths, documents):
                Path(path).write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
            status = check_optimum.main(paths)
        return status, output.getvalue()

    def refuses(self, document, statuses=(1,)):
        status, output = self.run_on(document)
        self.assertIn(status, statuses, output)
        self.assertRegex(output, r"\AFAILED 0: [^\n]+\n\Z")

    def test_samples_are_accepted(self):
        kinds = {document["problem"]["environment"]["kind"] for document in SAMPLES.values()}
        self.assertEqual(kinds, {"fixed", "affine", "loan", "exponential-family"})
        self.assertTrue(any(None in SAMPLES[name]["bounds"] for name in FAMILIES))
        for name, document in SAMPLES.items():
            with self.subTest(name):
                status, output = self.run_on(document)
                self.assertEqual(status, 0, output)
                self.assertRegex(output, r"\Aok 0: [^\n]+\n\Z")

    def test_a_lower_bound_is_refused(self):
        for name, document in SAMPLES.items():
            lower = changed(document, ("upper_bound",), plus(document["upper_bound"], Fraction(-1, 50)))
            with self.subTest(name):
                self.refuses(lower)
                if name in FAMILIES:  # nor with values that are as much lower
                    lower["values"] = [plus(w, Fraction(-1, 50)) for w in lower["values"]]
                else:
                    for path in leaves(lower["tree"]):
                        leaf = at(lower["tree"], path)
                        leaf["values"] = [w - math.ceil(2 ** leaf["bits"] / 50) for w in leaf["values"]]
                self.refuses(lower)

    def test_a_value_lower_in_one_state_is_refused(self):
        for name in TREES:
            document = SAMPLES[name]
            for path in leaves(document["tree"]):
                leaf = at(document["tree"], path)
                for s, w in enumerate(leaf["values"]):
                    with self.subTest(name, path=path, state=s):
                        lower = changed(document, ("tree", *path, "values", s), w - 2 ** (leaf["bits"] + 3))
                        self.refuses(lower)
        for name in FAMILIES:
            for s, w in enumerate(SAMPLES[name]["values"]):
                with self.subTest(name, state=s):
                    self.refuses(changed(SAMPLES[name], ("values", s), plus(w, Fraction(-1, 5))))

    def test_another_slope_is_refused(self):
        for name in TREES:
            document = SAMPLES[name]
            for path in leaves(document["tree"]):
                leaf = at(document["tree"], path)
                for s, row in enumerate(leaf["slopes"]):
                    for k, g in enumerate(row):
                        for step in (2 ** (leaf["bits"] + 8), -(2 ** (leaf["bits"] + 8))):
                            with self.subTest(name, path=path, state=s, coordinate=k):
                                self.refuses(changed(document, ("tree", *path, "slopes", s, k), g + step))

    def test_more_digits_are_another_witness(self):
        for name in TREES:
            document = SAMPLES[name]
            path = next(leaves(document["tree"]))
            self.refuses(changed(document, ("tree", *path, "bits"), 3 + at(document["tree"], path)["bits"]))

    def test_a_leaf_left_out_is_refused(self):
        for name in TREES:
            for path in leaves(SAMPLES[name]["tree"]):
                with self.subTest(name, path=path):
                    self.refuses(changed(SAMPLES[name], ("tree", *path), None))

    def test_a_leaf_does_not_do_for_what_surrounds_it(self):
        for name in TREES:
            tree = SAMPLES[name]["tree"]
            for path in leaves(tree):
                if path:
                    with self.subTest(name, path=path):
                        self.refuses(changed(SAMPLES[name], ("tree",), at(tree, path)))

    def test_a_split_elsewhere_is_refused(self):
        # At 0 one part is the whole cell, beyond the cell one is empty.
        for name in TREES:
            if isinstance(SAMPLES[name]["tree"], list):
                for point in ("0", "1", "-1", "2"):
                    with self.subTest(name, at=point):
                        self.refuses(changed(SAMPLES[name], ("tree", 1), point), (1, 2))
                self.refuses(changed(SAMPLES[name], ("tree", 0), 10**6), (2,))
                self.refuses(changed(SAMPLES[name], ("tree", 0), -1), (2,))

    def test_a_problem_with_more_to_earn_is_refused(self):
        for name, document in SAMPLES.items():
            environment = ("problem", "environment")
            table = {"loan": ("gain",), "exponential-family": ("reward", "base")}.get(
                at(document, environment)["kind"], ("rewards",))
            rewards = at(document, environment + table)
            more = (plus(rewards, 1) if isinstance(rewards, str)
                    else [[plus(r, Fraction(1, 10)) for r in row] for row in rewards])
            with self.subTest(name):
                if name != "clipped":
                    self.refuses(changed(document, environment + table, more))
                gamma = plus(document["problem"]["gamma"], Fraction(1, 20))
                self.refuses(changed(document, ("problem", "gamma"), gamma))
        higher = changed(SAMPLES["clipped"], ("problem", "environment", "reward", "clip"), "3/4")
        self.refuses(higher)

    def test_what_is_no_kernel_is_refused(self):
        P = ("problem", "environment", "transitions")
        for name in TREES:
            if at(SAMPLES[name], P[:2]).get("transitions"):
                self.refuses(changed(SAMPLES[name], (*P, 0, 0, 0), "-1"), (2,))
                self.refuses(changed(SAMPLES[name], (*P, 0, 0, 0), "2"), (2,))
        for entry in ([0, 0, 0, 1, 1, "-2"], [0, 0, 0, 1, 1, "2"]):
            slopes = SAMPLES["affine"]["problem"]["environment"]["transition_slopes"] + [entry]
            self.refuses(changed(SAMPLES["affine"], ("problem", "environment", "transition_slopes"), slopes), (2,))
        loan = SAMPLES["loan-mdp"]
        self.refuses(changed(loan, ("problem", "environment", "c"), "2"), (2,))
        # A bandit's probability of repayment is in its rewards only.
        bandit = {"kind": "loan", "form": "bandit", "q0": "3/4", "c": "1/2", "gain": "1", "loss": "1"}
        problem = {"gamma": "0", "initial": ["1"], "environment": bandit}
        one = {**loan, "problem": problem, "upper_bound": "2", "tree": {"bits": 0, "values": [2], "slopes": [[0]]}}
        self.assertEqual(self.run_on(one)[0], 0)
        for key, value in (("q0", "5/4"), ("q0", "1/4"), ("c", "1"), ("c", "-1/2")):
            self.refuses(changed(one, ("problem", "environment", key), value), (2,))
        for gamma in ("1", "-1/2", "2"):
            self.refuses(changed(loan, ("problem", "gamma"), gamma), (2,))
        self.refuses(changed(loan, ("problem", "initial", 0), "-1"), (2,))

    def test_rows_that_do_not_sum_to_one_are_refused(self):
        P = ("problem", "environment", "transitions", 0, 0, 0)
        slopes = ("problem", "environment", "transition_slopes")
        for name in ("fixed", "affine", "three-actions"):
            document = SAMPLES[name]
            for off, statuses in (("1/1000", (2,)), ("-1/1000", (2,)), ("1/500000000", (2,)), ("1/10000000000", (0, 1))):
                with self.subTest(name, off=off):  # doubles are off by rounding
                    status, output = self.run_on(changed(document, P, plus(at(document, P), Fraction(off))))
                    self.assertIn(status, statuses, output)
        affine = SAMPLES["affine"]
        for extra in ([[0, 0, 0, 0, 0, "1/1000"]], [[0, 0, 0, 0, 0, "1/1000"], [0, 0, 0, 0, 1, "-1/1000"]]):
            self.refuses(changed(affine, slopes, at(affine, slopes) + extra), (2,))

    def test_initial_distributions(self):
        for name, document in SAMPLES.items():
            n = len(document["problem"]["initial"])
            twice = [str(2 * Fraction(p)) for p in document["problem"]["initial"]]
            for initial in (["0"] * n, twice, ["2"] + ["-1"] * (n - 1) if n == 2 else ["1"] * (n + 1), [], None):
                with self.subTest(name, initial=initial):
                    self.refuses(changed(document, ("problem", "initial"), initial), (2,))

    def test_tables_have_the_same_states_and_actions(self):
        for name, document in SAMPLES.items():
            environment = ("problem", "environment")
            for table in (("transitions",), ("rewards",), ("base_weights",), ("base_logits",), ("reward", "base")):
                place = environment + table
                if table[0] not in at(document, environment):
                    continue
                rows = at(document, place)
                for wrong in (rows + rows[-1:], rows[:-1], [row + row[-1:] for row in rows], [row[:-1] for row in rows],
                              rows[:-1] + [rows[-1] + rows[-1][-1:]], "".join("1" for _ in rows), {}):
                    with self.subTest(name, table=table):
                        self.refuses(changed(document, place, wrong), (2,))
            for slopes in ("transition_slopes", "reward_slopes"):
                if slopes in at(document, environment):
                    for wrong in ({}, "", None, [[True, 0, 0, 0, "0"]], [["0", 0, 0, 0, "0"]], [[0, 0, 0, "0"]]):
                        self.refuses(changed(document, environment + (slopes,), wrong), (2,))

    def test_no_key_stands_twice(self):
        for name, document in SAMPLES.items():
            for place in ((), ("problem",), ("problem", "environment")):
                for key, value in at(document, place).items():
                    twice = {"@": value, **at(document, place)}
                    text = json.dumps(changed(document, place, twice) if place else twice).replace('"@"', json.dumps(key))
                    with self.subTest(name, key=key):
                        self.assertEqual(json.loads(text), document)
                        self.refuses(text, (2,))

    def test_what_is_no_number_is_refused(self):
        for name, document in SAMPLES.items():
            text = json.dumps(document)
            for old, new in (('"0"', "false"), ('"1"', "true"), ('"1"', "NaN"), ('"0"', "1e-999999999"),
                             ('"1"', "Infinity")):
                if old in text:
                    with self.subTest(name, new=new):
                        self.refuses(text.replace(old, new, 1), (2,))

    def test_the_bound_printed_is_no_lower(self):
        def printed(reward):
            problem = {"gamma": "0", "initial": ["1"], "environment": {
                "kind": "fixed", "transitions": [[["1"]]], "rewards": [[str(reward)]]}}
            leaf = {"bits": 60, "values": [math.ceil(reward * 2**60)], "slopes": [[]]}
            bound = str(Fraction(leaf["values"][0], 2**60))
            document = {"format": "pemdp-optimum-certificate/1", "problem": problem, "upper_bound": bound, "tree": leaf}
            status, output = self.run_on(document)
            self.assertEqual(status, 0, output)
            return Fraction(bound), Fraction(re.search(r"above (\S+): 1 cells", output)[1])

        for reward in (1 + Fraction(1, 2**60), Fraction(1, 3), -Fraction(1, 3), -1 - Fraction(1, 2**60), Fraction(0),
                       Fraction(10**400) / 3, Fraction(1, 2**60), 1 + Fraction(1, 2**52), Fraction(1, 10)):
            bound, shown = printed(reward)
            with self.subTest(reward=reward):
                self.assertTrue(reward <= bound <= shown <= bound + abs(bound) / 10**16, (bound, shown))

    def test_shares_that_do_not_fit_are_refused(self):
        for name in FAMILIES:
            document = SAMPLES[name]
            for s, row in enumerate(document["shares"]):
                for a, m in enumerate(row):
                    with self.subTest(name, state=s, action=a):
                        # More than there is, or less than the action needs.
                        self.refuses(changed(document, ("shares", s, a), plus(m, 1)))
                        self.refuses(changed(document, ("shares", s, a), plus(m, -30)))

    def test_points_that_do_not_cover_are_refused(self):
        for name in FAMILIES:
            document = SAMPLES[name]
            bare = copy.deepcopy(document)
            for s, rows in enumerate(document["points"]):
                for a, points in enumerate(rows):
                    bare["points"][s][a] = points[:1]
                    with self.subTest(name, state=s, action=a):
                        # The points ascend, strictly, and within the bounds.
                        self.refuses(changed(document, ("points", s, a), points[::-1] + points[-1:]))
                        if document["bounds"][s] is None:
                            self.refuses(changed(document, ("points", s, a), []))
                        else:
                            for end in (["-4", *points], [*points, "4"], [*points, "3"]):
                                self.refuses(changed(document, ("points", s, a), end))
            if name not in ("clipped", "vanishing"):  # where two half lines do
                self.refuses(bare)

    def test_a_larger_domain_is_refused(self):
        document = SAMPLES["exponential-family"]
        for s in range(2):
            for bound in ("4", None):
                self.refuses(changed(document, ("bounds", s), bound))
            for bound in ("0", "-3"):
                self.refuses(changed(document, ("bounds", s), bound), (2,))

    def test_other_rows_are_refused(self):
        # In the state where the choice is, the good outcome becomes a hundred times likelier.
        for name, where in (("local-maximum", (0, 0, 4)), ("vanishing", (0, 0, 3))):
            path = ("problem", "environment", "base_weights", *where)
            weight = Fraction(at(SAMPLES[name], path))
            if name == "local-maximum":
                self.refuses(changed(SAMPLES[name], path, str(100 * weight)))
            self.refuses(changed(SAMPLES[name], path, "-1"), (2,))

    def test_keys_and_types(self):
        for name, document in SAMPLES.items():
            for place in ((), ("problem",), ("problem", "environment")):
                self.refuses(changed(document, place + ("unknown",), "1"), (2,))
                for key in at(document, place):
                    less = copy.deepcopy(document)
                    del at(less, place)[key]
                    with self.subTest(name, key=key):
                        self.refuses(less, (2,))
                    for value in (True, [], {}, "", "x", 0.5, "0.5", "1/0", "nan", "2/4"):
                        self.refuses(changed(document, place + (key,), value), (1, 2))
        for text in ("", "null", "[]", "{}", "[" * 10**5, '{"a":' * 10**5, "NaN"):
            self.refuses(text, (2,))

    def test_a_false_certificate_does_not_stop_the_others(self):
        good = SAMPLES["loan-mdp"]
        false = changed(good, ("upper_bound",), "0")
        for documents, expected in (((good, good), 0), ((good, false, good), 1), ((false, "x", good), 2)):
            status, output = self.run_on(*documents)
            self.assertEqual((status, len(output.splitlines())), (expected, len(documents)))

    def test_as_a_command(self):
        command = [sys.executable, str(HERE / "check_optimum.py")]
        sample = str(HERE / "optimum-samples/loan-mdp.json")
        run = subprocess.run(command + [sample], capture_output=True, text=True, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for arguments in ([str(HERE)], ["no such file"], []):
            run = subprocess.run(command + arguments, capture_output=True, text=True, check=False)
            self.assertEqual((run.returncode, run.stderr), (2, ""))


class Parts(unittest.TestCase):
    """The parts against values known by other means."""

    def test_exponentials_are_enclosed(self):
        for x in map(Fraction, ("0", "1/3", "-5/7", "9/2", "-12", "31/2", "1/1000000007")):
            low, high = check_optimum.exponential(x)
            self.assertTrue(low <= high < low + Fraction(1, 2**60))
            near = Fraction(math.exp(x))
            self.assertLess(abs(low - near), near / 2**50)
        low, high = check_optimum.exponential(Fraction(1))
        e = Fraction("2.71828182845904523536028747135266249775724709")
        self.assertTrue(low < e < high and high - low < Fraction(1, 2**90))
        low, high = check_optimum.exponential(Fraction(-1))
        self.assertTrue(low < 1 / e < high and high - low < Fraction(1, 2**90))
        self.assertEqual(check_optimum.exponential(Fraction(-700))[0], 0)

    def test_linear_functions_over_a_simplex(self):
        # pi(0) <= 1/2, pi(1) <= 3/4 of three actions: 2 pi(0) + pi(1) - pi(2)'s share is best at (1/2, 1/2).
        gamma, zero = Fraction(1, 2), [[["1"]] * 3]
        model = check_optimum.Affine(gamma, [Fraction(1)], {"kind": "fixed", "transitions": zero, "rewards": [["0"] * 3]})
        linear = {(0,): 2, (1,): 1}
        low, high, centre = {0: 0, 1: 0}, {0: Fraction(1, 2), 1: Fraction(3, 4)}, {0: 0, 1: 0}
        self.assertEqual(model.largest_step(linear, low, high, centre, 1), Fraction(3, 2))
        self.assertEqual(model.largest_step({(0,): -1, (1,): -1}, low, high, centre, 1), 0)


if __name__ == "__main__":
    unittest.main()
