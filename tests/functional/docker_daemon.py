"""A Docker Engine of the test's own: its own data, socket and network, ended with the test. Needs root and dockerd."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.parse
from pathlib import Path

DOCKERD = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
IMAGE = "llm-manager-test/llama.cpp:1"


def why_not():
    """Why no Docker Engine can be started here; None: it can."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    if not DOCKERD:
        return "there is no dockerd: scripts/setup --for test installs it"
    if not os.environ.get("LLM_MANAGER_LLAMA_SERVER"):
        return "there is no llama-server to make an image of"
    return None


def why_no_kernel():
    """Why containers can't run here, whatever is installed; None: they can."""
    mount_points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if "/" not in mount_points:
        return "containers can't be started inside a chroot"
    name = f"llmm-probe{os.getpid() % 10000}"
    made = subprocess.run(["ip", "link", "add", name, "type", "bridge"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"the kernel gives no bridge: {made.stderr.strip()}"
    subprocess.run(["ip", "link", "del", name], check=True)
    return None


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class DockerDaemon:
    def __init__(self, root):
        self.root = Path(root)
        self.socket = str(self.root / "docker.sock")
        self.log = self.root / "dockerd.log"
        # A network of our own, without touching the machine's packet filter; no storage driver that needs more of the
        # kernel than files.
        subnet = os.getpid() % 200 + 20
        self.bridge = f"llmm{os.getpid() % 100000}"
        subprocess.run(["ip", "link", "add", self.bridge, "type", "bridge"], check=True)
        subprocess.run(["ip", "addr", "add", f"172.29.{subnet}.1/24", "dev", self.bridge], check=True)
        subprocess.run(["ip", "link", "set", self.bridge, "up"], check=True)
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [DOCKERD, "--data-root", str(self.root / "data"), "--exec-root", str(self.root / "exec"), "--host",
                 f"unix://{self.socket}", "--pidfile", str(self.root / "pid"), "--storage-driver", "vfs", "--bridge",
                 self.bridge, "--iptables=false", "--ip6tables=false"],
                stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        while True:
            try:
                if self.call("GET", "/_ping")[0] == 200:
                    return
            except OSError:
                pass
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def stop(self):
        try:
            for container in self.containers():
                self.call("DELETE", f"/v1.41/containers/{container['Id']}?force=1&v=1")
        except OSError:
            pass
        if self.process.poll() is None:
            self.end()
        subprocess.run(["ip", "link", "del", self.bridge], check=False)

    def call(self, method, path, body=None, content_type="application/json"):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def containers(self):
        return json.loads(self.call("GET", "/v1.41/containers/json?all=1")[1])

    def inspect(self, container):
        return json.loads(self.call("GET", f"/v1.41/containers/{container}/json")[1])

    def import_llama_server(self):
        """An image of the unpacked llama-server: no registry is asked."""
        program = Path(os.environ["LLM_MANAGER_LLAMA_SERVER"]).resolve()
        home = program.parent.parent
        libraries = "/llama-server/usr/lib/x86_64-linux-gnu"
        archive = self.root / "image.tar"
        with tarfile.open(archive, "w") as tar:
            # A folder that the archive does not name is made for root alone, whom a container without capabilities is not.
            for folder, mode in (("tmp", 0o1777), ("models", 0o755), ("llama-server", 0o755)):
                entry = tarfile.TarInfo(folder)
                entry.type = tarfile.DIRTYPE
                entry.mode = mode
                tar.addfile(entry)
            tar.add(home / "usr", "llama-server/usr")
        entrypoint = json.dumps([f"{libraries}/ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{libraries}/llama",
                                 "/llama-server/usr/bin/llama-server"])
        changes = "".join(f"&changes={urllib.parse.quote(change)}" for change in (
            f"ENTRYPOINT {entrypoint}", f"ENV GGML_BACKEND_PATH={libraries}/ggml/backends0/libggml-cpu-x64.so"))
        repo, tag = IMAGE.split(":")
        status, answer = self.call("POST", f"/v1.41/images/create?fromSrc=-&repo={repo}&tag={tag}{changes}",
                                   archive.read_bytes(), "application/x-tar")
        assert status == 200 and b"error" not in answer, answer
        archive.unlink()
