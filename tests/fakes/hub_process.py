"""Runs the fake hub as a program and speaks to it, for the tests of this folder and of others."""

import hashlib
import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

PROGRAM = Path(__file__).resolve().parent / "hub"
TIMEOUT = 20.0  # seconds; only a defect comes near it


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)


def fetch(url: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """One request on a connection of its own; redirects are not followed, nothing is decoded."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body,
                           {"Accept-Encoding": "identity"} | (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class HubProcess:
    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen([sys.executable, str(PROGRAM), *arguments], stdout=subprocess.PIPE, text=True)
        ready = json.loads(self._process.stdout.readline())
        self.url: str = ready["hub"]
        self.cdn: str = ready["cdn"]

    def cpu_seconds(self) -> float:
        """Processor time spent so far. Unlike the clock, it does not depend on what else the machine does."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(TIMEOUT)

    def get(self, path: str, token: str | None = None, method: str = "GET", **headers: str) -> Answer:
        """Header names are written with underscores: Accept_Encoding="gzip"."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return fetch(urljoin(self.url, path), method, sent)

    def signed_url(self, path: str, token: str | None = None) -> str:
        answer = self.get(path, token)
        assert answer.status == 302, (answer.status, answer.body)
        return answer.headers["Location"]

    def control(self, method: str, name: str, value: object = None):
        body = None if value is None else json.dumps(value).encode()
        answer = fetch(f"{self.url}/__control/{name}", method, body=body)
        if answer.status != 200:
            raise ValueError(answer.json()["error"])
        return answer.json()

    def fault(self, action: dict, **match: object) -> None:
        self.control("POST", "faults", [{"match": match, "action": action}])

    def add(self, repo: str, files: dict, **facts: object) -> None:
        """A repository; `files` as in repo.json."""
        self.control("POST", "repos", {"id": repo, "files": files} | facts)

    def add_ollama(self, name: str, layers: list, **more: object) -> dict:
        return self.control("POST", "ollama", {"name": name, "layers": layers} | more)

    def log(self) -> list[dict]:
        return self.control("GET", "log")
