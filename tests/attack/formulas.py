"""Formulas for evaluate.py, with all partial derivatives carried along; and random ones for families.py."""
import ast

from flint import arb, fmpq

from numerals import Malformed, index

ZERO = fmpq(0)


def spelled(text):
    """A decimal as it is spelled, exactly."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    power = int(exponent or 0) - len(part)
    return fmpq(int(whole + part or 0)) * fmpq(10) ** power


def names(table):
    """{name: value}, with `name[i,j]` for the elements of arrays."""
    found = {}

    def add(name, at, x):
        if isinstance(x, list):
            for i, y in enumerate(x):
                add(name, at + (i,), y)
        else:
            found[name, at] = x

    for name, x in (table or {}).items():
        add(name, (), x)
    return found


def tree(text):
    return ast.parse("(" + text.replace("^", "**") + ")", mode="eval").body


class Number:
    """A value and its partial derivatives {variable: slope}."""

    def __init__(self, value, slopes=None):
        self.value, self.slopes = value, slopes or {}

    def chain(self, value, slope):
        return Number(value, {at: slope * x for at, x in self.slopes.items()})

    def combined(self, other, value, mine, its):
        slopes = {at: mine * x for at, x in self.slopes.items()}
        for at, x in other.slopes.items():
            slopes[at] = slopes[at] + its * x if at in slopes else its * x
        return Number(value, slopes)


class Formulas:
    """Transitions and rewards as formulas of pi[s,a] and theta[k]."""

    through_policy, default_initial = False, None

    def __init__(self, data, number, problem):
        self.constants = {at: number(x) for at, x in names(data.get("constants")).items()}
        self.definitions = names(data.get("definitions"))
        self.normalise = data.get("normalise", False)
        self.number, self.trees = number, {}
        self.entries = {key: [([index(i) for i in entry[:-1]], entry[-1]) for entry in data.get(key, [])]
                        for key in ("transitions", "rewards", "next_rewards")}
        over, absent = problem.shape.over, problem.shape.absent
        self.absent = absent
        for key, skipped in (("transitions", over), ("rewards", ()), ("next_rewards", over)):
            self.entries[key] = [(at, x) for at, x in self.entries[key] if at[0] not in skipped and tuple(at[:2]) not in absent]
        self.open_parameters = ()

    def texts(self):
        return [*self.definitions.values(), *(text for part in self.entries.values() for _, text in part)]

    def is_rational(self):
        words = {node.id for text in self.texts() if isinstance(text, str) and not is_literal(text)
                 for node in ast.walk(tree(text)) if isinstance(node, ast.Name)}
        return not words & {"exp", "log", "sqrt", "tanh", "sigmoid", "theta"}

    def at(self, arithmetic):
        self.arithmetic, self.lift, self.zero = arithmetic, arithmetic.lift, arithmetic.lift(ZERO)

    def formula(self, text):
        if is_literal(text):
            return Number(self.lift(self.number(text)))
        if text not in self.trees:
            self.trees[text] = ("(" + text.replace("^", "**") + ")", tree(text))
        source, root = self.trees[text]
        return self.value(root, source)

    def named(self, name, at):
        if (name, at) not in self.known:
            if (name, at) in self.constants:
                self.known[name, at] = Number(self.lift(self.constants[name, at]))
            else:
                self.known[name, at] = self.formula(self.definitions[name, at])
        return self.known[name, at]

    def value(self, node, source):
        if isinstance(node, ast.Constant):
            return Number(self.lift(spelled(ast.get_source_segment(source, node))))
        if isinstance(node, ast.UnaryOp):
            x = self.value(node.operand, source)
            return x if isinstance(node.op, ast.UAdd) else x.chain(-x.value, self.lift(fmpq(-1)))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            corners, known = dict(self.corners), dict(self.known)
            x, y = self.value(node.left, source), self.value(node.right, source)
            if any(isinstance(z.value, fmpq) and z.value == 0 and not z.slopes for z in (x, y)):
                self.corners, self.known = corners, known          # a product with the number 0 is 0, corners and all
                return Number(self.lift(ZERO))
            return self.operation(node.op, x, y)
        if isinstance(node, ast.BinOp):
            return self.operation(node.op, self.value(node.left, source), self.value(node.right, source))
        if isinstance(node, ast.Name):
            return self.named(node.id, ())
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            name, at = node.value.id, tuple(part.value for part in parts)
            if name == "pi":
                slopes = {} if at in self.absent else {("pi", at): self.lift(fmpq(1))}
                return Number(self.policy.pi[at[0]][at[1]], slopes)
            if name == "theta":
                k = at[0] if len(at) == 1 else at[0] * self.policy.n_actions + at[1]
                return Number(self.policy.theta(*self.policy.pair(k)), {("theta", k): self.lift(fmpq(1))})
            return self.named(name, at)
        return self.call(node.func.id, [self.value(x, source) for x in node.args])

    def operation(self, operation, x, y):
        one = self.lift(fmpq(1))
        if isinstance(operation, ast.Add):
            return x.combined(y, x.value + y.value, one, one)
        if isinstance(operation, ast.Sub):
            return x.combined(y, x.value - y.value, one, -one)
        if isinstance(operation, ast.Mult):
            return x.combined(y, x.value * y.value, y.value, x.value)
        if isinstance(operation, ast.Div):
            value = x.value / y.value
            return x.combined(y, value, one / y.value, -value / y.value)
        n = int(float(y.value))
        if n == 0:
            return Number(one)
        return x.chain(x.value ** n, self.lift(fmpq(n)) * x.value ** (n - 1))

    def call(self, name, arguments):
        x, one = arguments[0], self.lift(fmpq(1))
        if name == "exp":
            return x.chain(x.value.exp(), x.value.exp())
        if name == "log":
            return x.chain(x.value.log(), one / x.value)
        if name == "sqrt":
            root = x.value.sqrt()
            return x.chain(root, one / (2 * root))
        if name == "tanh":
            y = x.value.tanh()
            return x.chain(y, one / x.value.cosh() ** 2)
        if name == "sigmoid":
            y = one / (one + (-x.value).exp())
            return x.chain(y, y / (one + x.value.exp()))
        if name == "abs":
            return self.chosen(x, x.chain(-x.value, -one), True)
        best = x
        if self.arithmetic.rational:                               # what is not the largest in the end may tie as it likes
            extreme = (max if name == "max" else min)(y.value for y in arguments)
            arguments = [y for y in arguments if y.value == extreme]
            best = arguments[0]
        for y in arguments[1:]:
            best = self.chosen(best, y, name == "max")
        return best

    def chosen(self, x, y, larger):
        """The larger or smaller of two; at a corner the derivatives are open."""
        if x.value > y.value or x.value < y.value:
            return x if (x.value > y.value) == larger else y
        if self.arithmetic.rational:
            if self.differ(x, y):
                self.corners.update(x.slopes | y.slopes)
            return x
        if x.slopes or y.slopes:
            self.corners.update(x.slopes | y.slopes)
        return Number(x.value.union(y.value), {at: arb("nan") for at in (*x.slopes, *y.slopes)})

    def differ(self, x, y):
        """Whether two numbers have another derivative along some parameter: that of a single action moves nothing."""
        gap = x.combined(y, x.value, self.lift(fmpq(1)), self.lift(fmpq(-1))).slopes
        moved = any(slope != 0 for slope in gap.values())
        return moved and any(self.along(k, self.policy.tangent(k), gap) != 0 for k in range(self.policy.n_parameters))

    def response(self, policy):
        if self.normalise not in (True, False):
            raise Malformed("normalise")
        self.policy, self.known, self.corners = policy, {}, {}
        n, width = policy.n_states, policy.n_actions
        rows = [[{} for _ in range(width)] for _ in range(n)]
        add = ast.Add()
        for (s, a, t), text in self.entries["transitions"]:
            x = self.formula(text)
            rows[s][a][t] = self.operation(add, rows[s][a][t], x) if t in rows[s][a] else x
        if self.normalise:
            for row in (row for state in rows for row in state):
                total = None
                for x in row.values():
                    total = x if total is None else self.operation(add, total, x)
                row.update({t: self.operation(ast.Div(), x, total) for t, x in row.items()})
        rewards = [[Number(self.zero) for _ in range(width)] for _ in range(n)]
        for (s, a), text in self.entries["rewards"]:
            rewards[s][a] = self.operation(add, rewards[s][a], self.formula(text))
        for (s, a, t), text in self.entries["next_rewards"]:
            if t in rows[s][a]:
                part = self.operation(ast.Mult(), rows[s][a][t], self.formula(text))
                rewards[s][a] = self.operation(add, rewards[s][a], part)
        self.rows, self.rewards = rows, rewards
        self.open_parameters = list(range(policy.n_parameters)) if self.corners else ()
        return ([[{t: x.value for t, x in row.items()} for row in state] for state in rows],
                [[x.value for x in state] for state in rewards])

    def along(self, k, dpi, slopes):
        moved = dict(dpi)
        parts = [x * moved[at] for (kind, at), x in slopes.items() if kind == "pi" and at in moved]
        parts += [x for (kind, at), x in slopes.items() if kind == "theta" and at == k]
        return sum(parts, self.zero)

    def tangent(self, policy, k, dpi):
        pairs = [(s, a) for s, state in enumerate(self.rows) for a in range(len(state))]
        return ([((s, a), {t: self.along(k, dpi, x.slopes) for t, x in self.rows[s][a].items()}) for s, a in pairs],
                [((s, a), self.along(k, dpi, self.rewards[s][a].slopes)) for s, a in pairs])

    def pullback(self, evaluation):
        transition, reward = {}, {}
        gamma, d, V = evaluation.gamma, evaluation.occupancy, evaluation.V

        def weigh(weights, weight, slopes):
            for at, x in slopes.items():
                weights[at] = weights.get(at, self.zero) + weight * x

        for s, state in enumerate(self.rows):
            for a, row in enumerate(state):
                for t, x in row.items():
                    weigh(transition, gamma * d[s][a] * V[t], x.slopes)
                weigh(reward, d[s][a], self.rewards[s][a].slopes)
        by_parameter = [{}, {}]
        for k in range(self.policy.n_parameters):
            dpi = self.policy.tangent(k)
            for found, weights in zip(by_parameter, (transition, reward)):
                found[k] = self.along(k, dpi, weights)
        return by_parameter


def is_literal(text):
    """Whether a JSON number stands in the place of a formula."""
    return type(text) is not str


# ----------------------------------------------------------------------------------------------- random ones

class Writer:
    """Random formulas in which nothing is undefined."""

    def __init__(self, rng, shape, rational, has_theta):
        self.rng, self.shape, self.rational, self.names = rng, shape, rational, []
        self.has_theta = has_theta and not rational

    def variable(self):
        s, a = self.rng.randrange(self.shape[0]), self.rng.randrange(self.shape[1])
        if self.has_theta and self.rng.random() < 0.3:
            return self.rng.choice([f"theta[{s},{a}]", f"theta[{s * self.shape[1] + a}]"])
        if self.names and self.rng.random() < 0.3:
            return self.rng.choice(self.names)
        return f"pi[{s},{a}]"

    def number(self):
        rng = self.rng
        return rng.choice([str(rng.randint(0, 9)), f"{rng.randint(0, 999)}e-{rng.randint(0, 3)}", f".{rng.randint(0, 99)}",
                           f"{rng.randint(1, 9)}/{rng.randint(1, 9)}", "1e-9", "1e6", f"{rng.random():.17f}"])

    def any(self, depth):
        """A formula of any sign."""
        rng = self.rng
        if depth <= 0:
            return rng.choice([self.variable, self.variable, self.number])()
        x, y = (lambda: self.any(depth - 1)), (lambda: self.any(depth - rng.randint(1, 3)))
        choices = [lambda: f"({x()} + {y()})", lambda: f"({x()} - {y()})", lambda: f"{x()}*{y()}", lambda: f"-({x()})",
                   lambda: f"({x()})^{rng.randint(0, 4)}", lambda: f"({x()})/({self.positive(depth - 1)})",
                   lambda: self.positive(depth), lambda: f"max({x()}, {y()})", lambda: f"min({x()}, {y()}, {self.number()})",
                   lambda: f"abs({x()})"]
        if not self.rational:
            choices += [lambda: f"tanh({x()})", lambda: f"log({self.positive(depth - 1)})", lambda: f"sigmoid({x()})"]
        return rng.choice(choices)()

    def positive(self, depth):
        rng = self.rng
        choices = [lambda: f"(1 + ({self.any(depth - 1)})^2)", lambda: f"(abs({self.any(depth - 1)}) + 1/7)",
                   lambda: f"({self.share(depth - 1)} + {rng.randint(1, 5)})", lambda: f"{rng.randint(1, 9)}"]
        if not self.rational:
            choices += [lambda: f"exp(tanh({self.any(depth - 1)}))", lambda: f"sqrt({self.positive(depth - 1)})"]
        return rng.choice(choices)()

    def share(self, depth):
        """A formula from 0 to 1."""
        rng = self.rng
        s, a = rng.randrange(self.shape[0]), rng.randrange(self.shape[1])
        choices = [lambda: f"pi[{s},{a}]", lambda: f"{rng.randint(0, 8)}/8"]
        if depth > 0:
            x, y = (lambda: self.share(depth - 1)), (lambda: self.share(depth - 2))
            choices += [lambda: f"{x()}*{y()}", lambda: f"(1 - {x()})", lambda: f"({x()} + {y()})/2",
                        lambda: f"min({x()}, {y()})", lambda: f"1/(1 + ({self.any(depth - 1)})^2)"]
            if not self.rational:
                choices += [lambda: f"sigmoid({self.any(depth - 1)})", lambda: f"exp(-({self.any(depth - 1)})^2)"]
        return rng.choice(choices)()


def environment(rng, shape, rational, has_theta):
    """A random environment of formulas."""
    n, width = shape
    writer = Writer(rng, shape, rational, has_theta)
    definitions, depth = {}, rng.randint(0, 3)
    for i in range(rng.randint(0, 3)):
        name = f"x{i}"
        definitions[name] = writer.any(depth)
        writer.names.append(name)
    if rng.random() < 0.5:
        definitions["y"] = [writer.any(1), writer.share(2)]
        writer.names += ["y[0]", "y[1]"]
    normalise = rng.random() < 0.4
    transitions = []
    for s in range(n):
        for a in range(width):
            if normalise:
                support = rng.sample(range(n), rng.randint(1, n))
                transitions += [[s, a, t, writer.positive(depth)] for t in support]
                continue
            left = "1"
            for t in rng.sample(range(n), rng.randint(1, n))[1:]:
                share = writer.share(depth)
                transitions.append([s, a, t, f"({left})*({share})"])
                left = f"({left})*(1 - ({share}))"
            transitions.append([s, a, rng.randrange(n), left])
    rewards = [[s, a, writer.any(depth)] for s in range(n) for a in range(width) if rng.random() < 0.8]
    found = {"kind": "formulas", "definitions": definitions, "transitions": transitions, "rewards": rewards}
    if normalise:
        found["normalise"] = True
    if rng.random() < 0.4:
        found["next_rewards"] = [[*entry[:3], writer.any(1)] for entry in rng.sample(transitions, min(3, len(transitions)))]
    return found
