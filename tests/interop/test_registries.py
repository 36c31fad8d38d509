"""The OCI registries and their clients themselves: what dray's tests rely on."""

import json
import re
import socket

from oci_clients import LAYER, write_layout
from registries import MANIFEST, PASSWORD, USER, basic, digest_of
from support import MIB, folder_bytes, wait_until

ARTIFACT = "application/vnd.dray.tests.thing"
FILES = {"config.json": b'{"model_type": "llama"}\n', "weights/a.bin": bytes(range(256)) * 64}


def push_with_oras(clients, registry, repository, tag="v1", data=b"some bytes\n"):
    """The digest of an artifact with one file."""
    (clients.home / "thing.bin").write_bytes(data)
    said = clients.oras("push", f"{registry.url}/{repository}:{tag}", "thing.bin:text/plain",
                        "--artifact-type", ARTIFACT, "--format", "json", registry=registry)
    return json.loads(said)["digest"]


def image_of(registry, repository, tag="v1"):
    """Puts a small image and returns its manifest's bytes."""
    config = registry.put_blob(repository, b"{}")
    layer = registry.put_blob(repository, b"layer")
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config,
                   "size": 2},
        "layers": [{"mediaType": LAYER, "digest": layer, "size": 5}]}).encode()
    answer = registry.put_manifest(repository, tag, manifest)
    assert answer.status == 201, answer
    return manifest


def test_oras_and_crane_see_the_same_artifact(registry, clients, tmp_path):
    repository = registry.new_repository()
    digest = push_with_oras(clients, registry, repository)
    reference = f"{registry.url}/{repository}:v1"
    clients.oras("pull", reference, "--output", tmp_path / "pulled")
    assert folder_bytes(tmp_path / "pulled") == {"thing.bin": b"some bytes\n"}
    manifest = clients.crane("manifest", reference)
    assert digest_of(manifest) == digest
    assert json.loads(manifest)["artifactType"] == ARTIFACT
    assert clients.crane("digest", reference).decode().strip() == digest
    assert registry.manifest(repository, "v1").body == manifest


def test_skopeo_and_umoci_keep_an_image(registry, clients, tmp_path):
    manifest = write_layout(tmp_path / "image", FILES, tag="v1")
    reference = f"docker://{registry.url}/{registry.new_repository()}:v1"
    clients.skopeo("copy", "--preserve-digests", "--dest-tls-verify=false",
                   f"oci:{tmp_path}/image:v1", reference)
    assert clients.skopeo("inspect", "--raw", "--tls-verify=false", reference) == manifest
    # Not all of it: crane takes every layer to be compressed there.
    clients.crane("validate", "--fast", "--remote", reference.removeprefix("docker://"))
    clients.skopeo("copy", "--preserve-digests", "--src-tls-verify=false", reference,
                   f"oci:{tmp_path}/back:v1")
    clients.umoci("unpack", "--rootless", "--image", f"{tmp_path}/back:v1", tmp_path / "bundle")
    assert folder_bytes(tmp_path / "bundle" / "rootfs" / "models") == FILES


def test_referrers(registry, clients):
    repository = registry.new_repository()
    subject = push_with_oras(clients, registry, repository)
    reference = f"{registry.url}/{repository}@{subject}"
    (clients.home / "note.txt").write_bytes(b"a note\n")
    clients.oras("attach", reference, "note.txt", "--artifact-type", f"{ARTIFACT}.note")
    told = registry.request("GET", f"/v2/{repository}/referrers/{subject}")
    fallback = registry.manifest(repository, subject.replace(":", "-"),
                                 "application/vnd.oci.image.index.v1+json")
    assert (told.status, fallback.status) == ((200, 404) if registry.has_referrers else (404, 200))
    index = (told if registry.has_referrers else fallback).json
    assert [one["artifactType"] for one in index["manifests"]] == [f"{ARTIFACT}.note"]
    found = json.loads(clients.oras("discover", reference, "--format", "json"))
    assert [one["digest"] for one in found["referrers"]] == [index["manifests"][0]["digest"]]


