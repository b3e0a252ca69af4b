package session

import (
	"context"
	"log/slog"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/decoy"
)

// Decoys knows where the columns of decoys are, whatever they are called.
type Decoys interface {
	Follow(ctx context.Context, key decoy.Key, in decoy.Columns) ([]hoop.ColumnID, []decoy.Change, error)
}

// watched is a decoy of the target: under the name that is declared, or another one that its
// column has.
type watched struct {
	hoop.Decoy
	of int // which of the target's
}

// watchedIn gives the target's decoys as a statement may name them: in is the database as the
// statement sees it, others as everybody else does. An error says that it is not known where
// they are.
func (s *Session) watchedIn(ctx context.Context, in, others decoy.Columns) (list []watched, err error) {
	if len(s.target.Decoys) == 0 {
		return nil, nil
	}
	if err := s.follow(ctx, others); err != nil {
		return nil, err
	}
	for i, d := range s.target.Decoys {
		list = append(list, watched{d, i})
		for _, p := range s.places[i] {
			if name, ok := in.Named(p); ok && name != d.Column {
				list = append(list, watched{hoop.Decoy{Column: name, Values: d.Values, End: d.End}, i})
			}
		}
	}
	return list, nil
}

// follow finds the decoys in a state of the catalog that everybody sees. What became of one
// is an event of the gateway's: who looks is not who did it.
func (s *Session) follow(ctx context.Context, in decoy.Columns) error {
	if s.followed == in {
		return nil
	}
	places := make([][]hoop.ColumnID, len(s.target.Decoys))
	for i, d := range s.target.Decoys {
		found, changes, err := s.line.Decoys.Follow(ctx, decoy.Key{Target: s.target.Name, Database: s.info.Database, Column: d.Column}, in)
		if err != nil {
			s.line.Log.LogAttrs(ctx, slog.LevelError, "it is not known where decoys are", slog.Any("err", err))
			return &hoop.Error{
				Code: hoop.CodeUnavailable, Message: "the gateway cannot watch over the target, so nothing runs",
				Hint: "try again; the gateway's log has the cause", Err: err,
			}
		}
		for _, c := range changes {
			if err := s.lost(d, c); err != nil {
				return unrecorded(err)
			}
		}
		places[i] = found
	}
	s.places, s.followed = places, in
	return nil
}

// lost raises an alert for what became of a decoy's column.
func (s *Session) lost(d hoop.Decoy, c decoy.Change) error {
	e := &hoop.Event{
		Time: s.line.Now().UTC(), Type: hoop.EventAlert, Target: s.target.Name, Policy: s.line.Revision(),
		Tables: []string{hoop.TableName(d.Column.Schema, d.Column.Table)},
		Reason: "the column of a decoy is not where it was: look for the statement that changed it, and declare the decoy anew",
		Details: []hoop.Detail{
			{Name: "column", Value: d.Column.String()}, {Name: "how", Value: c.How}, {Name: "database", Value: s.info.Database},
		},
	}
	if c.Now != (hoop.ColumnRef{}) {
		e.Details = append(e.Details, hoop.Detail{Name: "now", Value: c.Now.String()})
	}
	_, err := s.line.Audit.Append(e)
	return err
}
