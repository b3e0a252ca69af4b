package budget

import (
	"context"
	"time"
)

// mostAhead is how many rows are taken at once at most.
const mostAhead = 1024

// Draw takes rows for one answer. It takes some ahead, so that not every row asks the
// store: first none, then twice as many each time, up to an eighth of the smallest limit.
// Rows that were taken ahead count at once, for everybody, and may be given out only
// within the part of the stretch that they count in. It belongs to one goroutine.
type Draw struct {
	counter *Counter
	limits  []Limit
	free    bool

	held  int64     // taken, and not given out
	at    time.Time // when, by the store's clock
	end   time.Time // until when they may be given out, by the counter's clock
	block int64     // to be taken next
}

// Draw begins to take rows within limits.
func (c *Counter) Draw(limits ...Limit) *Draw {
	return &Draw{counter: c, limits: limits, block: 1}
}

// Free says that what is taken was allowed otherwise: it counts, room or not.
func (d *Draw) Free() { d.free = true }

// Take counts rows where all of the limits have room for them, else none.
func (d *Draw) Take(ctx context.Context, rows int64) (bool, error) {
	if rows <= d.held && d.counter.now().Before(d.end) {
		d.held -= rows
		return true, nil
	}
	ok, err := d.take(ctx, rows, max(rows, min(d.block, d.ahead())))
	if d.block < mostAhead {
		d.block *= 2
	}
	return ok, err
}

// Mark counts rows once in each part of the stretch that it is called in.
func (d *Draw) Mark(ctx context.Context, rows int64) error {
	if d.counter.now().Before(d.end) {
		return nil
	}
	d.free, d.held = true, 0
	_, err := d.take(ctx, rows, rows)
	return err
}

// Close gives back what was taken and not given out. Where it fails, that counts on.
func (d *Draw) Close(ctx context.Context) error {
	if d.held == 0 {
		return nil
	}
	_, err := d.take(ctx, 0, 0)
	return err
}

// ahead is how many rows may be taken at once.
func (d *Draw) ahead() int64 {
	n := int64(mostAhead)
	for _, l := range d.limits {
		n = min(n, l.Rows/8)
	}
	return n
}

// take gives back what is held and takes rows, and up to want where there is room.
func (d *Draw) take(ctx context.Context, rows, want int64) (ok bool, err error) {
	if len(d.limits) == 0 {
		return true, nil
	}
	held, before := d.held, d.at
	d.held = 0 // where the store fails, nobody knows what it counted: nothing is given out
	asked := d.counter.now()
	var left time.Duration
	err = d.counter.update(ctx, d.limits, func(now time.Time, counts []*count) {
		if held > 0 {
			for i, l := range d.limits {
				counts[i].add(part(before, l.Per), -held)
			}
		}
		free := room(counts, d.limits, now)
		if d.free {
			free = want
		}
		if want = min(want, free); want < rows {
			want = 0
			return
		}
		ok, d.at, left = true, now, d.limits[0].Per
		for i, l := range d.limits {
			counts[i].add(part(now, l.Per), want)
			left = min(left, time.Duration(step(l.Per)-now.UnixNano()%step(l.Per)))
		}
	})
	if err != nil || !ok {
		return false, err
	}
	d.held, d.end = want-rows, asked.Add(left)
	return true, nil
}
