package idle

import "testing"

func TestWatch_GivesBackOnceAtRest(t *testing.T) {
	var total uint64
	given := 0
	w := watch{
		allocated: func() uint64 { return total }, giveBack: func() { given++ },
		held: func() uint64 { return 100 << 20 }, // the first round finds nothing
	}
	for _, step := range []struct {
		name  string
		more  uint64
		given int
	}{
		{"start", 10 << 20, 0},
		{"still busy", 10 << 20, 0},
		{"at rest", 1000, 1},
		{"still at rest", 1000, 1},
		{"a little work", 1 << 20, 1},
		{"too little to give back", 1000, 1},
		{"work", 100 << 20, 1},
		{"at rest again", 1000, 2},
	} {
		total += step.more
		if w.look(); given != step.given {
			t.Errorf("%s: memory was given back %d times, want %d", step.name, given, step.given)
		}
	}
	if allocated() == 0 || held() == 0 {
		t.Error("the runtime does not tell what it allocated and holds")
	}
}

func TestWatch_GoesOnWhileItPays(t *testing.T) {
	for _, c := range []struct {
		name string
		held []uint64 // before the first round and after each, in MB
		want int
	}{
		{"nothing to give", []uint64{100, 100}, 1},
		{"more is held after than before", []uint64{100, 110}, 1},
		{"pools after the first round", []uint64{100, 80, 70, 69}, 3},
		{"stacks for ever", []uint64{100, 80, 64, 51, 41, 33}, rounds},
	} {
		looks, given := 0, 0
		w := watch{giveBack: func() { given++ }, held: func() uint64 {
			looks++
			return c.held[looks-1] << 20
		}}
		if w.rest(); given != c.want {
			t.Errorf("%s: %d rounds, want %d", c.name, given, c.want)
		}
	}
}
