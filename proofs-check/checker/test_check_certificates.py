#!/usr/bin/env python3
"""Tests of the checker: the samples are accepted, and no copy with another number in it is."""
import contextlib
import copy
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

import check_certificates

HERE = Path(__file__).resolve().parent
SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "samples").glob("*.json"))}


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

    def test_samples_of_every_kind_are_accepted(self):
        kinds = {document["kind"] for document in SAMPLES.values()}
        self.assertEqual(kinds, set(check_certificates.CHECKS))
        for name, document in SAMPLES.items():
            with self.subTest(name):
                status, output = self.run_on(json.dumps(document))
                self.assertEqual(status, 0, output)
                self.assertRegex(output, r"\Aok 0: [^\n]+\n\Z")

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
                        if key not in ("logistic", "entropy", "initial"):
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
