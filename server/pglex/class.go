package pglex

// class is what a byte can begin outside of quotes. A byte of class 0 begins nothing
// that the subset has.
type class byte

const (
	classSpace class = 1 << iota
	classLetter
	classDigit
	classDollar
	classOperator
	classPunctuation
)

// classes follows scan.l: space, ident_start, ident_cont, decdigit, op_chars and self.
// Vertical tabs are left out: they are white space from PostgreSQL 16 on only.
var classes = func() (t [256]class) {
	set := func(chars string, c class) {
		for i := range len(chars) {
			t[chars[i]] = c
		}
	}
	set(" \t\n\r\f", classSpace)
	set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", classLetter)
	set("0123456789", classDigit)
	set("$", classDollar)
	set("~!@#^&|`?+-*/%<>=", classOperator)
	set(",()[].;:", classPunctuation)
	return t
}()

// wordEnds are the bytes that a shape keeps literals apart from.
var wordEnds = func() (t [256]bool) {
	for i := range t {
		t[i] = classes[i]&(classLetter|classDigit|classDollar) != 0 || i == '"' || i >= 0x80
	}
	return t
}()
