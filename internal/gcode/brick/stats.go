package brick

import (
	"cmp"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

// Stats is what was found in a file and done to it. Lengths are millimetres.
type Stats struct {
	Slicer      string             `json:"slicer,omitempty"`  // as the file names it
	Dialect     string             `json:"dialect,omitempty"` // whose words announce its layers
	Layers      int                `json:"layers"`
	Objects     int                `json:"objects"`
	Loops       int                `json:"loops"`  // behind the visible wall
	Raised      int                `json:"raised"` // of these, above their plane
	Capped      int                `json:"capped"`
	Held        map[string]int     `json:"held"` // laid flat though their turn was to rise, by reason
	FilamentIn  map[string]float64 `json:"filament_in_mm"`
	FilamentOut map[string]float64 `json:"filament_out_mm"`
	LinesIn     int                `json:"lines_in"`
	LinesAdded  int                `json:"lines_added"`
	LinesEdited int                `json:"lines_edited"`
	BytesIn     int64              `json:"bytes_in"`
	BytesOut    int64              `json:"bytes_out"`
	TravelAdded float64            `json:"travel_added_mm"`
	LeastHeight float64            `json:"least_layer_height_mm"`
	MostHeight  float64            `json:"most_layer_height_mm"`
	Multiplier  float64            `json:"multiplier"` // the last one, with auto

	held [holdCount]int
	in   [dialect.RegionCount]int64
	out  [dialect.RegionCount]int64
}

// Add adds the figures of another print.
func (s *Stats) Add(o *Stats) {
	s.Slicer = cmp.Or(s.Slicer, o.Slicer)
	s.Dialect = cmp.Or(s.Dialect, o.Dialect)
	s.Layers += o.Layers
	s.Objects += o.Objects
	s.Loops += o.Loops
	s.Raised += o.Raised
	s.Capped += o.Capped
	s.LinesIn += o.LinesIn
	s.LinesAdded += o.LinesAdded
	s.LinesEdited += o.LinesEdited
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.TravelAdded += o.TravelAdded
	if o.LeastHeight > 0 && (s.LeastHeight == 0 || o.LeastHeight < s.LeastHeight) {
		s.LeastHeight = o.LeastHeight
	}
	s.MostHeight = max(s.MostHeight, o.MostHeight)
	s.Multiplier = o.Multiplier
	s.Held = addMap(s.Held, o.Held)
	s.FilamentIn = addMap(s.FilamentIn, o.FilamentIn)
	s.FilamentOut = addMap(s.FilamentOut, o.FilamentOut)
}

func addMap[V int | float64](sum, more map[string]V) map[string]V {
	if sum == nil {
		sum = map[string]V{}
	}
	for k, v := range more {
		sum[k] += v
	}
	return sum
}

// height counts a layer of walls.
func (s *Stats) height(l *layer) {
	s.Layers++
	if !l.steady {
		return
	}
	h := float64(l.height) / mm
	if s.LeastHeight == 0 || h < s.LeastHeight {
		s.LeastHeight = h
	}
	s.MostHeight = max(s.MostHeight, h)
}

// loop counts a decided loop.
func (s *Stats) loop(l *layer, p *loop) {
	s.Loops++
	if p.rise > 0 {
		s.Raised++
	}
	if p.phase&1 == 1 {
		s.held[p.hold]++
	}
}

// finish fills the maps.
func (s *Stats) finish() {
	s.Held, s.FilamentIn, s.FilamentOut = map[string]int{}, map[string]float64{}, map[string]float64{}
	for h, n := range s.held {
		if n > 0 && hold(h) != holdNone {
			s.Held[holdNames[h]] = n
		}
	}
	s.Capped = s.held[holdCapped]
	for r := range s.in {
		if s.in[r] != 0 || s.out[r] != 0 {
			s.FilamentIn[dialect.Region(r).String()] = float64(s.in[r]) / mm
			s.FilamentOut[dialect.Region(r).String()] = float64(s.out[r]) / mm
		}
	}
}
