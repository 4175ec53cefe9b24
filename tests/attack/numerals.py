"""How a numeral of a problem file is read (docs/oracle.md, Numerals).

A string is a fraction "1/6" or a decimal "0.1", read exactly. A JSON number is the exact value of the double nearest to
it, or, in the exact reading, the decimal as written.
"""
import json
import sys
from fractions import Fraction

from flint import arb, fmpq, fmpz

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)                                  # exact answers have numerators of any length

LARGEST = fmpq(int(sys.float_info.max))
# Beyond this a number rounds to infinity: the largest double and half a unit in its last place.
OVERFLOW = LARGEST + fmpq(2) ** 970


class Numeral(str):
    """A JSON number, kept as its text: what it is worth depends on the reading."""


class Malformed(ValueError):
    """Something in a problem that the documentation gives no meaning to."""


def load(text):
    """A JSON text with its numbers kept as `Numeral`."""
    return json.loads(text, parse_int=Numeral, parse_float=Numeral)


def fraction(x):
    """A Python number as an fmpq."""
    return fmpq(*x.as_integer_ratio())


def rational(x, exact=False):
    """The number that a numeral denotes, as an fmpq."""
    if isinstance(x, Numeral) and not exact:
        return fraction(float(x))
    if not isinstance(x, str):
        raise Malformed(f"{x!r} is not a number")
    try:
        return fraction(Fraction(x))
    except (ValueError, ZeroDivisionError):
        raise Malformed(f"{x!r} is not a number") from None


def index(x):
    """An index, a count or a seed."""
    try:
        return int(x)
    except (TypeError, ValueError):
        raise Malformed(f"{x!r} is not an index") from None


def tree(x, rule):
    """A rule applied to every leaf of nested lists and objects."""
    if isinstance(x, dict):
        return {key: tree(y, rule) for key, y in x.items()}
    if isinstance(x, list):
        return [tree(y, rule) for y in x]
    return rule(x)


def leaves(x):
    """The leaves of nested lists, in order."""
    if isinstance(x, list):
        for y in x:
            yield from leaves(y)
    else:
        yield x


def from_fraction_text(text):
    """An fmpq from its text "p/q"; None if the text is not a fraction in lowest terms with a positive denominator."""
    numerator, _, denominator = text.partition("/")
    try:
        q = fmpq(fmpz(int(numerator)), fmpz(int(denominator or "1")))
    except (ValueError, ZeroDivisionError):
        return None
    return q if str(q) == text else None


def nearest(x):
    """The double nearest to an fmpq or to the centre of a ball; an infinity where it overflows."""
    if x is None:
        return None
    if isinstance(x, arb):
        return float(x) + 0.0
    try:
        return int(x.p) / int(x.q)
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")
