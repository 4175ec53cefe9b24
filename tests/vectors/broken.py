"""Broken problem files and invalid/index.json: what is wrong with each, and the path that the error must name."""
import copy
import json

BASE = {"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5], "entropy": 0.0,
        "policy": {"kind": "softmax", "logits": [[0.1, -0.2], [0.0, 0.3]]},
        "environment": {"kind": "fixed", "transitions": [[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.3, 0.7]]],
                        "rewards": [[1.0, 0.0], [0.0, 2.0]]}}
FAMILY = {"kind": "exponential-family", "psi": [1.0, -0.5],
          "base_logits": [[[0.0, 0.2], [0.1, 0.0]], [[0.0, 0.0], [0.3, -0.3]]],
          "reward": {"base": [[1.0, 0.0], [0.0, 0.5]], "slope": 0.7, "clip": None}}
WEIGHTED = {"kind": "exponential-family", "psi": [1, -1], "base_weights": [[[1, 2], [3, 1]], [[1, 1], [2, 5]]],
            "reward": {"base": [[1.0, 0.0], [0.0, 0.5]], "slope": 0, "clip": None}}
AFFINE = {"kind": "affine", "transitions": [[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [1, 0]]],
          "transition_slopes": [[0, 0, 0, 0, 1, 0.25], [0, 0, 1, 0, 1, -0.25]],
          "rewards": [[1.0, 0.0], [0.0, 2.0]], "reward_slopes": [[0, 0, 1, 1, 0.5]]}
EXPLICIT = {"kind": "explicit", "transitions": BASE["environment"]["transitions"], "rewards": [[1.0, 0.0], [0.0, 2.0]],
            "transition_jacobian": [[0, 0, 0, 1, 0.25], [0, 0, 1, 1, -0.25]], "reward_jacobian": [[1, 1, 3, 0.5]]}
LOAN = {"format": "pemdp-problem/1", "gamma": 0.9, "policy": {"kind": "weights", "values": [[1, 3]]},
        "environment": {"kind": "loan", "form": "bandit", "q0": 0.75, "c": 0.5, "gain": 1, "loss": 1}}
COIN = {"format": "pemdp-problem/1", "gamma": 0.9, "initial": [1], "policy": {"kind": "weights", "values": [[1, 3]]},
        "environment": {"kind": "coin", "mu": 0.125, "epsilon": 0.25}}
GRID = {"format": "pemdp-problem/1", "gamma": 0.9, "policy": {"kind": "softmax", "logits": [[0, 0, 0, 0]] * 64},
        "environment": {"kind": "gridworld", "eps": 0.5, "beta": 5, "followers": 2}}
FORMULAS = {"kind": "formulas", "constants": {"c": 2}, "definitions": {"q": "pi[0,0]/c"},
            "transitions": [[0, 0, 0, "q"], [0, 0, 1, "1 - q"], [0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]], "rewards": [[0, 0, "q^2"]]}
ABSENT = object()
CASES = []                                                    # (file, content, reason, path, also)


def raw(name, content, reason, path=None, *also):
    CASES.append((name, content, reason, path, list(also)))


def case(name, base, changes, reason, path, *also):
    """`changes`: {path: value}; a path is a dotted string with indices as numbers, ABSENT removes the key."""
    data = copy.deepcopy(base)
    for where, value in changes.items():
        *parents, last = [int(x) if x.isdigit() else x for x in where.split(".")]
        target = data
        for key in parents:
            target = target[key]
        if value is ABSENT:
            del target[last]
        else:
            target[last] = value
    raw(name, json.dumps(data) + "\n", reason, path, *also)


def in_environment(environment, **changes):
    data = copy.deepcopy(BASE)
    data["environment"] = copy.deepcopy(environment) | changes
    return data


good = json.dumps(BASE)

# not JSON
raw("empty", "", "empty file")
raw("blank", " \n\t\n", "white space only")
raw("not-json", "gamma = 0.9\n", "not JSON")
raw("truncated", good[:150], "ends in the middle")
raw("truncated-last-brace", good[:-1] + "\n", "the last brace is missing")
raw("trailing-garbage", good + " }\n", "more text after the object")
raw("two-objects", good + "\n" + good + "\n", "two objects where one problem is expected (a .json file, not .jsonl)")
raw("trailing-comma", good.replace("[1.0, 0.0]", "[1.0, 0.0,]"), "trailing comma")
raw("single-quotes", good.replace('"', "'"), "single quotes")
raw("comment", good.replace("{", "{ /* discount */", 1), "a comment")
raw("nan-literal", good.replace("[1.0, 0.0]", "[NaN, 0.0]"), "NaN is not JSON")
raw("infinity-literal", good.replace("[1.0, 0.0]", "[Infinity, 0.0]"), "Infinity is not JSON")
raw("minus-infinity-literal", good.replace("[1.0, 0.0]", "[-Infinity, 0.0]"), "-Infinity is not JSON")
raw("number-overflows", good.replace("[1.0, 0.0]", "[1e999, 0.0]"), "1e999: no double holds it (naming the path is welcome too)")
raw("leading-zero", good.replace("0.9,", "00.9,", 1), "a number with a leading zero")
raw("leading-plus", good.replace("0.9,", "+0.9,", 1), "a number with a plus sign")
raw("bare-point", good.replace("0.9,", ".9,", 1), "a number without digits before the point")
raw("invalid-utf8", good.replace("softmax", "soft\u00ffmax").encode("latin-1"), "not UTF-8")
raw("control-character", good.replace("softmax", "soft\x01max"), "a control character inside a string")
raw("top-level-array", "[" + good + "]\n", "an array where an object is expected")
raw("top-level-null", "null\n", "null where an object is expected")

