"""Reads what dray stored, with other people's clients only."""

import json
import os


def objects(server, bucket, prefix=""):
    """key → size of everything below a prefix."""
    found = {}
    for page in server.client().get_paginator("list_objects_v2").paginate(Bucket=bucket,
                                                                         Prefix=prefix):
        found.update({item["Key"]: item["Size"] for item in page.get("Contents", [])})
    return found


def download_as_kserve(server, uri):
    """path → bytes, by the rules of KServe's storage initializer: everything that begins with the
    prefix as it stands, keys that end in '/' and empty objects left out."""
    bucket, _, prefix = uri[len("s3://"):].partition("/")
    client, got = server.client(), {}
    for key, size in objects(server, bucket, prefix).items():
        if key.endswith("/") or size == 0:
            continue
        path = key[len(prefix):].lstrip("/") or os.path.basename(key)
        got[path] = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return got


def manifest(server, bucket, prefix, name, version):
    """The record of a release, or None."""
    client = server.client()
    try:
        answer = client.get_object(Bucket=bucket,
                                   Key=f"{prefix}.dray/releases/{name}/{version}.json")
    except client.exceptions.NoSuchKey:
        return None
    return json.loads(answer["Body"].read())


def unfinished_uploads(server, bucket):
    return server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def check_files(got, repo, files):
    """`got` holds exactly `files` of the repository, byte for byte; empty ones may be missing."""
    wanted = {path: repo.files[path].data for path in files if repo.files[path].data}
    assert sorted(path for path in got if got[path]) == sorted(wanted)
    for path, data in wanted.items():
        assert got[path] == data, f"{path} differs"
