"""What the program does at its start and its end: TLS, refusals with a reason, signals, a database from the future."""

import http.client
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import time

import pytest

from service import KEY, PATIENCE, PROGRAM, Service, free_port, until


def run(home, *arguments, **environment):
    """The program until it ends by itself."""
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False, env={
        "PATH": os.environ["PATH"], "HOME": str(home.parent), "LLM_MANAGER_HOME": str(home),
        "LLM_MANAGER_LISTEN": f"127.0.0.1:{free_port()}", **environment})


@pytest.fixture
def certificate(tmp_path):
    """Makes a self-signed certificate for localhost, with a serial number to tell it by."""
    def make(serial):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                   "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-set_serial", str(serial),
                   "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
        subprocess.run(command, check=True, capture_output=True)
        return tmp_path / "certificate.pem", tmp_path / "key.pem"
    return make


class TlsService(Service):
    """Trusts its own certificate and nothing else."""

    def __init__(self, home, certificate, key):
        self.certificate = certificate
        super().__init__(home, LLM_MANAGER_SERVER_TLS_CERTIFICATE=str(certificate), LLM_MANAGER_SERVER_TLS_KEY=str(key))

    def context(self):
        return ssl.create_default_context(cafile=str(self.certificate))

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=self.context())
        try:
            connection.request(method, path, body, {"X-API-Key": KEY, **headers})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def serial(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as raw:
            with self.context().wrap_socket(raw, server_hostname="localhost") as wrapped:
                return int(wrapped.getpeercert()["serialNumber"], 16)


@pytest.fixture
def tls_service(tmp_path, certificate):
    service = TlsService(tmp_path / "home", *certificate(17))
    yield service
    service.stop()


def test_it_serves_over_tls(tls_service):
    status, _, body = tls_service.request("GET", "/api/v1/models")
    assert status == 200 and b'"items":[]' in body
    assert "https://127.0.0.1" in tls_service.log.read_text()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("version, spoken", [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_1_2_is_the_oldest_spoken(tls_service, version, spoken):
    context = tls_service.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # lets this side speak the old version
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", tls_service.port), timeout=PATIENCE) as raw:
        if spoken:
            with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                assert wrapped.version() == version.name.replace("_", ".")
        else:
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                context.wrap_socket(raw, server_hostname="localhost")


def test_plain_http_at_a_tls_door_harms_nobody(tls_service):
    with socket.create_connection(("127.0.0.1", tls_service.port), timeout=PATIENCE) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        try:
            while piece := raw.recv(4096):
                answer += piece
        except ConnectionResetError:
            pass
    assert not answer.startswith(b"HTTP/1.1 200")
    assert tls_service.request("GET", "/healthz")[0] == 200


def test_a_renewed_certificate_is_read_at_sighup(tls_service, certificate):
    assert tls_service.serial() == 17
    certificate(18)
    tls_service.process.send_signal(signal.SIGHUP)

    def is_new():
        try:
            return tls_service.serial() == 18
        except ssl.SSLError:
            return False  # the old one, which is trusted no more
    until(is_new, "the new certificate is served")


def test_a_broken_certificate_is_a_clear_refusal(tmp_path, certificate):
    good, key = certificate(1)
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate\n")
    for pair in ((broken, key), (good, broken), (tmp_path / "absent.pem", key)):
        ended = run(tmp_path / "home", "serve", LLM_MANAGER_SERVER_TLS_CERTIFICATE=str(pair[0]), LLM_MANAGER_SERVER_TLS_KEY=str(pair[1]))
        assert ended.returncode in (1, 2) and "llm-manager: " in ended.stderr, ended.stderr
        assert "certificate" in ended.stderr.lower() or "key" in ended.stderr.lower(), ended.stderr
    ended = run(tmp_path / "home", "serve", LLM_MANAGER_SERVER_TLS_CERTIFICATE=str(good))
    assert ended.returncode == 2 and "server.tls_key" in ended.stderr


def test_a_database_of_a_newer_version_is_left_alone(make_service, tmp_path):
    service = make_service()
    service.stop()
    database = service.home / "llm-manager.db"
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO schema_migrations SELECT 9999, '9999_future.sql', sha256, applied_at FROM schema_migrations LIMIT 1")
    connection.close()
    before = database.read_bytes()
    for command in ("serve", "migrate"):
        ended = run(service.home, command)
        assert ended.returncode == 1
        assert "9999" in ended.stderr and "newer" in ended.stderr, ended.stderr
    assert database.read_bytes() == before


def test_a_database_that_is_none_is_left_alone(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "llm-manager.db").write_bytes(b"these are not the rows you are looking for" * 100)
    ended = run(home, "serve")
    assert ended.returncode == 1 and "database" in ended.stderr, ended.stderr
    assert (home / "llm-manager.db").read_bytes().startswith(b"these are")


def test_beyond_loopback_it_asks_for_authentication(tmp_path):
    ended = run(tmp_path / "home", "serve", LLM_MANAGER_LISTEN="0.0.0.0:0", LLM_MANAGER_AUTH_MODE="none")
    assert ended.returncode == 2 and "auth.mode" in ended.stderr


def test_a_port_in_use_is_named(make_service, tmp_path):
    service = make_service()
    ended = run(tmp_path / "other", "serve", LLM_MANAGER_LISTEN=f"127.0.0.1:{service.port}")
    assert ended.returncode == 1 and str(service.port) in ended.stderr, ended.stderr


def test_a_home_in_use_is_named(make_service):
    service = make_service()
    ended = run(service.home, "serve")
    assert ended.returncode == 1 and "llm-manager: " in ended.stderr and str(service.home) in ended.stderr, ended.stderr


def test_the_key_is_printed_once_and_kept_private(tmp_path):
    home, port = tmp_path / "home", free_port()
    printed = []
    for _ in range(2):
        log = tmp_path / f"log{len(printed)}"
        with open(log, "wb") as out:
            process = subprocess.Popen([PROGRAM, "serve"], stdout=out, stderr=out, env={
                "PATH": os.environ["PATH"], "HOME": str(tmp_path), "LLM_MANAGER_HOME": str(home), "LLM_MANAGER_LISTEN": f"127.0.0.1:{port}"})
        until(lambda: "ready" in log.read_text(), "the service is ready")
        process.terminate()
        assert process.wait(PATIENCE) == 0
        printed.append(log.read_text())
    key = home / "secrets/admin-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() in printed[0] and key.read_text().strip() not in printed[1]


def test_a_second_signal_ends_at_once(make_service):
    service = make_service()
    with socket.create_connection(("127.0.0.1", service.port)) as held:
        # A request that goes on: the drain waits for it.
        held.sendall(b"POST /api/v1/chat/sessions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + KEY.encode() +
                     b"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in service.log.read_text(), "it drains")
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(5) == -signal.SIGTERM
