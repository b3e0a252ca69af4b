package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
)

const (
	// skew is how far a witness's clock may be from ours.
	skew = 5 * time.Minute
	// firstRetry is when all are asked again after a witness did not cosign; twice as
	// long each time it does not again, up to KeeperOptions.Every.
	firstRetry = time.Second
)

// Evidence is one's own log; *audit.Log is one.
type Evidence interface {
	// Prove gives the newest checkpoint, signed, and the proof that it contains the log
	// at size old; nil where old is 0, or the checkpoint's size. An old size above the
	// log's is an error.
	Prove(ctx context.Context, old int64) (signed []byte, c auditlog.Checkpoint, proof tlog.TreeProof, err error)
	// Cosigned puts a cosignature on record.
	Cosigned(ctx context.Context, c Cosignature) error
}

// Cosignature is what a witness gave.
type Cosignature struct {
	Witness    string // its name
	Checkpoint auditlog.Checkpoint
	Signature  string    // base64, as in a signed note
	At         time.Time // of the witness's clock
}

// Witness is one that cosigns.
type Witness struct {
	Name string
	URL  string // without Path
	Key  string // its verifier key, of type cosignature/v1
	HTTP *http.Client
}

// KeeperOptions say who cosigns, and how often they are asked.
type KeeperOptions struct {
	Witnesses []Witness
	// Quorum is how many must have cosigned for a cosignature to count; 1.
	Quorum int
	Every  time.Duration // a minute; sooner after a failure
	Log    *slog.Logger
	Now    func() time.Time
}

// Keeper keeps a log cosigned. It is safe for concurrent use.
type Keeper struct {
	opt      KeeperOptions
	evidence Evidence
	asking   sync.Mutex // one round at a time; guards what asked know
	asked    []*asked

	mu sync.Mutex
	at []time.Time // of each witness's newest cosignature, by our clock at most
}

// asked is a witness and what we know of it.
type asked struct {
	Witness
	verifier note.Verifier
	size     int64 // that it knows
	cosigned int64 // that it has cosigned since we asked first
	recorded int64 // size of the checkpoint whose cosignature is on record
}

