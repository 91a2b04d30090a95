"""Signed URLs of the CDN, in CloudFront's shape: an expiry, a policy that names the resource, and a MAC over it."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from urllib.parse import parse_qs, quote, urlencode

KEY_PAIR_ID = "K2FAKEHUBKEYID"
_ALPHABET = bytes.maketrans(b"+=/", b"-_~")  # CloudFront's base64 for URLs
_BACK = bytes.maketrans(b"-_~", b"+=/")


class Signer:
    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def sign(self, path: str, file_name: str, lifetime: int) -> str:
        """`path` with the query that makes the CDN accept it for `lifetime` seconds."""
        expires = int(time.time()) + lifetime
        policy = _encode(json.dumps({"Statement": [{
            "Resource": path, "Condition": {"DateLessThan": {"AWS:EpochTime": expires}}}]}).encode())
        query = {
            "X-Xet-Cas-Uid": "public",
            "response-content-disposition":
                f"inline; filename*=UTF-8''{quote(file_name, safe='')}; filename=\"{file_name}\";",
            "Expires": str(expires),
            "Policy": policy,
            "Signature": self._signature(policy),
            "Key-Pair-Id": KEY_PAIR_ID,
        }
        return f"{path}?{urlencode(query)}"

    def accepts(self, path: str, query: str) -> bool:
        found = {name: values[0] for name, values in parse_qs(query).items()}
        policy = found.get("Policy", "")
        if not hmac.compare_digest(found.get("Signature", "").encode(), self._signature(policy).encode()):
            return False
        statement = json.loads(base64.b64decode(policy.encode().translate(_BACK)))["Statement"][0]
        expires = statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
        return (statement["Resource"] == path and found.get("Expires") == str(expires) and time.time() < expires
                and found.get("Key-Pair-Id") == KEY_PAIR_ID)

    def _signature(self, policy: str) -> str:
        return _encode(hmac.digest(self._key, policy.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).translate(_ALPHABET).decode()
