"""The program dies at each of its named failpoints in turn; the same command then completes."""

import re
import signal
from pathlib import Path

import pytest

from places import Place, check_state
from readers import check_files
from support import MIB, disk_bytes, finish, folder_bytes, llama_files

SOURCE = Path(__file__).resolve().parents[2] / "src"
ALL = sorted({name for path in SOURCE.rglob("*.cc")
              for name in re.findall(r'failpoint\("([^"]+)"\)', path.read_text("utf-8"))})
# Every failpoint that the program has; one that is added is tested from then on. Those of commands
# that change versions are in test_versions.py, those of bundles in test_bundle.py, those
# of migrate in test_migrate.py.
NAMES = [name for name in ALL if not name.startswith(("version.", "bundle.", "migrate."))]
BUNDLES = [name for name in ALL if name.startswith("bundle.")]
# From here on the release exists.
PUBLISHED = {"after-publish", "transfer-finished", "registered", "alias-moved"}
# All bytes are stored: nothing of a large file is fetched again.
STORED = PUBLISHED | {"before-publish"}
# `pull` knows no manifest to write, registry, alias, or content that the folder could copy.
NOT_IN_PULL = STORED - {"transfer-finished"} | {"copied"}
PROBE = 100  # bytes that may be read to find out whether a file can be had


def at(kind, names=NAMES):
    """Those that an import to this kind of store comes to."""
    own = "dir." if kind == "dir" else "oci." if kind == "oci" else "s3."
    others = tuple({"dir.", "oci.", "s3."} - {own})
    return [name for name in names if not name.startswith(others)]


@pytest.fixture(scope="module")
def model(the_hub):
    """One weights file of two parts."""
    yield the_hub.add("org/parts", llama_files(seed=5, shard_mib=36, shards=1))
    del the_hub.repos["org/parts"]


def die(dray, name, *arguments):
    ended = finish(dray.with_settings(DRAY_FAILPOINT=name).start(*arguments))
    assert ended.code == -signal.SIGKILL, f"it does not come to {name}: {ended}"


def check_killed_and_resumed(dray, hub, model, place, name):
    dray = dray.with_settings(**place.settings)
    if name == "copied":  # needs a release with the same weights
        dray("import", model.name, "--to", place.uri, "--name", "first")
    command = ("import", model.name, "--to", place.uri, "--name", "llama", "--alias", "production",
               "--json")
    die(dray, name, *command)
    check_state(place, model)
    assert bool(place.record("llama")) == (name in PUBLISHED)

    hub.reset()
    result = dray(*command).json
    assert result["changed"] is (name not in PUBLISHED)
    if name in STORED or name == "copied":
        assert hub.large_sent < PROBE
    check_files(place.read("llama"), model, model.files)
    store = ("--store", place.uri)
    if name == "after-publish":  # there is nothing to do any more but to forget the journal
        dray("gc", *store, "--yes")
    assert place.record("llama") and not place.leftovers()
    assert dray("show", "llama@production", *store, "--json").json["version"] == "1.0.0"
    assert dray(*command).json["changed"] is False


@pytest.mark.parametrize("kind, name", [
    *((kind, name) for kind in ("versitygw", "dir") for name in at(kind)),
    *(pytest.param(kind, name, marks=pytest.mark.full)
      for kind in ("seaweedfs", "minio", "radosgw") for name in at(kind))])
def test_killed_there_the_same_command_completes(dray, hub, model, servers, tmp_path, kind, name):
    place = Place(None if kind == "dir" else servers(kind), tmp_path)
    check_killed_and_resumed(dray, hub, model, place, name)


@pytest.mark.parametrize("name", ["block-fetched", "part-put", "before-commit", "journal-saved"])
def test_killed_in_the_one_pass_of_a_mirror_that_ignores_ranges(dray, hub, model, strict_s3,
                                                               tmp_path, name):
    place = Place(strict_s3, tmp_path)
    dray = dray.with_settings(**place.settings)
    hub.ranges = False
    die(dray, name, "import", model.name, "--to", place.uri, "--name", "llama")
    check_state(place, model)
    assert not place.record("llama")
    dray("import", model.name, "--to", place.uri, "--name", "llama")
    check_files(place.read("llama"), model, model.files)
    assert place.record("llama") and not place.leftovers()


@pytest.mark.parametrize("name", at("dir", [name for name in NAMES if name not in NOT_IN_PULL]))
def test_pull_killed_there_completes(dray, hub, model, strict_s3, tmp_path, name):
    place = Place(strict_s3, tmp_path)
    dray = dray.with_settings(**place.settings)
    dray("import", model.name, "--to", place.uri, "--name", "llama")
    folder = tmp_path / "pulled"
    command = ("pull", "llama", folder, "--store", place.uri)
    die(dray, name, *command)
    for path, data in folder_bytes(folder).items():
        assert data == model.files[path].data, f"{path} has its name with wrong bytes"
    dray(*command)
    assert folder_bytes(folder) == {path: file.data for path, file in model.files.items()}
    assert disk_bytes(folder / ".dray") < MIB, "no unfinished file is left"
