// Package clients puts real PostgreSQL clients through a real gateway: psql, pg_dump
// and pg_restore, pgbench, pgx, lib/pq, node's pg and postgres, psycopg2, psycopg 3,
// asyncpg, SQLAlchemy and JDBC, and a client of its own for what none of them does.
//
// Each does what its users do, on PostgreSQL itself and through the gateway, and what
// it prints must be the same: for somebody who sees everything to the byte, for
// somebody else but for the protected values. The tests want clients that not every
// machine has, so they are built with the tag clients only: `make test-clients`.
package clients
