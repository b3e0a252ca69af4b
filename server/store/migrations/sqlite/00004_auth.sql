-- +goose Up
CREATE TABLE devices (
    code_hash      TEXT    PRIMARY KEY,
    user_code_hash TEXT    NOT NULL UNIQUE,
    expires_at     INTEGER NOT NULL,
    doc            TEXT    NOT NULL
);
CREATE INDEX devices_expiry ON devices (expires_at);

CREATE TABLE families (
    id         TEXT    PRIMARY KEY,
    subject    TEXT    NOT NULL,
    recheck    INTEGER NOT NULL CHECK (recheck IN (0, 1)),
    checked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL, -- 0: not ended
    doc        TEXT    NOT NULL
);
CREATE INDEX families_subject ON families (subject);
CREATE INDEX families_expiry ON families (expires_at);
CREATE INDEX families_due ON families (checked_at) WHERE recheck = 1 AND ended_at = 0;

CREATE TABLE tokens (
    hash       TEXT    PRIMARY KEY,
    family     TEXT    NOT NULL REFERENCES families (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
);
CREATE INDEX tokens_family ON tokens (family);
CREATE INDEX tokens_expiry ON tokens (expires_at);

-- +goose Down
DROP TABLE tokens;
DROP TABLE families;
DROP TABLE devices;
