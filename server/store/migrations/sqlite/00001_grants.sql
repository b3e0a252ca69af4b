-- Times are microseconds since 1970 UTC; doc is the noun's JSON (pkg/hoop), the
-- columns beside it are what it is looked up by.

-- +goose Up
CREATE TABLE requests (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- the number people type; never reused
    kind       TEXT    NOT NULL CHECK (kind IN ('grant', 'statement')),
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'cancelled')),
    requester  TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
);
CREATE INDEX requests_state ON requests (state, id);

-- One person counts once.
CREATE TABLE approvals (
    request INTEGER NOT NULL REFERENCES requests (id),
    subject TEXT    NOT NULL,
    approve INTEGER NOT NULL CHECK (approve IN (0, 1)),
    at      INTEGER NOT NULL,
    doc     TEXT    NOT NULL,
    PRIMARY KEY (request, subject, approve)
);

CREATE TABLE grants (
    id         TEXT    PRIMARY KEY,
    request    INTEGER NOT NULL UNIQUE REFERENCES requests (id), -- an approval is used once
    owner      TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    starts_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL DEFAULT 0, -- 0: not revoked
    doc        TEXT    NOT NULL
);
CREATE INDEX grants_owner ON grants (owner, target, expires_at);
CREATE INDEX grants_start ON grants (starts_at);

-- +goose Down
DROP TABLE grants;
DROP TABLE approvals;
DROP TABLE requests;
