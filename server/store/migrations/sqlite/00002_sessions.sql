-- +goose Up
CREATE TABLE sessions (
    id         TEXT    PRIMARY KEY,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'ended')),
    subject    TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    grant_id   TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
);
CREATE INDEX sessions_started ON sessions (started_at, id);
CREATE INDEX sessions_subject ON sessions (subject, started_at, id);
CREATE INDEX sessions_open ON sessions (id) WHERE state = 'open';

-- +goose Down
DROP TABLE sessions;
