package validate_test

import (
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/validate"
	"bricklayers.dev/bricklayers/test/samples"
)

func TestRealFiles(t *testing.T) {
	for name, expected := range map[string]answer{
		"3DBenchy.gcode":          ok(),
		"calicat.gcode":           ok(),
		"prim-cube.gcode":         ok(),
		"prim-cube.bgcode":        ok(),
		"mini-project.gcode.3mf":  {validate.ClassNoop, "no_layers", []string{"3mf_many_plates", "maybe_truncated"}},
		"model-project.3mf":       rejected("3mf_no_gcode"),
		"mach3.gcode":             rejected("no_extrusion"),
		"garbage-printable.gcode": rejected("no_motion"),
		"truncated.gcode":         rejected("no_extrusion"),
	} {
		t.Run(name, func(t *testing.T) {
			file := samples.File(t, name)
			t.Logf("%+v", want(t, string(file), validate.Options{Name: name}, expected))
		})
	}
}