# format, keys
case("format-missing", BASE, {"format": ABSENT}, "no format", "format")
case("format-wrong", BASE, {"format": "pemdp-problem/2"}, "a version that does not exist", "format")
case("format-answer", BASE, {"format": "pemdp-answer/1"}, "an answer where a problem is expected", "format")
case("format-not-string", BASE, {"format": 1}, "format must be a string", "format")
case("unknown-key", BASE, {"discount": 0.9}, "unknown key", "discount")
case("unknown-key-policy", BASE, {"policy.temperature": 1}, "unknown key", "policy.temperature")
case("unknown-key-environment", BASE, {"environment.reward": [[0, 0], [0, 0]]}, "unknown key for this kind", "environment.reward")
raw("duplicate-key", good.replace('"gamma": 0.9', '"gamma": 0.9, "gamma": 0.9'), "duplicate key", "gamma")
raw("duplicate-key-nested", good.replace('"rewards"', '"rewards": [[1, 1], [1, 1]], "rewards"'), "duplicate key inside the environment",
    "environment.rewards")
raw("duplicate-key-kind", good.replace('"kind": "softmax"', '"kind": "softmax", "kind": "softmax"'), "duplicate tag", "policy.kind")

# gamma, entropy, numerals
case("gamma-missing", BASE, {"gamma": ABSENT}, "missing key", "gamma")
case("gamma-one", BASE, {"gamma": 1}, "without discounting, and the episode never ends", "gamma", "environment.transitions")
case("gamma-one-string", BASE, {"gamma": "3/3"}, "without discounting, and the episode never ends", "gamma", "environment.transitions")
case("gamma-above-one", BASE, {"gamma": 1.5}, "gamma must not be above 1", "gamma")
case("gamma-negative", BASE, {"gamma": -0.1}, "gamma must not be negative", "gamma")
case("gamma-null", BASE, {"gamma": None}, "null where a number is expected", "gamma")
case("gamma-boolean", BASE, {"gamma": False}, "a boolean where a number is expected", "gamma")
case("gamma-array", BASE, {"gamma": [0.9]}, "an array where a number is expected", "gamma")
case("gamma-word", BASE, {"gamma": "high"}, "a string that is not a numeral", "gamma")
case("gamma-empty-string", BASE, {"gamma": ""}, "a string that is not a numeral", "gamma")
case("gamma-divided-by-zero", BASE, {"gamma": "1/0"}, "denominator 0", "gamma")
case("gamma-half-fraction", BASE, {"gamma": "1/"}, "a string that is not a numeral", "gamma")
case("gamma-two-slashes", BASE, {"gamma": "1/2/3"}, "a string that is not a numeral", "gamma")
case("gamma-nan-string", BASE, {"gamma": "nan"}, "a string that is not a numeral", "gamma")
case("gamma-infinity-string", BASE, {"gamma": "inf"}, "a string that is not a numeral", "gamma")
case("gamma-hexadecimal", BASE, {"gamma": "0x0"}, "a string that is not a numeral", "gamma")
case("gamma-too-long", BASE, {"gamma": "0." + "1" * 5000}, "a numeral of more than 4,096 digits", "gamma")
case("gamma-exponent-bomb", BASE, {"gamma": "1e-999999999"}, "a numeral whose exponent counts for more than 4,096 digits", "gamma")
case("reward-exponent-bomb", BASE, {"environment.rewards.0.1": "1e999999999"}, "a numeral whose exponent counts for more than 4,096 digits",
     "environment.rewards[0][1]")
case("gamma-times-row-sum", BASE, {"gamma": 0.9999999999, "environment.transitions.0.0": [0.9, 0.1000000009]},
     "gamma times the largest row sum reaches 1", "gamma", "environment.transitions")
case("entropy-negative", BASE, {"entropy": -0.5}, "entropy must not be negative", "entropy")
case("entropy-word", BASE, {"entropy": "much"}, "a string that is not a numeral", "entropy")

# initial
case("initial-missing", BASE, {"initial": ABSENT}, "missing key (this kind has none of its own)", "initial")
case("initial-too-long", BASE, {"initial": [0.5, 0.25, 0.25]}, "three entries for two states", "initial")
case("initial-empty", BASE, {"initial": []}, "no entry for two states", "initial")
case("initial-negative", BASE, {"initial": [-0.5, 1.5]}, "a negative probability", "initial[0]", "initial[1]")
case("initial-sum", BASE, {"initial": [0.5, 0.4]}, "sums to 0.9", "initial")
case("initial-sum-slightly", BASE, {"initial": [0.5, 0.50000001]}, "sums to 1 + 1e-8, more than the 1e-9 allowed", "initial")
case("initial-scalar", BASE, {"initial": 1}, "a number where an array is expected", "initial")

