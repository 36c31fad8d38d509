"""Versions and aliases: promote, roll back, remove, on a folder and on real S3 servers."""

import os
import signal
import subprocess

import pytest

from support import finish, llama_files


@pytest.fixture(params=["dir", "versitygw", "seaweedfs"])
def store(request, servers, tmp_path):
    """(settings, URI) of an empty store."""
    registry = {"DRAY_REGISTRY": f"sqlite:{tmp_path}/registry.db"}
    if request.param == "dir":
        return registry, f"dir:{tmp_path}/store"
    server = servers(request.param)
    return {**server.settings(), **registry}, f"s3://{server.new_bucket()}"


class Versions:
    """A model `llama` with versions 1.0.0 … in a store."""

    def __init__(self, dray, uri, folder):
        self.dray, self.uri, self.folder = dray, uri, folder

    def add(self, seed, **changes):
        """Imports other weights; `changes` replaces files."""
        self.folder.mkdir(exist_ok=True)
        files = {**llama_files(seed=seed, shard_mib=1, shards=1), **changes}
        for path, data in files.items():
            (self.folder / path).write_bytes(data)
        return self.run("import", self.folder, "--name", "llama", where="--to")["version"]

    def run(self, *words, where="--store", code=0):
        return self.dray(*words, where, self.uri, "--json", code=code).json

    def error(self, *words, code):
        ended = self.dray(*words, "--store", self.uri, "--json", code=code)
        return ended.err

    def findings(self, *words):
        dray = self.dray.with_settings(HF_HUB_OFFLINE="1")
        return dray("doctor", "--store", self.uri, *words, "--json").json["findings"]

    def pointed(self, alias="production"):
        return self.run("show", f"llama@{alias}")["version"]

    def moves(self, alias="production"):
        return self.run("history", f"llama@{alias}")["history"]


@pytest.fixture
def versions(dray, store, tmp_path):
    settings, uri = store
    return Versions(dray.with_settings(**settings), uri, tmp_path / "source")


def test_promote_rollback_history(versions):
    for seed in (1, 2, 3):
        versions.run("promote", f"llama:{versions.add(seed)}", "production", "--reason", str(seed))
    assert versions.pointed() == "1.0.2"
    back = versions.run("rollback", "llama", "--reason", "bad answers")
    assert (back["version"], back["previous"], back["checked"]) == ("1.0.1", "1.0.2", "quick")
    assert versions.run("rollback", "llama@production", "--verify", "full")["version"] == "1.0.0"
    assert "pointed nowhere" in versions.error("rollback", "llama", code=4)
    assert versions.pointed() == "1.0.0"
    moves = versions.moves()
    assert [(move["event"], move["version"]) for move in moves] == [
        ("moved", "1.0.0"), ("moved", "1.0.1"), ("moved", "1.0.2"), ("rolled back", "1.0.1"),
        ("rolled back", "1.0.0")]
    assert [move["previous"] for move in moves] == ["", "1.0.0", "1.0.1", "1.0.2", "1.0.1"]
    assert moves[3]["reason"] == "bad answers" and moves[3]["known_by"] == "login"


def test_remove_restore_and_purge(versions):
    versions.add(1)
    versions.add(2)
    versions.run("promote", "llama:1.0.0", "production")
    assert "production points to it" in versions.error("rm", "llama:1.0.0", "--yes", code=10)
    assert versions.run("rm", "llama:1.0.1")["dry_run"] is True
    versions.run("rm", "llama:1.0.1", "--yes")
    assert "dray restore llama:1.0.1" in versions.error("show", "llama:1.0.1", code=4)
    assert versions.run("gc", "--yes")["leftovers"] == [], "the time of grace is not over"
    versions.run("restore", "llama:1.0.1")
    assert versions.run("verify", "llama:1.0.1")["intact"] is True
    versions.run("rm", "llama:1.0.1", "--yes", "--grace", "0s")
    assert len(versions.run("gc", "--yes")["leftovers"]) == 1
    assert "files are gone" in versions.error("restore", "llama:1.0.1", code=4)
    assert versions.run("verify", "--all")["damaged"] == []
    assert versions.add(3) == "1.0.2", "the number of a removed version is not used again"


def test_diff(versions):
    versions.add(1)
    versions.add(2, **{"generation_config.json": b'{"eos_token_id": 3}\n',
                       "chat_template.jinja": b"{{ messages }}\n"})
    found = versions.run("diff", "llama:1.0.0", "llama:1.0.1")
    assert {"file": "generation_config.json", "key": "eos_token_id", "before": 2, "after": 3,
            "set_before": True, "set_after": True} in found["settings"]
    assert found["tensors_compared"] and found["tensors"] == []
    assert "+{{ messages }}" in found["chat_templates"][0]["diff"]
    changes = {file["path"]: file["change"] for file in found["files"]}
    assert changes["chat_template.jinja"] == "added"
    assert changes["generation_config.json"] == "changed"
    assert "README.md" not in changes


