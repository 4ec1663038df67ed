package brick

import (
	"fmt"

	"bricklayers.dev/bricklayers/internal/version"
)

// Stamps are comments that say what was done, so that nobody processes a file twice and a reader finds the raised
// loops.
const (
	// StampUp ends the line that brings the nozzle up to a raised loop.
	StampUp = "; brick up"
	// StampDown ends the line that brings it back down, where the slicer's own lines do not.
	StampDown = "; brick down"
	// StampFeed ends the line that restores the feed rate behind a Z move that had to be added.
	StampFeed = "; brick feed"
	// StampHeader begins the line that is put behind the first line of the file.
	StampHeader = "; bricklayers.dev/brick "
)

// header returns the line that tells what was done to the file, ending in eol. Options that were left at their default
// are not named: the version says what that is, and a line much longer than the slicer's own may not fit into a
// printer's buffer.
func header(opt *Options, eol []byte) []byte {
	usual := DefaultOptions()
	text := StampHeader + version.Version
	say := func(name string, value any, isUsual bool) {
		if !isUsual {
			text += fmt.Sprintf(" %s=%v", name, value)
		}
	}
	say("order", opt.Order, opt.Order == usual.Order)
	if opt.Multiplier == 0 {
		say("multiplier", "auto", false)
	} else {
		say("multiplier", opt.Multiplier, opt.Multiplier == usual.Multiplier)
	}
	say("start-layer", opt.StartLayer, opt.StartLayer == usual.StartLayer)
	say("ramp", opt.Ramp, opt.Ramp == usual.Ramp)
	say("max-raise", opt.MaxRaise, opt.MaxRaise == usual.MaxRaise)
	say("include-lone", opt.IncludeLone, opt.IncludeLone == usual.IncludeLone)
	say("ignore-layers", opt.Ignore, len(opt.Ignore) == 0)
	say("input-sha256", opt.InputSHA256, opt.InputSHA256 == "")
	return append([]byte(text), eol...)
}
