package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
)

// Foresight is what the line would say to a statement.
type Foresight struct {
	Uses     []hoop.Use      // the effects that matter here
	Each     []hoop.Decision // what each of them alone leads to
	Decision hoop.Decision
	Rules    *mask.Rules
	Refused  error // why the gateway refuses it whatever the rules say; nil: it does not
	Withheld bool  // the statement's texts of errors and notices would be
	Least    int   // counts below it are left out of the answer; 0: none are
}

// Foresee says what Judge would decide about a statement of id on target now, under a
// grant that is narrowed so, and changes nothing. It knows no session, so not what one
// has done before; and it does not ask whether there is a grant.
func (l *Line) Foresee(ctx context.Context, id hoop.Identity, target hoop.Target, narrowed hoop.Scope, st *hoop.Statement) (Foresight, error) {
	s := &Session{line: l, target: target, scopes: scopes(id, narrowed), allowances: allowances(id, target), learned: limitsOf(target)}
	s.info.Identity = id
	uses, exports, refused, err := s.uses(ctx, st)
	if err != nil {
		return Foresight{}, err
	}
	f := Foresight{Uses: uses, Rules: s.rules()}
	if refused != nil {
		f.Refused = refused
	}
	// As Judge does: where the statement copies to is protected before its answer comes.
	if into := lasting(inheritors(f.Rules, st, uses)); len(into) > 0 {
		f.Rules = f.Rules.Inheriting(into)
	}
	f.Withheld = f.Rules.Withheld(st) || exports.withheld
	if f.Decision, err = s.decide(ctx, uses); err != nil {
		return f, err
	}
	infers := s.infers(st, s.rules())
	asks, err := infers.limit(ctx, s, f.Decision)
	if err != nil {
		return f, err
	}
	f.Decision = asks[0]
	for _, also := range asks[1:] {
		f.Decision.Reason += fmt.Sprintf("; by %d of %s too: %s", max(1, also.Approval.Count), strings.Join(also.Approval.Groups, " or "), strings.TrimPrefix(also.Reason, "needs approval: "))
	}
	f.Least = infers.least
	for i := range uses {
		d, err := s.decide(ctx, uses[i:i+1])
		if err != nil {
			return f, err
		}
		f.Each = append(f.Each, d)
	}
	return f, nil
}

// lasting drops temporary tables, which inherit nothing: what no catalog lists is masked.
func lasting(tables []string) []string {
	return slices.DeleteFunc(tables, func(t string) bool { return strings.HasPrefix(t, "pg_temp.") })
}
