// Package clinic is the sample clinic of `hoop-gateway dev`: a schema, and synthetic
// data from a fixed seed. No person in it exists: social security numbers begin with
// 9, which are never issued, telephone numbers are 555-01xx, which ring nowhere, and
// mail goes to example.com (RFC 2606).
package clinic

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// Patients is how many patients the clinic has.
const Patients = 10_000

// Seed of the data: the same clinic everywhere.
const seed = 0x686f6f70

// Create makes role (with password, able to log in, owner of everything), the
// database "clinic" and its data. admin connects as superuser to a database of the
// same server; dsn gives a superuser's connection string for a database.
func Create(ctx context.Context, dsn func(database string) string, role, password string) error {
	admin, err := pgx.Connect(ctx, dsn("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the sample server: %w", err)
	}
	defer admin.Close(ctx)
	name := pgx.Identifier{role}.Sanitize()
	// CREATE ROLE takes no parameters; the password is ours and has no quote in it.
	create := fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, strings.ReplaceAll(password, "'", "''"))
	for _, sql := range []string{create, "CREATE DATABASE clinic OWNER " + name} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return fmt.Errorf("create the sample database: %w", err)
		}
	}
	conn, err := pgx.Connect(ctx, dsn("clinic"))
	if err != nil {
		return fmt.Errorf("connect to the sample database: %w", err)
	}
	defer conn.Close(ctx)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+name+";"+schema); err != nil {
			return fmt.Errorf("create the sample schema: %w", err)
		}
		if err := fill(ctx, tx); err != nil {
			return fmt.Errorf("fill the sample database: %w", err)
		}
		return nil
	})
}

func fill(ctx context.Context, tx pgx.Tx) error {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, seed))}
	patients := make([][]any, Patients)
	var encounters, claims [][]any
	for i := range patients {
		p := g.patient(i + 1)
		patients[i] = p.row()
		for range 1 + g.IntN(3) {
			id := len(encounters) + 1
			encounters = append(encounters, g.encounter(id, p))
			if g.IntN(4) != 0 {
				claims = append(claims, g.claim(len(claims)+1, p, id))
			}
		}
	}
	for _, t := range []struct {
		name    string
		columns string
		rows    [][]any
	}{
		{"patients", "id mrn full_name birth_date ssn phone email street city state zip", patients},
		{"encounters", "id patient_id at provider kind note", encounters},
		{"claims", "id patient_id encounter_id icd10 cpt amount member_id status", claims},
	} {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, strings.Fields(t.columns), pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("copy %s: %w", t.name, err)
		}
	}
	_, err := tx.Exec(ctx, `
		SELECT setval(pg_get_serial_sequence('patients', 'id'), (SELECT max(id) FROM patients));
		SELECT setval(pg_get_serial_sequence('encounters', 'id'), (SELECT max(id) FROM encounters));
		SELECT setval(pg_get_serial_sequence('claims', 'id'), (SELECT max(id) FROM claims));`)
	return err
}

type generator struct{ *rand.Rand }

type patient struct {
	id                           int
	mrn, name, ssn, phone, email string
	street, city, state, zip     string
	birth                        time.Time
}

func (p patient) row() []any {
	return []any{p.id, p.mrn, p.name, p.birth, p.ssn, p.phone, p.email, p.street, p.city, p.state, p.zip}
}

func (g *generator) pick(words []string) string { return words[g.IntN(len(words))] }

func (g *generator) phone() string {
	return fmt.Sprintf("(%d) 555-01%02d", 201+g.IntN(700), g.IntN(100))
}

func (g *generator) patient(id int) patient {
	first, last := g.pick(firstNames), g.pick(lastNames)
	place := places[g.IntN(len(places))]
	return patient{
		id:     id,
		mrn:    fmt.Sprintf("MRN-%08d", 10_000_000+id*7),
		name:   first + " " + last,
		birth:  time.Date(1928+g.IntN(95), time.Month(1+g.IntN(12)), 1+g.IntN(28), 0, 0, 0, 0, time.UTC),
		ssn:    fmt.Sprintf("9%02d-%02d-%04d", g.IntN(100), 1+g.IntN(99), 1+g.IntN(9999)),
		phone:  g.phone(),
		email:  strings.ToLower(first+"."+last) + fmt.Sprintf("%d@example.com", id),
		street: fmt.Sprintf("%d %s", 1+g.IntN(999), g.pick(streets)),
		city:   place[0], state: place[1], zip: place[2],
	}
}

func (g *generator) encounter(id int, p patient) []any {
	at := time.Date(2024+g.IntN(2), time.Month(1+g.IntN(12)), 1+g.IntN(28), 8+g.IntN(10), g.IntN(60), 0, 0, time.UTC)
	provider := "Dr. " + g.pick(lastNames)
	notes := []string{
		fmt.Sprintf("Pt (%s) seen for %s. Call back at %s.", p.mrn, g.pick(complaints), p.phone),
		fmt.Sprintf("Follow-up for %s. SSN %s confirmed at the desk. Results to %s.", g.pick(complaints), p.ssn, p.email),
		fmt.Sprintf("Pt stable, %s improving. Next visit in %d weeks.", g.pick(complaints), 1+g.IntN(12)),
		fmt.Sprintf("Referred to %s for %s; records of %s sent.", "Dr. "+g.pick(lastNames), g.pick(complaints), p.mrn),
	}
	return []any{id, p.id, at, provider, g.pick([]string{"office", "telehealth", "emergency", "inpatient"}), g.pick(notes)}
}

func (g *generator) claim(id int, p patient, encounter int) []any {
	return []any{
		id, p.id, encounter, g.pick(icd10), g.pick(cpt), float64(4000+g.IntN(90_000)) / 100,
		fmt.Sprintf("HPN%09d", 400_000_000+p.id*13), g.pick([]string{"paid", "denied", "pending"}),
	}
}

var (
	firstNames = strings.Fields("Ada Amir Ana Bela Carl Chen Dara Diego Ella Emil Fatima Finn Grace Hana Hugo Ida Ivan Jana Joel Kaya Lars Lena Luis Mara Mei Milo Nadia Nils Nora Omar Otto Pia Ravi Rosa Sam Sara Tara Theo Uma Vera Yusuf Zoe")
	lastNames  = strings.Fields("Abbott Baker Castillo Dahl Eriksen Fischer Garcia Hassan Ito Jansen Kaur Lopez Meyer Nguyen Okafor Patel Quinn Rossi Silva Tanaka Ueda Varga Weber Xu Young Zhang")
	streets    = []string{"Oak Street", "Maple Avenue", "Mill Road", "Station Lane", "Hill Drive", "River Court"}
	places     = [][3]string{{"Albany", "NY", "12207"}, {"Boise", "ID", "83702"}, {"Dover", "DE", "19901"}, {"Helena", "MT", "59601"}, {"Juneau", "AK", "99801"}, {"Salem", "OR", "97301"}, {"Cody", "WY", "82414"}, {"Pierre", "SD", "57501"}}
	complaints = []string{"hypertension", "type 2 diabetes", "low back pain", "asthma", "migraine", "a sprained ankle", "seasonal allergies", "chest pain, ruled out"}
	icd10      = strings.Fields("I10 E11.9 M54.50 J45.909 G43.909 S93.401A J30.2 R07.9")
	cpt        = strings.Fields("99213 99214 99203 93000 80053 71046 97110 36415")
)
