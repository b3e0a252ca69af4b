// Package pgparse turns SQL text into PostgreSQL's own parse tree.
//
// The grammar is libpg_query (PostgreSQL 17) compiled to WebAssembly. A hostile
// statement can overflow its stack, exhaust its memory or leave it answering
// nonsense, so it never runs in the gateway's process: this binary starts itself
// again as workers (RunWorker), talks to them over pipes, and kills and replaces a
// worker that panics or exceeds the deadline. The statement that did it is refused,
// the next one meets a fresh worker.
//
// It owns the workers, their limits and a cache by exact text. What a tree means is
// left to sqlscan.
package pgparse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Options of a Pool. Zero values take the defaults.
type Options struct {
	Workers    int           // processes; default: cores, at most 4
	MaxBytes   int           // longest statement, in bytes; default 4 MiB
	Timeout    time.Duration // of one parse; default 10 s
	CacheBytes int           // estimated memory of the cache; default 64 MiB
	Program    string        // what is started as a worker, and calls RunWorker; default: this program
	Log        *slog.Logger  // default: discards
}

// Parsed is the tree of one text. It is shared between callers and must not be
// changed.
type Parsed struct {
	SQL  string
	Tree *pg_query.ParseResult
	// Shape is SQL with every literal replaced by $n, comments dropped and white space
	// folded. Parameters keep their numbers; literals are numbered after the highest.
	Shape string
}

// ErrEncoding says that a text is not UTF-8.
var ErrEncoding = errors.New("not UTF-8")

// SyntaxError says that the text is not SQL as PostgreSQL 17 reads it. Message may
// quote the statement, literals included: it is for whoever sent it, not for events.
type SyntaxError struct {
	Message  string
	Position int // in characters, from 1; 0 where unknown
}

// Error implements error.
func (e *SyntaxError) Error() string { return e.Message }

// Pool parses in worker processes. Its methods may be called concurrently.
type Pool struct {
	opts Options

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	idle chan *worker   // warm workers that nobody uses
	wg   sync.WaitGroup // keepers and parses

	mu       sync.Mutex // guards what follows
	closed   bool
	inflight map[string]*flight
	cache    *cache
}

// flight is one parse that one or more callers wait for.
type flight struct {
	done   chan struct{} // closed when parsed and err are set
	parsed *Parsed
	err    error
}

// New starts the workers and returns when the first is warm, after about 2 s of CPU
// time. The caller must Close the pool.
func New(opts Options) (*Pool, error) {
	if opts.Program == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("start parser worker: %w", err)
		}
		opts.Program = self
	}
	if opts.Workers <= 0 {
		opts.Workers = min(runtime.GOMAXPROCS(0), 4)
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = 4 << 20
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = 64 << 20
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		opts:     opts,
		idle:     make(chan *worker, opts.Workers),
		inflight: map[string]*flight{},
		cache:    newCache(opts.CacheBytes),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())

	first, err := startWorker(p.ctx, opts.Program)
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start parser worker: %w", err)
	}
	p.idle <- first
	for range opts.Workers - 1 {
		p.replace()
	}
	return p, nil
}

// replace starts a worker in the background and adds it to the idle ones. It keeps
// trying, since a machine may be short of memory for a while only.
func (p *Pool) replace() {
	p.wg.Go(func() {
		for delay := 100 * time.Millisecond; ; delay = min(2*delay, 10*time.Second) {
			w, err := startWorker(p.ctx, p.opts.Program)
			if err == nil {
				p.idle <- w // has room: there are never more workers than Workers
				return
			}
			if p.ctx.Err() != nil {
				return
			}
			p.opts.Log.Error("parser worker does not start", "error", err, "retry_in", delay)
			select {
			case <-time.After(delay):
			case <-p.ctx.Done():
				return
			}
		}
	})
}

// Close ends the workers and waits for them. Parse fails from then on.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.wg.Wait()
	for {
		select {
		case w := <-p.idle:
			w.kill()
		default:
			return nil
		}
	}
}

