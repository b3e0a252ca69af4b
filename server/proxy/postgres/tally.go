package postgres

import (
	"strconv"
	"strings"
)

// Rows that the client was given and rows that were changed at the target are counted
// apart: the first are disclosed, the second are not. The first are counted as they
// leave. Of the second only the target knows, and says so in the tag of a command
// (manual, "Message Formats", CommandComplete), where it means one or the other.

// answered is what came of the current command so far.
type answered struct {
	rows    int64 // messages with a row, also those that the client was not given
	in, out bool  // the client sends COPY data; the target does
}

// row takes a row out of the budgets before it is released. An error says that it must
// not be.
func (r *running) row() error {
	r.answered.rows++
	return r.run.Deliver(1)
}

// gave counts a row of so many bytes that the client gets.
func (r *running) gave(bytes int) {
	r.res.Rows++
	r.res.Bytes += int64(bytes)
}

// completed notes the tag of command at of the text.
func (r *running) completed(at int, tag string) {
	r.res.Tag = tag
	given, changed := r.answered.counted(tag, r.fromFile(at))
	r.res.Rows += given
	r.res.Changed += changed
	r.answered = answered{}
}

// fromFile reports whether command at has the target copy rows in from a file of its own.
func (r *running) fromFile(at int) bool {
	commands := r.meaning.analysis.Commands
	return at < len(commands) && commands[at].CopyFile
}

// counted reads a tag: how many rows were changed, and what to add to those that were
// given, which are fewer than the messages of COPY TO: one is the line of names, or the
// end of the binary format.
func (c answered) counted(tag string, fromFile bool) (given, changed int64) {
	verb, _, _ := strings.Cut(tag, " ")
	n, err := strconv.ParseInt(tag[strings.LastIndexByte(tag, ' ')+1:], 10, 64)
	if err != nil {
		return 0, 0
	}
	switch verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE":
		return 0, n
	case "SELECT": // CREATE TABLE AS and SELECT INTO have this tag, and no rows
		if c.rows == 0 {
			return 0, n
		}
	case "COPY":
		switch {
		case c.out:
			return min(n-c.rows, 0), 0
		case fromFile || c.in:
			return 0, n
		}
	}
	return 0, 0
}
