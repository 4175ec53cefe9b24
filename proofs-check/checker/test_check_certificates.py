#!/usr/bin/env python3
"""Tests of the checker: the samples are accepted, and no copy with another number in it is."""
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

import check_certificates

HERE = Path(__file__).resolve().parent
SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "samples").glob("*.json"))}
# Certificates of something false in which everything else is as it must be, and what is false.
REFUSED = {
    # V of the second state's actions differs away from the start: ascent moves there too, J reaches .0437 > .0057.
    "trap-another-parameter": "another parameter moves",
    # The same with one action: at the start both successors of the second state are worth the same.
    "trap-another-parameter-family": "another parameter moves",
    # The rewards respond to the weights themselves, J is no function of their ratio.
    "trap-two-weights": "ascent does not move along the line",
    # The rows sum to 1/2 + pi: they are distributions at the policy alone.
    "not-a-kernel": "a row is not a distribution for every policy",
    # Repaid with probability -1/2 where all are approved.
    "loan-outside": "a loan's probability is none for some policy",
    # True of the Hessian, but with twice the constant of L5x.
    "curvature-above-the-bound": "the constant is above the claim's bound",
}


def idle():
    """Places by kind whose numbers could be others: nothing depends on them, or the statement is as true with
    others. The digest alone tells them from others."""
    rest = range(1, 6)
    return {
        # One state: its only transition has probability 1.
        "bound-fails": [("problem", "environment", "psi"), ("problem", "environment", "base_weights")],
        # An interval may be smaller, a ceiling higher; the states after the first are absorbing.
        "trap": [("low",), ("high",), ("ceiling",), ("better",), ("degree",), ("problem", "environment", "psi", 0)]
        + [("problem", "environment", "base_weights", s) for s in rest]
        + [("problem", "policy", "values", s) for s in rest],
        # A best response at the boundary is one for other rewards too.
        "cycle": [("gamma",), ("regularisation",), ("advantage",)],
    }


def is_idle(document, path):
    return any(path[:len(place)] == place for place in idle().get(document["kind"], []))


def leaves(value, path=()):
    """Paths of all entries that are not lists or objects."""
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(entry, path + (key,))
    else:
        yield path


def at(value, path):
    for key in path:
        value = value[key]
    return value


def number(value):
    """The fraction that a leaf is; None for words."""
    try:
        return None if isinstance(value, bool) or value is None else Fraction(value)
    except ValueError:
        return None


