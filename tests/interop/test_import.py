"""The main job: a model goes from the Hub into real S3 servers and comes back right."""

import pytest

from readers import check_files, download_as_kserve, manifest, objects, unfinished_uploads
from support import disk_bytes, folder_bytes

NAME = "all-MiniLM-L6-v2"
PROBE = 100  # bytes that may be read to find out whether a file can be had
SERVED = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
          "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"}


def test_real_model_arrives_byte_for_byte(dray, hub, minilm, s3, tmp_path):
    bucket = s3.new_bucket()
    dray = dray.with_settings(**s3.settings())
    result = dray("import", f"hf://{minilm.name}", "--to", f"s3://{bucket}", "--json").json
    assert result["name"] == NAME and result["version"] == "1.0.0"
    assert result["commit"] == minilm.commit and result["changed"] is True
    assert result["uri"] == f"s3://{bucket}/model-data/{NAME}/1.0.0/"

    record = manifest(s3, bucket, "", NAME, "1.0.0")
    files = {file["path"]: file for file in record["files"]}
    assert SERVED <= set(files)
    assert record["root_digest"] == result["root_digest"]
    for path, file in files.items():
        assert file["sha256"] == minilm.files[path].sha256
    check_files(download_as_kserve(s3, result["uri"]), minilm, files)
    assert not unfinished_uploads(s3, bucket)
    left = [key for key in objects(s3, bucket) if key.startswith(".dray/transfers/")]
    assert not left, "a finished transfer leaves no journal"

    # What programs ask about an object that they find.
    head = s3.client().head_object(Bucket=bucket, Key=f"model-data/{NAME}/1.0.0/model.safetensors")
    assert head["Metadata"].get("model-name") == NAME
    assert head["Metadata"].get("sha256") == minilm.files["model.safetensors"].sha256

    # Again: nothing to do, and no byte of a large file is asked for.
    hub.reset()
    again = dray("import", f"hf://{minilm.name}", "--to", f"s3://{bucket}", "--json").json
    assert again["changed"] is False and again["version"] == "1.0.0"
    assert again["root_digest"] == result["root_digest"]
    assert hub.large_sent < PROBE

    # And back.
    store = ("--store", f"s3://{bucket}")
    listed = dray("list", *store, "--json")
    assert any(NAME in line for line in listed.out.splitlines())
    shown = dray("show", NAME, *store, "--json").json
    assert shown["root_digest"] == result["root_digest"]
    dray("verify", NAME, *store)
    dray("verify", NAME, *store, "--quick")
    dray("pull", f"{NAME}:1.0.0", tmp_path / "pulled", *store)
    check_files(folder_bytes(tmp_path / "pulled"), minilm, files)
    assert disk_bytes(dray.home) < 5_000_000, "model bytes stay off the disk"


def test_names_that_need_care(dray, odd_repo, s3, tmp_path):
    bucket = s3.new_bucket()
    dray = dray.with_settings(**s3.settings())
    result = dray("import", odd_repo.name, "--to", f"s3://{bucket}/deep/er", "--all-files",
                  "--name", "odd", "--version", "3.2.1", "--json").json
    assert result["uri"] == f"s3://{bucket}/deep/er/model-data/odd/3.2.1/"
    check_files(download_as_kserve(s3, result["uri"]), odd_repo, odd_repo.files)
    dray("pull", "odd:3.2.1", tmp_path / "pulled", "--store", f"s3://{bucket}/deep/er")
    assert folder_bytes(tmp_path / "pulled") == {
        path: file.data for path, file in odd_repo.files.items()}


def test_tls_with_the_companys_ca(dray, odd_repo, servers):
    server = servers("versitygw-tls")
    bucket = server.new_bucket()
    settings = server.settings()
    dray = dray.with_settings(**settings)
    result = dray("import", odd_repo.name, "--to", f"s3://{bucket}", "--json").json
    assert objects(server, bucket, result["uri"].partition(f"{bucket}/")[2])
    refused = dray.with_settings(AWS_CA_BUNDLE=None)(
        "import", odd_repo.name, "--to", f"s3://{server.new_bucket()}", code=None)
    assert refused.code not in (0, 1)
    assert "certificate" in refused.err.lower()


def test_wrong_secret_is_found_before_the_first_model_byte(dray, hub, llama, s3):
    bucket = s3.new_bucket()
    settings = {**s3.settings(), "AWS_SECRET_ACCESS_KEY": "wrong-wrong-wrong"}
    refused = dray.with_settings(**settings)(
        "import", llama.name, "--to", f"s3://{bucket}", code=5)
    assert hub.large_sent < PROBE
    assert "wrong-wrong-wrong" not in refused.out + refused.err


def test_missing_bucket_is_found_before_the_first_model_byte(dray, hub, llama, s3):
    dray.with_settings(**s3.settings())(
        "import", llama.name, "--to", "s3://there-is-no-such-bucket", code=4)
    assert hub.large_sent < PROBE


