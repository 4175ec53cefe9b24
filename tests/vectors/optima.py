"""Problems whose performative optimum is known: by a closed form, or by policy iteration in fractions.

Each becomes `optimum/NAME.json`, `"format": "pemdp-optimum-vector/1"`, with the two doubles around the exact optimum.
"""
import math
from fractions import Fraction as F

from problems import affine, coin, family, fixed, loan, probabilities, problem, softmax

OPTIMA = []                                                   # (name, comment, problem, exact optimum)


def optimum(name, comment, data, value):
    OPTIMA.append((name, comment, {"format": "pemdp-problem/1"} | data, F(value)))


def exact(x):
    return F(x) if isinstance(x, str) else F(float(x))


def by_policy_iteration(data):
    """The best value of a fixed environment: improve while an action is better, in fractions."""
    gamma, rewards = exact(data["gamma"]), data["environment"]["rewards"]
    rows = [[{t: exact(p) for t, p in enumerate(row) if exact(p)} for row in state] for state in data["environment"]["transitions"]]
    n, choice = len(rows), [0] * len(rows)
    while True:
        v = solve([[F(s == t) - gamma * rows[s][choice[s]].get(t, 0) for t in range(n)] for s in range(n)],
                  [exact(rewards[s][choice[s]]) for s in range(n)])
        q = [[exact(rewards[s][a]) + gamma * sum(p * v[t] for t, p in row.items()) for a, row in enumerate(rows[s])] for s in range(n)]
        better = [max(range(len(q[s])), key=lambda a: (q[s][a], a == choice[s])) for s in range(n)]
        if better == choice:
            return sum(exact(p) * x for p, x in zip(data["initial"], v))
        choice = better


def solve(matrix, b):
    """Gauss with the diagonal for pivots: the matrix is diagonally dominant."""
    n, rows = len(b), [row + [y] for row, y in zip(matrix, b)]
    for k in range(n):
        pivot = rows[k]
        for row in rows[k + 1:]:
            if row[k]:
                factor = row[k] / pivot[k]
                row[k:] = [x - factor * y if y else x for x, y in zip(row[k:], pivot[k:])]
    x = [F(0)] * n
    for k in reversed(range(n)):
        x[k] = (rows[k][n] - sum(rows[k][j] * x[j] for j in range(k + 1, n) if rows[k][j])) / rows[k][k]
    return x


def fixed_problem(name, comment, data):
    optimum(name, comment, data, by_policy_iteration(data))


def row(n, **targets):
    return [targets.get(f"to{t}", 0) for t in range(n)]


def uniform(n, a):
    return softmax(*[[0] * a] * n)


def chain(n):
    """Walk or stay; only staying at the end pays."""
    moves = [[row(n, **{f"to{(s + 1) % n}": 1}), row(n, **{f"to{s}": 1})] for s in range(n)]
    return problem(0.9, uniform(n, 2), fixed(moves, [[0, int(s == n - 1)] for s in range(n)]), [1] + [0] * (n - 1))


def forest(n):
    """Wait or cut; a fire burns down one forest in a hundred."""
    wait = [row(n, **{"to0": 0.01, f"to{min(s + 1, n - 1)}": 0.99}) for s in range(n)]
    rewards = [[0, int(s > 0)] for s in range(n - 1)] + [[100, 20]]
    return problem(0.9, uniform(n, 2), fixed([[w, row(n, to0=1)] for w in wait], rewards), [str(F(1, n))] * n)