def test_blobs_are_mounted_from_other_repositories(registry):
    here, there = registry.new_repository(), registry.new_repository()
    digest = registry.put_blob(here, b"a blob of another repository")
    assert registry.request("HEAD", f"/v2/{there}/blobs/{digest}").status == 404
    answer = registry.start_upload(there, f"?mount={digest}&from={here}")
    assert answer.status == 201, answer
    assert registry.request("GET", f"/v2/{there}/blobs/{digest}").body.startswith(b"a blob")
    unknown = registry.start_upload(there, f"?mount={digest_of(b'none')}&from={here}")
    assert unknown.status == 202, unknown


def test_blobs_are_read_in_ranges(registry):
    repository = registry.new_repository()
    digest = registry.put_blob(repository, b"0123456789")
    answer = registry.request("GET", f"/v2/{repository}/blobs/{digest}",
                              headers={"Range": "bytes=3-5"})
    assert (answer.status, answer.body) == (206, b"345")


def test_wrong_bytes_and_missing_blobs_are_refused(registry):
    repository = registry.new_repository()
    where = registry.start_upload(repository).headers["Location"]
    wrong = registry.request("PUT", f"{where}{'&' if '?' in where else '?'}digest="
                             f"{digest_of(b'right')}", b"wrong")
    assert wrong.status == 400, wrong
    image = json.loads(image_of(registry, repository))
    image["layers"][0]["digest"] = digest_of(b"not there")
    assert registry.put_manifest(repository, "v2", image).status in (400, 404)
    assert registry.manifest(repository, "v2").status == 404


def test_what_can_go_on_after_a_cut(registry):
    """A connection that ends within a PATCH: whether the upload's status can be asked then."""
    repository = registry.new_repository()
    where = registry.start_upload(repository).headers["Location"]
    where = where.partition(registry.url)[2] or where
    head = (f"PATCH {where} HTTP/1.1\r\nHost: {registry.url}\r\nContent-Length: {2 * MIB}\r\n"
            "Content-Type: application/octet-stream\r\n\r\n")
    with socket.create_connection(registry.url.split(":")) as connection:
        connection.sendall(head.encode() + bytes(MIB))
    seen = []

    def settled():
        seen.append(registry.request("GET", where))
        return seen[-1].status == 404 or seen[-1].headers.get("Range") == f"0-{MIB - 1}"

    wait_until(settled, limit=10, what="the end of the cut request")
    assert seen[-1].status == (204 if registry.keeps_cut_uploads else 404), seen


def test_basic_credentials(basic_registry, clients):
    registry = basic_registry
    nobody = registry.request("GET", "/v2/", headers={"Authorization": ""})
    assert nobody.status == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Basic realm=")
    for user, password, status in ((USER, "wrong", 401), ("other", PASSWORD, 401),
                                   (USER, PASSWORD, 200)):
        answer = registry.request("GET", "/v2/", headers={"Authorization": basic(user, password)})
        assert answer.status == status
    clients.oras("login", registry.url, "--username", USER, "--password-stdin", stdin="wrong",
                 good=False)
    clients.login(registry)
    repository = registry.new_repository()
    digest = push_with_oras(clients, registry, repository)
    assert digest_of(clients.crane("manifest", f"{registry.url}/{repository}:v1")) == digest


def test_many_tags_at_once(registry):
    """The new query `?tag=`: success alone does not say that the tags are there."""
    repository = registry.new_repository()
    manifest = image_of(registry, repository)
    answer = registry.put_manifest(repository, digest_of(manifest), manifest, "?tag=a&tag=b")
    assert answer.status == 201, answer
    taken = answer.headers.get_all("OCI-Tag") or []
    assert taken == (["a", "b"] if registry.takes_many_tags else [])
    for tag in ("a", "b"):
        assert registry.manifest(repository, tag).status == (200 if tag in taken else 404)


def test_an_index_is_not_there_for_who_does_not_accept_it(registries):
    registry, index_type = registries("docker-registry"), "application/vnd.oci.image.index.v1+json"
    repository = registry.new_repository()
    manifest = image_of(registry, repository)
    entry = {"mediaType": MANIFEST, "digest": digest_of(manifest), "size": len(manifest)}
    index = {"schemaVersion": 2, "mediaType": index_type, "manifests": [entry]}
    assert registry.put_manifest(repository, "both", index).status == 201
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    assert registry.manifest(repository, "both", docker).status == 404
    assert registry.manifest(repository, "both", index_type).json == index


