package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Webhook is where to post events, and the secret that signs them.
type Webhook struct {
	URL      string
	Secret   string // "whsec_" and base64, or at least 24 characters as they are
	Loopback bool   // plain HTTP to this machine is fine
	Source   string // the gateway's URL: whose events these are
}

// NewWebhook makes a sink that posts each event as a CloudEvent (version 1.0, structured
// JSON), signed as Standard Webhooks has it: webhook-signature is "v1," and base64 of
// HMAC-SHA256 over "webhook-id.webhook-timestamp.body".
func NewWebhook(o Options, w Webhook) (*Sink, error) {
	if err := CheckURL(w.URL, w.Loopback); err != nil {
		return nil, fmt.Errorf("notify %s: url: %w", o.Name, err)
	}
	key, err := signingKey(w.Secret)
	if err != nil {
		return nil, fmt.Errorf("notify %s: secret: %w", o.Name, err)
	}
	h := &webhook{Webhook: w, key: key, http: client(), now: o.Now}
	if h.now == nil {
		h.now = time.Now
	}
	return newSink(o, h)
}

func signingKey(secret string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(secret, "whsec_"); ok {
		key, err := base64.StdEncoding.DecodeString(rest)
		if err != nil || len(key) < 24 {
			return nil, fmt.Errorf("want whsec_ and base64 of at least 24 bytes")
		}
		return key, nil
	}
	if len(secret) < 24 {
		return nil, fmt.Errorf("want at least 24 characters")
	}
	return []byte(secret), nil
}

type webhook struct {
	Webhook
	key  []byte
	http *http.Client
	now  func() time.Time
}

// cloudEvent is CloudEvents 1.0, JSON format.
type cloudEvent struct {
	SpecVersion string      `json:"specversion"`
	ID          string      `json:"id"` // place in the gateway's log: the same however often it is sent
	Source      string      `json:"source"`
	Type        string      `json:"type"`
	Subject     string      `json:"subject,omitempty"`
	Time        time.Time   `json:"time"`
	ContentType string      `json:"datacontenttype"`
	Data        *hoop.Event `json:"data"`
}

func (h *webhook) tell(ctx context.Context, index int64, e *hoop.Event) error {
	c := cloudEvent{
		SpecVersion: "1.0", ID: strconv.FormatInt(index, 10), Source: h.Source, Type: "hoop." + string(e.Type),
		Time: e.Time, ContentType: "application/json", Data: e,
	}
	switch {
	case e.Request != 0:
		c.Subject = "requests/" + strconv.FormatInt(e.Request, 10)
	case e.Grant != "":
		c.Subject = "grants/" + e.Grant
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	id, at := "evt_"+c.ID, strconv.FormatInt(h.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	req.Header.Set("User-Agent", "hoop-gateway")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+sign(h.key, id+"."+at+".", body))
	resp, err := h.http.Do(req)
	if err != nil {
		return hideURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusGone: // Standard Webhooks: do not come back with this
		return fmt.Errorf("status %d: %w", resp.StatusCode, errRefused)
	}
	return fmt.Errorf("status %d", resp.StatusCode)
}

// sign is base64 of HMAC-SHA256 over prefix and body.
func sign(key []byte, prefix string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(prefix))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
