-- One row for each request to a model; sums are made when asked for.
CREATE TABLE usage (
    id              TEXT NOT NULL PRIMARY KEY,
    created_at      BIGINT NOT NULL,
    caller          TEXT NOT NULL,
    model           TEXT NOT NULL,
    deployment      TEXT NOT NULL DEFAULT '',
    dialect         TEXT NOT NULL CHECK (dialect IN ('openai', 'anthropic', 'ollama', 'chat')),
    operation       TEXT NOT NULL,
    status          INTEGER NOT NULL,
    streamed        INTEGER NOT NULL CHECK (streamed IN (0, 1)),
    tokens_in       BIGINT,
    tokens_out      BIGINT,
    tokens_cached   BIGINT,
    first_token_ms  DOUBLE PRECISION,
    total_ms        DOUBLE PRECISION NOT NULL,
    error           TEXT NOT NULL DEFAULT ''
);
CREATE INDEX usage_by_creation ON usage (created_at);

-- Further names of deployments and models, as clients of the gateway write them.
CREATE TABLE model_aliases (
    alias           TEXT NOT NULL PRIMARY KEY,
    target          TEXT NOT NULL,
    created_at      BIGINT NOT NULL
);
