-- +goose Up
-- Tables that protected data was copied to (effect derive); they are masked for good.
CREATE TABLE inherited (
    target       TEXT    NOT NULL,
    name         TEXT    NOT NULL, -- canonical: schema.table, quoted as in SQL where needed
    inherited_at INTEGER NOT NULL,
    inherited_by TEXT    NOT NULL, -- the session or request that did it first
    PRIMARY KEY (target, name)
);

-- +goose Down
DROP TABLE inherited;