# policies
case("policy-missing", BASE, {"policy": ABSENT}, "missing key", "policy")
case("policy-kind-missing", BASE, {"policy.kind": ABSENT}, "missing key", "policy.kind")
case("policy-kind-unknown", BASE, {"policy.kind": "greedy"}, "unknown policy kind", "policy.kind")
case("policy-logits-missing", BASE, {"policy.logits": ABSENT}, "missing key", "policy.logits")
case("policy-logits-word", BASE, {"policy.logits.0.1": "zero"}, "a string that is not a numeral", "policy.logits[0][1]")
case("policy-three-states", BASE, {"policy.logits": [[0.0, 0.0]] * 3}, "three states, the environment has two", "policy", "environment", "initial")
case("policy-three-actions", BASE, {"policy.logits": [[0.0, 0.0, 0.0]] * 2}, "three actions, the environment has two", "policy", "environment")
case("no-states", BASE, {"initial": [], "policy.logits": [], "environment.transitions": [], "environment.rewards": []}, "no states",
     "policy.logits", "initial", "environment.transitions", "environment.rewards")
case("no-actions", BASE, {"policy.logits": [[], []], "environment.transitions": [[], []], "environment.rewards": [[], []]}, "no actions",
     "policy.logits", "environment.transitions", "environment.rewards")
case("weights-zero", BASE, {"policy": {"kind": "weights", "values": [[1, 0], [1, 1]]}}, "a weight must be positive", "policy.values[0][1]")
case("weights-negative", BASE, {"policy": {"kind": "weights", "values": [[1, 1], ["-1/2", 1]]}}, "a weight must be positive", "policy.values[1][0]")
case("probabilities-negative", BASE, {"policy": {"kind": "probabilities", "values": [[1.25, -0.25], [0.5, 0.5]]}},
     "probabilities outside [0, 1] that sum to 1", "policy.values[0][1]", "policy.values[0][0]")
case("probabilities-sum", BASE, {"policy": {"kind": "probabilities", "values": [[0.5, 0.5], [0.5, 0.25]]}}, "sums to 0.75", "policy.values[1]")
case("features-length", BASE, {"policy": {"kind": "log-linear", "features": [[[1, 0], [0, 1]], [[1], [0, 1]]], "theta": [0, 0]}},
     "one feature where theta has two", "policy.features[1][0]")
case("theta-missing", BASE, {"policy": {"kind": "log-linear", "features": [[[1], [0]], [[1], [0]]]}}, "missing key", "policy.theta")

# fixed environments
case("environment-missing", BASE, {"environment": ABSENT}, "missing key", "environment")
case("environment-kind-unknown", BASE, {"environment.kind": "maze"}, "unknown environment kind", "environment.kind")
case("environment-kind-missing", BASE, {"environment.kind": ABSENT}, "missing key", "environment.kind")
case("transitions-missing", BASE, {"environment.transitions": ABSENT}, "missing key", "environment.transitions")
case("transitions-negative", BASE, {"environment.transitions.1.0": [-0.1, 1.1]}, "probabilities outside [0, 1] that sum to 1",
     "environment.transitions[1][0][0]", "environment.transitions[1][0][1]")
case("transitions-sum", BASE, {"environment.transitions.1.1": [0.3, 0.6]}, "sums to 0.9", "environment.transitions[1][1]")
case("transitions-sum-slightly", BASE, {"environment.transitions.0.1": [0.2, 0.80000001]}, "sums to 1 + 1e-8, more than the 1e-9 allowed",
     "environment.transitions[0][1]")
case("transitions-row-length", BASE, {"environment.transitions.0.1": [0.2, 0.3, 0.5]}, "three successors for two states", "environment.transitions[0][1]")
case("transitions-actions", BASE, {"environment.transitions.1": [[0.6, 0.4]]}, "one action where there are two", "environment.transitions[1]")
case("transitions-shallow", BASE, {"environment.transitions.0.1": 0.2}, "a number where an array is expected", "environment.transitions[0][1]")
case("transitions-deep", BASE, {"environment.transitions.0.1.0": [0.2]}, "an array where a number is expected", "environment.transitions[0][1][0]")
case("rewards-ragged", BASE, {"environment.rewards.1": [0.0]}, "one action where there are two", "environment.rewards[1]")
case("rewards-word", BASE, {"environment.rewards.1.1": "lots"}, "a string that is not a numeral", "environment.rewards[1][1]")

