package auditlog_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// FuzzDecode: what is taken for an event encodes back to the same bytes.
func FuzzDecode(f *testing.F) {
	for _, e := range []hoop.Event{
		{Type: hoop.EventStart, Time: time.Unix(1, 2).UTC()},
		{Type: hoop.EventStatement, Session: "s", Counter: 2, Text: "select \xff <$1>", Tables: []string{"a"}, Result: &hoop.Result{}},
		{Type: hoop.EventSessionEnd, Record: &hoop.Record{SHA256: "00", Size: 1, Events: 3}, Details: []hoop.Detail{{Name: "n"}}},
	} {
		b, err := auditlog.Encode(&e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := auditlog.Decode(b)
		if err != nil {
			return
		}
		again, err := auditlog.Encode(e)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q encodes back to %q, %v", b, again, err)
		}
	})
}

// FuzzEncode: whatever an event says, its canonical bytes are canonical.
func FuzzEncode(f *testing.F) {
	f.Add("select 1", "alice", int64(5))
	f.Add("\xff\xfe\\ufffd\ufffd", "<>&\u2028", int64(-1))
	f.Fuzz(func(t *testing.T, text, subject string, at int64) {
		e := hoop.Event{Type: hoop.EventSignIn, Time: time.Unix(at%1e11, at%1e9), Text: text, Subject: subject, Details: []hoop.Detail{{Value: text}}}
		b, err := auditlog.Encode(auditlog.Fit(&e))
		if err != nil {
			return
		}
		if _, err := auditlog.Decode(b); err != nil {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// FuzzBundle: a bundle of entries is what its entries make again.
func FuzzBundle(f *testing.F) {
	f.Add(auditlog.AppendEntry(auditlog.AppendEntry(nil, []byte("one")), nil))
	f.Add([]byte{0, 5, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for rest := b; len(rest) > 0; {
			entry, tail, err := auditlog.NextEntry(rest)
			if err != nil {
				return
			}
			again, rest = auditlog.AppendEntry(again, entry), tail
		}
		if !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
	})
}

// FuzzCheckpoint: bytes that nobody signed are never taken.
func FuzzCheckpoint(f *testing.F) {
	folder := newFolder(f)
	good := folder.checkpoint()
	v, err := auditlog.NewVerifier([]byte(folder.key))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("test.example/audit\n0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := auditlog.OpenCheckpoint(b, v)
		if err == nil && (c.Size != 0 || !bytes.HasPrefix(b, good[:bytes.Index(good, []byte("\n\n"))])) {
			t.Errorf("%q was taken as %+v", b, c)
		}
	})
}

// FuzzCheckpointText: a text that the log's key signed is taken only as the checkpoint
// that has this text.
func FuzzCheckpointText(f *testing.F) {
	skey, vkey, err := note.GenerateKey(nil, "test.example/audit")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		f.Fatal(err)
	}
	v, err := auditlog.NewVerifier([]byte(vkey))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(auditlog.Checkpoint{Origin: "test.example/audit", Size: 12}.Text())
	f.Add(auditlog.Checkpoint{Origin: "test.example/audit"}.Text() + "extension\n")
	f.Add("test.example/audit\n012\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	f.Add("test.example/audit\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		if c, err := auditlog.OpenCheckpoint(b, v); err == nil && c.Text() != text {
			t.Errorf("%q was taken as %q", text, c.Text())
		}
	})
}

// FuzzVerifierKey: a key is taken as it is written, and in no other way.
func FuzzVerifierKey(f *testing.F) {
	f.Add([]byte(newFolder(f).key))
	f.Add([]byte("test.example/audit+ABCDEF01+AAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := auditlog.NewVerifier(b)
		if err != nil {
			return
		}
		text := string(bytes.TrimSpace(b))
		key, err := base64.StdEncoding.DecodeString(text[strings.LastIndexByte(text[:len(v.Name())+10], '+')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if again := fmt.Sprintf("%s+%08x+%s", v.Name(), v.KeyHash(), base64.StdEncoding.EncodeToString(key)); again != text {
			t.Errorf("%q was taken as %q", text, again)
		}
	})
}

// FuzzEdge: the partial tiles of a tree are what it makes of them again, and of the
// wrong length they are refused.
func FuzzEdge(f *testing.F) {
	f.Add(int64(3), bytes.Repeat([]byte{7}, 3*32))
	f.Add(int64(257), bytes.Repeat([]byte{8}, 2*32))
	f.Add(int64(1), []byte("short"))
	f.Add(int64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, size int64, tiles []byte) {
		if size < 0 {
			return
		}
		rest := tiles
		e, err := auditlog.LoadEdge(size, func(_ int, _ int64, width int) ([]byte, error) {
			tile := rest[:min(width*32, len(rest))]
			rest = rest[len(tile):]
			return tile, nil
		})
		if err != nil {
			return
		}
		var again []byte
		for level := range auditlog.Levels(size) {
			again = append(again, auditlog.TileBytes(e.Partial(level))...)
		}
		if want := tiles[:len(tiles)-len(rest)]; !bytes.Equal(again, want) || e.Size() != size {
			t.Errorf("size %d: got %x, want %x", e.Size(), again, want)
		}
	})
}

// FuzzCosignature: of the signature that a witness gave for a checkpoint, no other form is
// taken. Lines of others may stand beside it.
func FuzzCosignature(f *testing.F) {
	skey, _, err := note.GenerateKey(nil, "w.example")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := f_note.NewSignerForCosignatureV1(skey)
	if err != nil {
		f.Fatal(err)
	}
	c := auditlog.Checkpoint{Origin: "test.example/audit", Size: 12}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signer)
	if err != nil {
		f.Fatal(err)
	}
	good := signed[len(c.Text())+1:]
	f.Add(good)
	stray := bytes.Clone(good)
	stray[len(stray)-4]++ // of the last character before "==" only two bits count
	f.Add(stray)
	f.Add([]byte("— w.example AAAA\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		sig, _, err := auditlog.CheckCosignature(c, line, signer.Verifier())
		if err == nil && auditlog.CosignatureLine("w.example", sig) != string(good) {
			t.Errorf("%q was taken", line)
		}
	})
}
