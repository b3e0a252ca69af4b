// Package witness cosigns checkpoints of other gateways' logs, and has one's own
// cosigned (C2SP tlog-witness and tlog-cosignature, cosignature/v1).
//
// A Server remembers, durably, the newest checkpoint of each log that it cosigned, and
// cosigns a newer one only with a proof that the log still contains that one: so a log
// that was rolled back, or that shows different histories to different people, gets no
// cosignature any more. A Keeper asks witnesses about its log, and knows how old the
// newest cosignature is.
package witness

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/server/journal"
)

const (
	// Path is where a witness takes checkpoints, below its URL (tlog-witness,
	// "add-checkpoint").
	Path = "/add-checkpoint"

	sizeType = "text/x.tlog.size" // of an answer with the size that the witness knows
	maxProof = 63                 // hashes (tlog-witness)
	maxBody  = auditlog.MaxCheckpoint + 64*(maxProof+2)
)

// Options say whose logs are witnessed, and where that is remembered.
type Options struct {
	Dir  string   // of the newest checkpoints
	Key  string   // file of the witness's signing key; made at first start
	Name string   // of the witness, in its cosignatures; fixed at first start
	Logs []string // verifier keys of the logs: "name+hash+key"
	FS   journal.FS
	Log  *slog.Logger
}

// Server is a witness. It is an http.Handler of Path, and safe for concurrent use.
type Server struct {
	opt    Options
	signer *f_note.Signer
	key    string // verifier key of the cosignatures
	logs   map[string]*log
}

// log is one that is witnessed.
type log struct {
	verifier note.Verifier
	file     string

	mu     sync.Mutex // guards what follows: one checkpoint of a log at a time
	newest auditlog.Checkpoint
	broken error // the state could not be written: nobody knows what it is
}

