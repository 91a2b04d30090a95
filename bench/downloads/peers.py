"""Who downloads. Each gives the seconds until its bytes were there, until they were verified, its CPU and its memory."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from machine import free_port, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/release/llm-manager"
CLIENT_CPU = "0"
KEY = "bench-key"
ENVIRONMENT = ROOT / "build/bench/huggingface_hub"
CONNECTIONS = 16


def highest_rss_mb(pid):
    """So far, of the program that runs now; None when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM:")), None)


def written_bytes(pid):
    """So far, of the program that runs now."""
    try:
        counters = pathlib.Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in counters.splitlines() if line.startswith("wchar:"))


def measured(command, environment=None):
    """Seconds, CPU seconds and the highest RSS in MB of a command.

    Not ru_maxrss: it begins with what this process had when it forked.
    """
    begin, rss = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as error:
        process = subprocess.Popen(["taskset", "-c", CLIENT_CPU, *map(str, command)], env={**os.environ, **(environment or {})},
                                   stdout=subprocess.DEVNULL, stderr=error)
        while True:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            rss = max(rss, highest_rss_mb(process.pid) or 0)
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            error.seek(0)
            raise RuntimeError(f"{command[0]}: exit status {process.returncode}: {error.read().decode()[-500:]}")
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, rss


class Peer:
    """A program of the command line, then `sha256sum` over what it has fetched."""
    def __init__(self, folder, origin):
        self.origin = origin
        self.target = folder / self.name

    def get(self, profile, shape):
        shutil.rmtree(self.target, ignore_errors=True)
        self.target.mkdir(parents=True)
        return measured(self.command(profile, shape), self.environment())

    def environment(self):
        return {}

    def killed(self, profile, wanted_bytes):
        """Begins anew and is killed once it has written so many bytes; False when it was done before."""
        shutil.rmtree(self.target, ignore_errors=True)
        self.target.mkdir(parents=True)
        process = subprocess.Popen(["taskset", "-c", CLIENT_CPU, *map(str, self.command(profile, "one"))],
                                   env={**os.environ, **self.environment()}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and written_bytes(process.pid) < wanted_bytes:
            time.sleep(0.005)
        process.kill()
        return process.wait() < 0

    def go_on(self, profile):
        measured(self.command(profile, "one"), self.environment())
        self.check("one")
        shutil.rmtree(self.target)

    def check(self, shape):
        files = {name: sha256 for name, _, sha256 in self.origin.repos[shape]}
        listed = self.target.parent / f"{self.name}.sha256"
        places = {path.name: path for path in self.target.rglob("*.safetensors")}
        assert places.keys() == files.keys(), f"{self.name}: {len(places)} files of {len(files)}"
        listed.write_text("".join(f"{files[name]}  {path}\n" for name, path in places.items()))
        return measured(["sha256sum", "--check", "--quiet", listed])

    def measure(self, profile, shape):
        seconds, cpu, rss = self.get(profile, shape)
        check_seconds, check_cpu, _ = self.check(shape)
        shutil.rmtree(self.target)
        return {"unverified_s": seconds, "verified_s": seconds + check_seconds, "cpu_s": cpu + check_cpu, "rss_mb": rss}


class Curl(Peer):
    name = "curl"

    def go_on(self, profile):
        """Of curl's ways to go on, the one that people are told: `-C -`."""
        measured([*self.command(profile, "one"), "-C", "-"])
        self.check("one")
        shutil.rmtree(self.target)

    def command(self, profile, shape):
        listed = self.target / "urls"
        listed.write_text("".join(f'url = "{self.origin.base(profile)}/{shape}/{name}"\noutput = "{self.target}/{name}"\n'
                                  for name, _, _ in self.origin.repos[shape]))
        return ["curl", "-sS", "--fail", "--cacert", self.origin.ca, "--parallel", "--parallel-max", CONNECTIONS, "-K", listed]


class Aria2(Peer):
    name = "aria2"

    def command(self, profile, shape):
        listed = self.target / "urls"
        listed.write_text("".join(f"{self.origin.base(profile)}/{shape}/{name}\n" for name, _, _ in self.origin.repos[shape]))
        return ["aria2c", "-q", "-x16", "-s16", "-k1M", "--file-allocation=falloc", "--continue", f"-j{CONNECTIONS}", "--no-conf",
                f"--ca-certificate={self.origin.ca}", "-d", self.target, "-i", listed]


class HuggingFaceHub(Peer):
    name = "huggingface_hub"

    @staticmethod
    def install():
        if not (ENVIRONMENT / ".installed").exists():
            subprocess.run(["python3", "-m", "venv", ENVIRONMENT], check=True)
            subprocess.run([ENVIRONMENT / "bin/pip", "install", "-q", "--disable-pip-version-check", "huggingface_hub==1.23.0"], check=True)
            (ENVIRONMENT / ".installed").touch()

    def environment(self):
        return {"HF_ENDPOINT": self.origin.url, "HF_HOME": str(self.target), "SSL_CERT_FILE": str(self.origin.ca),
                "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}

    def command(self, profile, shape):
        code = f"from huggingface_hub import snapshot_download; snapshot_download('{profile}/{shape}', local_dir='{self.target}/x')"
        return [ENVIRONMENT / "bin/python", "-c", code]


class Ours:
    """The service as people run it; it has verified what it calls completed."""
    name = "ours"

    def __init__(self, folder, origin, program=PROGRAM):
        self.origin, self.program, self.home = origin, program, folder / "ours"
        self.port = free_port()
        self.process = None

    def start(self):
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LLM_MANAGER_HOME": str(self.home), "LLM_MANAGER_ADMIN_KEY": KEY,
                     "LLM_MANAGER_LISTEN": f"127.0.0.1:{self.port}", "HF_ENDPOINT": self.origin.url, "SSL_CERT_FILE": str(self.origin.ca),
                     "LLM_MANAGER_NETWORK_ALLOWED_HOSTS": ",".join(f"localhost:{port}" for port in self.origin.ports.values())}
        with open(self.home.parent / "ours.log", "ab") as log:
            self.process = subprocess.Popen(["taskset", "-c", CLIENT_CPU, self.program, "serve"], env=variables, stdout=log, stderr=log)
        until(self.is_ready, "the service is ready")

    def is_ready(self):
        try:
            self.ask("GET", "/api/v1/downloads")
            return True
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=json.dumps(body).encode() if body else None,
                                         headers={"X-API-Key": KEY, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())["data"]

    def killed(self, profile, wanted_bytes):
        self.start()
        self.download = self.begin(profile, "one")
        until(lambda: self.ask("GET", f"/api/v1/downloads/{self.download}")["download_size"] >= wanted_bytes, "the share is there", 1800, 0.005)
        was_killed = self.ask("GET", f"/api/v1/downloads/{self.download}")["status"] != "completed"
        self.kill()
        if not was_killed:
            shutil.rmtree(self.home)
        return was_killed

    def go_on(self, profile):
        self.start()
        try:
            self.wait(self.download)
        finally:
            self.stop()
            shutil.rmtree(self.home)

    def begin(self, profile, shape):
        return self.ask("POST", "/api/v1/downloads", {"ref": f"hf:{profile}/{shape}"})["id"]

    def wait(self, download, patience=1800.0):
        """Asks for the state of the task: a hundred lists of 2000 files a second would cost as much as the download."""
        task = f"/api/v1/tasks/{self.ask('GET', f'/api/v1/downloads/{download}')['task_id']}"
        until(lambda: self.ask("GET", task)["state"] not in ("queued", "running"), "the download ends", patience, 0.01)
        done = self.ask("GET", f"/api/v1/downloads/{download}")
        if done["status"] != "completed":
            raise RuntimeError(f"ours: {done['error_code']}")
        return done

    def usage(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), highest_rss_mb(self.process.pid)

    def measure(self, profile, shape):
        self.start()
        try:
            before, _ = self.usage()
            begin = time.monotonic()
            self.wait(self.begin(profile, shape))
            seconds = time.monotonic() - begin
            cpu, rss = self.usage()
        finally:
            self.stop()
            shutil.rmtree(self.home)
        return {"unverified_s": seconds, "verified_s": seconds, "cpu_s": cpu - before, "rss_mb": rss}


PEERS = {peer.name: peer for peer in (Ours, Curl, Aria2, HuggingFaceHub)}
