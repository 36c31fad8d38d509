"""Fixtures: the program, the test Hub with models, real S3 servers, and real OCI registries with their
clients. Started by ./test interop."""

import os
import random
import shutil

import pytest

from hub_server import Hub
from oci_clients import Clients
from places import Place
from radosgw import RadosGw
from registries import Registries
from servers import Minio, SeaweedFs, Server, Versitygw, make_ca
from support import Dray, llama_files, minilm_files

KINDS_OF_SERVERS = {kind.kind: kind for kind in (Versitygw, SeaweedFs, Minio, RadosGw)}

for name in ("HF_TOKEN", "HF_ENDPOINT", "AWS_PROFILE"):
    os.environ.pop(name, None)
os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1",
                  HF_HUB_DISABLE_PROGRESS_BARS="1", AWS_EC2_METADATA_DISABLED="true")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also what is too long for every run")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: only with --full")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def program():
    return os.environ.get("DRAY") or shutil.which("dray") or pytest.fail("set DRAY to the program")


@pytest.fixture(scope="session")
def the_hub():
    hub = Hub()
    hub.add("sentence-transformers/all-MiniLM-L6-v2", minilm_files())
    hub.add("org/llama", llama_files(seed=1, shard_mib=24))
    hub.add("org/odd", {
        **llama_files(seed=2, shard_mib=1, shards=1),
        "sub dir/with space.txt": b"words\n", "größe.txt": "ä\n".encode(), "empty.txt": b"",
        "percent%41.txt": b"not A\n", "plus+and&.txt": b"signs\n"})
    yield hub
    hub.close()


@pytest.fixture
def hub(the_hub):
    the_hub.reset()
    return the_hub


@pytest.fixture
def minilm(hub):
    return hub.repos["sentence-transformers/all-MiniLM-L6-v2"]


@pytest.fixture
def llama(hub):
    return hub.repos["org/llama"]


@pytest.fixture
def odd_repo(hub):
    return hub.repos["org/odd"]


@pytest.fixture
def dray(program, hub, tmp_path):
    return Dray(program, tmp_path / "home", {"HF_ENDPOINT": hub.url})


class Servers:
    """Servers by kind, started when first asked for."""

    def __init__(self, new_folder):
        self._new_folder = new_folder
        self._running = {}

    def __call__(self, kind) -> Server:
        if kind not in self._running:
            folder, programs = self._new_folder(kind), os.environ.get("DRAY_PEERS_BIN", "")
            if kind == "versitygw-tls":
                server = Versitygw(folder, programs, ca=make_ca(str(folder / "ca")))
            else:
                server = KINDS_OF_SERVERS[kind](folder, programs)
            self._running[kind] = server.start()
        return self._running[kind]

    def give_memory_back(self):
        for server in self._running.values():
            if server.in_memory:
                server.drop_buckets()

    def stop(self):
        for server in self._running.values():
            server.stop()


@pytest.fixture(scope="session")
def all_servers(tmp_path_factory):
    started = Servers(tmp_path_factory.mktemp)
    yield started
    started.stop()


@pytest.fixture
def servers(all_servers):
    yield all_servers
    all_servers.give_memory_back()


KINDS = ["versitygw", "seaweedfs",
         *(pytest.param(kind, marks=pytest.mark.full) for kind in ("minio", "radosgw"))]


@pytest.fixture(params=KINDS)
def s3(request, servers):
    return servers(request.param)


@pytest.fixture(params=[*KINDS, "dir"])
def place(request, servers, tmp_path):
    """Where to import to: each server, and a folder."""
    return Place(None if request.param == "dir" else servers(request.param), tmp_path)


@pytest.fixture
def strict_s3(servers):
    """One server alone, the strictest, for what does not differ between servers."""
    return servers("versitygw")


@pytest.fixture(scope="session")
def all_registries(tmp_path_factory):
    started = Registries(tmp_path_factory.mktemp, os.environ.get("DRAY_PEERS_BIN", ""))
    yield started
    started.stop()


@pytest.fixture
def registries(all_registries):
    yield all_registries
    all_registries.reset()


DOCKERS = ["docker-registry", pytest.param("registry-v3", marks=pytest.mark.full)]


@pytest.fixture(params=[*DOCKERS, "olareg"])
def registry(request, registries):
    """Each registry, open to all."""
    return registries(request.param)


@pytest.fixture(params=DOCKERS)
def basic_registry(request, registries):
    """Registries that want a name and a password."""
    return registries(request.param, auth="basic")


@pytest.fixture(params=DOCKERS)
def token_registry(request, registries):
    """Registries that want a token of their `tokens`."""
    return registries(request.param, auth="token")


@pytest.fixture
def clients(tmp_path):
    return Clients(tmp_path / "clients", os.environ.get("DRAY_PEERS_BIN", ""))


@pytest.fixture
def rand(request):
    """Random numbers that DRAY_TEST_SEED repeats; the seed is in the output of a failure."""
    seed = int(os.environ.get("DRAY_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"DRAY_TEST_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")
