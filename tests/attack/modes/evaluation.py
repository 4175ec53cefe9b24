"""`attack.py eval` and `attack.py exact`: every printed number against an independent evaluation."""
import json
from functools import partial

import families
from compare import examine, examine_exact
from evaluate import Problem
from harness import batch, batches, guarded, refused, result
from numerals import Malformed

BATCH = 40


def tasks(options, exact):
    return [(options.binary, options.seed, exact, part)
            for part in batches(families.schedule(options.problems, options.seed, options.family, exact), BATCH)]


def work(task):
    """Evaluates one batch with the program and judges each reply."""
    binary, seed, exact, part = task
    problems = [(family, index, json.dumps(families.problem(family, seed, index, exact))) for family, index in part]
    replies = batch(binary, [text for *_, text in problems], ["--exact"] if exact else [])
    return [guarded(judged, *problem, reply, exact) for problem, reply in zip(problems, replies)]


def judged(family, index, text, reply, exact):
    """The result for one problem and the program's reply to it."""
    found = partial(result, family, index, text)
    if reply.failure:
        return found("failure", [reply.failure])
    try:
        problem = Problem(text, exact)
    except Malformed as error:
        problem = None
        meaningless = str(error)
    if reply.answer is not None:
        if problem is None or family == "invalid":
            return found("accepted", ["an invalid problem is answered" + (f": {meaningless}" if problem is None else "")])
        verdict = (examine_exact if exact else examine)(problem, reply.answer)
        return found("answered", verdict.failures, ratios=verdict.ratios, notes=verdict.notes)
    if family == "invalid":
        return found("refused", [] if located(reply.refusal) else [f"not one located line: {reply.refusal}"],
                     refusal=reply.refusal, judgement="invalid")
    return refused(family, index, text, reply.refusal, exact)


def located(message):
    """Whether a refusal says where: a path and a colon, or a missing key, in one line."""
    return ":" in message and "\n" not in message
