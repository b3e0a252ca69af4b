package recording

import (
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What is written without encoding/json must be what encoding/json writes.
func TestAppendMeta_IsWhatEncodingJSONWrites(t *testing.T) {
	for _, text := range []string{"", "select 'a' < \"b\"", "\xffselect\xff\xff", "é\u2028\ufffd"} {
		for _, st := range []*Statement{
			nil,
			{Text: text},
			{Text: text, Raw: []byte("raw"), Params: []Param{{}, {Type: 25, Binary: true, Value: []byte{0, 255}}, {Null: true}, {Value: []byte("x")}, {Type: 25, Secret: true}}, Secrets: 2},
			{Text: text, Uses: []hoop.Use{{Effect: hoop.EffectRead, Tables: []string{"a", text}}, {Effect: "x", Why: text}}, Decision: hoop.Decision{
				Action: hoop.Approve, Rule: text, Reason: text, Policy: "p", Approval: &hoop.ApprovalRule{Groups: []string{"g"}, Count: 2},
			}},
		} {
			for _, res := range []*hoop.Result{nil, {Tag: text, Rows: 3, SQLState: "00000", Digest: "d"}} {
				r := &Record{Statement: st, Result: res}
				got, err := appendMeta(nil, r)
				if err != nil {
					t.Fatal(err)
				}
				if st == nil && res == nil {
					if len(got) != 0 {
						t.Errorf("nothing is written as %s", got)
					}
					continue
				}
				want, err := encodeMeta(r)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		}
	}
}
