package brick

// Defects that tools of this kind were seen to have on real files, each as a test that this one does not.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"bricklayers.dev/bricklayers/internal/gcode/check"
	"bricklayers.dev/bricklayers/internal/gcode/dialect"
	"bricklayers.dev/bricklayers/internal/gcode/lex"
	"bricklayers.dev/bricklayers/test/prints"
)

// sample is a print and what became of it.
type sample struct {
	options prints.Options
	opt     Options
	loops   []prints.Loop
	in, out []byte
	res     *Result
}

func brickPrint(t *testing.T, dialect string, switches []string, set func(*Options)) *sample {
	t.Helper()
	s := &sample{options: prints.Options{Dialect: dialect, Switches: switches}, opt: DefaultOptions()}
	var in, out bytes.Buffer
	if err := prints.Write(&in, s.options, func(l prints.Loop) { s.loops = append(s.loops, l) }); err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(&s.opt)
	}
	s.in = in.Bytes()
	s.opt.Settings = s.in[max(0, len(s.in)-peekSize):]
	var err error
	if s.res, err = Transform(bytes.NewReader(s.in), &out, s.opt); err != nil {
		t.Fatal(err)
	}
	s.out = out.Bytes()
	return s
}

// sound demands of a result that every loop is where it has to be and that all invariants hold.
func (s *sample) sound(t *testing.T) {
	t.Helper()
	if s.res.Stats.Raised == 0 {
		t.Errorf("nothing was raised: %+v", s.res)
	}
	compareTruth(t, s.options, s.opt, s.loops, s.in, s.out)
	report, err := check.Compare(bytes.NewReader(s.in), bytes.NewReader(s.out), check.Options{
		StartLayer: s.opt.StartLayer, Ignored: s.opt.Ignore.Contains, Multiplier: s.opt.Multiplier, Up: StampUp,
		Down: StampDown, Exact: true,
	})
	if err != nil || report.Violations() > 0 {
		t.Errorf("error %v\n%s", err, report)
	}
}

func linesOf(text []byte, keep func(line []byte, l *lex.Line) bool) []string {
	var lines []string
	var l lex.Line
	for len(text) > 0 {
		var line []byte
		line, text = lex.NextLine(text)
		l.Parse(line)
		if keep(line, &l) {
			lines = append(lines, string(line))
		}
	}
	return lines
}

