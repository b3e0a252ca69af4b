package idle

import "testing"

func TestWatch_GivesBackOnceAtRest(t *testing.T) {
	var total uint64
	given := 0
	w := watch{allocated: func() uint64 { return total }, giveBack: func() { given++ }}
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
	if allocated() == 0 {
		t.Error("the runtime does not tell what it allocated")
	}
}
