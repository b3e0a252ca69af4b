// Package siem writes events of the audit log in the forms that security information
// systems read: JSON, CEF and OCSF. An event carries no literal, parameter or
// credential, and neither does what is made of it. The log stays the evidence: these
// are copies for watching.
package siem

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Formats are the names that Encode takes.
var Formats = []string{"json", "cef", "ocsf"}

// Entry is an event with its index in the log.
type Entry struct {
	Index int64       `json:"index"`
	Event *hoop.Event `json:"event"`
}

// Encode writes an entry on one line, without a line end.
func Encode(format string, e Entry) ([]byte, error) {
	switch format {
	case "json":
		return json.Marshal(e)
	case "cef":
		return []byte(CEF(e)), nil
	case "ocsf":
		return json.Marshal(OCSF(e))
	}
	return nil, fmt.Errorf("unknown format %q; there are %s", format, strings.Join(Formats, ", "))
}

// Alarming reports whether people should look at an event: something was refused,
// failed, or ended by force.
func Alarming(e *hoop.Event) bool {
	switch e.Type {
	case hoop.EventSignInFailed, hoop.EventSessionDenied, hoop.EventDenial, hoop.EventRevocation, hoop.EventRecovery,
		hoop.EventAlert, hoop.EventAPIDenied, hoop.EventProtection:
		return true
	}
	return e.Type == hoop.EventStatement && e.Action == hoop.Deny
}

// severity is CEF's, 0 to 10.
func severity(e *hoop.Event) int {
	switch {
	case Alarming(e):
		return 7
	case e.Type == hoop.EventPolicy || e.Type == hoop.EventResource || e.Type == hoop.EventRead || e.Type == hoop.EventExport || e.Type == hoop.EventExplain:
		return 5
	}
	return 3
}

var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// CEF is the event in ArcSight's Common Event Format, version 0.
func CEF(entry Entry) string {
	e := entry.Event
	var b strings.Builder
	fmt.Fprintf(&b, "CEF:0|hoopctl|hoop-gateway|1|%s|%s|%d|", cefHeader.Replace(string(e.Type)), cefHeader.Replace(string(e.Type)), severity(e))
	first := true
	add := func(key, value string) {
		if value == "" {
			return
		}
		if !first {
			b.WriteByte(' ')
		}
		first = false
		b.WriteString(key + "=" + cefValue.Replace(value))
	}
	add("rt", strconv.FormatInt(e.Time.UnixMilli(), 10))
	add("externalId", strconv.FormatInt(entry.Index, 10))
	add("suser", e.Subject)
	add("dhost", e.Target)
	add("act", string(e.Action))
	add("reason", e.Reason)
	add("msg", e.Text)
	labelled := func(n int, label, value string) {
		if value != "" {
			add(fmt.Sprintf("cs%dLabel", n), label)
			add(fmt.Sprintf("cs%d", n), value)
		}
	}
	labelled(1, "session", e.Session)
	labelled(2, "rule", e.Rule)
	labelled(3, "grant", e.Grant)
	labelled(4, "onBehalfOf", strings.Join(e.Chain, ","))
	labelled(5, "tables", strings.Join(e.Tables, ","))
	effects := make([]string, len(e.Effects))
	for i, f := range e.Effects {
		effects[i] = string(f)
	}
	labelled(6, "effects", strings.Join(effects, ","))
	if r := e.Result; r != nil {
		add("cn1Label", "rows")
		add("cn1", strconv.FormatInt(r.Rows, 10))
		add("cn2Label", "maskedCells")
		add("cn2", strconv.FormatInt(r.Masked, 10))
		add("cn3Label", "changedRows")
		add("cn3", strconv.FormatInt(r.Changed, 10))
		add("out", strconv.FormatInt(r.Bytes, 10))
		add("outcome", r.SQLState)
	}
	for _, d := range e.Details {
		if d.Name == "address" || d.Name == "remote_addr" {
			add("src", host(d.Value))
		}
	}
	return b.String()
}

// host is an address without its port.
func host(s string) string {
	if i := strings.LastIndexByte(s, ':'); i > 0 && strings.Count(s, ":") == 1 {
		return s[:i]
	}
	return s
}

