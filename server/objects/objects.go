// Package objects keeps parts of recordings in an S3-compatible object store: with
// retention where the bucket has object lock, so that nobody who holds the gateway's
// key can delete or replace them before their time.
//
// It knows nothing of recordings; server/record decides what is put where.
package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/record"
)

const requestTimeout = 30 * time.Second // of anything but reading an object

// Location is where objects are kept.
type Location struct {
	Bucket   string
	Prefix   string // of every name; empty, or with a "/" at its end
	Endpoint string // host[:port]
	Region   string
	Insecure bool   // plain HTTP, on loopback only
	CAFile   string // certificates that the store's own must chain to
	Secret   string // file of "ACCESS_KEY:SECRET_KEY"; empty: AWS_* in the environment, or the machine's role
}

// ParseURL reads s3://bucket/prefix?endpoint=host:port&region=…&ca_file=…&credentials_file=….
// An endpoint that begins with http:// is taken on loopback only. Secrets do not belong
// into it.
func ParseURL(s string) (Location, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Location{}, errors.New("not a URL") // the parser's error would quote it
	}
	if u.Scheme != "s3" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return Location{}, errors.New("want s3://bucket/prefix?endpoint=host:port&region=…")
	}
	l := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Endpoint: "s3.amazonaws.com"}
	if l.Prefix != "" {
		l.Prefix += "/"
	}
	for name, values := range u.Query() {
		if len(values) != 1 {
			return Location{}, fmt.Errorf("%s is there more than once", name)
		}
		switch v := values[0]; name {
		case "endpoint":
			l.Endpoint = strings.TrimPrefix(v, "https://")
			if rest, plain := strings.CutPrefix(v, "http://"); plain {
				l.Endpoint, l.Insecure = rest, true
			}
		case "region":
			l.Region = v
		case "ca_file":
			l.CAFile = v
		case "credentials_file":
			l.Secret = v
		default:
			return Location{}, fmt.Errorf("unknown parameter %s; there are endpoint, region, ca_file, credentials_file", name)
		}
	}
	e, err := url.Parse("https://" + l.Endpoint)
	if err != nil || e.Host != l.Endpoint || e.Hostname() == "" || e.User != nil {
		return Location{}, errors.New("endpoint: want host or host:port")
	}
	if l.Insecure && !slices.Contains([]string{"127.0.0.1", "localhost"}, e.Hostname()) {
		return Location{}, fmt.Errorf("endpoint %s: plain HTTP is for loopback only", l.Endpoint)
	}
	return l, nil
}

// Store implements record.Store. It is safe for concurrent use.
type Store struct {
	client *minio.Client
	loc    Location
	locked bool // the bucket has object lock
}

// Open reaches the bucket, and finds out whether it has object lock.
func Open(ctx context.Context, loc Location, transport http.RoundTripper) (*Store, error) {
	creds := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{}})
	if loc.Secret != "" {
		b, err := os.ReadFile(loc.Secret)
		if err != nil {
			return nil, fmt.Errorf("recordings: credentials_file: %w", err)
		}
		id, secret, ok := strings.Cut(strings.TrimSpace(string(b)), ":")
		if !ok || id == "" || secret == "" {
			return nil, fmt.Errorf("recordings: credentials_file: %s: want ACCESS_KEY:SECRET_KEY", loc.Secret)
		}
		creds = credentials.NewStaticV4(id, secret, "")
	}
	client, err := minio.New(loc.Endpoint, &minio.Options{
		Creds: creds, Secure: !loc.Insecure, Region: loc.Region, Transport: transport, MaxRetries: 2, // the caller comes again
	})
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	s := &Store{client: client, loc: loc}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ok, err := client.BucketExists(ctx, loc.Bucket)
	if err != nil {
		return nil, fmt.Errorf("recordings: reach bucket %s at %s: %w", loc.Bucket, loc.Endpoint, err)
	}
	if !ok {
		return nil, fmt.Errorf("recordings: there is no bucket %s at %s", loc.Bucket, loc.Endpoint)
	}
	state, _, _, _, err := client.GetObjectLockConfig(ctx, loc.Bucket)
	if err != nil && !slices.Contains(noLock, minio.ToErrorResponse(err).Code) {
		return nil, fmt.Errorf("recordings: ask bucket %s whether it has object lock (s3:GetBucketObjectLockConfiguration): %w", loc.Bucket, err)
	}
	s.locked = err == nil && state == "Enabled"
	return s, nil
}

