"""Models in registries of images: pushed, looked at and fetched by unmodified clients, read back."""

import io
import json
import signal
import tarfile
import time

import pytest

from oci_clients import write_layout
from readers import check_files, download_as_kserve, manifest
from support import disk_bytes, folder_bytes
from test_compress import weights_files
from test_failpoints import PUBLISHED, at, die

NAME = "all-MiniLM-L6-v2"
INDEX = "application/vnd.oci.image.index.v1+json"
BOTH = f"application/vnd.oci.image.manifest.v1+json, {INDEX}"


class Image:
    """What a tag of a registry leads to, read by plain HTTP."""

    def __init__(self, registry, repository, reference, architecture="amd64"):
        self.registry, self.repository = registry, repository
        self.top = registry.manifest(repository, reference, accept=BOTH)
        assert self.top.status == 200, self.top
        self.digest = self.top.headers["Docker-Content-Digest"]
        self.manifest = self.top.json
        if self.manifest["mediaType"] == INDEX:
            entry, = (entry for entry in self.manifest["manifests"]
                      if entry["platform"]["architecture"] == architecture)
            self.manifest = registry.manifest(repository, entry["digest"]).json

    def blob(self, digest):
        answer = self.registry.request("GET", f"/v2/{self.repository}/blobs/{digest}")
        assert answer.status == 200, answer
        return answer.body

    def fetched_as_kserve(self):
        """The files that KServe's `oci+fetch` extracts: members whose names begin with `models/`, of
        layers that are tar or tar+gzip, one layer after another."""
        files = {}
        for layer in self.manifest["layers"]:
            assert layer["mediaType"] in ("application/vnd.oci.image.layer.v1.tar",
                                          "application/vnd.oci.image.layer.v1.tar+gzip")
            with tarfile.open(fileobj=io.BytesIO(self.blob(layer["digest"]))) as tar:
                for member in tar:
                    if member.isfile() and member.name.startswith("models/"):
                        files[member.name.removeprefix("models/")] = tar.extractfile(member).read()
        return files


def push(dray, registry, *arguments, repository=None, source=f"hf://sentence-transformers/{NAME}"):
    repository = repository or registry.new_repository()
    done = dray("import", source, "--to", f"oci://{registry.url}/{repository}", "--base", "scratch",
                *arguments, "--json")
    return repository, done.json


def files_of(result, dray, store):
    """path → record, as `check_files` wants them."""
    shown = dray("show", f"{result['name']}:{result['version']}", "--store", store, "--json").json
    return {file["path"]: file for file in shown["files"]}


def test_a_model_becomes_an_image_that_everyone_reads(dray, registry, minilm, clients, tmp_path):
    repository, result = push(dray, registry)
    store = f"oci://{registry.url}/{repository}"
    assert result["uri"] == f"{store}:1.0.0" and result["changed"] is True
    assert result["commit"] == minilm.commit
    files = files_of(result, dray, store)
    image = Image(registry, repository, "1.0.0")
    check_files(image.fetched_as_kserve(), minilm, files)
    assert disk_bytes(dray.home) < 5_000_000, "model bytes stay off the disk"

    # skopeo: what it is, and a copy that keeps every byte of it.
    where = f"docker://{registry.url}/{repository}:1.0.0"
    assert clients.skopeo("inspect", "--raw", "--tls-verify=false", where) == image.top.body
    clients.skopeo("copy", "--src-tls-verify=false", "--preserve-digests", where,
                   f"oci:{tmp_path}/copy:1.0.0")
    copied = json.loads((tmp_path / "copy" / "index.json").read_text())
    assert copied["manifests"][0]["digest"] in image.top.body.decode()
    # umoci: unpacked as a runtime does.
    clients.umoci("unpack", "--rootless", "--image", f"{tmp_path}/copy:1.0.0", tmp_path / "unpacked")
    check_files(folder_bytes(tmp_path / "unpacked" / "rootfs" / "models"), minilm, files)
    # crane: the manifest, consistent with its configuration, and the file system as one archive.
    assert clients.crane("manifest", f"{registry.url}/{repository}:1.0.0") == image.top.body
    clients.crane("validate", "--fast", "--remote", f"{registry.url}/{repository}:1.0.0")
    exported = tarfile.open(fileobj=io.BytesIO(clients.crane(
        "export", "--platform", "linux/amd64", f"{registry.url}/{repository}:1.0.0", "-")))
    check_files({member.name.removeprefix("models/"): exported.extractfile(member).read()
                 for member in exported if member.isfile()}, minilm, files)

    # And by dray itself.
    assert NAME in dray("list", "--store", store).out
    dray("verify", f"{NAME}:1.0.0", "--store", store)
    dray("verify", f"{NAME}:1.0.0", "--store", store, "--quick")
    dray("pull", f"{NAME}:1.0.0", tmp_path / "pulled", "--store", store)
    check_files(folder_bytes(tmp_path / "pulled"), minilm, files)
    _, again = push(dray, registry, repository=repository)
    assert again["changed"] is False and again["root_digest"] == result["root_digest"]


