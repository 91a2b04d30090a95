-- What an instance is found again by when it is no process of ours, and a short name of the settings it was started
-- with: '' for those that were started before this was noted.
ALTER TABLE deployment_instances ADD COLUMN container_id TEXT;
ALTER TABLE deployment_instances ADD COLUMN spec TEXT NOT NULL DEFAULT '';

-- The last things that happened to a deployment; the program keeps a bounded number for each.
CREATE TABLE deployment_events (
    deployment_id   TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    seq             BIGINT NOT NULL,
    instance_id     TEXT,
    kind            TEXT NOT NULL,
    reason          TEXT NOT NULL DEFAULT '',
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, seq)
);
