-- Ids are UUIDv7 text, times are UTC epoch milliseconds, JSON is text: one file serves SQLite and PostgreSQL.
-- NOT NULL beside PRIMARY KEY: SQLite lets NULL into a text key otherwise.

CREATE TABLE models (
    id              TEXT NOT NULL PRIMARY KEY,
    ref             TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL DEFAULT '',
    source          TEXT NOT NULL CHECK (source IN ('huggingface', 'ollama', 'modelscope', 'local', 'url', 'demo', 'external')),
    model_type      TEXT NOT NULL DEFAULT 'text-generation',
    size_bytes      BIGINT NOT NULL DEFAULT 0,
    parameters      BIGINT,
    tags            TEXT NOT NULL DEFAULT '[]',
    status          TEXT NOT NULL CHECK (status IN ('remote', 'downloading', 'ready', 'broken')),
    format          TEXT CHECK (format IN ('gguf', 'safetensors')),
    quantization    TEXT,
    architecture    TEXT,
    context_length  BIGINT,
    license         TEXT,
    metadata        TEXT NOT NULL DEFAULT '{}',
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX models_by_creation ON models (created_at, id);
CREATE INDEX models_by_name ON models (name, id);
CREATE INDEX models_by_update ON models (updated_at, id);
CREATE INDEX models_by_status ON models (status, created_at, id);

CREATE TABLE blobs (
    sha256          TEXT NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
    size            BIGINT NOT NULL CHECK (size >= 0),
    verified_at     BIGINT,
    created_at      BIGINT NOT NULL
);

-- A blob's reference count is the number of rows here.
CREATE TABLE model_files (
    model_id        TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    path            TEXT NOT NULL,
    size            BIGINT NOT NULL,
    sha256          TEXT NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (model_id, path)
);
CREATE INDEX model_files_by_blob ON model_files (sha256);

CREATE TABLE download_tasks (
    id              TEXT NOT NULL PRIMARY KEY,
    model_id        TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    task_id         TEXT,
    ref             TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('pending', 'downloading', 'paused', 'completed', 'failed', 'cancelled')),
    phase           TEXT CHECK (phase IN ('resolving', 'transferring', 'verifying', 'publishing')),
    plan            TEXT,
    download_size   BIGINT NOT NULL DEFAULT 0,
    total_size      BIGINT,
    download_speed  BIGINT,
    eta_seconds     BIGINT,
    file_path       TEXT,
    error_code      TEXT,
    error_message   TEXT,
    priority        INTEGER NOT NULL DEFAULT 0,
    speed_limit     BIGINT,
    attempt         INTEGER NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX download_tasks_by_creation ON download_tasks (created_at, id);
CREATE INDEX download_tasks_by_update ON download_tasks (updated_at, id);
CREATE INDEX download_tasks_by_status ON download_tasks (status, created_at, id);
CREATE INDEX download_tasks_by_model ON download_tasks (model_id, created_at);

CREATE TABLE deployments (
    id                   TEXT NOT NULL PRIMARY KEY,
    model_id             TEXT NOT NULL REFERENCES models (id),
    name                 TEXT NOT NULL UNIQUE,
    engine               TEXT NOT NULL,
    engine_reason        TEXT NOT NULL DEFAULT '',
    status               TEXT NOT NULL CHECK (status IN ('deploying', 'running', 'stopped', 'failed')),
    desired              TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    port                 INTEGER CHECK (port BETWEEN 1 AND 65535),
    gpu_device           TEXT NOT NULL DEFAULT 'auto',
    config               TEXT NOT NULL DEFAULT '{}',
    effective            TEXT,
    replicas             INTEGER NOT NULL DEFAULT 1 CHECK (replicas >= 1),
    idle_unload_seconds  BIGINT NOT NULL DEFAULT 0,
    container_id         TEXT,
    last_error           TEXT,
    restarts             INTEGER NOT NULL DEFAULT 0,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL
);
CREATE INDEX deployments_by_creation ON deployments (created_at, id);
CREATE INDEX deployments_by_update ON deployments (updated_at, id);
CREATE INDEX deployments_by_name ON deployments (name, id);
CREATE INDEX deployments_by_status ON deployments (status, created_at, id);
CREATE INDEX deployments_by_model ON deployments (model_id);

CREATE TABLE deployment_instances (
    id              TEXT NOT NULL PRIMARY KEY,
    deployment_id   TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    state           TEXT NOT NULL CHECK (state IN ('starting', 'ready', 'stopping')),
    pid             BIGINT,
    start_ticks     BIGINT,
    boot_id         TEXT,
    endpoint        TEXT NOT NULL,
    memory_bytes    BIGINT,
    started_at      BIGINT NOT NULL
);
CREATE INDEX deployment_instances_by_deployment ON deployment_instances (deployment_id);

CREATE TABLE chat_sessions (
    id              TEXT NOT NULL PRIMARY KEY,
    deployment_id   TEXT REFERENCES deployments (id) ON DELETE SET NULL,
    name            TEXT NOT NULL DEFAULT '',
    config          TEXT NOT NULL DEFAULT '{}',
    message_count   INTEGER NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX chat_sessions_by_update ON chat_sessions (updated_at, id);
CREATE INDEX chat_sessions_by_creation ON chat_sessions (created_at, id);
CREATE INDEX chat_sessions_by_name ON chat_sessions (name, id);
CREATE INDEX chat_sessions_by_deployment ON chat_sessions (deployment_id, created_at, id);

CREATE TABLE chat_messages (
    id              TEXT NOT NULL PRIMARY KEY,
    session_id      TEXT NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    parent_id       TEXT REFERENCES chat_messages (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
    content         TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('streaming', 'complete', 'partial', 'failed')),
    metadata        TEXT NOT NULL DEFAULT '{}',
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX chat_messages_by_session ON chat_messages (session_id, created_at, id);
CREATE INDEX chat_messages_by_parent ON chat_messages (parent_id);
CREATE INDEX chat_messages_by_status ON chat_messages (status, id);

CREATE TABLE tasks (
    id               TEXT NOT NULL PRIMARY KEY,
    kind             TEXT NOT NULL,
    subject          TEXT,
    payload          TEXT NOT NULL DEFAULT '{}',
    state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'dead')),
    priority         INTEGER NOT NULL DEFAULT 0,
    run_at           BIGINT NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    max_attempts     INTEGER NOT NULL DEFAULT 5,
    lost_leases      INTEGER NOT NULL DEFAULT 0,
    lease_until      BIGINT,
    fence            BIGINT NOT NULL DEFAULT 0,
    worker           TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    progress         DOUBLE PRECISION,
    error_code       TEXT,
    error_message    TEXT,
    -- Held while the task is queued or running, NULL afterwards: at most one live task for a key.
    unique_key       TEXT UNIQUE,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);
CREATE INDEX tasks_to_claim ON tasks (state, priority, run_at, id);
CREATE INDEX tasks_by_creation ON tasks (created_at, id);
CREATE INDEX tasks_by_update ON tasks (updated_at, id);
CREATE INDEX tasks_by_lease ON tasks (state, lease_until);
