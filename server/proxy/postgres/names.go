package postgres

// names tells what a name stands for while messages that define it are in flight: a
// definition counts for the messages behind it in its own batch (up to a Sync), since
// they are skipped when it fails; later batches must know how it went.
//
// A nil value is a name that was taken away. The owner's mutex guards it.
type names[T any] struct{ slots map[string]*slot[T] }

type slot[T any] struct {
	now     *T // what the target is known to have, nil for nothing
	pending []*definition[T]
}

// definition is a Parse, Bind, Close (or PREPARE, DEALLOCATE, …) on its way.
type definition[T any] struct {
	names *names[T]
	name  string
	value *T
	batch int64
}

// define adds a definition that settle must be called for.
func (n *names[T]) define(name string, value *T, batch int64) *definition[T] {
	if n.slots == nil {
		n.slots = map[string]*slot[T]{}
	}
	s := n.slots[name]
	if s == nil {
		s = &slot[T]{}
		n.slots[name] = s
	}
	d := &definition[T]{n, name, value, batch}
	s.pending = append(s.pending, d)
	return d
}

// settle tells how a definition went: ok makes it what the target has.
func (d *definition[T]) settle(ok bool) (replaced *T) {
	s := d.names.slots[d.name]
	for i, p := range s.pending {
		if p != d {
			continue
		}
		if i == 0 { // they are answered in order, and a long pipeline has very many
			s.pending[0] = nil
			s.pending = s.pending[1:]
		} else {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
		}
		break
	}
	if ok {
		replaced, s.now = s.now, d.value
	}
	if s.now == nil && len(s.pending) == 0 {
		delete(d.names.slots, d.name)
	}
	return replaced
}

// lookup gives what name stands for to a message in batch. known is false when that
// depends on an answer that is still to come.
func (n *names[T]) lookup(name string, batch int64) (value *T, known bool) {
	s := n.slots[name]
	if s == nil {
		return nil, true
	}
	if len(s.pending) == 0 {
		return s.now, true
	}
	last := s.pending[len(s.pending)-1]
	return last.value, last.batch == batch
}

// forget drops what the target was known to have under any name.
func (n *names[T]) forget(dropped func(*T)) {
	for name, s := range n.slots {
		if s.now != nil {
			dropped(s.now)
			s.now = nil
		}
		if len(s.pending) == 0 {
			delete(n.slots, name)
		}
	}
}

// each calls f for all values, settled or not.
func (n *names[T]) each(f func(name string, value *T)) {
	for name, s := range n.slots {
		if s.now != nil {
			f(name, s.now)
		}
		for _, p := range s.pending {
			if p.value != nil {
				f(name, p.value)
			}
		}
	}
}
