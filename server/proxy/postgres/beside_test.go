package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// DDL that changes names waits for what another session has under way and rules would not let run
// behind it, and gives up after a while: nothing of it has happened then.
func TestBeside_GivesUp(t *testing.T) {
	g := setup(t, "create table open (n int); create table shut (n int)")
	g.proxy.patience = 300 * time.Millisecond
	g.policy.around(func(_ func([]hoop.Use) hoop.Decision, uses []hoop.Use) hoop.Decision {
		shut := slices.ContainsFunc(uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectWrite && slices.Contains(u.Tables, "public.shut") })
		if shut {
			return hoop.Decision{Action: hoop.Deny, Effect: hoop.EffectWrite, Rule: "test", Policy: "test"}
		}
		return hoop.Decision{Action: hoop.Allow, Rule: "test", Policy: "test"}
	})
	other, watch := rawConn(t, g.dsn()), g.direct()
	other.Frontend.Send(query("select pg_sleep(60); update open set n = n where n = 1"))
	check(t, other.Frontend.Flush())
	eventually(t, "it is under way", func() bool { return g.backends(watch, "select pg_sleep(60); update open set n = n where n = 1") == 1 })
	conn := g.connect()
	inherit := func() error {
		_, err := conn.Exec(t.Context(), "alter table shut inherit open", pgx.QueryExecModeSimpleProtocol)
		return err
	}
	if err := inherit(); err == nil || !strings.Contains(err.Error(), "55006") {
		t.Errorf("behind what is under way: %v", err)
	}
	var made int
	check(t, watch.QueryRow(t.Context(), "select count(*) from pg_inherits where inhrelid = 'shut'::regclass").Scan(&made))
	if made != 0 {
		t.Error("it has happened")
	}
	<-g.sendCancel(other)
	other.exchange(step{ready: 1})
	check(t, inherit())
}
