"""Imports that quantize on the way: killed at any moment, they end as if nothing had happened."""

import json
import random
import signal
from pathlib import Path

import pytest

from places import Place, check_state
from support import (MIB, finish, folder_bytes, llama_files, most_of, peak_of, safetensors,
                     written_by)
from test_failpoints import NAMES, PUBLISHED, at, die
from test_interruptions import kill_loop

# The high bytes of bf16 weights: both signs, 2^-11 to 2^-4.
HIGH = bytes(byte & 0x80 | 0x3A + (byte & 3) for byte in range(256))
COLUMNS = 1024


def weights_files(seed, shard_mib, shards=2):
    """As llama_files(), with weights that can be quantized."""
    rand, files = random.Random(seed), llama_files(seed, 2, shards)
    index = json.loads(files["model.safetensors.index.json"])
    for number in range(1, shards + 1):
        path = f"model-{number:05d}-of-{shards:05d}.safetensors"
        tensors = {}
        for name in (name for name, where in index["weight_map"].items() if where == path):
            data = bytearray(rand.randbytes(shard_mib * MIB // 2))
            data[1::2] = data[1::2].translate(HIGH)
            tensors[name] = bytes(data)
        files[path] = safetensors(tensors, columns=COLUMNS)
    return files


class Expected:
    """What a release must hold, as a repository does."""

    class File:
        def __init__(self, data):
            self.data = data

    def __init__(self, name, folder):
        self.name = name
        self.files = {path: self.File(data) for path, data in folder_bytes(folder).items()}


def compressed(dray, model, scheme, folder):
    """What an import without any trouble makes."""
    dray("import", model.name, "--to", f"dir:{folder}", "--name", "llama", "--registry", "none",
         "--compress", scheme)
    return Expected(model.name, Path(folder) / "model-data/llama/1.0.0")


@pytest.fixture(scope="module")
def model(the_hub):
    """Its shards have two parts when they are quantized."""
    yield the_hub.add("org/weights", weights_files(seed=6, shard_mib=72, shards=1))
    del the_hub.repos["org/weights"]


def test_random_kills(dray, hub, model, place, rand, tmp_path):
    kill_loop(dray, hub, compressed(dray, model, "W4A16", tmp_path / "whole"), place, rand, 4,
              "--name", "llama", "--compress", "W4A16")


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scheme", ["W4A16", "FP8_DYNAMIC", "NVFP4A16"])
def test_many_random_kills(dray, hub, model, place, rand, tmp_path, scheme):
    kill_loop(dray, hub, compressed(dray, model, scheme, tmp_path / "whole"), place, rand, 60,
              "--name", "llama", "--compress", scheme)


@pytest.mark.parametrize("kind, name", [
    pytest.param(kind, name, marks=[pytest.mark.full] if kind == "dir" else [])
    for kind in ("versitygw", "dir") for name in at(kind, NAMES) if name != "copied"])
def test_killed_there_the_same_command_completes(dray, hub, model, servers, tmp_path, kind, name):
    place = Place(None if kind == "dir" else servers(kind), tmp_path)
    wanted = compressed(dray, model, "W4A16", tmp_path / "whole")
    dray = dray.with_settings(**place.settings)
    command = ("import", model.name, "--to", place.uri, "--name", "llama", "--alias", "production",
               "--compress", "W4A16", "--json")
    die(dray, name, *command)
    check_state(place, wanted)
    assert bool(place.record("llama")) == (name in PUBLISHED)
    result = dray(*command).json
    assert result["changed"] is (name not in PUBLISHED)
    check_state(place, wanted)
    assert place.record("llama") and dray(*command).json["changed"] is False
    tensors = dray("show", "llama", "--store", place.uri, "--tensors", "--json").json["tensors"]
    errors = {tensor["name"]: tensor["relative_error"] for tensor in tensors
              if tensor["relative_error"] is not None}
    assert len(errors) == 2 and all(0.05 < error < 0.15 for error in errors.values()), errors


@pytest.mark.parametrize("scheme", ["W4A16", "FP8_DYNAMIC"])
def test_nothing_on_disk_and_little_memory(dray, hub, strict_s3, scheme):
    """Also where one tensor is larger than all the memory that is allowed."""
    model = hub.add("org/large", weights_files(seed=7, shard_mib=384, shards=1))
    try:
        for measure, limit in ((peak_of, 160 * MIB), (written_by, MIB)):
            process = dray.with_settings(**strict_s3.settings()).start(
                "import", model.name, "--to", f"s3://{strict_s3.new_bucket()}", "--compress",
                scheme, "--memory", "160MiB", "-q")
            most = most_of(process, measure)
            assert 0 < most < limit, f"{measure.__name__}: {most / MIB:.1f} MiB"
    finally:
        del hub.repos[model.name]


def test_many_thousand_weights_leave_the_memory_for_their_bytes(dray, hub, strict_s3):
    """As many as the largest models have: what is known of them is memory, too."""
    shards, experts = 64, 700
    block = bytearray(random.Random(8).randbytes(8192))
    block[1::2] = block[1::2].translate(HIGH)
    files = llama_files(8, 1, shards)
    for number in range(1, shards + 1):
        files[f"model-{number:05d}-of-{shards:05d}.safetensors"] = safetensors(
            {f"model.layers.{number}.mlp.experts.{expert}.down_proj.weight": bytes(block)
             for expert in range(experts)}, columns=COLUMNS)
    model = hub.add("org/experts", files)
    try:
        bucket = strict_s3.new_bucket()
        process = dray.with_settings(**strict_s3.settings()).start(
            "import", model.name, "--to", f"s3://{bucket}", "--compress", "W4A16", "-q")
        most = most_of(process, peak_of)
        assert 0 < most < 256 * MIB, f"{most / MIB:.1f} MiB"
    finally:
        del hub.repos[model.name]


def test_a_stop_says_how_to_go_on(dray, hub, model, place):
    dray = dray.with_settings(**place.settings)
    hub.bytes_per_second = 20_000_000
    process = dray.start("import", model.name, "--to", place.uri, "--compress", "W8A8")
    try:
        process.wait(timeout=1)
    except Exception:  # pylint: disable=broad-except; still running: that is the point
        process.send_signal(signal.SIGINT)
    stopped = finish(process, limit=30)
    assert stopped.code == 130, str(stopped)
    assert "--compress W8A8" in stopped.err
    hub.bytes_per_second = None
    assert dray("import", model.name, "--to", place.uri, "--compress", "W8A8",
                "--json").json["changed"] is True
    assert not place.leftovers()
