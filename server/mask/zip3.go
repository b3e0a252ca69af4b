package mask

import "slices"

// sparse3 are the three-digit ZIP areas with 20,000 people or fewer, by the Census of
// 2000, as HHS lists them in its guidance on 45 CFR 164.514(b)(2)(i)(B). HHS asks for
// current Census figures: this is data of that date.
var sparse3 = []string{
	"036", "059", "063", "102", "203", "556", "692", "790", "821",
	"823", "830", "831", "878", "879", "884", "890", "893",
}

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
	if slices.Contains(sparse3, z) {
		return "000", true
	}
	return z, true
}
