package session

import (
	"fmt"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestOperands(t *testing.T) {
	literals := []string{"'it''s'", "5", `'{a,"b,c",NULL,{d}}'`, "' {a,b}'", `'[1:2] = {a,b\-c}'`, `'[0:0][1:2]={{"a\"b",c}}'`}
	st := &hoop.Statement{
		Params:  []hoop.Param{{Value: []byte("x")}, {Value: nil}, {Value: []byte("{p,q}")}},
		Literal: func(n int) (string, bool) { return literals[n], n < len(literals) },
	}
	for want, ops := range map[string][]hoop.Operand{
		"[it's]":         {{Literal: 0}},
		"[5 x]":          {{Literal: 1}, {Literal: -1, Param: 1}},
		"[]":             {{Literal: -1, Param: 2}, {Literal: -1, Param: 9}},
		"[p q]":          {{Literal: -1, Param: 3, Array: true}},
		"[{p,q}]":        {{Literal: -1, Param: 3}},
		"[a b,c NULL d]": {{Literal: 2, Array: true}},
		"[t]":            {{Literal: -1, Text: "t"}},
		"[a b]":          {{Literal: 3, Array: true}},
		"[a b-c]":        {{Literal: 4, Array: true}},
		"[a\"b c]":       {{Literal: 5, Array: true}},
		"[1 2 3]":        {{Literal: -1, Text: " 1 2\t3", Array: true, Words: true}},
		"[1 2]":          {{Literal: -1, Text: "1 2", Array: true}},
	} {
		if got := fmt.Sprintf("%s", operands(st, ops)); got != want {
			t.Errorf("%v: %s, want %s", ops, got, want)
		}
	}
}

// What is in binary and no array may hold any number of values.
func TestLists_Binary(t *testing.T) {
	array := []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01x\xff\xff\xff\xff")
	words := []byte("\x00\x00\x00\x02a\x00\x00\x00b\x00\x00\x00")
	for name, c := range map[string]struct {
		value []byte
		words bool
		want  bool
	}{
		"an array":           {array, true, false},
		"an array cut short": {array[:len(array)-1], true, true},
		"a tsvector":         {words, true, true},
		"a value":            {words, false, false},
		"NULL":               {nil, true, false},
	} {
		st := &hoop.Statement{Params: []hoop.Param{{Value: c.value, Binary: true}}}
		if got := lists(st, []hoop.Operand{{Literal: -1, Param: 1, Array: true, Words: c.words}}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Arrays come from the client: whatever their bytes, their elements are parts of them.
func FuzzElements(f *testing.F) {
	f.Add([]byte(`{a,"b\\"",{c}}`))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x19\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, v []byte) {
		binary, _ := binaryElements(v)
		for _, list := range [][][]byte{elements(v), binary} {
			sum := 0
			for _, e := range list {
				sum += len(e)
			}
			if sum > len(v) {
				t.Fatalf("%x: %d bytes of elements", v, sum)
			}
		}
	})
}
