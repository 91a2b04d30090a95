CREATE TABLE benchmarks (
    id               TEXT NOT NULL PRIMARY KEY,
    deployment_id    TEXT REFERENCES deployments (id) ON DELETE SET NULL,
    -- What was measured, as it was then: results stay comparable after the deployment is gone.
    deployment_name  TEXT NOT NULL,
    model_ref        TEXT NOT NULL,
    engine           TEXT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    plan             TEXT NOT NULL,
    levels           TEXT NOT NULL DEFAULT '[]',
    error_code       TEXT,
    error_message    TEXT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);
CREATE INDEX benchmarks_by_creation ON benchmarks (created_at, id);
CREATE INDEX benchmarks_by_deployment ON benchmarks (deployment_id, created_at, id);
