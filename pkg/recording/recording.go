// Package recording is the format of a session's recording: one file per session that
// tells what ran and what the client saw, encrypted for the recipients named in its
// header. spec.md beside this file is the specification.
//
// An Encoder turns records into bytes to append to the file and keeps the running
// SHA-256 that the audit log commits to; where the bytes go is the caller's business.
// A Reader takes them back with an age identity; Inspect checks a file's structure
// without one.
package recording

import (
	"errors"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Kind says what a record tells.
type Kind byte

// The kinds of record.
const (
	KindStart     Kind = 1 // the session began: Session, DigestKey
	KindStatement Kind = 2 // what the client wants to run, and the decision: Statement
	KindOutput    Kind = 3 // bytes as the client saw them: Wire, or Dropped and Digest
	KindInput     Kind = 4 // COPY data, and long bound values, as the client sent them: Wire, or Dropped and Digest
	KindNotice    Kind = 5 // what the gateway itself told the client: Text
	KindApproval  Kind = 6 // a hold as it began, and how it ended: Request
	KindResult    Kind = 7 // how a statement ended: Result
	KindEnd       Kind = 8 // the session ended: Session, Text
)

var kindNames = [...]string{
	KindStart: "start", KindStatement: "statement", KindOutput: "output", KindInput: "input",
	KindNotice: "notice", KindApproval: "approval", KindResult: "result", KindEnd: "end",
}

// String is the kind's name, as in JSON.
func (k Kind) String() string {
	if !k.valid() {
		return "unknown"
	}
	return kindNames[k]
}

func (k Kind) valid() bool { return k >= KindStart && k <= KindEnd }

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) {
	if !k.valid() {
		return nil, errKind
	}
	return []byte(k.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kindNames {
		if name != "" && name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return errKind
}

var errKind = errors.New("unknown kind of record")

// Record is one thing that happened in a session. Its JSON is a line of what the API
// gives out; in the file it has a compact form (spec.md).
type Record struct {
	Kind      Kind              `json:"kind"`
	At        time.Duration     `json:"at_ns"`                // since the session began
	Counter   int64             `json:"counter,omitempty"`    // of the statement's event, where it belongs to one
	Session   *hoop.SessionInfo `json:"session,omitempty"`    //
	DigestKey []byte            `json:"digest_key,omitempty"` // with it the digests in the audit log can be checked
	Statement *Statement        `json:"statement,omitempty"`  //
	Request   *hoop.Request     `json:"request,omitempty"`    //
	Result    *hoop.Result      `json:"result,omitempty"`     //
	Text      string            `json:"text,omitempty"`       //
	Dropped   int64             `json:"dropped,omitempty"`    // bytes that were not kept, for the size limit
	Digest    string            `json:"digest,omitempty"`     // of what was dropped: HMAC-SHA256 with the digest key, hex
	Wire      []byte            `json:"wire,omitempty"`       // protocol bytes
	// Hidden says that this copy is without its literals, parameters or data from the
	// client. It is never so in a file.
	Hidden bool `json:"hidden,omitempty"`
}

// Statement is a statement with what was decided about it. Unlike the audit log, the
// recording has its literals and parameters.
type Statement struct {
	Text     string        `json:"text"`              // exactly as sent, but for secrets, if that is UTF-8
	Raw      []byte        `json:"raw,omitempty"`     // exactly as sent, where Text cannot be; set by AppendRecord
	Shape    string        `json:"shape,omitempty"`   // Text without literals, as in the audit log; empty where nobody could tell them apart
	Secrets  int           `json:"secrets,omitempty"` // how many credentials Text has hoop.Hidden for
	Params   []Param       `json:"params,omitempty"`
	Uses     []hoop.Use    `json:"effects,omitempty"`
	Decision hoop.Decision `json:"decision"`
}

// Param is one bound value, as sent. Of a value that is too long to stand here Size is
// the number of bytes, and they follow in input records of the same counter, in the
// order of the parameters.
type Param struct {
	Type   uint32 `json:"type,omitempty"` // type OID
	Binary bool   `json:"binary,omitempty"`
	Null   bool   `json:"null,omitempty"`
	Value  []byte `json:"value,omitempty"`
	Size   int64  `json:"size,omitempty"`
	Secret bool   `json:"secret,omitempty"` // it is a credential, and there is neither Value nor Size
}

// Errors of reading. They are wrapped with where.
var (
	ErrFormat     = errors.New("not a recording, or damaged")
	ErrUnfinished = errors.New("the recording ends before its end mark: the session still runs, its gateway crashed, or the file was cut")
	ErrNoIdentity = errors.New("no identity at hand opens this recording")
)

// MaxFrame is the most bytes that a frame may hold, before and after compression.
const MaxFrame = 72 << 20

// Hide gives a copy of r for those who may see what ran and what came back, but neither
// literals and parameters, nor data that the client sent. The key of digests goes too:
// with it short literals could be guessed.
func (r *Record) Hide() *Record {
	c := *r
	c.DigestKey = nil
	if st := r.Statement; st != nil {
		c.Hidden = true
		c.Statement = &Statement{Text: st.Shape, Shape: st.Shape, Params: make([]Param, len(st.Params)), Uses: st.Uses, Decision: st.Decision}
		for i, p := range st.Params {
			c.Statement.Params[i].Type, c.Statement.Params[i].Size, c.Statement.Params[i].Secret = p.Type, p.Size, p.Secret
		}
	}
	if q := r.Request; q != nil && (q.Statement != "" || len(q.Params)+len(q.Executes) > 0) {
		c.Hidden = true
		shown := *q
		shown.Statement, shown.Params, shown.Executes, shown.Writing = "", nil, nil, nil
		c.Request = &shown
	}
	if r.Kind == KindInput {
		c.Hidden, c.Wire, c.Digest = true, nil, ""
		c.Dropped += int64(len(r.Wire))
	}
	return &c
}
