"""Holds a printed answer against an independent evaluation, entry by entry, bound by bound (docs/oracle.md, Answer)."""
import math

from flint import arb, ctx, fmpq

from episodes import trapped
from evaluate import FIRST_BITS, MOST_BITS, evaluations, overflows
from numerals import LARGEST, Malformed, fraction, from_fraction_text, leaves, nearest, rational

QUANTITIES = ["value", "state_values", "action_values", "occupancy", "gradient"]
TERMS = ["policy", "transition", "reward", "entropy"]
KEYS = {"format", "gradient_terms", "error_bounds", "smooth", *QUANTITIES}
NOTHING = arb(2) ** -2400             # a radius below which an error that a bound of 0 denies is taken to be none
LARGE = 12                            # states from which on fewer bits have to do
LARGE_BITS = 3072


def entries(x):
    """The leaves of a quantity: a number, nested lists or the four terms."""
    return list(leaves(list(x.values()) if isinstance(x, dict) else x))


class Verdict:
    """What was found: failures (sentences), ratios {quantity: error / bound}, and notes that are no failures."""

    def __init__(self):
        self.failures, self.ratios, self.notes = [], {}, []

    def fail(self, sentence):
        self.failures.append(sentence)


# ------------------------------------------------------------------------------------------------- the form

def malformed(answer, problem, number):
    """Why an object is no answer to a problem, or None. `number` says whether a leaf is a number as it should be."""
    S, A, K = problem.policy.n_states, problem.policy.n_actions, problem.policy.n_parameters
    keys = set(answer) - {"kink"}
    if keys != KEYS:
        return f"keys: {sorted(keys ^ KEYS)} missing or unknown"
    if answer["format"] != "pemdp-answer/1" or list(answer["gradient_terms"]) != TERMS:
        return "format or gradient_terms"
    shapes = {"value": (), "state_values": (S,), "action_values": (S, A), "occupancy": (S, A), "gradient": (K,)}
    for key, shape in shapes.items():
        if not shaped(answer[key], shape):
            return f"{key} has another shape"
    if not all(shaped(answer["gradient_terms"][term], (K,)) for term in TERMS):
        return "gradient_terms have another shape"
    bounds = answer["error_bounds"]
    if set(bounds) != {*QUANTITIES, "covers"} or bounds["covers"] not in ("problem", "induced-mdp"):
        return "error_bounds"
    numbers = [x for key in (*QUANTITIES, "gradient_terms") for x in entries(answer[key]) if x is not None]
    for x in numbers + [bounds[key] for key in QUANTITIES]:
        if not number(x):
            return f"{x!r} is not a number"
    if not isinstance(answer["smooth"], bool) or ("kink" in answer) == answer["smooth"]:
        return "smooth and kink contradict each other"
    return None


def shaped(x, shape):
    if not shape:
        return not isinstance(x, list)
    return isinstance(x, list) and len(x) == shape[0] and all(shaped(y, shape[1:]) for y in x)


def is_double(x):
    return isinstance(x, float) and math.isfinite(x)


def is_fraction(x):
    return isinstance(x, str) and from_fraction_text(x) is not None


# ------------------------------------------------------------------------------------------------ doubles

class Comparison:
    """The errors of one quantity: the largest entry's, or the sum of all (occupancy). Exempt entries, whose derivative
    is not unique, have only to be possible."""

    def __init__(self, key, printed, bound, exempt=()):
        self.key, self.printed, self.bound, self.exempt = key, entries(printed), bound, set(exempt)
        self.summed, self.open, self.wrong, self.ratio = key == "occupancy", True, [], 0.0

    def hold(self, truth, rational, bits):
        """Compares with one evaluation; stays open where its bits do not decide."""
        bound = fraction(self.bound) if rational else arb(self.bound)
        errors = []
        for k, (x, y) in enumerate(zip(self.printed, entries(truth))):
            if (x is None) != (y is None):
                self.wrong.append((k, x, y, None))
            elif x is not None:
                errors.append((k, x, y, abs(y - (fraction(x) if rational else arb(x)))))
        if self.summed:
            errors = [(None, None, None, sum((e for *_, e in errors), fmpq(0) if rational else arb(0)))]
        undecided = [e for k, _, _, e in errors if not (e <= bound or e > bound) and k not in self.exempt]
        self.wrong += [entry for entry in errors if entry[3] > bound]
        self.open = any(not self.forgiven(e, bits) for e in undecided)
        if not self.open:
            self.ratio = max((self.share(e) for k, _, _, e in errors if k not in self.exempt), default=0.0)

    def forgiven(self, error, bits):
        """A bound of 0 can be denied by a ball, but not confirmed."""
        return self.bound == 0 and error.contains(0) and bits >= 3072 and error.upper() < NOTHING

    def share(self, error):
        if self.bound == 0:
            return 0.0 if not error > 0 else math.inf
        return nearest(error / (arb(self.bound) if isinstance(error, arb) else fraction(self.bound)))


