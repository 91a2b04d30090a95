-- Taking over what other programs have on this disk. Whether one is at work, has ended or has failed is its task's business.
CREATE TABLE imports (
    id              TEXT NOT NULL PRIMARY KEY,
    task_id         TEXT NOT NULL,
    source          TEXT NOT NULL CHECK (source IN ('path', 'hf-cache', 'ollama')),
    path            TEXT NOT NULL,
    variant         TEXT NOT NULL DEFAULT '',
    may_copy        INTEGER NOT NULL DEFAULT 0 CHECK (may_copy IN (0, 1)),
    result          TEXT,
    created_at      BIGINT NOT NULL
);
CREATE INDEX imports_by_creation ON imports (created_at, id);
CREATE INDEX imports_by_task ON imports (task_id);
