"""What dray may take of a machine, measured from outside."""

import os

import pytest

from support import MIB, disk_bytes, llama_files, most_of, peak_of, written_by


@pytest.fixture(scope="module")
def large(the_hub):
    yield the_hub.add("org/large", llama_files(seed=3, shard_mib=192))
    del the_hub.repos["org/large"]


@pytest.mark.parametrize("memory", [128, 256])
def test_memory_stays_below_the_limit_whatever_the_size(dray, hub, large, strict_s3, memory):
    bucket = strict_s3.new_bucket()
    process = dray.with_settings(**strict_s3.settings()).start(
        "import", large.name, "--to", f"s3://{bucket}", "--memory", f"{memory}MiB", "-q")
    highest = most_of(process, peak_of)
    assert 0 < highest <= memory * MIB, f"{highest / MIB:.0f} MiB"
    assert disk_bytes(dray.home) < 5 * MIB, "model bytes stay off the disk"


def test_no_model_byte_is_written_to_a_file(dray, hub, llama, strict_s3):
    """Counted by the kernel, so that a file without a name, or outside of the home, counts too."""
    bucket = strict_s3.new_bucket()
    process = dray.with_settings(**strict_s3.settings()).start(
        "import", llama.name, "--to", f"s3://{bucket}", "-q")
    written = most_of(process, written_by)
    assert hub.large_sent > 40 * MIB
    assert 0 < written < MIB, f"{written / MIB:.1f} MiB"


def test_start_is_quick_without_settings(program):
    """Processor time, the best of several, since other processes may be in the way."""
    times = []
    for _ in range(10):
        pid = os.posix_spawn(program, [program, "--version"], {},
                             file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
        _, status, used = os.wait4(pid, 0)
        assert status == 0
        times.append(used.ru_utime + used.ru_stime)
    assert min(times) < 0.02
