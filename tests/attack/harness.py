"""Runs the program under test, many problems at a time, and gathers what an attack finds."""
import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from compare import judge
from evaluate import Problem
from numerals import Malformed

SECONDS = int(os.environ.get("PEMDP_ATTACK_SECONDS", 10))     # of the processor's time, which one problem may take


# ---------------------------------------------------------------------------------------------- the program

class Outcome:
    """How a run ended: exit status (None: over time), what it printed, and how long it took."""

    def __init__(self, status, output, errors, seconds):
        self.status, self.output, self.errors, self.seconds = status, output, errors, seconds

    def panicked(self):
        return self.status is not None and (self.status == 101 or self.status < 0) or "internal error" in self.errors + self.output


def run(command, text="", seconds=SECONDS, processor=None):
    """Runs a command on a standard input, for some seconds by the clock and, if asked, of the processor's time at most."""
    def limit():
        if processor is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))

    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=limit)
    try:
        output, errors = process.communicate(text, timeout=seconds)
        status = None if process.returncode == -signal.SIGXCPU else process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        status = None
    return Outcome(status, output, errors, time.monotonic() - start)


def strict(text):
    """JSON without NaN and Infinity."""
    def refuse(constant):
        raise ValueError(constant)
    return json.loads(text, parse_constant=refuse, parse_int=float)


class Reply:
    """What the program said to one problem: an answer, a refusal (a message), or a failure of its own."""

    def __init__(self, answer=None, refusal=None, failure=None):
        self.answer, self.refusal, self.failure = answer, refusal, failure


def reply(line):
    try:
        answer = strict(line)
    except ValueError as error:
        return Reply(failure=f"the output is not JSON: {error}")
    return Reply(refusal=re.sub(r"^line \d+: ", "", answer["error"])) if "error" in answer else Reply(answer=answer)


def single(binary, text, options=(), seconds=SECONDS):
    """One problem in a run of its own."""
    outcome = run([binary, "eval", "-", "--json", *options], text, 6 * seconds, seconds)
    if outcome.status is None:
        return Reply(failure=f"no answer within {seconds:.0f} s")
    if outcome.panicked():
        return Reply(failure=f"panic: {outcome.errors.strip()[:300]}")
    if outcome.status == 0:
        return reply(outcome.output)
    lines = outcome.errors.strip().splitlines()
    if outcome.status != 2 or len(lines) != 1:
        return Reply(failure=f"status {outcome.status} with {len(lines)} lines of errors")
    return Reply(refusal=message(lines[0]))


def message(line):
    """A line on standard error without the program's and the file's name."""
    return re.sub(r"^pemdp: (standard input: )?", "", line)


def batch(binary, texts, options=(), seconds=SECONDS):
    """A reply for each problem. One run for all; where that fails, or takes longer than one problem may, one for each."""
    outcome = run([binary, "eval", "--lines", "--jobs", "1", *options, "-"], "\n".join(texts) + "\n", seconds)
    lines = outcome.output.splitlines()
    if outcome.status in (0, 2) and len(lines) == len(texts) and not outcome.panicked():
        return [reply(line) for line in lines]
    return [single(binary, text, options, seconds) for text in texts]


# -------------------------------------------------------------------------------------------------- findings

