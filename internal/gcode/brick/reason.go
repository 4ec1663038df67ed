package brick

import "fmt"

// A Reason is a stable label for a decision: why a file was refused, why it was left as it is, or why a loop was not
// raised. Labels are for programs, logs and metrics; they do not change.
type Reason string

// Why a file is refused.
const (
	BadNumber        Reason = "bad_number"
	CoordRange       Reason = "coord_range"
	UnitsInches      Reason = "units_inches"
	LineChecksums    Reason = "line_checksums"
	LineTooLong      Reason = "line_too_long"
	AlreadyProcessed Reason = "already_processed"
	Empty            Reason = "empty"
	BinaryData       Reason = "binary_data"
	NoMotion         Reason = "no_motion"
	NoExtrusion      Reason = "no_extrusion"
)

// Why a file is left as it is.
const (
	UnknownDialect  Reason = "unknown_dialect"
	NoLayers        Reason = "no_layers"
	NoInnerWalls    Reason = "no_inner_walls"
	SingleWall      Reason = "single_wall"
	SpiralVase      Reason = "spiral_vase"
	NothingToRaise  Reason = "nothing_to_raise"
	SelfcheckFailed Reason = "selfcheck_failed"
)

// What to know about a file that was processed.
const (
	RelativeXYZ  Reason = "relative_xyz"
	BadHeight    Reason = "bad_height"
	DefaultWidth Reason = "default_width"
	StepLarge    Reason = "step_large"
	LayerTooBig  Reason = "layer_too_big"
)

// An InputError says that the input cannot be processed, where and why.
type InputError struct {
	Label Reason
	Line  int // 1-based; 0 when it is not about one line
	Text  string
}

// Reason returns the stable label.
func (e *InputError) Reason() string { return string(e.Label) }

func (e *InputError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return e.Text
}

// A hold is the reason why a loop that could be raised is laid flat.
type hold uint8

const (
	holdNone     hold = iota
	holdBed           // first layer, or below the start layer
	holdIgnored       // the user wants the layer as it is
	holdRamp          // the column begins here
	holdCapped        // the column ends here
	holdHeight        // the height of the layer is not known or not sane
	holdPlane         // not at the height of its layer
	holdZ             // moves in Z while it is laid
	holdArc           // has an arc given by its radius, or not in XY
	holdRelative      // uses relative coordinates
	holdShort         // a short loop on its own
	holdLone          // the only loop behind its visible wall, and the user wants those flat
	holdTooBig        // in a layer that is too big to hold in memory
	holdCount
)

var holdNames = [holdCount]string{
	"", "bed", "ignored", "ramp", "capped", "bad_height", "plane", "loop_has_z", "arc_form", "relative_xyz",
	"short", "lone", "layer_too_big",
}
