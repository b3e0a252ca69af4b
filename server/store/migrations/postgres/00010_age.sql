-- +goose Up
-- How many steps the store has made: one that was put back from a copy has made fewer.
CREATE TABLE age (
    one   BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    store TEXT   NOT NULL,
    steps BIGINT NOT NULL
);

-- +goose Down
DROP TABLE age;
