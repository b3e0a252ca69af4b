package session

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestParams_Long(t *testing.T) {
	big := bytes.Repeat([]byte("ä"), maxParams)
	params := []hoop.Param{{Value: []byte("a")}, {Value: big}, {}, {Value: big[:maxParams-2]}, {Value: []byte("xyz")}, {Binary: true, Value: append([]byte{0xff}, big...)}}
	var sizes []int64
	for _, p := range recorded(params) {
		sizes = append(sizes, p.Size)
		if p.Size > 0 && p.Value != nil {
			t.Errorf("a long value stands twice")
		}
	}
	if want := []int64{0, 2 << 20, 0, 0, 3, 2<<20 + 1}; !slices.Equal(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
	shown := Printable(params)
	if shown[0] != "a" || shown[2] != "NULL" || !strings.HasPrefix(shown[1], "äää") || !strings.HasSuffix(shown[1], "ä… (the first 4096 of 2097152 bytes; the recording has them)") ||
		shown[4] != "xyz" || !strings.HasPrefix(shown[5], `\xff`) || !strings.HasSuffix(shown[5], "(the first 4096 of 2097153 bytes; the recording has them)") {
		t.Errorf("shown %.200q", shown)
	}
	// What a digest is made of tells long values apart, from each other and from short ones.
	out, lengths := digested(params)
	other := bytes.Clone(big)
	other[len(other)-1]++
	again, _ := digested([]hoop.Param{params[0], {Value: other}})
	if len(out[1].Value) != 32 || bytes.Equal(out[1].Value, again[1].Value) || lengths[1] != len(big) || string(out[0].Value) != "a" || len(lengths) != 3 {
		t.Errorf("digested %v", lengths)
	}
	if same, none := digested(params[:1]); none != nil || &same[0] != &params[0] {
		t.Error("short values are copied")
	}
}
