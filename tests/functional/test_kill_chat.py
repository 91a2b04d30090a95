"""The short form; `make test-kill-chat` runs 1,000 chats."""

import json
import os

import pytest
from engine import FakeEngine
from kill_chat import Storm
from postgres import PostgresServer

CHATS = int(os.environ.get("KILL_CHATS", "20"))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_chats_survive_kills(make_service, tmp_path, database):
    server = PostgresServer() if database == "postgresql" else None
    try:
        engine = FakeEngine(tmp_path / "engine", ms_per_token=8, first_token_ms=20)
        environment = {**engine.environment, "LLM_MANAGER_CHAT_TITLES": "off",
                       **({"DATABASE_URL": server.url("postgres")} if server else {})}
        service = make_service(**environment)
        service.pull("demo:tiny-chat")
        service.deploy("demo:tiny-chat", name="tiny")
        storm = Storm(service, CHATS, seed=int(os.environ.get("KILL_SEED", "1")))
        storm.run()
        result = storm.count()
        print(json.dumps({"database": database, **result}))
        assert result["kills"], "nothing was killed"
        assert result["replies"].get("complete", 0) > len(storm.sent) / 4, result
        service.stop()
    finally:
        if server:
            server.stop()
