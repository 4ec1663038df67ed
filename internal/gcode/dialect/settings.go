package dialect

import (
	"bytes"
	"cmp"
	"regexp"

	"bricklayers.dev/bricklayers/internal/gcode/lex"
)

// Settings is what a file states of its slicer's settings. Lengths are nanometres; 0 means not stated.
type Settings struct {
	Slicer        string // name and version, as the file's own header states them
	Nozzle        int64
	InnerWidth    int64
	OuterWidth    int64
	Walls         int64 // loops per wall
	OuterFirst    bool
	OrderKnown    bool
	Spiral        bool
	TravelRetract int64 // shortest travel that retracts
}

// Assumed where the file says nothing.
const (
	DefaultNozzle = 400_000
	DefaultWidth  = 450_000
)

// settingKeys maps the names that slicers give the settings we use to what they mean.
var settingKeys = map[string]func(c *Settings, value []byte){
	"Producer": setSlicer, // in the metadata of binary files

	"nozzle_diameter":     setNozzle,
	"machine_nozzle_size": setNozzle,

	"perimeter_extrusion_width":  setInnerWidth,
	"perimeters extrusion width": setInnerWidth,
	"inner_wall_line_width":      setInnerWidth,
	"wall_line_width_x":          setInnerWidth,
	"wall_line_width":            setInnerWidth,
	"extrusion_width_mm":         setInnerWidth,

	"external_perimeter_extrusion_width":  setOuterWidth,
	"external perimeters extrusion width": setOuterWidth,
	"outer_wall_line_width":               setOuterWidth,
	"wall_line_width_0":                   setOuterWidth,

	"perimeters":      setWalls,
	"wall_loops":      setWalls,
	"wall_line_count": setWalls,
	"num_ISOs":        setWalls,
	"Shells":          setWalls,

	"external_perimeters_first": setOrder,
	"wall_infill_order":         setOrder,
	"wall_sequence":             setOrder,
	"outer_inset_first":         setOrder,
	"inset_direction":           setOrder,

	"spiral_vase":     setSpiral,
	"spiral_mode":     setSpiral,
	"magic_spiralize": setSpiral,

	"retract_before_travel":     setTravelRetract,
	"retraction_minimum_travel": setTravelRetract,
	"retraction_min_travel":     setTravelRetract,
}

func setSlicer(c *Settings, v []byte)        { c.Slicer = cmp.Or(c.Slicer, string(v)) }
func setNozzle(c *Settings, v []byte)        { setLength(&c.Nozzle, v) }
func setInnerWidth(c *Settings, v []byte)    { setWidth(&c.InnerWidth, v) }
func setOuterWidth(c *Settings, v []byte)    { setWidth(&c.OuterWidth, v) }
func setTravelRetract(c *Settings, v []byte) { setLength(&c.TravelRetract, v) }
func setSpiral(c *Settings, v []byte)        { c.Spiral = c.Spiral || isOneOf(firstOf(v), "1", "true") }

func setWalls(c *Settings, v []byte) {
	if n, _, ok := lex.ParseDecimal(firstOf(v)); ok && c.Walls == 0 {
		c.Walls = n / lex.Unit
	}
}

func setOrder(c *Settings, v []byte) {
	if !c.OrderKnown {
		c.OrderKnown = true
		c.OuterFirst = isOneOf(v, "1", "true", "outside_in", "outer wall/inner wall", "outer wall/inner wall/infill",
			"infill/outer wall/inner wall")
	}
}

func isOneOf(v []byte, texts ...string) bool {
	for _, text := range texts {
		if equalFold(v, text) {
			return true
		}
	}
	return false
}

// headerSize is how far into a file its slicer's name is looked for.
const headerSize = 4096

var generator = regexp.MustCompile(`(?i)(?:^|\b(?:by|with|in) )((?:PrusaSlicer|SuperSlicer|OrcaSlicer|BambuStudio|` +
	`Cura_SteamEngine|ideaMaker|KISSlicer|Slic3r|Simplify3D|MatterSlice|Kiri:Moto|IceSL)` +
	`(?:[ -]v?[0-9][0-9A-Za-z.+-]*)?)(?:$|[ ,;(])`)

