package objects

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzParseURL: what is taken names one bucket, goes over TLS unless it stays on this
// machine, has no secret in it, and is taken again as the same when it is written anew.
func FuzzParseURL(f *testing.F) {
	f.Add("s3://b/a/c/?endpoint=https://s3.example:9000&region=eu&ca_file=/ca.pem&credentials_file=/c")
	f.Add("s3://b?endpoint=http://127.0.0.1:9000")
	f.Add("s3://key:secret@b")
	f.Add("s3://b?endpoint=http://localhost:1@evil.example")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseURL(s)
		if err != nil {
			return
		}
		if l.Bucket == "" || strings.HasPrefix(l.Prefix, "/") || l.Prefix != "" && !strings.HasSuffix(l.Prefix, "/") {
			t.Errorf("%q: %+v", s, l)
		}
		q := url.Values{"endpoint": {l.Endpoint}}
		if l.Insecure {
			u, err := url.Parse("http://" + l.Endpoint)
			if err != nil || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" || u.User != nil {
				t.Errorf("%q: plain HTTP to %s", s, l.Endpoint)
			}
			q.Set("endpoint", "http://"+l.Endpoint)
		}
		for name, v := range map[string]string{"region": l.Region, "ca_file": l.CAFile, "credentials_file": l.Secret} {
			if v != "" {
				q.Set(name, v)
			}
		}
		again := (&url.URL{Scheme: "s3", Host: l.Bucket, Path: "/" + l.Prefix, RawQuery: q.Encode()}).String()
		if r, err := ParseURL(again); err != nil || r != l {
			t.Errorf("%q became %+v, written anew as %q it is %+v, %v", s, l, again, r, err)
		}
	})
}