// New reads the key and what the witness remembers. State that cannot be read is an
// error: a witness that forgets would cosign a fork.
func New(opt Options) (*Server, error) {
	if opt.FS == nil {
		opt.FS = journal.OS{}
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	s := &Server{opt: opt, logs: make(map[string]*log)}
	for _, dir := range []string{opt.Dir, filepath.Dir(opt.Key)} {
		if err := journal.MakeDir(opt.FS, dir); err != nil {
			return nil, fmt.Errorf("open witness: %w", err)
		}
	}
	if err := s.loadKey(); err != nil {
		return nil, fmt.Errorf("open witness: %w", err)
	}
	for _, key := range opt.Logs {
		if err := s.add(key); err != nil {
			return nil, fmt.Errorf("open witness: %w", err)
		}
	}
	return s, nil
}

func (s *Server) loadKey() error {
	b, err := journal.ReadFile(s.opt.FS, s.opt.Key)
	if errors.Is(err, fs.ErrNotExist) {
		if names, err := s.opt.FS.ReadDir(s.opt.Dir); err == nil && len(names) > 0 {
			return fmt.Errorf("%s remembers logs, and the key %s is missing", s.opt.Dir, s.opt.Key)
		}
		skey, _, err := note.GenerateKey(rand.Reader, s.opt.Name)
		if err != nil {
			return fmt.Errorf("make the key: %w", err)
		}
		b = []byte(skey + "\n")
		if err := journal.WriteFile(s.opt.FS, s.opt.Key, b); err != nil {
			return fmt.Errorf("keep the key: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	skey := strings.TrimSpace(string(b))
	// It checks that the key is the one that was made; the other takes any.
	if _, err := note.NewSigner(skey); err != nil {
		return fmt.Errorf("%s does not hold a signing key", s.opt.Key)
	}
	if s.signer, err = f_note.NewSignerForCosignatureV1(skey); err != nil {
		return fmt.Errorf("%s does not hold a signing key", s.opt.Key) // the parser's error must not carry it
	}
	if s.signer.Name() != s.opt.Name {
		return fmt.Errorf("the witness is named %q, the configuration says %q: it keeps its name", s.signer.Name(), s.opt.Name)
	}
	s.key, err = cosignatureKey(skey)
	return err
}

func (s *Server) add(key string) error {
	v, err := auditlog.NewVerifier([]byte(key))
	if err != nil {
		return err
	}
	if s.logs[v.Name()] != nil {
		return fmt.Errorf("two logs are named %s", v.Name())
	}
	sum := sha256.Sum256([]byte(v.Name()))
	l := &log{verifier: v, file: filepath.Join(s.opt.Dir, hex.EncodeToString(sum[:16])+".checkpoint")}
	b, err := journal.ReadFile(s.opt.FS, l.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("what is remembered of %s: %w", v.Name(), err)
	default:
		if l.newest, err = auditlog.OpenCheckpoint(b, v); err != nil {
			return fmt.Errorf("what is remembered of %s (%s): %w", v.Name(), l.file, err)
		}
	}
	s.logs[v.Name()] = l
	return nil
}

// VerifierKey is the public key of the cosignatures, "name+hash+key".
func (s *Server) VerifierKey() string { return s.key }

// refusal is an answer other than a cosignature.
type refusal struct {
	status int
	text   string
	size   int64 // of http.StatusConflict
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers add-checkpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a witness takes checkpoints by POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the request is too long, or was cut", http.StatusBadRequest)
		return
	}
	cosigned, err := s.Add(body)
	var no *refusal
	switch {
	case errors.As(err, &no) && no.status == http.StatusConflict:
		w.Header().Set("Content-Type", sizeType)
		w.WriteHeader(no.status)
		_, _ = fmt.Fprintf(w, "%d\n", no.size)
	case errors.As(err, &no):
		http.Error(w, no.text, no.status)
	case err != nil:
		s.opt.Log.ErrorContext(r.Context(), "witness: no checkpoint is cosigned", "error", err)
		http.Error(w, "the witness cannot remember, so it does not cosign", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(cosigned)
	}
}

// Add takes the body of an add-checkpoint request and gives the cosignature's line.
// What it cosigned is durable when it returns.
func (s *Server) Add(body []byte) ([]byte, error) {
	req, err := parseRequest(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	origin, _, _ := strings.Cut(string(req.signed), "\n")
	l := s.logs[origin]
	if l == nil {
		return nil, refuse(http.StatusNotFound, "this witness does not know the log %q", origin)
	}
	next, err := auditlog.OpenCheckpoint(req.signed, l.verifier)
	if err != nil {
		return nil, refuse(http.StatusForbidden, "%v", err)
	}
	if req.old > next.Size {
		return nil, refuse(http.StatusBadRequest, "the old size %d is above the checkpoint's, %d", req.old, next.Size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return nil, l.broken
	}
	if err := l.follows(req, next); err != nil {
		s.opt.Log.Warn("witness: a checkpoint is refused", "log", origin, "size", next.Size, "known", l.newest.Size, "why", err)
		return nil, err
	}
	if next.Size > l.newest.Size || l.newest.Origin == "" {
		if err := journal.WriteFile(s.opt.FS, l.file, req.signed); err != nil {
			l.broken = fmt.Errorf("remember the checkpoint of %s: %w", origin, err)
			return nil, l.broken
		}
		l.newest = next
	}
	return s.cosign(next)
}

// follows checks that the log still contains what was cosigned before.
func (l *log) follows(req *request, next auditlog.Checkpoint) error {
	if req.old != l.newest.Size {
		return &refusal{status: http.StatusConflict, size: l.newest.Size, text: fmt.Sprintf("the witness knows %d events", l.newest.Size)}
	}
	if next.Size == l.newest.Size {
		if l.newest.Origin != "" && next.Root != l.newest.Root {
			// tlog-witness: a conflict, of the same size.
			return &refusal{status: http.StatusConflict, size: l.newest.Size, text: "the log is a fork: another root at the same size"}
		}
		if len(req.proof) > 0 {
			return refuse(http.StatusUnprocessableEntity, "a proof for a checkpoint of the same size")
		}
		return nil
	}
	if l.newest.Size == 0 {
		if len(req.proof) > 0 {
			return refuse(http.StatusUnprocessableEntity, "a proof from nothing")
		}
		return nil
	}
	if err := tlog.CheckTree(req.proof, next.Size, next.Root, l.newest.Size, l.newest.Root); err != nil {
		return refuse(http.StatusUnprocessableEntity, "the log does not contain the checkpoint that was cosigned before: %v", err)
	}
	return nil
}

// cosign gives the line "— name base64".
func (s *Server) cosign(c auditlog.Checkpoint) ([]byte, error) {
	text := c.Text()
	b, err := note.Sign(&note.Note{Text: text}, s.signer)
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	return b[len(text)+1:], nil
}

// request is an add-checkpoint request.
type request struct {
	old    int64
	proof  tlog.TreeProof
	signed []byte
}

var errRequest = errors.New("not an add-checkpoint request")

// parseRequest reads "old <size>", hashes in base64, one a line, an empty line, and a
// checkpoint (tlog-witness).
func parseRequest(b []byte) (*request, error) {
	head, signed, ok := strings.Cut(string(b), "\n\n")
	if !ok || signed == "" {
		return nil, errRequest
	}
	lines := strings.Split(head, "\n")
	number, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != number {
		return nil, errRequest
	}
	if len(lines)-1 > maxProof {
		return nil, errRequest
	}
	req := &request{old: old, signed: []byte(signed)}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return nil, errRequest
		}
		req.proof = append(req.proof, tlog.Hash(h))
	}
	return req, nil
}

// encode is the request's body.
func (r *request) encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", r.old)
	for _, h := range r.proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(r.signed)
	return []byte(b.String())
}
