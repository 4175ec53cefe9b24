"""Formulas for reference.py: Python's own parser reads them, and derivatives are carried forwards along one parameter at a time.

The grammar is that of README.md, which is a part of Python's once `^` is written `**`; numbers are taken as they are spelled.
"""
import ast
from decimal import Decimal, getcontext
from fractions import Fraction


class Dual:
    """A number and its derivative."""

    def __init__(self, value, slope=0):
        self.value, self.slope = value, slope

    def __add__(self, other):
        return Dual(self.value + other.value, self.slope + other.slope)

    def __sub__(self, other):
        return Dual(self.value - other.value, self.slope - other.slope)

    def __mul__(self, other):
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other):
        return Dual(self.value / other.value,
                    (self.slope * other.value - self.value * other.slope) / (other.value * other.value))

    def __neg__(self):
        return Dual(-self.value, -self.slope)

    def power(self, n):
        if n == 0:
            return Dual(self.value * 0 + 1)
        whole = self.value ** abs(n - 1)
        return Dual(self.value ** n, self.slope * n * (whole if n > 0 else 1 / whole))


def through(x, value, slope):
    return Dual(value, x.slope * slope)


def tanh(x):
    e = (2 * x.value).exp()
    y = (e - 1) / (e + 1)
    return through(x, y, 1 - y * y)


def sigmoid(x):
    y = 1 / (1 + (-x.value).exp())
    return through(x, y, y * (1 - y))


def exp(x):
    y = x.value.exp()
    return through(x, y, y)


def sqrt(x):
    y = x.value.sqrt()
    return through(x, y, 1 / (2 * y))


FUNCTIONS = {"exp": exp, "log": lambda x: through(x, x.value.ln(), 1 / x.value), "sqrt": sqrt, "tanh": tanh, "sigmoid": sigmoid}
IRRATIONAL = set(FUNCTIONS) | {"theta"}


def flat(table):
    """Names and formulas; an array stands for the names of its elements."""
    names = {}

    def add(name, indices, x):
        if isinstance(x, list):
            for i, y in enumerate(x):
                add(name, indices + [i], y)
        else:
            names[name + (str(indices).replace(" ", "") if indices else "")] = x

    for name, x in (table or {}).items():
        add(name, [], x)
    return names


def parsed(text):
    return ast.parse("(" + text.replace("^", "**") + ")", mode="eval").body


def is_rational(data):
    """Whether no formula takes a function or speaks of theta."""
    texts = list(flat(data.get("definitions")).values())
    texts += [entry[-1] for key in ("transitions", "rewards", "next_rewards") for entry in data.get(key, [])]
    words = {node.id for text in texts for node in ast.walk(parsed(text)) if isinstance(node, ast.Name)}
    return not words & IRRATIONAL