# exponential families
case("psi-length", in_environment(FAMILY, psi=[1.0, 0.5, 0.0]), {}, "three entries for two states", "environment.psi")
case("psi-missing", in_environment(FAMILY), {"environment.psi": ABSENT}, "missing key", "environment.psi")
case("base-logits-all-null", in_environment(FAMILY), {"environment.base_logits.1.0": [None, None]}, "no transition can happen", "environment.base_logits[1][0]")
case("base-weights-all-zero", in_environment(WEIGHTED), {"environment.base_weights.0.1": [0, 0]}, "no transition can happen", "environment.base_weights[0][1]")
case("base-weights-negative", in_environment(WEIGHTED), {"environment.base_weights.0.1": [-1, 2]}, "a base weight must not be negative", "environment.base_weights[0][1][0]")
case("base-both", in_environment(FAMILY, base_weights=WEIGHTED["base_weights"]), {}, "base_logits and base_weights exclude each other",
     "environment.base_weights", "environment.base_logits")
case("clip-negative", in_environment(FAMILY), {"environment.reward.clip": -1}, "clip must not be negative", "environment.reward.clip")
case("reward-missing", in_environment(FAMILY), {"environment.reward": ABSENT}, "missing key", "environment.reward")
case("reward-base-missing", in_environment(FAMILY), {"environment.reward.base": ABSENT}, "missing key", "environment.reward.base")
case("reward-unknown-key", in_environment(FAMILY), {"environment.reward.scale": 2}, "unknown key", "environment.reward.scale")
case("reward-base-ragged", in_environment(FAMILY), {"environment.reward.base.0": [1.0]}, "one action where there are two", "environment.reward.base[0]")
case("family-log-linear", in_environment(FAMILY), {"policy": {"kind": "log-linear", "features": [[[1], [0]], [[0], [1]]], "theta": [0.5]}},
     "an exponential family needs one parameter for each state and action", "policy.kind", "environment.kind", "policy")
case("family-probabilities", in_environment(FAMILY), {"policy": {"kind": "probabilities", "values": [[0.5, 0.5], [0.5, 0.5]]}},
     "an exponential family needs parameters theta, not probabilities", "policy.kind", "environment.kind", "policy")

# affine
AX = ("environment.transition_slopes", "environment.transitions")
case("affine-negative", in_environment(AFFINE), {"environment.transition_slopes": [[0, 0, 0, 0, 1, 0.75], [0, 0, 1, 0, 1, -0.75]]},
     "P(1|0,0) is -0.25 when pi(1|0) = 1", *AX)
case("affine-negative-by-two", in_environment(AFFINE), {"environment.transition_slopes": [
    [0, 0, 0, 0, 1, 0.375], [0, 0, 1, 0, 1, -0.375], [0, 0, 0, 1, 0, 0.25], [0, 0, 1, 1, 0, -0.25]]},
     "no single slope leaves the simplex, but both states' together do: P(1|0,0) is -0.125 when pi(1|0) = pi(0|1) = 1", *AX)
case("affine-sum", in_environment(AFFINE), {"environment.transition_slopes": [[0, 0, 0, 0, 1, 0.25]]},
     "the row of (0,0) sums to 1.25 when pi(1|0) = 1", *AX)
case("affine-index-range", in_environment(AFFINE), {"environment.transition_slopes.1.3": 2}, "state 2 of 2", "environment.transition_slopes[1][3]")
case("affine-index-fraction", in_environment(AFFINE), {"environment.transition_slopes.0.0": 0.5}, "an index must be an integer", "environment.transition_slopes[0][0]")
case("affine-entry-length", in_environment(AFFINE), {"environment.reward_slopes.0": [0, 0, 1, 0.5]}, "four items where five are expected", "environment.reward_slopes[0]")
case("affine-reward-index", in_environment(AFFINE), {"environment.reward_slopes.0.3": 7}, "action 7 of 2", "environment.reward_slopes[0][3]")

# explicit
case("jacobian-sum", in_environment(EXPLICIT), {"environment.transition_jacobian.1.4": -0.2}, "the derivatives of the row (s,a) = (0,0) along k = 1 "
     "sum to 0.05", "environment.transition_jacobian")
case("jacobian-repeated", in_environment(EXPLICIT), {"environment.transition_jacobian": [[0, 0, 0, 1, 0.125], [0, 0, 1, 1, -0.25], [0, 0, 0, 1, 0.125]]},
     "the entry (0,0,0,1) occurs twice", "environment.transition_jacobian[2]", "environment.transition_jacobian[0]")
case("reward-jacobian-repeated", in_environment(EXPLICIT), {"environment.reward_jacobian": [[1, 1, 3, 0.5], [1, 1, 3, 0.5]]},
     "the entry (1,1,3) occurs twice", "environment.reward_jacobian[1]", "environment.reward_jacobian[0]")
case("jacobian-parameter", in_environment(EXPLICIT), {"environment.transition_jacobian.0.3": 4}, "parameter 4 of 4", "environment.transition_jacobian[0][3]")
case("jacobian-negative-index", in_environment(EXPLICIT), {"environment.transition_jacobian.0.2": -1}, "a negative index", "environment.transition_jacobian[0][2]")
case("jacobian-index-fraction", in_environment(EXPLICIT), {"environment.reward_jacobian.0.0": 0.5}, "an index must be an integer", "environment.reward_jacobian[0][0]")
case("jacobian-index-string", in_environment(EXPLICIT), {"environment.reward_jacobian.0.2": "3"}, "an index must be an integer, not a numeral", "environment.reward_jacobian[0][2]")
case("jacobian-entry-length", in_environment(EXPLICIT), {"environment.transition_jacobian.0": [0, 0, 0, 0.25]}, "four items where five are expected",
     "environment.transition_jacobian[0]")