class Findings:
    """What an attack has found: counts, the largest ratios, and an example file for each kind of failure."""

    def __init__(self, attack, folder):
        self.attack, self.folder = attack, Path(folder) / attack
        self.counts, self.failures, self.refusals, self.notes = Counter(), {}, {}, Counter()
        self.ratios, self.start = {}, time.monotonic()

    def add(self, result):
        """One result: family, index, and what was found (see `result`)."""
        family = result["family"]
        self.counts[result["outcome"]] += 1
        for quantity, ratio in result["ratios"].items():
            largest = self.ratios.setdefault(family, {})
            largest[quantity] = max(largest.get(quantity, 0.0), ratio)
        for note in result["notes"]:
            self.notes[f"{family}: {note}"] += 1
        if result["refusal"]:
            kind = f"{pattern(result['refusal'])} [{result['judgement']}]"
            entry = self.refusals.setdefault(kind, {"count": 0, "message": result["refusal"], "example": None})
            entry["count"] += 1
            entry["example"] = entry["example"] or self.saved(result)
        for sentence in result["failures"]:
            entry = self.failures.setdefault(pattern(sentence), {"count": 0, "families": {}, "size": 1 << 60})
            entry["count"] += 1
            entry["families"][family] = entry["families"].get(family, 0) + 1
            if len(result["text"]) < entry["size"]:                # keep the smallest problem as the example
                entry.update(size=len(result["text"]), sentence=sentence, example=self.saved(result))
        if result["failures"]:
            self.saved(result)

    def saved(self, result):
        """Writes the problem (and what else belongs to it) to the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{result['family']}-{result['index']}.json"
        path.write_text(result["text"] + "\n", encoding="utf-8")
        for suffix, text in result.get("files", {}).items():
            path.with_suffix(f".{suffix}.json").write_text(text + "\n", encoding="utf-8")
        return str(path)

    def failed(self):
        return sum(entry["count"] for entry in self.failures.values())

    def summary(self, interrupted):
        seconds = time.monotonic() - self.start
        total = sum(self.counts.values())
        return {"attack": self.attack, "problems": total, "seconds": round(seconds, 1),
                "problems_per_second": round(total / max(seconds, 1e-9), 1), "interrupted": interrupted,
                "outcomes": dict(self.counts), "failures": self.failures, "refusals": self.refusals,
                "largest_ratio": self.ratios, "notes": dict(self.notes)}


def pattern(sentence):
    """A sentence without its numbers and quotations, to group by."""
    sentence = re.sub(r'"[^"]*"', '"…"', sentence)
    return re.sub(r"[-+]?\d[\d.,/]*(e[-+]?\d+)?", "#", sentence)[:160]


def result(family, index, text, outcome, failures=(), refusal=None, judgement=None, ratios=None, notes=(), files=None):
    """A result in the form that `Findings.add` takes."""
    return {"family": family, "index": index, "text": text, "outcome": outcome, "failures": list(failures),
            "refusal": refusal, "judgement": judgement, "ratios": ratios or {}, "notes": list(notes), "files": files or {}}


def refused(family, index, text, reason, exact=False):
    """The result for a problem that was refused: a failure where the reason is not so."""
    try:
        judgement = judge(Problem(text, exact), reason)
    except Malformed:
        judgement = "meaningless"
    failures = [f"refused for a reason that is not so: {reason}"] if judgement == "false" else []
    return result(family, index, text, "refused", failures, refusal=reason, judgement=judgement)


def guarded(judge, family, index, text, *more):
    """The judge's result; an error of the attack itself is a failure like any other, and does not end the run."""
    try:
        return judge(family, index, text, *more)
    except Exception:
        return result(family, index, text, "attack error", [f"the attack itself: {traceback.format_exc(limit=-3)}"])


def markdown(summary):
    """The summary for people."""
    lines = [f"## {summary['attack']}: {summary['problems']} problems in {summary['seconds']} s "
             f"({summary['problems_per_second']} a second){', interrupted' if summary['interrupted'] else ''}", ""]
    lines += [f"- {outcome}: {count}" for outcome, count in sorted(summary["outcomes"].items())] + [""]
    if summary["failures"]:
        lines += ["| failures | count | example |", "|---|---|---|"]
        lines += [f"| {entry['sentence'][:300]} | {entry['count']} ({', '.join(entry['families'])}) | {entry['example']} |"
                  for _, entry in sorted(summary["failures"].items())] + [""]
    if summary["refusals"]:
        lines += ["| refusals [whether the reason is true] | count | example |", "|---|---|---|"]
        lines += [f"| {kind} | {entry['count']} | {entry['example']} |" for kind, entry in sorted(summary["refusals"].items())] + [""]
    if summary["largest_ratio"]:
        quantities = sorted({key for ratios in summary["largest_ratio"].values() for key in ratios})
        lines += ["largest error / bound:", "", "| family | " + " | ".join(quantities) + " |", "|---" * (len(quantities) + 1) + "|"]
        lines += [f"| {family} | " + " | ".join(f"{ratios[key]:.3g}" if key in ratios else "" for key in quantities) + " |"
                  for family, ratios in sorted(summary["largest_ratio"].items())] + [""]
    lines += [f"- note: {note} ({count})" for note, count in sorted(summary["notes"].items())]
    return "\n".join(lines).rstrip() + "\n"


# ------------------------------------------------------------------------------------------------- the crowd

def apart():
    """Makes a worker and the programs that it runs a group of their own: Ctrl-C is for the one who started them."""
    os.setpgid(0, 0)


def drive(attack, tasks, work, options):
    """Runs work(task) for all tasks on several processes; work returns results. A summary is printed and written, also
    after Ctrl-C. Returns the exit status: 1 if anything failed. A worker that is killed raises BrokenProcessPool."""
    findings, interrupted = Findings(attack, options.out), False
    with concurrent.futures.ProcessPoolExecutor(options.jobs, initializer=apart) as pool:
        try:
            finished = concurrent.futures.as_completed([pool.submit(work, task) for task in tasks])
            for done, future in enumerate(finished, 1):
                for one in future.result():
                    findings.add(one)
                progress(f"{attack}: {done}/{len(tasks)} batches, {findings.failed()} failures")
        except KeyboardInterrupt:
            interrupted = True
            for worker in multiprocessing.active_children():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
    progress("")
    summary = findings.summary(interrupted)
    write(Path(options.out) / f"{attack}.json", json.dumps(summary, indent=1))
    report = markdown(summary)
    write(Path(options.out) / f"{attack}.md", report)
    print(report)
    return 130 if interrupted else 1 if summary["failures"] else 0


def progress(line):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def write(path, text):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def batches(items, size):
    items = list(items)
    return [items[i:i + size] for i in range(0, len(items), size)]
