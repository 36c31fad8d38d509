"""The servers themselves: what dray's tests rely on."""

import pytest
from botocore.exceptions import ClientError


def test_a_server_keeps_what_it_is_given(s3):
    bucket, client = s3.new_bucket(), s3.client()
    body = bytes(range(256)) * 4096
    client.put_object(Bucket=bucket, Key="a/b c.bin", Body=body, Metadata={"sha256": "x"})
    got = client.get_object(Bucket=bucket, Key="a/b c.bin")
    assert got["Body"].read() == body
    assert got["Metadata"] == {"sha256": "x"}
    with pytest.raises(ClientError):
        client.get_object(Bucket=bucket, Key="a/none")


def test_tls_server(servers):
    server = servers("versitygw-tls")
    assert server.url.startswith("https://")
    server.client().put_object(Bucket=server.new_bucket(), Key="k", Body=b"v")
