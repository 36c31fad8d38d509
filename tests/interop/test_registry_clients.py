"""Kubeflow's own Python clients, as they are, against `dray serve`."""

import hashlib
import os

import pytest

from openapi import Document
from registry_requests import REQUESTS, Player
from registry_server import DrayServe, run_client
from servers import make_ca

# The published document leaves out many of the refusals that the real server knows, and gives
# another status for this success.
UNDOCUMENTED = (404, 405, 409, 422)
CREATED_AS_200 = ("POST", "inference_services")


@pytest.mark.parametrize("version", ["0.3.11", "0.3.18"])
def test_the_official_client_takes_dray_for_the_real_server(program, tmp_path, version):
    with DrayServe(program, tmp_path) as server:
        run_client(version, server.url)


def test_the_official_client_over_tls_with_a_token(program, tmp_path):
    ca = make_ca(str(tmp_path / "ca"))
    digest = hashlib.sha256(b"s3cret").hexdigest()
    (tmp_path / "access.txt").write_text(f"token {digest} tester promoter\n", encoding="utf-8")
    with DrayServe(program, tmp_path, "--tls-cert", tmp_path / "ca" / "server.pem", "--tls-key",
                   tmp_path / "ca" / "server.key", "--access", tmp_path / "access.txt",
                   "--access-log") as server:
        assert server.url.startswith("https://")
        run_client("0.3.18", server.url, ca, "s3cret")
    assert " tester \"POST /api/model_registry/v1/registered_models\" 201 " in server.errors
    assert "s3cret" not in server.errors


@pytest.mark.parametrize("base", ["v1alpha3", "v1"])
def test_every_endpoint_answers_as_its_published_document_says(program, tmp_path, base):
    document = Document(os.path.join(os.environ["DRAY_PEERS_CLIENTS"], "model-registry.yaml"))
    found = []
    with DrayServe(program, tmp_path) as server:
        player = Player(server.url, base=f"/api/model_registry/{base}/")
        for request in REQUESTS:
            status, kind, answer = player.play(request)
            assert status < 500, (request, status, answer)
            method, path = request[0], player.filled(request[1]).split("?")[0]
            documented = document.operation(method.lower(), player.PATHS + path)[1]
            if documented is None:
                assert status in (404, 405), (request, status)
                continue
            assert kind == "application/json; charset=UTF-8", (request, status, kind)
            if status >= 400:
                assert set(answer) == {"code", "message"} and answer["message"], (request, answer)
                if status in UNDOCUMENTED or str(status) not in documented["responses"]:
                    continue
            if (method, path) == CREATED_AS_200 and status == 201:
                status = 200
            found += [(request, problem) for problem in
                      document.problems(method, player.PATHS + path, status, answer)]
    assert not found, found
    assert not document.unseen, document.unseen
