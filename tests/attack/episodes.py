"""What ends an episode, and which actions a state has (docs/oracle.md, Terminal states and what follows), for evaluate.py.

A problem file is read into `over`, the states where the episode ends, and `absent`, the pairs that there are not; and its tables are
made whole, so that environments read a number wherever they look. What was filled in is taken out again by `Ended`.
"""
import re

from numerals import Malformed, Numeral, index, rational

NO, YES = ("0", "False", "false"), ("1", "True", "true")
NOTHING = Numeral("0")


def policy_table(policy):
    return policy[{"softmax": "logits", "log-linear": "features"}.get(policy["kind"], "values")]


def listed(transitions):
    """Whether transitions are entries (s, a, t, p)."""
    return bool(transitions) and all(isinstance(e, list) and len(e) == 4 and not any(isinstance(x, list) or x is None for x in e)
                                     for e in transitions)


class Cells:
    """A table [s][a] whose rows may end early."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, s, a):
        row = self.rows[s] or []
        return row[a] if a < len(row) else None


def by_number(data):
    """A problem with indices in the place of the names of states and actions, which are all different in what is evaluated here."""
    number = {name: str(i) for names in data["names"].values() for i, name in enumerate(names)}
    spelled = sorted((re.escape(form) for name in number for form in (name, f"'{name}'")), key=len, reverse=True)
    inside = re.compile(rf"(?<=[\[,])\s*({'|'.join(spelled)})\s*(?=[,\]])")

    def plain(x):
        if isinstance(x, dict):
            return {key: plain(y) for key, y in x.items()}
        if isinstance(x, list):
            return [plain(y) for y in x]
        if type(x) is not str:
            return x
        return Numeral(number[x]) if x in number else inside.sub(lambda found: number[found[1].strip("'")], x)

    return plain({key: x for key, x in data.items() if key != "names"})


class Shape:
    """The states and actions of a problem file."""

    def __init__(self, data):
        table = policy_table(data["policy"])
        self.n, self.width = len(table), max((len(row) for row in table if row), default=0)
        if not self.width:
            raise Malformed("no actions")
        self.over = {index(s) for s in data.get("terminal", [])}
        if any(s not in range(self.n) for s in self.over):
            raise Malformed("a terminal state that there is not")
        self.pairs = [(s, a) for s in range(self.n) for a in range(self.width)]
        environment = data["environment"]
        self.absent = self.denied(table) | self.masked(data.get("available"))
        if environment["kind"] != "formulas":
            for rewards in (environment.get("rewards"), environment.get("reward", {}).get("base")):
                self.absent |= self.denied(rewards)
            for key in ("transitions", "base_logits", "base_weights"):
                if key in environment and not listed(environment[key]):
                    self.absent |= {at for at in self.denied(environment[key]) if at[0] not in self.over}
        for s in range(self.n):
            if s not in self.over and not self.actions(s):
                raise Malformed("a state without an action")

    def denied(self, rows):
        return {at for at in self.pairs if Cells(rows)(*at) is None} if rows is not None else set()

    def masked(self, mask):
        cells = Cells(mask)
        if mask is not None and any(str(cells(*at)) not in NO + YES for at in self.pairs):
            raise Malformed("available")
        return {at for at in self.pairs if str(cells(*at)) in NO} if mask is not None else set()

    def actions(self, s):
        return [a for a in range(self.width) if (s, a) not in self.absent]

    def is_plain(self):
        return not self.over and not self.absent

    def whole(self, rows, nothing, over=()):
        """A table with an entry for every pair, `nothing` for those that are absent or of a state in `over`."""
        cells = Cells(rows)
        return [[nothing if (s, a) in self.absent or s in over else cells(s, a) for a in range(self.width)] for s in range(self.n)]

    def environment(self, data, exact):
        """The environment with whole tables, and the rewards of next states {(s, a, t): r} that stand apart."""
        data, apart = dict(data), {}
        if data["kind"] == "formulas":
            return data, apart
        if data["kind"] == "fixed" and "next_rewards" in data:
            data.setdefault("rewards", [[NOTHING] * self.width] * self.n)
            for *at, r in data.pop("next_rewards"):
                at = tuple(index(i) for i in at)
                apart[at] = apart.get(at, 0) + rational(r, exact)
        if listed(data.get("transitions")):
            data["transitions"] = self.from_entries(data["transitions"])
        # A row that does not count is one that is read without complaint: base weights of 1, probabilities of 0.
        for key, filling in (("transitions", NOTHING), ("base_logits", NOTHING), ("base_weights", Numeral("1"))):
            if key in data:
                data[key] = self.whole(data[key], [filling] * self.n, self.over)
        if "rewards" in data:
            data["rewards"] = self.rewards(data["rewards"])
        if "reward" in data:
            data["reward"] = data["reward"] | {"base": self.rewards(data["reward"]["base"])}
        return data, apart

    def rewards(self, rows):
        deep = any(isinstance(x, list) for row in rows for x in row or [])
        return self.whole(rows, [NOTHING] * self.n if deep else NOTHING)

    def from_entries(self, entries):
        table = [[[NOTHING] * self.n for _ in range(self.width)] for _ in range(self.n)]
        seen = set()
        for s, a, t, p in entries:
            at = (index(s), index(a), index(t))
            if at in seen or not (at[0] in range(self.n) and at[1] in range(self.width) and at[2] in range(self.n)):
                raise Malformed("an entry that is repeated or out of range")
            seen.add(at)
            table[at[0]][at[1]][at[2]] = p
        return table


class Ended:
    """An environment in which nothing follows the states in `over`, and pairs that are absent neither lead anywhere nor pay."""

    def __init__(self, environment, shape):
        self.environment, self.shape = environment, shape

    def __getattr__(self, name):
        return getattr(self.environment, name)

    def leads(self, s, a):
        return s not in self.shape.over and (s, a) not in self.shape.absent

    def response(self, policy):
        P, r = self.environment.response(policy)
        return ([[row if self.leads(s, a) else {} for a, row in enumerate(state)] for s, state in enumerate(P)],
                [[self.environment.zero if (s, a) in self.shape.absent else x for a, x in enumerate(row)] for s, row in enumerate(r)])

    def tangent(self, policy, k, dpi):
        dP, dr = self.environment.tangent(policy, k, dpi)
        return [x for x in dP if self.leads(*x[0])], [x for x in dr if x[0] not in self.shape.absent]

    def pullback(self, evaluation):
        """Weights of dP count where something follows, those of dr also where nothing does."""
        zero = self.environment.zero
        going = [[x if self.leads(s, a) else zero for a, x in enumerate(row)] for s, row in enumerate(evaluation.occupancy)]
        return self.environment.pullback(Visits(evaluation, going))[0], self.environment.pullback(evaluation)[1]


class Visits:
    """An evaluation with another occupancy."""

    def __init__(self, evaluation, occupancy):
        self.evaluation, self.occupancy = evaluation, occupancy

    def __getattr__(self, name):
        return getattr(self.evaluation, name)


def resting(P, r, shape, entropy):
    """The states that every action leaves alone for certain, and where nothing is paid: without discounting these end an episode."""
    found = set()
    for s in range(shape.n):
        own = shape.actions(s)
        if own and (entropy == 0 or len(own) == 1) and all(
                r[s][a] == 0 and all(p == int(t == s) for t, p in enumerate(P[s][a])) for a in own):
            found.add(s)
    return found


def trapped(P, pi, over):
    """The states from which this policy never comes to an end, P[s][a] = {t: probability}: "never" by what is not 0."""
    reach, n = set(over), len(P)
    while True:
        more = {s for s in range(n) if s not in reach
                and any(pi[s][a] != 0 and any(p != 0 and t in reach for t, p in row.items()) for a, row in enumerate(P[s]))}
        if not more:
            return set(range(n)) - reach
        reach |= more
