"""What the older pipeline does in one step after the other: the whole repository to disk, compressed
there if a scheme is named, then to S3.

usage: pipeline.py REPO FOLDER BUCKET PREFIX [PYTHON SCHEME]     (HF_ENDPOINT and AWS_* say where)

PYTHON is one with llm-compressor.
"""

import pathlib
import subprocess
import sys

import boto3
import huggingface_hub


COMPRESS = """
import sys
from llmcompressor import model_free_ptq
source, target, scheme = sys.argv[1:]
model_free_ptq(source, target, scheme, ignore=["lm_head"], device="cpu", max_workers=2)
"""


def main() -> None:
    repo, folder, bucket, prefix, *compress = sys.argv[1:]
    root = pathlib.Path(huggingface_hub.snapshot_download(repo, local_dir=folder))
    if compress:
        python, scheme = compress
        subprocess.run([python, "-c", COMPRESS, folder, f"{folder}-compressed", scheme], check=True)
        root = pathlib.Path(f"{folder}-compressed")
    s3 = boto3.client("s3")
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".cache/"):
            s3.upload_file(str(path), bucket, prefix + name)


main()