def signed(document):
    """The document with the digest that belongs to it."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return {**rest, "digest": check_certificates.digest(rest)}


def changed(document, path, value, forged=True):
    """A copy with one entry changed; forged with the digest that belongs to it."""
    document = copy.deepcopy(document)
    at(document, path[:-1])[path[-1]] = value
    return signed(document) if forged and path != ("digest",) else document


def numbers(document):
    """All numbers with other numbers to put in their place."""
    for path in leaves(document):
        value = number(at(document, path))
        if path == ("digest",) or value is None:
            continue
        for other in {2 * value or Fraction(1), -value, value + Fraction(1, 10**9)} - {value}:
            if isinstance(at(document, path), str):
                yield path, str(other)
            elif other.denominator == 1:
                yield path, int(other)


class Checker(unittest.TestCase):
    def run_on(self, *texts):
        """Exit status and output for files with these contents."""
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()) as output:
            paths = [os.path.join(directory, f"{i}.json") for i in range(len(texts))]
            for path, text in zip(paths, texts):
                Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
            status = check_certificates.main(paths)
        return status, output.getvalue()

    def refuses(self, text, statuses=(1, 2)):
        self.assertFalse(isinstance(text, str) and text in map(json.dumps, SAMPLES.values()), "nothing was changed")
        status, output = self.run_on(text)
        self.assertIn(status, statuses, output)
        self.assertRegex(output, r"\AFAILED 0: [^\n]+\n\Z")
        return output

    def test_samples_of_every_kind_are_accepted(self):
        kinds = {document["kind"] for document in SAMPLES.values()}
        self.assertEqual(kinds, set(check_certificates.CHECKS))
        for name, document in SAMPLES.items():
            with self.subTest(name):
                status, output = self.run_on(json.dumps(document))
                self.assertEqual(status, 0, output)
                self.assertRegex(output, r"\Aok 0: [^\n]+\n\Z")

    def test_what_is_false_is_refused_for_what_is_false_in_it(self):
        files = {path.stem: path.read_text() for path in (HERE / "refused").glob("*.json")}
        self.assertEqual(files.keys(), REFUSED.keys())
        for name, text in files.items():
            with self.subTest(name):
                self.assertEqual(json.loads(text), signed(json.loads(text)), "the digest would do")
                self.assertIn(REFUSED[name], self.refuses(text))

    def test_environments_are_kernels_for_every_policy(self):
        environment = ("problem", "environment")
        slopes = environment + ("transition_slopes",)
        for entries in ([[0, 0, 0, 0, 0, "1"]], [[0, 0, 0, 0, 0, "-3"], [0, 0, 0, 0, 1, "-3"]], [[0, 1, 0, 0, 1, "1/9"]]):
            self.assertIn("for every policy", self.refuses(json.dumps(changed(SAMPLES["T3-B"], slopes, entries)), (2,)))
        # Slopes that cancel for every policy are those of a kernel.
        same = [[0, 0, 0, 0, 0, "1/9"], [0, 0, 0, 0, 1, "1/9"], [0, 0, 0, 0, 0, "-1/9"], [0, 0, 0, 0, 1, "-1/9"]]
        self.assertEqual(self.run_on(json.dumps(changed(SAMPLES["T3-B"], slopes, same)))[0], 0)
        for key, value in (("c", "1"), ("c", "-1/2"), ("q0", "5/4"), ("q0", "1/4")):
            document = changed(SAMPLES["PS"], environment + (key,), value)
            document["better"]["environment"] = document["problem"]["environment"]
            self.assertIn("some policy", self.refuses(json.dumps(signed(document)), (2,)))

    def test_initial_distributions(self):
        for name, document in SAMPLES.items():
            if "problem" not in document:
                continue
            n = len(document["problem"]["policy"]["values"])
            wrong = [["0"] * n, ["1/2"] + ["0"] * (n - 1), ["1"] * n + ["0"], ["2"] + ["-1"] * (n - 1), None, 0, []]
            for initial in wrong:
                with self.subTest(name, initial=initial):
                    self.refuses(json.dumps(changed(document, ("problem", "initial"), initial)))

    def test_states_have_the_same_actions(self):
        for name, document in SAMPLES.items():
            if "problem" in document:
                values = document["problem"]["policy"]["values"]
                *rest, last = values
                for wrong in ([*rest, last + ["1"]], [*rest, last[1:]], [row + ["1"] for row in values]):
                    with self.subTest(name, values=wrong):
                        self.refuses(json.dumps(changed(document, ("problem", "policy", "values"), wrong)), (2,))

    def test_no_key_stands_twice(self):
        for name, document in SAMPLES.items():
            for path in {path[:i] for path in leaves(document) for i in range(len(path))}:
                place = at(document, path)
                for key in place if isinstance(place, dict) else ():
                    twice = {"@": place[key], **place}
                    marked = changed(document, path, twice, forged=False) if path else twice
                    with self.subTest(name, path=path, key=key):
                        text = json.dumps(marked).replace('"@"', json.dumps(key))
                        self.assertEqual(json.loads(text), document)
                        self.assertIn("a key stands twice", self.refuses(text, (2,)))

    def test_booleans_are_no_numbers(self):
        for name, document in SAMPLES.items():
            for path in leaves(document):
                value = number(at(document, path))
                if value in (0, 1) and path != ("digest",):
                    with self.subTest(name, path=path):
                        self.refuses(json.dumps(changed(document, path, value == 1)), (2,))

    def test_a_trap_names_the_steps_that_it_is_proved_for(self):
        # J = 2 (p^2 + 4/5 (1-p)^2) k with rewards times k, and two weights that move against each other.
        end = float(Fraction("4/9") / (Fraction("4/9") + Fraction("14/25")))
        bends = [2 * ((3.6 * p - 1.6) * (1 - 2 * p) + 3.6 * p * (1 - p)) * p * (1 - p)
                 for p in (end * x / 999 for x in range(1000))]
        for k in (1, 40):
            document = copy.deepcopy(SAMPLES["T3-B"])
            times = lambda x: str(k * Fraction(x))
            environment = document["problem"]["environment"]
            environment["rewards"] = [list(map(times, row)) for row in environment["rewards"]]
            environment["reward_slopes"] = [[*where, times(m)] for *where, m in environment["reward_slopes"]]
            document.update(numerator=list(map(times, document["numerator"])), ceiling=times(document["ceiling"]))
            status, output = self.run_on(json.dumps(signed(document)))
            self.assertEqual(status, 0, output)
            step = Fraction(re.search(r"with steps of at most (\S+) stays in \[0, 4/9\]", output)[1])
            self.assertLessEqual(2 * step * k * max(map(abs, bends)), 1)
            self.assertGreater(4 * step * k, 1 / 4, "far smaller than need be")

    def test_no_other_number_is_accepted_even_with_its_digest(self):
        for name, document in SAMPLES.items():
            tried = 0
            for path, value in numbers(document):
                if is_idle(document, path):
                    continue
                with self.subTest(name, path=path, value=value):
                    self.refuses(json.dumps(changed(document, path, value)))
                    tried += 1
            self.assertGreater(tried, 4)

    def test_nothing_is_accepted_with_the_digest_of_something_else(self):
        for name, document in SAMPLES.items():
            for path in leaves(document):
                with self.subTest(name, path=path):
                    self.refuses(json.dumps(changed(document, path, "1/7", forged=False)))

    def test_keys_may_not_be_missing_or_unknown(self):
        for name, document in SAMPLES.items():
            objects = [()] + [path[:i] for path in leaves(document) for i in range(1, len(path) + 1)]
            for path in set(objects):
                place = at(document, path)
                if not isinstance(place, dict):
                    continue
                self.refuses(json.dumps(changed(document, path + ("unknown",), "1")), (2,))
                for key in place:
                    copied = copy.deepcopy(document)
                    del at(copied, path)[key]
                    if (path, key) != ((), "digest"):
                        copied = signed(copied)
                    with self.subTest(name, path=path, key=key):
                        # Without an optional key it may be the same problem, or another one.
                        if key not in ("logistic", "entropy"):
                            self.refuses(json.dumps(copied), (2,))

    def test_entries_of_another_type_are_refused(self):
        for name, document in SAMPLES.items():
            for path in leaves(document):
                for value in (None, True, [], {}, "", "x", 1.5, "1.5", "1/0", "nan", " 1", "1_0", "2/4", 10**6):
                    if at(document, path) is value or is_idle(document, path) and value in (None, 10**6):
                        continue
                    with self.subTest(name, path=path, value=value):
                        self.refuses(json.dumps(changed(document, path, value)))

    def test_what_is_no_certificate_is_refused_in_a_line(self):
        text = json.dumps(SAMPLES["T2"])
        for length in range(0, len(text), 37):
            self.refuses(text[:length], (2,))
        for wrong in ("", "null", "[]", "1", '"x"', "NaN", "{}", "[" * 10**5, '{"a":' * 10**5, b"\xff\xfe", b"\x00",
                      text.replace('"1/2"', "NaN"), text.replace('"1/2"', "Infinity"),
                      text.replace('"1/2"', "1e999999999"), text.replace('"1/2"', "0.5"),
                      text.replace('"1/2"', "-Infinity"), text.replace('"1/2"', "1E999999999"),
                      json.dumps(changed(SAMPLES["T2"], ("problem", "gamma"), "1/0")),
                      json.dumps(changed(SAMPLES["T2"], ("problem", "gamma"), "1e999999999")),
                      json.dumps(changed(SAMPLES["T2"], ("kind",), "proof")),
                      json.dumps(changed(SAMPLES["T2"], ("format",), "pemdp-certificate/2"))):
            self.refuses(wrong, (2,))

    def test_a_false_certificate_does_not_stop_the_others(self):
        good = json.dumps(SAMPLES["T2"])
        false = json.dumps(changed(SAMPLES["T2"], ("gradient", 0), "1"))
        for texts, expected in (((good, good), 0), ((good, false, good), 1), ((false, "x", good), 2)):
            status, output = self.run_on(*texts)
            self.assertEqual((status, len(output.splitlines())), (expected, len(texts)))

    def test_as_a_command(self):
        command = [sys.executable, str(HERE / "check_certificates.py")]
        run = subprocess.run(command + [str(HERE / "samples/T2.json")], capture_output=True, text=True, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for arguments in ([str(HERE)], ["no such file"], []):
            run = subprocess.run(command + arguments, capture_output=True, text=True, check=False)
            self.assertEqual((run.returncode, run.stderr), (2, ""))


class Arithmetic(unittest.TestCase):
    """The parts against values known by other means."""

    def test_jets_are_power_series(self):
        jet, part = check_certificates.Jet, check_certificates.part
        x, y = jet({(): Fraction(2), (0,): 1}), jet({(): Fraction(3), (1,): 1})
        z = x * x / y - 1  # x^2/y at (2, 3)
        self.assertEqual(part(z), Fraction(1, 3))
        self.assertEqual([part(z, 0), part(z, 1)], [Fraction(4, 3), Fraction(-4, 9)])
        self.assertEqual([part(z, 0, 0), part(z, 0, 1), part(z, 1, 1)],
                         [Fraction(1, 3), Fraction(-4, 9), Fraction(4, 27)])
        self.assertEqual(part(1 / y - 1 / y, 1, 1), 0)

    def test_quotients_are_differentiated_by_the_logarithm(self):
        # w/(1+w) = p has the derivatives p(1-p) and p(1-p)(1-2p).
        first = check_certificates.logarithmic_derivative([0, 1], [1, 1])
        second = check_certificates.logarithmic_derivative(*first)
        for w in map(Fraction, ("1/3", "1", "5")):
            p, value = w / (1 + w), lambda q: check_certificates.value_at(q[0], w) / check_certificates.value_at(q[1], w)
            self.assertEqual([value(first), value(second)], [p * (1 - p), p * (1 - p) * (1 - 2 * p)])

    def test_roots_are_counted(self):
        roots, q = check_certificates.roots, [Fraction(c) for c in (6, -11, 6, -1)]  # (1-x)(2-x)(3-x)
        counts = {(0, None): 3, (0, 1): 1, (1, 2): 1, (2, 3): 1, (3, None): 0, ("3/2", "5/2"): 1}
        for (low, high), n in counts.items():
            self.assertEqual(roots(q + [Fraction(0)] * 2, Fraction(low), high and Fraction(high)), n)
        self.assertEqual(roots([Fraction(c) for c in (1, -2, 1)], Fraction(0), None), 1)  # a double root
        self.assertEqual(roots([Fraction(2)], Fraction(0), None), 0)
        positive = check_certificates.is_positive
        self.assertTrue(positive(q, Fraction(0), Fraction("9/10")))
        for low, high in (("0", "1"), ("1", "3/2"), ("0", "4"), ("3/2", "8/5")):
            self.assertFalse(positive(q, Fraction(low), Fraction(high)))
        self.assertFalse(positive([], Fraction(0), None))

    def test_the_bounds_of_curvature(self):
        # One state with r = w/(1+w), gamma = 0: R = 1/2, B = 0, I = 1/2, slopes 1/4, and .0962251.
        environment = {"kind": "exponential-family", "psi": [0], "base_weights": [[["1"]]],
                       "reward": {"base": [["0"]], "slope": 0, "clip": None, "logistic": [["1"]]}}
        problem = check_certificates.Problem({
            "format": "pemdp-problem/1", "gamma": "0", "initial": ["1"], "environment": environment,
            "policy": {"kind": "weights", "values": [["1"]]}})
        l5x = 0.5 + 0.5 * math.sqrt(0.5) + 0.0962251
        l5s = (3 + math.sqrt(8)) / 2 + 0.5 * math.sqrt(0.5) + 0.0962251
        for claim, bound in (("L5x", l5x), ("L5s", l5s)):
            for factor, within in ((0.1, True), (1 - 1e-12, True), (1 + 1e-12, False), (3, False)):
                self.assertIs(check_certificates.is_within_bound(problem, Fraction(bound * factor), claim), within)

    def test_pivots_decide_definiteness(self):
        pivots, wrong = check_certificates.pivots, check_certificates.Wrong
        fractions = [[Fraction(x) for x in row] for row in ((2, 1, 0), (1, 2, 1), (0, 1, 2))]
        self.assertEqual(pivots(fractions), [2, Fraction(3, 2), Fraction(4, 3)])
        self.assertEqual(pivots([[Fraction(1)] * 2] * 2), [1, 0])
        for rows in ([[1, 2], [2, 1]], [[0, 1], [1, 1]], [[-1]]):
            with self.assertRaises(wrong):
                pivots([[Fraction(x) for x in row] for row in rows])


if __name__ == "__main__":
    unittest.main()
