//go:build clients

package clients

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/server/servertest"
)

func TestZZServe(t *testing.T) {
	dir := os.Getenv("APPS_DIR")
	if dir == "" {
		t.Skip()
	}
	raw, err := os.ReadFile(dir + "/resources.yaml")
	must(t, err)
	names := strings.Fields(os.Getenv("APPS_DBS"))
	for _, n := range names {
		must(t, pg.Exec(context.Background(), "postgres", "CREATE DATABASE "+n+" TEMPLATE template_clinic"))
	}
	text := strings.ReplaceAll(string(raw), "${DATABASES}", strings.Join(names, ", "))
	gw := servertest.Start(t, servertest.Options{PG: pg, Resources: text})
	dsn := gw.Connect("agent", "batched")
	must(t, os.WriteFile(dir+"/dsn", []byte(fmt.Sprintf("GW=%s\nDIRECT=%s\n", dsn, pg.DSN("postgres"))), 0o644))
	for {
		if _, err := os.Stat(dir + "/stop"); err == nil {
			break
		}
		time.Sleep(time.Second)
		_ = os.WriteFile(dir+"/gw.log", []byte(gw.Log.String()), 0o644)
	}
}
