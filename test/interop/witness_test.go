package interop

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/pki"
)

// An independent log asks our witness, as C2SP tlog-witness says, and publishes nothing
// that it did not cosign: from nothing, as it grows, and after the witness was restarted.
func TestTessera_IsCosignedByOurWitness(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "tessera.example/log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address := "127.0.0.1:0"
	serve := func() (root, key string, stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ready, ended := make(chan [2]string, 1), make(chan error, 1)
		go func() {
			ended <- server.ServeWitness(ctx, &server.WitnessConfigFile{
				Listen: address, DataDir: dir, Name: "w.example", Logs: []string{vkey}, Hosts: []string{"127.0.0.1"},
			}, slog.New(slog.DiscardHandler), func(root, key string) error {
				ready <- [2]string{root, key}
				return nil
			})
		}()
		select {
		case is := <-ready:
			return is[0], is[1], func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		case err := <-ended:
			cancel()
			t.Fatal(err)
		}
		return "", "", nil
	}
	root, key, stop := serve()
	u, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	address = u.Host
	pem, err := os.ReadFile(filepath.Join(dir, pki.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	w, err := tessera.NewWitness(key, u)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for round := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
		driver, err := posix.New(ctx, posix.Config{Path: folder, HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
			WithCheckpointSigner(signer).WithBatching(64, 10*time.Millisecond).WithCheckpointInterval(100*time.Millisecond).
			WithWitnesses(tessera.NewWitnessGroup(1, w), nil))
		if err != nil {
			t.Fatal(err)
		}
		await := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
		for i := range 300 {
			f := appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "round %d entry %d", round, i)))
			if i%100 != 99 {
				continue
			}
			_, signed, err := await.Await(ctx, f)
			if err != nil {
				t.Fatalf("round %d, entry %d: %v", round, i, err)
			}
			if !w.Satisfied(signed) {
				t.Errorf("round %d: published without our cosignature:\n%s", round, signed)
			}
		}
		if err := shutdown(ctx); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		cancel()
		if stop(); round < 2 {
			again := ""
			if _, again, stop = serve(); again != key {
				t.Error(errors.New("the witness has another key after a restart"))
			}
		}
	}
}
