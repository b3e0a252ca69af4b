package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/store"
)

func aDevice(code, user string) auth.Device {
	return auth.Device{
		CodeHash: code, UserCodeHash: user, Client: "hoopctl", Scopes: []string{"openid"}, Name: "laptop\x00", RemoteIP: "::1",
		State: auth.DevicePending, Identity: hoop.Identity{Subject: "alice", Groups: []string{"dba"}},
		Credential: []byte{0, 255, 1}, CreatedAt: at(0), ExpiresAt: at(10),
	}
}

func aFamily(id, subject string, expires int) auth.Family {
	return auth.Family{
		ID: id, Subject: subject, Identity: hoop.Identity{Subject: subject, Kind: hoop.Human}, Provider: "dev",
		Credential: []byte("sealed"), Generation: 1, CreatedAt: at(0), CheckedAt: at(0), ExpiresAt: at(expires),
	}
}

func TestDevices_LifeOfOne(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		d := aDevice("code", "user")
		if err := s.AddDevice(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		for _, clash := range []auth.Device{aDevice("code", "other"), aDevice("other", "user")} {
			if err := s.AddDevice(t.Context(), clash); !errors.Is(err, auth.ErrExists) {
				t.Errorf("a second device with %s/%s: %v", clash.CodeHash, clash.UserCodeHash, err)
			}
		}
		for name, get := range map[string]func() (auth.Device, error){
			"by code":      func() (auth.Device, error) { return s.Device(t.Context(), "code") },
			"by user code": func() (auth.Device, error) { return s.DeviceByUserCode(t.Context(), "user") },
		} {
			got, err := get()
			if diff := cmp.Diff(d, got); err != nil || diff != "" {
				t.Errorf("%s: %v, -want +got:\n%s", name, err, diff)
			}
		}
		no := errors.New("no")
		if err := s.UpdateDevice(t.Context(), "code", func(d *auth.Device) error { d.State = auth.DeviceUsed; return no }); err != no {
			t.Errorf("error of the step: %v", err)
		}
		if err := s.UpdateDevice(t.Context(), "code", func(d *auth.Device) error {
			if d.State != auth.DevicePending {
				t.Errorf("state %s after a step that failed", d.State)
			}
			d.State = auth.DeviceApproved
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Device(t.Context(), "code"); err != nil || got.State != auth.DeviceApproved {
			t.Errorf("device %+v, %v", got, err)
		}
		for after, want := range map[time.Duration]int{-time.Microsecond: 1, 0: 0} {
			if got, err := s.Devices(t.Context(), d.ExpiresAt.Add(after)); err != nil || len(got) != want || want == 1 && got[0].CodeHash != "code" {
				t.Errorf("%s after its end: %+v, %v", after, got, err)
			}
		}
		if _, err := s.Device(t.Context(), "none"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("unknown code: %v", err)
		}
		if _, err := s.DeviceByUserCode(t.Context(), "none"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("unknown user code: %v", err)
		}
		if err := s.UpdateDevice(t.Context(), "none", func(*auth.Device) error { return nil }); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("update of an unknown code: %v", err)
		}
	})
}

// A device code that is polled twice at once gives its tokens once.
func TestDevices_UsedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		d := aDevice("code", "user")
		d.State = auth.DeviceApproved
		if err := s.AddDevice(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		burnt := errors.New("burnt")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 8 {
			wg.Go(func() {
				err := s.UpdateDevice(t.Context(), "code", func(d *auth.Device) error {
					if d.State != auth.DeviceApproved {
						return burnt
					}
					d.State = auth.DeviceUsed
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !errors.Is(err, burnt):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d callers got tokens; want 1", won)
		}
	})
}

func TestFamilies_TokensAndTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		f := aFamily("f1", "alice", 60)
		first := auth.Token{Hash: "h0", Kind: auth.RefreshToken, Family: "f1", Generation: 1, CreatedAt: at(0), ExpiresAt: at(60)}
		if err := s.AddFamily(t.Context(), f, first); err != nil {
			t.Fatal(err)
		}
		tok, fam, err := s.Token(t.Context(), "h0")
		if diff := cmp.Diff(first, tok) + cmp.Diff(f, fam); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
		if fam, err = s.Family(t.Context(), "f1"); err != nil || cmp.Diff(f, fam) != "" {
			t.Errorf("by its ID: %+v, %v", fam, err)
		}
		if _, err := s.Family(t.Context(), "f0"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("one that is not there: %v", err)
		}
		if err := s.AddFamily(t.Context(), f); !errors.Is(err, auth.ErrExists) {
			t.Errorf("the same family again: %v", err)
		}
		if err := s.AddFamily(t.Context(), aFamily("f2", "alice", 60), first); !errors.Is(err, auth.ErrExists) {
			t.Errorf("the same token again: %v", err)
		}
		if all, err := s.Families(t.Context(), "alice", at(1)); err != nil || len(all) != 1 {
			t.Errorf("families %v, %v; one of them came with a taken token, so all or nothing", all, err)
		}
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := s.UpdateFamily(t.Context(), "f1", func(f *auth.Family) ([]auth.Token, error) {
					f.Generation++
					return []auth.Token{{Hash: fmt.Sprintf("n%d", i), Kind: auth.AccessToken, Generation: f.Generation, ExpiresAt: at(5)}}, nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, fam, err = s.Token(t.Context(), "n3"); err != nil || fam.Generation != 11 {
			t.Errorf("generation %d, %v; want 11", fam.Generation, err)
		}
		no := errors.New("no")
		if err := s.UpdateFamily(t.Context(), "f1", func(f *auth.Family) ([]auth.Token, error) {
			f.EndedAt = at(1)
			return []auth.Token{{Hash: "never"}}, no
		}); err != no {
			t.Errorf("error of the step: %v", err)
		}
		if _, _, err := s.Token(t.Context(), "never"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("token of a step that failed: %v", err)
		}
		if err := s.UpdateFamily(t.Context(), "none", func(*auth.Family) ([]auth.Token, error) { return nil, nil }); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("unknown family: %v", err)
		}
	})
}