def test_two_promotes_at_once_are_both_recorded(versions):
    for seed in (1, 2, 3):
        versions.add(seed)
    versions.run("promote", "llama:1.0.0", "production")
    both = [versions.dray.start("promote", f"llama:1.0.{n}", "production", "--reason", f"by {n}",
                                "--store", versions.uri) for n in (1, 2)]
    for process in both:
        ended = finish(process)
        assert ended.code == 0, str(ended)
    moves = versions.moves()
    assert {move["reason"] for move in moves[1:]} == {"by 1", "by 2"}
    for before, move in zip(moves, moves[1:]):
        assert move["previous"] == before["version"]


def kill_promotes(versions, rand, kills):
    """Kills promotes at random moments until so many hit; every acknowledged one is in the log."""
    for seed in (1, 2):
        versions.add(seed)
    first = versions.dray.start("promote", "llama:1.0.0", "production", "--store", versions.uri,
                                "--reason", "0", "--json")
    whole = finish(first).seconds
    acknowledged, killed, number = ["0"], 0, 0
    while killed < kills:
        number += 1
        process = versions.dray.start("promote", f"llama:1.0.{number % 2}", "production",
                                      "--reason", str(number), "--store", versions.uri, "--json")
        try:
            process.wait(timeout=rand.uniform(0.001, whole * 1.2))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        ended = finish(process)
        assert ended.code in (0, -signal.SIGKILL), str(ended)
        # Told is told, also when the kill came after that.
        if ended.out.endswith("\n") and ended.json["changed"]:
            acknowledged.append(str(number))
    moves = versions.moves()
    assert [move["seq"] for move in moves] == list(range(1, len(moves) + 1))
    for before, move in zip(moves, moves[1:]):
        assert move["previous"] == before["version"]
    recorded = [move["reason"] for move in moves]
    assert [reason for reason in recorded if reason in acknowledged] == acknowledged
    assert versions.pointed() == moves[-1]["version"]
    print(f"{killed} kills, {len(acknowledged)} acknowledged, {len(moves)} recorded")


def test_no_acknowledged_promote_is_lost(versions, rand):
    kill_promotes(versions, rand, kills=8)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_no_acknowledged_promote_is_lost_in_many_kills(versions, rand):
    kill_promotes(versions, rand, kills=200)


def test_a_lost_registry_is_rebuilt(versions, tmp_path):
    for seed in (1, 2, 3):
        versions.add(seed)
    versions.run("promote", "llama:1.0.1", "production")
    versions.run("archive", "llama:1.0.0")
    registry = tmp_path / "registry.db"
    backup = tmp_path / "backup.db"
    versions.dray("registry", "backup", backup)
    for path in tmp_path.glob("registry.db*"):
        path.unlink()
    assert registry.exists() is False
    assert {finding["kind"] for finding in versions.findings()} == {"release-without-entry"}
    made = versions.run("registry", "rebuild", where="--from")
    assert (made["releases"], made["archived"], made["changed"]) == (3, 1, True)
    assert versions.run("registry", "rebuild", where="--from")["changed"] is False
    assert versions.findings() == []
    versions.dray("registry", "restore", backup)
    assert versions.findings() == []


def test_a_registry_that_is_down_does_not_stop_a_move(versions):
    versions.add(1)
    down = versions.dray.with_settings(DRAY_REGISTRY="http://127.0.0.1:1")
    ended = down("promote", "llama:1.0.0", "production", "--store", versions.uri, "--json", code=3)
    assert ended.json["registry"]["shown"] is False
    assert "dray registry rebuild llama" in ended.err
    assert versions.pointed() == "1.0.0"


@pytest.mark.parametrize("name, command, exists", [
    ("version.removal-recorded", "rm", False), ("version.manifest-removed", "rm", False),
    ("version.restore-recorded", "restore", True), ("version.file-purged", "gc", False)])
def test_killed_there_the_same_command_completes(versions, name, command, exists):
    versions.add(1)
    versions.add(2)
    if command != "rm":
        versions.run("rm", "llama:1.0.0", "--yes", "--grace", "0s")
    words = {"rm": ("rm", "llama:1.0.0", "--yes"), "restore": ("restore", "llama:1.0.0"),
             "gc": ("gc", "--yes")}[command]
    dying = versions.dray.with_settings(DRAY_FAILPOINT=name)
    ended = finish(dying.start(*words, "--store", versions.uri))
    assert ended.code == -signal.SIGKILL, f"it does not come to {name}: {ended}"
    versions.run(*words)
    assert versions.findings("--registry", "none") == []
    if exists:
        assert versions.run("verify", "llama:1.0.0")["intact"] is True
    else:
        versions.error("show", "llama:1.0.0", code=4)
    assert versions.run("verify", "llama:1.0.1")["intact"] is True
