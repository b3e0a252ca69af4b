package objects

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	l, err := ParseURL("s3://b/a/c/?endpoint=https://s3.example:9000&region=eu&ca_file=/ca.pem&credentials_file=/c")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Location{Bucket: "b", Prefix: "a/c/", Endpoint: "s3.example:9000", Region: "eu", CAFile: "/ca.pem", Secret: "/c"}); l != want {
		t.Errorf("got %+v", l)
	}
	if l, err := ParseURL("s3://b?endpoint=http://127.0.0.1:9000"); err != nil || !l.Insecure || l.Prefix != "" {
		t.Errorf("got %+v, %v", l, err)
	}
	for _, bad := range []string{
		"", "s3://", "file:x", "s3://b?endpoint=http://s3.example", "s3://b?endpoint=http://127.0.0.1.example", "s3://b?endpoint=http://localhost:1@s3.example", "s3://b?endpoint=https://s3.example/x", "s3://b?endpoint=", "s3://b?bucket=c", "s3://b?region=a&region=b",
		"s3://key:hunter2@b", "s3://b#x", "s3://%zzhunter2",
	} {
		_, err := ParseURL(bad)
		if err == nil {
			t.Errorf("%q is taken", bad)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error quotes the URL: %v", err)
		}
	}
}
