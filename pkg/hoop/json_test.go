package hoop

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// theirs is what encoding/json makes of v, with U+FFFD as itself.
func theirs(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `\ufffd`) {
		return string(b)
	}
	clean := reflect.New(reflect.TypeOf(v).Elem())
	if err := json.Unmarshal(b, clean.Interface()); err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(clean.Interface()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var awkward = []string{
	"", "a", "x<y>&\"z\\", "\x00\x01\b\f\n\r\t\x1f\x7f", "é\u2028\u2029\ufffd", "\xff\xc3(", "\xe2\x80", `\ufffd`, "public.\"Ö\"",
}

// fill sets every field of v, whatever fields it may get, or leaves some empty.
func fill(r *rand.Rand, v reflect.Value) {
	if r.IntN(4) == 0 {
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(3)*1_230_000).UTC()))
		return
	case v.Type() == reflect.TypeFor[Duration]():
		v.SetInt(r.Int64N(1e13))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(awkward[r.IntN(len(awkward))])
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(9) - 3)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(r, k)
		fill(r, e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	default:
		panic("a field of a kind that this test does not know: " + v.Type().String())
	}
}

// Every field that these types have, or get, must be written, and as encoding/json
// would: what is in the log is read back with it.
func TestAppendJSON_IsWhatEncodingJSONWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var e Event
		var u Use
		var d Decision
		for _, v := range []any{&e, &u, &d} {
			fill(r, reflect.ValueOf(v).Elem())
		}
		got, err := e.AppendJSON([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ got, want string }{
			{string(got), "x" + theirs(t, &e)},
			{string(u.AppendJSON(nil)), theirs(t, &u)},
			{string(d.AppendJSON(nil)), theirs(t, &d)},
		} {
			if c.got != c.want {
				t.Fatalf("got  %s\nwant %s", c.got, c.want)
			}
		}
	}
	if _, err := (&Event{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}).AppendJSON(nil); err == nil {
		t.Error("a year that JSON cannot have was written")
	}
}

func FuzzJSONString(f *testing.F) {
	for _, s := range awkward {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		got := JSONString(nil, s)
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		want, err := json.Marshal(back) // bytes that are not UTF-8 are U+FFFD in it
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) || back != strings.ToValidUTF8(s, "\ufffd") && !strings.Contains(back, "\ufffd") {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	})
}
