package tui

import (
	"fmt"
	"time"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

func (p *player) view() string {
	lines, rows := p.lines[:p.linesUpTo(p.shown())], p.size.h-2
	last := max(len(lines)-rows, 0)
	if p.follow {
		p.top = last
	}
	p.top = max(min(p.top, max(len(lines)-1, 0)), 0)
	title := p.style.bold(iostreams.OneLine(fmt.Sprintf("%s  %s on %s", p.info.ID, p.info.Identity.Subject, p.info.Target)))
	return p.size.screen(title, lines[min(p.top, len(lines)):min(p.top+rows, len(lines))], p.footer())
}

func (p *player) footer() string {
	if p.searching {
		return p.search.view()
	}
	state := "❚❚"
	if p.playing {
		state = "▶ "
	}
	s := fmt.Sprintf("%s %s / %s  %gx", state, mark(p.pos), mark(p.length()), p.speed)
	if !p.ended {
		s += " …"
	}
	if p.problem != "" {
		return s + "  " + p.style.yellow(p.problem)
	}
	return s + p.style.dim("  space · ←→ statement · ± speed · / search · q back")
}

// mark is a time as players show it.
func mark(d time.Duration) string {
	s := int(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d.%d", s/60, s%60, d%time.Second/(100*time.Millisecond))
}