def cliff(height, width):
    """Up, right, down, left at -1 a step; a step off the cliff in the last row costs 100 and leads back to the start."""
    n, start, goal = height * width + 1, (height - 1) * width, height * width - 1
    rows, rewards = [], []
    for s in range(n):
        rows.append([])
        rewards.append([])
        for di, dj in ((-1, 0), (0, 1), (1, 0), (0, -1)):
            i, j = min(max(s // width + di, 0), height - 1), min(max(s % width + dj, 0), width - 1)
            t, r = i * width + j, -1
            if s >= goal:
                t, r = n - 1, 0
            elif i == height - 1 and 0 < j < width - 1:
                t, r = start, -100
            rows[s].append(row(n, **{f"to{t}": 1}))
            rewards[s].append(r)
    return problem(0.99, uniform(n, 4), fixed(rows, rewards), [int(s == start) for s in range(n)])


HUGE = 10 ** 200

optimum("gamma-text", "A discount factor that is 1 as a double: every policy is worth 1/(1 - gamma).",
        problem("0.999999999999999999", softmax([0]), family([0], [[1]]), [1]), 10 ** 18)
optimum("dominated-products", "pi_0 3440000 + pi_1 pi_2 4320000: the product is at most 1/4 of its factor, so pi_0 = 1.",
        problem(0, uniform(1, 4), affine([[[1]] * 4], [[3440000, 0, 0, 0]], [], [[0, 2, 0, 1, 4320000]]), [1]), 3440000)
optimum("huge-rewards", "Rewards of 1e200, whose differences are the smaller part of them; slopes that add up to less than 0.",
        problem("1/2", uniform(1, 3), affine([[[1]] * 3], [[str(2 * HUGE), str(-354 * HUGE), 0]], [], [
            [0, 1, 0, 2, f"{206 * HUGE}/37"], [0, 1, 0, 2, str(-2 * HUGE)]]), [1]), 4 * HUGE)
optimum("huge-loan", "p (q0 - c p) gain/(1 - gamma) at p = q0/(2 c) is gain q0^2/(4 c (1 - gamma)).",
        problem(0.75, uniform(1, 2), loan("bandit", "9/20", "43/140", 1e200, 0), [1]),
        F(1e200) * F(9, 20) ** 2 / (4 * F(43, 140) * F(1, 4)))
optimum("coin", "-1/4 + 2 mu x - (1 - 2 epsilon) x^2 at x = mu/(1 - 2 epsilon) = -1/40.",
        problem("99/100", uniform(1, 2), coin("-1/20", "-1/2"), [1]), 100 * (-F(1, 4) + F(1, 20) ** 2 / 2))
optimum("ruinous-loan", "A loss of 1e300 a loan that is not paid back: no loan is the best.",
        problem(0.999999999999, probabilities([0.5, 0.5], [0, 1], ["0.0937", "0.9063"], ["2/7", "5/7"]),
                loan("mdp", 0.75, 0.75, 1, 1e300)), 0)
fixed_problem("huge-fixed", "Rewards of 1e200 to 1e202 at gamma 0; all that counts is 0.",
              problem(0, uniform(2, 3), fixed([[["1/2", "1/2"], ["4/5", "1/5"], ["135/253", "118/253"]],
                                               [["3/4", "1/4"], [0, 1], ["773/908", "135/908"]]],
                                              [[str(476 * HUGE), str(-718 * HUGE), str(-20 * HUGE)], [0, str(-20 * HUGE), 0]]), [0, 1]))
fixed_problem("chain-65", "Sixty-five states: walk 64 steps, then stay.", chain(65))
fixed_problem("forest-30", "Wait until the forest is old, or cut at once.", forest(30))
fixed_problem("cliff-4x8", "Along the cliff to the goal.", cliff(4, 8))


def ends(x):
    """The doubles next below and above, the same where x is one."""
    near = x.numerator / x.denominator
    if F(near) == x:
        return near, near
    return (near, math.nextafter(near, math.inf)) if F(near) < x else (math.nextafter(near, -math.inf), near)


def files(dump):
    for name, comment, data, value in OPTIMA:
        lower, upper = ends(value)
        yield f"optimum/{name}.json", dump({"format": "pemdp-optimum-vector/1", "name": name, "comment": comment, "problem": data,
                                            "optimum": {"lower": lower, "upper": upper}}) + "\n"
