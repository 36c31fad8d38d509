#!/usr/bin/env python3
"""Breaks each promise on purpose and sees its test fail.

For every row of BREAKS: change one place of the source, build, run the test that guards the promise, expect it to fail, change it
back. The tests must pass before and after. Works on a copy of the tree; takes some minutes.

    tests/promises/break.py [--build FOLDER] [PROMISE…]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass


@dataclass
class Break:
    promise: str   # as the list in docs/architecture names it
    file: str
    old: str       # occurs exactly once in the file
    new: str
    tests: str     # gtest filter: at least one of these must fail


BREAKS = [
    Break("one pass", "src/dray/transfer/buffers.cc",
          "if (out_ + buffer.capacity_ > budget_ && out_ > 0) return std::nullopt;",
          "",
          "BufferPool.*"),
    Break("verified", "src/dray/transfer/hasher.cc",
          "if (stated == found) return;", "if (stated == found || !found.empty()) return;",
          "EngineTest.NothingIsVisibleBeforeItIsVerified:InputHasherTest.*"),
    Break("verified (unstated digests)", "src/dray/release/import_plan.cc",
          "if (file.digests.any()) continue;", "continue;",
          "ImportTest.ASourceWithoutDigests*"),
    Break("all or nothing (order)", "src/dray/transfer/engine.cc",
          "if (object->plan->rank != rank_ || object->state == ObjectState::done) continue;",
          "if (object->state == ObjectState::done) continue;",
          "EngineTest.RanksBecomeVisibleInOrder:ImportTest.TheManifestComesLast"),
    Break("all or nothing (listing)", "src/dray/release/publish.cc",
          "if (file == nullptr) refuse", "if (false) refuse",
          "ImportTest.AnObjectThatAppearsMeanwhileStopsThePublishing"),
    Break("resumable", "src/dray/transfer/engine_fetch.cc",
          "if (part.index < object.parts.size()) object.parts[part.index].stored = part;", "",
          "EngineTest.GoesOnWhereAnEarlierRunStopped"),
    Break("immutable versions", "src/dray/release/import_plan.cc",
          "if (!same)\n", "if (false)\n",
          "ImportTest.AVersionNeverChanges"),
    Break("one writer", "src/dray/transfer/claim.cc",
          "if (f.key != mine && f.alive) return &f;", "",
          "ClaimTest.OneWriterAtATime"),
    Break("strangers' files", "src/dray/transfer/transfer.cc",
          "request.exclusive_prefix && !ours(object, stop)", "false",
          "ImportTest.StrangersFiles*"),
    Break("gc", "src/dray/release/gc.cc",
          "if (published) break;", "",
          "GarbageTest.APublishedReleaseIsNeverTouched"),
    Break("secrets", "src/dray/hub/client.cc",
          "if (!with_token || !on_hub(request.url)) return request;",
          "static_cast<void>(with_token);",
          "HubClient.BytesComeFromTheSignedLinkWithoutTheToken:HubClient.AWayThatLeftTheHub*"),
    Break("clear ends", "src/dray/base/error.cc",
          '{Code::gated, "E_GATED", 5}', '{Code::gated, "E_AUTH", 1}',
          "CliHelp.*"),
]


def run(command, cwd, **more):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def build(root):
    done = run(["cmake", "--build", "--preset", "debug", "--target", "dray_tests"], root)
    return done.returncode == 0, done.stdout[-3000:]


def test(root, tests):
    with tempfile.TemporaryDirectory() as home:
        done = run([os.path.join(root, "build/debug/tests/dray_tests"), f"--gtest_filter={tests}"], root,
                   env={**os.environ, "HOME": home}, timeout=300)
    if "0 tests from 0 test suites ran" in done.stdout:
        raise SystemExit(f"no test matches {tests}")
    return done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]") and "(" in line]


def main():
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="a folder to keep the copy and its build in (default: a temporary one)")
    parser.add_argument("promises", nargs="*")
    options = parser.parse_args()
    keep = options.build is not None
    root = options.build or tempfile.mkdtemp(prefix="dray-promises-")
    chosen = [b for b in BREAKS if not options.promises or any(b.promise.startswith(p) for p in options.promises)]
    unseen = 0
    try:
        run(["git", "clone", "-q", here, root], here) if not os.path.isdir(os.path.join(root, ".git")) else None
        only = "unit/(transfer|release|cli)|component/hub_client"
        run(["cmake", "--preset", "debug", f"-DDRAY_TEST_ONLY={only}"], root)
        ok, text = build(root)
        if not ok:
            raise SystemExit(f"the tree does not build\n{text}")
        for item in chosen:
            ok, failed = test(root, item.tests)
            if not ok:
                raise SystemExit(f"fails already, unbroken: {failed}")
            path = os.path.join(root, item.file)
            with open(path, encoding="utf-8") as file:
                right = file.read()
            if right.count(item.old) != 1:
                raise SystemExit(f"{item.file}: {item.old!r} occurs {right.count(item.old)} times")
            try:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(right.replace(item.old, item.new))
                ok, text = build(root)
                if not ok:
                    raise SystemExit(f"{item.promise}: the broken tree does not build\n{text}")
                passed, failed = test(root, item.tests)
            finally:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(right)
            unseen += passed
            print(f"{'NOT SEEN' if passed else 'seen'}  {item.promise}: {', '.join(f.split()[3] for f in failed)}", flush=True)
    finally:
        if not keep:
            shutil.rmtree(root, ignore_errors=True)
    print(f"{len(chosen) - unseen} passed, {unseen} failed")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
