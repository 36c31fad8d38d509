"""What the layers did: told while they run, and as a table at the end."""

import threading


class Layer:
    def __init__(self, name):
        self.name = name
        self.passed = self.skipped = 0
        self.problems = []  # (name, output)
        self.flaky = []     # passed only on a second try
        self.seconds = 0.0
        self.setup = 0.0    # building or fetching what it needs
        self.note = ""


class Report:
    def __init__(self):
        self.layers = []
        self._lock = threading.Lock()

    def say(self, text):
        with self._lock:
            print(text, flush=True)

    def add(self, layer):
        self.layers.append(layer)
        counts = f"{layer.passed} passed, {len(layer.problems)} failed"
        if layer.skipped:
            counts += f", {layer.skipped} skipped"
        self.say(f"-- {layer.name}: {counts}, in {layer.seconds:.0f} s")
        for name, output in layer.problems:
            self.say(f"   FAILED {name}")

    def finish(self, seconds):
        """Prints failures, the table and the total. Returns the exit status."""
        for layer in self.layers:
            for name, output in layer.problems[:20]:
                self.say(f"\n==== {layer.name}: {name}\n{output[-12000:]}")
            if len(layer.problems) > 20:
                self.say(f"\n==== {layer.name}: {len(layer.problems) - 20} more failures")
        self.say(f"\n{'layer':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'setup':>9}{'tests':>9}")
        for layer in self.layers:
            self.say(f"{layer.name:<10}{layer.passed:>8}{len(layer.problems):>8}{layer.skipped:>9}"
                     f"{layer.setup:>7.0f} s{layer.seconds:>7.0f} s  {layer.note}")
        self.say(f"{'in all':<43}{seconds:>9.0f} s")
        for layer in self.layers:
            for name in layer.flaky:
                self.say(f"passed only on a second try: {layer.name}: {name}")
        passed = sum(layer.passed for layer in self.layers)
        failed = sum(len(layer.problems) for layer in self.layers)
        if passed + failed == 0:
            failed = 1
            self.say("no test ran")
        self.say(f"{passed} passed, {failed} failed")
        return 1 if failed else 0
