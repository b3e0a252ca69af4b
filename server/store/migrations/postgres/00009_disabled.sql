-- +goose Up
-- When somebody was disabled last: what was given before signs them in no more.
CREATE TABLE disabled (
    subject    TEXT   PRIMARY KEY,
    at         BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE disabled;
