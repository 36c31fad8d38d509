"""Both forms of a model under one tag, copies within a registry, images as REF, stops, `dray doctor`."""

import json
import signal
import time

import pytest

from oci_clients import write_layout
from readers import check_files
from support import MIB, finish, folder_bytes, llama_files, wait_until
from test_oci import BOTH, NAME, Image, files_of, push

PACK = "application/vnd.cncf.model.manifest.v1+json"


@pytest.fixture
def long(hub):
    """A model whose layers take a while."""
    yield hub.add("org/long", llama_files(seed=4, shard_mib=96))
    del hub.repos["org/long"]


def test_both_forms_under_one_tag(dray, hub, registry, minilm, clients, tmp_path):
    hub.reset()
    repository, result = push(dray, registry, "--format", "both")
    store = f"oci://{registry.url}/{repository}"
    large = sum(len(file.data) for file in minilm.files.values() if file.large)
    assert hub.large_sent < large * 1.1, "the Hub is asked once"
    files = files_of(result, dray, store)
    image = Image(registry, repository, "1.0.0")
    check_files(image.fetched_as_kserve(), minilm, files)
    pack, = (entry for entry in image.top.json["manifests"]
             if entry["platform"]["architecture"] == "unknown")
    assert pack["artifactType"] == PACK
    # Clients that read no indexes find the artifact under a tag of its own, the others by digest.
    for reference in (f"{registry.url}/{repository}:1.0.0-modelpack",
                      f"{registry.url}/{repository}@{pack['digest']}"):
        folder = tmp_path / reference[-9:]
        clients.oras("pull", "--plain-http", reference, "-o", folder)
        check_files(folder_bytes(folder), minilm, files)
    # Runtimes take the image of their platform.
    clients.skopeo("copy", "--src-tls-verify=false", f"docker://{registry.url}/{repository}:1.0.0",
                   f"oci:{tmp_path}/copy:1.0.0")
    clients.umoci("unpack", "--rootless", "--image", f"{tmp_path}/copy:1.0.0", tmp_path / "unpacked")
    check_files(folder_bytes(tmp_path / "unpacked" / "rootfs" / "models"), minilm, files)
    dray("verify", f"{NAME}:1.0.0", "--store", store)
    assert "1.0.0-modelpack" not in dray("list", NAME, "--store", store).out
    plan = dray("import", f"hf://sentence-transformers/{NAME}", "--to",
                f"oci://{registry.url}/{registry.new_repository()}", "--base", "scratch",
                "--format", "both", "--dry-run", "--json").json
    assert plan["bytes_stored_again"] > plan["bytes"]


@pytest.mark.parametrize("form", ["modelcar", "modelpack", "both"])
def test_copied_within_a_registry(dray, registry, minilm, form):
    """Every blob is mounted; the copy is the same image."""
    first, pushed = push(dray, registry, "--format", form)
    second = registry.new_repository()
    done = dray("import", f"oci://{registry.url}/{first}:1.0.0", "--to",
                f"oci://{registry.url}/{second}", "--base", "scratch", "--format", form,
                "--json").json
    assert done["root_digest"] == pushed["root_digest"] and done["version"] == "1.0.0"
    assert Image(registry, first, "1.0.0").digest == Image(registry, second, "1.0.0").digest
    assert done["bytes_fetched"] < 2_000_000, "small files at most"
    dray("verify", f"{NAME}:1.0.0", "--store", f"oci://{registry.url}/{second}")


def test_an_image_is_a_reference(dray, registry, minilm, tmp_path):
    repository, result = push(dray, registry)
    image = f"oci://{registry.url}/{repository}:1.0.0"
    assert dray("show", image, "--json").json["root_digest"] == result["root_digest"]
    dray("verify", image)
    dray("pull", image, tmp_path / "pulled")
    check_files(folder_bytes(tmp_path / "pulled"), minilm,
                files_of(result, dray, f"oci://{registry.url}/{repository}"))
    again = dray("pull", image, tmp_path / "pulled", "--json").json
    assert again["bytes_fetched"] == 0 and again["changed"] is False
    by_digest = f"oci://{registry.url}/{repository}@{Image(registry, repository, '1.0.0').digest}"
    assert dray("diff", image, by_digest, "--json").json["files"] == []