# loan, coin
Q = ("environment.q0", "environment.c", "environment")
case("loan-q-negative", LOAN, {"environment.q0": 0.25}, "q(1) = 0.25 - 0.5 is below 0", *Q)
case("loan-q0-above", LOAN, {"environment.q0": 1.25}, "q(0) is above 1", *Q)
case("loan-q-above", LOAN, {"environment.c": -0.5}, "q(1) = 0.75 + 0.5 is above 1", *Q)
case("loan-form", LOAN, {"environment.form": "tree"}, "unknown form", "environment.form")
case("loan-form-missing", LOAN, {"environment.form": ABSENT}, "missing key", "environment.form")
case("loan-actions", LOAN, {"policy.values": [[1, 1, 1]]}, "three actions, the loan has two", "policy", "environment")
case("loan-states", LOAN, {"environment.form": "mdp"}, "one state, the MDP form has four", "policy", "environment")
case("coin-missing", COIN, {"environment.mu": ABSENT}, "missing key", "environment.mu")
case("coin-states", COIN, {"policy.values": [[1, 1], [1, 1]]}, "two states, the coin has one", "policy", "environment", "initial")

# gridworld
case("grid-eps-negative", GRID, {"environment.eps": -0.1}, "eps must be in [0, 1]", "environment.eps")
case("grid-eps-above", GRID, {"environment.eps": 1.5}, "eps must be in [0, 1]", "environment.eps")
case("grid-beta-negative", GRID, {"environment.beta": -1}, "beta must not be negative", "environment.beta")
case("grid-beta-missing", GRID, {"environment.beta": ABSENT}, "missing key", "environment.beta")
case("grid-beta-overflows", GRID, {"environment.beta": "1e400"}, "beta is not finite as a double", "environment.beta")
case("grid-followers-zero", GRID, {"environment.followers": 0}, "at least one follower", "environment.followers")
case("grid-followers-negative", GRID, {"environment.followers": -1}, "at least one follower", "environment.followers")
case("grid-followers-fraction", GRID, {"environment.followers": 1.5}, "followers must be an integer", "environment.followers")
case("grid-followers-string", GRID, {"environment.followers": "2"}, "a count must be an integer, not a numeral", "environment.followers")
PLAIN = [[-0.01] * 8 for _ in range(8)]
GIVEN = copy.deepcopy(GRID)
GIVEN["environment"] = {"kind": "gridworld", "beta": 5, "perturbed_grids": [PLAIN]}
case("grid-both", GRID, {"environment.perturbed_grids": [PLAIN]}, "perturbed_grids stands in place of eps and followers",
     "environment.perturbed_grids", "environment.eps", "environment.followers")
case("grid-neither", GRID, {"environment.eps": ABSENT, "environment.followers": ABSENT}, "neither eps and followers nor perturbed_grids",
     "environment.eps", "environment.followers", "environment.perturbed_grids")
case("grid-eps-alone", GRID, {"environment.followers": ABSENT}, "eps without followers", "environment.followers")
case("grid-ragged", GIVEN, {"environment.perturbed_grids.0.3": [-0.01] * 7}, "seven cells in a row of eight", "environment.perturbed_grids[0][3]")
case("grid-seven-rows", GIVEN, {"environment.perturbed_grids.0": PLAIN[:7]}, "seven rows of eight", "environment.perturbed_grids[0]")
case("grid-no-followers", GIVEN, {"environment.perturbed_grids": []}, "at least one follower", "environment.perturbed_grids")
case("grid-cell-word", GIVEN, {"environment.perturbed_grids.0.3.4": "hole"}, "a string that is not a numeral", "environment.perturbed_grids[0][3][4]")
case("grid-policy-states", GRID, {"policy.logits": [[0, 0, 0, 0]] * 63}, "63 states, the grid has 64", "policy", "environment")
OWN = {"format": "pemdp-problem/1", "gamma": 0.9, "policy": {"kind": "softmax", "logits": [[0, 0, 0, 0]] * 6},
       "environment": {"kind": "gridworld", "beta": 5, "cells": [[-0.01, -0.02, -0.5], [-0.01, -0.01, 1]], "eps": 0.5, "followers": 2}}