// ocsf is an event in the Open Cybersecurity Schema Framework, version 1.3.0. What has
// no attribute of its own is in unmapped.
type ocsf struct {
	ClassUID     int            `json:"class_uid"`
	ClassName    string         `json:"class_name"`
	CategoryUID  int            `json:"category_uid"`
	CategoryName string         `json:"category_name"`
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name,omitempty"`
	TypeUID      int            `json:"type_uid"`
	Time         int64          `json:"time"` // milliseconds since 1970
	SeverityID   int            `json:"severity_id"`
	StatusID     int            `json:"status_id"`
	Message      string         `json:"message,omitempty"`
	Metadata     ocsfMetadata   `json:"metadata"`
	Actor        ocsfActor      `json:"actor"`
	User         *ocsfUser      `json:"user,omitempty"`         // of Authentication
	Service      *ocsfNamed     `json:"service,omitempty"`      // of Authentication
	Source       *ocsfEndpoint  `json:"src_endpoint,omitempty"` // of Datastore Activity
	Database     *ocsfDatabase  `json:"database,omitempty"`     // of Datastore Activity
	Query        *ocsfQuery     `json:"query_info,omitempty"`   // of Datastore Activity
	Entity       *ocsfEntity    `json:"entity,omitempty"`       // of Entity Management
	Comment      string         `json:"comment,omitempty"`
	Unmapped     map[string]any `json:"unmapped"`
}

type ocsfMetadata struct {
	Version string `json:"version"`
	Product struct {
		Name   string `json:"name"`
		Vendor string `json:"vendor_name"`
	} `json:"product"`
	Sequence int64 `json:"sequence"`
}

type ocsfActor struct {
	User    ocsfUser `json:"user"`
	Session *struct {
		UID string `json:"uid"`
	} `json:"session,omitempty"`
}

type ocsfUser struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

type ocsfNamed struct {
	Name string `json:"name"`
}

type ocsfEndpoint struct {
	Service string `json:"svc_name"`
}

type ocsfDatabase struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

type ocsfQuery struct {
	Text string `json:"query_string"`
}

type ocsfEntity struct {
	Name string `json:"name"`
	Type string `json:"type"`
	UID  string `json:"uid,omitempty"`
}

// product is this gateway, as a service and as the source of what it forwards.
const product = "hoop-gateway"

// OCSF gives the event as a value to be encoded in JSON: sign-ins as Authentication
// (3002), statements and results as Datastore Activity (6005), all else as Entity
// Management (3004). Each has the attributes that its class requires.
func OCSF(entry Entry) any {
	e := entry.Event
	o := ocsf{Time: e.Time.UnixMilli(), SeverityID: 1, StatusID: 1, Message: e.Text, Unmapped: map[string]any{"event": e}}
	switch e.Type {
	case hoop.EventSignIn, hoop.EventSignInFailed, hoop.EventSignOut:
		o.ClassUID, o.ClassName, o.CategoryUID, o.CategoryName = 3002, "Authentication", 3, "Identity & Access Management"
		o.ActivityID = 1 // Logon
		if e.Type == hoop.EventSignOut {
			o.ActivityID = 2 // Logoff
		}
		o.User, o.Service = &ocsfUser{unknown(e.Subject), unknown(e.Subject)}, &ocsfNamed{product}
	case hoop.EventStatement, hoop.EventResult, hoop.EventCancel:
		o.ClassUID, o.ClassName, o.CategoryUID, o.CategoryName = 6005, "Datastore Activity", 6, "Application Activity"
		o.ActivityID = 4 // Query
		o.Source, o.Database = &ocsfEndpoint{product}, &ocsfDatabase{unknown(e.Target), "Relational", 1}
		if e.Text != "" {
			o.Query = &ocsfQuery{e.Text}
		}
	default:
		o.ClassUID, o.ClassName, o.CategoryUID, o.CategoryName = 3004, "Entity Management", 3, "Identity & Access Management"
		o.ActivityID, o.ActivityName = 99, string(e.Type) // Other
		o.Entity, o.Comment = entityOf(e), e.Reason
	}
	if Alarming(e) {
		o.SeverityID, o.StatusID = 3, 2 // Medium; Failure
	}
	o.TypeUID = o.ClassUID*100 + o.ActivityID
	o.Metadata.Version, o.Metadata.Sequence = "1.3.0", entry.Index
	o.Metadata.Product.Name, o.Metadata.Product.Vendor = product, "hoopctl"
	o.Actor.User = ocsfUser{unknown(e.Subject), unknown(e.Subject)}
	if e.Session != "" {
		o.Actor.Session = &struct {
			UID string `json:"uid"`
		}{e.Session}
	}
	return o
}

func unknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// entityOf is what an event is about: a session, a grant, a request, a target, or itself.
func entityOf(e *hoop.Event) *ocsfEntity {
	switch {
	case e.Session != "":
		return &ocsfEntity{Name: e.Session, Type: "session", UID: e.Session}
	case e.Grant != "":
		return &ocsfEntity{Name: e.Grant, Type: "grant", UID: e.Grant}
	case e.Request != 0:
		id := strconv.FormatInt(e.Request, 10)
		return &ocsfEntity{Name: id, Type: "request", UID: id}
	case e.Target != "":
		return &ocsfEntity{Name: e.Target, Type: "target"}
	}
	return &ocsfEntity{Name: unknown(string(e.Type)), Type: "event"}
}
