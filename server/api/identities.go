package api

import (
	"net"
	"net/http"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// delegate starts an agent on behalf of who asks.
func (h *handler) delegate(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	var ask api.NewAgent
	if err := body(w, r, &ask); err != nil {
		return err
	}
	token, _ := bearer(r)
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	agent, err := h.Delegate(r.Context(), id, token, address, ask)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, agent)
}

// disable ends all that an identity has, for administrators.
func (h *handler) disable(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if !h.hasRole(id, hoop.RoleAdmin) {
		return hoop.Errorf(hoop.CodeDenied, "only administrators end all that an identity has").
			WithHint("hoopctl revoke ID ends one grant, where you may")
	}
	var v api.Disable
	if err := body(w, r, &v); err != nil {
		return err
	}
	if v.Subject == "" {
		return hoop.Errorf(hoop.CodeInvalid, "whose? name the subject").WithHint("hoopctl grants --all lists owners")
	}
	done, err := h.Disable(r.Context(), id, v)
	if err != nil {
		return err
	}
	if done.Grants == 0 && done.Requests == 0 && done.SignIns == 0 {
		return hoop.Errorf(hoop.CodeNotFound, "%q has neither a sign-in nor a grant, and waits for none", v.Subject).WithHint("hoopctl grants --all lists owners")
	}
	return answer(w, http.StatusOK, done)
}