case("cells-empty", OWN, {"environment.cells": []}, "no rows", "environment.cells")
case("cells-empty-rows", OWN, {"environment.cells": [[], []]}, "no columns", "environment.cells")
case("cells-flat", OWN, {"environment.cells": [-0.01] * 6}, "a list, not rows", "environment.cells[0]", "environment.cells")
case("cells-number", OWN, {"environment.cells": 1}, "a number", "environment.cells")
case("cells-null", OWN, {"environment.cells": None}, "null", "environment.cells")
case("cells-deep", OWN, {"environment.cells.1.2": [1]}, "an array for a cell", "environment.cells[1][2]")
case("cells-one", OWN, {"environment.cells": [[1]], "policy.logits": [[0, 0, 0, 0]]}, "one cell, at least two", "environment.cells")
case("cells-ragged", OWN, {"environment.cells.1": [-0.01, 1]}, "rows of three and of two", "environment.cells[1]", "environment.cells[0]")
case("cells-word", OWN, {"environment.cells.1.0": "hole"}, "a string that is not a numeral", "environment.cells[1][0]")
case("cells-missing-cell", OWN, {"environment.cells.0.2": None}, "null for a cell", "environment.cells[0][2]")
case("cells-overflow", OWN, {"environment.cells.0.1": "1e400"}, "a cell is not finite as a double", "environment.cells[0][1]")
case("cells-policy-states", OWN, {"policy.logits": [[0, 0, 0, 0]] * 5}, "5 states, the grid has 6", "policy", "environment")
case("cells-policy-actions", OWN, {"policy.logits": [[0, 0, 0]] * 6}, "three actions, the gridworld has four", "policy", "environment")
case("cells-initial-length", OWN, {"initial": [1, 0, 0, 0, 0]}, "5 entries for 6 states", "initial")
SHAPED = copy.deepcopy(OWN)
SHAPED["environment"] = {"kind": "gridworld", "beta": 5, "cells": OWN["environment"]["cells"], "perturbed_grids": [[[0, 0, 0]] * 2] * 2}
case("cells-other-shape", SHAPED, {"environment.perturbed_grids.1": [[0, 0]] * 3}, "a grid of 3 x 2 beside cells of 2 x 3", "environment.perturbed_grids[1]")
case("cells-grid-ragged", SHAPED, {"environment.perturbed_grids.1": [[0, 0, 0], [0, 0]]}, "two cells in a row of three", "environment.perturbed_grids[1][1]")
case("cells-neither", SHAPED, {"environment.cells": ABSENT}, "two grids of 2 x 3 without the learner's own", "environment.cells")
case("cells-one-grid-states", GIVEN, {"environment.perturbed_grids.0": [[0] * 4] * 4}, "a grid of 16 cells for 64 states",
     "environment.perturbed_grids[0]", "policy")
case("gridworld-terminal-above", OWN, {"environment.terminal": [2, 6]}, "a state that there is not", "environment.terminal[1]")
case("gridworld-terminal-negative", OWN, {"environment.terminal": [-1]}, "a negative index", "environment.terminal[0]")
case("gridworld-terminal-fraction", OWN, {"environment.terminal": [5.0]}, "an index must be an integer", "environment.terminal[0]")
case("gridworld-terminal-string", OWN, {"environment.terminal": ["5"]}, "an index must be an integer, not a numeral", "environment.terminal[0]")
case("gridworld-terminal-number", OWN, {"environment.terminal": 5}, "a list of states", "environment.terminal")
case("gridworld-terminal-repeated", OWN, {"environment.terminal": [5, 2, 5]}, "a state twice", "environment.terminal[2]", "environment.terminal")
case("gridworld-terminal-no-start", OWN, {"environment.terminal": [0, 1, 2, 3]}, "no first state is left: `initial` has to be given", "initial")
case("intervention-cost-negative", OWN, {"environment.intervention_cost": -0.05}, "a cost must not be negative", "environment.intervention_cost")
case("intervention-cost-word", OWN, {"environment.intervention_cost": "free"}, "a string that is not a numeral", "environment.intervention_cost")
case("intervention-cost-overflows", OWN, {"environment.intervention_cost": "1e400"}, "not finite as a double", "environment.intervention_cost")
case("family-next-rewards-clip", in_environment(FAMILY),
     {"environment.reward.base": [[[0, 1], [1, 0]], [[0, 0], [1, 1]]], "environment.reward.clip": 1},
     "a clip where rewards have a next state", "environment.reward.clip")
case("formulas-syntax", in_environment(FORMULAS), {"environment.transitions.1.3": "1 - (q"}, "a parenthesis is open", "environment.transitions[1]")
case("formulas-name", in_environment(FORMULAS), {"environment.rewards.0.2": "2*qq"}, "no such name", "environment.rewards[0]")
case("formulas-index", in_environment(FORMULAS), {"environment.definitions.q": "pi[0,2]"}, "an action that there is not", "environment.definitions.q")
case("formulas-cycle", in_environment(FORMULAS), {"environment.definitions": {"q": "r", "r": "1 - q"}}, "two names that stand for each other",
     "environment.definitions.q", "environment.definitions.r")
case("formulas-reserved", in_environment(FORMULAS), {"environment.constants.exp": 1}, "the name of a function", "environment.constants.exp")
case("formulas-state", in_environment(FORMULAS), {"environment.transitions.2.2": 2}, "a state that there is not", "environment.transitions[2][2]")
case("formulas-boolean", in_environment(FORMULAS), {"environment.rewards.0.2": True}, "neither a formula nor a number", "environment.rewards[0][2]")
case("formulas-empty-row", in_environment(FORMULAS, normalise=True), {"environment.transitions.4": [1, 0, 1, 1]}, "a row without an entry to normalise",
     "environment.transitions")
