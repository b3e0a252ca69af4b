-- +goose Up
-- When live sessions of the sign-in had to be cut last; 0: never.
ALTER TABLE families ADD COLUMN cut_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX families_cut ON families (cut_at);

-- +goose Down
DROP INDEX families_cut;
ALTER TABLE families DROP COLUMN cut_at;
