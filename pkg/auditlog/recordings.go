package auditlog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/recording"
)

// recordings checks each file that the log commits to, and that there is no other.
func (v *verifier) recordings() error {
	idle := &Fault{File: OutsideFile, Index: -1, What: "it says that recordings are gone which no event of the span commits to, or which the export leaves out anyway"}
	if v.opt.WithoutRecordings {
		if v.outside.expiries > 0 {
			return idle
		}
		v.warn("recordings were not looked at")
		return nil
	}
	named, excused := make(map[string]bool, len(v.sessions.committed)), 0
	for _, c := range v.sessions.committed {
		if s := v.opt.Span; s != (Span{}) && (c.index < s.First || c.index >= s.End) {
			continue
		}
		if c.record.SHA256 == "" {
			v.warn("session %s has no recording: none was found after a crash", c.session)
			continue
		}
		gone, outside, err := v.expired(c)
		if err != nil {
			return err
		}
		if outside {
			excused++
		}
		if gone {
			v.report.Expired++
			continue
		}
		named[c.session] = true
		if err := v.recording(c); err != nil {
			return err
		}
	}
	if excused != v.outside.expiries {
		return idle
	}
	entries, err := fs.ReadDir(v.fs, RecordingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Fault{File: RecordingsDir, Index: -1, What: "the folder cannot be read", Err: err}
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".hrec"); !ok || !named[id] {
			return &Fault{File: RecordingsDir + "/" + e.Name(), Index: -1, What: "no event commits to this file"}
		}
	}
	return nil
}

// expired tells whether a recording is gone because its time was over, and whether the
// event that says so is one of Options.Outside. The recording's hash is in the event that
// committed to it, and again in that one.
func (v *verifier) expired(c committed) (gone, outside bool, err error) {
	at, said := v.sessions.expired[c.session]
	if !said {
		return false, false, nil
	}
	path := RecordingFile(c.session)
	outside = v.opt.Span != (Span{}) && !v.opt.Span.Holds(at.index, v.report.Size)
	if fs.ValidPath(path) {
		if _, err := fs.Stat(v.fs, path); err == nil && !outside {
			return false, false, nil // kept beyond its time
		} else if err == nil {
			return false, false, &Fault{File: path, Index: at.index, What: "the recording is here, and an event that it is gone too, which nothing rests on"}
		}
	}
	switch {
	case at.hash != c.record.SHA256:
		return false, false, &Fault{File: path, Index: c.index, What: "the event that says the recording's time was over names another hash"}
	case at.index < c.index:
		return false, false, &Fault{File: path, Index: c.index, What: "the recording is missing, and the event that says its time was over comes before it was made"}
	}
	return true, outside, nil
}

// recording checks one file: its bytes against the hash, and its form.
func (v *verifier) recording(c committed) error {
	path := RecordingFile(c.session)
	fault := func(format string, args ...any) error {
		return &Fault{File: path, Index: c.index, What: fmt.Sprintf(format, args...)}
	}
	if !fs.ValidPath(path) || strings.Count(path, "/") != 1 {
		return fault("%q cannot be a session's ID", c.session)
	}
	f, err := v.fs.Open(path)
	if err != nil {
		return &Fault{File: path, Index: c.index, What: "the recording that the event commits to is missing", Err: err}
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	count := &counter{r: io.TeeReader(f, sum)}
	found, formErr := recording.Inspect(count)
	if _, err := io.Copy(io.Discard, count); err != nil {
		return &Fault{File: path, Index: c.index, What: "the recording cannot be read", Err: err}
	}
	switch hash := hex.EncodeToString(sum.Sum(nil)); {
	case count.n != c.record.Size:
		return fault("the recording has %d bytes, the event commits to %d", count.n, c.record.Size)
	case hash != c.record.SHA256:
		return fault("the recording was changed: its SHA-256 is %s, the event commits to %s", hash, c.record.SHA256)
	case formErr != nil && !(c.recovered && errors.Is(formErr, recording.ErrUnfinished)):
		return &Fault{File: path, Index: c.index, What: "the recording's form", Err: formErr}
	case !c.recovered && !found.Finished:
		return fault("the recording has no end mark, and the session ended in order")
	case formErr == nil && found.Session.ID != c.session:
		return fault("it is the recording of session %q", found.Session.ID)
	}
	v.report.Recordings++
	v.report.RecordingBytes += count.n
	return nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// readme checks the instructions, since nothing signs them and people go by them. A
// version that changes Readme keeps the former texts beside it.
func (v *verifier) readme() error {
	f, err := v.fs.Open(ReadmeFile)
	if err != nil {
		return &Fault{File: ReadmeFile, Index: -1, What: "the file cannot be read", Err: err}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(Readme))+1))
	if err != nil || string(b) != Readme {
		return &Fault{File: ReadmeFile, Index: -1, What: "it was changed, or is of another version", Err: err}
	}
	return nil
}

// others warns of files that prove nothing.
func (v *verifier) others() error {
	entries, err := fs.ReadDir(v.fs, ".")
	if err != nil {
		return &Fault{File: ".", Index: -1, What: "the folder cannot be read", Err: err}
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ReadmeFile }) {
		v.warn("%s is missing, which every export has", ReadmeFile)
	}
	for _, e := range entries {
		switch e.Name() {
		case ReadmeFile:
			if !slices.Contains(v.opt.Also, ReadmeFile) {
				if err := v.readme(); err != nil {
					return err
				}
			}
		case CheckpointFile, KeyFile, RecordingsDir, "tile":
		default:
			if slices.Contains(v.opt.Also, e.Name()) {
				continue
			}
			v.warn("%s is not part of the evidence", e.Name())
		}
	}
	if v.report.Open > 0 {
		v.warn("%d sessions had not ended; their recordings are not in this folder", v.report.Open)
	}
	return nil
}
