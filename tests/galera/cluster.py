"""A real MariaDB Galera cluster of three nodes for a test: on 127.0.0.1, in a folder of its own.

A node's clients come by its unix socket, the nodes talk to each other by ports. The programs wsrep_sst_*, by which one node gives
another its data, must be on the PATH: scripts/test-galera sees to that.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pymysql

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import die_with_parent, free_ports, process_state, send_signal, session_processes, stop_session, wait_until  # noqa: E402

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
# A killed node is out of the cluster after 2 to 3 s. Shorter times make live nodes suspects while the machine is busy.
PROVIDER_OPTIONS = {
    "evs.keepalive_period": "PT0.3S", "evs.inactive_check_period": "PT0.3S", "evs.suspect_timeout": "PT2S",
    "evs.inactive_timeout": "PT6S", "gcache.size": "32M", "pc.recovery": "false"}
# An rsync daemon that root starts gives up its rights, and could not write to a folder that is root's.
SST_AS_ROOT = """#!/bin/bash
rsync() {
  [[ $1 != --daemon ]] || exec rsync "$@" --dparam=uid=0 --dparam=gid=0
  command rsync "$@"
}
export -f rsync
exec wsrep_sst_rsync "$@"
"""


class Node:
    def __init__(self, cluster, number):
        self.number, self.cluster = number, cluster
        self.folder = cluster.folder / str(number)
        self.data, self.socket, self.log = self.folder / "data", self.folder / "db.sock", self.folder / "mariadb.log"
        self.port, self.ist_port, self.sst_port = free_ports(3)
        self.process = None
        self.folder.mkdir()

    def command(self, *options):
        provider = {**PROVIDER_OPTIONS, "base_host": "127.0.0.1", "base_port": self.port,
                    "gmcast.listen_addr": f"tcp://127.0.0.1:{self.port}",
                    "ist.recv_addr": f"127.0.0.1:{self.ist_port}", "ist.recv_bind": f"127.0.0.1:{self.ist_port}"}
        peers = ",".join(f"127.0.0.1:{node.port}" for node in self.cluster.nodes)
        return [
            "mariadbd", "--no-defaults", *self.cluster.as_root, f"--datadir={self.data}", f"--socket={self.socket}",
            f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}", "--skip-networking",
            "--event-scheduler=ON", "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-autoinc-lock-mode=2", "--binlog-format=ROW",
            "--wsrep-on=ON", f"--wsrep-provider={PROVIDER}", "--wsrep-cluster-name=webhook_calls",
            f"--wsrep-cluster-address=gcomm://{peers}",
            f"--wsrep-node-name=node{self.number}", f"--wsrep-node-address=127.0.0.1:{self.port}",
            f"--wsrep-sst-method={self.cluster.sst_method}", f"--wsrep-sst-receive-address=127.0.0.1:{self.sst_port}",
            "--wsrep-provider-options=" + ";".join(f"{name}={value}" for name, value in provider.items()), *options]

    # ---- Its life

    def start(self, *options):
        """Only from the main thread, whose end ends the node."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(*options), env=self.cluster.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent)

    def wait_until_synced(self, size=3):
        def synced():
            if self.process.poll() is not None:
                raise RuntimeError(f"node {self.number} ended:\n" + self.log.read_text(errors="replace")[-6000:])
            return self.status("local_state_comment") == "Synced" and self.status("cluster_size") == str(size)

        wait_until(synced, f"synced node {self.number}", 120)

    def kill(self):
        for pid in session_processes(self.process.pid):
            send_signal(pid, signal.SIGKILL)
        self.process.wait()

    def rejoin(self):
        """As Debian's service starts a node after a crash: from the position that its own files tell."""
        log = self.folder / "recovery.log"
        subprocess.run(self.command("--wsrep-recover", f"--log-error={log}"), env=self.cluster.environment, cwd=self.folder,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=120)
        position = re.findall(r"Recovered position: *(\S+)", log.read_text(errors="replace"))[-1]
        self.start(f"--wsrep-start-position={position}")

    def provision(self):
        """As a new machine: with nothing, so that it gets all data from another node."""
        shutil.rmtree(self.data)
        self.data.mkdir()
        self.start()

    def stop(self):
        if self.process and self.process.poll() is None:
            stop_session(self.process)

    def is_alive(self):
        return process_state(self.process.pid) not in ("", "Z")

    # ---- Its database

    def connect(self, user="root", **options):
        return pymysql.connect(unix_socket=str(self.socket), user=user, autocommit=True, charset="utf8mb4",
                               **{"database": "webhook_calls", **options})

    def sql(self, statement, values=None, **options):
        connection = self.connect(**options)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def status(self, name):
        """What the cluster's part of the node says; empty where it cannot be asked."""
        try:
            return self.sql(f"SHOW STATUS LIKE 'wsrep\\_{name}'", database=None)[0][1]
        except (pymysql.err.MySQLError, IndexError):
            return ""

    def set_provider_option(self, text):
        self.sql(f"SET GLOBAL wsrep_provider_options = '{text}'", database=None)


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir(parents=True)
        self.environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{programs}"}
        self.as_root, self.sst_method = [], "rsync"
        if os.geteuid() == 0:
            self.as_root, self.sst_method = ["--user=root"], "rsync_as_root"
            (programs / "wsrep_sst_rsync_as_root").write_text(SST_AS_ROOT)
            (programs / "wsrep_sst_rsync_as_root").chmod(0o755)
        self.nodes = []
        for number in (1, 2, 3):
            self.nodes.append(Node(self, number))

    def start(self):
        first, *others = self.nodes
        (first.folder / "data").mkdir()
        # In the node's folder, because it does not quote a longer path.
        subprocess.run(["mariadb-install-db", "--no-defaults", *self.as_root, "--datadir=./data", "--skip-test-db", "--force",
                        "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M"], cwd=first.folder, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        first.start("--wsrep-new-cluster")
        first.wait_until_synced(1)
        for size, node in enumerate(others, 2):
            node.data.mkdir()
            node.start()
            node.wait_until_synced(size)
        first.wait_until_synced()

    def wait_until_level(self):
        """Until each live node has applied all that any of them had committed when this was called."""
        live = [node for node in self.nodes if node.is_alive()]
        newest = max(int(node.status("last_committed")) for node in live)
        wait_until(lambda: all(int(node.status("last_committed") or 0) >= newest for node in live), "nodes on one level", 60)

    def stop(self):
        for node in reversed(self.nodes):
            node.stop()
