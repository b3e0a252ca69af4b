package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// stateNoFunction is undefined_function.
const stateNoFunction = "42883"

// callTag stands for the command tag that a FunctionCall does not have.
const callTag = "CALL"

// functionCall judges a FunctionCall message as the SELECT that calls the function, and
// forwards it. libpq's large-object functions need it (manual, "Function Call").
func (c *conn) functionCall(frame, body []byte) error {
	call, err := parseFunctionCall(body)
	if err != nil {
		return c.refuseQuery(protocolError("malformed FunctionCall message"))
	}
	overtaken := c.judging()
	r, err := c.judgeCall(call)
	if overtaken() && err == nil {
		r.end("", stateCanceled)
		err = errCancelled()
	}
	if errors.Is(err, errTerminated) || c.ctx.Err() != nil {
		return errTerminated
	}
	if err != nil {
		return c.refuseQuery(err)
	}
	e := &expected{kind: 'F', run: r}
	c.enclose(e)
	if !c.push(e) {
		r.end("", "")
		return nil
	}
	c.forwarded(e)
	c.out = append(c.out, frame...)
	if e.keeps {
		return c.conclude()
	}
	return nil
}

// call is a FunctionCall message.
type call struct {
	function uint32
	params   []hoop.Param
	binary   bool // the format of the result
}

// parseFunctionCall copies what it returns: 4B function + 2B n + 2B formats + 2B n +
// values + 2B result format.
func parseFunctionCall(body []byte) (call, error) {
	f := fields{b: body}
	k := call{function: f.uint32()}
	formats := make([]bool, 0, 8)
	for range f.uint16() {
		formats = append(formats, f.uint16() == 1)
		if f.err != nil {
			return k, f.err
		}
	}
	n := int(f.uint16())
	if f.err != nil || len(f.b) < 4*n || len(formats) > 1 && len(formats) != n {
		return k, errMalformed
	}
	f.b = append([]byte(nil), f.b...)
	k.params = make([]hoop.Param, n)
	for i := range k.params {
		k.params[i].Value = f.value()
		switch len(formats) {
		case 0:
		case 1:
			k.params[i].Binary = formats[0]
		default:
			k.params[i].Binary = formats[i]
		}
	}
	k.binary = f.uint16() == 1
	return k, f.done()
}

func (c *conn) judgeCall(k call) (*running, error) {
	snap, err := c.snapshot(c.ctx)
	if err != nil {
		return nil, err
	}
	f, ok := snap.Function(k.function)
	if !ok {
		return nil, &stateError{state: stateNoFunction, message: fmt.Sprintf("function with OID %d does not exist", k.function)}
	}
	m, err := c.means(c.ctx, callText(f, len(k.params)), nil, snap)
	if err != nil {
		return nil, err
	}
	r, err := c.run(m, false, k.params)
	if err != nil {
		return nil, err
	}
	if plainNumber(k.function) {
		return r, nil
	}
	// No client of this message expects a NULL or a marker for an answer.
	r.result = r.run.Plan([]hoop.Column{{Name: f.Name, Type: typeOf(snap, f.Returns, -1), Binary: k.binary}}).Columns[0]
	if r.result != nil && r.result.Rule != "" {
		err := hoop.Errorf(hoop.CodeDenied, "the result of %s would have to be masked for you", f.Name).
			WithHint("call the function in a SELECT: its value is masked there")
		return nil, c.disallowed(r, err)
	}
	return r, nil
}

// loread is the one function of large objects that gives what is in them.
const loread = 954

// plainNumber reports whether a function of PostgreSQL's own gives a handle, the number
// of a large object, a position or a count: nothing of what is stored.
func plainNumber(function uint32) bool { return largeObjects[function] && function != loread }

// callText is the statement that a FunctionCall with n arguments stands for. Functions
// of the same name are judged together.
func callText(f *catalog.Function, n int) string {
	var b strings.Builder
	b.WriteString("SELECT " + quoteName(f.Schema) + "." + quoteName(f.Name) + "(")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String() + ")"
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// functionResult: FunctionCallResponse, a value.
func (a *answerer) functionResult(e *expected, m []byte) error {
	if e.kind != 'F' || e.run == nil {
		return a.fault("result of a function while an answer to %q is due", e.kind)
	}
	value, err := parseResult(m[headerSize:])
	if err != nil {
		return a.fault("FunctionCallResponse: %v", err)
	}
	if err := a.renewedWhole(e.run); err != nil {
		return err
	}
	if err := e.run.row(); err != nil {
		return err
	}
	e.run.gave(len(value))
	if e.run.result == nil || value == nil {
		a.relayed(len(m))
	} else {
		out := appendResult(nil, value, e.run)
		if err := e.run.run.Touched(); err != nil {
			return err
		}
		a.drop(len(m))
		a.win = append(a.win, out...)
	}
	e.run.end(callTag, "")
	return nil
}

// parseResult reads a FunctionCallResponse: a value, nil for NULL.
func parseResult(body []byte) (value []byte, err error) {
	f := fields{b: body}
	value = f.value()
	return value, f.done()
}

// appendResult appends a FunctionCallResponse with the value masked.
func appendResult(dst, value []byte, r *running) []byte {
	dst, start := begin(dst, 'V')
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst, null, changed := r.result.Append(dst, value)
	if changed {
		r.res.Masked++
	}
	if null {
		return end(append(dst[:at], 0xff, 0xff, 0xff, 0xff), start)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return end(dst, start)
}
