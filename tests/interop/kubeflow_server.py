"""The real Model Registry of Kubeflow on PostgreSQL, on loopback, for comparison."""

import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from servers import end_with_parent, free_ports
from support import wait_until

NOBODY = 65534


class Kubeflow:
    """Both processes, with a database of their own; `durable` keeps fsync as PostgreSQL has it."""

    def __init__(self, bin_folder, postgres, durable=True):
        self.bin, self.durable = bin_folder, durable
        # PostgreSQL refuses to run as root, and others may not see into root's folders.
        self.as_root = os.geteuid() == 0
        self.folder = tempfile.mkdtemp(prefix="dray-kubeflow-")
        self.tree = os.path.join(self.folder, "postgres")
        shutil.copytree(postgres, self.tree, symlinks=True)
        os.makedirs(os.path.join(self.folder, "run"))
        if self.as_root:
            for path in (self.folder, os.path.join(self.folder, "run")):
                os.chown(path, NOBODY, NOBODY)
        self.processes, self.url = [], None

    def _postgres(self, program, *arguments, **more):
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if self.as_root else {}
        return subprocess.Popen(
            [os.path.join(self.tree, "bin", program), *arguments], stdin=subprocess.DEVNULL,
            stdout=self._log(program), stderr=subprocess.STDOUT, cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "LD_LIBRARY_PATH": f"{self.tree}/lib"},
            start_new_session=True, **who, **more)

    def _log(self, name):
        return open(os.path.join(self.folder, f"{name}.log"), "ab")  # closed with the process

    def start(self):
        data = os.path.join(self.folder, "data")
        made = self._postgres("initdb", "-A", "trust", "-U", "mr", "-E", "UTF8", "--locale=C", "-D",
                              data)
        assert made.wait(timeout=120) == 0, self.logs()
        port, http_port = free_ports(2)
        self.processes.append(self._postgres(
            "postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k",
            os.path.join(self.folder, "run"), "-c", f"fsync={'on' if self.durable else 'off'}"))
        self.url = f"http://127.0.0.1:{http_port}"
        dsn = f"host=127.0.0.1 port={port} user=mr password=x dbname=postgres sslmode=disable"
        self.processes.append(subprocess.Popen(
            [os.path.join(self.bin, "model-registry"), "proxy", "--hostname", "127.0.0.1", "--port",
             str(http_port), "--embedmd-database-type", "postgres", "--embedmd-database-dsn", dsn],
            stdin=subprocess.DEVNULL, stdout=self._log("model-registry"), stderr=subprocess.STDOUT,
            cwd=self.folder, start_new_session=True, preexec_fn=end_with_parent))
        wait_until(self._ready, limit=120, what="the real registry", step=0.2)
        return self

    def _ready(self):
        assert all(process.poll() is None for process in self.processes), self.logs()
        try:
            with urllib.request.urlopen(f"{self.url}/readyz/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def logs(self):
        texts = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log"):
                with open(os.path.join(self.folder, name), encoding="utf-8",
                          errors="replace") as file:
                    texts.append(f"--- {name}\n{file.read()[-3000:]}")
        return "\n".join(texts)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