// Parse gives the tree of sql. It fails with a *SyntaxError where PostgreSQL would
// not accept the text either, and with a *hoop.Error (CodeInvalid, CodeTooLarge,
// CodeUnavailable) where the text cannot be judged; after either, nothing may be
// forwarded as understood. Callers with the same text share one parse.
func (p *Pool) Parse(ctx context.Context, sql string) (*Parsed, error) {
	if err := p.admissible(sql); err != nil {
		return nil, err
	}
	f, err := p.join(sql)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.parsed, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Pool) admissible(sql string) error {
	switch {
	case len(sql) > p.opts.MaxBytes:
		return hoop.Errorf(hoop.CodeTooLarge, "the statement has %d bytes, the limit is %d", len(sql), p.opts.MaxBytes).
			WithHint("send it in parts, or load data with COPY … FROM STDIN")
	case strings.IndexByte(sql, 0) >= 0: // the grammar would stop there, the statement would not
		return hoop.Errorf(hoop.CodeInvalid, "the statement contains a NUL byte").WithHint("remove it")
	case !utf8.ValidString(sql):
		return hoop.Errorf(hoop.CodeInvalid, "the statement is not valid UTF-8").WithHint("set client_encoding to UTF8").Wrap(ErrEncoding)
	}
	return nil
}

// join finds the answer in the cache, joins the parse of the same text, or starts one.
func (p *Pool) join(sql string) (*flight, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, hoop.Errorf(hoop.CodeShuttingDown, "the gateway is stopping")
	}
	if f, ok := p.cache.get(sql); ok {
		return f, nil
	}
	if f, ok := p.inflight[sql]; ok {
		return f, nil
	}
	f := &flight{done: make(chan struct{})}
	p.inflight[sql] = f
	p.wg.Go(func() { p.fly(f, sql) })
	return f, nil
}

// fly runs one parse and publishes its outcome.
func (p *Pool) fly(f *flight, sql string) {
	reply, err := p.ask(sql)
	cost := len(sql)
	if err == nil {
		f.parsed, err = decode(sql, reply)
		// A protobuf tree takes about ten times its wire size as Go values.
		cost += len(reply.shape) + 10*len(reply.tree)
	}
	f.err = err

	p.mu.Lock()
	delete(p.inflight, sql)
	if cacheable(err) {
		p.cache.put(sql, f, cost)
	}
	p.mu.Unlock()
	close(f.done)
}

// cacheable tells outcomes that belong to the text from those that belong to the
// moment. A text that killed a worker is remembered too: it kills no second one.
func cacheable(err error) bool {
	var syntax *SyntaxError
	var known *hoop.Error
	switch {
	case err == nil || errors.As(err, &syntax):
		return true
	case errors.As(err, &known):
		return known.Code == hoop.CodeInvalid
	}
	return false
}

// waitTimeout bounds the wait for a free worker: long enough for one that was killed
// to be replaced on a busy machine.
const waitTimeout = time.Minute

// ask takes a worker, has it parse sql, and puts it back or replaces it.
func (p *Pool) ask(sql string) (reply, error) {
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	var w *worker
	select {
	case w = <-p.idle:
	case <-ctx.Done():
		if p.ctx.Err() != nil {
			return reply{}, hoop.Errorf(hoop.CodeShuttingDown, "the gateway is stopping")
		}
		return reply{}, hoop.Errorf(hoop.CodeUnavailable, "no parser was free in time").WithHint("try again")
	}
	stop := context.AfterFunc(p.ctx, w.signal) // Close does not wait for a parse
	r, err := w.parse(sql, p.opts.Timeout)
	stop()
	if err == nil && r.kind != replyRefused {
		p.idle <- w
		return r, nil
	}
	w.kill()
	if p.ctx.Err() != nil {
		return reply{}, hoop.Errorf(hoop.CodeShuttingDown, "the gateway is stopping")
	}
	p.replace()
	p.opts.Log.Warn("parser worker replaced", "bytes", len(sql), "error", err)
	return reply{}, tooComplex(err)
}

func tooComplex(err error) error {
	return hoop.Errorf(hoop.CodeInvalid, "the statement is too complex to be analysed").
		WithHint("write it with less nesting or fewer terms").Wrap(err)
}

// decode turns a worker's reply into a tree. protobuf has its own limit of 10,000
// levels, which is an error here as well.
func decode(sql string, r reply) (*Parsed, error) {
	if r.kind == replySyntax {
		return nil, &SyntaxError{Message: r.message, Position: r.position}
	}
	tree := &pg_query.ParseResult{}
	if err := proto.Unmarshal(r.tree, tree); err != nil {
		return nil, tooComplex(err)
	}
	return &Parsed{SQL: sql, Tree: tree, Shape: r.shape}, nil
}
