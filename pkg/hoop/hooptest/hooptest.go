// Package hooptest keeps, for tests, the events that others write.
package hooptest

import (
	"context"
	"slices"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Log is an event log in memory that can be told to fail. The zero Log is empty; its
// methods may be called concurrently.
type Log struct {
	mu     sync.Mutex
	events []hoop.Event
	err    error
	before func(hoop.Event)
}

// Write keeps an event, unless the log fails.
func (l *Log) Write(_ context.Context, e *hoop.Event) error {
	l.mu.Lock()
	before := l.before
	l.mu.Unlock()
	if before != nil {
		before(*e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.events = append(l.events, *e)
	return nil
}

// Fail lets every later Write fail with err, or none if it is nil.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// Before lets every later Write call f first, which may block, and none if f is nil.
func (l *Log) Before(f func(hoop.Event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

// Events are those that were written, in order.
func (l *Log) Events() []hoop.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// Of are the events of a type, in order.
func (l *Log) Of(t hoop.EventType) []hoop.Event {
	return slices.DeleteFunc(l.Events(), func(e hoop.Event) bool { return e.Type != t })
}