// Slicer returns the slicer that a comment, without its ';' and the blanks around it, names as the file's, or "".
func Slicer(comment []byte) string {
	if m := generator.FindSubmatch(comment[:min(len(comment), 200)]); m != nil {
		return string(m[1])
	}
	return ""
}

// ReadSettings reads the settings out of the given texts; the first that states one wins.
func ReadSettings(texts ...[]byte) Settings {
	var c Settings
	for _, text := range texts {
		c.findSlicer(text[:min(len(text), headerSize)])
		c.read(text)
		c.read(curaSettings(text))
	}
	c.resolvePercent(&c.InnerWidth)
	c.resolvePercent(&c.OuterWidth)
	return c
}

func (c *Settings) findSlicer(header []byte) {
	for len(header) > 0 && c.Slicer == "" {
		var line []byte
		line, header = lex.NextLine(header)
		if line = lex.TrimBlanks(line[:lex.BodyLen(line)]); len(line) > 0 && line[0] == ';' {
			c.Slicer = Slicer(lex.TrimBlanks(line[1:]))
		}
	}
}

func (c *Settings) read(text []byte) {
	for len(text) > 0 {
		var line []byte
		line, text = lex.NextLine(text)
		if key, value, ok := setting(line); ok {
			c.Set(key, value)
		}
	}
}

// Set takes in a setting, if it is one of those that matter and is not known yet.
func (c *Settings) Set(key, value []byte) {
	if set := settingKeys[string(key)]; set != nil {
		set(c, value)
	}
}

// setting splits "; key = value" or "; key: value", with or without the ';' and the blanks.
func setting(line []byte) (key, value []byte, ok bool) {
	if len(line) > 256 { // custom G-code, never a value we want
		return nil, nil, false
	}
	if len(line) > 1 && line[0] == 'G' && line[1] <= '9' { // most lines, for a quick answer
		return nil, nil, false
	}
	i := 0
	for i < len(line) && line[i] != '=' && line[i] != ':' {
		i++
	}
	if i == len(line) {
		return nil, nil, false
	}
	return bytes.Trim(line[:i], "; \t"), bytes.TrimSpace(line[i+1:]), true
}

// curaSettings returns the settings that Cura writes at the end of a file as lines of their own. They are an escaped
// JSON text cut into comments of 80 columns without regard to its content.
func curaSettings(text []byte) []byte {
	mark := []byte(";SETTING_3 ")
	i := bytes.Index(text, mark)
	if i < 0 {
		return nil
	}
	var joined []byte
	for rest := text[i:]; bytes.HasPrefix(rest, mark); {
		var line []byte
		line, rest = lex.NextLine(rest)
		joined = append(joined, line[len(mark):lex.BodyLen(line)]...)
	}
	return bytes.ReplaceAll(joined, []byte(`\\n`), []byte("\n"))
}

// firstOf returns the first of the values that a slicer lists for each extruder.
func firstOf(v []byte) []byte {
	first, _, _ := bytes.Cut(v, []byte(","))
	return bytes.Trim(first, " \t\"")
}

func setLength(to *int64, v []byte) {
	if n, _, ok := lex.ParseDecimal(firstOf(v)); ok && n > 0 && *to == 0 {
		*to = n
	}
}

// setWidth reads a width in millimetres or in per cent of the nozzle; 0 means that the slicer chooses.
func setWidth(to *int64, v []byte) {
	v = firstOf(v)
	n, used, ok := lex.ParseDecimal(v)
	if !ok || n <= 0 || *to != 0 {
		return
	}
	if bytes.HasPrefix(v[used:], []byte("%")) {
		n = -n // resolved when the nozzle is known
	}
	*to = n
}

func (c *Settings) resolvePercent(width *int64) {
	if *width < 0 {
		*width = -*width * cmp.Or(c.Nozzle, DefaultNozzle) / (100 * lex.Unit)
	}
}
