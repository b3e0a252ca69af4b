package api

import (
	"net/http"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// protections lists what inherited protection, for administrators and auditors.
func (h *handler) protections(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if !h.examines(id) {
		return hoop.Errorf(hoop.CodeDenied, "only auditors and administrators see what inherited protection").
			WithHint("an administrator can give your group the role with a GroupRole")
	}
	items, err := h.Protections(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.List[hoop.Protection]{Items: append([]hoop.Protection{}, items...)})
}

// lift ends an inherited protection, for administrators. What rules declare stays.
func (h *handler) lift(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if !h.hasRole(id, hoop.RoleAdmin) {
		return hoop.Errorf(hoop.CodeDenied, "only administrators lift inherited protection").
			WithHint("an administrator can give your group the role with a GroupRole")
	}
	var v api.Lift
	if err := body(w, r, &v); err != nil {
		return err
	}
	if v.Target == "" || v.Table == "" {
		return hoop.Errorf(hoop.CodeInvalid, "which target, and which table?").WithHint("hoopctl get protection lists them")
	}
	var err error
	if v.Reason, err = h.Grants.Reason(v.Target, v.Reason); err != nil {
		return err
	}
	if v.Reason == "" {
		return hoop.Errorf(hoop.CodeInvalid, "to lift a protection needs a reason")
	}
	if err := h.Lift(r.Context(), id, v); err != nil {
		return err
	}
	return answer(w, http.StatusOK, v)
}
