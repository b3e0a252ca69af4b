package replay

import (
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// null is what a NULL is shown as. A text of the same letters is quoted.
const null = "∅"

// cellText is a cell on one line.
func cellText(m *pgtype.Map, c column, v []byte) string {
	if v == nil {
		return null
	}
	text, ok := string(v), true
	if c.binary {
		text, ok = binaryText(m, c.typ, v)
	}
	if !ok {
		return hexText(v)
	}
	if text == null {
		return `"` + null + `"`
	}
	return short(text)
}

// short escapes a text and cuts it at maxCell bytes, saying so.
func short(s string) string {
	if len(s) <= maxCell {
		return iostreams.OneLine(s)
	}
	return fmt.Sprintf("%s… (%d bytes)", iostreams.OneLine(s[:maxCell]), len(s))
}

// hexText is bytes as PostgreSQL writes bytea.
func hexText(v []byte) string {
	if len(v) <= maxCell/2 {
		return `\x` + hex.EncodeToString(v)
	}
	return fmt.Sprintf(`\x%s… (%d bytes)`, hex.EncodeToString(v[:maxCell/2]), len(v))
}

// binaryText gives a value in binary format as the server would write it as text;
// false for types that are not PostgreSQL's own, and for damaged values.
func binaryText(m *pgtype.Map, oid uint32, v []byte) (text string, ok bool) {
	defer func() { // a decoder of the library that a damaged value upsets
		if recover() != nil {
			text, ok = "", false
		}
	}()
	t, known := m.TypeForOID(oid)
	if !known || oid == pgtype.ByteaOID {
		return "", false
	}
	val, err := t.Codec.DecodeValue(m, oid, pgtype.BinaryFormatCode, v)
	if err != nil {
		return "", false
	}
	b, err := m.Encode(oid, pgtype.TextFormatCode, val, nil)
	if err != nil || b == nil {
		return "", false
	}
	return string(b), true
}

// param is a bound value.
func (r *Renderer) param(p recording.Param) string {
	if p.Secret {
		return hoop.Hidden
	}
	if p.Null {
		return null
	}
	if p.Value == nil {
		return ""
	}
	return cellText(r.types, column{typ: p.Type, binary: p.Binary}, p.Value)
}
