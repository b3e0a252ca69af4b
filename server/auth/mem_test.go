package auth

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// memStore is a Store in memory. fail, where set, is asked before each call.
type memStore struct {
	fail   func(op string) error
	shared bool

	mu       sync.Mutex
	devices  map[string]Device
	families map[string]Family
	tokens   map[string]Token
	disabled map[string]time.Time
	kept     map[string]time.Time
}

// failWith makes operations fail while others go on.
func (m *memStore) failWith(f func(op string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

func newMemStore() *memStore {
	return &memStore{devices: map[string]Device{}, families: map[string]Family{}, tokens: map[string]Token{}, disabled: map[string]time.Time{}, kept: map[string]time.Time{}}
}

func (m *memStore) begin(op string) error {
	m.mu.Lock()
	if m.fail != nil {
		return m.fail(op)
	}
	return nil
}

func (m *memStore) AddDevice(_ context.Context, d Device) error {
	defer m.mu.Unlock()
	if err := m.begin("AddDevice"); err != nil {
		return err
	}
	for _, e := range m.devices {
		if e.CodeHash == d.CodeHash || e.UserCodeHash == d.UserCodeHash {
			return ErrExists
		}
	}
	m.devices[d.CodeHash] = d
	return nil
}

func (m *memStore) Device(_ context.Context, h string) (Device, error) {
	defer m.mu.Unlock()
	if err := m.begin("Device"); err != nil {
		return Device{}, err
	}
	d, ok := m.devices[h]
	if !ok {
		return d, ErrNotFound
	}
	return d, nil
}

func (m *memStore) DeviceByUserCode(_ context.Context, h string) (Device, error) {
	defer m.mu.Unlock()
	if err := m.begin("DeviceByUserCode"); err != nil {
		return Device{}, err
	}
	for _, d := range m.devices {
		if d.UserCodeHash == h {
			return d, nil
		}
	}
	return Device{}, ErrNotFound
}

func (m *memStore) Devices(_ context.Context, now time.Time) ([]Device, error) {
	defer m.mu.Unlock()
	if err := m.begin("Devices"); err != nil {
		return nil, err
	}
	var found []Device
	for _, d := range m.devices {
		if now.Before(d.ExpiresAt) {
			found = append(found, d)
		}
	}
	return found, nil
}

func (m *memStore) UpdateDevice(_ context.Context, h string, update func(*Device) error) error {
	defer m.mu.Unlock()
	if err := m.begin("UpdateDevice"); err != nil {
		return err
	}
	d, ok := m.devices[h]
	if !ok {
		return ErrNotFound
	}
	if err := update(&d); err != nil {
		return err
	}
	m.devices[h] = d
	return nil
}

func (m *memStore) AddFamily(_ context.Context, f Family, tokens ...Token) error {
	defer m.mu.Unlock()
	if err := m.begin("AddFamily"); err != nil {
		return err
	}
	m.families[f.ID] = f
	for _, t := range tokens {
		m.tokens[t.Hash] = t
	}
	return nil
}

func (m *memStore) Family(_ context.Context, id string) (Family, error) {
	defer m.mu.Unlock()
	if err := m.begin("Family"); err != nil {
		return Family{}, err
	}
	f, ok := m.families[id]
	if !ok {
		return f, ErrNotFound
	}
	return f, nil
}

func (m *memStore) Token(_ context.Context, h string) (Token, Family, error) {
	defer m.mu.Unlock()
	if err := m.begin("Token"); err != nil {
		return Token{}, Family{}, err
	}
	t, ok := m.tokens[h]
	if !ok {
		return t, Family{}, ErrNotFound
	}
	return t, m.families[t.Family], nil
}

func (m *memStore) UpdateFamily(_ context.Context, id string, update func(*Family) ([]Token, error)) error {
	defer m.mu.Unlock()
	if err := m.begin("UpdateFamily"); err != nil {
		return err
	}
	f, ok := m.families[id]
	if !ok {
		return ErrNotFound
	}
	tokens, err := update(&f)
	if err != nil {
		return err
	}
	m.families[id] = f
	for _, t := range tokens {
		m.tokens[t.Hash] = t
	}
	return nil
}

func (m *memStore) list(keep func(Family) bool) []Family {
	var l []Family
	for _, f := range m.families {
		if keep(f) {
			l = append(l, f)
		}
	}
	slices.SortFunc(l, func(a, b Family) int { return cmp.Or(a.CheckedAt.Compare(b.CheckedAt), cmp.Compare(a.ID, b.ID)) })
	return l
}

func (m *memStore) Families(_ context.Context, subject string, now time.Time) ([]Family, error) {
	defer m.mu.Unlock()
	if err := m.begin("Families"); err != nil {
		return nil, err
	}
	return m.list(func(f Family) bool { return f.Subject == subject && f.live(now) }), nil
}

func (m *memStore) Due(_ context.Context, now, checked time.Time, limit int) ([]Family, error) {
	defer m.mu.Unlock()
	if err := m.begin("Due"); err != nil {
		return nil, err
	}
	l := m.list(func(f Family) bool {
		return f.Recheck && f.live(now) && (f.CheckedAt.Before(checked) || f.CheckedAt.After(now.Add(time.Minute)))
	})
	return l[:min(limit, len(l))], nil
}

func (m *memStore) Lapsed(_ context.Context, after, until time.Time) ([]Family, error) {
	defer m.mu.Unlock()
	if err := m.begin("Lapsed"); err != nil {
		return nil, err
	}
	l := m.list(func(f Family) bool { return f.ExpiresAt.After(after) && !f.ExpiresAt.After(until) })
	slices.SortFunc(l, func(a, b Family) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	return l, nil
}

func (m *memStore) Cuts(_ context.Context, after time.Time) ([]Family, error) {
	defer m.mu.Unlock()
	if err := m.begin("Cuts"); err != nil {
		return nil, err
	}
	return m.list(func(f Family) bool { return f.CutAt.After(after) }), nil
}

func (m *memStore) SetDisabled(_ context.Context, subject string, at, until time.Time) error {
	defer m.mu.Unlock()
	if err := m.begin("SetDisabled"); err != nil {
		return err
	}
	if at.After(m.disabled[subject]) {
		m.disabled[subject], m.kept[subject] = at, until
	}
	return nil
}

func (m *memStore) DisabledAt(_ context.Context, subject string) (time.Time, error) {
	defer m.mu.Unlock()
	if err := m.begin("DisabledAt"); err != nil {
		return time.Time{}, err
	}
	return m.disabled[subject], nil
}

func (m *memStore) Shared() bool { return m.shared }

func (m *memStore) Sweep(_ context.Context, before time.Time) error {
	defer m.mu.Unlock()
	if err := m.begin("Sweep"); err != nil {
		return err
	}
	for k, d := range m.devices {
		if d.ExpiresAt.Before(before) {
			delete(m.devices, k)
		}
	}
	for k, t := range m.tokens {
		if t.ExpiresAt.Before(before) {
			delete(m.tokens, k)
		}
	}
	for k, until := range m.kept {
		if until.Before(before) {
			delete(m.disabled, k)
			delete(m.kept, k)
		}
	}
	for k, f := range m.families {
		if f.ExpiresAt.Before(before) {
			delete(m.families, k)
		}
	}
	return nil
}
