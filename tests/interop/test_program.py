"""The program as a person meets it first."""

import json

from support import disk_bytes


def test_demo_does_the_whole_job_without_network_and_setup(dray):
    said = dray("demo")
    assert "1.0.0" in said.out + said.err
    assert disk_bytes(dray.home) > 40_000_000, "a model was stored"


def test_usage_errors_help(dray):
    wrong = dray("imprt", "x", code=2)
    assert "import" in wrong.err
    wrong = dray("import", code=2)
    assert "SOURCE" in wrong.err


def test_errors_are_json_when_asked_for(dray, hub):
    refused = dray("import", "hf://no/such-model", "--json", code=None)
    error = json.loads(refused.err.strip().splitlines()[-1])["error"]
    assert refused.code in (4, 5)
    assert error["code"] in ("E_NOT_FOUND", "E_AUTH") and error["hint"]
    assert error["retryable"] is False


def test_doctor_tries_a_real_server(dray, hub, s3):
    bucket = s3.new_bucket()
    well = dray.with_settings(**s3.settings())
    well("doctor", "--store", f"s3://{bucket}")
    ill = well.with_settings(AWS_SECRET_ACCESS_KEY="wrong")("doctor", "--store", f"s3://{bucket}",
                                                           code=None)
    assert ill.code != 0
    assert not s3.client().list_objects_v2(Bucket=bucket).get("Contents"), "nothing is left behind"


def test_an_unreachable_hub_is_a_retryable_error(dray):
    gone = dray.with_settings(HF_ENDPOINT="http://127.0.0.1:9")
    refused = gone("import", "org/model", "--json", code=8, limit=180)
    assert json.loads(refused.err.strip().splitlines()[-1])["error"]["retryable"] is True


def test_list_names_only(dray, hub, odd_repo):
    dray("import", odd_repo.name, "--name", "first", "-q")
    dray("import", odd_repo.name, "--name", "second", "-q", code=0)
    assert dray("list", "-q").out.split() == ["first", "second"]
