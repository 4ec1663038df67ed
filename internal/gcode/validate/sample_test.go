package validate_test

import (
	"os"
	"path/filepath"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/validate"
)

func TestRealFiles(t *testing.T) {
	dir := os.Getenv("GCODE_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
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
			file, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Skipf("no sample files: %v", err)
			}
			t.Logf("%+v", want(t, string(file), validate.Options{Name: name}, expected))
		})
	}
}
