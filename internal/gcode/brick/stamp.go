package brick

import (
	"bytes"
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

// foreignStamps are the comments other tools of this kind leave, and who leaves them.
var foreignStamps = []struct{ text, by string }{
	{"bricklayers.dev/brick ", "brick"},
	{"brick up", "brick"},
	{"brick down", "brick"},
	{"bricklayers brick ", "bricklayers (Rust)"},
	{"== BrickLayers Post-Processed", "BrickLayers (GeekDetour)"},
	{"BRICK:", "BrickLayers (GeekDetour)"},
	{"Shifted Z for block #", "Bricklayers (TengerTechnologies)"},
	{"Reset Z for block #", "Bricklayers (TengerTechnologies)"},
	{"Adjusted E for", "Bricklayers (TengerTechnologies)"},
}

// stampedBy returns the tool whose stamp the comment (without its first ';') is, or "".
func stampedBy(comment []byte) string {
	for {
		for len(comment) > 0 && (comment[0] == ';' || comment[0] == ' ' || comment[0] == '\t') {
			comment = comment[1:]
		}
		if len(comment) < len("BRICK:") {
			return ""
		}
		switch comment[0] {
		case 'b', 'B', '=', 'S', 'R', 'A':
			for i := range foreignStamps {
				if bytes.HasPrefix(comment, []byte(foreignStamps[i].text)) {
					return foreignStamps[i].by
				}
			}
		}
		i := bytes.IndexByte(comment, ';')
		if i < 0 {
			return ""
		}
		comment = comment[i:]
	}
}

// header returns the line that tells what was done to the file, ending in eol.
func header(opt *Options, eol []byte) []byte {
	multiplier := "auto"
	if opt.Multiplier != 0 {
		multiplier = fmt.Sprint(opt.Multiplier)
	}
	text := fmt.Sprintf("%s%s order=%s multiplier=%s start-layer=%d ramp=%d max-raise=%v include-lone=%v", StampHeader,
		version.Version, opt.Order, multiplier, opt.StartLayer, opt.Ramp, opt.MaxRaise, opt.IncludeLone)
	if len(opt.Ignore) > 0 {
		text += " ignore-layers=" + opt.Ignore.String()
	}
	if opt.InputSHA256 != "" {
		text += " input-sha256=" + opt.InputSHA256
	}
	return append([]byte(text), eol...)
}
