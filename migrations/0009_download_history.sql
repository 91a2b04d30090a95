-- Time spent transferring, of all runs together: what the average speed of a finished download is made of.
ALTER TABLE download_tasks ADD COLUMN transfer_ms BIGINT NOT NULL DEFAULT 0;
-- How often the program died while it was at work on this, since the last byte that came.
ALTER TABLE download_tasks ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
