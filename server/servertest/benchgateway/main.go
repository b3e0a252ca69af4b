// Command benchgateway is `hoop-gateway serve` on a disk whose fsync takes a given
// time, so that `record: strict` can be compared between machines. The benchmark
// builds and starts it; it is in no release.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

func main() {
	pgparse.RunWorker() // does not return in a parser worker
	config := flag.String("config", "", "gateway.yaml")
	fsync := flag.Duration("fsync", time.Millisecond, "what an fsync takes at least")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *config, *fsync); err != nil {
		fmt.Fprintln(os.Stderr, "benchgateway:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, config string, fsync time.Duration) (err error) {
	cfg, err := server.LoadConfig(config)
	if err != nil {
		return err
	}
	g, err := server.New(ctx, cfg, server.Options{
		Version: "bench", Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), FS: slowFS{journal.OS{}, fsync},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	// The line that hoop-gateway prints, too.
	if _, err := fmt.Printf("hoop-gateway is ready at %s\n", g.URL()); err != nil {
		return err
	}
	return g.Serve(ctx)
}

// slowFS is a file system whose Sync takes at least delay.
type slowFS struct {
	journal.FS
	delay time.Duration
}

func (s slowFS) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return slowFile{f, s.delay}, nil
}

type slowFile struct {
	journal.File
	delay time.Duration
}

// Sync is the real one, prolonged.
func (f slowFile) Sync() error {
	begin := time.Now()
	err := f.File.Sync()
	wait(f.delay - time.Since(begin))
	return err
}
