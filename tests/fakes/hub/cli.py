"""Command line: reads the content, opens both listeners, says where they are, serves until a signal."""

import argparse
import json
import signal
import threading
from pathlib import Path

from hub.app import App
from hub.loader import load_root
from hub.repos import Catalogue
from hub.server import Listener
from hub.settings import BUCKETS, Settings


def main() -> int:
    arguments = _parser().parse_args()
    catalogue = Catalogue()
    if arguments.root:
        load_root(catalogue, arguments.root)
    settings = Settings(
        url_lifetime=arguments.url_lifetime, cdn_unranged_limit=arguments.cdn_unranged_limit,
        list_page=arguments.list_page, tree_page=arguments.tree_page, tree_page_expanded=arguments.tree_page_expanded,
        quotas=dict(arguments.quota), window=arguments.window, ignore_bad_token=arguments.ignore_bad_token,
        tokens=dict(arguments.token))
    listeners = [Listener("hub", arguments.hub_host, arguments.hub_port),
                 Listener("cdn", arguments.cdn_host, arguments.cdn_port, arguments.cdn_certificate)]
    app = App(catalogue, settings, listeners[1].url)
    for listener in listeners:
        listener.app = app
        threading.Thread(target=listener.serve_forever, daemon=True).start()
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print(json.dumps({listener.role: listener.url for listener in listeners}), flush=True)
    signal.sigwait(signals)
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="hub", description="Local stand-in for the HuggingFace Hub and its CDN.")
    parser.add_argument("--root", type=Path, help="directory of ROOT/<org>/<name>/ repositories")
    parser.add_argument("--hub-port", type=int, default=0, help="0: any free port")
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--hub-host", default="127.0.0.1", help="name in printed URLs; the socket is on 127.0.0.1")
    parser.add_argument("--cdn-host", default="127.0.0.1")
    parser.add_argument("--cdn-certificate", type=Path, help="PEM file with certificate and key: the CDN speaks TLS")
    parser.add_argument("--token", action="append", type=_token, default=[], metavar="TOKEN=USER",
                        help="a valid token; those that a repo.json names are valid, too")
    parser.add_argument("--url-lifetime", type=int, default=defaults.url_lifetime, help="seconds")
    parser.add_argument("--cdn-unranged-limit", type=int, default=defaults.cdn_unranged_limit,
                        help="bytes; a GET of more without a range is answered 400")
    parser.add_argument("--list-page", type=int, default=defaults.list_page)
    parser.add_argument("--tree-page", type=int, default=defaults.tree_page)
    parser.add_argument("--tree-page-expanded", type=int, default=defaults.tree_page_expanded)
    parser.add_argument("--quota", action="append", type=_quota, default=[], metavar="BUCKET=N",
                        help=f"requests a window in {', '.join(BUCKETS)}; default: the Hub's numbers")
    parser.add_argument("--window", type=int, default=defaults.window, help="seconds of a rate limit window")
    parser.add_argument("--ignore-bad-token", action="store_true", help="treat an unknown token as no token")
    return parser


def _token(text: str) -> tuple[str, str]:
    token, _, user = text.partition("=")
    return token, user or "user"


def _quota(text: str) -> tuple[str, int]:
    bucket, _, number = text.partition("=")
    if bucket not in BUCKETS:
        raise argparse.ArgumentTypeError(f"unknown bucket {bucket!r}")
    return bucket, int(number)
