package notify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func denyView(about ref) any { return decideView("deny", "Deny", about, nil, "Reason", false) }

// approveView is what somebody reads before they approve: what there is to know of the
// request, without literals and parameters.
func (c *Chat) approveView(ctx context.Context, who hoop.Identity, about ref) (any, error) {
	r, err := c.slack.Decide.Look(ctx, who, about.id)
	if err != nil {
		return nil, err
	}
	var blocks []any
	var text string
	for _, l := range described(&r, c.o.Now()) {
		if len(l) > slackText || len(blocks) == maxSections {
			return nil, hoop.Errorf(hoop.CodeInvalid, "request %d has more to say than a chat can show", about.id).
				WithHint("open it to decide: %s/requests/%d", c.slack.Public, about.id)
		}
		if len(text)+len(l) > slackText {
			blocks, text = append(blocks, section(text)), ""
		}
		text = strings.TrimPrefix(text+"\n"+l, "\n")
	}
	return decideView("approve", "Approve", about, append(blocks, section(text)), "Reason (optional)", true), nil
}

// maxSections is how many blocks of text a view has; Slack takes 100 blocks.
const maxSections = 40

// decideView asks for a decision, below blocks.
func decideView(callback, verb string, about ref, blocks []any, label string, optional bool) any {
	text := func(s string) map[string]any { return map[string]any{"type": "plain_text", "text": s} }
	return map[string]any{
		"type": "modal", "callback_id": callback, "private_metadata": about.String(),
		"title": text(fmt.Sprintf("%s request %d", verb, about.id)), "submit": text(verb), "close": text("Back"),
		"blocks": append(blocks, map[string]any{
			"type": "input", "block_id": "reason", "label": text(label), "optional": optional,
			"element": map[string]any{"type": "plain_text_input", "action_id": "reason", "max_length": 900},
		}),
	}
}

// described is what there is to know of a request, a line each and a statement, without
// literals. Nothing in it begins a line of its own, and what is longer than slackText was cut.
func described(r *hoop.Request, now time.Time) []string {
	var lines []string
	line := func(name, value string) {
		if value != "" {
			lines = append(lines, shown(name+": "+value, slackText))
		}
	}
	from := r.Requester.Subject
	if r.Requester.Owner != "" {
		from += ", a service account of " + r.Requester.Owner
	}
	if len(r.Requester.Chain) > 0 {
		from += ", on behalf of " + strings.Join(r.Requester.Chain, ", for ")
	}
	line("From", from+" on "+r.Target)
	line("Expires", "in "+hoop.Duration(r.ExpiresAt.Sub(now).Round(time.Second)).String())
	if r.Kind == hoop.RequestGrant {
		line("Access for", r.Duration.String())
		line("Renews", r.Renews)
		if !r.StartsAt.IsZero() {
			line("Starts", r.StartsAt.UTC().Format("2006-01-02 15:04:05 UTC"))
		}
		if !r.Scope.IsZero() {
			line("Scope", r.Scope.String())
		}
	} else {
		lines = append(lines, "Would run, without its values:\n"+barred(r.Shape))
	}
	for _, u := range r.Effects {
		line("Effect", u.Line())
	}
	if f := r.Facts; f != nil {
		for _, l := range known(f) {
			lines = append(lines, shown(l, slackText))
		}
	}
	line("Reason", r.Reason)
	by := strings.Join(r.Groups, " or ")
	if r.Count > 1 {
		by = strconv.Itoa(r.Count) + " people of " + by
	}
	line("Approval by", by)
	for _, a := range r.Approvals {
		line("Approved", hoop.Named(a.Name, a.By))
	}
	return lines
}

// known is what the gateway found out about a held statement.
func known(f *hoop.Facts) []string {
	s := f.Session
	client := s.Client
	if client == "" {
		client = "an unnamed client"
	}
	lines := []string{fmt.Sprintf("Session: %s from %s, %s, since %s: %d statements, %d rows, %d masked cells", client, s.RemoteAddr, s.Database,
		s.StartedAt.UTC().Format("15:04:05 UTC"), s.Statements, s.Rows, s.Masked)}
	if f.Pending {
		return append(lines, "Target: being asked; press again in a moment to read what it says")
	}
	var columns []string
	for _, c := range f.Protected {
		columns = append(columns, c.String())
	}
	if f.More {
		columns = append(columns, "and others")
	}
	protected := "no column of these tables"
	if len(columns) > 0 {
		protected = strings.Join(columns, ", ")
	}
	return append(lines, "Rows: "+f.Estimate.String(), "Protected: "+protected, "Transaction: "+f.Transaction, "Locks: "+f.Locks.String())
}

// plainError is an error as the person may see it.
func plainError(err error) string {
	e := hoop.AsError(err)
	if e.Hint == "" {
		return shown(e.Message, 1000)
	}
	return shown(e.Message+" ("+e.Hint+")", 1000)
}

// outcome says what an event makes of its request, and whether that is the end.
func outcome(e *hoop.Event) (string, bool) {
	switch e.Type {
	case hoop.EventApproval:
		for _, d := range e.Details {
			var have, want int
			if d.Name == "approvals" {
				if n, err := fmt.Sscanf(d.Value, "%d of %d", &have, &want); n == 2 && err == nil && have < want {
					return fmt.Sprintf("%s approved: %s.", shown(e.Subject, 200), d.Value), false
				}
			}
		}
		return "Approved by " + shown(e.Subject, 200) + ".", true
	case hoop.EventDenial:
		return "Denied by " + shown(e.Subject, 200) + ": " + shown(e.Reason, 500), true
	case hoop.EventGrant: // without anybody's approval: with one, the message has ended already
		return "Granted: no approval was needed.", true
	case hoop.EventExpiry:
		return "Expired: nobody decided in time.", true
	}
	return "Cancelled.", true
}

func plainOf(parts ...string) string { return strings.Join(parts, "\n") }

// section is text without any markup: no mention and no link can hide in it.
func section(text string) any {
	return map[string]any{"type": "section", "text": map[string]any{"type": "plain_text", "emoji": false, "text": text}}
}

func (c *Chat) buttons(about ref, decide bool) any {
	button := func(action, label, style string) map[string]any {
		b := map[string]any{"type": "button", "action_id": action, "value": about.String(), "text": map[string]any{"type": "plain_text", "text": label}}
		if style != "" {
			b["style"] = style
		}
		return b
	}
	open := button("open", "Open", "")
	open["url"] = fmt.Sprintf("%s/requests/%d", c.slack.Public, about.id)
	if !decide {
		return map[string]any{"type": "actions", "elements": []any{open}}
	}
	return map[string]any{"type": "actions", "elements": []any{button("approve", "Approve…", "primary"), button("deny", "Deny…", "danger"), open}}
}

// barred makes a statement fit for a message: each line stands behind a bar, so that none
// passes for ours. One that gets longer than slackText was cut.
func barred(s string) string {
	var b strings.Builder
	for l := range strings.SplitSeq(s, "\n") {
		if b.Len() > slackText {
			return b.String() + "\n…"
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("│ " + shown(l, slackText))
	}
	return b.String()
}

// shown makes a text of others fit for a message: one line of at most limit bytes, and no
// character that cannot be seen.
func shown(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() > limit {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) && !hoop.Unseen(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "‹U+%04X›", r)
		}
	}
	return b.String()
}