NAMED = in_environment(FORMULAS) | {"names": {"states": ["calm", "busy day"], "actions": ["buy", "wait"]}}
case("names-list", NAMED, {"names": ["calm", "busy"]}, "an object", "names")
case("names-key", NAMED, {"names.state": ["calm", "busy"]}, "an unknown key", "names.state")
case("names-too-few", NAMED, {"names.states": ["calm"]}, "one name for two states", "names.states")
case("names-number", NAMED, {"names.actions.0": 1}, "a name is a string", "names.actions[0]")
case("names-digits", NAMED, {"names.actions.1": "10"}, "a name that could be an index", "names.actions[1]")
case("names-twice", NAMED, {"names.states.1": "calm"}, "two states of one name", "names.states[1]", "names.states")
case("names-empty", NAMED, {"names.states.1": ""}, "a name without characters", "names.states[1]")
case("names-line", NAMED, {"names.states.1": "a\nb"}, "a name of two lines", "names.states[1]")
case("names-unknown", NAMED, {"environment.transitions.0.0": "clam"}, "no state has this name", "environment.transitions[0][0]")
case("names-of-action", NAMED, {"environment.transitions.0.0": "buy"}, "an action where a state belongs", "environment.transitions[0][0]")
case("names-in-formula", NAMED, {"environment.definitions.q": "pi[calm,sell]"}, "no action has this name", "environment.definitions.q")
case("names-unquoted", NAMED, {"environment.definitions.q": "pi[busy day,buy]"}, "a name with a space needs quotation marks", "environment.definitions.q")
case("grid-initial-length", GRID, {"initial": [1] + [0] * 62}, "63 entries for 64 states", "initial")


# what the new keys have to be
def with_terminal(**changes):
    """The second state ends the episode."""
    return copy.deepcopy(BASE) | {"terminal": [1]} | changes


MASK = copy.deepcopy(BASE) | {"available": [[1, 1], [1, 1]]}
ENTRIES = in_environment({"kind": "fixed", "transitions": [[0, 0, 0, 0.5], [0, 0, 1, 0.5], [0, 1, 1, 1], [1, 0, 0, 0.25], [1, 0, 1, 0.75], [1, 1, 0, 1]],
                          "rewards": [[1.0, 0.0], [0.0, 2.0]], "next_rewards": [[0, 0, 1, 2]]})
case("terminal-range", with_terminal(), {"terminal": [2]}, "state 2 of 2", "terminal[0]")
case("terminal-negative", with_terminal(), {"terminal": [0, -1]}, "a negative index", "terminal[1]")
case("terminal-fraction", with_terminal(), {"terminal": [0.5]}, "an index must be an integer", "terminal[0]")
case("terminal-boolean", with_terminal(), {"terminal": [True]}, "a boolean where an index is expected", "terminal[0]")
case("terminal-string", with_terminal(), {"terminal": ["1"]}, "an index must be an integer, not a numeral", "terminal[0]")
case("terminal-repeated", with_terminal(), {"terminal": [1, 1]}, "state 1 occurs twice", "terminal[1]", "terminal[0]")
case("terminal-number", with_terminal(), {"terminal": 1}, "a number where an array is expected", "terminal")
case("terminal-null", with_terminal(), {"terminal": None}, "null where an array is expected", "terminal")
case("terminal-mask", with_terminal(), {"terminal": [False, True]}, "a list of states is expected, not a mask", "terminal[0]")
case("terminal-other-row-zero", with_terminal(), {"environment.transitions.0.1": [0, 0]}, "a row of zeros in a state that is not terminal",
     "environment.transitions[0][1]")
case("zero-row", BASE, {"environment.transitions.1.0": [0, 0]}, "a row of zeros, and no terminal state", "environment.transitions[1][0]")
case("available-states", MASK, {"available": [[1, 1]]}, "one state, the policy has two", "available")
case("available-actions", MASK, {"available": [[1, 1], [1, 1, 1]]}, "three actions, the policy has two", "available[1]")
case("available-short", MASK, {"available": [[1, 1], [1]]}, "one action, the policy has two", "available[1]")
case("available-flat", MASK, {"available": [1, 1]}, "a number where an array is expected", "available[0]", "available")
case("available-word", MASK, {"available": [[1, "yes"], [1, 1]]}, "neither true nor false", "available[0][1]")
case("available-two", MASK, {"available": [[1, 2], [1, 1]]}, "neither 1 nor 0", "available[0][1]")
case("available-null", MASK, {"available": [[1, 1], [None, 1]]}, "neither true nor false", "available[1][0]")
case("available-object", MASK, {"available": {}}, "an object where an array is expected", "available")
case("no-action-mask", MASK, {"available": [[1, 1], [0, 0]]}, "a state without action that is not terminal", "available[1]", "policy.logits[1]")
case("no-action-null", BASE, {"policy.logits.1": [None, None]}, "a state without action that is not terminal", "policy.logits[1]")
case("no-action-empty", BASE, {"policy.logits.1": []}, "a state without action that is not terminal", "policy.logits[1]")
case("no-action-between", BASE, {"policy.logits.1": [0.5, None], "environment.rewards.1": [None, 2.0]},
     "the policy lacks action 1 and the rewards lack action 0, so that state 1 has none", "policy.logits[1]", "environment.rewards[1]")
