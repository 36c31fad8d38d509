#!/usr/bin/env python3
"""Writes signing_vectors.json: signatures made by botocore, for sigv4_test.cc to agree with.

Run it with botocore installed (made with 1.44.8): make_vectors.py > signing_vectors.json
Only the inputs below are ours; canonical request, string to sign and signature are botocore's.
"""
import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode

TIME = datetime.datetime(2026, 8, 7, 12, 34, 56, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *args, **kwargs: TIME
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEK//+w=="
UNSIGNED = "UNSIGNED-PAYLOAD"


def case(name, key="plain", query=(), method="GET", headers=(), payload=UNSIGNED, token=None,
         region="us-east-1", endpoint="https://bucket.s3.us-east-1.amazonaws.com"):
    return dict(name=name, key=key, query=[list(p) for p in query], method=method,
                headers=[list(h) for h in headers], payload=payload, token=token, region=region,
                endpoint=endpoint)


CASES = [
    case("plain get"),
    case("root of a bucket", key=""),
    case("path style with a port", endpoint="http://minio.example:9000", key="bucket/a/b.bin"),
    case("default port written out", endpoint="https://minio.example:443", key="bucket/a"),
    case("another region", region="eu-central-1"),
    case("space", key="a b/c d.bin"),
    case("plus", key="a+b c"),
    case("unicode", key="modèle/模型-ä.safetensors"),
    case("double slash", key="a//b///c"),
    case("dots", key="a/../b/./c/.."),
    case("leading slash", key="/a"),
    case("equals and friends", key="k=v&w;x:y@z!$'()*,[]"),
    case("percent", key="100%/%2F/%zz"),
    case("tilde and unreserved", key="~a-b_c.d"),
    case("backslash and quotes", key="a\\b\"c<d>|^`{}"),
    case("valueless query", query=[("uploads", "")], method="POST"),
    case("empty value among others", query=[("prefix", ""), ("list-type", "2"), ("delimiter", "/")]),
    case("query that needs encoding",
         query=[("prefix", "a b+c/ä=&"), ("continuation-token", "1/x+y==~"), ("list-type", "2")]),
    case("query order by encoded name", query=[("b", "2"), ("a", "2"), ("a-b", "1"), ("a", "1"), ("A", "0")]),
    case("part", method="PUT", query=[("partNumber", "7"), ("uploadId", "id+/=~._-")],
         headers=[("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="), ("Content-Type", "application/octet-stream"),
                  ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=")]),
    case("range", headers=[("Range", "bytes=0-8388607")]),
    case("hashed body", method="POST", query=[("uploadId", "x")], headers=[("Content-Type", "application/xml")],
         payload="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    case("header order", method="PUT", headers=[
        ("x-amz-meta-a-b", "2"), ("x-amz-meta-a", "1"), ("X-Amz-Meta-A0", "3"), ("x-amz-meta-ab", "4")]),
    case("header white space", method="PUT", headers=[("x-amz-meta-a", "  two   words  ")]),
    case("header twice", method="PUT", headers=[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")]),
    case("copy", method="PUT", headers=[
        ("x-amz-copy-source", "/bucket/a%20b"), ("x-amz-copy-source-range", "bytes=0-5242879"),
        ("x-amz-copy-source-if-match", '"abc-2"')]),
    case("session token", token=TOKEN),
    case("session token and part", token=TOKEN, method="PUT", query=[("partNumber", "1"), ("uploadId", "u")]),
]
PRESIGNED = [
    case("presigned"),
    case("presigned path style", endpoint="http://127.0.0.1:9000", key="bucket/a b/ä+.bin"),
    case("presigned with a token", token=TOKEN),
    case("presigned with a query", query=[("versionId", "a+/="), ("partNumber", "3")]),
]


def request_of(c):
    url = c["endpoint"] + "/" + percent_encode(c["key"], safe="/~")
    query = "&".join(f"{percent_encode(k, safe='-._~')}={percent_encode(v, safe='-._~')}"
                     for k, v in c["query"])
    request = AWSRequest(method=c["method"], url=url + ("?" + query if query else ""))
    for name, value in c["headers"]:
        request.headers.add_header(name, value)
    return request


def signed(c):
    auth = botocore.auth.S3SigV4Auth(Credentials(KEY, SECRET, c["token"]), "s3", c["region"])
    auth.payload = lambda request: c["payload"]
    request = request_of(c)
    seen = {}
    original = auth.string_to_sign

    def string_to_sign(req, canonical):
        seen["canonical_request"] = canonical
        seen["string_to_sign"] = original(req, canonical)
        return seen["string_to_sign"]

    auth.string_to_sign = string_to_sign
    auth.add_auth(request)
    return dict(c, **seen, authorization=request.headers["Authorization"])


def presigned(c):
    auth = botocore.auth.S3SigV4QueryAuth(
        Credentials(KEY, SECRET, c["token"]), "s3", c["region"], expires=3600)
    request = request_of(c)
    auth.add_auth(request)
    return dict(c, url=request.url)


json.dump({"time": TIME.strftime("%Y-%m-%dT%H:%M:%SZ"), "access_key": KEY, "secret_key": SECRET,
           "signed": [signed(c) for c in CASES], "presigned": [presigned(c) for c in PRESIGNED]},
          sys.stdout, indent=1, ensure_ascii=True)
sys.stdout.write("\n")