func TestRegressions(t *testing.T) {
	for _, tt := range []struct {
		name, dialect string
		switches      []string
		set           func(*Options)
		also          func(*testing.T, *sample)
	}{
		{name: "R1 hop at the end of a wall", dialect: "cura", switches: []string{"hop-region-end", "abs"}},
		{name: "R2 hop higher than a layer", dialect: "prusa-2.3", switches: []string{"hop"}},
		{name: "R3 raft layers with repeated negative numbers", dialect: "ideamaker", switches: []string{"raft", "hop"}},
		{name: "R4 comments on every line still carry heights", dialect: "prusa", switches: []string{"comments"},
			also: func(t *testing.T, s *sample) {
				if s.res.Stats.LinesAdded != 1 {
					t.Errorf("%d lines added, want the header only", s.res.Stats.LinesAdded)
				}
			}},
		{name: "R5 CR LF", dialect: "prusa", switches: []string{"crlf"}, also: func(t *testing.T, s *sample) {
			if a, b := bytes.Count(s.out, []byte("\n")), bytes.Count(s.out, []byte("\r\n")); a != b {
				t.Errorf("%d of %d lines end in CR LF", b, a)
			}
		}},
		{name: "R6 bytes that are not UTF-8", dialect: "cura", switches: []string{"non-utf8"}, also: sameHighBytes},
		{name: "R7 no newline at the end", dialect: "orca", switches: []string{"no-newline"},
			also: func(t *testing.T, s *sample) {
				if bytes.HasSuffix(s.out, []byte("\n")) {
					t.Error("a newline was added")
				}
			}},
		{name: "R8 absolute extrusion", dialect: "cura", switches: []string{"abs", "wipe"}, also: sameG92},
		{name: "R9 last layer under a hop", dialect: "prusa-2.3", switches: []string{"hop", "hop-region-end"}},
		{name: "R13 the first raised loops get more, flat ones do not", dialect: "prusa", switches: []string{"rel"}},
		{name: "R14 no command is lost", dialect: "orca", switches: []string{"machine"}, also: sameCommands},
		{name: "R15 three decimals", dialect: "prusa", switches: []string{"thin-layers"},
			also: func(t *testing.T, s *sample) {
				if !regexp.MustCompile(`Z0?\.338 .*; brick up`).Match(s.out) { // second layer: 0.3 + 0.15/4
					t.Error("0.3375 mm is not written with three decimals")
				}
			}},
		{name: "R17 SuperSlicer's internal perimeter", dialect: "superslicer"},
		{name: "R18 both families of layer markers", dialect: "prusa", switches: []string{"both-markers"}},
		{name: "R19 spiral lift", dialect: "bambu", switches: []string{"hop"}, also: hasHelix},
		{name: "R20 scarf seam", dialect: "bambu", switches: []string{"scarf"}, also: held("loop_has_z")},
		{name: "R21 overhang in the middle of a loop", dialect: "bambu", switches: []string{"overhang"}},
		{name: "R22 inner, outer, inner", dialect: "bambu", switches: []string{"inner-outer", "hole"}},
		{name: "R23 objects one after the other", dialect: "prusa", switches: []string{"sequential"},
			also: func(t *testing.T, s *sample) {
				if s.res.Stats.Objects != 2 {
					t.Errorf("%d objects", s.res.Stats.Objects)
				}
			}},
		{name: "R24 an ignored layer caps below and restarts above", dialect: "prusa", set: ignore("5"), also: held("ignored")},
		{name: "R24 ignored layers in a row", dialect: "cura", set: ignore("4-6,8")},
		{name: "R24 start layer", dialect: "prusa", set: func(o *Options) { o.StartLayer = 5 }},
		{name: "R26 prime tower", dialect: "bambu", switches: []string{"toolchange"}},
		{name: "R27 line of 21 KB", dialect: "bambu", switches: []string{"long-line"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := brickPrint(t, tt.dialect, tt.switches, tt.set)
			s.sound(t)
			if tt.also != nil {
				tt.also(t, s)
			}
		})
	}
}

func ignore(layers string) func(*Options) {
	return func(o *Options) { o.Ignore, _ = ParseLayerSet(layers) }
}

func held(reason string) func(*testing.T, *sample) {
	return func(t *testing.T, s *sample) {
		if s.res.Stats.Held[reason] == 0 {
			t.Errorf("no loop held by %s: %v", reason, s.res.Stats.Held)
		}
	}
}

func sameHighBytes(t *testing.T, s *sample) {
	high := func(line []byte, _ *lex.Line) bool {
		return bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 })
	}
	in, out := linesOf(s.in, high), linesOf(s.out, high)
	if len(in) == 0 || !slices.Equal(in, out) {
		t.Errorf("%q became %q", in, out)
	}
}

func sameG92(t *testing.T, s *sample) {
	g92 := func(_ []byte, l *lex.Line) bool { return l.Kind == lex.SetPosition }
	if in, out := linesOf(s.in, g92), linesOf(s.out, g92); len(in) == 0 || !slices.Equal(in, out) {
		t.Errorf("%d G92 became %d", len(in), len(out))
	}
}

func sameCommands(t *testing.T, s *sample) {
	command := func(_ []byte, l *lex.Line) bool { return l.Kind == lex.Command || l.Kind == lex.Opaque }
	in, out := linesOf(s.in, command), linesOf(s.out, command)
	if len(in) < 50 || !slices.Equal(in, out) {
		t.Errorf("%d commands became %d, or another order", len(in), len(out))
	}
}

func hasHelix(t *testing.T, s *sample) {
	helix := func(_ []byte, l *lex.Line) bool {
		return l.Kind == lex.Move && l.Number >= 2 && l.Has&(lex.HasX|lex.HasY) == 0 && l.Has&lex.HasZ != 0
	}
	if len(linesOf(s.in, helix)) == 0 {
		t.Error("the print has no helix")
	}
}

