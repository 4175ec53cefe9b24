"""The second source: another evaluation of the same problems that shares no code and no formula with reference.py.

Values are truncated power series sum_n (gamma P_pi)^n r_pi (doubled by squaring, or summed term by term on the gridworld)
with a bound on the tail. Doubling takes it from the power at hand: where v is the sum of N terms of M and q < 1 the norm of M^N, the rest is
sum_k M^(kN) v, at most q / (1 - q) |v|, which holds without discounting too. Followers are solved by value iteration, and derivatives are central differences of
such values in many digits. A gradient term is the difference quotient that moves the parameters in one place only:
in the policy's averages, in P, in r, or in log pi.

Everything is in Decimal, and a `weights` policy is softmax(log w) here: rational problems are checked by irrational
arithmetic.
"""
import json
import re
from decimal import Decimal, getcontext
from fractions import Fraction

ZERO, ONE = Decimal(0), Decimal(1)


def lift(x):
    if isinstance(x, list):
        return [lift(y) for y in x]
    if isinstance(x, str):
        x = Fraction(x)
        return Decimal(x.numerator) / Decimal(x.denominator)
    return None if x is None else +Decimal(float(x))


class Table(dict):
    """`pi[0,1]` and `load[0]`, whose indices are Decimals like all numbers of a formula."""

    def __missing__(self, index):
        whole = tuple(map(int, index)) if isinstance(index, tuple) else int(index)
        if whole == index and type(whole) is type(index):
            raise KeyError(index)
        return self[whole]


def logistic(x):
    return 1 / (1 + (-x).exp())


LANGUAGE = {"exp": Decimal.exp, "log": Decimal.ln, "sqrt": Decimal.sqrt, "sigmoid": logistic, "D": Decimal,
            "tanh": lambda x: 2 * logistic(2 * x) - 1, "min": min, "max": max, "abs": abs}


class Names(dict):
    """Constants as numbers and definitions as formulas, worked out when they are asked for."""

    def __init__(self, environment, of_policy):
        super().__init__(LANGUAGE | of_policy)
        self.constants, self.definitions = environment.get("constants", {}), environment.get("definitions", {})

    def __missing__(self, name):
        def worked_out(x, evaluate, at=()):
            if isinstance(x, list):
                parts = [worked_out(y, evaluate, at + (i,)) for i, y in enumerate(x)]
                return Table(item for part in parts for item in part.items())
            return Table({at[0] if len(at) == 1 else at: evaluate(x)}) if at else evaluate(x)
        if name in self.constants:
            self[name] = worked_out(self.constants[name], lift)
        else:
            self[name] = worked_out(self.definitions[name], self.value)
        return self[name]

    def value(self, formula):
        if not isinstance(formula, str):
            return lift(formula)
        numbers = re.sub(r"(?<![A-Za-z_0-9.])(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", r"D('\g<0>')", formula)
        return eval(numbers.replace("^", "**").strip(), {"__builtins__": {}}, self)


def normalised(rows):
    return [[x / sum(row) if any(row) else x for x in row] for row in rows]


def square(m):
    n = range(len(m))
    return [[sum((row[k] * m[k][j] for k in n if row[k]), ZERO) for j in n] for row in m]


def in_entries(x):
    """Whether a table is a list of entries: of numbers only, one level below."""
    return x and all(isinstance(e, list) and all(type(y) in (int, float, str) for y in e) for e in x)


def without_names(data):
    """Names of states and actions, all of them different here, become their numbers wherever they stand."""
    number = {name: i for names in data.pop("names").values() for i, name in enumerate(names)}

    def plain(x):
        if isinstance(x, dict):
            return {key: plain(y) for key, y in x.items()}
        if isinstance(x, list):
            return [plain(y) for y in x]
        if not isinstance(x, str):
            return x
        if x in number:
            return number[x]
        for name in sorted(number, key=len, reverse=True):
            x = re.sub(rf"([\[,]\s*)(?:'{re.escape(name)}'|{re.escape(name)})(?=\s*[,\]])", rf"\g<1>{number[name]}", x)
        return x

    return plain(data)


