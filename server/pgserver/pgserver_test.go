package pgserver

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestServer_AnswersAndLeavesNothingBehind(t *testing.T) {
	s, err := Start(t.Context(), Options{Settings: map[string]string{"shared_buffers": "16MB"}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := conn.QueryRow(t.Context(), "show shared_buffers").Scan(&got); err != nil || got != "16MB" {
		t.Errorf("shared_buffers = %q, %v; want 16MB", got, err)
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("cluster folder is still there: %v", err)
	}
}

func TestStart_SaysWhyPostgresEnds(t *testing.T) {
	if _, err := Start(t.Context(), Options{Settings: map[string]string{"work_mem": "a lot"}}); err == nil || !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("%v, want what is wrong with work_mem", err)
	}
}

// Servers of one template are each as initdb makes them, whatever was done in the first.
func TestTemplate_EachServerIsNew(t *testing.T) {
	var template Template
	for range 3 {
		s, err := Start(t.Context(), Options{Template: &template})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
		if err := s.Exec(t.Context(), "postgres", "create table t (x int)"); err != nil {
			t.Error(err)
		}
		check := exec.CommandContext(t.Context(), filepath.Join(s.BinDir, "pg_controldata"), filepath.Join(s.dir, "data"))
		if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "in production") {
			t.Errorf("%v: %s", err, out)
		}
	}
}
