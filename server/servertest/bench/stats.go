package main

import (
	"fmt"
	"math"
	"slices"
)

// series are the figures of one metric of one path, by round; NaN where a run failed.
type series []float64

// set stores the figure of a round, which is the next or a later one.
func (s *series) set(round int, v float64) {
	for len(*s) <= round {
		*s = append(*s, math.NaN())
	}
	(*s)[round] = v
}

// over is s divided by base, round by round. A round that lacks either is left out:
// figures of two rounds are never compared.
func (s series) over(base series) series {
	return s.with(base, func(a, b float64) float64 { return a / b })
}

func (s series) with(other series, f func(a, b float64) float64) series {
	var out series
	for i := range min(len(s), len(other)) {
		if v := f(s[i], other[i]); !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, v)
		}
	}
	return out
}

// summary is what is told of a series.
type summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"` // rounds that count
}

// sum gives the median, least and greatest; of nothing N is 0.
func (s series) sum() summary {
	var v []float64
	for _, x := range s {
		if !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	if len(v) == 0 {
		return summary{}
	}
	slices.Sort(v)
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (v[len(v)/2-1] + m) / 2
	}
	return summary{Median: m, Min: v[0], Max: v[len(v)-1], N: len(v)}
}

// String is "0.93 [0.81-1.02]"; of one round "0.93", of none "-".
func (s summary) String() string {
	switch s.N {
	case 0:
		return "-"
	case 1:
		return figure(s.Median)
	}
	return fmt.Sprintf("%s [%s-%s]", figure(s.Median), figure(s.Min), figure(s.Max))
}

// figure prints v with about three digits.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case a < 10:
		return fmt.Sprintf("%.2f", v)
	case a < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// percentile is the value below which p (0 to 1) of the sorted values lie, by the
// nearest rank. values must not be empty.
func percentile[T any](sorted []T, p float64) T {
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
