package hoop

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours.
const Day = Duration(24 * time.Hour)

// Duration is a time.Duration that reads and writes as "1h30m" in JSON and YAML. Whole
// days may also be read as "2190d".
type Duration time.Duration

// String is for people: the form of time.Duration without the units of which there are none
// at its end, as in "1h" and "1h30m". UnmarshalText reads it too.
func (d Duration) String() string {
	s := d.Text()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Text is for programs: the form of time.Duration, as in "1h0m0s".
func (d Duration) Text() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler. It gives Text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.Text()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; negative durations are errors.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if days, ok := strings.CutSuffix(string(b), "d"); ok && err != nil {
		var n uint64
		if n, err = strconv.ParseUint(days, 10, 16); err == nil {
			v = time.Duration(n) * time.Duration(Day)
		}
	}
	if err != nil {
		return fmt.Errorf("duration %q: want a number with a unit, as in 90s, 1h or 1h30m", b)
	}
	if v < 0 {
		return fmt.Errorf("duration %q: must not be negative", b)
	}
	*d = Duration(v)
	return nil
}
