#!/usr/bin/env python3
"""Attacks `pemdp` with hostile problems and holds what it prints against independent arithmetic.

    attack.py eval      values, gradients and error bounds of `pemdp eval`
    attack.py exact     the fractions of `pemdp eval --exact`
    attack.py keys      every key and every number of a problem file matters
    attack.py verify    right answers are accepted, wrong ones refused
    attack.py optimum   no policy is above an upper bound, and values are reached
    attack.py solve     the values of a trajectory are those of its policies

Options, for all: --problems N, --seed K, --jobs J, --binary PATH, --family NAME, --out DIR (see README.md).
"""
import argparse
import os
import sys
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True

import families
from harness import drive
from modes import evaluation, keys, optimum, solving, verification

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))

ATTACKS = {
    "eval": (partial(evaluation.tasks, exact=False), evaluation.work),
    "exact": (partial(evaluation.tasks, exact=True), evaluation.work),
    "keys": (keys.tasks, keys.work),
    "verify": (verification.tasks, verification.work),
    "optimum": (optimum.tasks, optimum.work),
    "solve": (solving.tasks, solving.work),
}


def options(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("--problems", type=int, default=1000, help="how many problems [default: 1000]")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other problems [default: 0]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes [default: all cores]")
    parser.add_argument("--binary", default=str(TARGET / "debug" / "pemdp"), help="the program [default: %(default)s]")
    parser.add_argument("--family", choices=families.FAMILIES, help="only this family of problems")
    parser.add_argument("--out", default=str(TARGET / "attack"), help="where findings go [default: %(default)s]")
    return parser.parse_args(arguments)


def main(arguments):
    chosen = options(arguments)
    tasks, work = ATTACKS[chosen.attack]
    return drive(chosen.attack, tasks(chosen), work, chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
