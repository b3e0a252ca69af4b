package clinic

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/pgserver"
)

func TestCreate_SameClinicEverywhere(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := Create(t.Context(), pg.DSN, "app", "secret"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), pg.DSN("clinic"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var patients int
	var digest, owner string
	if err := conn.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM patients),
		       md5((SELECT string_agg(p::text, '' ORDER BY id) FROM patients p) || (SELECT string_agg(e::text, '' ORDER BY id) FROM encounters e)),
		       (SELECT tableowner FROM pg_tables WHERE tablename = 'patients')`).Scan(&patients, &digest, &owner); err != nil {
		t.Fatal(err)
	}
	if patients != Patients || owner != "app" {
		t.Errorf("%d patients owned by %s, want %d owned by app", patients, owner, Patients)
	}
	if want := "67ea7abc52b07da799e7847ccfc147f1"; digest != want {
		t.Errorf("digest of the data = %s, want %s: the seed promises the same clinic everywhere", digest, want)
	}
}
