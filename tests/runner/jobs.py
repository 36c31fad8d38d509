"""Commands with a time limit and a log, whose whole process group ends with them."""

import os
import signal
import subprocess
import threading
import time

_running = set()
_lock = threading.Lock()


class Finished:
    """How a command ended. `code` is None when it ran past its limit."""

    def __init__(self, code, seconds, log):
        self.code = code
        self.seconds = seconds
        self.log = log

    @property
    def ok(self):
        return self.code == 0

    def describe(self):
        if self.code is None:
            return f"ran past its limit, stopped after {self.seconds:.0f} s"
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        return f"exit status {self.code}"


def _end_group(process, sign):
    try:
        os.killpg(process.pid, sign)
    except ProcessLookupError:
        pass


def _to_background(process):
    """Others come first. The kernel may weigh sessions before the processes in them."""
    try:
        os.setpriority(os.PRIO_PGRP, process.pid, 19)
        with open(f"/proc/{process.pid}/autogroup", "w", encoding="ascii") as file:
            file.write("19")
    except OSError:
        pass


def run(command, *, log, limit, cwd=None, env=None, append=False, background=False):
    """Runs `command`, its output going to the file `log`, for at most `limit` seconds. `background`:
    with what time others leave."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    began = time.monotonic()
    with open(log, "ab" if append else "wb") as out:
        out.write(f"$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, cwd=cwd, env=env, start_new_session=True)
        with _lock:
            _running.add(process)
        if background:
            _to_background(process)
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            code = None
            # SIGINT first: pytest then says which test it was in and ends its servers.
            for sign, grace in ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
                _end_group(process, sign)
                try:
                    process.wait(timeout=grace)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            _end_group(process, signal.SIGKILL)  # what the command left behind
            with _lock:
                _running.discard(process)
    return Finished(code, time.monotonic() - began, log)


def end_all():
    """Ends what is still running; for the way out after an interrupt."""
    with _lock:
        left = list(_running)
    for process in left:
        _end_group(process, signal.SIGKILL)


def tail(path, lines):
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 400 * lines))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError as error:
        return f"({error})"
