"""Other people's clients read what dray serves, and dray's own suites run on real servers."""

import json
import os
import re
import signal
import subprocess

import pytest
from huggingface_hub import snapshot_download

from support import finish, folder_bytes


def test_store_suite_on_a_real_server(s3):
    program = os.environ.get("DRAY_TESTS")
    if not program:
        pytest.skip("set DRAY_TESTS to the dray_tests program")
    environment = {**os.environ, **s3.settings(), "DRAY_TEST_S3_ENDPOINT": s3.url,
                   "DRAY_TEST_S3_BUCKET": s3.new_bucket()}
    if s3.kind == "minio":
        environment["DRAY_TEST_S3_WHOLE_KEYS"] = "1"  # how it lists unfinished uploads
    done = subprocess.run([program, "--gtest_filter=*/s3_real"], env=environment, text=True,
                          capture_output=True, timeout=200, check=False)
    ran = re.search(r"\[  PASSED  \] (\d+) tests?", done.stdout)
    told = "\n".join(line for line in done.stdout.splitlines()
                     if not re.match(r"\[ +(OK|RUN) +\]", line))
    assert done.returncode == 0 and ran and int(ran.group(1)) > 0, told[-5000:] + done.stderr


@pytest.fixture
def served(dray):
    """dray's own Hub: its address and the model that it serves."""
    process = dray.start("demo", "--serve", "--json")
    try:
        said = json.loads(process.stdout.readline())
        yield said["url"], said["repo"]
    finally:
        process.send_signal(signal.SIGINT)
        ended = finish(process, limit=20)
    assert ended.code in (0, 130), str(ended)


def test_the_hubs_client_reads_what_dray_serves(dray, served, tmp_path):
    url, repo = served
    folder = snapshot_download(repo, endpoint=url, local_dir=tmp_path / "got",
                               cache_dir=tmp_path / "cache")
    got = folder_bytes(folder)
    assert "config.json" in got and any(path.endswith(".safetensors") for path in got)
    # dray itself, from its own Hub, stores the same bytes.
    dray.with_settings(HF_ENDPOINT=url)("import", f"hf://{repo}", "--all-files", "--name", "demo",
                                        "--to", f"dir:{tmp_path}/store")
    assert folder_bytes(tmp_path / "store/model-data/demo/1.0.0") == got
