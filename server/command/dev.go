package command

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/clinic"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

//go:embed dev_resources.yaml
var devResources string

// devUsers sign in at the sample sign-in page by pressing their button.
var devUsers = []auth.DevUser{
	{Name: "dana", Groups: []string{"developers"}},        // works
	{Name: "alex", Groups: []string{"developers", "dba"}}, // approves
	{Name: "avery", Groups: []string{"compliance"}},       // audits
}

func newDev(version string, stdio IO) *cobra.Command {
	var listen, dataDir string
	var accept bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run with everything embedded: a private CA, sample users, a sample clinic database",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDev(cmd.Context(), version, stdio, listen, dataDir, accept)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8443", "loopback address; port 0 takes a free one")
	cmd.Flags().StringVar(&dataDir, "data-dir", "data", "folder of the store, the log, recordings, keys and ca.pem")
	acceptsStore(cmd, &accept)
	return cmd
}

func runDev(ctx context.Context, version string, stdio IO, listen, dataDir string, accept bool) (err error) {
	dataDir, err = filepath.Abs(dataDir)
	if err != nil {
		return err
	}
	resources := filepath.Join(dataDir, "resources.yaml")
	cfg, err := server.DevConfig(listen, dataDir, resources)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dataDir, "keys"), 0o700); err != nil {
		return err
	}
	pg, err := pgserver.Start(ctx, pgserver.Options{})
	if err != nil {
		return fmt.Errorf("start the sample PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, pg.Stop()) }()

	password := randomHex()
	if err := clinic.Create(ctx, pg.DSN, "clinic_app", password); err != nil {
		return err
	}
	secret := filepath.Join(dataDir, "keys", "pg-prod.password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	text := strings.NewReplacer("${ADDRESS}", pg.Address(), "${PASSWORD_FILE}", secret).Replace(devResources)
	if err := os.WriteFile(resources, []byte(text), 0o600); err != nil {
		return err
	}
	g, err := server.New(ctx, cfg, server.Options{Version: version, Log: logger(stdio), DevUsers: devUsers, AcceptStore: accept})
	if err != nil {
		return err
	}
	return run(ctx, g, func() error {
		_, err := fmt.Fprintf(stdio.Out, `hoop-gateway dev is ready at %[1]s

  sign in:    %[4]s login --gateway %[1]s --ca-file %[2]s
  work:       %[4]s connect pg-prod -- psql
  resources:  %[3]s (written at every start)
  people:     dana (developer), alex (approver), avery (auditor); no passwords: loopback only

Ctrl-C stops the gateway and its sample PostgreSQL.
`, g.URL(), g.CAFile(), resources, client())
		return err
	})
}

// client is hoopctl as it can be typed here: by name where PATH has it, else the one
// beside this program.
func client() string {
	const name = "hoopctl"
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	self, err := os.Executable()
	if err != nil {
		return name
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return name
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) && rel != name {
			return rel
		}
	}
	return path
}

func randomHex() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
