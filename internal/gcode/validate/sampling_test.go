package validate_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"bricklayers.dev/bricklayers/internal/gcode/validate"
)

const mb = 1 << 20

// long returns a sound print of about 8.5 MB, and where in it are lines that are checked and one that is not.
func long(t *testing.T) (file string, inSample, unseen, inTail int) {
	t.Helper()
	file = begin + layers((8*mb+mb/2)/len(layers(1, 0.021)), 0.021) + finish + config
	at := func(offset int) int { return offset + strings.Index(file[offset:], "G1 X20 Y20") }
	return file, at(6*mb + 1000), at(5 * mb), at(len(file) - 2000)
}

func TestLongTextIsCheckedInSamples(t *testing.T) {
	file, inSample, unseen, inTail := long(t)
	edit := func(at int, line string) string { return file[:at] + line + file[at+len(line):] }
	for name, tt := range map[string]struct {
		file string
		want answer
	}{
		"sound":             {file, ok()},
		"in the first 4 MB": {edit(strings.Index(file[3*mb:], "G1 X20 Y20")+3*mb, "G1 X20 Yx0"), rejected("bad_number")},
		"in a sample":       {edit(inSample, "G1 X20 Yx0"), rejected("bad_number")},
		"between samples":   {edit(unseen, "G1 X20 Yx0"), ok()},
		"in the last 64 KB": {edit(inTail, "G1 X20 Yx0"), rejected("bad_number")},
		"cut":               {file[:7*mb+500], warned("default_width", "maybe_truncated")},
		"cut in a sample":   {file[:6*mb+500], warned("default_width", "maybe_truncated")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{len(file), 32<<10 - 1} {
				result, err := check(tt.file, validate.Options{}, size)
				if result.Reason != tt.want.reason || strings.Join(result.Warnings, " ") != strings.Join(tt.want.warnings, " ") {
					t.Errorf("in pieces of %d: %+v, %v; want %+v", size, result, err, tt.want)
				}
			}
		})
	}
}

// What lines between samples did to the filament counter is not known.
func TestSamplesOfAbsoluteExtrusion(t *testing.T) {
	var b strings.Builder
	b.WriteString(strings.Replace(begin, "M83", "M82", 1) + layers(2, 0.2))
	for i := 0; b.Len() < 9*mb; i++ {
		fmt.Fprintf(&b, "G1 X%d Y20 E%d\n", 20+i%50, i)
	}
	if result, err := check(b.String()+finish+config, validate.Options{}, 64<<10); err != nil {
		t.Errorf("%+v", result)
	}
}

// A sample and the tail begin in the middle of a line, which may look like another, and behind the end of what began
// before.
func TestWhatSamplesBeginIn(t *testing.T) {
	const line = "; G1 X5000 Y1\n"
	body := begin + strings.Repeat(layers(1, 0.2), 4*mb/len(layers(1, 0.2))-1) + "; thumbnail begin\n"
	comments := strings.Repeat(line, mb/len(line)) + "; thumbnail end\n" + strings.Repeat(line, 2*mb/len(line))
	for shift := range len(line) {
		file := body + ";" + strings.Repeat("x", shift) + "\n" + comments + finish + config
		if result, err := check(file, validate.Options{}, 64<<10); err != nil {
			t.Errorf("shifted by %d: %+v", shift, result)
		}
	}
}

// A text that ends just behind the full check, a sample, or their last line, loses nothing of its end.
func TestEveryEndOfALongTextIsSeen(t *testing.T) {
	line := "G1 X20 Y20 E.3 ; 32 bytes long..\n"
	for _, size := range []int{4 * mb, 6*mb + 64<<10} {
		for extra := -3; extra <= 3; extra++ {
			body := begin + strings.Repeat(line, (size-len(begin))/len(line)+extra)
			for _, end := range []string{"M84\n" + config, finish + strings.Repeat("; x\n", 15_000) + config} {
				if result, err := check(body+end, validate.Options{Strict: true}, 1<<30); err != nil {
					t.Errorf("%d bytes, then %d: %+v", len(body), len(end), result)
				}
			}
		}
	}
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	use := func(file string) uint64 {
		var before, after runtime.MemStats
		pieces := []byte(file)
		runtime.ReadMemStats(&before)
		v := validate.New(validate.Options{})
		for len(pieces) > 0 {
			n := min(len(pieces), 32<<10)
			if _, err := v.Write(pieces[:n]); err != nil {
				t.Fatal(err)
			}
			pieces = pieces[n:]
		}
		if _, err := v.Close(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	lines := func(size int) string { return strings.Repeat(layers(1, 0.2), size/len(layers(1, 0.2))) }
	for name, tt := range map[string]struct {
		file         func(size int) string
		small, large int
	}{
		"text":   {func(size int) string { return begin + lines(size) + finish + config }, 5 * mb, 20 * mb},
		"binary": {func(size int) string { return binary("M83\n" + lines(size) + finish) }, mb, 4 * mb},
	} {
		small, large := use(tt.file(tt.small)), use(tt.file(tt.large))
		if large > small+small/5 || large > mb {
			t.Errorf("%s: %d bytes take %d bytes of memory, %d take %d", name, tt.small, small, tt.large, large)
		}
	}
}
