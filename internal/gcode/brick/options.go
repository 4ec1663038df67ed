package brick

import (
	"fmt"
	"strconv"
	"strings"
)

// An Order says in which order the loops of a wall are laid.
type Order string

const (
	// OrderSlicer keeps the order of the input: no line moves.
	OrderSlicer Order = "slicer"
	// OrderContour lays the flat loops of a wall first, then the raised ones, so that the nozzle passes beside fewer
	// beads that stand higher than where it is.
	OrderContour Order = "contour"
)

// maxRamp is the longest climb: a column of more layers than that is rare.
const maxRamp = 10

// Options are the user's wishes. The zero value is not usable, DefaultOptions is.
type Options struct {
	// StartLayer is the first layer of an object, counted from 1, that may rise. Those below stay as they are, byte
	// for byte, as the first layer always does.
	StartLayer int
	// Multiplier scales the flow of the walls behind the visible one, above the first layer. 0 means auto: a few per
	// cent, from the layer height and the width of the wall.
	Multiplier float64
	// Ignore holds the layers that must stay as they are, byte for byte.
	Ignore LayerSet
	Order  Order
	// Ramp is the number of layers over which a column climbs, in equal steps.
	Ramp int
	// MaxRaise is how far a loop rises at most, as a share of the height of its layer, at most a half.
	MaxRaise float64
	// IncludeLone has those loops rise that are the only one behind their visible wall, as in a print with two walls.
	IncludeLone bool
	// Force processes a file that was processed before.
	Force bool
	// Settings is text in which the slicer's settings may be found besides the head of the input, as "key = value"
	// lines: the tail of the input where that can be read, or the metadata of a container.
	Settings []byte
	// InputSHA256 is the digest of the input, in hex, when the caller knows it. It goes into the header stamp.
	InputSHA256 string
	// Workers is the number of goroutines that analyse layers; 0 means one for each processor. It does not change the
	// output.
	Workers int
}

// DefaultOptions returns what is used when the user says nothing.
func DefaultOptions() Options {
	return Options{StartLayer: 2, Multiplier: 1.05, Order: OrderSlicer, Ramp: 2, MaxRaise: 0.5, IncludeLone: true}
}

// Check reports options that make no sense.
func (o *Options) Check() error {
	switch {
	case o.StartLayer < 2:
		return fmt.Errorf("start layer %d: the first layer never rises, use 2 or more", o.StartLayer)
	case o.Multiplier != 0 && !(o.Multiplier >= 0.5 && o.Multiplier <= 2):
		return fmt.Errorf("multiplier %v: use auto or a number between 0.5 and 2", o.Multiplier)
	case o.Order != OrderSlicer && o.Order != OrderContour:
		return fmt.Errorf("order %q: use %s or %s", o.Order, OrderSlicer, OrderContour)
	case o.Ramp < 1 || o.Ramp > maxRamp:
		return fmt.Errorf("ramp %d: use 1 to %d layers", o.Ramp, maxRamp)
	case !(o.MaxRaise >= 0.1 && o.MaxRaise <= 0.5):
		return fmt.Errorf("max raise %v: use a share of the layer height between 0.1 and 0.5", o.MaxRaise)
	case o.Workers < 0:
		return fmt.Errorf("workers %d: use 0 for one per processor, or more", o.Workers)
	}
	return nil
}

// A LayerSet is a set of layers of an object, counted from 1.
type LayerSet []layerRange

type layerRange struct{ first, last int }

// ParseLayerSet reads a list of layers and ranges, such as "10,15,40-43".
func ParseLayerSet(text string) (LayerSet, error) {
	var set LayerSet
	for field := range strings.SplitSeq(text, ",") {
		field = strings.TrimSpace(field)
		if field == "" {
			continue
		}
		from, to, isRange := strings.Cut(field, "-")
		first, err := strconv.Atoi(strings.TrimSpace(from))
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(strings.TrimSpace(to))
		}
		if err != nil || first < 1 || last < first {
			return nil, fmt.Errorf("layers %q: write numbers from 1 and ranges, such as 10,15,40-43", field)
		}
		set = append(set, layerRange{first, last})
	}
	return set, nil
}

// Contains reports whether layer n is in the set.
func (s LayerSet) Contains(n int) bool {
	for _, r := range s {
		if n >= r.first && n <= r.last {
			return true
		}
	}
	return false
}

func (s LayerSet) String() string {
	var parts []string
	for _, r := range s {
		if r.first == r.last {
			parts = append(parts, strconv.Itoa(r.first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", r.first, r.last))
		}
	}
	return strings.Join(parts, ",")
}