// TestTravelBeforeTheLayerChange has the nozzle travel to the next layer before it is announced, as Cura does. The travel
// must carry the height of the first loop all the same, but not out of the first layer.
func TestTravelBeforeTheLayerChange(t *testing.T) {
	for _, switches := range [][]string{nil, {"hop"}, {"abs"}} {
		s := brickPrint(t, "cura", switches, nil)
		early := regexp.MustCompile(`(?m)^(;LAYER:[1-9]\d*\n)((?:[^;].*\n)+)`)
		in := early.ReplaceAll(s.in, []byte("$2$1"))
		if bytes.Equal(in, s.in) {
			t.Fatal("no layer change was moved")
		}
		var out bytes.Buffer
		res, err := Transform(bytes.NewReader(in), &out, s.opt)
		if err != nil {
			t.Fatal(err)
		}
		compareTruth(t, s.options, s.opt, s.loops, in, out.Bytes())
		if added := res.Stats.LinesAdded; added > 3 { // the header, and two lines where the first layer must not be edited
			t.Errorf("%v: %d lines added", switches, added)
		}
		locked := in[:bytes.Index(in, []byte(";LAYER:1\n"))]
		if !bytes.Contains(out.Bytes(), locked[len(locked)/2:]) {
			t.Errorf("%v: the first layer was edited", switches)
		}
	}
}

// TestPathsOfKISSlicer has labels for travels between the loops of a wall, and travels with an E word of nothing.
func TestPathsOfKISSlicer(t *testing.T) {
	for _, switches := range [][]string{nil, {"abs"}} {
		s := brickPrint(t, "kisslicer", switches, nil)
		travel := regexp.MustCompile(`(?m)^(G1 X\S+ Y\S+( Z\S+)?)( F\S+)?$`)
		zero := []byte("$1 E0$3")
		in := s.in
		if switches == nil {
			in = travel.ReplaceAll(in, zero)
		}
		label := regexp.MustCompile(`(?m)^; '(Loop|Perimeter) Path'`)
		in = label.ReplaceAll(in, []byte("; 'Destring/Wipe/Jump Path', 0.0 [feed mm/s], 20.0 [head mm/s]\n$0"))
		var out bytes.Buffer
		res, err := Transform(bytes.NewReader(in), &out, s.opt)
		if err != nil {
			t.Fatal(err)
		}
		if res.Stats.Raised != s.res.Stats.Raised || res.Stats.LinesAdded != s.res.Stats.LinesAdded {
			t.Errorf("%v: %d raised and %d lines added, %d and %d without the labels", switches, res.Stats.Raised,
				res.Stats.LinesAdded, s.res.Stats.Raised, s.res.Stats.LinesAdded)
		}
	}
}

func TestR25ProcessedFilesAreRefused(t *testing.T) {
	s := brickPrint(t, "prusa", nil, nil)
	for _, stamp := range []string{
		"; bricklayers brick 1.0\n", ";== BrickLayers Post-Processed ==\n", "; BRICK: layer 3\n",
		"G1 Z0.7 ; Shifted Z for block #2\n", "G1 Z0.6 ; Reset Z for block #2\n", "G1 X1 E2 ; Adjusted E for block\n",
		"G1 X1 Y1 ; travel ; brick up\n",
	} {
		_, err := Transform(strings.NewReader(string(s.in)+stamp), io.Discard, s.opt)
		var refused *InputError
		if !errors.As(err, &refused) || refused.Label != AlreadyProcessed {
			t.Errorf("%q: %v", stamp, err)
		}
	}
	if _, err := Transform(bytes.NewReader(s.out), io.Discard, s.opt); err == nil {
		t.Error("our own result was processed again")
	}
	s.opt.Force = true
	if _, err := Transform(bytes.NewReader(s.out), io.Discard, s.opt); err != nil {
		t.Errorf("with force: %v", err)
	}
}

