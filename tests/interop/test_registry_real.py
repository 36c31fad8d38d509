"""The same requests to `dray serve` and to Kubeflow's own server: equal answers, field by field."""

import os
import re

import pytest

from kubeflow_server import Kubeflow
from recorder import Normal, Recorder
from registry_requests import REQUESTS, Player
from registry_server import DrayServe, run_client

pytestmark = pytest.mark.full

# Where dray answers otherwise on purpose: request → (the real status, dray's).
OTHERWISE = {
    ("POST", "registered_models", b"null"): (422, 400),
    ("GET", "registered_models/-1"): (404, 400),
    ("GET", "registered_models?pageSize=-1"): (200, 400),
}
# Properties of its own that the real server shows in answers to writes, and nowhere else.
RESERVED = {"experiment_id", "experiment_run_id"}


def without_reserved(answer):
    if isinstance(answer, dict) and "customProperties" in answer:
        kept = {name: value for name, value in answer["customProperties"].items()
                if name not in RESERVED}
        return {**answer, "customProperties": kept}
    return answer


@pytest.fixture(name="real")
def _real():
    postgres = os.path.join(os.environ["DRAY_PEERS_BIN"], "postgres")
    server = Kubeflow(os.environ["DRAY_PEERS_BIN"], postgres, durable=False)
    try:
        yield server.start()
    finally:
        server.stop()


def test_every_request_is_answered_as_the_real_server_does(program, tmp_path, real):
    differences = []
    with DrayServe(program, tmp_path) as server:
        ours, theirs = Player(server.url), Player(real.url)
        our_words, their_words = Normal(messages=False), Normal(messages=False)
        for request in REQUESTS:
            got, wanted = ours.play(request), theirs.play(request)
            known = next((known for other, known in OTHERWISE.items()
                          if request[:3] == other), None)
            if known:
                assert (wanted[0], got[0]) == known, (request, wanted, got)
                continue
            got = (got[0], got[1], our_words.value(got[2]))
            wanted = (wanted[0], wanted[1], their_words.value(without_reserved(wanted[2])))
            if got != wanted:
                differences.append(f"{request}\n  real {wanted}\n  dray {got}")
    assert not differences, "\n".join(differences)


def test_the_official_client_sees_the_same_on_the_wire(program, tmp_path, real):
    """Every answer that client 0.3.11 gets, in order, on registries that are empty at first."""
    def played(url):
        recorder, words = Recorder(url), Normal()
        try:
            run_client("0.3.11", recorder.url)
        finally:
            recorder.close()
        seen = []
        for method, path, _, status, body in recorder.exchanges:
            # Names that the client draws at random.
            shown = re.sub(r"run_\w+", "run_RANDOM", str(without_reserved(words.body(body))))
            # A run below another names it by id.
            shown = re.sub(r"(parent_run_RANDOM.*?string_value': ')\d+", r"\1N", shown)
            path = re.sub(r"/\d+|run_\w+|(Id|PageToken)=[^&]*", "/N", path)
            seen.append((method, path, status, shown))
        return seen

    with DrayServe(program, tmp_path) as server:
        ours = played(server.url)
    theirs = played(real.url)
    for got, wanted in zip(ours, theirs):
        assert got == wanted, f"real {wanted}\ndray {got}"
    assert len(ours) == len(theirs) > 150
