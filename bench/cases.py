"""What is asked of the services, and the check that they answer alike."""
import json
import sys

import seed

MODEL = seed.model_row(seed.MODELS // 2)["id"]
READ = f"/api/v1/models/{MODEL}"
LIST = "/api/v1/models?limit=50"
CREATE = "/api/v1/chat/sessions"
NEW_SESSION = json.dumps({"deployment_id": seed.DEPLOYMENT, "name": "First words",
                          "config": {"system_prompt": "Be brief.", "temperature": 0.7, "max_tokens": 256}})

# name: method, path, body, whether If-None-Match is sent, expected status
CASES = {
    "read": ("GET", READ, "", False, 200),
    "read-304": ("GET", READ, "", True, 304),
    "list-50": ("GET", LIST, "", False, 200),
    "list-50-304": ("GET", LIST, "", True, 304),
    "create-session": ("POST", CREATE, NEW_SESSION, False, 201),
}
VARYING = {"id", "created_at", "updated_at"}  # of a session that is created


def headers_of(case, server):
    _, path, body, tagged, _ = CASES[case]
    headers = {"Content-Type": "application/json"} if body else {}
    if tagged:
        headers["If-None-Match"] = server.request("GET", path)[1]["ETag"]
    return headers


def answer(case, server):
    method, path, body, tagged, expected = CASES[case]
    status, headers, text = server.request(method, path, body or None, headers_of(case, server))
    if status != expected:
        sys.exit(f"bench: {server.name} answers {case} with {status}, not {expected}: {text[:300]!r}")
    if tagged and text:
        sys.exit(f"bench: {server.name} sends a body with 304")
    if not headers["X-Request-Id"] or (not body and not headers["ETag"]):
        sys.exit(f"bench: {server.name} lacks headers in its answer to {case}")
    return json.loads(text) if text else None


def check_parity(servers):
    """Same status, same envelope, same data from every service; the rows are the same."""
    for case in CASES:
        answers = [answer(case, server) for server in servers]
        for server, other in zip(servers[1:], answers[1:]):
            if comparable(case, answers[0]) != comparable(case, other):
                sys.exit(f"bench: {servers[0].name} and {server.name} answer {case} differently:\n"
                         f"{json.dumps(answers[0])[:2000]}\n{json.dumps(other)[:2000]}")
    for server in servers:
        if server.request("GET", READ, headers={"X-API-Key": "wrong"})[0] != 401:
            sys.exit(f"bench: {server.name} accepts a wrong key")


def comparable(case, envelope):
    if envelope is None:
        return None
    # The order of the members is compared too: bodies of the same length cost the same to send.
    data = envelope["data"]
    if case == "create-session":
        data = {name: (len(value) if name in VARYING else value) for name, value in data.items()}
    shown = {**envelope, "data": data, "timestamp": len(envelope["timestamp"])}
    return json.dumps(shown)
