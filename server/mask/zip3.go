package mask

import (
	_ "embed" // the list
	"strings"
)

//go:embed zip3_2000.txt
var zip3List string

// sparse3 are the three-digit ZIP areas with 20,000 people or fewer; the file says by
// which census.
var sparse3 = func() map[string]bool {
	m := map[string]bool{}
	for line := range strings.Lines(zip3List) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			m[line] = true
		}
	}
	return m
}()

// zip3 is the first three digits of a ZIP code (12345, 12345-6789, 123456789), 000 for
// sparse areas.
func zip3(v []byte) (string, bool) {
	digits := 0
	for i, c := range v {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '-' && i == 5 && len(v) == 10:
		default:
			return "", false
		}
	}
	if digits != 3 && digits != 5 && digits != 9 {
		return "", false
	}
	z := string(v[:3])
	if sparse3[z] {
		return "000", true
	}
	return z, true
}
