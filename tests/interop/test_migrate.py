"""Registries moved between stores: OCI to S3 and back, killed on the way, changed meanwhile."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kubeflow_server import Kubeflow
from migrations import Cars, model_files
from readers import download_as_kserve, objects
from registry_server import DrayServe
from support import finish, llama_files, wait_until
from test_failpoints import SOURCE, die
from test_oci import Image

POINTS = sorted({name for path in SOURCE.rglob("*.cc")
                 for name in re.findall(r'failpoint\("(migrate\.[^"]+)"\)', path.read_text("utf-8"))})


@pytest.fixture(name="serve")
def _serve(program, tmp_path):
    folder = tmp_path / "serve"
    folder.mkdir()
    with DrayServe(program, folder) as server:
        yield server


@pytest.fixture(name="bucket")
def _bucket(strict_s3):
    return strict_s3.new_bucket()


@pytest.fixture(name="dray")
def _dray(dray, strict_s3):
    return dray.with_settings(**strict_s3.settings())


@pytest.fixture(name="cars")
def _cars(dray, registries, clients, serve, tmp_path):
    return Cars(dray, registries("docker-registry"), clients, serve.url, tmp_path)


@pytest.fixture(name="two")
def _two(cars):
    """One model made by dray and one made by another tool."""
    cars.add_foreign("car", "1.0.0", model_files("car"))
    cars.add_own("own", "1.0.0", model_files("own"))
    return cars


def command(cars, bucket, *more):
    return ("migrate", "--registry", cars.url, "--from", cars.place + "/", "--to", f"s3://{bucket}",
            "--base", "scratch", *more)


def check_in_bucket(cars, server, bucket):
    entries = cars.entries.all()
    assert set(entries) == set(cars.files)
    for (name, version), entry in entries.items():
        assert entry["uri"] == f"s3://{bucket}/model-data/{name}/{version}/"
        assert entry["state"] == "LIVE"
        assert entry["properties"]["storage_type"] == "s3"
        assert entry["properties"]["s3_uri"] == entry["uri"]
        assert entry["moves"][0]["to"] == entry["uri"]
        assert entry["moves"][0]["from"].startswith(cars.place)
        assert download_as_kserve(server, entry["uri"]) == cars.files[name, version], (name, version)


def kill_until_done(dray, rand, arguments):
    """Kills the command at random moments until it has ended well."""
    kills, end = 0, time.monotonic() + 600
    while True:
        process = dray.start(*arguments)
        try:
            # Too short at first, then ever longer, so that it ends.
            process.wait(timeout=rand.uniform(0.05, 0.3) if kills < 3
                         else rand.uniform(0.2, 0.5 * kills))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        ended = finish(process)
        if ended.code == 0:
            print(f"{kills} kills")
            return kills
        # Of a killed run a release may be claimed for a minute.
        assert "E_LOCKED" in ended.out or "another process" in ended.out, str(ended)
        assert time.monotonic() < end, str(ended)
        time.sleep(2)


def there_and_back(dray, cars, server, bucket, rand):
    cars.add_many()
    before = cars.entries.all()
    assert len(before) == 20
    kills = kill_until_done(dray, rand, command(cars, bucket, "--json"))
    assert kills > 0
    check_in_bucket(cars, server, bucket)
    again = dray(*command(cars, bucket, "--json")).json
    assert again["results"] == {"already there": 20} and again["changed"] is False

    root = cars.images.new_repository()
    home = f"oci://{cars.images.url}/{root}"
    kill_until_done(dray, rand, ("migrate", "--registry", cars.url, "--from", f"s3://{bucket}",
                                 "--to", home, "--base", "scratch", "--json"))
    for (name, version), entry in cars.entries.all().items():
        assert entry["uri"] == f"{home}/{name}:{version}"
        assert entry["properties"]["storage_type"] == "oci"
        assert "s3_uri" not in entry["properties"]
        assert [move["from"] for move in entry["moves"]] == [
            f"s3://{bucket}/model-data/{name}/{version}/", before[name, version]["uri"]]
        got = Image(cars.images, f"{root}/{name}", version).fetched_as_kserve()
        assert got == cars.files[name, version], (name, version)
        # Nothing was deleted on the way.
        assert Image(cars.images, *before[name, version]["uri"].split("/", 3)[3].split(":")).digest


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["docker-registry", "olareg"])
def test_twenty_versions_there_and_back_through_kills(dray, registries, clients, serve, strict_s3,
                                                      bucket, rand, tmp_path, kind):
    cars = Cars(dray, registries(kind), clients, serve.url, tmp_path)
    there_and_back(dray, cars, strict_s3, bucket, rand)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_with_the_real_registry(dray, registries, clients, strict_s3, bucket, rand, tmp_path):
    postgres = os.path.join(os.environ["DRAY_PEERS_BIN"], "postgres")
    server = Kubeflow(os.environ["DRAY_PEERS_BIN"], postgres, durable=False)
    try:
        cars = Cars(dray, registries("docker-registry"), clients, server.start().url, tmp_path)
        there_and_back(dray, cars, strict_s3, bucket, rand)
    finally:
        server.stop()


@pytest.mark.parametrize("point", [point for point in POINTS if point != "migrate.deleted"])
def test_killed_there_the_same_command_completes(dray, two, strict_s3, bucket, point):
    before = two.entries.all()
    die(dray, point, *command(two, bucket))
    entries = two.entries.all()
    moved = point in ("migrate.moved", "migrate.artifact-patched")
    assert (entries["car", "1.0.0"]["uri"] != before["car", "1.0.0"]["uri"]) is moved
    assert entries["own", "1.0.0"] == before["own", "1.0.0"]
    dray(*command(two, bucket))
    check_in_bucket(two, strict_s3, bucket)


def test_a_dry_run_and_a_plan(dray, two, strict_s3, bucket, tmp_path):
    before = two.entries.all()
    told = dray(*command(two, bucket, "--dry-run", "--json"))
    versions = told.objects[:-1]
    assert [item["result"] for item in versions] == ["copy", "copy"]
    assert {item["model"]: item["bytes"] for item in versions} == {
        name: sum(map(len, files.values())) for (name, _), files in two.files.items()}
    assert told.json["dry_run"] is True
    plan = tmp_path / "plan.json"
    dray(*command(two, bucket, "-o", plan))
    assert two.entries.all() == before and not objects(strict_s3, bucket)
    # What changes afterwards is not touched, and what is new is not of the plan.
    two.entries.set_uri(before["own", "1.0.0"]["artifact"], f"{two.place}/changed:1")
    two.add_foreign("new", "1.0.0", model_files("new"))
    done = dray("migrate", "--registry", two.url, "--plan", plan, "--json", code=3)
    assert {item["model"]: item["result"] for item in done.objects[:-1]} == {
        "car": "copied", "own": "changed"}
    entries = two.entries.all()
    assert entries["own", "1.0.0"]["uri"] == f"{two.place}/changed:1"
    assert entries["new", "1.0.0"]["uri"].startswith(two.place)


def test_an_entry_that_changed_meanwhile_is_left_alone(dray, two, strict_s3, bucket):
    two.add_foreign("large", "1.0.0", llama_files(seed=9, shard_mib=8, shards=1), compressed=False)
    artifact = two.entries.all()["large", "1.0.0"]["artifact"]
    process = dray.start(*command(two, bucket, "--json", "--limit-rate", "2MiB", "--models",
                                  "large"))
    wait_until(lambda: objects(strict_s3, bucket, ".dray/transfers/"), what="a transfer")
    two.entries.set_uri(artifact, "s3://theirs/large/")
    ended = finish(process)
    assert ended.code == 10 and ended.objects[0]["result"] == "changed", str(ended)
    entry = two.entries.all()["large", "1.0.0"]
    assert entry["uri"] == "s3://theirs/large/" and not entry["moves"]
    assert entry["properties"] == {"storage_type": "oci"}


def test_interrupted_it_ends_soon_and_says_how_to_go_on(dray, two, strict_s3, bucket):
    two.add_foreign("a-large", "1.0.0", llama_files(seed=8, shard_mib=8, shards=1),
                    compressed=False)
    process = dray.start(*command(two, bucket, "--limit-rate", "2MiB"))
    wait_until(lambda: objects(strict_s3, bucket, ".dray/transfers/"), what="a transfer")
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130 and time.monotonic() - asked < 2, str(ended)
    assert "dray migrate" in ended.err, str(ended)
    assert two.entries.all()["a-large", "1.0.0"]["uri"].startswith(two.place)
    dray(*command(two, bucket))
    check_in_bucket(two, strict_s3, bucket)


def test_back_again(dray, two, strict_s3, bucket):
    before = two.entries.all()
    dray(*command(two, bucket))
    # One is changed by somebody else, then it is theirs.
    two.entries.set_uri(before["own", "1.0.0"]["artifact"], "s3://theirs/own/")
    told = dray(*command(two, bucket, "--rollback", "--json")).objects
    assert [item["result"] for item in told[:-1]] == ["pointed back"]
    entries = two.entries.all()
    assert entries["car", "1.0.0"]["uri"] == before["car", "1.0.0"]["uri"]
    assert entries["car", "1.0.0"]["properties"]["storage_type"] == "oci"
    assert entries["car", "1.0.0"]["moves"][0]["undo"] is True
    assert entries["own", "1.0.0"]["uri"] == "s3://theirs/own/"
    assert dray(*command(two, bucket, "--rollback", "--json")).json["versions"] == 0
    # Forward again copies nothing.
    again = dray(*command(two, bucket, "--json", "--models", "car")).json
    assert again["results"] == {"pointed": 1}


def test_what_failed_does_not_stop_the_others(dray, two, strict_s3, bucket):
    two.entries.register("gone", "1.0.0", f"{two.place}/nowhere:1")
    two.entries.register("org/with slash", "1.0.0", f"{two.place}/nowhere:2")
    done = dray(*command(two, bucket, "--json"), code=3)
    results = {item["model"]: item["result"] for item in done.objects[:-1]}
    assert results == {"car": "copied", "own": "copied", "gone": "failed",
                       "org/with slash": "refused"}
    text = dray(*command(two, bucket), code=3)
    assert "--rename 'org/with slash=org--with-slash'" in text.out
    assert two.entries.all()["gone", "1.0.0"]["uri"] == f"{two.place}/nowhere:1"


def test_wrong_bytes_leave_the_entry_alone(dray, cars, strict_s3, bucket):
    cars.add_own("own", "1.0.0", model_files("spoilt"))
    image = Image(cars.images, f"{cars.root}/own", "1.0.0")
    # Its blob is no other image's.
    layer = image.manifest["layers"][-1]["digest"].partition(":")[2]
    path, = Path(cars.images.folder).rglob(f"blobs/sha256/*/{layer}/data")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    before = cars.entries.all()
    done = dray(*command(cars, bucket, "--json"), code=None)
    assert done.code in (7, 8), str(done)
    assert cars.entries.all() == before
    assert not [key for key in objects(strict_s3, bucket) if key.startswith(".dray/releases")]


def test_aliases_come_along_where_there_are_none(dray, cars, bucket):
    cars.add_own("own", "1.0.0", model_files("own"), "--alias", "production")
    dray(*command(cars, bucket))
    shown = dray("show", "own@production", "--store", f"s3://{bucket}", "--json").json
    assert shown["version"] == "1.0.0"


def test_the_old_place_is_deleted_only_when_told(dray, two, strict_s3, bucket):
    images = two.images
    tags = {f"{two.root}/made-elsewhere/car": "v1.0.0", f"{two.root}/own": "1.0.0"}
    dray(*command(two, bucket))
    for repository, tag in tags.items():
        assert images.manifest(repository, tag).status == 200 or Image(images, repository, tag)
    dray(*command(two, bucket, "--delete-source"), code=2)
    die(dray, "migrate.deleted", *command(two, bucket, "--delete-source", "--yes"))
    done = dray(*command(two, bucket, "--delete-source", "--yes", "--json"))
    sources = {item["model"]: item["source"] for item in done.objects[:-1]}
    assert sources["own"]["deleted"] is True, sources
    assert sources["car"]["what"] == "it is gone already", sources
    for repository, tag in tags.items():
        assert images.manifest(repository, tag, accept="*/*").status == 404, repository
    check_in_bucket(two, strict_s3, bucket)


def test_images_are_deleted_where_tokens_are_wanted(dray, token_registry, clients, serve, bucket,
                                                    tmp_path):
    clients.login(token_registry)
    dray = dray.with_settings(REGISTRY_AUTH_FILE=str(clients.docker_config / "config.json"))
    cars = Cars(dray, token_registry, clients, serve.url, tmp_path)
    cars.add_foreign("car", "1.0.0", model_files("tokens"))
    where = f"{cars.root}/made-elsewhere/car"
    clients.crane("tag", f"{token_registry.url}/{where}:v1.0.0", "other")
    done = dray(*command(cars, bucket, "--delete-source", "--yes", "--json"))
    source = done.objects[0]["source"]
    # Older ones delete images, not tags: what a second tag names is left.
    assert source["deleted"] or "other is the same image" in source["what"], str(done)
    assert Image(token_registry, where, "other").digest
    cars.add_foreign("car", "2.0.0", model_files("more tokens"))
    done = dray(*command(cars, bucket, "--delete-source", "--yes", "--json"))
    assert done.objects[1]["source"]["deleted"] is True, str(done)
    assert token_registry.manifest(where, "v2.0.0", accept="*/*").status == 404
    assert Image(token_registry, where, "other").digest


def test_of_a_prefix_the_copied_objects_are_deleted(dray, cars, strict_s3, bucket):
    files, client = model_files("plain"), strict_s3.client()
    for path, data in files.items():
        client.put_object(Bucket=bucket, Key=f"old/model-data/plain/1/{path}", Body=data)
        client.put_object(Bucket=bucket, Key=f"old/shared/1/{path}", Body=data)
    cars.entries.register("plain", "1.0.0", f"s3://{bucket}/old/model-data/plain/1")
    cars.entries.register("shared", "1.0.0", f"s3://{bucket}/old/shared/1?endpoint=https://x")
    cars.entries.register("other", "1.0.0", f"s3://{bucket}/old/shared")
    arguments = ("migrate", "--registry", cars.url, "--from", f"s3://{bucket}/old/", "--to",
                 f"{cars.place}/{{name}}-new", "--base", "scratch", "--json", "--models",
                 "plain", "--models", "shared")
    refused = dray(*arguments, code=6)
    assert "unverified-source" in refused.out
    dray(*arguments, "--allow", "unverified-source")
    client.put_object(Bucket=bucket, Key="old/model-data/plain/1/later.txt", Body=b"not copied")
    client.put_object(Bucket=bucket, Key="old/model-data/plain/1/config.json", Body=b"x" * len(
        files["config.json"]))
    done = dray(*arguments, "--allow", "unverified-source", "--delete-source", "--yes")
    sources = {f"{item['model']}:{item['version']}": item.get("source")
               for item in done.objects[:-1]}
    assert sources["plain:1.0.0"]["deleted"] is True, sources
    assert "uses it too" in sources["shared:1.0.0"]["what"], sources
    assert sorted(objects(strict_s3, bucket, "old/model-data/plain/")) == [
        "old/model-data/plain/1/config.json", "old/model-data/plain/1/later.txt"]
    assert len(objects(strict_s3, bucket, "old/shared/")) == len(files)
    assert Image(cars.images, f"{cars.root}/plain-new", "1.0.0").fetched_as_kserve() == files


def test_deployments_of_the_old_place_are_named(dray, two, bucket):
    entry = two.entries.all()["car", "1.0.0"]
    place = two.entries.request("POST", "serving_environments", {"name": "prod"})["id"]
    two.entries.request("POST", "inference_services", {
        "name": "chat", "registeredModelId": entry["model"], "servingEnvironmentId": place,
        "modelVersionId": entry["version"], "desiredState": "DEPLOYED"})
    done = dray(*command(two, bucket, "--json")).objects
    assert {item["model"]: item["services"] for item in done[:-1]} == {"car": ["chat"], "own": []}
    assert json.loads(json.dumps(done[-1]))["changed"] is True
