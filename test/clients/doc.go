// Package clients puts real PostgreSQL clients through a real gateway: psql, pg_dump
// and pg_restore, pgbench, pgx, lib/pq, node's pg and postgres, psycopg2, psycopg 3,
// asyncpg, SQLAlchemy and JDBC, and a client of its own for what none of them does.
//
// Of what is asked for, each does what it can (TestMatrix compares this with its script;
// pg_dump prepares by itself, and reads by a cursor where it writes INSERTs):
//
//	                    introspection prepared arrays, json COPY cursors cancel LISTEN
//	psql                yes           yes      yes          yes  yes     yes    yes
//	pg_dump, pg_restore yes           yes      yes          yes  yes     -      -
//	pgbench             -             yes      -            yes  -       -      -
//	pgx                 yes           yes      yes          yes  yes     yes    yes
//	lib/pq              yes           yes      yes          yes  yes     yes    yes
//	node pg             yes           yes      yes          yes  yes     yes    yes
//	node postgres       yes           yes      yes          yes  yes     yes    yes
//	psycopg2            yes           yes      yes          yes  yes     yes    yes
//	psycopg 3           yes           yes      yes          yes  yes     yes    yes
//	asyncpg             yes           yes      yes          yes  yes     yes    yes
//	SQLAlchemy          yes           yes      yes          yes  yes     yes    yes
//	JDBC                yes           yes      yes          yes  yes     yes    yes
//
// Each does what its users do, on PostgreSQL itself and through the gateway, and what
// it prints must be the same: for somebody who sees everything to the byte, for
// somebody else but for the protected values. The tests want clients that not every
// machine has, so they are built with the tag clients only: `make test-clients`.
package clients
