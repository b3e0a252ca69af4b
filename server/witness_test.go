package server

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/witness"
)

// peer is the evidence side of a gateway, and its witness.
type peer struct {
	*Gateway
	mux *http.ServeMux
	url string
	ca  string
}

func newPeer(t *testing.T, name string) *peer {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Gateway: &Gateway{cfg: &Config{DataDir: dir, PublicURL: "https://" + name}, log: log}, mux: http.NewServeMux()}
	p.add("journal", j.Close)
	if p.audit, err = audit.Open(audit.Options{Dir: filepath.Join(dir, "audit"), Keys: p.keys(), Origin: name + "/audit", Journal: j, Log: log}); err != nil {
		t.Fatal(err)
	}
	p.add("audit log", p.audit.Close)
	srv := httptest.NewTLSServer(p.mux)
	t.Cleanup(srv.Close)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.url, p.ca = srv.URL+witnessPath, filepath.Join(dir, "test-ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(p.ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// Two gateways cosign each other's logs.
func TestWitness_EachOther(t *testing.T) {
	a, b := newPeer(t, "a.example"), newPeer(t, "b.example")
	key := func(p *peer) string { // as the gateway's log says it
		s, err := witness.New(witness.Options{
			Dir: filepath.Join(p.cfg.DataDir, "witness"), Key: filepath.Join(p.keys(), "witness.key"),
			Name: p.cfg.PublicURL[len("https://"):] + witnessPath, Logs: p.cfg.Witness.Logs,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.VerifierKey()
	}
	for _, pair := range [][2]*peer{{a, b}, {b, a}} {
		pair[0].cfg.Witness = &WitnessedConfig{Logs: []string{pair[1].audit.VerifierKey()}}
		if err := pair[0].buildWitness(pair[0].mux); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range [][2]*peer{{a, b}, {b, a}} {
		me, other := pair[0], pair[1]
		me.cfg.Witnesses = []WitnessConfig{{Name: "other", URL: other.url, Key: key(other), CAFile: other.ca}}
		if err := me.cfg.checkWitnesses(); err != nil {
			t.Fatal(err)
		}
		if err := me.buildKeeper(); err != nil {
			t.Fatal(err)
		}
		me.keeper.Once(t.Context())
		if me.keeper.Cosigned().IsZero() {
			t.Errorf("%s is not cosigned", me.cfg.PublicURL)
		}
	}
}

func TestConfig_Witnesses(t *testing.T) {
	good := WitnessConfig{Name: "w", URL: "https://w.example", Key: "k"}
	for name, c := range map[string]Config{
		"no name":       {Witnesses: []WitnessConfig{{URL: good.URL, Key: "k"}}},
		"twice":         {Witnesses: []WitnessConfig{good, good}},
		"no TLS":        {Witnesses: []WitnessConfig{{Name: "w", URL: "http://w.example", Key: "k"}}},
		"no key":        {Witnesses: []WitnessConfig{{Name: "w", URL: good.URL}}},
		"quorum":        {Witnesses: []WitnessConfig{good}, Quorum: 2},
		"of nobody":     {Witness: &WitnessedConfig{}},
		"negative":      {Quorum: -1},
		"no URL at all": {Witnesses: []WitnessConfig{{Name: "w", Key: "k"}}},
	} {
		if err := c.checkWitnesses(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := (&Config{Witnesses: []WitnessConfig{good}, Quorum: 1}).checkWitnesses(); err != nil {
		t.Error(err)
	}
}
