package pgparse

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"github.com/wasilibs/go-pgquery/parser"
	"google.golang.org/protobuf/proto"
)

// workerEnv marks a process as a parser worker; nothing else is in its environment
// but its own limits, so no secret of the gateway is.
const workerEnv = "HOOP_GATEWAY_PARSER_WORKER"

// Files that a worker inherits. Standard output is not used: the grammar may print.
const (
	requestsFD = 3
	repliesFD  = 4
)

// maxRequest is beyond any MaxBytes that makes sense; the pool checks the real limit.
const maxRequest = 64 << 20

// RunWorker serves as a parser worker and exits, when this process was started as
// one; otherwise it returns at once. It comes first in main and in every TestMain of
// a package that uses a Pool.
func RunWorker() {
	if os.Getenv(workerEnv) != "1" {
		return
	}
	if err := limitMemory(); err != nil {
		os.Exit(2)
	}
	if err := serve(os.NewFile(requestsFD, "requests"), os.NewFile(repliesFD, "replies")); !errors.Is(err, io.EOF) {
		os.Exit(1)
	}
	os.Exit(0)
}

// serve answers requests until the gateway closes its end (io.EOF) or an error.
func serve(requests io.Reader, replies io.Writer) error {
	out := bufio.NewWriterSize(replies, 64<<10)
	in := bufio.NewReaderSize(requests, 64<<10)
	send := func(r reply) error {
		if err := r.write(out); err != nil {
			return err
		}
		return out.Flush()
	}
	// The first parse compiles the grammar.
	if r := answer("SELECT 1"); r.kind != replyTree {
		return fmt.Errorf("warm up: %s", r.message)
	}
	if err := send(reply{kind: replyReady}); err != nil {
		return err
	}
	for {
		sql, err := readFrame(in, maxRequest)
		if err != nil {
			return err
		}
		r := answer(string(sql))
		if err := send(r); err != nil {
			return err
		}
		if r.kind == replyRefused {
			return errors.New(r.message)
		}
	}
}

// answer parses and scans one text. After a panic or an internal error the grammar's
// memory cannot be trusted, so the reply is replyRefused and the worker ends.
func answer(sql string) (r reply) {
	defer func() {
		if p := recover(); p != nil {
			debug.SetGCPercent(-1) // about to exit: no time for finalizers of a broken instance
			r = reply{kind: replyRefused, message: "the parser panicked"}
		}
	}()
	tree, err := parser.ParseToProtobuf(sql)
	var bad *parser.Error
	switch {
	case err == nil:
	case errors.As(err, &bad) && syntactic(bad.Message):
		return reply{kind: replySyntax, message: bad.Message, position: max(bad.Cursorpos, 0)}
	default:
		return reply{kind: replyRefused, message: "the parser gave up"}
	}
	scan, err := parser.ScanToProtobuf(sql)
	if err != nil {
		return reply{kind: replyRefused, message: "the scanner gave up"}
	}
	var tokens pg_query.ScanResult
	if err := proto.Unmarshal(scan, &tokens); err != nil {
		return reply{kind: replyRefused, message: "the scanner's answer is damaged"}
	}
	text, err := shape(sql, tokens.Tokens)
	if err != nil || 5+len(text)+len(tree) > maxReply {
		return reply{kind: replyRefused, message: "the answer is too large or damaged"}
	}
	return reply{kind: replyTree, shape: text, tree: tree}
}

// syntactic tells the statement's faults from the parser's own.
func syntactic(message string) bool {
	for _, own := range []string{"memory exhausted", "out of memory", "stack depth", "invalid memory alloc"} {
		if strings.Contains(message, own) {
			return false
		}
	}
	return true
}
