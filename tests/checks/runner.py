"""Checks that the runner of ./test counts right, and that what fails cannot look like a success."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runner"))
import gtest  # noqa: E402
import jobs  # noqa: E402
import junit  # noqa: E402
from report import Layer, Report  # noqa: E402

# Stands for a GoogleTest program: what it prints, how it ends, and what it does when run again.
PROGRAM = """#!/usr/bin/env bash
case $1 in
*=A.Flaky) echo '[ RUN      ] A.Flaky'; echo '[       OK ] A.Flaky (0 ms)'; exit 0 ;;
*=A.Bad) echo '[ RUN      ] A.Bad'; echo '[  FAILED  ] A.Bad (0 ms)'; exit 1 ;;
esac
echo '[ RUN      ] A.Good'; echo 'half a line[       OK ] A.Good (0 ms)'
echo '[ RUN      ] A.Left'; echo '[  SKIPPED ] A.Left (0 ms)'
%s
"""
FLAKY = "echo '[ RUN      ] A.Flaky'; echo '[  FAILED  ] A.Flaky (0 ms)'; "
BAD = "echo '[ RUN      ] A.Bad'; echo why; echo '[  FAILED  ] A.Bad, where x (0 ms)'; "
CRASH = "echo '[ RUN      ] A.Crash'; kill -ABRT $$"


def run(folder, end, **more):
    program = os.path.join(folder, "program")
    with open(program, "w", encoding="utf-8") as file:
        file.write(PROGRAM % end)
    os.chmod(program, 0o755)
    passed, problems, skipped, flaky = gtest.run(
        program, name="x", log_folder=os.path.join(folder, "logs"), shards=1,
        env=dict(os.environ), **{"limit": 20, **more})
    return passed, [name for name, _ in problems], skipped, flaky


def pytest_report(folder, text, command):
    results = os.path.join(folder, "report.xml")
    with open(results, "w", encoding="utf-8") as file:
        file.write(text)
    done = jobs.run(command, log=os.path.join(folder, "log"), limit=20)
    passed, problems, skipped = junit.read(results, done)
    return passed, [name for name, _ in problems], skipped


def exit_status(passed, problems):
    layer, report = Layer("x"), Report()
    report.say = lambda text: None
    layer.passed, layer.problems = passed, problems
    report.add(layer)
    return report.finish(1)


def cases(folder):
    case = '<testcase classname="f" name="%s">%s</testcase>'
    mixed = ("<testsuites>" + case % ("a", "") + case % ("b", "<failure>no</failure>")
             + case % ("c", "<skipped/>") + "</testsuites>")
    good = "<testsuites>" + case % ("a", "") + "</testsuites>"
    return {
        "all passed": (run(folder, "exit 0"), (1, [], 1, [])),
        "one failed": (run(folder, BAD + "exit 1"), (1, ["A.Bad"], 1, [])),
        "one passed the second time": (run(folder, FLAKY + "exit 1"), (2, [], 1, ["A.Flaky"])),
        "no second time": (run(folder, FLAKY + "exit 1", second_try=False),
                           (1, ["A.Flaky"], 1, [])),
        "a crash": (run(folder, CRASH), (1, ["A.Crash"], 1, [])),
        "a crash is not tried again, nor what failed before it": (
            run(folder, FLAKY + CRASH), (1, ["A.Flaky", "A.Crash"], 1, [])),
        "nor what a sanitizer reports": (
            run(folder, "echo 'ERROR: AddressSanitizer: x'; " + FLAKY + "exit 1"),
            (1, ["A.Flaky"], 1, [])),
        "exit status without a failed test": (run(folder, "exit 3"), (1, ["x-1.log"], 1, [])),
        "a hang": (run(folder, "echo '[ RUN      ] A.Hangs'; exec sleep 60", limit=1),
                   (1, ["A.Hangs"], 1, [])),
        "pytest: mixed": (pytest_report(folder, mixed, ["false"]), (1, ["f.b"], 1)),
        "pytest: good": (pytest_report(folder, good, ["true"]), (1, [], 0)),
        "pytest: broke after its cases": (pytest_report(folder, good, ["false"]),
                                          (1, ["pytest"], 0)),
        "pytest: no report": (pytest_report(folder, "", ["true"]), (0, ["pytest"], 0)),
        "exit status: good": (exit_status(3, []), 0),
        "exit status: failed": (exit_status(3, [("a", "")]), 1),
        "exit status: no test": (exit_status(0, []), 1),
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        wrong = [f"    {name}: {got}, not {wanted}" for name, (got, wanted) in cases(folder).items()
                 if got != wanted]
    print("\n".join(["FAIL the runner of ./test counts right"] + wrong) if wrong
          else "ok the runner of ./test counts right")
    return 1 if wrong else 0


sys.exit(main())
