"""Stopped, killed and doubled imports: the old state or the new one, never something between."""

import os
import signal
import time

import pytest

from places import check_state
from support import finish, folder_bytes, llama_files, wait_until

SLOW = 24_000_000  # bytes a second of the CDN: the import takes a few seconds


@pytest.fixture
def long(hub):
    """A model of several parts a file."""
    yield hub.add("org/long", llama_files(seed=4, shard_mib=96))
    del hub.repos["org/long"]


def test_interrupt_ends_soon_and_the_next_run_goes_on(dray, hub, long, place):
    dray = dray.with_settings(**place.settings)
    hub.bytes_per_second = SLOW * 2
    process = dray.start("import", long.name, "--to", place.uri, "--memory", "128MiB")
    total = sum(len(file.data) for file in long.files.values() if file.large)
    wait_until(lambda: hub.large_sent > total * 0.7 or process.poll() is not None, what="bytes")
    assert process.poll() is None, str(finish(process))
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    stopped = finish(process, limit=30)
    assert stopped.code == 130, str(stopped)
    assert time.monotonic() - asked < 2
    assert "dray import" in stopped.err, "says how to go on"
    assert place.record("long") is None
    check_state(place, long, "long")

    hub.reset()
    result = dray("import", long.name, "--to", place.uri, "--json").json
    assert result["changed"] is True
    assert hub.large_sent < total * 0.9, "what was stored is not fetched again"
    check_state(place, long, "long")
    assert place.record("long") and not place.leftovers()


def kill_loop(dray, hub, llama, place, rand, kills, *more):
    """Kills an import at random moments until so many kills hit, starting anew after each success.
    `more`: of its command line."""
    hub.bytes_per_second = SLOW * 4
    done = completed = 0
    began = time.monotonic()
    dray.with_settings(**place.settings)("import", llama.name, "--to", place.uri, *more)
    whole = time.monotonic() - began
    place.fresh()
    while done < kills:
        process = dray.with_settings(**place.settings).start("import", llama.name, "--to", place.uri,
                                                             *more)
        try:
            process.wait(timeout=rand.uniform(0.02, whole * 1.1))
        except Exception:  # pylint: disable=broad-except; still running: that is the point
            pass
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            done += 1
        else:
            ended = finish(process)
            assert ended.code in (0, 75), str(ended)
        check_state(place, llama)
        if place.record("llama"):
            completed += 1
            place.fresh()
    hub.bytes_per_second = None
    wait_for_the_claim(dray.with_settings(**place.settings), llama, place, *more)
    check_state(place, llama)
    assert place.record("llama")
    print(f"{done} kills, {completed} completed releases on the way")


def wait_for_the_claim(dray, llama, place, *more):
    """Imports to the end; a killed writer's claim may have to run out first."""
    end = time.monotonic() + 150
    while True:
        ended = dray("import", llama.name, "--to", place.uri, *more, code=None)
        if ended.code == 0:
            return
        assert ended.code == 75 and time.monotonic() < end, str(ended)
        time.sleep(2)


def test_random_kills(dray, hub, llama, place, rand):
    kill_loop(dray, hub, llama, place, rand, kills=9)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_many_random_kills(dray, hub, llama, place, rand):
    kill_loop(dray, hub, llama, place, rand, kills=200)


def test_two_at_once(dray, hub, llama, place):
    dray = dray.with_settings(**place.settings)
    hub.bytes_per_second = SLOW * 2
    both = [dray.start("import", llama.name, "--to", place.uri, "--json") for _ in range(2)]
    ended = [finish(process) for process in both]
    assert sorted(result.code for result in ended) in ([0, 0], [0, 75]), "\n".join(map(str, ended))
    changed = [result.json["changed"] for result in ended if result.code == 0]
    assert changed.count(True) == 1
    assert place.record("llama")
    check_state(place, llama)


def test_pull_survives_kills(dray, hub, llama, strict_s3, tmp_path, rand):
    bucket = strict_s3.new_bucket()
    dray = dray.with_settings(**strict_s3.settings())
    dray("import", llama.name, "--to", f"s3://{bucket}")
    target = tmp_path / "pulled"
    arguments = ("pull", "llama", target, "--store", f"s3://{bucket}", "--limit-rate", "60MiB")
    for _ in range(4):
        process = dray.start(*arguments)
        time.sleep(rand.uniform(0.05, 0.6))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for path, data in folder_bytes(target).items() if target.exists() else ():
            if path in llama.files:
                assert data == llama.files[path].data, f"{path} has its name with wrong bytes"
    dray(*arguments)
    assert folder_bytes(target) == {path: file.data for path, file in llama.files.items()}
