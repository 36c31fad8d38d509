"""Runs a GoogleTest program in shards and reads what each test did from its output."""

import concurrent.futures
import os
import re

import jobs

_RUN = re.compile(r"^\[ RUN      \] (\S+)$")
_END = re.compile(r"\[ +(OK|FAILED|SKIPPED) +\] (\S+?)(?:, where .*)? \(\d+ ms\)$")
# A report of a sanitizer, or an abort: never tried a second time.
_REPORT = re.compile(r"(ERROR|WARNING): \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer")


class Shard:
    """Outcome of one process: names by result, and each failed test's output."""

    def __init__(self, finished):
        self.finished = finished
        self.passed, self.failed, self.skipped = [], [], []
        self.output = {}
        self.report = False
        self._read(finished.log)

    def _read(self, log):
        current, lines = None, []
        with open(log, encoding="utf-8", errors="replace") as file:
            for line in file:
                line = line.rstrip("\n")
                if _REPORT.search(line):
                    self.report = True
                if match := _RUN.match(line):
                    current, lines = match.group(1), []
                lines.append(line)
                # Output without a final newline may stand before the closing bracket.
                match = _END.search(line) if current else None
                if match and match.group(2) == current:
                    {"OK": self.passed, "FAILED": self.failed,
                     "SKIPPED": self.skipped}[match.group(1)].append(current)
                    if match.group(1) == "FAILED":
                        self.output[current] = "\n".join(lines[-200:])
                    current = None
        self.unfinished = current
        self.last_lines = lines[-200:]

    def problems(self):
        """(name, output) of everything that went wrong."""
        found = [(name, self.output[name]) for name in self.failed]
        if not self.finished.ok and (self.unfinished or not self.failed):
            name = self.unfinished or os.path.basename(self.finished.log)
            found.append((name, f"{self.finished.describe()}\n" + "\n".join(self.last_lines)))
        return found


def run(program, *, name, log_folder, limit, shards, env, test_filter="*", second_try=True):
    """Returns (passed, problems, skipped, flaky): counts but for `problems`, (name, output) pairs,
    and `flaky`, the names of tests that passed only when run again, alone."""

    def one(index):
        own = dict(env, GTEST_TOTAL_SHARDS=str(shards), GTEST_SHARD_INDEX=str(index))
        log = os.path.join(log_folder, f"{name}-{index + 1}.log")
        return Shard(jobs.run([program, f"--gtest_filter={test_filter}"], log=log, limit=limit,
                              env=own, cwd=os.path.dirname(program)))

    with concurrent.futures.ThreadPoolExecutor(shards) as pool:
        done = list(pool.map(one, range(shards)))
    passed = sum(len(shard.passed) for shard in done)
    skipped = sum(len(shard.skipped) for shard in done)
    problems = [problem for shard in done for problem in shard.problems()]
    if passed + skipped == 0 and not problems:
        problems.append((name, f"no test matches {test_filter}"))
    flaky = []
    clean = all(not shard.report and shard.finished.code in (0, 1) for shard in done)
    if second_try and clean and 0 < len(problems) <= 5:
        for test, output in list(problems):
            log = os.path.join(log_folder, f"{name}-again-{test.replace('/', '_')}.log")
            again = Shard(jobs.run([program, f"--gtest_filter={test}"], log=log, limit=120, env=env,
                                   cwd=os.path.dirname(program)))
            if again.passed == [test] and again.finished.ok:
                problems.remove((test, output))
                passed += 1
                flaky.append(test)
    return passed, problems, skipped, flaky
