// Package figure prints what a benchmark measured: a line of JSON each.
package figure

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Figure is one line.
type Figure struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Bar   *float64 `json:"bar,omitempty"` // what it must reach, by AtMost or AtLeast; none: for information
	OK    bool     `json:"ok"`
}

// Printer prints figures and remembers whether one missed its bar.
type Printer struct {
	missed []string
}

// Info prints a figure that has no bar.
func (p *Printer) Info(name string, value float64, unit string) {
	p.print(Figure{Name: name, Value: value, Unit: unit, OK: true})
}

// AtLeast prints a figure that must not be below its bar.
func (p *Printer) AtLeast(name string, value float64, unit string, bar float64) {
	p.print(Figure{Name: name, Value: value, Unit: unit, Bar: &bar, OK: value >= bar})
}

// AtMost prints a figure that must not be above its bar.
func (p *Printer) AtMost(name string, value float64, unit string, bar float64) {
	p.print(Figure{Name: name, Value: value, Unit: unit, Bar: &bar, OK: value <= bar})
}

func (p *Printer) print(f Figure) {
	if !f.OK {
		p.missed = append(p.missed, f.Name)
	}
	line, err := json.Marshal(f)
	if err != nil {
		panic(err) // NaN or infinity: nothing was measured
	}
	fmt.Fprintf(os.Stdout, "%s\n", line)
}

// Err names the figures that missed their bar.
func (p *Printer) Err() error {
	if len(p.missed) == 0 {
		return nil
	}
	return fmt.Errorf("missed their bar: %v", p.missed)
}

// Median of some values; NaN of none.
func Median(values []float64) float64 {
	return Quantile(values, 0.5)
}

// Quantile is the value below which the fraction q of the values lies, the nearest of them.
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
