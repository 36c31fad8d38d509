"""Ceph's S3 gateway over a cluster of one node on loopback: a monitor, and a store in memory."""

import json
import os
import subprocess
import uuid

from servers import ACCESS, SECRET, Server, end, free_ports
from support import wait_until

CONFIGURATION = """[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{port}
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = {folder}
log file = {folder}/$name.log
admin socket =
pid file =
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 17179869184
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
rgw frontends = beast endpoint=127.0.0.1:{s3}
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw gc processor max time = 2
"""


class RadosGw(Server):
    kind = "radosgw"
    in_memory = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._cluster, self._store = [], None

    def command(self):
        port, s3 = free_ports(2)
        self.url = f"http://127.0.0.1:{s3}"
        self._start_cluster(port, s3)
        self._tool("radosgw-admin", "-n", "client.admin", "user", "create", "--uid", "tests",
                   "--display-name", "tests", "--access-key", ACCESS, "--secret-key", SECRET)
        return ([*self._with_configuration("radosgw"), "-n", "client.admin", "-f"], {},
                self._buckets_can_be_listed)

    def _start_cluster(self, port, s3):
        self.stop()
        home = os.path.join(self.folder, f"cluster-{port}")
        for folder in ("mon", "osd"):
            os.makedirs(os.path.join(home, folder))
        self._configuration = os.path.join(home, "ceph.conf")
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        with open(self._configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(fsid=fsid, port=port, s3=s3, folder=home))
        keyring, monitors = os.path.join(home, "keyring"), os.path.join(home, "monmap")
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.",
                  "--cap", "mon", "allow *")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
                  f"v1:127.0.0.1:{port}", monitors)
        self._tool("ceph-mon", "-i", "a", "--mkfs", "--monmap", monitors, "--keyring", keyring)
        self._cluster.append(self.spawn([*self._with_configuration("ceph-mon"), "-i", "a", "-f"]))
        self._tool("ceph", "osd", "new", osd)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._start_store()
        # Pools that are made before the store is up stay without one.
        wait_until(self._store_is_up, what="the cluster's store", step=0.3)

    # A client whose first command overtakes its learning of the cluster's id is refused ("wrong
    # fsid"): commands are tried again, and so is the store, which ends then.

    def _start_store(self):
        self._store = self.spawn([*self._with_configuration("ceph-osd"), "-i", "0", "-f"])
        self._cluster.append(self._store)

    def _store_is_up(self):
        if self._store.poll() is not None:
            self._cluster.remove(self._store)
            self._start_store()
        done = subprocess.run([*self._with_configuration("ceph"), "osd", "stat", "-f", "json"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        return done.returncode == 0 and json.loads(done.stdout)["num_up_osds"] == 1

    def _with_configuration(self, program):
        return [program, "-c", self._configuration]

    def _tool(self, program, *arguments):
        """A command that waits for the cluster until it answers."""
        for last in (False, False, False, False, True):
            try:
                return self._run(*self._with_configuration(program), *arguments)
            except subprocess.CalledProcessError:
                if last:
                    raise

    def _run(self, *command):
        with open(self.log, "ab") as out:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                           cwd=self.folder, timeout=120, check=True)

    def stop(self):
        super().stop()
        while self._cluster:
            end(self._cluster.pop())