// NewKeeper checks the witnesses' keys.
func NewKeeper(evidence Evidence, opt KeeperOptions) (*Keeper, error) {
	if opt.Quorum <= 0 {
		opt.Quorum = 1
	}
	if opt.Every <= 0 {
		opt.Every = time.Minute
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Quorum > len(opt.Witnesses) {
		return nil, fmt.Errorf("%d witnesses must cosign, and there are %d", opt.Quorum, len(opt.Witnesses))
	}
	k := &Keeper{opt: opt, evidence: evidence, at: make([]time.Time, len(opt.Witnesses))}
	for _, w := range opt.Witnesses {
		v, err := auditlog.NewCosignatureVerifier(w.Key)
		if err != nil {
			return nil, fmt.Errorf("witness %s: %w", w.Name, err)
		}
		k.asked = append(k.asked, &asked{Witness: w, verifier: v})
	}
	return k, nil
}

// Cosigned is when the newest checkpoint was cosigned that as many witnesses as must
// have cosigned; zero before the first. A nil Keeper has none.
func (k *Keeper) Cosigned() time.Time {
	if k == nil {
		return time.Time{}
	}
	k.mu.Lock()
	at := slices.Clone(k.at)
	k.mu.Unlock()
	slices.SortFunc(at, func(a, b time.Time) int { return b.Compare(a) })
	return at[k.opt.Quorum-1]
}

// Run asks the witnesses again and again until ctx ends, sooner where one did not cosign:
// of two gateways that witness each other, one starts first.
func (k *Keeper) Run(ctx context.Context) {
	retry := firstRetry
	for {
		pause := k.opt.Every
		if k.Once(ctx) {
			retry = firstRetry
		} else {
			pause = min(retry, k.opt.Every)
			retry = 2 * pause
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// Once asks each witness, side by side, to cosign the newest checkpoint, and tells
// whether all did.
func (k *Keeper) Once(ctx context.Context) bool {
	k.asking.Lock()
	defer k.asking.Unlock()
	var all sync.WaitGroup
	var failed atomic.Bool
	for i, w := range k.asked {
		all.Go(func() {
			err := k.ask(ctx, i, w)
			if err == nil {
				return
			}
			failed.Store(true)
			if ctx.Err() == nil {
				k.opt.Log.ErrorContext(ctx, "audit: a witness did not cosign", "witness", w.Name, "error", err)
			}
		})
	}
	all.Wait()
	return !failed.Load()
}

// ask has one witness cosign, telling it what it needs to know about what it knows.
func (k *Keeper) ask(ctx context.Context, i int, w *asked) error {
	const tries = 3
	for range tries {
		began := k.opt.Now()
		signed, c, proof, err := k.evidence.Prove(ctx, w.size)
		if err != nil {
			return err
		}
		answer, known, err := w.post(ctx, &request{old: w.size, proof: proof, signed: signed})
		if err != nil {
			return err
		}
		if answer == nil {
			switch {
			case known > c.Size:
				return fmt.Errorf("it has cosigned this log with %d events, and here it has %d: this log was rolled back", known, c.Size)
			case known == w.size:
				return fmt.Errorf("it has cosigned another log at %d events: this log is a fork of what it saw", known)
			case known < w.cosigned:
				// Its cosignatures are as good as before: whom it may serve is another log.
				k.opt.Log.ErrorContext(ctx, "audit: a witness forgot what it cosigned: its memory was removed or rolled back, and it would cosign a fork from there",
					"witness", w.Name, "cosigned", w.cosigned, "knows", known)
				w.cosigned = known
			}
			w.size = known
			continue
		}
		got, err := w.check(c, answer)
		if err != nil {
			return err
		}
		if d := got.At.Sub(began); d > skew || d < -skew {
			return fmt.Errorf("its clock differs from ours by %s", d)
		}
		w.size, w.cosigned = c.Size, c.Size
		return k.took(ctx, i, w, got, began)
	}
	return errors.New("it changes its mind about what it knows")
}

// took notes a cosignature, and puts it on record where the log has grown since by more
// than such records.
func (k *Keeper) took(ctx context.Context, i int, w *asked, c Cosignature, began time.Time) error {
	if c.Checkpoint.Size > w.recorded {
		if err := k.evidence.Cosigned(ctx, c); err != nil {
			return fmt.Errorf("record its cosignature: %w", err)
		}
		// Each witness's record, this one's too, makes the log larger by one.
		w.recorded = c.Checkpoint.Size + int64(len(k.asked))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// With began's monotonic reading: a clock that is set back makes nothing younger.
	k.at[i] = began.Add(min(c.At.Sub(began), 0))
	return nil
}

// post sends a request. Without an error it gives the cosignature, or the size that the
// witness knows.
func (w *asked) post(ctx context.Context, r *request) (answer []byte, known int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(w.URL, "/")+Path, bytes.NewReader(r.encode()))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := w.HTTP.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	if err != nil {
		return nil, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return b, 0, nil
	case http.StatusConflict:
		text := strings.TrimSuffix(string(b), "\n")
		known, err = strconv.ParseInt(text, 10, 64)
		if err != nil || known < 0 {
			return nil, 0, errors.New("it answered a conflict without the size it knows")
		}
		return nil, known, nil
	case http.StatusUnprocessableEntity:
		return nil, 0, errors.New("it does not find in this log what it cosigned before: this log is a fork of what it saw")
	default:
		return nil, 0, fmt.Errorf("it answered %s: %q", resp.Status, firstLine(b))
	}
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 200)]), "\n")
	return line
}

// check verifies what the witness answered, and gives its cosignature.
func (w *asked) check(c auditlog.Checkpoint, answer []byte) (Cosignature, error) {
	sig, at, err := auditlog.CheckCosignature(c, answer, w.verifier)
	if err != nil {
		return Cosignature{}, fmt.Errorf("its cosignature: %w", err)
	}
	return Cosignature{Witness: w.verifier.Name(), Checkpoint: c, Signature: sig, At: at}, nil
}
