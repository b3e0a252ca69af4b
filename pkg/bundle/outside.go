package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
)

// AppendOutside appends an event, in canonical bytes, as it stands in auditlog.OutsideFile:
// its index, a space, the event, a line end.
func AppendOutside(dst []byte, index int64, event []byte) []byte {
	dst = append(strconv.AppendInt(dst, index, 10), ' ')
	return append(append(dst, event...), '\n')
}

// outside reads auditlog.OutsideFile.
type outside struct {
	lines   *bufio.Reader
	indexes []int64 // read so far
}

func newOutside(r io.Reader) *outside {
	const longest = len("9223372036854775807 ") + auditlog.MaxEvent + len("\n")
	return &outside{lines: bufio.NewReaderSize(r, longest)}
}

// next is auditlog.Options.Outside.
func (o *outside) next() (int64, []byte, error) {
	line, err := o.lines.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(line) == 0 {
		return 0, nil, io.EOF
	}
	number, event, ok := bytes.Cut(line, []byte(" "))
	index, bad := strconv.ParseInt(string(number), 10, 64)
	if err != nil || !ok || bad != nil || !bytes.Equal(AppendOutside(nil, index, bytes.TrimSuffix(event, []byte("\n"))), line) {
		return 0, nil, fault(auditlog.OutsideFile, nil, "line %d is not an index and an event", len(o.indexes)+1)
	}
	o.indexes = append(o.indexes, index)
	return index, event[:len(event)-1], nil
}
