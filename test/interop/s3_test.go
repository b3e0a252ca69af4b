package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/objects"
	"github.com/hoopctl/hoopctl/server/record"
)

// versity is a real S3 server on a folder, in a process of its own.
type versity struct {
	bin, dir, addr string
	cmd            *exec.Cmd
}

func newVersity(t *testing.T) *versity {
	t.Helper()
	v := &versity{bin: filepath.Join(t.TempDir(), "versitygw"), dir: t.TempDir()}
	build := exec.Command("go", "build", "-modfile=s3server/go.mod", "-o", v.bin, "github.com/versity/versitygw/cmd/versitygw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build versitygw: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	v.start(t)
	t.Cleanup(v.stop)
	return v
}

func (v *versity) start(t *testing.T) {
	t.Helper()
	for _, d := range []string{"data", "versions", "meta"} {
		if err := os.MkdirAll(filepath.Join(v.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	v.cmd = exec.Command(v.bin, "--port", v.addr, "--access", "gateway", "--secret", "not-a-real-secret", "posix",
		"--sidecar", filepath.Join(v.dir, "meta"), "--versioning-dir", filepath.Join(v.dir, "versions"), filepath.Join(v.dir, "data"))
	var out bytes.Buffer
	v.cmd.Stdout, v.cmd.Stderr = &out, &out
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		c, err := net.Dial("tcp", v.addr)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			v.stop()
			t.Fatalf("versitygw does not listen: %s", out.String())
		}
		time.Sleep(20 * time.Millisecond) // another process's start cannot be waited for otherwise
	}
}

func (v *versity) stop() {
	if v.cmd != nil {
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
		v.cmd = nil
	}
}

func (v *versity) admin(t *testing.T) *minio.Client {
	t.Helper()
	c, err := minio.New(v.addr, &minio.Options{Creds: credentials.NewStaticV4("gateway", "not-a-real-secret", "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (v *versity) open(t *testing.T, bucket string) *objects.Store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("gateway:not-a-real-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loc, err := objects.ParseURL("s3://" + bucket + "/gw1?endpoint=http://" + v.addr + "&region=us-east-1&credentials_file=" + file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := objects.Open(t.Context(), loc, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A real S3 server: recordings go there while they grow and are read back whole; object
// lock keeps them from whoever has the gateway's key; the server may die in between.
func TestS3_Versitygw(t *testing.T) {
	v := newVersity(t)
	ctx := t.Context()
	for bucket, lock := range map[string]bool{"plain": false, "locked": true} {
		if err := v.admin(t).MakeBucket(ctx, bucket, minio.MakeBucketOptions{ObjectLocking: lock}); err != nil {
			t.Fatalf("%s: %v", bucket, err)
		}
	}
	for bucket, lock := range map[string]bool{"plain": false, "locked": true} {
		t.Run(bucket, func(t *testing.T) {
			store := v.open(t, bucket)
			if store.Locked() != lock {
				t.Fatalf("locked: %v", store.Locked())
			}
			dir := t.TempDir()
			quiet := slog.New(slog.DiscardHandler)
			j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			r, err := record.New(record.Options{Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: j, Log: quiet, Mirrored: true})
			if err != nil {
				t.Fatal(err)
			}
			keep := 24 * time.Hour
			r.Mirror(store, time.Hour, 0, func(string) time.Duration { return keep })
			t.Cleanup(func() { _ = r.Close(); _ = j.Close() })

			rec, err := r.Open(hoop.SessionInfo{ID: "s1", Target: "pg", StartedAt: time.Now()}, []byte("key"))
			if err != nil {
				t.Fatal(err)
			}
			write := func(i int) {
				pos, err := rec.Append(recording.Record{Kind: recording.KindOutput, Counter: int64(i), Wire: bytes.Repeat([]byte{byte(i)}, 1<<20)})
				if err == nil {
					err = j.Wait(ctx, pos)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			write(1)
			if err := r.CopyAll(ctx); err != nil {
				t.Fatal(err)
			}
			v.stop() // lost
			write(2)
			lost, cancel := context.WithTimeout(ctx, 5*time.Second)
			if err := r.CopyAll(lost); err == nil {
				t.Error("copied to a server that is gone")
			}
			cancel()
			v.start(t) // and back
			write(3)
			want, pos, err := rec.Close(recording.Record{Kind: recording.KindEnd})
			if err == nil {
				err = j.Wait(ctx, pos)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := r.CopyAll(ctx); err != nil {
				t.Fatal(err)
			}
			if local, err := r.Sessions(); err != nil || len(local) > 0 {
				t.Errorf("%v is still here: %v", local, err)
			}
			got, found, err := r.Found("s1")
			if err != nil || !found || got.SHA256 != want.SHA256 || got.Size != want.Size {
				t.Errorf("got %+v, %v, %v, want %+v", got, found, err, want)
			}
			if err := r.Hold(ctx, "s1", true); err != nil {
				t.Errorf("hold: %v", err)
			}
			err = r.Delete(ctx, "s1")
			if lock != (err != nil) {
				t.Errorf("deleting before its time, with lock %v: %v", lock, err)
			}
			if _, found, err := r.Found("s1"); err != nil || found != lock {
				t.Errorf("afterwards: found %v, %v", found, err)
			}
			if _, err := store.Get(ctx, "none", 0); hoop.AsError(err).Code != hoop.CodeNotFound {
				t.Errorf("an object that is not there: %v", err)
			}
			parts, err := store.List(ctx, "s1/")
			if err != nil || lock && len(parts) == 0 {
				t.Fatalf("%v, %v", parts, err)
			}
			for _, p := range parts {
				for _, from := range []int64{0, p.Size / 3, p.Size - 1} {
					rd, err := store.Get(ctx, p.Name, from)
					if err != nil {
						t.Fatal(err)
					}
					if n, err := io.Copy(io.Discard, rd); err != nil || n != p.Size-from {
						t.Errorf("%s from %d: %d bytes, %v", p.Name, from, n, err)
					}
					_ = rd.Close()
				}
			}
		})
	}
	loc, err := objects.ParseURL(fmt.Sprintf("s3://nobody?endpoint=http://%s", v.addr))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Open(ctx, loc, nil); err == nil || strings.Contains(err.Error(), "not-a-real-secret") {
		t.Errorf("without credentials: %v", err)
	}
}

// versionsOf is every version of every object that a bucket has, delete markers among
// them, by name.
func versionsOf(t *testing.T, admin *minio.Client, bucket string) map[string][]minio.ObjectInfo {
	t.Helper()
	all := make(map[string][]minio.ObjectInfo)
	for o := range admin.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		all[o.Key] = append(all[o.Key], o)
	}
	return all
}

// recorderOn has recordings copied to store when it is asked to.
func recorderOn(t *testing.T, store record.Store) (*record.Recorder, *journal.Journal) {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.New(record.Options{Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: j, Log: quiet, Mirrored: true})
	if err != nil {
		t.Fatal(err)
	}
	r.Mirror(store, time.Hour, 0, func(string) time.Duration { return 24 * time.Hour })
	t.Cleanup(func() { _ = r.Close(); _ = j.Close() })
	return r, j
}

// grow records some bytes of a session and has them durable.
func grow(t *testing.T, j *journal.Journal, rec *record.Recording, b byte) {
	t.Helper()
	pos, err := rec.Append(recording.Record{Kind: recording.KindOutput, Counter: 1, Wire: bytes.Repeat([]byte{b}, 1<<16)})
	if err == nil {
		err = j.Wait(t.Context(), pos)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What has expired goes with every version: in a bucket that keeps versions and has no
// object lock, also what somebody put over a part, and a part that somebody deleted.
func TestS3_ExpiryTakesEveryVersion(t *testing.T) {
	v := newVersity(t)
	admin := v.admin(t)
	if err := admin.MakeBucket(t.Context(), "versioned", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := admin.EnableVersioning(t.Context(), "versioned"); err != nil {
		t.Fatal(err)
	}
	store := v.open(t, "versioned")
	if store.Locked() {
		t.Fatal("a bucket without object lock")
	}
	r, j := recorderOn(t, store)
	for _, id := range []string{"s1", "s2"} {
		rec, err := r.Open(hoop.SessionInfo{ID: id, Target: "pg", StartedAt: time.Now()}, []byte("key"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			grow(t, j, rec, byte(i))
			if err := r.CopyAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_, pos, err := rec.Close(recording.Record{Kind: recording.KindEnd})
		if err == nil {
			err = j.Wait(t.Context(), pos)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts, err := store.List(t.Context(), "s1/")
	if err != nil || len(parts) < 3 {
		t.Fatalf("%v, %v", parts, err)
	}
	if _, err := admin.PutObject(t.Context(), "versioned", "gw1/"+parts[0].Name, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := admin.RemoveObject(t.Context(), "versioned", "gw1/"+parts[1].Name, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	before := versionsOf(t, admin, "versioned")
	if len(before["gw1/"+parts[0].Name]) != 2 || len(before["gw1/"+parts[1].Name]) != 2 {
		t.Fatalf("the bucket keeps no versions: %v", before)
	}
	if err := r.Delete(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	others := 0
	for name, versions := range versionsOf(t, admin, "versioned") {
		if strings.HasPrefix(name, "gw1/s1/") {
			t.Errorf("%s still has %d versions", name, len(versions))
		} else {
			others++
		}
	}
	if others < 3 {
		t.Errorf("%d parts of another session are left", others)
	}
}

// A legal hold is on every version of every part, of those that come later too, and is
// told when the store is back where it was away; its end likewise.
func TestS3_LegalHold(t *testing.T) {
	v := newVersity(t)
	admin := v.admin(t)
	if err := admin.MakeBucket(t.Context(), "locked", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	r, j := recorderOn(t, v.open(t, "locked"))
	rec, err := r.Open(hoop.SessionInfo{ID: "s1", Target: "pg", StartedAt: time.Now()}, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	copied := func(b byte) {
		t.Helper()
		grow(t, j, rec, b)
		if err := r.CopyAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when string, status minio.LegalHoldStatus, atLeast int) {
		t.Helper()
		n := 0
		for name, versions := range versionsOf(t, admin, "locked") {
			for _, o := range versions {
				n++
				got, err := admin.GetObjectLegalHold(t.Context(), "locked", name, minio.GetObjectLegalHoldOptions{VersionID: o.VersionID})
				none := minio.ToErrorResponse(err).Code == "NoSuchObjectLockConfiguration"
				if is := err == nil && *got == minio.LegalHoldEnabled; err != nil && !none || is != (status == minio.LegalHoldEnabled) {
					t.Errorf("%s: %s version %s: %v, %v", when, name, o.VersionID, got, err)
				}
			}
		}
		if n < atLeast {
			t.Errorf("%s: %d versions", when, n)
		}
	}
	away := func(on bool) {
		t.Helper()
		v.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := r.Hold(ctx, "s1", on); err == nil {
			t.Error("a store that is away was told")
		}
		v.start(t)
	}
	copied(1)
	for name := range versionsOf(t, admin, "locked") { // somebody put something over a part
		if _, err := admin.PutObject(t.Context(), "locked", name, strings.NewReader("x"), 1, minio.PutObjectOptions{SendContentMd5: true}); err != nil {
			t.Fatal(err)
		}
	}
	want("at first", minio.LegalHoldDisabled, 2)
	if err := r.Hold(t.Context(), "s1", true); err != nil {
		t.Fatal(err)
	}
	want("set", minio.LegalHoldEnabled, 2)
	away(false)
	copied(2)
	want("lifted while it was away", minio.LegalHoldDisabled, 2)
	away(true)
	copied(3)
	want("set while it was away", minio.LegalHoldEnabled, 3)
	copied(4)
	want("a later part", minio.LegalHoldEnabled, 4)
}
