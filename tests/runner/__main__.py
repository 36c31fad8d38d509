"""Runs the layers of tests and ends with one line: `N passed, N failed`. Started by ./test."""

import argparse
import os
import signal
import sys
import threading
import time

import jobs
import layers
from report import Report

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./test", description="Runs the tests of dray, all layers without arguments.")
    parser.add_argument("layers", nargs="*", metavar="LAYER", help=", ".join(layers.NAMES))
    parser.add_argument("--full", action="store_true",
                        help="also what is too long for every run: MinIO, Ceph, CNCF registry 3, 200 kills, long fuzzing, broken promises")
    parser.add_argument("--list", action="store_true", help="name the layers and end")
    parser.add_argument("--fuzz-seconds", type=int, metavar="N",
                        help="for each fuzz target (10; for the larger ones 60 where CI=true; 600 with --full)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.layers if name not in layers.NAMES]:
        parser.error(f"no layer {', '.join(unknown)}; there are: {', '.join(layers.NAMES)}")
    options.ci = os.environ.get("CI") == "true"
    options.fuzz_all_alike = options.full or options.fuzz_seconds is not None
    if options.fuzz_seconds is None:
        options.fuzz_seconds = 600 if options.full else 60 if options.ci else 10
    return options


def run_together(context, names):
    threads = [threading.Thread(target=context.run_layer, args=(name,), daemon=True)
               for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    options = parse(sys.argv[1:])
    if options.list:
        print("\n".join(layers.NAMES))
        return 0
    wanted = options.layers or [name for name in layers.NAMES
                                if options.full or name not in layers.FULL_ONLY]
    report = Report()
    context = layers.Context(ROOT, options, report)
    builds = threading.Thread(target=context.build_all, args=(wanted,), daemon=True)
    peers = threading.Thread(target=context.setup_peers, args=(wanted,), daemon=True)

    def stop(number, _):
        jobs.end_all()
        print(f"stopped by {signal.Signals(number).name}", flush=True)
        os._exit(128 + number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    began = time.monotonic()
    # Quick checks first, then all that must be built or fetched, side by side; the tests themselves
    # run when the machine is quiet.
    for name in layers.QUICK:
        if name in wanted:
            context.run_layer(name)
    for thread in (builds, peers):
        thread.start()
    for thread in (builds, peers):
        thread.join()
    for together in layers.TOGETHER:
        run_together(context, [name for name in together if name in wanted])
    return report.finish(time.monotonic() - began)


sys.exit(main())