// noLock is what stores answer that have no object lock, or whose bucket has none. Any
// other error may hide one, and parts would be put without retention.
var noLock = []string{"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"}

// Locked reports whether the bucket has object lock: retention is then enforced by it.
func (s *Store) Locked() bool { return s.locked }

// Put implements record.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte, keep record.Keep) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true, DisableMultipart: true}
	if s.locked && time.Until(keep.Until) > time.Minute { // a store takes no time that is over
		o.Mode, o.RetainUntilDate = minio.Compliance, keep.Until.UTC()
	}
	if s.locked && keep.Held {
		o.LegalHold = minio.LegalHoldEnabled
	}
	_, err := s.client.PutObject(ctx, s.loc.Bucket, s.loc.Prefix+name, bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return nil
}

// List implements record.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]record.Object, error) {
	all, err := s.list(ctx, prefix, false)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	out := make([]record.Object, len(all))
	for i, o := range all {
		out[i] = record.Object{Name: strings.TrimPrefix(o.Key, s.loc.Prefix), Size: o.Size}
	}
	slices.SortFunc(out, func(a, b record.Object) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Get implements record.Store.
func (s *Store) Get(ctx context.Context, name string, from int64) (io.ReadCloser, error) {
	o, err := s.client.GetObject(ctx, s.loc.Bucket, s.loc.Prefix+name, minio.GetObjectOptions{})
	if err == nil {
		_, err = o.Stat() // the first request is made only now
	}
	if err == nil && from > 0 {
		_, err = o.Seek(from, io.SeekStart) // the next one asks for the rest only
	}
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, hoop.Errorf(hoop.CodeNotFound, "there is no object %s", name)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	return o, nil
}

// Delete implements record.Store: every version of every object goes, whether or not the
// bucket has object lock; a delete marker goes too. What retention or a legal hold keeps
// stays, and the error says so.
func (s *Store) Delete(ctx context.Context, prefix string) error {
	versions, err := s.versions(ctx, prefix)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range versions {
		if err := s.remove(ctx, v); err != nil {
			errs = append(errs, fmt.Errorf("delete %s: %w", strings.TrimPrefix(v.Key, s.loc.Prefix), err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (s *Store) remove(ctx context.Context, v minio.ObjectInfo) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.client.RemoveObject(ctx, s.loc.Bucket, v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID})
}

// Hold implements record.Store: a legal hold on every version of every object where the
// bucket has object lock. Elsewhere the store knows no holds.
func (s *Store) Hold(ctx context.Context, prefix string, on bool) error {
	if !s.locked {
		return nil
	}
	versions, err := s.versions(ctx, prefix)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.IsDeleteMarker {
			continue
		}
		if err := s.holdVersion(ctx, v, on); err != nil {
			return fmt.Errorf("hold %s: %w", strings.TrimPrefix(v.Key, s.loc.Prefix), err)
		}
	}
	return nil
}

func (s *Store) holdVersion(ctx context.Context, v minio.ObjectInfo, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	return s.client.PutObjectLegalHold(ctx, s.loc.Bucket, v.Key, minio.PutObjectLegalHoldOptions{VersionID: v.VersionID, Status: &status})
}

// versions lists every version of every object below a prefix, delete markers among them.
// A store that knows no versions has one of each.
func (s *Store) versions(ctx context.Context, prefix string) ([]minio.ObjectInfo, error) {
	all, err := s.list(ctx, prefix, true)
	if err != nil && slices.Contains(noVersions, minio.ToErrorResponse(err).Code) {
		all, err = s.list(ctx, prefix, false)
	}
	if err != nil {
		return nil, fmt.Errorf("list the versions of %s (s3:ListBucketVersions): %w", prefix, err)
	}
	return all, nil
}

// noVersions is what stores answer that have no versions. Any other error may hide some.
var noVersions = []string{"NotImplemented", "MethodNotAllowed"}

func (s *Store) list(ctx context.Context, prefix string, versions bool) ([]minio.ObjectInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var out []minio.ObjectInfo
	for o := range s.client.ListObjects(ctx, s.loc.Bucket, minio.ListObjectsOptions{Prefix: s.loc.Prefix + prefix, Recursive: true, WithVersions: versions}) {
		if o.Err != nil {
			return nil, o.Err
		}
		out = append(out, o)
	}
	return out, nil
}
