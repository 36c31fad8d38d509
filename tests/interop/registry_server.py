"""`dray serve` for tests."""

import os
import re
import signal
import subprocess
import threading

from support import Dray, wait_until

API = "/api/model_registry/v1alpha3/"


class DrayServe:
    """The program that ships, serving a registry file of its own; ended with the `with` block."""

    def __init__(self, program, folder, *options):
        self.folder = folder
        self.file = folder / "registry.db"
        self._dray = Dray(program, folder, {})
        self._options = options
        self.process, self.url, self.errors = None, None, ""

    def __enter__(self):
        options = list(self._options)
        if "--listen" not in options:
            options += ["--listen", "127.0.0.1:0"]
        self.process = self._dray.start("serve", "--registry", f"sqlite:{self.file}", *options)
        threading.Thread(target=self._read_errors, daemon=True).start()
        wait_until(lambda: self._ready() or self.process.poll() is not None, what="dray serve")
        assert self.url, self.errors
        return self

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def _ready(self):
        found = re.search(r"listening at (https?://\S+)", self.errors)
        if found:
            self.url = found.group(1)
        return found

    def end(self, sign=signal.SIGTERM):
        """The exit status after the signal."""
        self.process.send_signal(sign)
        return self.process.wait(timeout=60)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end()


def run_client(version, url, *more):
    """Runs registry_client.py with that version of the official client."""
    here = os.path.dirname(os.path.abspath(__file__))
    clients = os.environ["DRAY_PEERS_CLIENTS"]
    done = subprocess.run(
        ["python", "-B", os.path.join(here, "registry_client.py"), url, *more],
        env={**os.environ, "PYTHONPATH": os.path.join(clients, version), "no_proxy": "*"},
        capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith(f"{version} done"), done.stdout
