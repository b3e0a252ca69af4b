-- +goose Up
-- What people and programs were given and have compared, over sliding stretches of time.
CREATE TABLE counts (
    name       TEXT PRIMARY KEY, -- whose count of what
    doc        BYTEA NOT NULL, -- as its owner writes it; of values keyed hashes only
    expires_at BIGINT NOT NULL  -- nothing in it counts any more
);
CREATE INDEX counts_expiry ON counts (expires_at);

-- +goose Down
DROP TABLE counts;
