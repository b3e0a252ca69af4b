package hoop_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// People read no units of which there are none; what programs read stays the form of
// time.Duration, since digests and signatures stand on it.
func TestDuration_ForPeopleAndForPrograms(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{time.Second, "1s"},
		{1500 * time.Millisecond, "1.5s"},
		{time.Minute, "1m"},
		{10 * time.Minute, "10m"},
		{90 * time.Second, "1m30s"},
		{time.Hour, "1h"},
		{20 * time.Hour, "20h"},
		{time.Hour + 20*time.Minute, "1h20m"},
		{time.Hour + 20*time.Second, "1h0m20s"},
		{2190 * 24 * time.Hour, "52560h"},
		{-time.Hour, "-1h"},
	} {
		d := hoop.Duration(tt.d)
		if got := fmt.Sprint(d); got != tt.want {
			t.Errorf("%s for people: %s; want %s", tt.d, got, tt.want)
		}
		b, err := json.Marshal(d)
		if err != nil || string(b) != `"`+tt.d.String()+`"` || d.Text() != tt.d.String() {
			t.Errorf("%s for programs: %s, %s, %v", tt.d, b, d.Text(), err)
		}
		if tt.d < 0 {
			continue
		}
		var back hoop.Duration
		if err := back.UnmarshalText([]byte(tt.want)); err != nil || back != d {
			t.Errorf("%s read back: %s, %v", tt.want, back.Text(), err)
		}
	}
}
