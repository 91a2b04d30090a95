"""Ports for programs that a test or a benchmark starts."""

import random
import socket
from pathlib import Path


def free_port():
    """One that no outgoing connection is given, so that it is still free when a program comes back to it."""
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10000, max(ephemeral, 11000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
