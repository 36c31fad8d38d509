"""The test Hub is honest: the real client reads from it what it holds."""

import hashlib

import pytest
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from support import folder_bytes


def test_snapshot_equals_what_was_added(hub, minilm, tmp_path):
    folder = snapshot_download(minilm.name, endpoint=hub.url, local_dir=tmp_path / "got",
                               cache_dir=tmp_path / "cache")
    got = folder_bytes(folder)
    assert got == {path: file.data for path, file in minilm.files.items()}
    assert any(host == "cdn" for host, *_ in hub.requests)


def test_listing_states_sizes_and_digests(hub, odd_repo):
    files = {entry.path: entry
             for entry in HfApi(endpoint=hub.url).list_repo_tree(odd_repo.name, recursive=True)
             if hasattr(entry, "blob_id")}
    assert set(files) == set(odd_repo.files)
    for path, file in odd_repo.files.items():
        assert files[path].size == len(file.data)
        if file.large:
            assert files[path].lfs.sha256 == hashlib.sha256(file.data).hexdigest()


def test_errors_have_the_types_that_the_client_knows(hub, minilm):
    api = HfApi(endpoint=hub.url, token=False)
    with pytest.raises(RevisionNotFoundError):
        api.model_info(minilm.name, revision="nowhere")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("no/such")
    hub.add("org/closed", {"config.json": b"{}"}, token="let-me-in", gated=True)
    with pytest.raises(GatedRepoError):
        api.model_info("org/closed")
    assert HfApi(endpoint=hub.url, token="let-me-in").model_info("org/closed").sha