def test_images_that_others_made_are_shown_and_pulled(dray, registries, minilm, clients, tmp_path):
    registry = registries("docker-registry")
    plain = {path: file.data for path, file in minilm.files.items()}
    write_layout(tmp_path / "layout", plain)
    repository = registry.new_repository()
    clients.skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/layout:latest",
                   f"docker://{registry.url}/{repository}:old")
    image = f"oci://{registry.url}/{repository}:old"
    shown = dray("show", image, "--json").json
    assert {file["path"]: file["size"] for file in shown["files"]} == \
        {path: len(data) for path, data in plain.items()}
    dray("pull", image, tmp_path / "pulled")
    assert folder_bytes(tmp_path / "pulled") == plain
    assert "dray did not make" in dray("verify", image, code=None).err
    # Into a modelcar of another repository: layers that come in order only.
    second = registry.new_repository()
    dray("import", image, "--to", f"oci://{registry.url}/{second}:2.0.0", "--base", "scratch",
         "--name", "old", "--all-files")
    assert Image(registry, second, "2.0.0").fetched_as_kserve() == plain


def test_interrupted_the_next_run_sends_the_rest(dray, hub, registry, long):
    """Also where a registry forgets what a request that was cut has brought."""
    repository = registry.new_repository()
    command = ("import", f"hf://{long.name}", "--to", f"oci://{registry.url}/{repository}", "--base",
               "scratch", "--memory", "128MiB", "--json")
    hub.reset()
    hub.bytes_per_second = 48_000_000
    process = dray.start(*command)
    total = sum(len(file.data) for file in long.files.values())
    wait_until(lambda: hub.large_sent > total * 0.7 or process.poll() is not None, what="bytes")
    assert process.poll() is None, str(finish(process))
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    stopped = finish(process, limit=30)
    assert stopped.code == 130, str(stopped)
    assert time.monotonic() - asked < 2
    assert registry.manifest(repository, "1.0.0", accept=BOTH).status == 404
    told = [json.loads(line) for line in stopped.err.splitlines() if line.startswith("{")]
    sent = max(line["bytes_stored"] for line in told if "bytes_stored" in line)
    assert sent > total * 0.3, "there is something to go on from"
    hub.reset()
    result = dray(*command).json
    assert result["bytes_stored"] + sent < total * 1.02, "nothing was sent twice"
    part = 16 * MIB
    assert hub.large_sent + sent < total * 1.02 + 2 * part, "but for the part that each file was in"
    check_files(Image(registry, repository, "1.0.0").fetched_as_kserve(), long,
                files_of(result, dray, f"oci://{registry.url}/{repository}"))


def test_doctor_tells_what_a_registry_can(dray, registry, minilm):
    repository = registry.new_repository()
    store = f"oci://{registry.url}/{repository}"

    def checks():
        done = dray("doctor", "--store", store, "--base", "scratch", "--json", code=None)
        return {check["name"]: (check["status"], check["message"]) for check in done.json["checks"]}

    empty = checks()
    assert empty["store"][0] == "ok"
    assert "not tried" in empty["mount"][1] and "not tried" in empty["ranges"][1]
    push(dray, registry, repository=repository)
    tags = registry.request("GET", f"/v2/{repository}/tags/list").json["tags"]
    found = checks()
    cut = "and after a cut" in found["resume"][1]
    assert found["resume"][0] == "ok" and cut == registry.keeps_cut_uploads, found
    assert ("lists what refers" in found["referrer"][1]) == registry.has_referrers
    assert found["mount"] == ("ok", "copies within the registry move no bytes")
    assert found["ranges"][0] == "ok"
    assert registry.request("GET", f"/v2/{repository}/tags/list").json["tags"] == tags
