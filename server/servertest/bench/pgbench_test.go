package main

import (
	"strings"
	"testing"
)

const pgbench15 = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
scaling factor: 10
query mode: prepared
number of clients: 8
number of threads: 2
maximum number of tries: 1
duration: 2 s
number of transactions actually processed: 49328
number of failed transactions: 0 (0.000%)
latency average = 0.323 ms
initial connection time = 21.706 ms
tps = 24741.632107 (without initial connection time)
`

func TestParsePgbench(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want pgbenchResult
		err  string
	}{
		"version 15": {pgbench15, pgbenchResult{49328, 24741.632107}, ""},
		"reconnecting": {
			"number of transactions actually processed: 332\nnumber of failed transactions: 0 (0.000%)\nlatency average = 48.1 ms\naverage connection time = 12.0 ms\ntps = 166.213456 (including reconnection times)\n",
			pgbenchResult{332, 166.213456},
			"",
		},
		"version 13": {
			"number of transactions actually processed: 10\ntps = 9.5 (including connections establishing)\ntps = 10.5 (excluding connections establishing)\n",
			pgbenchResult{10, 10.5},
			"",
		},
		"failures":  {strings.Replace(pgbench15, "failed transactions: 0", "failed transactions: 7", 1), pgbenchResult{}, "7 transactions failed"},
		"nothing":   {"", pgbenchResult{}, "no figures"},
		"none done": {"number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n", pgbenchResult{}, "no transaction ended"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsePgbench(tc.in)
			if got != tc.want || (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%+v, %v; want %+v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestPgbenchRun_Args(t *testing.T) {
	p := &path{host: "127.0.0.1", port: 5432, user: "app", database: "bench"}
	got := strings.Join(pgbenchRun{mode: "prepared", selects: true, clients: 32}.args(p, 2), " ")
	if want := "-h 127.0.0.1 -p 5432 -U app -n -M prepared -c 32 -j 2 -T 2 -S bench"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got = strings.Join(pgbenchRun{mode: "simple", reconnect: true, clients: 1}.args(p, 1), " ")
	if want := "-h 127.0.0.1 -p 5432 -U app -n -M simple -c 1 -j 1 -T 1 -C bench"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
