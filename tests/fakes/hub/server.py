"""HTTP/1.1 listeners: one thread a connection, keep-alive, blocking sockets (which os.sendfile wants)."""

import http.server
import socket
import ssl
from pathlib import Path

from hub.app import App
from hub.messages import Request
from hub.transport import Broken, send

MAX_BODY = 64 << 20  # bytes of a request body


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    app: App  # set before serving starts; the CDN's address must be known before the app can be built

    def __init__(self, role: str, host: str, port: int, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.role = role
        self.url = f"{'https' if certificate else 'http'}://{host}:{self.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The thread of the connection shakes hands: the listener must not wait for a slow peer.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def server_bind(self) -> None:
        # The base class would look up the host's name.
        self.allow_reuse_address = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def shutdown_request(self, request) -> None:
        # The base class would shut down first, and so send a FIN even where a fault asked for an RST.
        self.close_request(request)

    def handle_error(self, request, client_address) -> None:
        """Peers that go away are the daily business of a download test."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.send_error(413)
            return
        request = Request(self.server.role, self.command, self.path,
                          {name.lower(): value for name, value in self.headers.items()},
                          self.rfile.read(length), self.client_address[0])
        response, transport, entry = self.server.app.answer(request)
        response.encode_payload()

        def progress(sent: int) -> None:
            if entry:
                entry.sent += sent

        try:
            if entry and not (transport.stop and transport.stop_at is None):
                entry.status = response.status
            send(self.connection, response, transport, self.command != "HEAD", progress)
        except (Broken, OSError):
            self.close_connection = True
        finally:
            if entry:
                entry.done = True

    do_GET = do_HEAD = do_POST = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """The log is at /__control/log."""
