-- +goose Up
-- Sessions of grants that limit how many there may be at once, of all gateways.
CREATE TABLE seats (
    id       TEXT   PRIMARY KEY,
    grant_id TEXT   NOT NULL,
    gateway  TEXT   NOT NULL,
    until    BIGINT NOT NULL -- a gateway that died keeps none
);
CREATE INDEX seats_grant ON seats (grant_id);
CREATE INDEX seats_gateway ON seats (gateway);

-- +goose Down
DROP TABLE seats;
