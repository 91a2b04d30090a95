-- What engines were seen to take at most: with the same model, settings and device it takes the place of the estimate.
CREATE TABLE memory_peaks (
    model_id        TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    engine          TEXT NOT NULL,
    settings        TEXT NOT NULL,
    device          TEXT NOT NULL,
    resident_bytes  BIGINT NOT NULL,
    gpu_bytes       BIGINT,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (model_id, engine, settings, device)
);

-- What a deployment was let in with, of RAM and of its GPUs together; NULL: not known.
ALTER TABLE deployments ADD COLUMN memory_estimated BIGINT;
ALTER TABLE deployments ADD COLUMN gpu_memory_estimated BIGINT;
-- Whether the first request starts it, and whether it must not be ended to make room.
ALTER TABLE deployments ADD COLUMN on_demand INTEGER NOT NULL DEFAULT 0 CHECK (on_demand IN (0, 1));
ALTER TABLE deployments ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1));