func TestR28NeitherWorkersNorReadsChangeTheOutput(t *testing.T) {
	for _, order := range []Order{OrderSlicer, OrderContour} {
		s := brickPrint(t, "cura", []string{"abs", "hole"}, func(o *Options) { o.Order = order })
		for _, workers := range []int{1, 2, 3, 8} {
			for _, size := range []int{1, 7, 4096, 1 << 20} {
				s.opt.Workers = workers
				var out bytes.Buffer
				if _, err := Transform(&chunkReader{s.in, size}, &out, s.opt); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(out.Bytes(), s.out) {
					t.Errorf("%s order, %d workers, reads of %d: another output", order, workers, size)
				}
			}
		}
	}
}

type chunkReader struct {
	rest []byte
	size int
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func TestR29AbsurdExtrusionIsRefused(t *testing.T) {
	s := brickPrint(t, "prusa", nil, nil)
	for line, want := range map[string]Reason{
		"G1 E1e21": BadNumber, "G1 E1000000000000000000000 F300": BadNumber, "G1 X1 E90000": CoordRange, "G1 Enan": BadNumber,
		"G1 X1 E" + strings.Repeat("0", 256): BadNumber,
	} {
		_, err := Transform(strings.NewReader(string(s.in)+line+"\n"), io.Discard, s.opt)
		var refused *InputError
		if !errors.As(err, &refused) || refused.Label != want || refused.Line != bytes.Count(s.in, []byte("\n"))+1 {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestErrorsOfTheStreamsComeBack(t *testing.T) {
	s := brickPrint(t, "prusa", nil, nil)
	broken := errors.New("broken")
	for _, at := range []int{0, 1000, len(s.in) / 2} {
		r := io.MultiReader(bytes.NewReader(s.in[:at]), iotest.ErrReader(broken))
		if _, err := Transform(r, io.Discard, s.opt); !errors.Is(err, broken) {
			t.Errorf("read error at %d: %v", at, err)
		}
	}
	if _, err := Transform(bytes.NewReader(s.in), brokenWriter{broken}, s.opt); !errors.Is(err, broken) {
		t.Errorf("write error: %v", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestLayerTooBigPassesThrough(t *testing.T) {
	s := brickPrint(t, "prusa", nil, nil)
	marks := regexp.MustCompile(`(?m)^;LAYER_CHANGE$`).FindAllIndex(s.in, -1)
	big := bytes.Repeat([]byte("; nothing of interest, but a lot of it\n"), maxLayer/39+1000)
	at := marks[5][1] + 1 // in the sixth layer
	in := slices.Concat(s.in[:at], big, s.in[at:])
	var out bytes.Buffer
	res, err := Transform(bytes.NewReader(in), &out, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(res.Warnings, LayerTooBig) || res.Stats.Raised == 0 || !bytes.Contains(out.Bytes(), big) {
		t.Errorf("%+v", res)
	}
	report, err := check.Compare(bytes.NewReader(in), &out, check.Options{ // the layer comes out as if it were ignored
		Multiplier: s.opt.Multiplier, Up: StampUp, Down: StampDown, Ignored: func(n int) bool { return n == 6 },
	})
	if err != nil || report.Violations() > 0 {
		t.Errorf("error %v\n%s", err, report)
	}
}

func TestAutoMultiplier(t *testing.T) {
	c := &dialect.Settings{InnerWidth: 450 * micron}
	for _, tt := range []struct{ height, want float64 }{{0.2, 1.025}, {0.1, 1.0119}, {0, 1}, {0.45, 1.0648}} {
		if got := autoMultiplier(tt.height, c); fmt.Sprintf("%.3f", got) != fmt.Sprintf("%.3f", tt.want) {
			t.Errorf("height %v: %.4f, want %v", tt.height, got, tt.want)
		}
	}
	s := brickPrint(t, "prusa", nil, func(o *Options) { o.Multiplier = 0 })
	report, err := check.Compare(bytes.NewReader(s.in), bytes.NewReader(s.out), check.Options{Up: StampUp, Down: StampDown})
	if err != nil || report.Violations() > 0 {
		t.Errorf("error %v\n%s", err, report)
	}
}
