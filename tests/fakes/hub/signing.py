"""Signed URLs of the CDN, in CloudFront's shape: an expiry, a policy that names the resource, and a MAC over it."""

import base64
import calendar
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

    def sign_s3(self, path: str, lifetime: int) -> str:
        """As sign(), in the shape of S3's presigned addresses."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return f"{path}?{urlencode(self._s3_query(path, date, str(lifetime)))}"

    def _s3_query(self, path: str, date: str, lifetime: str) -> dict[str, str]:
        mac = hmac.digest(self._key, f"{path}\n{date}\n{lifetime}".encode(), hashlib.sha256).hex()
        return {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{KEY_PAIR_ID}/auto/s3/aws4_request",
                "X-Amz-Date": date, "X-Amz-Expires": lifetime, "X-Amz-SignedHeaders": "host", "X-Amz-Signature": mac}

    def accepts_s3(self, path: str, query: str) -> bool:
        found = {name: values[0] for name, values in parse_qs(query).items()}
        date, lifetime = found.get("X-Amz-Date", ""), found.get("X-Amz-Expires", "")
        if found != self._s3_query(path, date, lifetime):
            return False
        return time.time() < calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")) + int(lifetime)

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