class Formulas:
    """P[s,a,t] and r[s,a] as formulas of pi[s,a] and theta[k]."""
    def __init__(self, problem, data, literal):
        self.problem, self.literal = problem, literal
        self.constants = {name: problem.number(x) for name, x in flat(data.get("constants")).items()}
        self.definitions = flat(data.get("definitions"))
        self.entries = {key: [([int(i) for i in entry[:-1]], entry[-1]) for entry in data.get(key, [])]
                        for key in ("transitions", "rewards", "next_rewards")}
        # An action that a state does not have has neither transitions nor rewards; nothing follows a terminal state.
        for key, entries in self.entries.items():
            self.entries[key] = [(at, x) for at, x in entries if problem.available[at[0]][at[1]]
                                 and not (key == "transitions" and at[0] in problem.terminal)]
        self.normalise = data.get("normalise", False)
        self.kinks, self.undetermined = [], []

    def evaluated(self, policy, k=None, dpi=None):
        """The rows of P and the rewards, as duals along parameter k."""
        pi = policy.probabilities()
        zero = self.problem.number("0")
        known = {name: Dual(x, zero) for name, x in self.constants.items()}

        def of_policy(name, indices):
            if name == "pi":
                s, a = indices
                return Dual(pi[s][a], (dpi or {}).get((s, a), zero))
            flat_index = indices[0] if len(indices) == 1 else indices[0] * policy.actions + indices[1]
            value = policy.weights[flat_index] if hasattr(policy, "weights") else policy.theta(*divmod(flat_index, policy.actions))
            return Dual(value, zero + (flat_index == k))

        def named(name):
            if name not in known:
                known[name] = value(self.definitions[name], f"environment.definitions.{name}")
            return known[name]

        def tie(x, y, place):
            tiny = 0 if self.problem.rational else max(abs(x.value), abs(y.value)) * Decimal(10) ** (20 - getcontext().prec)
            if abs(x.value - y.value) > tiny:
                return False
            if {"formula": place} not in self.kinks:
                self.kinks.append({"formula": place})
            if k is not None and x.slope != y.slope and k not in self.undetermined:
                self.undetermined.append(k)
            return True

        def value(text, place):
            if isinstance(text, self.literal):
                return Dual(self.problem.number(text), zero)
            source = "(" + text.replace("^", "**") + ")"

            def of(node):
                if isinstance(node, ast.Constant):
                    return Dual(self.problem.lift(Fraction(ast.get_source_segment(source, node))), zero)
                if isinstance(node, ast.UnaryOp):
                    x = of(node.operand)
                    return -x if isinstance(node.op, ast.USub) else x
                if isinstance(node, ast.BinOp):
                    x, y = of(node.left), of(node.right)
                    if isinstance(node.op, ast.Pow):
                        return x.power(int(y.value))
                    operations = {ast.Add: Dual.__add__, ast.Sub: Dual.__sub__, ast.Mult: Dual.__mul__, ast.Div: Dual.__truediv__}
                    return operations[type(node.op)](x, y)
                if isinstance(node, ast.Name):
                    return named(node.id)
                if isinstance(node, ast.Subscript):
                    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                    indices = [part.value for part in parts]
                    if node.value.id in ("pi", "theta"):
                        return of_policy(node.value.id, indices)
                    return named(node.value.id + str(indices).replace(" ", ""))
                name, arguments = node.func.id, [of(x) for x in node.args]
                if name == "abs":
                    x, = arguments
                    if tie(x, Dual(zero, zero), place):
                        return Dual(abs(x.value), zero)
                    return x if x.value > 0 else -x
                if name in ("min", "max"):
                    best = arguments[0]
                    for x in arguments[1:]:
                        if not tie(best, x, place) and (x.value > best.value) == (name == "max"):
                            best = x
                    return best
                return FUNCTIONS[name](*arguments)

            return of(ast.parse(source, mode="eval").body)

        states, actions = len(pi), len(pi[0])
        rows = [[{} for _ in range(actions)] for _ in range(states)]
        for i, ((s, a, t), text) in enumerate(self.entries["transitions"]):
            x = value(text, f"environment.transitions[{i}]")
            rows[s][a][t] = rows[s][a][t] + x if t in rows[s][a] else x
        if self.normalise:
            for row in (row for state in rows for row in state):
                total = sum(row.values(), Dual(zero, zero))
                row.update({t: x / total for t, x in row.items()})
        rewards = [[Dual(zero, zero) for _ in range(actions)] for _ in range(states)]
        for i, ((s, a), text) in enumerate(self.entries["rewards"]):
            rewards[s][a] = rewards[s][a] + value(text, f"environment.rewards[{i}]")
        for i, ((s, a, t), text) in enumerate(self.entries["next_rewards"]):
            if t in rows[s][a]:
                rewards[s][a] = rewards[s][a] + rows[s][a][t] * value(text, f"environment.next_rewards[{i}]")
        return rows, rewards

    def response(self, policy):
        rows, rewards = self.evaluated(policy)
        return ([[{t: x.value for t, x in row.items() if x.value != 0} for row in state] for state in rows],
                [[x.value for x in state] for state in rewards])

    def tangent(self, policy, k, dpi):
        rows, rewards = self.evaluated(policy, k, dpi)
        pairs = [(s, a) for s, state in enumerate(rows) for a in range(len(state))]
        return ({(s, a): {t: x.slope for t, x in rows[s][a].items()} for s, a in pairs},
                {(s, a): rewards[s][a].slope for s, a in pairs})
