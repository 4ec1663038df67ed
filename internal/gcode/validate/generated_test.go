package validate_test

import (
	"bytes"
	"slices"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/validate"
	"bricklayers.dev/bricklayers/test/prints"
)

// TestGeneratedPrintsAreJudgedByWhatIsTrueOfThem asks for the same answer that the processor owes.
func TestGeneratedPrintsAreJudgedByWhatIsTrueOfThem(t *testing.T) {
	for _, o := range prints.Combinations() {
		var file bytes.Buffer
		if err := prints.Write(&file, o, nil); err != nil {
			t.Fatal(err)
		}
		v := validate.New(validate.Options{Name: "print.gcode"})
		_, writeErr := v.Write(file.Bytes())
		result, err := v.Close()
		if writeErr != nil && writeErr != err {
			t.Errorf("%s: Write says %v, Close %v", o.Name(), writeErr, err)
		}
		want := o.Outcome()
		class := map[string]validate.Class{"reject": validate.ClassReject, "noop": validate.ClassNoop}[want.Class]
		if class == "" {
			class = result.Class
			if class != validate.ClassOK && class != validate.ClassWarn {
				t.Errorf("%s: %s", o.Name(), class)
			}
		}
		if want.Reason == validate.NoopSingleWall && result.Reason == validate.NoopNoInnerWalls {
			want.Reason = result.Reason // the same, where the file does not state how many walls it has
		}
		if result.Class != class || result.Reason != want.Reason || (err != nil) != (class == validate.ClassReject) {
			t.Errorf("%s: %+v, %v; want %+v", o.Name(), result, err, want)
		}
		if slices.Contains(result.Warnings, validate.WarnMaybeTruncated) && !slices.Contains(o.Switches, "no-config") {
			t.Errorf("%s: taken for truncated", o.Name())
		}
	}
}
