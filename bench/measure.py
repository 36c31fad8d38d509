"""Runs of programs, measured from outside, and tables of them."""

import collections
import os
import pathlib
import statistics
import subprocess
import sys
import time

Run = collections.namedtuple("Run", "wall cpu rss disk")  # s, s, bytes, bytes


def measured(command: list, env: dict[str, str], log: pathlib.Path) -> Run:
    """Runs it to its end; figures of the process with all children it waited for."""
    with log.open("wb") as out:
        start = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], env=env, cwd=env["HOME"],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, used.ru_oublock * 512)


def compare(field: dict, runs: int, run_once) -> dict[str, list[Run]]:
    """Each contestant `runs` times, in an order that turns by one place each round."""
    names, results = list(field), collections.defaultdict(list)
    for turn in range(runs):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(run_once(name, field[name]))
            print(f"{turn + 1}/{runs} {name}: {results[name][-1].wall:.2f} s", file=sys.stderr)
    return {name: results[name] for name in names}


def total(runs: list[Run]) -> Run:
    """Of commands that ran one after the other."""
    return Run(sum(r.wall for r in runs), sum(r.cpu for r in runs),
               max(r.rss for r in runs), sum(r.disk for r in runs))


def start_time(dray: pathlib.Path) -> float:
    def once() -> float:
        start = time.monotonic()
        subprocess.run([dray, "--version"], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - start
    return statistics.median(once() for _ in range(20))


def table(results: dict[str, list[Run]], markdown: bool) -> str:
    rows = [["", "wall s", "(least–most)", "CPU s", "peak RSS MiB", "disk written MiB"]]
    for name, runs in results.items():
        middle = Run(*(statistics.median(values) for values in zip(*runs)))
        walls = [run.wall for run in runs]
        rows.append([name, f"{middle.wall:.2f}", f"{min(walls):.2f}–{max(walls):.2f}",
                     f"{middle.cpu:.2f}", f"{middle.rss / 2**20:.0f}",
                     f"{middle.disk / 2**20:.0f}"])
    if markdown:
        rows.insert(1, ["---"] + ["--:"] * (len(rows[0]) - 1))
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(row, widths))) for row in rows)
