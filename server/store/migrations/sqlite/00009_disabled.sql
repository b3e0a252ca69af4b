-- +goose Up
-- When somebody was disabled last: what was given before signs them in no more.
CREATE TABLE disabled (
    subject    TEXT    PRIMARY KEY,
    at         INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

-- +goose Down
DROP TABLE disabled;
