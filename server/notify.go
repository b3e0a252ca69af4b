package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/notify"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/store"
)

// NotifyConfig is one sink of what happens: a webhook or a Slack channel.
type NotifyConfig struct {
	Name    string           `json:"name"`
	Webhook *WebhookConfig   `json:"webhook"`
	Slack   *SlackConfig     `json:"slack"`
	Events  []hoop.EventType `json:"events"` // of a webhook; empty: requests, decisions, grants
}

// WebhookConfig is where events are posted.
type WebhookConfig struct {
	URL      string          `json:"url"`
	Secret   resource.Secret `json:"secret"`
	Loopback bool            `json:"allow_http_loopback"` // plain HTTP to 127.0.0.1 or [::1]
}

// SlackConfig is a channel where approvers decide.
type SlackConfig struct {
	Token         resource.Secret `json:"token"`
	SigningSecret resource.Secret `json:"signing_secret"`
	Channel       string          `json:"channel"`
	Users         []ChatUser      `json:"users"` // others link their accounts in the web UI
	// APIURL is where Slack's Web API is; empty: https://slack.com/api.
	APIURL   string `json:"api_url"`
	Loopback bool   `json:"allow_http_loopback"` // plain HTTP to 127.0.0.1 or [::1]
}

// ChatUser says whose a chat account is.
type ChatUser struct {
	Account string `json:"account"` // TEAM/USER, "T0123/U0456"
	Subject string `json:"subject"` // as whoami shows it: "corp:alex"
}

var slackAccount = regexp.MustCompile(`^[A-Z0-9]+/[A-Z0-9]+$`)

var sinkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

func (c *Config) checkNotify() error {
	seen := map[string]bool{}
	for _, n := range c.Notify {
		fault := func(format string, args ...any) error {
			return fmt.Errorf("notify: %s: "+format, append([]any{n.Name}, args...)...)
		}
		switch {
		case !sinkName.MatchString(n.Name):
			return fmt.Errorf("notify: name %q: want letters a-z, digits and hyphens", n.Name)
		case seen[n.Name]:
			return fault("there are two of this name")
		case (n.Webhook == nil) == (n.Slack == nil):
			return fault("want webhook or slack")
		case n.Slack != nil && len(n.Events) > 0:
			return fault("a Slack channel is told of requests and what becomes of them; events is for webhooks")
		case n.Slack != nil && (n.Slack.Channel == "" || n.Slack.Token.IsZero() || n.Slack.SigningSecret.IsZero()):
			return fault("slack wants token, signing_secret and channel")
		case n.Webhook != nil && n.Webhook.Secret.IsZero():
			return fault("webhook wants a secret: the receiver tells by it who calls")
		}
		if n.Webhook != nil {
			if err := notify.CheckURL(n.Webhook.URL, n.Webhook.Loopback); err != nil {
				return fault("url: %w", err)
			}
		}
		for _, e := range n.Events {
			if !slices.Contains(hoop.EventTypes, e) {
				return fault("there is no event %q", e)
			}
		}
		if n.Slack != nil {
			if n.Slack.APIURL != "" {
				if err := notify.CheckURL(n.Slack.APIURL, n.Slack.Loopback); err != nil {
					return fault("api_url: %w", err)
				}
			}
			linked := map[string]bool{}
			for _, u := range n.Slack.Users {
				if linked[u.Account] {
					return fault("users: the account %s is there twice", u.Account)
				}
				linked[u.Account] = true
				if !slackAccount.MatchString(u.Account) || u.Subject == "" {
					return fault("users: want account (TEAM/USER, as T0123/U0456) and subject, got %q", u.Account)
				}
			}
		}
		seen[n.Name] = true
	}
	return nil
}

// buildNotify makes the sinks, has Slack's requests served, and gives the chats. The
// sinks run until the gateway closes.
func (g *Gateway) buildNotify(mux *http.ServeMux, db *store.Store, signIn *auth.Server) (notify.Chats, error) {
	var sinks []*notify.Sink
	var chats notify.Chats
	for _, n := range g.cfg.Notify {
		o := notify.Options{Name: n.Name, Dir: filepath.Join(g.cfg.DataDir, "notify"), Events: n.Events, Log: g.audit, Logger: g.log}
		if n.Webhook != nil {
			secret, err := n.Webhook.Secret.Resolve()
			if err != nil {
				return nil, fmt.Errorf("notify %s: %w", n.Name, err)
			}
			s, err := notify.NewWebhook(o, notify.Webhook{URL: n.Webhook.URL, Secret: secret, Loopback: n.Webhook.Loopback, Source: g.url})
			if err != nil {
				return nil, err
			}
			sinks = append(sinks, s)
			continue
		}
		token, err := n.Slack.Token.Resolve()
		secret, err2 := n.Slack.SigningSecret.Resolve()
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("notify %s: %w", n.Name, err)
		}
		users := map[string]string{}
		for _, u := range n.Slack.Users {
			users[u.Account] = u.Subject
		}
		var shared notify.Requests
		if db.Shared() {
			shared = db
		}
		c, err := notify.NewSlack(o, notify.Slack{
			Token: token, SigningSecret: secret, Channel: n.Slack.Channel, Users: users, Public: g.url, API: n.Slack.APIURL,
			Identity: signIn.Current, Decide: g.grants, Audit: g.audit, Shared: shared,
		})
		if err != nil {
			return nil, err
		}
		mux.Handle("POST /slack/"+n.Name, c)
		sinks, chats = append(sinks, c.Sink), append(chats, c)
	}
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for _, s := range sinks {
		work.Go(func() { s.Run(ctx) })
	}
	g.add("notify", func() error {
		stop()
		work.Wait()
		for _, c := range chats {
			c.Wait()
		}
		return nil
	})
	return chats, nil
}