def examine(problem, answer):
    """A `Verdict` on the printed doubles of an answer."""
    verdict = Verdict()
    flaw = malformed(answer, problem, is_double)
    if flaw:
        verdict.fail(flaw)
        return verdict
    bounds = answer["error_bounds"]
    covered = bounds["covers"] == "problem"
    if covered != answer["smooth"]:
        verdict.fail(f"covers says {bounds['covers']} where smooth is {answer['smooth']}")
    if problem.gamma == 1 and judge_end(problem) == "true":
        verdict.fail("an answer where an episode never ends")
        return verdict
    if any(bounds[key] < 0 for key in QUANTITIES):
        verdict.fail("a bound is negative")
    by_branch = not covered and problem.kind == "gridworld"        # the gradient of one choice among tied actions
    quantities = QUANTITIES[:-1] if by_branch else QUANTITIES
    pending = [(key, key) for key in quantities] + ([] if by_branch else [("gradient_terms", "gradient")])
    comparisons, evaluation, kinks = None, None, []
    most = LARGE_BITS if problem.policy.n_states >= LARGE else MOST_BITS
    for evaluation in evaluations(problem, most):
        rational, bits = evaluation.arithmetic.rational, ctx.prec
        kinks = evaluation.follower_kinks()
        if kinks and bits < 8 * FIRST_BITS:
            continue                                               # more bits may tell the tied actions apart
        if not rational and bits < most and unlisted(problem, answer, evaluation):
            continue                                               # or a reward from the edge of its clip
        truth, exempt = evaluation.answer(), evaluation.open_parameters()
        if comparisons is None:
            comparisons = [Comparison(key, answer[key], bounds[bound], spread(key, exempt, problem))
                           for key, bound in pending if not (kinks and bound == "gradient")]
        for comparison in comparisons:
            if comparison.open:
                comparison.hold(truth[comparison.key], rational, bits)
        if not any(comparison.open for comparison in comparisons):
            break
    if comparisons is None:
        verdict.notes.append("undecided: the matrix could not be inverted")
        return verdict
    for comparison in comparisons:
        report(comparison, verdict)
    check_kinks(verdict, problem, answer, evaluation, kinks)
    return verdict


def spread(key, exempt, problem):
    """The flat indices of the entries of a quantity that belong to parameters whose derivative is not unique."""
    if key == "gradient":
        return exempt
    if key == "gradient_terms":
        return [TERMS.index("reward") * problem.policy.n_parameters + k for k in exempt]
    return ()


def report(comparison, verdict):
    """Turns what was found wrong into sentences."""
    key = comparison.key
    for k, x, y, error in comparison.wrong[:1]:
        if error is None:
            verdict.fail(f"{key}: {x} where {shown(y)} is right")
        elif k is None:
            verdict.fail(f"{key}: the 1-norm of the error is {shown(error)}, bound {comparison.bound}")
        else:
            verdict.fail(f"{key}[{k}]: {x!r} is off by {shown(error)}, bound {comparison.bound}; right is {shown(y)}")
        verdict.ratios[key] = math.inf if comparison.bound == 0 or error is None else comparison.share(error)
    if not comparison.wrong:
        verdict.ratios[key] = comparison.ratio
    if comparison.open and not comparison.wrong:
        verdict.notes.append(f"undecided: {key}")


def shown(x):
    if isinstance(x, fmpq):
        x = arb(x)
    return "null" if x is None else x.str(17, radius=False)


def unlisted(problem, answer, evaluation):
    """The parameters whose reward cannot be told from the edge of its clip, though no kink says so."""
    if problem.kind == "formulas":                                 # which formula is not held against anything
        return [] if "kink" in answer else evaluation.open_parameters()
    listed = {tuple(kink["clip"]) for kink in answer.get("kink", []) if "clip" in kink}
    return [k for k in evaluation.open_parameters() if tuple(int(i) for i in problem.policy.pair(k)) not in listed]


def check_kinks(verdict, problem, answer, evaluation, kinks):
    """The kinks that are reported are those that there are."""
    edges = evaluation.open_parameters()
    for k in unlisted(problem, answer, evaluation):
        verdict.fail(f"the reward of parameter {k} is on the edge of its clip, and no kink says so")
    if kinks and answer["smooth"]:
        verdict.fail(f"followers' ties {kinks[:3]} are no kinks in the answer")
    # Formulas of probabilities below all doubles may be closer than the digits of the program tell, and so may what followers
    # choose between where they are that small, or cells are.
    least = arb(2) ** -1000
    undecided = problem.kind in ("formulas", "gridworld") and any(abs(p) < least for row in evaluation.pi for p in row)
    if problem.kind == "gridworld":
        world = problem.environment
        undecided |= any(0 < abs(x) < fmpq(1, 2 ** 900) for grid in world.grids for x in grid)
        undecided |= world.world.cost == 0                          # leaving a move alone may be worth what every move is
    if not answer["smooth"] and not edges and not kinks and not undecided:
        verdict.fail("a kink is reported where the answer is smooth")


