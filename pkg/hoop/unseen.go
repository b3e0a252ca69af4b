package hoop

// Unseen names the letters and marks that print as nothing: Hangul fillers,
// Khmer inherent vowels, variation selectors, the braille blank (Unicode property
// Default_Ignorable_Code_Point, beside category Cf).
func Unseen(r rune) bool {
	switch {
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x2800, r == 0x3164, r == 0xffa0,
		r >= 0x180b && r <= 0x180f, r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef:
		return true
	}
	return false
}