func TestFamilies_ListsDueAndSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		live, late, ended := aFamily("live", "alice", 60), aFamily("late", "alice", 60), aFamily("ended", "alice", 60)
		live.Recheck, late.Recheck, ended.Recheck = true, true, true
		live.CheckedAt, late.CheckedAt, ended.EndedAt = at(5), at(1), at(2)
		ended.CutAt = at(2)
		short := aFamily("short", "alice", 3)
		for _, f := range []auth.Family{live, late, ended, short, aFamily("bobs", "bob", 60)} {
			tok := auth.Token{Hash: "t-" + f.ID, Kind: auth.RefreshToken, Family: f.ID, ExpiresAt: at(59)}
			if err := s.AddFamily(t.Context(), f, tok); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.AddDevice(t.Context(), aDevice("code", "user")); err != nil {
			t.Fatal(err)
		}
		names := func(fs []auth.Family, err error) string {
			if err != nil {
				t.Error(err)
			}
			out := ""
			for _, f := range fs {
				out += f.ID + " "
			}
			return out
		}
		for _, tt := range []struct{ what, got, want string }{
			{"alice at 2", names(s.Families(t.Context(), "alice", at(2))), "late live short "},
			{"alice at 3", names(s.Families(t.Context(), "alice", at(3))), "late live "},
			{"due before 6", names(s.Due(t.Context(), at(6), at(6), 10)), "late live "},
			{"due before 5", names(s.Due(t.Context(), at(6), at(5), 10)), "late "},
			{"due when the clock was set back", names(s.Due(t.Context(), at(3), at(1), 10)), "live "},
			{"one that is due", names(s.Due(t.Context(), at(6), at(6), 1)), "late "},
			{"expired after 2, until 3", names(s.Lapsed(t.Context(), at(2), at(3))), "short "},
			{"expired after 3, until 60", names(s.Lapsed(t.Context(), at(3), at(60))), "bobs ended late live "},
			{"cut after 1", names(s.Cuts(t.Context(), at(1))), "ended "},
			{"cut after 2", names(s.Cuts(t.Context(), at(2))), ""},
			{"due when all expired", names(s.Due(t.Context(), at(60), at(60), 10)), ""},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
			}
		}
		if err := s.Sweep(t.Context(), at(11)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Device(t.Context(), "code"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("expired device after a sweep: %v", err)
		}
		if _, _, err := s.Token(t.Context(), "t-short"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("token outlived its family: %v", err)
		}
		if _, _, err := s.Token(t.Context(), "t-live"); err != nil {
			t.Errorf("live token after a sweep: %v", err)
		}
	})
}

func TestDisabled_LatestCountsUntilItIsSwept(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		want := func(when string, want time.Time) {
			t.Helper()
			if got, err := s.DisabledAt(t.Context(), "alice"); err != nil || !got.Equal(want) {
				t.Errorf("%s: %v, %v, want %v", when, got, err, want)
			}
		}
		want("never", time.Time{})
		for _, minute := range []int{5, 7, 6} {
			if err := s.SetDisabled(t.Context(), "alice", at(minute), at(minute+20)); err != nil {
				t.Fatal(err)
			}
		}
		want("three times", at(7))
		for _, tt := range []struct {
			before int
			want   time.Time
		}{{27, at(7)}, {28, time.Time{}}} {
			if err := s.Sweep(t.Context(), at(tt.before)); err != nil {
				t.Fatal(err)
			}
			want("swept", tt.want)
		}
	})
}
