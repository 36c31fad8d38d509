"""The layers of tests: what each needs, how it runs, how long it may take."""

import collections
import concurrent.futures
import glob
import os
import sys
import tempfile
import time

import gtest
import jobs
import junit
from peers import Missing, Peers
from report import Layer

QUICK = ["rooms", "style"]  # need nothing built
# Layers that run at the same time: real servers wait a lot, and fuzzing takes what they leave.
TOGETHER = [["release"], ["asan"], ["tsan"], ["interop", "fuzz"], ["promises"]]
NAMES = QUICK + [name for names in TOGETHER for name in names]
FULL_ONLY = ["promises"]  # unless named

# Targets to build of each preset, in this order: the release program first, since others wait for it.
PRESETS = {"release": ["dray"], "asan": ["all"], "tsan": ["dray_tests"]}
NEEDS = {"release": ["release"], "asan": ["asan"], "tsan": ["tsan"], "fuzz": ["asan"],
         "interop": ["release", "asan"]}
FUZZED_LONGER = {"content_range", "journal", "json", "link", "manifest", "reference", "s3_xml",
                 "safetensors", "url"}
BUILD_LIMIT = 2400
CI_LIMIT = 80 * 60  # all layers together, so that a report is printed before CI gives up
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Context:
    def __init__(self, root, options, report):
        self.root, self.options, self.report = root, options, report
        self.logs = os.path.join(root, "build", "logs")
        folder = os.environ.get("DRAY_PEERS_DIR") or os.path.join(root, ".peers")
        os.makedirs(self.logs, exist_ok=True)
        self.peers = Peers(folder, os.path.join(root, "tests", "interop", "requirements.txt"),
                           self.logs)
        self.end = time.monotonic() + CI_LIMIT if options.ci else None
        self.built = {}      # preset → (problem or None, seconds)
        self.peers_problem = None
        self.peers_seconds = 0.0

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def log(self, name):
        return os.path.join(self.logs, f"{name}.log")

    def limit(self, seconds):
        """A time limit that also keeps to the one of the whole run."""
        return seconds if self.end is None else max(5, min(seconds, self.end - time.monotonic()))

    # Setting up

    def build_all(self, wanted):
        needed = {preset for name in wanted for preset in NEEDS.get(name, [])}
        for preset in PRESETS:
            if preset in needed:
                self._build(preset)

    def _build(self, preset):
        began = time.monotonic()
        self.report.say(f"-- building {preset} …")
        log = self.log(f"build-{preset}")
        done = jobs.run(["cmake", "--preset", preset], log=log, limit=self.limit(300),
                        cwd=self.root)
        if done.ok:
            done = jobs.run(["cmake", "--build", "--preset", preset, "--parallel",
                             os.cpu_count() or 2, "--target", *PRESETS[preset]],
                            log=log, limit=self.limit(BUILD_LIMIT), cwd=self.root, append=True)
        seconds = time.monotonic() - began
        problem = None if done.ok else f"{done.describe()}\n{jobs.tail(log, 80)}"
        self.built[preset] = (problem, seconds)
        self.report.say(f"-- building {preset}: {'ok' if done.ok else 'FAILED'} in {seconds:.0f} s")

    def setup_peers(self, wanted):
        if not {"interop", "promises"} & set(wanted):
            return
        began = time.monotonic()
        self.report.say("-- setting up the servers and clients to test against …")
        try:
            self.peers.setup_python()
            self.peers.setup_registry_clients()
            self.peers.setup_registry_api()
            self.peers.setup_versitygw()
            self.peers.setup_registries()
            if self.options.full:
                self.peers.setup_minio()
                self.peers.setup_distribution()
                self.peers.setup_kubeflow()
                self.peers.setup_quantization()
        except Missing as missing:
            self.peers_problem = str(missing)
        except Exception as error:  # told with the layer that needs them
            self.peers_problem = f"{type(error).__name__}: {error}"
        self.peers_seconds = time.monotonic() - began
        self.report.say(f"-- servers and clients: {'FAILED' if self.peers_problem else 'ok'} in "
                        f"{self.peers_seconds:.0f} s")

    # Running

    def run_layer(self, name):
        layer = Layer(name)
        began = time.monotonic()
        try:
            for preset in NEEDS.get(name, []):
                problem, seconds = self.built[preset]
                layer.setup += seconds if NEEDS[name][-1] == preset else 0
                if problem:
                    layer.problems.append((f"build of {preset}", problem))
            if not layer.problems:
                getattr(self, f"_run_{name}")(layer)
        except Exception as error:  # a layer that breaks is a failure, and the next ones still run
            layer.problems.append((name, f"{type(error).__name__}: {error}"))
        layer.seconds = time.monotonic() - began
        self.report.add(layer)

    def _run_checks(self, layer, script):
        log = self.log(f"{layer.name}-{script[:-3]}")
        done = jobs.run([sys.executable, "-B", self.path("tests", "checks", script)], log=log,
                        limit=300, cwd=self.root)
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        layer.passed += sum(line.startswith("ok ") for line in lines)
        failed = [line for line in lines if line.startswith("FAIL ")]
        layer.problems += [(line[5:].split(":")[0], "\n".join(
            other for other in lines if other == line or other.startswith("    ")))
                           for line in failed]
        if not done.ok and not failed:
            layer.problems.append((script, f"{done.describe()}\n{jobs.tail(log, 40)}"))

    def _run_rooms(self, layer):
        self._run_checks(layer, "rooms.py")

    def _run_style(self, layer):
        for script in ("style.py", "runner.py", "promises.py"):
            self._run_checks(layer, script)

    def _run_release(self, layer):
        """The program that ships starts; how fast (the best of ten) is told, not judged."""
        program = self.path("build", "release", "dray")
        log = self.log("release")
        times = []
        for count in range(10):
            done = jobs.run([program, "--version"], log=log, limit=20, append=count > 0)
            times.append(done.seconds)
            if not done.ok:
                layer.problems.append(("dray --version", f"{done.describe()}\n{jobs.tail(log, 20)}"))
                return
        layer.passed += 1
        layer.note = f"dray --version: {min(times) * 1000:.0f} ms"

    def _gtest(self, layer, *, shards, limit, **more):
        name = layer.name
        with tempfile.TemporaryDirectory(prefix=f"dray-{name}-") as scratch:
            # Tests must not see the settings, credentials and caches of whoever runs them.
            environment = clean_environment(scratch)
            environment.update(SANITIZERS)
            layer.passed, problems, layer.skipped, layer.flaky = gtest.run(
                self.path("build", name, "tests", "dray_tests"), name=name, log_folder=self.logs,
                limit=self.limit(limit), shards=shards, env=environment, **more)
            layer.problems += problems

    def _run_asan(self, layer):
        self._gtest(layer, shards=2, limit=900)

    def _run_tsan(self, layer):
        # Large bytes and few threads: what is left out here took two thirds of the time. Of the
        # store suite's kinds one of each sort is enough.
        self._gtest(layer, shards=2, limit=900,
                    test_filter="-SharedRanges.*:*StoreCopySuite.*:*StoreSuite.*/s3_*:"
                                "*StoreSuite.*/dir_*")

    def _run_interop(self, layer):
        layer.setup = self.peers_seconds
        if self.peers_problem:
            layer.problems.append(("servers and clients", self.peers_problem))
            return
        with tempfile.TemporaryDirectory(prefix="dray-interop-") as scratch:
            environment = clean_environment(scratch)
            os.chmod(scratch, 0o711)  # PostgreSQL, which never runs as root, has a folder in it
            environment.update({
                "DRAY": self.path("build", "release", "dray"),
                "DRAY_TESTS": self.path("build", "asan", "tests", "dray_tests"),
                "DRAY_PEERS_BIN": self.peers.bin,
                "DRAY_PEERS_CLIENTS": self.peers.clients,
                "DRAY_PEERS_QUANTIZATION": self.peers.quantization_python,
                "PYTHONDONTWRITEBYTECODE": "1",
            })
            environment["PATH"] = (os.path.dirname(self.peers.python) + os.pathsep
                                   + environment.get("PATH", os.defpath))

            def pytest(name, *more):
                results = os.path.join(scratch, f"{name}.xml")
                command = [self.peers.python, "-m", "pytest", "-ra", "-o",
                           f"cache_dir={scratch}/cache", "--timeout=240", "--durations=15",
                           f"--basetemp={scratch}/{name}", f"--junitxml={results}",
                           self.path("tests", "interop"), *more]
                if self.options.full:
                    command.append("--full")
                limit = self.limit(7200 if self.options.full else 1200)
                done = jobs.run(command, log=self.log(name), cwd=scratch, env=environment,
                                limit=limit)
                return junit.read(results, done)

            layer.passed, layer.problems, layer.skipped = pytest("interop")
            if layer.passed and 0 < len(layer.problems) <= 3:
                first = [name for name, _ in layer.problems]
                _, problems, _ = pytest("interop-again", "--last-failed")
                layer.flaky = [name for name in first if name not in dict(problems)]
                layer.passed += len(layer.flaky)
                layer.problems = [problem for problem in layer.problems
                                  if problem[0] not in layer.flaky] or problems

    def _run_fuzz(self, layer):
        targets = sorted(path for path in glob.glob(self.path("build", "asan", "tests", "fuzz_*"))
                         if os.access(path, os.X_OK) and os.path.isfile(path))
        if not targets:
            return
        seconds = {path: self._fuzz_seconds(path) for path in targets}
        layer.note = " and ".join(
            f"{count} targets {each} s" for each, count
            in sorted(collections.Counter(seconds.values()).items(), reverse=True))

        def one(target):
            name = os.path.basename(target)
            with tempfile.TemporaryDirectory(prefix=f"dray-{name}-") as scratch:
                environment = clean_environment(scratch)
                environment.update(SANITIZERS)
                corpus = os.path.join(scratch, "corpus")
                os.makedirs(corpus)
                seeds = self.path("tests", "fuzz", "corpus", name[len("fuzz_"):])
                command = [target, f"-max_total_time={seconds[target]}", "-timeout=10", "-rss_limit_mb=2048",
                           "-print_final_stats=1", f"-artifact_prefix={self.logs}/{name}-", corpus]
                if not self.options.full:
                    # The same ground each time, so that a change is judged by what it changed; new
                    # ground is for --full.
                    command.insert(1, "-seed=1")
                if os.path.isdir(seeds):
                    command.append(seeds)
                return name, jobs.run(command, log=self.log(name), env=environment, background=True,
                                      limit=self.limit(seconds[target] * 2 + 60))

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for name, done in pool.map(one, targets):
                if done.ok:
                    layer.passed += 1
                else:
                    layer.problems.append((name, f"{done.describe()}\n{jobs.tail(done.log, 60)}"))

    def _fuzz_seconds(self, target):
        """CI gives its minutes to what is largest or most exposed; the small ones find little new
        after the first seconds, and have their time in a full run."""
        seconds = self.options.fuzz_seconds
        if self.options.fuzz_all_alike or os.path.basename(target)[len("fuzz_"):] in FUZZED_LONGER:
            return seconds
        return min(seconds, 10)

    def _run_promises(self, layer):
        """Each promise is broken on purpose, and its test must fail."""
        log = self.log("promises")
        done = jobs.run([sys.executable, "-B", self.path("tests", "promises", "break.py"), "--peers",
                         self.peers.folder], log=log, limit=self.limit(5400), cwd=self.root)
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        layer.passed += sum(line.startswith("seen ") for line in lines)
        unseen = [line for line in lines if line.startswith("NOT SEEN")]
        layer.problems += [(line.split(":")[0], line) for line in unseen]
        if not done.ok and not unseen:
            layer.problems.append(("break.py", f"{done.describe()}\n{jobs.tail(log, 40)}"))


def clean_environment(home):
    """What a test may see of the caller's environment: where programs are, and the language."""
    kept = {name: value for name, value in os.environ.items()
            if name in ("PATH", "LANG", "LC_ALL", "TZ", "CI", "LD_LIBRARY_PATH")
            or name.startswith("DRAY_TEST_")}
    folder = os.path.join(home, "tmp")
    os.makedirs(folder, exist_ok=True)
    kept.update(HOME=home, TMPDIR=folder)
    return kept
