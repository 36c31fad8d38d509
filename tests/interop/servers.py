"""Real S3 servers on loopback, each in a folder and on ports of its own."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

ACCESS, SECRET, REGION = "dray-tests", "a-secret-of-the-tests", "us-east-1"


def free_ports(count, below=50000):
    """Ports that are free now; far from each other's +10000, which SeaweedFS would take."""
    sockets, ports = [], []
    try:
        while len(ports) < count:
            one = socket.socket()
            one.bind(("127.0.0.1", 0))
            sockets.append(one)
            if one.getsockname()[1] < below:
                ports.append(one.getsockname()[1])
    finally:
        for one in sockets:
            one.close()
    return ports


def end_with_parent():
    """In a child: the kernel ends it when the tests end, however they do."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def end(process):
    """Ends a child and what it started."""
    if process and process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Daemon:
    """A server's process, with a folder and a log of its own. `kind` names it in tests."""

    kind = ""

    def __init__(self, folder, bin_folder, ca=None):
        self.folder, self.bin, self.ca = str(folder), bin_folder, ca
        os.makedirs(self.folder, exist_ok=True)
        self.process, self.url = None, None

    def command(self):
        """Command line, further environment, and what tells whether it is ready."""
        raise NotImplementedError

    def start(self):
        problems = []
        for _ in range(3):  # another process may have taken a port meanwhile
            command, environment, ready = self.command()
            self.process = self.spawn(command, environment)
            if self._wait_ready(ready):
                return self
            self.stop()
            with open(self.log, encoding="utf-8", errors="replace") as file:
                problems.append(file.read()[-3000:])
        raise RuntimeError(f"{self.kind} does not start:\n" + "\n----\n".join(problems))

    @property
    def log(self):
        return os.path.join(self.folder, "server.log")

    def spawn(self, command, environment=None):
        with open(self.log, "ab") as out:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                cwd=self.folder, env={**os.environ, **(environment or {})}, start_new_session=True,
                preexec_fn=end_with_parent)

    def _wait_ready(self, ready, limit=60):
        end = time.monotonic() + limit
        while time.monotonic() < end and self.process.poll() is None:
            if ready():
                return True
            time.sleep(0.1)
        return False

    def stop(self):
        end(self.process)


class Server(Daemon):
    """A running S3 server; tests make their own buckets."""

    in_memory = False  # what is stored there costs memory

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._count, self._buckets = 0, []

    def client(self):
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET,
            region_name=REGION, verify=self.ca or None,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}))

    def new_bucket(self):
        self._count += 1
        name = f"models-{self._count}"
        self.client().create_bucket(Bucket=name)
        self._buckets.append(name)
        return name

    def drop_bucket(self, name):
        client = self.client()
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in page.get("Uploads", []):
                client.abort_multipart_upload(Bucket=name, Key=upload["Key"],
                                              UploadId=upload["UploadId"])
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for item in page.get("Contents", []):
                client.delete_object(Bucket=name, Key=item["Key"])
        client.delete_bucket(Bucket=name)
        self._buckets.remove(name)

    def drop_buckets(self):
        for name in list(self._buckets):
            self.drop_bucket(name)

    def settings(self):
        """What dray needs in its environment to reach this server."""
        settings = {"AWS_ENDPOINT_URL_S3": self.url, "AWS_ACCESS_KEY_ID": ACCESS,
                    "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
        if self.ca:
            settings["AWS_CA_BUNDLE"] = self.ca
        return settings

    def _buckets_can_be_listed(self):
        try:
            self.client().list_buckets()
            return True
        except Exception:  # pylint: disable=broad-except; not there yet, whatever it says
            return False


def _answers(url):
    def ready():
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False
    return ready


class Versitygw(Server):
    kind = "versitygw"

    def command(self):
        port, = free_ports(1)
        data = os.path.join(self.folder, "objects")
        os.makedirs(data, exist_ok=True)
        self.url = f"{'https' if self.ca else 'http'}://127.0.0.1:{port}"
        command = [os.path.join(self.bin, "versitygw"), "--port", f"127.0.0.1:{port}", "--health",
                   "/health", "--quiet"]
        if self.ca:
            folder = os.path.dirname(self.ca)
            command += ["--cert", f"{folder}/server.pem", "--key", f"{folder}/server.key"]
        command += ["posix"]
        if not _has_attributes(data):
            sidecar = os.path.join(self.folder, "attributes")
            os.makedirs(sidecar, exist_ok=True)
            command += ["--sidecar", sidecar]
        return (command + [data], {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET},
                self._buckets_can_be_listed)


def _has_attributes(folder):
    """Whether the file system keeps user.* attributes, as versitygw wants."""
    probe = os.path.join(folder, "probe")
    try:
        with open(probe, "wb"):
            os.setxattr(probe, "user.probe", b"1")
        return True
    except OSError:
        return False
    finally:
        os.unlink(probe)


class SeaweedFs(Server):
    kind = "seaweedfs"

    def command(self):
        ports = free_ports(9)
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc, metrics = ports
        config = os.path.join(self.folder, "s3.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"identities": [{
                "name": "tests", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}, file)
        self.url = f"http://127.0.0.1:{s3}"
        return (["weed", "server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1",
                 "-dir", self.folder, "-master.telemetry=false",
                 f"-master.port={master}", f"-master.port.grpc={master_grpc}",
                 f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=2000",
                 "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
                 "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", f"-s3.config={config}",
                 "-s3.port.iceberg=0", "-s3.port.lance=0",  # else one server a machine
                 f"-metricsPort={metrics}", "-master.volumeSizeLimitMB=128"],
                {}, self._buckets_can_be_listed)


class Minio(Server):
    kind = "minio"

    def command(self):
        port, = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        return ([os.path.join(self.bin, "minio"), "server", "--quiet", "--address",
                 f"127.0.0.1:{port}", os.path.join(self.folder, "data")],
                {"MINIO_ROOT_USER": ACCESS, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off"},
                _answers(f"{self.url}/minio/health/ready"))


def make_ca(folder):
    """A CA and a certificate of it for 127.0.0.1; returns the CA's file."""
    os.makedirs(folder, exist_ok=True)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    with open(os.path.join(folder, "server.cnf"), "w", encoding="utf-8") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=CA of the tests", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=127.0.0.1")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "server.cnf")
    return os.path.join(folder, "ca.pem")