def test_keys_without_a_manifest_are_not_overwritten(dray, llama, s3):
    bucket = s3.new_bucket()
    key = "model-data/llama/1.0.0/config.json"
    s3.client().put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    dray.with_settings(**s3.settings())(
        "import", llama.name, "--to", f"s3://{bucket}", "--version", "1.0.0", code=10)
    got = s3.client().get_object(Bucket=bucket, Key=key)["Body"].read()
    assert got == b"somebody else's"


def test_adopt_records_what_another_tool_stored(dray, odd_repo, s3, tmp_path):
    bucket, client = s3.new_bucket(), s3.client()
    for path, file in odd_repo.files.items():
        client.put_object(Bucket=bucket, Key=f"model-data/old/2.0.0/{path}", Body=file.data)
    dray = dray.with_settings(**s3.settings())
    dray("adopt", f"s3://{bucket}/model-data/old/2.0.0/", "--json")
    record = manifest(s3, bucket, "", "old", "2.0.0")
    assert {file["path"]: file["sha256"] for file in record["files"]} == {
        path: file.sha256 for path, file in odd_repo.files.items()}
    store = ("--store", f"s3://{bucket}")
    dray("verify", "old:2.0.0", *store)
    dray("pull", "old:2.0.0", tmp_path / "pulled", *store)
    assert folder_bytes(tmp_path / "pulled") == {
        path: file.data for path, file in odd_repo.files.items()}


def test_verify_finds_a_changed_byte(dray, odd_repo, s3):
    bucket, client = s3.new_bucket(), s3.client()
    dray = dray.with_settings(**s3.settings())
    result = dray("import", odd_repo.name, "--to", f"s3://{bucket}", "--json").json
    key = f"model-data/{result['name']}/{result['version']}/model-00001-of-00001.safetensors"
    body = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    body[len(body) // 2] ^= 1
    client.put_object(Bucket=bucket, Key=key, Body=bytes(body))
    found = dray("verify", result["name"], "--store", f"s3://{bucket}", code=7)
    assert "model-00001-of-00001.safetensors" in found.out + found.err


def test_the_hub_token_stays_with_the_hub(dray, hub, strict_s3):
    repo = hub.add("org/private", {path: file.data for path, file in
                                   hub.repos["org/odd"].files.items()}, token="hf_only_for_the_hub")
    dray = dray.with_settings(**strict_s3.settings())
    bucket = strict_s3.new_bucket()
    refused = dray("import", repo.name, "--to", f"s3://{bucket}", code=None)
    assert refused.code in (4, 5)
    hub.reset()
    done = dray.with_settings(HF_TOKEN="hf_only_for_the_hub")(
        "import", repo.name, "--to", f"s3://{bucket}", "-vv")
    assert "hf_only_for_the_hub" not in done.out + done.err
    asked = {host: [headers.get("authorization") for where, _, _, headers in hub.requests
                    if where == host] for host in ("api", "cdn")}
    assert asked["api"] and all(value == "Bearer hf_only_for_the_hub" for value in asked["api"])
    assert asked["cdn"] and not any(asked["cdn"])


def test_dry_run_changes_nothing(dray, hub, llama, strict_s3):
    bucket = strict_s3.new_bucket()
    dray.with_settings(**strict_s3.settings())(
        "import", llama.name, "--to", f"s3://{bucket}", "--dry-run")
    assert not objects(strict_s3, bucket) and hub.large_sent < PROBE


def test_a_second_version_with_the_same_weights_is_copied_in_the_store(dray, hub, llama, s3):
    bucket = s3.new_bucket()
    dray = dray.with_settings(**s3.settings())
    dray("import", llama.name, "--to", f"s3://{bucket}")
    files = {path: file.data for path, file in llama.files.items()}
    newer = hub.add("org/newer", {**files, "generation_config.json": b'{"eos_token_id": 3}\n'})
    hub.reset()
    result = dray("import", newer.name, "--to", f"s3://{bucket}", "--json").json
    check_files(download_as_kserve(s3, result["uri"]), newer, newer.files)
    assert hub.large_sent < PROBE


@pytest.mark.parametrize("target", ["dir", "default"])
def test_directory_store(dray, minilm, tmp_path, target):
    to = ("--to", f"dir:{tmp_path}/store") if target == "dir" else ()
    store = tmp_path / "store" if to else dray.home / ".local/share/dray/store"
    result = dray("import", f"hf://{minilm.name}", *to, "--json").json
    got = folder_bytes(store / "model-data" / NAME / "1.0.0")
    assert SERVED <= set(got)
    check_files(got, minilm, got)
    assert result["changed"] is True
    assert dray("import", f"hf://{minilm.name}", *to, "--json").json["changed"] is False
    dray("verify", NAME, *(("--store", to[1]) if to else ()))
