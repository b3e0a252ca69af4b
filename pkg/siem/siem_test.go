package siem

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func hostile() Entry {
	return Entry{Index: 5, Event: &hoop.Event{
		Time: time.Unix(1, 0), Type: "x|y\n", Subject: "a=b\nmsg=forged", Target: `t\`, Session: "s", Text: "SELECT $1 = $2", Rule: "r", Chain: []string{"c"},
		Action: hoop.Deny, Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"p|q"}, Result: &hoop.Result{Rows: 2, Changed: 3}, Details: []hoop.Detail{{Name: "remote_addr", Value: "10.0.0.1:99"}},
	}}
}

// What an event says cannot become another field, or another event.
func TestCEF_Escapes(t *testing.T) {
	const want = `CEF:0|hoopctl|hoop-gateway|1|x\|y |x\|y |3|rt=1000 externalId=5 suser=a\=b\nmsg\=forged dhost=t\\ act=deny msg=SELECT $1 \= $2 cs1Label=session cs1=s ` +
		`cs2Label=rule cs2=r cs4Label=onBehalfOf cs4=c cs5Label=tables cs5=p|q cs6Label=effects cs6=read cn1Label=rows cn1=2 cn2Label=maskedCells cn2=0 cn3Label=changedRows cn3=3 out=0 src=10.0.0.1`
	if got := CEF(hostile()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEncode_OneLineEach(t *testing.T) {
	for _, f := range Formats {
		b, err := Encode(f, hostile())
		if err != nil || strings.ContainsAny(string(b), "\n\r") {
			t.Errorf("%s: %q, %v", f, b, err)
		}
		if f != "cef" && !json.Valid(b) {
			t.Errorf("%s: %q", f, b)
		}
	}
	if _, err := Encode("xml", hostile()); err == nil {
		t.Error("an unknown format")
	}
}

func TestOCSF(t *testing.T) {
	for typ, want := range map[hoop.EventType]string{
		hoop.EventSignInFailed: `"class_uid":3002,"class_name":"Authentication","category_uid":3,"category_name":"Identity \u0026 Access Management","activity_id":1,"type_uid":300201,"time":1000,"severity_id":3,"status_id":2`,
		hoop.EventStatement:    `"class_uid":6005,"class_name":"Datastore Activity","category_uid":6,"category_name":"Application Activity","activity_id":4,"type_uid":600504`,
		hoop.EventGrant:        `"class_uid":3004`,
	} {
		e := hostile()
		e.Event.Type = typ
		if b, err := Encode("ocsf", e); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: got %s, %v", typ, b, err)
		}
	}
}

// Attributes that OCSF 1.3.0 requires, by class: events/base_event.json,
// events/iam/authentication.json, events/application/datastore_activity.json,
// events/iam/entity_management.json and the objects they name. Of those in an inner list
// at least one.
var required = map[float64][][]string{
	3002: {{"user.name"}, {"service.name", "dst_endpoint"}},
	6005: {{"actor.user.uid"}, {"src_endpoint.svc_name"}, {"database.name", "databucket", "table"}, {"database.type_id"}},
	3004: {{"entity.name", "entity.uid"}, {"activity_name"}},
}

func TestOCSF_RequiredAttributes(t *testing.T) {
	classes := make(map[float64]bool)
	for _, typ := range hoop.EventTypes {
		for _, e := range []*hoop.Event{{Type: typ}, hostile().Event} {
			e.Type = typ
			b, err := Encode("ocsf", Entry{Index: 1, Event: e})
			if err != nil {
				t.Fatal(err)
			}
			var o map[string]any
			if err := json.Unmarshal(b, &o); err != nil {
				t.Fatal(err)
			}
			class, _ := o["class_uid"].(float64)
			classes[class] = true
			want := append([][]string{
				{"activity_id"}, {"category_uid"}, {"class_uid"}, {"metadata.version"}, {"metadata.product.vendor_name"}, {"severity_id"}, {"time"}, {"type_uid"},
			}, required[class]...)
			for _, names := range want {
				if !slices.ContainsFunc(names, func(name string) bool { return has(o, name) }) {
					t.Errorf("%s: class %v lacks %v: %s", typ, class, names, b)
				}
			}
			activity, _ := o["activity_id"].(float64)
			if category, _ := o["category_uid"].(float64); o["type_uid"] != class*100+activity || category != float64(int(class)/1000) {
				t.Errorf("%s: its numbers do not agree: %s", typ, b)
			}
		}
	}
	if len(classes) != len(required) {
		t.Errorf("classes %v", slices.Collect(maps.Keys(classes)))
	}
}

// has tells whether there is something that is not empty at a path.
func has(v any, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		v = m[name]
	}
	return v != nil && v != ""
}

// FuzzCEF: whatever an event says, a reader of CEF finds the fields that were written, with
// the values that they had, and no other.
func FuzzCEF(f *testing.F) {
	f.Add("alice", "a=b\nmsg=forged", `t\`, "x|y")
	f.Add("", " act=allow", "\r\n", "\u2028")
	f.Fuzz(func(t *testing.T, subject, text, reason, typ string) {
		e := Entry{Index: 7, Event: &hoop.Event{Time: time.Unix(1, 0), Type: hoop.EventType(typ), Subject: subject, Text: text, Reason: reason, Session: "s"}}
		line := CEF(e)
		if strings.ContainsAny(line, "\r\n") {
			t.Fatalf("more than one line: %q", line)
		}
		header, fields := readCEF(t, line)
		oneLine := strings.NewReplacer("\n", " ", "\r", " ").Replace(typ)
		if len(header) != 7 || header[4] != oneLine || header[5] != oneLine {
			t.Errorf("header %q of %q", header, line)
		}
		want := map[string]string{"rt": "1000", "externalId": "7", "cs1Label": "session", "cs1": "s"}
		for name, value := range map[string]string{"suser": subject, "msg": text, "reason": reason} {
			if value != "" {
				want[name] = value
			}
		}
		if !maps.Equal(fields, want) {
			t.Errorf("got %q, want %q, of %q", fields, want, line)
		}
	})
}

// readCEF reads as ArcSight's "Common Event Format" says: seven fields that | ends, then
// names and values; in them a backslash takes the next character for itself.
func readCEF(t *testing.T, line string) (header []string, fields map[string]string) {
	t.Helper()
	var word strings.Builder
	i := 0
	for ; i < len(line) && len(header) < 7; i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '|':
			header = append(header, word.String())
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	fields = make(map[string]string)
	name := ""
	for rest := line[i:]; len(rest) > 0; rest = rest[1:] {
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			c := rest[1]
			switch c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			}
			word.WriteByte(c)
			rest = rest[1:]
		case rest[0] == '=':
			// The name is the last word; what stands before it was the value before.
			value, next := "", word.String()
			if at := strings.LastIndexByte(next, ' '); at >= 0 {
				value, next = next[:at], next[at+1:]
			}
			if name != "" {
				fields[name] = value
			}
			name = next
			word.Reset()
		default:
			word.WriteByte(rest[0])
		}
	}
	if name != "" {
		fields[name] = word.String()
	}
	return header, fields
}

// What people must look at is told apart from what happens all day.
func TestCEF_Severity(t *testing.T) {
	for typ, want := range map[hoop.EventType]string{
		hoop.EventAlert: "|7|", hoop.EventAPIDenied: "|7|", hoop.EventProtection: "|7|", hoop.EventDenial: "|7|",
		hoop.EventRead: "|5|", hoop.EventStatement: "|3|",
	} {
		if got := CEF(Entry{Event: &hoop.Event{Type: typ}}); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want severity %s", typ, got, want)
		}
	}
}
