package validate

import (
	"strings"

	"bricklayers.dev/bricklayers/internal/gcode/dialect"
)

const (
	minHeight = mm / 50 // of a layer
	maxHeight = 12 * mm / 10
)

// reject returns why the text has to be refused, or nil. That it is no print comes before what is wrong with it.
func (m *machine) reject() error {
	switch {
	case m.moves == 0 || m.moves*100 < m.lines:
		return reject(ReasonNoMotion, "%d of %d lines are moves, too few for a print: upload what the slicer exported",
			m.moves, m.lines)
	case m.beads < minBeads:
		return reject(ReasonNoExtrusion, "%d moves push out plastic, too few for a print: this may be a program for a "+
			"mill or a laser", m.beads)
	case m.pending != nil:
		return m.pending
	}
	return nil
}

// judge says what is to be said of the text as a whole.
func (m *machine) judge(strict bool, r *Result) error {
	if err := m.reject(); err != nil {
		return err
	}
	if why := m.truncated(); why != "" && strict {
		return reject(ReasonMaybeTruncated, "%s: upload it again", why)
	} else if why != "" {
		m.warn(WarnMaybeTruncated)
	}
	if r.Reason, r.Detail = m.noop(); r.Reason == "" {
		m.warnOfSizes()
	}
	r.Slicer = m.slicer
	r.Warnings = append(r.Warnings, m.warnings...)
	return nil
}

// truncated says what is missing at the end of the text, or "".
func (m *machine) truncated() string {
	switch {
	case m.cut:
		return "the file ends in the middle of a line"
	case len(m.open) > 0:
		return "the file ends inside a block of comments"
	case !m.ended:
		return "the file ends without switching anything off"
	case m.lacksSettings():
		return "the file ends without the settings that its slicer puts there"
	}
	return ""
}

// lacksSettings tells whether the settings are missing that PrusaSlicer and its kin write, before or behind the moves.
func (m *machine) lacksSettings() bool {
	if m.inContainer || m.configured || m.settingsNow > 0 {
		return false
	}
	for _, name := range []string{"PrusaSlicer", "SuperSlicer", "OrcaSlicer", "BambuStudio"} {
		if strings.HasPrefix(m.slicer, name) {
			return true
		}
	}
	return false
}

// noop says why nothing can be made better, or "".
func (m *machine) noop() (reason, detail string) {
	slicer := m.slicer
	if slicer == "" {
		slicer = "the slicer"
	}
	switch {
	case m.wallLabels == 0:
		return NoopUnknownDialect, "no comments say which moves are walls: switch on labelled or verbose G-code in " + slicer
	case m.layerMarks == 0:
		return NoopNoLayers, "no comments announce layers: switch on the layer change comments of " + slicer
	case m.settings.Spiral || m.innerBeads == 0 && m.climbing*2 > m.outerBeads:
		return NoopSpiralVase, "it is a spiral vase, whose only wall has nothing to interlock with"
	case m.innerBeads == 0 && m.settings.Walls == 1:
		return NoopSingleWall, "it was sliced with one wall: slice it with two or more"
	case m.innerBeads == 0:
		return NoopNoInnerWalls, "it has no walls behind the visible one: slice it with two walls or more"
	}
	return "", ""
}

func (m *machine) warnOfSizes() {
	nozzle := m.settings.Nozzle
	if nozzle <= 0 {
		nozzle = dialect.DefaultNozzle
	}
	if m.settings.Nozzle <= 0 || m.settings.InnerWidth == 0 && !m.sawWidth {
		m.warn(WarnDefaultWidth)
	}
	if m.most > min(maxHeight, nozzle*9/10) || m.least != 0 && m.least < minHeight {
		m.warn(WarnBadHeight)
	}
	if m.most/2 > nozzle/4 {
		m.warn(WarnStepLarge)
	}
}
