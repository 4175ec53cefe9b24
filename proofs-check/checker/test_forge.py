#!/usr/bin/env python3
"""Tests of forge.py and of its judge: what is true is not called false, and what is false is."""
import contextlib
import io
import json
import random
import re
import sys
import unittest
from fractions import Fraction
from pathlib import Path
from unittest import mock

import check_certificates
import check_optimum
import forge
import judge

HERE = Path(__file__).resolve().parent


def verdict(document, message):
    """What is false, or None."""
    source = document if isinstance(document, str) else json.dumps(document)
    try:
        (judge.optimum if forge.is_optimum(source) else judge.theory)(source, message)
    except judge.Untrue as error:
        return str(error)
    return None


class Judge(unittest.TestCase):
    def test_samples_are_true(self):
        for directory, checker in (("samples", check_certificates), ("optimum-samples", check_optimum)):
            for path in sorted((HERE / directory).glob("*.json")):
                with self.subTest(path.stem):
                    source = path.read_text("utf-8")
                    self.assertIsNone(verdict(source, checker.check(source)))

    def test_what_is_false_is_found_false(self):
        paths = sorted((HERE / "refused").glob("*.json"))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path.stem):
                self.assertIsNotNone(verdict(path.read_text("utf-8"), "with steps of at most 1/64 stays"))

    def test_ascent_that_leaves_is_found(self):
        document = json.loads((HERE / "samples/T3-B.json").read_text())
        self.assertIsNone(verdict(document, "with steps of at most 1/2 stays"))
        narrow = forge.signed({**document, "low": "43/100"})
        self.assertEqual(verdict(narrow, "with steps of at most 1/2 stays"), "ascent leaves")

    def test_a_bound_that_a_policy_exceeds_is_found(self):
        for path in sorted((HERE / "optimum-samples").glob("*.json")):
            document = json.loads(path.read_text())
            lower = {**document, "upper_bound": str(Fraction(document["upper_bound"]) - Fraction(1, 5))}
            with self.subTest(path.stem):
                self.assertEqual(verdict(lower, "is above 99:"), "a policy exceeds the bound")
                self.assertEqual(verdict(document, "is above -99:"), "the bound printed is lower")

    def test_dual_numbers_are_derivatives(self):
        x = judge.Dual(Fraction(3), 1)
        y = (x**2 - 1) / (2 * x) + 1 / x  # x/2 + 1/(2x)
        self.assertEqual((y.a, y.b), (Fraction(5, 3), Fraction(1, 2) - Fraction(1, 18)))


class Forgeries(unittest.TestCase):
    def run_with(self, checked, *arguments):
        """Exit status and output where the checkers find something of each certificate."""
        with mock.patch.object(check_certificates, "check", checked), mock.patch.object(check_optimum, "check", checked), \
                mock.patch.object(sys, "argv", ["forge.py", *arguments]), \
                contextlib.redirect_stdout(io.StringIO()) as output:
            return forge.main(), output.getvalue()

    def test_a_checker_that_accepts_what_can_be_read_is_found_out(self):
        def checked(source):
            json.loads(source)
            return "with steps of at most 1/64 stays; no value is above 1000000:"

        status, output = self.run_with(checked, "40")
        self.assertEqual(status, 1)
        self.assertGreater(len(re.findall("^FALSE, and accepted: ", output, re.M)), 12)

    def test_a_checker_that_accepts_nothing_passes(self):
        def checked(source):
            raise ValueError("'this' is no certificate")

        status, output = self.run_with(checked, "20")
        self.assertEqual((status, output), (0, "20 refused\n      20 unreadable: ... is no certificate\n"
                                               "0 accepted, and true\n0 accepted, and false, of 20 (seed 0)\n"))

    def test_a_seed_gives_the_same_forgeries(self):
        originals = forge.samples()
        one, two = ([forge.forged(rng, originals) for _ in range(30)] for rng in (random.Random(7), random.Random(7)))
        self.assertEqual(one, two)


if __name__ == "__main__":
    unittest.main()
