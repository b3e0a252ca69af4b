// Package claims is for tests that end a gateway at the worst moment: clients that read
// and write tables and remember what they were told, and the check that the evidence
// proves every word of it.
//
// Each write has a key of its own, which the statement carries as a literal, a parameter
// or data; each answer has a key too. So what is found is matched by identity: the row in
// the target with the statement on record that wrote it, the answer with the bytes in the
// recording.
package claims

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Schema makes the tables: written has the key of each write, filler is read.
const Schema = `CREATE TABLE IF NOT EXISTS written (key text PRIMARY KEY, changed text);
CREATE TABLE IF NOT EXISTS filler AS SELECT i AS n, repeat('x', 100) AS pad FROM generate_series(1, 12000) i`

// Claims is what clients were told. It is safe for concurrent use.
type Claims struct {
	// After is called once, when so many answers have come (Limit).
	After func()
	Limit int

	mu    sync.Mutex
	round int
	cells map[string]bool   // of answers, as they came
	done  map[string]string // by key of the statement: the command tag that came
	count int
}

// New begins a round, whose number must differ from that of others on the same tables.
func New(round int) *Claims {
	return &Claims{round: round, cells: make(map[string]bool), done: make(map[string]string)}
}

// Answers is how many statements were answered to the end, and how many cells came.
func (c *Claims) Answers() (statements, cells int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.done), len(c.cells)
}

func (c *Claims) tick() {
	if c.count++; c.count == c.Limit && c.After != nil {
		c.After()
	}
}

// Shown notes a cell of an answer, as the client saw it: the key of its statement, a dot,
// and small letters and digits.
func (c *Claims) Shown(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cells[s] = true; len(c.cells)%3000 == 0 {
		c.tick() // also in the middle of a long answer
	}
}

// Told notes that a statement was answered to its end, with its command tag.
func (c *Claims) Told(key, tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[key] = tag
	c.tick()
}

// client is one connection.
type client struct {
	claims *Claims
	conn   *pgx.Conn
	number int
	next   int
	last   string // a key that it wrote
}

// Run works on a connection until something fails, and gives that.
func (c *Claims) Run(ctx context.Context, dsn string, number int, r *rand.Rand) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	k := &client{claims: c, conn: conn, number: number}
	ways := []func(context.Context) error{k.insert, k.literal, k.several, k.transaction, k.returning, k.copyIn, k.update, k.read, k.read}
	for {
		way := ways[r.IntN(len(ways))]
		if r.IntN(60) == 0 {
			way = k.long
		}
		if err := way(ctx); err != nil {
			return err
		}
	}
}

// key names the next write or answer: round, client, number.
func (k *client) key() string {
	k.next++
	return fmt.Sprintf("k%dc%dn%dx", k.claims.round, k.number, k.next)
}

func (k *client) exec(ctx context.Context, key, sql string, args ...any) error {
	tag, err := k.conn.Exec(ctx, sql, args...)
	if err == nil {
		k.claims.Told(key, tag.String())
	}
	return err
}

func (k *client) insert(ctx context.Context) error {
	k.last = k.key()
	return k.exec(ctx, k.last, "INSERT INTO written (key) VALUES ($1)", k.last)
}

func (k *client) literal(ctx context.Context) error {
	key := k.key()
	return k.exec(ctx, key, fmt.Sprintf("INSERT INTO written (key) VALUES ('%s')", key), pgx.QueryExecModeSimpleProtocol)
}

// several is one Query message, which PostgreSQL runs as one transaction.
func (k *client) several(ctx context.Context) error {
	a, b := k.key(), k.key()
	results, err := k.conn.PgConn().Exec(ctx, fmt.Sprintf("INSERT INTO written (key) VALUES ('%s'); INSERT INTO written (key) VALUES ('%s')", a, b)).ReadAll()
	if err != nil {
		return err
	}
	k.claims.Told(a, results[0].CommandTag.String())
	k.claims.Told(b, results[1].CommandTag.String())
	return nil
}

func (k *client) transaction(ctx context.Context) error {
	tx, err := k.conn.Begin(ctx)
	if err != nil {
		return err
	}
	for range 2 {
		if err := k.insert(ctx); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

func (k *client) returning(ctx context.Context) error {
	key, cell := k.key(), ""
	err := k.conn.QueryRow(ctx, "INSERT INTO written (key) VALUES ($1) RETURNING key || '.new'", key).Scan(&cell)
	if err == nil {
		k.claims.Shown(cell)
		k.claims.Told(key, "INSERT 0 1")
	}
	return err
}

func (k *client) copyIn(ctx context.Context) error {
	keys := [][]any{{k.key()}, {k.key()}, {k.key()}}
	if _, err := k.conn.CopyFrom(ctx, pgx.Identifier{"written"}, []string{"key"}, pgx.CopyFromRows(keys)); err != nil {
		return err
	}
	for _, key := range keys {
		k.claims.Told(key[0].(string), "COPY 3")
	}
	return nil
}

func (k *client) update(ctx context.Context) error {
	if k.last == "" {
		return nil
	}
	key := k.key()
	return k.exec(ctx, key, "UPDATE written SET changed = $1 WHERE key = $2", key, k.last)
}

func (k *client) read(ctx context.Context) error {
	return k.rows(ctx, "SELECT $1::text || '.' || key FROM written ORDER BY key DESC LIMIT 20")
}

// long is an answer of more than one window.
func (k *client) long(ctx context.Context) error {
	return k.rows(ctx, "SELECT $1::text || '.' || n, pad FROM filler")
}

// rows notes each row as it comes: what comes before the end counts too.
func (k *client) rows(ctx context.Context, sql string) error {
	key := k.key()
	rows, err := k.conn.Query(ctx, sql, key)
	if err != nil {
		return err
	}
	for rows.Next() {
		k.claims.Shown(string(rows.RawValues()[0]))
	}
	if rows.Err() == nil {
		k.claims.Told(key, rows.CommandTag().String())
	}
	return rows.Err()
}
