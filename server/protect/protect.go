// Package protect knows which mask rules are in force now: those that administrators
// declared, and those that tables inherited when protected data was copied into them
// (effect derive). It leaves what a rule does to package mask, and the memory of what
// was inherited to a Store.
package protect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Store remembers, until somebody lifts it, which tables inherited protection.
type Store interface {
	Inherit(ctx context.Context, target string, tables []string, by string) error
	Inherited(ctx context.Context) ([]hoop.Protection, error)
	Disinherit(ctx context.Context, target, table string) error
}

// Rules is the set in force. It is safe for concurrent use.
type Rules struct {
	store Store
	key   []byte
	state atomic.Pointer[state]

	mu       sync.Mutex // guards what follows, and the order of changes
	declared *resource.Set
	compiled []hoop.Protection // what state was made with
}

// New loads what was inherited and compiles it with the declared rules. key is the
// secret of keyed transforms, 32 bytes.
func New(ctx context.Context, store Store, declared *resource.Set, key []byte) (*Rules, error) {
	r := &Rules{store: store, key: key}
	return r, r.Declare(ctx, declared)
}

// Declare puts other declared rules in force. On an error the former stay.
func (r *Rules) Declare(ctx context.Context, declared *resource.Set) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.compile(ctx, declared); err != nil {
		return err
	}
	r.declared = declared
	return nil
}

func (r *Rules) compile(ctx context.Context, declared *resource.Set) error {
	inherited, err := r.store.Inherited(ctx)
	if err != nil {
		return fmt.Errorf("load inherited masks: %w", err)
	}
	tables := map[string][]string{}
	for _, p := range inherited {
		for _, target := range beside(declared, p.Target) {
			tables[target] = append(tables[target], p.Table)
		}
	}
	set, err := mask.Compile(declared.MaskRules, tables, r.key)
	if err != nil {
		return fmt.Errorf("compile mask rules: %w", err)
	}
	set.Beside = func(target string) []string { return beside(declared, target) }
	r.compiled = inherited
	r.state.Store(&state{set: set, found: map[string]*mask.Rules{}})
	return nil
}

// beside gives the targets that show what was copied by way of one: those that lead to the
// same database.
func beside(declared *resource.Set, target string) []string {
	if t, ok := declared.Target(target); ok {
		return declared.Beside(t)
	}
	return nil // it is declared no more
}

// Refresh puts in force what others let inherit, or lifted, in the same store.
func (r *Rules) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	inherited, err := r.store.Inherited(ctx)
	if err != nil {
		return fmt.Errorf("load inherited masks: %w", err)
	}
	if slices.EqualFunc(inherited, r.compiled, func(a, b hoop.Protection) bool { return a.Target == b.Target && a.Table == b.Table }) {
		return nil
	}
	return r.compile(ctx, r.declared)
}

// Inherited lists what inherited protection.
func (r *Rules) Inherited(ctx context.Context) ([]hoop.Protection, error) {
	return r.store.Inherited(ctx)
}

// Lift ends what a table inherited, durably, from now on. What is declared stays.
func (r *Rules) Lift(ctx context.Context, target, table string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.Disinherit(ctx, target, table); err != nil {
		return fmt.Errorf("lift inherited masks of %s: %w", target, err)
	}
	return r.compile(ctx, r.declared)
}

// For gives the rules that apply to an identity on a target.
func (r *Rules) For(id hoop.Identity, target string) *mask.Rules {
	return r.state.Load().rules(id, target)
}

// state is one set, with what it says to those who have asked.
type state struct {
	set *mask.Set

	mu    sync.RWMutex // guards found
	found map[string]*mask.Rules
}

// maxFound bounds what is remembered: one entry for each target and list of groups.
const maxFound = 4096

func (s *state) rules(id hoop.Identity, target string) *mask.Rules {
	var room [256]byte
	key := append(room[:0], target...)
	for _, g := range id.Groups {
		key = append(append(key, 0), g...)
	}
	s.mu.RLock()
	r, ok := s.found[string(key)]
	s.mu.RUnlock()
	if ok {
		return r
	}
	r = s.set.For(id, target)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found) >= maxFound {
		clear(s.found)
	}
	s.found[string(key)] = r
	return r
}

// Inherit protects every column of tables (canonical names) on target, and on those that
// lead to the same database, durably, from now on. Temporary tables need no memory: no catalog lists them, and what no catalog
// lists is masked.
func (r *Rules) Inherit(ctx context.Context, target string, tables []string, session string) error {
	var lasting []string
	for _, t := range tables {
		if !strings.HasPrefix(t, "pg_temp.") {
			lasting = append(lasting, t)
		}
	}
	if len(lasting) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.Inherit(ctx, target, lasting, session); err != nil {
		return fmt.Errorf("store inherited masks of %s: %w", target, err)
	}
	return r.compile(ctx, r.declared)
}