case("missing-probability", BASE, {"policy": {"kind": "probabilities", "values": [[0.5, 0.5], [0.5, 0.5]]}, "environment.rewards.1": [0.0, None]},
     "a probability that is not 0 of an action that is not there", "policy.values[1][1]", "environment.rewards[1][1]")
case("missing-probability-mask", MASK, {"policy": {"kind": "probabilities", "values": [[0.25, 0.75], [0.5, 0.5]]}, "available": [[0, 1], [1, 1]]},
     "a probability that is not 0 of an action that is not there", "policy.values[0][0]", "available[0][0]")
case("missing-probabilities-sum", BASE, {"policy": {"kind": "probabilities", "values": [[0.5, 0.5], [0.5]]}}, "sums to 0.5", "policy.values[1]")
case("total-half-more", BASE, {"gamma": "3/2"}, "gamma must not be above 1", "gamma")
case("total-for-ever", BASE, {"gamma": 1}, "no state ends the episode", "gamma", "environment.transitions")
case("total-trap", with_terminal(gamma=1), {"environment.transitions.0": [[1, 0], [1, 0]]}, "from state 0 the episode never ends", "gamma",
     "environment.transitions")
case("total-trap-of-policy", with_terminal(gamma=1), {"policy": {"kind": "probabilities", "values": [[0, 1], [1, 0]]},
                                                       "environment.transitions.0": [[0, 1], [1, 0]]},
     "with this policy the episode never ends from state 0", "gamma", "environment.transitions")
case("total-rest-entropy", BASE, {"gamma": 1, "entropy": 0.5, "environment.transitions.1": [[0, 1], [0, 1]], "environment.rewards.1": [0, 0]},
     "entropy is paid for ever in state 1", "gamma", "environment.transitions")
case("total-rest-rewards", BASE, {"gamma": 1, "environment.transitions.1": [[0, 1], [0, 1]], "environment.rewards.1": [0, 1e-300]},
     "something is paid for ever in state 1", "gamma", "environment.transitions")
T = "environment.transitions"
case("entries-sum", ENTRIES, {"environment.transitions.4.3": 0.5}, "P(.|s=1,a=0) sums to 0.75", T)
case("entries-no-row", ENTRIES, {"environment.transitions": [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 0, 1]]}, "P(.|s=1,a=0) sums to 0", T)
case("entries-repeated", ENTRIES, {"environment.transitions.1": [0, 0, 0, 0.5]}, "the entry (0,0,0) occurs twice", "environment.transitions[1]",
     "environment.transitions[0]")
case("entries-state", ENTRIES, {"environment.transitions.3.0": 2}, "state 2 of 2", "environment.transitions[3][0]")
case("entries-action", ENTRIES, {"environment.transitions.3.1": 2}, "action 2 of 2", "environment.transitions[3][1]")
case("entries-next-state", ENTRIES, {"environment.transitions.3.2": -1}, "a negative index", "environment.transitions[3][2]")
case("entries-negative", ENTRIES, {"environment.transitions.3.3": -0.25, "environment.transitions.4.3": 1.25}, "a negative probability",
     "environment.transitions[3][3]", "environment.transitions[4][3]")
case("entries-length", ENTRIES, {"environment.transitions.3": [1, 0, 0]}, "three items where four are expected", "environment.transitions[3]")
case("entries-word", ENTRIES, {"environment.transitions.3.3": "half"}, "a string that is not a numeral", "environment.transitions[3][3]")
case("entries-index-fraction", ENTRIES, {"environment.transitions.3.2": 0.5}, "an index must be an integer", "environment.transitions[3][2]")
case("next-rewards-range", ENTRIES, {"environment.next_rewards.0.2": 2}, "state 2 of 2", "environment.next_rewards[0][2]")
case("next-rewards-length", ENTRIES, {"environment.next_rewards.0": [0, 0, 2]}, "three items where four are expected", "environment.next_rewards[0]")
case("entries-no-rewards", ENTRIES, {"environment.rewards": ABSENT, "environment.next_rewards": ABSENT}, "missing key", "environment.rewards")


def files(dump):
    index = []
    for name, content, reason, path, also in CASES:
        text = content if isinstance(content, bytes) else content.encode("utf-8")
        entry = {"file": f"{name}.json", "reason": reason, "path": path}
        index.append(entry | ({"also": also} if also else {}))
        yield f"invalid/{name}.json", text
    assert len({e["file"] for e in index}) == len(index) >= 40
    yield "invalid/index.json", dump(index) + "\n"
