package catalog

import "testing"

// What a statement touches is the same after changes of other tables, and not after any
// of its own, of what it stands on, or of code.
func TestSame(t *testing.T) {
	db, conn := database(t, `
		CREATE SCHEMA s;
		CREATE TABLE s.base (id int PRIMARY KEY, x int);
		CREATE TABLE s.child () INHERITS (s.base);
		CREATE TABLE s.other (id int);
		CREATE VIEW s.v AS SELECT id FROM s.base WHERE id = 1;
		CREATE VIEW s.vv AS SELECT id FROM s.v;
		CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';`)
	c := newCatalog(t, db, Options{})
	refresh := func() *Snapshot {
		t.Helper()
		s, err := c.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		change string
		names  []string
		same   bool
	}{
		{"SELECT 1", []string{"*"}, true},
		{"CREATE TABLE s.new (id int)", []string{"s.vv", "s.base"}, true},
		{"ALTER TABLE s.other ADD COLUMN y int", []string{"s.vv", "s.base"}, true},
		{"ALTER TABLE s.other ADD COLUMN z int", []string{"s.other"}, false},
		{"ALTER TABLE s.other ADD COLUMN zz int", []string{"*"}, false},
		{"CREATE TABLE s.third (id int)", []string{"s.third"}, false},
		{"DROP TABLE s.third", []string{"s.third"}, false},
		{"CREATE OR REPLACE VIEW s.v AS SELECT id FROM s.base WHERE true", []string{"s.v"}, false},
		{"CREATE OR REPLACE VIEW s.v AS SELECT id FROM s.base WHERE id > 0", []string{"s.vv"}, false},
		{"ALTER TABLE s.child ADD COLUMN w int", []string{"s.base"}, false},
		{"CREATE TRIGGER t BEFORE INSERT ON s.base FOR EACH ROW EXECUTE FUNCTION s.fire()", []string{"s.base"}, false},
		{"ALTER TABLE s.base ENABLE ROW LEVEL SECURITY", []string{"s.base"}, false},
		{"CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 2'", []string{"s.other"}, false},
		{"CREATE RULE r AS ON DELETE TO s.base DO INSTEAD NOTHING", []string{"s.base"}, false},
		{"DROP TABLE s.new; CREATE TABLE s.new (id int)", []string{"s.new"}, false},
		{"CREATE TABLE s.fourth (id int)", []string{"s.yet_to_come"}, true},
		{"CREATE SCHEMA s2", []string{"s.other"}, false},
	} {
		before := refresh()
		mustExec(t, conn, tt.change)
		if got := Same(before, refresh(), tt.names); got != tt.same {
			t.Errorf("%s: %v is the same: %v, want %v", tt.change, tt.names, got, tt.same)
		}
	}
}