def test_the_same_model_has_the_same_digest_everywhere(dray, registries, minilm):
    digests = set()
    for kind in ("docker-registry", "olareg"):
        registry = registries(kind)
        repository, _ = push(dray, registry)
        digests.add(Image(registry, repository, "1.0.0").digest)
    assert len(digests) == 1


def test_a_modelpack_is_what_oras_pulls(dray, registry, minilm, clients, tmp_path):
    repository, result = push(dray, registry, "--format", "modelpack")
    image = Image(registry, repository, "1.0.0")
    assert image.manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    weights, = (layer for layer in image.manifest["layers"]
                if layer["annotations"]["org.cncf.model.filepath"] == "model.safetensors")
    assert weights["digest"] == f"sha256:{minilm.files['model.safetensors'].sha256}"
    clients.oras("pull", "--plain-http", f"{registry.url}/{repository}:1.0.0", "-o",
                 tmp_path / "pulled")
    check_files(folder_bytes(tmp_path / "pulled"), minilm,
                files_of(result, dray, f"oci://{registry.url}/{repository}"))


def test_on_a_base_with_a_shell(dray, registries, clients, minilm, tmp_path):
    registry = registries("olareg")
    write_layout(tmp_path / "base", {"base.txt": b"base\n"})
    repository = registry.new_repository()
    dray("import", f"hf://sentence-transformers/{NAME}", "--to",
         f"oci://{registry.url}/{repository}:2.0.0", "--base", f"oci:{tmp_path}/base")
    image = Image(registry, repository, "2.0.0")
    files = image.fetched_as_kserve()
    assert files.pop("base.txt") == b"base\n", "the base's layers come first"
    assert files["model.safetensors"] == minilm.files["model.safetensors"].data
    config = json.loads(image.blob(image.manifest["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in image.manifest["layers"]]
    # The base may lie in a registry, too: its blobs are mounted or sent.
    clients.skopeo("copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{tmp_path}/base:latest",
                   f"docker://{registry.url}/bases/small:1")
    other = registry.new_repository()
    dray("import", f"hf://sentence-transformers/{NAME}", "--to",
         f"oci://{registry.url}/{other}:2.0.0", "--base", f"oci://{registry.url}/bases/small:1")
    assert Image(registry, other, "2.0.0").manifest["layers"] == image.manifest["layers"]


def test_with_a_name_and_a_password(dray, basic_registry, clients, minilm):
    refused = dray("import", f"hf://sentence-transformers/{NAME}", "--to",
                   f"oci://{basic_registry.url}/{basic_registry.new_repository()}", "--base",
                   "scratch", code=5)
    assert "REGISTRY_AUTH_FILE" in refused.err or "login" in refused.err
    clients.login(basic_registry)
    known = dray.with_settings(REGISTRY_AUTH_FILE=str(clients.docker_config / "config.json"))
    repository, result = push(known, basic_registry)
    check_files(Image(basic_registry, repository, "1.0.0").fetched_as_kserve(), minilm,
                files_of(result, known, f"oci://{basic_registry.url}/{repository}"))
    said = dray.with_settings(DRAY_REGISTRY_PASSWORD=basic_registry.password)
    repository, _ = push(said, basic_registry, "--oci-user", basic_registry.user)
    assert Image(basic_registry, repository, "1.0.0").digest


def test_with_tokens(dray, token_registry, clients, minilm):
    clients.login(token_registry)
    known = dray.with_settings(REGISTRY_AUTH_FILE=str(clients.docker_config / "config.json"))
    repository, result = push(known, token_registry)
    check_files(Image(token_registry, repository, "1.0.0").fetched_as_kserve(), minilm,
                files_of(result, known, f"oci://{token_registry.url}/{repository}"))
    assert any(f"repository:{repository}:" in scope for scope in token_registry.tokens.scopes())


def test_there_and_back_again(dray, registry, minilm, strict_s3):
    """Hub → registry → S3 → registry ends with the same bytes and the same image."""
    bucket = strict_s3.new_bucket()
    dray = dray.with_settings(**strict_s3.settings())
    first, pushed = push(dray, registry)
    back = dray("import", f"oci://{registry.url}/{first}:1.0.0", "--to", f"s3://{bucket}",
                "--json").json
    assert back["root_digest"] == pushed["root_digest"] and back["commit"] == minilm.commit
    files = {file["path"]: file
             for file in manifest(strict_s3, bucket, "", NAME, "1.0.0")["files"]}
    check_files(download_as_kserve(strict_s3, back["uri"]), minilm, files)
    second, again = push(dray, registry, "--from", f"s3://{bucket}", source=NAME)
    assert again["root_digest"] == pushed["root_digest"]
    assert (Image(registry, first, "1.0.0").digest == Image(registry, second, "1.0.0").digest)


def test_images_that_others_made(dray, registries, minilm, clients, strict_s3, tmp_path):
    """As the older pipeline pushed them: skopeo compresses every layer on the way, and drops the
    annotations."""
    registry, bucket = registries("docker-registry"), strict_s3.new_bucket()
    dray = dray.with_settings(**strict_s3.settings())
    plain = {path: file.data for path, file in minilm.files.items()}
    write_layout(tmp_path / "layout", plain)
    for name, more in (("compressed", []), ("plain", ["--preserve-digests"])):
        repository = registry.new_repository()
        clients.skopeo("copy", "--dest-tls-verify=false", *more, f"oci:{tmp_path}/layout:latest",
                       f"docker://{registry.url}/{repository}:old")
        done = dray("import", f"oci://{registry.url}/{repository}:old", "--to", f"s3://{bucket}",
                    "--name", name, "--all-files", "--json").json
        assert download_as_kserve(strict_s3, done["uri"]) == plain, name
    done = dray("import", f"oci:{tmp_path}/layout", "--to", f"s3://{bucket}", "--name", "folder",
                "--all-files", "--json").json
    assert download_as_kserve(strict_s3, done["uri"]) == plain


@pytest.fixture
def weights(hub):
    yield hub.add("org/weights", weights_files(seed=7, shard_mib=8))
    del hub.repos["org/weights"]


@pytest.mark.parametrize("form", ["modelcar", "modelpack", "both", "few layers"])
def test_compressed_on_the_way(dray, registries, weights, form, tmp_path):
    registry = registries("olareg")
    # With three layers both shards are in one.
    more = ("--max-layers", "3") if form == "few layers" else ("--format", form)
    repository, result = push(dray, registry, "--compress", "W4A16", *more,
                              source=f"hf://{weights.name}")
    dray("import", f"hf://{weights.name}", "--compress", "W4A16", "--to", f"dir:{tmp_path}/store")
    there = dray("show", "weights:1.0.0", "--store", f"dir:{tmp_path}/store", "--json").json
    assert result["root_digest"] == there["root_digest"]
    store = f"oci://{registry.url}/{repository}"
    dray("verify", "weights:1.0.0", "--store", store)
    assert "_proj" in dray("show", "weights:1.0.0", "--tensors", "--store", store).out
    if form != "modelpack":
        files = Image(registry, repository, "1.0.0").fetched_as_kserve()
        assert files == folder_bytes(tmp_path / "store" / "model-data" / "weights" / "1.0.0")


@pytest.mark.parametrize("name", [name for name in at("oci") if name != "copied"])
def test_killed_there_the_same_command_completes(dray, registries, llama, name):
    registry = registries("docker-registry")  # forgets an upload that was cut
    repository = registry.new_repository()
    store = f"oci://{registry.url}/{repository}"
    command = ("import", "hf://org/llama", "--to", store, "--base", "scratch", "--alias",
               "production", "--json",
               *(("--format", "both") if name == "oci.artifact-tagged" else ()))
    die(dray, name, *command)
    there = registry.manifest(repository, "1.0.0", accept=BOTH)
    assert there.status == (200 if name in PUBLISHED else 404), there
    assert dray(*command).json["changed"] is (name not in PUBLISHED)
    files = Image(registry, repository, "1.0.0").fetched_as_kserve()
    check_files(files, llama, files_of({"name": "llama", "version": "1.0.0"}, dray, store))
    if name == "after-publish":  # there is nothing to do any more but to forget the journal
        dray("gc", "--store", store, "--yes")
    assert not list(dray.home.glob(".local/state/dray/.dray/**/transfers/**/*.json"))
    assert dray(*command).json["changed"] is False


@pytest.mark.parametrize("kills", [8, pytest.param(60, marks=pytest.mark.full)])
def test_killed_at_any_moment(dray, registry, llama, kills, rand):
    """The tag leads to the whole image or is not there; the same command completes it."""
    began = time.monotonic()
    push(dray, registry, source="hf://org/llama")
    usual = time.monotonic() - began
    for _ in range(kills):
        repository = registry.new_repository()
        arguments = ("import", "hf://org/llama", "--to", f"oci://{registry.url}/{repository}",
                     "--base", "scratch")
        process = dray.start(*arguments)
        time.sleep(rand.random() * usual)
        process.send_signal(signal.SIGKILL)
        process.wait()
        there = registry.manifest(repository, "1.0.0", accept=BOTH)
        assert there.status in (200, 404), there
        dray(*arguments)
        files = Image(registry, repository, "1.0.0").fetched_as_kserve()
        assert files["model-00001-of-00002.safetensors"] == \
            llama.files["model-00001-of-00002.safetensors"].data
        assert files["config.json"] == llama.files["config.json"].data
