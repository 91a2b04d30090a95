"""nginx as a hub and its file hosts: the answers of the hub's API are files, everything that matters is served by sendfile."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time
from dataclasses import dataclass
from concurrent.futures import ThreadPoolExecutor

from machine import free_port, listens, until

ORIGIN_CPU = "1"

COMMIT = "7d1f" * 10
MIB = 1 << 20
ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build/bench"


@dataclass(frozen=True)
class Profile:
    rate: int | None = None  # bytes a second of one connection; None: as fast as it goes
    tls: bool = False
    relay: tuple = ()  # what the relay in front of nginx does: delay in ms, and how many connections it bears at which speed beyond


PROFILES = {"plain": Profile(), "tls": Profile(tls=True), "rate40": Profile(rate=40_000_000), "rate8": Profile(rate=8_000_000),
            # 80 ms there and back, as to another continent; and a host that gives each of more than 8 connections 2 MB/s.
            "delay80": Profile(tls=True, relay=(40,)), "collapse": Profile(rate=40_000_000, relay=(0, 8, 2_000_000))}
PATTERN_BYTES = 61 * MIB  # not a multiple of anybody's chunk: no two chunks of a file are alike


def shapes(scale):
    """name: sizes of the files"""
    return {"one": [int(4096 * scale) * MIB], "shards": [int(312 * scale) * MIB] * 13, "many": [MIB] * int(2000 * scale)}


def names_of(sizes):
    if len(sizes) == 1:
        return ["model.safetensors"]
    return [f"model-{number + 1:05}-of-{len(sizes):05}.safetensors" for number in range(len(sizes))]


def tool(name):
    """Compiled when its source has changed."""
    source, program = pathlib.Path(__file__).resolve().parent / f"{name}.cpp", TOOLS / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        TOOLS.mkdir(parents=True, exist_ok=True)
        subprocess.run(["clang++-19", "-std=c++23", "-O2", source, "-o", program], check=True)
    return str(program)


def write_model(path, size, seed, pattern):
    """A safetensors file of one tensor; returns its SHA-256."""
    body = size - 1024
    header = json.dumps({f"tensor.{seed}": {"dtype": "U8", "shape": [body], "data_offsets": [0, body]}}).encode().ljust(1016)
    digest = hashlib.sha256()
    with open(path, "wb") as out:
        left, at = body, seed * 7919
        for piece in (len(header).to_bytes(8, "little"), header):
            out.write(piece)
            digest.update(piece)
        while left:
            start = at % PATTERN_BYTES
            piece = pattern[start:start + min(left, PATTERN_BYTES - start)]
            out.write(piece)
            digest.update(piece)
            left, at = left - len(piece), at + len(piece)
    return digest.hexdigest()


class Origin:
    def __init__(self, folder, scale):
        self.folder = pathlib.Path(folder)
        self.files = self.folder / "files"
        self.api = self.folder / "api"
        self.port = free_port()
        self.ports = {profile: free_port() for profile in PROFILES}
        self.inner = {name: free_port() if profile.relay else self.ports[name] for name, profile in PROFILES.items()}
        self.ca = self.folder / "ca.pem"
        self.repos = {}  # shape: [(name, size, sha256)]
        self._write_files(scale)
        self._write_api()
        self._write_certificate()
        self._write_configuration()
        self.process, self.relays = None, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def base(self, profile):
        return f"{'https' if PROFILES[profile].tls else 'http'}://localhost:{self.ports[profile]}"

    def sent_bytes(self):
        """Of all bodies of files, up to now; nginx writes a line when a response has ended."""
        return sum(int(line) for line in (self.folder / "sent.log").read_text().split())

    def wait_for_quiet(self):
        """Until every response that was cut off has its line."""
        log, quiet_since, size = self.folder / "sent.log", time.monotonic(), -1
        while time.monotonic() < quiet_since + 1:
            if (now := log.stat().st_size) != size:
                quiet_since, size = time.monotonic(), now
            time.sleep(0.05)

    def forget_sent_bytes(self):
        self.wait_for_quiet()
        with open(self.folder / "sent.log", "w"):
            pass

    def start(self):
        command = ["taskset", "-c", ORIGIN_CPU, "nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for port in (self.port, *self.inner.values()):
            until(lambda: listens(port), f"nginx listens on {port}")
        for name, profile in PROFILES.items():
            if profile.relay:
                command = ["taskset", "-c", ORIGIN_CPU, tool("relay"), str(self.ports[name]), str(self.inner[name]), *map(str, profile.relay)]
                self.relays.append(subprocess.Popen(command))
                until(lambda: listens(self.ports[name]), f"the relay of {name} listens")

    def stop(self):
        for relay in self.relays:
            relay.terminate()
            relay.wait(30)
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def _write_files(self, scale):
        pattern = os.urandom(PATTERN_BYTES)
        for shape, sizes in shapes(scale).items():
            (self.files / shape).mkdir(parents=True)
            with ThreadPoolExecutor(2) as pool:
                digests = list(pool.map(lambda one: write_model(self.files / shape / one[1], one[2], one[0], pattern),
                                        [(number, name, size) for number, (name, size) in enumerate(zip(names_of(sizes), sizes))]))
            self.repos[shape] = list(zip(names_of(sizes), sizes, digests))

    def _write_api(self):
        """What `huggingface_hub` and we ask for: facts of the repository, and the list of its files."""
        for profile in PROFILES:
            for shape, files in self.repos.items():
                repo = f"{profile}/{shape}"
                siblings = [{"rfilename": name, "size": size, "blobId": "0" * 40,
                             "lfs": {"sha256": sha256, "size": size, "pointerSize": 134}} for name, size, sha256 in files]
                tree = [{"type": "file", "path": name, "size": size, "oid": "0" * 40,
                         "lfs": {"oid": sha256, "size": size, "pointerSize": 134}} for name, size, sha256 in files]
                (self.api / repo).mkdir(parents=True)
                (self.api / repo / "info").write_text(json.dumps(
                    {"id": repo, "sha": COMMIT, "private": False, "gated": False, "disabled": False, "tags": ["safetensors"],
                     "siblings": siblings}))
                (self.api / repo / "tree").write_text(json.dumps(tree))

    def _write_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", self.folder / "key.pem", "-out", self.ca],
                       check=True, capture_output=True)

    def _write_configuration(self):
        facts = [(f"{shape}/{name}", size, sha256) for shape, files in self.repos.items() for name, size, sha256 in files]
        sizes = "".join(f"{path} {size};" for path, size, _ in facts)
        digests = "".join(f"{path} {sha256};" for path, _, sha256 in facts)
        bases = "".join(f"{profile} {self.base(profile)};" for profile in PROFILES)
        hosts = ""
        for name, profile in PROFILES.items():
            tls = f"ssl_certificate {self.ca}; ssl_certificate_key {self.folder}/key.pem;" if profile.tls else ""
            limit = f"limit_rate {profile.rate};" if profile.rate else ""
            hosts += f"""
  server {{ listen 127.0.0.1:{self.inner[name]}{' ssl' if tls else ''}; {tls} {limit}
    access_log {self.folder}/sent.log sent; root {self.files}; }}"""
        (self.folder / "sent.log").touch()
        (self.folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;
{'user root;' if os.geteuid() == 0 else ''}
events {{ worker_connections 4096; }}
http {{
  sendfile on; tcp_nopush on; keepalive_requests 100000; map_hash_bucket_size 128; map_hash_max_size 65536;
  log_format sent '$body_bytes_sent'; access_log off; default_type application/octet-stream;
  client_body_temp_path {self.folder}/t1; proxy_temp_path {self.folder}/t2; fastcgi_temp_path {self.folder}/t3;
  uwsgi_temp_path {self.folder}/t4; scgi_temp_path {self.folder}/t5;
  map $file $size {{ {sizes} }}
  map $file $sha256 {{ {digests} }}
  map $profile $base {{ {bases} }}
  server {{ listen 127.0.0.1:{self.port};
    location ~ ^/api/models/(?<repo>[^/]+/[^/]+)/tree/ {{ root {self.api}; default_type application/json; try_files /$repo/tree =404; }}
    location ~ ^/api/models/(?<repo>[^/]+/[^/]+)(/revision/[^/]+)?$ {{ root {self.api}; default_type application/json; try_files /$repo/info =404; }}
    location ~ ^/(?<profile>[^/]+)/(?<shape>[^/]+)/resolve/[^/]+/(?<name>[^/]+)$ {{
      set $file $shape/$name;
      add_header X-Repo-Commit {COMMIT} always; add_header X-Linked-Size $size always; add_header X-Linked-Etag '"$sha256"' always;
      if ($size = '') {{ return 404; }}
      return 302 $base/$file;
    }}
  }}{hosts}
}}
""")