# ------------------------------------------------------------------------------------------------ fractions

def examine_exact(problem, answer):
    """A `Verdict` on an answer in fractions: equality, but for derivatives that are open."""
    verdict = Verdict()
    flaw = malformed(answer, problem, is_fraction)
    if flaw:
        verdict.fail(flaw)
        return verdict
    if any(answer["error_bounds"][key] != "0" for key in QUANTITIES):
        verdict.fail("error_bounds are not 0")
    if problem.gamma == 1 and judge_end(problem) == "true":
        verdict.fail("an answer where an episode never ends")
        return verdict
    evaluation, = evaluations(problem)
    truth, edges = evaluation.answer(), evaluation.open_parameters()
    for key in (*QUANTITIES, "gradient_terms"):
        if edges and key.startswith("gradient"):
            continue
        for k, (x, y) in enumerate(zip(entries(answer[key]), entries(truth[key]))):
            if (from_fraction_text(x) if x is not None else None) != y:
                verdict.fail(f"{key}[{k}]: {x} where {y} is right")
                break
    if problem.kind != "formulas" and not answer["smooth"]:
        verdict.fail("a kink where everything is rational")
    if problem.kind == "formulas" and edges and answer["smooth"]:
        verdict.fail("a corner is no kink in the answer")
    return verdict


# ------------------------------------------------------------------------------------------------ refusals

def row_sums(problem):
    """Row sums of what has to be a distribution, where they stand in the file."""
    environment = problem.environment
    shape = problem.shape
    table = [] if problem.policy.normalised else [row for s, row in enumerate(problem.policy.table) if shape.actions(s)]
    rows = [problem.initial, *table]
    if problem.kind in ("fixed", "explicit"):
        rows += [row for s, state in enumerate(environment.transitions) for a, row in enumerate(state)
                 if s not in shape.over and (s, a) not in shape.absent]
    return [sum((x for x in row if x is not None), fmpq(0)) for row in rows]


def numerals(problem):
    """Every number of the file."""
    for x in leaves(list_of(problem.data)):
        try:
            yield rational(x, problem.exact)
        except Malformed:
            pass


def list_of(x):
    """Objects as lists of their values."""
    return [list_of(y) for y in (x.values() if isinstance(x, dict) else x)] if isinstance(x, (dict, list)) else x


def judge(problem, message):
    """Whether the reason of a refusal is "true", "false" or "unknown" for a problem that means something."""
    if "at this policy" in message and "cannot be told" not in message:    # random rows are rows, random divisors positive
        return "false"
    if "NaN" in message:
        return "false"                                              # nothing in a file is no number
    if "of the answer is about" in message:
        return judge_overflow(problem)
    if "could not be bounded" in message or "cannot be told from 0" in message or "the optimum is" in message:
        return "unknown"
    if "as a double, expected below 1" in message:
        return "true" if nearest(problem.gamma) >= 1 else "false"
    if "range of doubles" in message:
        return "true" if any(abs(x) > LARGEST for x in numerals(problem)) else "false"
    if "never ends" in message:
        return judge_end(problem)
    if "row sum" in message or "singular" in message:
        return judge_discount(problem)
    if "sum" in message and problem.kind != "affine":
        slack = fmpq(0) if problem.exact else fmpq(1, 10 ** 9)
        return "true" if any(abs(x - 1) > slack for x in row_sums(problem)) else "false"
    if "not rational" in message or "exact arithmetic" in message or "--exact" in message:
        return "false" if problem.is_rational() else "true"
    return "unknown"


def judge_overflow(problem):
    """Whether some quantity, or the sum of the occupancy's bound, is beyond the largest double."""
    evaluation = None
    for evaluation in evaluations(problem, LARGE_BITS):
        numbers = [x for x in (y for part in evaluation.answer().values() for y in entries(part)) if x is not None]
        if any(overflows(x) for x in numbers):
            return "true"
        if evaluation.arithmetic.rational or all(x.is_finite() and x.rad() < 1 for x in numbers):
            return "false"
    return "false" if evaluation is not None else "unknown"


def judge_end(problem):
    """Whether there is a state from which the policy never comes to an end."""
    for evaluation in evaluations(problem, FIRST_BITS):
        return "true" if trapped(evaluation.P, evaluation.pi, problem.shape.over) else "false"
    return "true"                                                  # the matrix is singular


def judge_discount(problem):
    """Whether gamma times the largest row sum reaches 1 (a row of the kernel, or mixed with a policy's row)."""
    kernel = max((x for x in row_sums(problem)[1:]), default=fmpq(1))
    return "true" if problem.gamma * max(kernel, kernel * kernel) >= 1 else "false"
