"""Checks that what tests/promises breaks is still there to be broken, and that the list of promises in
docs/architecture says what tests/promises does."""

import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "promises"))
from breaks import BREAKS, row_of_the_list  # noqa: E402

HEAD = "| promise | broken by | test that fails |"


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def listed():
    """The rows of the list, without its two head lines."""
    rows = text_of("docs/architecture/README.md").partition(HEAD + "\n")[2].partition("\n\n")[0]
    return rows.splitlines()[1:]


def report(name, problems):
    print(f"FAIL {name}: {len(problems)} problems" if problems else f"ok {name}")
    for problem in problems:
        print(f"    {problem}")
    return not problems


def main():
    good = report("each break has one place", [
        f"{item.file}: {item.old!r} occurs {count} times: mend it in tests/promises/breaks.py"
        for item in BREAKS if (count := text_of(item.file).count(item.old)) != 1])
    rows, known = listed(), {row_of_the_list(item) for item in BREAKS}
    good &= report("the list of promises says what is broken", [
        f"tests/promises/breaks.py has no row for: {row}" for row in rows if row not in known])
    good &= report("there is a list of promises", [] if rows else [f"no row below '{HEAD}'"])
    return 0 if good else 1


sys.exit(main())
