#!/usr/bin/env python3
"""Breaks each promise on purpose and sees its test fail.

For every row of breaks.py: change one place of the source, build, run the test that guards the
promise, expect it to fail, change it back. All of these tests must pass first. Works on a copy of the
tree; needs the peers of ./test for what is tested on real servers.

    tests/promises/break.py [--build FOLDER] [--peers FOLDER] [PROMISE…]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from breaks import BREAKS, row_of_the_list

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The files that hold the tests of the table.
ONLY = ("tests/(unit/(base/(error|secret)|cli/(config|help|output|parse)|registry/move|release/.*|"
        "store/(catalog|volume_upload)|"
        "transfer/(buffers|claim|engine|engine_lost|engine_transform|hasher))|"
        "component/(alias_races|cli|hub_client|hub_read|oci_both|oci_faults|oci_source|oci_store|"
        "s3_access|s3_store|store_suite|store_suite_upload))_test")


def is_interop(tests):
    return "::" in tests


def is_compile_time(tests):
    return tests.endswith(".cc")


def what_to_build(item):
    """Preset and target that the row's tests need."""
    if item.release:
        return "release", "dray"
    if is_compile_time(item.tests):
        return "asan", f"tests/CMakeFiles/dray_tests.dir/{item.tests}.o"
    return "asan", "dray" if is_interop(item.tests) else "dray_tests"


class Copy:
    """A copy of the tree that can be built and tested."""

    def __init__(self, root, peers):
        self.root, self.peers = os.path.abspath(root), peers
        self.environment = {**os.environ, "CCACHE_BASEDIR": self.root, "CCACHE_NOHASHDIR": "1",
                            "PYTHONDONTWRITEBYTECODE": "1"}
        if not os.path.isdir(root) or not os.listdir(root):
            shutil.copytree(HERE, root, dirs_exist_ok=True, symlinks=True,
                            ignore=shutil.ignore_patterns(".git", "build", ".peers", "__pycache__"))

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def run(self, command, environment=None, **more):
        return subprocess.run(command, cwd=self.root, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                              env=environment or self.environment, **more)

    def configure(self, preset, *more):
        done = self.run(["cmake", "--preset", preset, *more])
        if done.returncode:
            raise SystemExit(f"the tree cannot be configured\n{done.stdout[-3000:]}")

    def build(self, preset, target):
        done = self.run(["cmake", "--build", "--preset", preset, "--target", target])
        return done.returncode == 0, done.stdout[-6000:]

    def build_for(self, item):
        return self.build(*what_to_build(item))

    def test(self, tests, release=False):
        """(all passed, names of those that failed)"""
        with tempfile.TemporaryDirectory(prefix="dray-promises-") as home:
            environment = {**self.environment, "HOME": home, "TMPDIR": home}
            if is_interop(tests):
                return self._interop(tests, environment, "release" if release else "asan")
            try:
                done = self.run([self.path("build/asan/tests/dray_tests"), f"--gtest_filter={tests}"],
                                environment, timeout=300)
            except subprocess.TimeoutExpired:
                return False, ["a test that does not end"]
        if "[==========] 0 tests" in done.stdout or "Running 0 tests" in done.stdout:
            raise SystemExit(f"no test matches {tests}")
        failed = {line.split()[3].rstrip(",") for line in done.stdout.splitlines()
                  if line.startswith("[  FAILED  ]") and "(" in line}
        return done.returncode == 0, sorted(failed) or done.stdout.splitlines()[-3:]

    def _interop(self, tests, environment, preset):
        programs = os.path.join(self.peers, "venv", "bin")
        environment.update({"DRAY": self.path("build", preset, "dray"),
                            "DRAY_PEERS_BIN": os.path.join(self.peers, "bin"),
                            "PATH": programs + os.pathsep + environment.get("PATH", os.defpath)})
        done = self.run([os.path.join(programs, "python"), "-m", "pytest", "-q",
                         "-p", "no:cacheprovider", f"--basetemp={environment['TMPDIR']}/pytest",
                         self.path("tests", "interop", tests)], environment, timeout=600)
        failed = [line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines()
                  if line.startswith("FAILED ")]
        if done.returncode not in (0, 1):
            raise SystemExit(f"{tests} could not be run\n{done.stdout[-3000:]}")
        return done.returncode == 0, failed

    def broken(self, item):
        """A context in which the tree is broken as the row says."""
        return Broken(self.path(item.file), item)


class Broken:
    def __init__(self, path, item):
        self.path, self.item = path, item

    def __enter__(self):
        with open(self.path, encoding="utf-8") as file:
            self.right = file.read()
        if self.right.count(self.item.old) != 1:
            raise SystemExit(f"{self.item.file}: {self.item.old!r} occurs "
                             f"{self.right.count(self.item.old)} times")
        self._write(self.right.replace(self.item.old, self.item.new))

    def __exit__(self, *_):
        self._write(self.right)

    def _write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)


def check_unbroken(copy, items):
    """Builds everything that the rows need; their tests pass while nothing is broken."""
    for preset, target in sorted({what_to_build(item) for item in items}):
        built, text = copy.build(preset, target)
        if not built:
            raise SystemExit(f"the tree does not build\n{text}")
    unit = [item.tests for item in items if not is_interop(item.tests) and not is_compile_time(item.tests)]
    runs = {(item.tests, item.release) for item in items if is_interop(item.tests)}
    if unit:
        runs.add((":".join(unit), False))
    for tests, release in sorted(runs):
        passed, failed = copy.test(tests, release)
        if not passed and not is_interop(tests):  # a busy machine: once more, those alone
            passed, failed = copy.test(":".join(failed))
        if not passed:
            raise SystemExit(f"fails already, unbroken: {failed}")


def see(copy, item):
    """What failed when the promise was broken; nothing if it was not noticed."""
    with copy.broken(item):
        built, text = copy.build_for(item)
        if is_compile_time(item.tests):
            return [] if built or "static assertion failed" not in text else [item.tests]
        if not built:
            print(f"{item.file}: broken so, it does not build\n{text}")
            return []
        passed, failed = copy.test(item.tests, item.release)
    return [] if passed else failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="a folder to keep the copy and its build in")
    parser.add_argument("--peers", default=os.environ.get("DRAY_PEERS_DIR") or os.path.join(HERE, ".peers"))
    parser.add_argument("promises", nargs="*", help="only those whose text begins so")
    options = parser.parse_args()
    items = [item for item in BREAKS if not options.promises or any(
        text.startswith(given) for given in options.promises for text in (item.promise, item.broken))]
    root = options.build or tempfile.mkdtemp(prefix="dray-promises-")
    unseen = 0
    try:
        copy = Copy(root, options.peers)
        copy.configure("asan", f"-DDRAY_TEST_ONLY={ONLY}")
        if any(item.release for item in items):
            copy.configure("release")
        check_unbroken(copy, items)
        for item in items:
            failed = see(copy, item)
            unseen += not failed
            print(f"{'seen' if failed else 'NOT SEEN'}  {item.promise}: {item.broken}: "
                  f"{', '.join(failed)}", flush=True)
            if failed:
                print(f"    {row_of_the_list(item)}", flush=True)
    finally:
        if not options.build:
            shutil.rmtree(root, ignore_errors=True)
    print(f"{len(items) - unseen} passed, {unseen} failed")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