class Check:
    """One problem. `pi`, `log_pi`, `response` are functions of the flat parameter vector; `start` is where we are."""

    def __init__(self, text, digits=250):
        getcontext().prec = digits
        data = json.loads(text)
        if "names" in data:
            data = without_names(data)
        self.digits, self.kind = digits, data["policy"]["kind"]
        self.environment = data["environment"]
        self.gamma, self.lam = lift(data["gamma"]), lift(data.get("entropy", 0))
        policy = data["policy"]
        rows = policy[{"log-linear": "features", "softmax": "logits"}.get(self.kind, "values")]
        self.S, self.A = len(rows), max(len(row) for row in rows)
        self.over = set(data.get("terminal", []))
        self.missing = self.actions_missing(rows, data.get("available"))
        rows = [[[] if (s, a) in self.missing else lift(row[a]) for a in range(self.A)] for s, row in enumerate(rows)]
        if self.kind == "log-linear":
            self.features, self.start = rows, lift(policy["theta"])
        else:
            self.start = [ZERO if x == [] else x.ln() if self.kind == "weights" else x for row in rows for x in row]
        self.prepare()
        self.initial = lift(data["initial"]) if "initial" in data else self.default_initial()
        self.cache = {}
        if self.gamma == 1 and self.environment["kind"] == "fixed":
            self.over |= set(self.at_rest())

    def actions_missing(self, policy, available):
        """The pairs that are null, or beyond the end of a row, in some table, or said not to be there."""
        e, pairs = self.environment, {(s, a) for s in range(self.S) for a in range(self.A)}
        tables = [policy] + [t for t in (available, e.get("reward", {}).get("base")) if t]
        rows = []                                           # of these the rows of a state where the episode is over say nothing
        if e["kind"] != "formulas":
            tables += [e["rewards"]] if "rewards" in e else []
            rows = [e[key] for key in ("transitions", "base_logits", "base_weights") if key in e and not in_entries(e[key])]

        def there(table, s, a):
            return len(table[s] or []) > a and table[s][a] is not None and (table is not available or table[s][a])

        return {(s, a) for s, a in pairs if not all(there(t, s, a) for t in tables)
                or s not in self.over and not all(there(t, s, a) for t in rows)}

    def at_rest(self):
        """The states that nothing leaves and in which nothing is paid."""
        p, r = self.response(self.start)
        for s in range(self.S):
            own = [a for a in range(self.A) if (s, a) not in self.missing]
            silent = not self.lam or len(own) == 1
            if own and silent and all(p[s][a][s] == 1 and sum(p[s][a]) == 1 and not r[s][a] for a in own):
                yield s

    def filled(self, table, nothing, but=()):
        """A table with `nothing` for the actions that are missing, and in the states `but`."""
        return [[nothing if (s, a) in self.missing or s in but else lift(table[s][a]) for a in range(self.A)] for s in range(self.S)]

    def prepare(self):
        e = self.environment
        self.tables = {key: lift(e[key]) for key in ("psi", "mu", "epsilon", "q0", "c", "gain", "loss") if key in e}
        if e["kind"] == "formulas":
            return
        nowhere, t = [ZERO] * self.S, self.tables
        for key in ("transitions", "base_logits", "base_weights"):
            if key in e and not in_entries(e[key]):
                t[key] = self.filled(e[key], nowhere, self.over)
        if "transitions" in e and "transitions" not in t:
            t["transitions"] = self.spread(e["transitions"])
        self.base = e.get("rewards", e.get("reward", {}).get("base"))
        if self.base is not None:
            by_next = any(isinstance(x, list) for row in self.base for x in row or [])
            self.base = t["rewards"] = self.filled(self.base, nowhere if by_next else ZERO)
        if "next_rewards" in e:
            # r(s,a) counts whatever comes next, also where nothing does
            own, by_next = self.base or [[ZERO] * self.A] * self.S, self.spread(e["next_rewards"])
            t["rewards"], self.alone = by_next, own

    def spread(self, entries):
        table = [[[ZERO] * self.S for _ in range(self.A)] for _ in range(self.S)]
        for s, a, t, x in entries:
            table[s][a][t] += lift(x)
        return table

    def default_initial(self):
        n = 4 if self.environment.get("form") == "mdp" else 1
        return [ONE] + [ZERO] * (n - 1)

    # the model, as functions of the parameters

    def log_weights(self, x):
        if self.kind == "log-linear":
            return [[sum((f * t for f, t in zip(row, x)), ZERO) for row in state] for state in self.features]    # [] if missing
        return [x[i:i + self.A] for i in range(0, len(x), self.A)]

    def pi(self, x):
        rows = self.log_weights(x)
        if self.kind == "probabilities":
            return [[ZERO if (s, a) in self.missing else y for a, y in enumerate(row)] for s, row in enumerate(rows)]
        tops = [max([y for a, y in enumerate(row) if (s, a) not in self.missing], default=ZERO) for s, row in enumerate(rows)]
        return normalised([[ZERO if (s, a) in self.missing else (y - tops[s]).exp() for a, y in enumerate(row)]
                           for s, row in enumerate(rows)])

    def log_pi(self, x):
        return [[p.ln() if p > 0 else ZERO for p in row] for row in self.pi(x)]

    def by_formulas(self, e, pi, x):
        states = range(len(pi))
        table = Table({(s, a): p for s in states for a, p in enumerate(pi[s])})
        theta = Table({k: y for k, y in enumerate(x)} | {divmod(k, self.A): y for k, y in enumerate(x)})
        names = Names(e, {"pi": table, "theta": theta})
        p = [[[ZERO] * len(pi) for _ in range(self.A)] for _ in states]
        r = [[ZERO] * self.A for _ in states]
        for s, a, t, formula in e["transitions"]:
            if s not in self.over and (s, a) not in self.missing:
                p[s][a][t] += names.value(formula)
        if e.get("normalise"):
            p = [normalised(rows) for rows in p]
        for s, a, formula in e.get("rewards", []):
            r[s][a] += ZERO if (s, a) in self.missing else names.value(formula)
        for s, a, t, formula in e.get("next_rewards", []):
            r[s][a] += p[s][a][t] * names.value(formula)
        return p, r

    def response(self, x):
        """Dense P[s][a][t] and r[s][a], the mean of r[s][a][t] where a reward has an entry for each next state."""
        p, r = self.own_response(x)
        p = self.ended(p)
        r = [[y if not isinstance(y, list) else sum((q * z for q, z in zip(p[s][a], y)), ZERO)
              for a, y in enumerate(row)] for s, row in enumerate(r)]
        if "next_rewards" in self.environment and self.environment["kind"] == "fixed":
            r = [[y + z for y, z in zip(*rows)] for rows in zip(r, self.alone)]
        return p, [[ZERO if (s, a) in self.missing else y for a, y in enumerate(row)] for s, row in enumerate(r)]

    def ended(self, p):
        """P without what follows the end of an episode, or an action that is not there."""
        return [[[y * (s not in self.over and (s, a) not in self.missing) for y in row] for a, row in enumerate(state)]
                for s, state in enumerate(p)]

    def own_response(self, x):
        e, t, kind = self.environment, self.tables, self.environment["kind"]
        pi = self.pi(x)
        if kind == "fixed":
            return t["transitions"], t["rewards"]
        if kind == "affine":
            p, r = [[list(y) for y in z] for z in t["transitions"]], [list(y) for y in t["rewards"]]
            for s, a, u, s2, a2, m in e.get("transition_slopes", []):
                p[s][a][u] += lift(m) * pi[s2][a2]
            for s, a, s2, a2, m in e.get("reward_slopes", []):
                more = lift(m) * pi[s2][a2]
                r[s][a] = [y + more for y in r[s][a]] if isinstance(r[s][a], list) else r[s][a] + more
            return p, r
        if kind == "explicit":
            step = [y - z for y, z in zip(x, self.start)]
            p, r = [[list(y) for y in z] for z in t["transitions"]], [list(y) for y in t["rewards"]]
            for s, a, u, k, m in e.get("transition_jacobian", []):
                p[s][a][u] += lift(m) * step[k]
            for s, a, k, m in e.get("reward_jacobian", []):
                more = lift(m) * step[k]
                r[s][a] = [y + more for y in r[s][a]] if isinstance(r[s][a], list) else r[s][a] + more
            return p, r
        if kind == "coin":
            theta = (pi[0][0] - pi[0][1]) / 2
            # expected squared loss of the prediction theta X + 1/2 on X = +-1, Y ~ Bernoulli(1/2 + (mu + epsilon theta) X)
            loss = ZERO
            for X in (-1, 1):
                up = ONE / 2 + (t["mu"] + t["epsilon"] * theta) * X
                loss += (up * (1 - theta * X - ONE / 2) ** 2 + (1 - up) * (theta * X + ONE / 2) ** 2) / 2
            return [[[ONE], [ONE]]], [[-loss, -loss]]
        if kind == "loan":
            q = t["q0"] - t["c"] * pi[0][0]
            if e["form"] == "bandit":
                return [[[ONE], [ONE]]], [[t["gain"] * q - t["loss"] * (1 - q), ZERO]]
            back = [[ONE, ZERO, ZERO, ZERO]] * 2
            return ([[[ZERO, q, 1 - q, ZERO], [ZERO, ZERO, ZERO, ONE]], back, back, back],
                    [[ZERO] * 2, [t["gain"]] * 2, [-t["loss"]] * 2, [ZERO] * 2])
        if kind == "formulas":
            return self.by_formulas(e, pi, x)
        reward = e["reward"]
        base, slope, clip = self.base, lift(reward["slope"]), lift(reward.get("clip"))
        theta, p, r = self.log_weights(x), [], []
        for s, row in enumerate(theta):
            p.append([])
            r.append([])
            for a, y in enumerate(row):
                if s in self.over or (s, a) in self.missing:
                    w = [ONE] * self.S                                   # any row: it does not count
                elif "base_weights" in t:
                    w = [b * (z * y).exp() for b, z in zip(t["base_weights"][s][a], t["psi"])]
                else:
                    logits = t["base_logits"][s][a] if "base_logits" in t else [ZERO] * len(base)
                    w = [None if b is None else b + z * y for b, z in zip(logits, t["psi"])]
                    top = max(x for x in w if x is not None)
                    w = [ZERO if x is None else (x - top).exp() for x in w]
                p[s].append([z / sum(w) for z in w])
                if isinstance(base[s][a], list):
                    r[s].append([z + slope * y for z in base[s][a]])
                    continue
                gained = base[s][a] + slope * y
                r[s].append(gained if clip is None else max(-clip, min(clip, gained)))
        return p, r

    # values as power series

    def model(self, x):
        key = tuple(x)
        if key not in self.cache:
            self.cache[key] = (self.pi(x), self.log_pi(x) if self.lam else None) + tuple(self.response(x))
        return self.cache[key]

    def system(self, averages, logs, transitions, rewards):
        """gamma P_pi and r_pi, each ingredient at its own parameters."""
        pi, log_pi = self.model(averages)[0], self.model(logs)[1]
        p, r = self.model(transitions)[2], self.model(rewards)[3]
        b = [sum((w * (r[s][a] - (self.lam * log_pi[s][a] if self.lam and w and s not in self.over else 0))
                  for a, w in enumerate(pi[s])), ZERO) for s in range(self.S)]
        matrix = [[self.gamma * sum((w * row[t] for w, row in zip(pi[s], p[s])), ZERO) for t in range(self.S)]
                  for s in range(self.S)]
        return matrix, b

    @staticmethod
    def series(matrix, b, wanted):
        """sum_n matrix^n b with a tail below 10^wanted max |b|: v <- v + M v, M <- M M doubles the number of terms."""
        v, small = b, Decimal(10) ** wanted * max(abs(x) for x in b)
        for _ in range(300):
            norm = max(sum(abs(x) for x in row) for row in matrix)
            if norm < 1 and norm * max(abs(x) for x in v) <= small * (1 - norm):
                return v
            v = [x + sum((m * y for m, y in zip(row, v) if m), ZERO) for x, row in zip(v, matrix)]
            matrix = square(matrix)
        raise AssertionError("the episode does not end")

    def value(self, *where):
        matrix, b = self.system(*where)
        return sum(p * v for p, v in zip(self.initial, self.series(matrix, b, -self.digits * 4 // 5)))

    def static(self):
        """value, state values, action values, occupancy."""
        x = self.start
        wanted = -self.digits * 4 // 5
        matrix, b = self.system(x, x, x, x)
        v = self.series(matrix, b, wanted)
        pi, log_pi, p, r = self.model(x)
        lam = [ZERO if s in self.over else self.lam for s in range(self.S)]
        q = [[None if (s, a) in self.missing or lam[s] and not pi[s][a] else r[s][a] - (lam[s] * log_pi[s][a] if lam[s] else 0)
              + self.gamma * sum(y * z for y, z in zip(p[s][a], v)) for a in range(self.A)] for s in range(self.S)]
        d = Check.series([list(column) for column in zip(*matrix)], self.initial, wanted)
        return {"value": sum(y * z for y, z in zip(self.initial, v)), "state_values": v, "action_values": q,
                "occupancy": [[d[s] * w for w in pi[s]] for s in range(self.S)]}

    def slopes(self, direction, h):
        """Directional derivatives: everything moved, then one ingredient at a time."""
        up = [x + h * u for x, u in zip(self.start, direction)]
        down = [x - h * u for x, u in zip(self.start, direction)]
        x = self.start
        places = {"gradient": (1, 1, 1, 1), "policy": (1, 0, 0, 0), "transition": (0, 0, 1, 0), "reward": (0, 0, 0, 1),
                  "entropy": (0, 1, 0, 0)}
        result = {}
        for name, moved in places.items():
            if name == "entropy" and not self.lam:
                result[name] = ZERO
                continue
            result[name] = (self.value(*[up if m else x for m in moved]) - self.value(*[down if m else x for m in moved])) / (2 * h)
        self.cache = {}
        return result


class GridCheck(Check):
    """The gridworld: followers by value iteration, V by summing the series sparsely."""

    GRID = [[-.01] * 8,
            [-.01, -.01, -.02, -.01, -.5, -.01, -.01, -.01],
            [-.01, -.01, -.01, -.5, -.01, -.01, -.02, -.01],
            [-.01, -.02, -.01, -.01, -.01, -.5, -.01, -.02],
            [-.01, -.01, -.01, -.5, -.01, -.01, -.02, -.01],
            [-.01, -.5, -.5, -.01, -.02, -.01, -.5, -.01],
            [-.01, -.5, -.01, -.01, -.5, -.01, -.5, -.01],
            [-.01, -.01, -.01, -.5, -.01, -.02, -.01, 1]]

    def __init__(self, text, grids, digits=60):
        """`grids`: the cell values of each follower, by state."""
        self.grids = [[Decimal(x) for x in grid] for grid in grids]
        self.warm = {}
        super().__init__(text, digits)
        self.beta = lift(self.environment["beta"])

    def prepare(self):
        e, table = self.environment, self.GRID
        if "cells" in e:
            table = lift(e["cells"])
        elif "perturbed_grids" in e and len(e["perturbed_grids"]) == 1 and len(self.grids[0]) != 64:
            table = lift(e["perturbed_grids"][0])
        self.own = [Decimal(x) for row in table for x in row]
        self.cost = lift(e.get("intervention_cost", .05))
        height, width = len(table), len(table[0])
        self.ends = set(e.get("terminal", [height * width - 1]))
        self.to, self.border = [], []
        for i in range(height):
            for j in range(width):
                self.to.append([i * width + max(j - 1, 0), i * width + min(j + 1, width - 1),
                                max(i - 1, 0) * width + j, min(i + 1, height - 1) * width + j])
                if (i == 0 or j == 0) and i * width + j not in self.ends:
                    self.border.append(i * width + j)

    def default_initial(self):
        return [ONE / len(self.border) if s in self.border else ZERO for s in range(len(self.own))]

    def follower(self, f, pi):
        grid, u, g, cost = self.grids[f], list(self.warm.get(f, [ZERO] * len(self.own))), self.gamma, self.cost
        small = Decimal(10) ** (-self.digits + 6)
        while True:
            change = ZERO
            for s, p in enumerate(pi):
                if s in self.ends:
                    continue
                y = [grid[t] + g * u[t] for t in self.to[s]]
                best = max(max(y) - cost, p[0] * y[0] + p[1] * y[1] + p[2] * y[2] + p[3] * y[3])
                change = max(change, abs(best - u[s]))
                u[s] = best
            if change < small:
                break
        self.warm.setdefault(f, u)
        q = []
        for s, p in enumerate(pi):
            y = [grid[t] + g * u[t] for t in self.to[s]]
            q.append([ZERO] * 5 if s in self.ends else [z - cost for z in y] + [sum(a * b for a, b in zip(p, y))])
        return q

    def response(self, x):
        pi = self.pi(x)
        q = [self.follower(f, pi) for f in range(len(self.grids))]
        p, r = [], []
        for s in range(len(self.own)):
            mean = [sum(z[s][b] for z in q) / len(q) for b in range(5)]
            w, = normalised([[(self.beta * (y - max(mean))).exp() for y in mean]])
            p.append([])
            r.append([])
            for a in range(4):
                row = [ZERO] * len(self.own)
                if s in self.ends:
                    row[s] = ONE
                    r[s].append(ZERO)
                else:
                    for b, y in enumerate(w):
                        row[self.to[s][b if b < 4 else a]] += y
                    r[s].append(sum(y * self.own[self.to[s][b if b < 4 else a]] for b, y in enumerate(w)))
                p[s].append(row)
        return self.ended(p), r

    def series(self, matrix, b, wanted):
        rows = [[(t, x) for t, x in enumerate(row) if x] for row in matrix]
        norm = max(sum(row) for row in matrix)
        v, step, bound = [ZERO] * len(b), list(b), Decimal(10) ** wanted
        while max(abs(x) for x in step) > bound * (1 - norm):
            v = [x + y for x, y in zip(v, step)]
            step = [sum((m * step[t] for t, m in row), ZERO) for row in rows]
        return v
