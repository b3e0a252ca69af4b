package server

import "testing"

func TestConfig_Sinks(t *testing.T) {
	syslog := func(c SyslogConfig) *SyslogConfig { return &c }
	otlp := func(c OTLPConfig) *OTLPConfig { return &c }
	for name, s := range map[string][]SinkConfig{
		"no name":        {{Syslog: syslog(SyslogConfig{Address: "a:1"})}},
		"a path":         {{Name: "../x", Syslog: syslog(SyslogConfig{Address: "a:1"})}},
		"neither":        {{Name: "a"}},
		"both":           {{Name: "a", Syslog: syslog(SyslogConfig{Address: "a:1"}), OTLP: otlp(OTLPConfig{URL: "https://a"})}},
		"twice":          {{Name: "a", OTLP: otlp(OTLPConfig{URL: "https://a"})}, {Name: "a", OTLP: otlp(OTLPConfig{URL: "https://a"})}},
		"plain HTTP":     {{Name: "a", OTLP: otlp(OTLPConfig{URL: "http://a"})}},
		"a secret":       {{Name: "a", OTLP: otlp(OTLPConfig{URL: "https://u:p@a"})}},
		"no port":        {{Name: "a", Syslog: syslog(SyslogConfig{Address: "a"})}},
		"unknown format": {{Name: "a", Syslog: syslog(SyslogConfig{Address: "a:1", Format: "xml"})}},
	} {
		if err := (&Config{Sinks: s}).checkSinks(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	c := &Config{Sinks: []SinkConfig{{Name: "a", Syslog: syslog(SyslogConfig{Address: "a:6514"})}}}
	if err := c.checkSinks(); err != nil || c.Sinks[0].Syslog.Format != "cef" {
		t.Errorf("got %+v, %v", c.Sinks[0].Syslog, err)
	}
}
