package validate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/validate"
)

// FuzzValidator wants the same answer however a file is cut, and only labels that are listed.
func FuzzValidator(f *testing.F) {
	for _, file := range []string{
		sound(), binary(text()), project(f, "Metadata/plate_1.gcode", sound()), "", "PK\x05\x06", "GCDE", "%PDF",
		strings.Repeat("G1 X1 Y1 E1\n", 40), "N1 G20*3\n; 'Loop Path'\n;TYPE:",
	} {
		f.Add(file, uint16(5), false)
	}
	f.Fuzz(func(t *testing.T, file string, size uint16, strict bool) {
		opts := validate.Options{Name: "a.gcode", MaxText: 1 << 20, MaxSize: 1 << 16, MaxLine: 500, Strict: strict}
		result, err := check(file, opts, len(file)+1)
		pieces, piecesErr := check(file, opts, int(size)+1)
		if result.Reason != pieces.Reason || result.Class != pieces.Class || result.Detail != pieces.Detail ||
			!slices.Equal(result.Warnings, pieces.Warnings) || (err == nil) != (piecesErr == nil) {
			t.Fatalf("at once: %+v, %v\nin pieces of %d: %+v, %v", result, err, int(size)+1, pieces, piecesErr)
		}
		var rejected *validate.Reject
		if err != nil && (!errors.As(err, &rejected) || !slices.Contains(validate.Reasons(), rejected.Reason())) {
			t.Fatalf("an error without a listed reason: %v", err)
		}
	})
}
