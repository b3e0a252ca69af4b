package tui

import (
	"fmt"
	"strings"
	"time"
)

func (p *player) view() string {
	rows := p.size.h - 3
	if p.help {
		return p.size.screen(p.title(), append(p.helpText(), make([]string, max(rows-len(playerKeys)-1, 0))...), p.style.dim("any key goes back"))
	}
	lines := p.reel.lines[:p.reel.linesUpTo(p.reel.shown(p.pos))]
	if p.follow {
		p.top = max(len(lines)-rows, 0)
	}
	p.top = max(min(p.top, max(len(lines)-1, 0)), 0)
	body := append(make([]string, 0, rows+1), lines[min(p.top, len(lines)):min(p.top+max(rows, 0), len(lines))]...)
	for len(body) < rows {
		body = append(body, "")
	}
	return p.size.screen(p.title(), append(body, p.bar()), p.footer())
}

// bar shows how far the replay is.
func (p *player) bar() string {
	n := 0
	if l := p.length(); l > 0 {
		n = int(float64(p.size.w) * float64(min(p.pos, l)) / float64(l))
	}
	return strings.Repeat("━", n) + p.style.dim(strings.Repeat("─", max(p.size.w-n, 0)))
}

func (p *player) footer() string {
	if p.asking != askNothing {
		return p.input.view(p.size.w)
	}
	state := "❚❚"
	if p.playing {
		state = "▶ "
	}
	s := fmt.Sprintf("%s %s / %s  %gx", state, mark(p.pos), mark(p.length()), p.speed)
	switch {
	case p.problem != "":
		return s + "  " + p.style.yellow(p.problem)
	case p.goal != nil:
		return s + "  " + p.style.yellow("looking for "+p.goal.what+" at "+mark(p.reel.length())+"…") + p.style.dim("  esc stays here")
	}
	leave := "q back"
	if p.alone {
		leave = "q quit"
	}
	if p.size.w >= 120 {
		return s + p.style.dim("  space pause · ←→ statement · [ ] 10 s · 0-9 tenths · +- speed · s number · / search · ? keys · "+leave)
	}
	return s + p.style.dim("  space · ←→ · [ ] · +- · / search · ? keys · "+leave)
}

// playerKeys are the keys and what they do.
var playerKeys = [][2]string{
	{"space", "pause, and play on; at the end from the beginning"},
	{"← →", "the statement before, the next one (N n)"},
	{"s", "a statement by its number"},
	{"[ ]", "10 seconds back, forward"},
	{"0 … 9", "tenths of the session"},
	{"+ -", "faster, slower"},
	{"/", "search from here on, and round; / enter: the same again"},
	{"↑ ↓ pgup pgdn", "scroll (k j b f)"},
	{"g G", "the beginning, the end"},
	{"esc", "gives a search up; goes back"},
	{"q", "goes back"},
}

func (p *player) helpText() []string {
	lines := []string{""}
	for _, k := range playerKeys {
		lines = append(lines, "  "+p.style.bold(fit(k[0], 16))+k[1])
	}
	return lines
}

// mark is a time as players show it.
func mark(d time.Duration) string {
	s := int(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d.%d", s/60, s%60, d%time.Second/(100*time.Millisecond))
}
