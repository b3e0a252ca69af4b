package leaks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// shown runs a script on a connection of its own in each mode and gives everything
// that came. A script that leaves nothing behind has one connection for all modes; past
// the gateway all scripts have one.
func shown(t *testing.T, l *line, database string, modes []mode, s script) [][]byte {
	t.Helper()
	dsn, target := l.dsn[database], database
	if s.account != "" && dsn != l.dsn[direct] {
		dsn = l.as(t, s.account, target)
	}
	if s.database != "" {
		database += "_" + s.database
	}
	var out [][]byte
	var w *wire
	for _, m := range modes {
		if target == ruled || target == open1 {
			l.unprotect(t, target, database)
		}
		switch {
		case dsn == l.dsn[direct]:
			w = l.directly(database)
		case w == nil || w.ended || !s.pure():
			w = open(t, dsn, database, nil)
			w.asked = l.answer(t, s)
		}
		got, at := []byte(nil), 0
		if dsn == l.dsn[direct] || out != nil && s.pure() {
			at = len(w.got)
		}
		for _, sql := range s.lines {
			w.copy = []byte(s.copy)
			if sql == `\connect` {
				got = append(got, w.got[at:]...)
				if at = 0; dsn == l.dsn[direct] {
					w.ended = true
					w = l.directly(database)
				} else {
					w = open(t, dsn, database, nil)
					w.asked = l.answer(t, s)
				}
				continue
			}
			if err := w.run(m, sql); err != nil {
				if !answered(err) {
					t.Errorf("%s, %s: %.100s: %v", database, m.name, sql, err)
				}
				break
			}
		}
		out = append(out, append(got, w.got[at:]...))
		if dsn != l.dsn[direct] && !s.pure() {
			_ = w.Close()
		}
	}
	return out
}

// answer says what people do where a statement exceeds an inference limit: they agree, since
// an attack that is held has not met what masks its answer.
func (l *line) answer(t *testing.T, s script) func(approval int64) {
	say := l.officer.Approve
	if s.denied {
		say = l.officer.Deny
	}
	return func(approval int64) {
		if _, err := say(t.Context(), approval, "an attack"); err != nil {
			t.Error(err)
		}
	}
}

// directly gives the connection past the gateway, as if it were new.
func (l *line) directly(database string) *wire {
	l.tb.Helper()
	w := l.past[database]
	if w == nil || w.ended || w.run(simple, "ROLLBACK") != nil || w.run(simple, "DISCARD ALL") != nil {
		w = open(l.tb, l.dsn[direct], database, nil)
	}
	w.got, w.read = w.got[:0], 0
	l.past[database] = w
	return w
}

func TestAttacks(t *testing.T) {
	search := newSearcher(canaries.all)
	l := start(t)
	all, postgres := scripts(t, "attacks"), version(t)
	for n, s := range all {
		s.account = account(n)
		if postgres < s.since || s.until > 0 && postgres >= s.until {
			continue
		}
		t.Run(s.group+"/"+s.title, func(t *testing.T) {
			at := func(database string, f func(t *testing.T)) {
				t.Run(database, func(t *testing.T) {
					if s.apart() {
						t.Parallel() // they mostly wait
					}
					f(t)
				})
			}
			at(direct, func(t *testing.T) {
				got := shown(t, l, direct, []mode{simple}, s)[0]
				if len(search.in(views(got))) == 0 {
					t.Fatalf("no attack: nothing is shown on a direct connection either: %s", told(got))
				}
			})
			modes := []mode{simple}
			switch {
			case s.only == "simple": // it has many rows
			case s.pure():
				modes = []mode{simple, undescr, text, piecewise}
			case !s.changes && !slices.Contains(s.lines, `\connect`):
				modes = []mode{simple, undescr}
			}
			for _, database := range []string{ruled, open1} {
				modes := modes
				if database == ruled { // where nothing is refused, all modes go on to what masks
					modes = modes[:min(len(modes), 2)]
				}
				at(database, func(t *testing.T) {
					for i, got := range shown(t, l, database, modes, s) {
						if found := search.in(views(got)); len(found) > 0 {
							t.Errorf("LEAK through %s, %s: %s\n%s", database, modes[i].name, strings.Join(found[:min(len(found), 3)], "; "), strings.Join(s.lines, "\n"))
						}
					}
				})
			}
		})
	}
	l.evidence(t, search)
	if len(all) < 200 {
		t.Errorf("%d attacks, want at least 200", len(all))
	}
}

// told is the messages of a conversation, shortly.
func told(got []byte) string {
	var out []string
	for m := range messages(got) {
		switch m[0] {
		case 'E', 'N':
			out = append(out, strings.ReplaceAll(string(m[5:]), "\x00", " "))
		case 'C':
			out = append(out, string(m[5:len(m)-1]))
		case 'D':
			out = append(out, fmt.Sprintf("%q", m[5:min(len(m), 80)]))
		}
	}
	return strings.Join(out, "\n")
}
