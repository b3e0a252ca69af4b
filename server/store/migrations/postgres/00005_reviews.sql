-- +goose Up
-- Of grants that were taken in an emergency: none is of others.
ALTER TABLE grants ADD COLUMN review TEXT NOT NULL DEFAULT 'none' CHECK (review IN ('none', 'open', 'done'));
CREATE INDEX grants_review ON grants (review, starts_at) WHERE review <> 'none';

-- +goose Down
DROP INDEX grants_review;
ALTER TABLE grants DROP COLUMN review;
