"""What the older pipeline does in one step after the other: the whole repository to disk, then to S3.

usage: pipeline.py REPO FOLDER BUCKET PREFIX     (HF_ENDPOINT and AWS_* say where)
"""

import pathlib
import sys

import boto3
import huggingface_hub


def main() -> None:
    repo, folder, bucket, prefix = sys.argv[1:]
    root = pathlib.Path(huggingface_hub.snapshot_download(repo, local_dir=folder))
    s3 = boto3.client("s3")
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".cache/"):
            s3.upload_file(str(path), bucket, prefix + name)


main()
