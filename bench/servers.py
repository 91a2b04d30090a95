"""Starts and stops the measured services and reads what the kernel knows about their processes."""
import http.client
import os
import pathlib
import signal
import subprocess
import sys
import time

from machine import free_port

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent / "build/release/llm-manager"
KEY = "bench-key"
POLL_SECONDS = 0.002
START_SECONDS = 30


class Server:
    """A service on a port of its own. `command` makes the command line for a port."""

    def __init__(self, name, command, environment, database):
        self.name, self.command, self.environment, self.database = name, command, environment, database
        self.process = self.port = None

    def start(self):
        """Seconds until /readyz answers 200."""
        self.port = free_port()
        variables = {key: value.format(port=self.port) for key, value in self.environment.items()}
        begun = time.monotonic()
        self.process = subprocess.Popen(
            self.command(self.port), env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                sys.exit(f"bench: {self.name} did not become ready: {' '.join(map(str, self.command(self.port)))}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - begun

    def is_ready(self):
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def request(self, method, path, body=None, headers=None):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"X-API-Key": KEY, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def pids(self):
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())
        return found

    def cpu_seconds(self):
        """User and system time of all processes; those that ended count with their parent."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_kib(self):
        """rss counts a page for each process that has it, pss shares it among them (None where that is not readable)."""
        rss = pss = 0
        for pid in self.pids():
            rss += _kib(f"/proc/{pid}/status", "VmRSS:")
            try:
                pss += _kib(f"/proc/{pid}/smaps_rollup", "Pss:")
            except PermissionError:
                return {"rss": rss, "pss": None}
        return {"rss": rss, "pss": pss}


def _kib(file, name):
    for line in pathlib.Path(file).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def llm_manager(folder):
    home = folder / "llm-manager"
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "LLM_MANAGER_HOME": str(home),
                 "LLM_MANAGER_LISTEN": "127.0.0.1:{port}", "LLM_MANAGER_ADMIN_KEY": KEY}
    return Server("llm-manager", lambda port: [PROGRAM, "serve"], variables, home / "llm-manager.db")


def flask(folder, worker_class):
    database = folder / f"flask-{worker_class}.db"
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "BENCH_DATABASE": str(database),
                 "BENCH_API_KEY": KEY, "PYTHONDONTWRITEBYTECODE": "1"}
    threads = ["--threads", "4"] if worker_class == "gthread" else []

    def command(port):
        return ["gunicorn", "--workers", "2", "--worker-class", worker_class, *threads, "--bind", f"127.0.0.1:{port}",
                "--access-logfile", "/dev/null", "--log-level", "warning", "--chdir", HERE / "flask_app",
                "app:create_app()"]

    return Server(f"flask-{worker_class}", command, variables, database)
