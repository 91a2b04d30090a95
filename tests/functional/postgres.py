"""A PostgreSQL server of a test's own, on a free port of 127.0.0.1, gone with its files when the test ends."""

import os
import secrets
import signal
import shutil
import subprocess
import tempfile
from pathlib import Path

from service import free_port, until


def find_programs():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL's server programs are not installed: run scripts/setup --for test"
    return found[-1].parent


class PostgresServer:
    def __init__(self):
        self.programs, self.port, self.password = find_programs(), free_port(), secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(prefix="llmm-postgres-"))
        # The server refuses to run as root, which then becomes the user that Debian's packages made.
        self.prefix = []
        password = self.folder / "password"
        password.write_text(self.password)
        if os.getuid() == 0:
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        subprocess.run([*self.prefix, self.programs / "initdb", "-D", self.folder / "data", "-U", "llmm", "-A", "scram-sha-256",
                        f"--pwfile={password}", "-E", "UTF8", "--no-locale", "-N"], check=True, cwd=self.folder,
                       stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            [*self.prefix, "setpriv", "--pdeathsig", "QUIT", self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port),
             "-k", self.folder, "-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"], cwd=self.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                                     check=False).returncode == 0, "PostgreSQL is ready")

    def url(self, database):
        return f"postgresql://llmm:{self.password}@127.0.0.1:{self.port}/{database}"

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # clients that are still there are cut off
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)