def test_tls(registries, clients):
    for kind in ("docker-registry", "olareg"):
        registry = registries(kind, tls=True)
        repository = registry.new_repository()
        digest = push_with_oras(clients, registry, repository)
        assert digest_of(registry.manifest(repository, "v1").body) == digest


def challenge(registry, method, path):
    answer = registry.request(method, path, headers={"Authorization": ""})
    assert answer.status == 401, answer
    kind, _, fields = answer.headers["WWW-Authenticate"].partition(" ")
    assert kind == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', fields))


def test_challenges_name_what_is_needed(token_registry):
    registry, tokens = token_registry, token_registry.tokens
    there, digest = registry.new_repository(), digest_of(b"x")
    asked = challenge(registry, "GET", "/v2/")
    assert asked == {"realm": tokens.realm, "service": tokens.service}
    uploads = f"/v2/{there}/blobs/uploads/"

    def rights(method, path):
        """Repository → rights, which come in any order."""
        scopes = challenge(registry, method, path)["scope"].split()
        return {scope.rpartition(":")[0]: set(scope.rpartition(":")[2].split(","))
                for scope in scopes}

    write = {f"repository:{there}": {"pull", "push"}}
    assert rights("POST", uploads) == write
    assert rights("POST", f"{uploads}?mount={digest}&from=other/m") == {
        **write, "repository:other/m": {"pull"}}
    assert rights("DELETE", f"/v2/{there}/blobs/{digest}") == {f"repository:{there}": {"delete"}}


def test_clients_get_tokens_with_a_password(token_registry, clients, tmp_path):
    registry, tokens = token_registry, token_registry.tokens
    clients.oras("login", registry.url, "--username", USER, "--password-stdin", stdin="wrong",
                 good=False)
    assert [asked.status for asked in tokens.asked] == [401]
    clients.login(registry)
    repository = registry.new_repository()
    reference = f"{registry.url}/{repository}:v1"
    tokens.reset()
    digest = push_with_oras(clients, registry, repository)
    assert f"repository:{repository}:pull,push" in tokens.scopes()
    assert {asked.user for asked in tokens.asked} == {USER}
    tokens.reset()
    assert digest_of(clients.crane("manifest", reference)) == digest
    assert tokens.scopes() == [f"repository:{repository}:pull"]
    raw = clients.skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{reference}")
    assert digest_of(raw) == digest


def test_nobody_and_those_without_rights_get_nowhere(token_registry, clients):
    registry, tokens = token_registry, token_registry.tokens
    repository = registry.new_repository()
    image_of(registry, repository)
    reference = f"{registry.url}/{repository}:v1"
    clients.crane("manifest", reference, good=False)
    tokens.anonymous = lambda name, action: action == "pull"
    clients.crane("manifest", reference)
    clients.login(registry)
    tokens.grants = lambda name, action: action == "pull"
    clients.crane("manifest", reference)
    clients.crane("tag", reference, "v2", good=False)
    assert registry.manifest(repository, "v2").status == 404


def test_tokens_are_for_one_repository_and_for_a_time(token_registry):
    registry, tokens = token_registry, token_registry.tokens
    repository = registry.new_repository()
    image_of(registry, repository)

    def status(token):
        return registry.request("GET", f"/v2/{repository}/manifests/v1", headers={
            "Accept": MANIFEST, "Authorization": f"Bearer {token}"}).status

    scope = f"repository:{repository}:pull"
    assert status(tokens.token(scope)) == 200
    assert status(tokens.token("repository:other/m:pull")) == 401
    assert status(tokens.token(scope, honoured=-1)) == 401
    assert status(tokens.token(scope, honoured=60)) == 200
    token = tokens.token(scope, honoured=1)
    wait_until(lambda: status(token) == 401, limit=20, what="the end of a token")


def test_refresh_tokens(token_registry, clients):
    registry, tokens = token_registry, token_registry.tokens
    repository = registry.new_repository()
    given = tokens.answer("GET", {"service": [tokens.service], "offline_token": ["true"]},
                          (USER, PASSWORD))[1]["refresh_token"]
    clients.oras("login", registry.url, "--identity-token-stdin", stdin="wrong", good=False)
    clients.oras("login", registry.url, "--identity-token-stdin", stdin=given)
    tokens.reset()
    push_with_oras(clients, registry, repository)
    assert {asked.grant for asked in tokens.asked} == {"refresh_token"}
