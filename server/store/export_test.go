package store

// OpenMany is openMany, for the tests that have a PostgreSQL.
var OpenMany = openMany
