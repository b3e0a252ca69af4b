package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// payload is what we read of an interaction.
type payload struct {
	Type      string `json:"type"` // block_actions, view_submission
	TriggerID string `json:"trigger_id"`
	User      struct {
		ID     string `json:"id"`
		Name   string `json:"username"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Team struct {
		ID string `json:"id"`
	} `json:"team"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Actions []struct {
		ID    string `json:"action_id"`
		Value string `json:"value"`
	} `json:"actions"`
	View struct {
		Callback string `json:"callback_id"`
		Private  string `json:"private_metadata"`
		State    struct {
			Values map[string]map[string]struct {
				Value string `json:"value"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

func parsePayload(body []byte) (payload, error) {
	var p payload
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["payload"]) != 1 {
		return p, errors.New("no payload")
	}
	err = json.Unmarshal([]byte(form.Get("payload")), &p)
	if err == nil && p.User.ID == "" {
		err = errors.New("no user")
	}
	return p, err
}

// account names whoever pressed: a user of a workspace.
func (p *payload) account() string {
	team := p.User.TeamID
	if team == "" {
		team = p.Team.ID
	}
	return team + "/" + p.User.ID
}

// act does what was pressed. The answer is for Slack; nil acknowledges.
func (c *Chat) act(ctx context.Context, p payload) any {
	switch {
	case p.Type == "view_submission" && (p.View.Callback == "deny" || p.View.Callback == "approve"):
		how := c.slack.Decide.Deny
		if p.View.Callback == "approve" {
			how = c.slack.Decide.Approve
		}
		about, err := parseRef(p.View.Private)
		var who hoop.Identity
		if err == nil {
			who, err = c.who(ctx, p)
		}
		if err == nil {
			err = c.ours(ctx, who, about)
		}
		var r hoop.Request
		if err == nil {
			r, err = how(ctx, who, about.id, p.View.State.Values["reason"]["reason"].Value)
		}
		c.refused(ctx, who, &p, p.View.Callback, about.id, err)
		if r.Repeated {
			err = hoop.Errorf(hoop.CodeConflict, "request %d: %s", about.id, r.Progress())
		}
		if err != nil {
			return map[string]any{"response_action": "errors", "errors": map[string]string{"reason": plainError(err)}}
		}
		return nil
	case p.Type == "block_actions" && len(p.Actions) == 1:
		about, err := parseRef(p.Actions[0].Value)
		if err != nil {
			return nil
		}
		c.pressed(context.WithoutCancel(ctx), p, p.Actions[0].ID, about)
	}
	return nil
}

// pressed does what a button says, after Slack has its answer: it waits for three
// seconds only.
func (c *Chat) pressed(ctx context.Context, p payload, action string, about ref) {
	c.doing.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		var view any
		who, err := c.who(ctx, p)
		if err == nil {
			err = c.ours(ctx, who, about)
		}
		switch {
		case action != "approve" && action != "deny":
			return // the link
		case err != nil:
		case action == "approve":
			view, err = c.approveView(ctx, who, about)
		default:
			view = denyView(about)
		}
		c.refused(ctx, who, &p, action, about.id, err)
		if err == nil {
			err = c.call(ctx, "views.open", map[string]any{"trigger_id": p.TriggerID, "view": view}, nil)
		}
		if err == nil {
			return
		}
		if say := c.call(ctx, "chat.postEphemeral", map[string]any{
			"channel": p.Channel.ID, "user": p.User.ID, "text": plainError(err), "blocks": []any{section(plainError(err))},
		}, nil); say != nil {
			c.o.Logger.WarnContext(ctx, "notify: somebody was not told", "sink", c.o.Name, "error", errors.Join(say, err))
		}
	})
}

// refusedAgain is how long an event says that somebody tries what they may not.
const refusedAgain = 10 * time.Minute

// refused puts on record that somebody tried to decide what they may not, as the API does.
// It was refused already, so an event that cannot be written is only logged.
func (c *Chat) refused(ctx context.Context, who hoop.Identity, p *payload, verb string, id int64, err error) {
	if code := hoop.AsError(err).Code; err == nil || who.Subject == "" || code != hoop.CodeDenied && code != hoop.CodeNotFound {
		return
	}
	now := c.o.Now()
	key := fmt.Sprint(p.account(), verb, id)
	c.lock.Lock()
	for k, t := range c.tried {
		if now.Sub(t) >= refusedAgain {
			delete(c.tried, k)
		}
	}
	_, known := c.tried[key]
	if !known && len(c.tried) < maxSeen {
		c.tried[key] = now
	}
	c.lock.Unlock()
	if known {
		return
	}
	e := &hoop.Event{
		Time: now.UTC(), Type: hoop.EventAPIDenied, Subject: who.Subject, Chain: who.Chain,
		Text: "POST /slack/" + c.o.Name, Reason: shown(hoop.AsError(err).Message, 200),
		Details: []hoop.Detail{
			{Name: "attempts", Value: "1"}, {Name: "id", Value: strconv.FormatInt(id, 10)}, {Name: "action", Value: verb}, {Name: "account", Value: shown(p.account(), 80)},
		},
	}
	if err := c.slack.Audit.Write(context.WithoutCancel(ctx), e); err != nil {
		c.o.Logger.ErrorContext(ctx, "notify: refused attempt not recorded", "sink", c.o.Name, "subject", who.Subject, "error", err)
	}
}

// ours refuses a request that is another one than the message is about.
func (c *Chat) ours(ctx context.Context, who hoop.Identity, about ref) error {
	if about.at == 0 {
		return nil
	}
	r, err := c.slack.Decide.Request(ctx, who, about.id)
	if err == nil && r.CreatedAt.UnixMicro() != about.at {
		err = hoop.Errorf(hoop.CodeConflict, "this message is about request %d of another gateway than the one that Slack calls", about.id).
			WithHint("open it to decide, and give each gateway a Slack app of its own")
	}
	return err
}

// who is the identity of whoever pressed: by an explicit link only, never by a name or
// an address that the chat knows.
func (c *Chat) who(ctx context.Context, p payload) (hoop.Identity, error) {
	account := p.account()
	subject := c.slack.Users[account]
	if subject == "" {
		c.mu.Lock()
		subject = c.state.Links[account].Subject
		c.mu.Unlock()
	}
	if subject == "" {
		return hoop.Identity{}, c.unlinked(account, p.User.Name)
	}
	return c.slack.Identity(ctx, subject)
}
