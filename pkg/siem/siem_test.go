package siem

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func hostile() Entry {
	return Entry{Index: 5, Event: &hoop.Event{
		Time: time.Unix(1, 0), Type: "x|y\n", Subject: "a=b\nmsg=forged", Target: `t\`, Session: "s", Text: "SELECT $1 = $2", Rule: "r", Chain: []string{"c"},
		Action: hoop.Deny, Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"p|q"}, Result: &hoop.Result{Rows: 2}, Details: []hoop.Detail{{Name: "remote_addr", Value: "10.0.0.1:99"}},
	}}
}

// What an event says cannot become another field, or another event.
func TestCEF_Escapes(t *testing.T) {
	const want = `CEF:0|hoopctl|hoop-gateway|1|x\|y |x\|y |3|rt=1000 externalId=5 suser=a\=b\nmsg\=forged dhost=t\\ act=deny msg=SELECT $1 \= $2 cs1Label=session cs1=s ` +
		`cs2Label=rule cs2=r cs4Label=onBehalfOf cs4=c cs5Label=tables cs5=p|q cs6Label=effects cs6=read cn1Label=rows cn1=2 cn2Label=maskedCells cn2=0 out=0 src=10.0.0.1`
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
