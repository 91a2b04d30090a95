"""The programs that are compared, each pinned to one core; load and mock share the other."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from machine import free_port, listens, until  # noqa: E402

ROOT = HERE.parent.parent
PROGRAM = ROOT / "build/release/llm-manager"
TOOLS = ROOT / "build/bench"
GATEWAY_CPU, LOAD_CPU = "0", "1"
KEY = "bench-key"
PATH = "/v1/chat/completions"


def tool(name):
    """Compiled when its source has changed."""
    source, program = HERE / f"{name}.cpp", TOOLS / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        TOOLS.mkdir(parents=True, exist_ok=True)
        subprocess.run(["clang++-19", "-std=c++23", "-O2", source, "-o", program], check=True)
    return str(program)


def check_tools(peers, program):
    if not program.exists():
        sys.exit(f"bench: {program} is missing; run scripts/build release")
    missing = [name for name in ["taskset", *(["nginx"] if "nginx" in peers else []), *(["npm"] if "portkey" in peers else [])]
               if not shutil.which(name)]
    if missing:
        sys.exit(f"bench: {', '.join(missing)} missing; run scripts/setup --for bench")
    if "portkey" in peers and not (HERE / "peers/node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--prefix", HERE / "peers", "--no-audit", "--no-fund", "--loglevel=error"], check=True)


class Contender:
    name = ""
    headers = ()

    def __init__(self):
        self.port = free_port()
        self.process = None

    def arguments(self, body):
        listed = [part for header in self.headers for part in ("--header", header)]
        return ["--port", str(self.port), "--path", PATH, "--body", json.dumps(body), *listed]

    def spawn(self, command, log, **environment):
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["taskset", "-c", GATEWAY_CPU, *command], stdout=out, stderr=out,
                                            env={**os.environ, **environment}, start_new_session=True)
        until(lambda: listens(self.port), f"{self.name} listens")

    def pids(self):
        """Its processes, without what only stands for an engine."""
        family, pending = [], [self.process.pid]
        while pending:
            pid = pending.pop()
            family.append(pid)
            try:
                pending += [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            except OSError:
                pass
        return family

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_mb(self):
        pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids())
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


class Direct(Contender):
    """No gateway: what the mock and the load generator need themselves."""
    name = "direct"

    def __init__(self, port):
        super().__init__()
        self.port = port

    def pids(self):
        return []


class Ours(Contender):
    """With authentication, usage rows and access log."""
    name = "ours"
    headers = (f"Authorization: Bearer {KEY}",)

    def __init__(self, folder, program, slots=1024, **environment):
        super().__init__()
        self.folder, self.program, self.mock_port = folder, program, free_port()
        self.slots, self.environment = slots, environment

    def start(self):
        engine = self.folder / "engine"
        engine.write_text(f'#!/bin/sh\nexport MOCK_SLOTS={self.slots}\nexec taskset -c {LOAD_CPU} "{tool("mock_upstream")}" "$@"\n')
        engine.chmod(0o755)
        self.spawn([str(self.program), "serve"], self.folder / "ours.log", LLM_MANAGER_HOME=str(self.folder / "home"),
                   LLM_MANAGER_LISTEN=f"127.0.0.1:{self.port}", LLM_MANAGER_ADMIN_KEY=KEY, LLM_MANAGER_LLAMA_SERVER=str(engine),
                   **self.environment)
        self.call("POST", "/api/v1/downloads", {"ref": "demo:tiny-chat"})
        until(lambda: self.call("GET", "/api/v1/models?status=ready")["items"], "the model is here")
        self.call("POST", "/api/v1/deployments", {"ref": "demo:tiny-chat", "name": "tiny", "port": self.mock_port})
        until(lambda: self.call("GET", "/api/v1/deployments/tiny")["status"] == "running", "the mock runs")

    def pids(self):
        return [self.process.pid]

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode() if body else None,
                                         {"X-API-Key": KEY, "Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def usage_rows(self):
        time.sleep(0.5)  # the last requests end by their connections' ends
        return sum(item["requests"] for item in self.call("GET", "/api/v1/usage?group_by=dialect")["items"])


class Nginx(Contender):
    name = "nginx"

    def __init__(self, folder, mock_port):
        super().__init__()
        self.folder, self.mock_port = folder, mock_port

    def start(self):
        config = self.folder / "nginx.conf"
        config.write_text(f"""
daemon off; worker_processes 1; error_log {self.folder}/nginx-error.log; pid {self.folder}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
  access_log {self.folder}/nginx-access.log;
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy; fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;
  tcp_nodelay on; keepalive_requests 100000000; client_max_body_size 32m;
  upstream mock {{ server 127.0.0.1:{self.mock_port}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{self.port};
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
""")
        self.spawn(["nginx", "-c", str(config)], self.folder / "nginx.log")


class Portkey(Contender):
    name = "portkey"

    def __init__(self, _, mock_port):
        super().__init__()
        self.headers = ("x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{mock_port}/v1", f"Authorization: Bearer {KEY}")

    def start(self):
        self.spawn(["node", str(HERE / "peers/node_modules/.bin/gateway"), f"--port={self.port}", "--headless"], os.devnull,
                   NODE_ENV="production")


PEERS = {"nginx": Nginx, "portkey": Portkey}
