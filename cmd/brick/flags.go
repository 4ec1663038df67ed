package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"bricklayers.dev/bricklayers/internal/gcode/brick"
)

// command is what the user asked for.
type command struct {
	brick   brick.Options
	input   string // "-" for a filter
	check   bool
	result  string // what to check against the input
	output  string // "" to replace the input
	summary string
	json    bool
	dryRun  bool
	version bool
	help    bool

	engine func(io.Reader, io.Writer, brick.Options) (*brick.Result, error)
}

const usage = `Usage:
  brick [flags] FILE           process FILE in place
  brick [flags] -o PATH FILE   write the result to PATH, or into it when it is a directory
  brick [flags] < IN > OUT     process a stream of G-code
  brick [flags] --check IN OUT check OUT, made from IN with the same flags

FILE is G-code as text (.gcode), binary (.bgcode) or a sliced project (.gcode.3mf). See docs/brick.md.

Flags:
`

// errUsage marks mistakes in the command line.
var errUsage = errors.New("usage")

func parse(args []string, stderr io.Writer) (*command, error) {
	c := &command{brick: brick.DefaultOptions(), engine: brick.Transform}
	flags := pflag.NewFlagSet("brick", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	multiplier := flags.String("multiplier", "1.05", "flow of the walls behind the visible one, or auto")
	order := flags.String("order", string(c.brick.Order), "print order inside a wall: slicer or contour")
	ignore := flags.String("ignore-layers", "", "layers to leave as they are, such as 10,15,40-43")
	flags.IntVar(&c.brick.StartLayer, "start-layer", c.brick.StartLayer, "first layer of an object that may rise")
	flags.IntVar(&c.brick.Ramp, "ramp", c.brick.Ramp, "layers over which a column of raised loops climbs")
	flags.Float64Var(&c.brick.MaxRaise, "max-raise", c.brick.MaxRaise,
		"how far a loop rises at most, as a share of the layer height up to 0.5")
	flags.BoolVar(&c.brick.IncludeLone, "include-lone", c.brick.IncludeLone,
		"raise loops that are the only one behind the visible wall")
	flags.StringVarP(&c.output, "output", "o", "", "where to write the result")
	flags.BoolVar(&c.dryRun, "dry-run", false, "say what would be done and write nothing")
	flags.BoolVar(&c.check, "check", false, "check a result against its input")
	flags.BoolVar(&c.brick.Force, "force", false, "process a file again that was processed before")
	flags.BoolVar(&c.json, "json", false, "write statistics as JSON to standard output")
	flags.StringVar(&c.summary, "summary", "", "write a short summary as JSON to this file")
	flags.IntVar(&c.brick.Workers, "workers", 0, "layers to analyse at a time, 0 for one per processor")
	flags.BoolVar(&c.version, "version", false, "print the version")
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		c.help = true
		fmt.Fprint(stderr, usage, flags.FlagUsages())
		return c, nil
	}
	if err == nil {
		err = c.finish(*multiplier, *order, *ignore, flags.Args())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; brick --help lists the flags", errUsage, err)
	}
	return c, nil
}

func (c *command) finish(multiplier, order, ignore string, args []string) (err error) {
	if c.version {
		return nil
	}
	c.brick.Multiplier = 0
	if !strings.EqualFold(multiplier, "auto") {
		if c.brick.Multiplier, err = strconv.ParseFloat(multiplier, 64); err != nil || c.brick.Multiplier == 0 {
			return fmt.Errorf("multiplier %q: use auto or a number such as 1.05", multiplier)
		}
	}
	c.brick.Order = brick.Order(order)
	if c.brick.Ignore, err = brick.ParseLayerSet(ignore); err != nil {
		return err
	}
	switch {
	case c.check && len(args) != 2:
		return fmt.Errorf("--check needs the input and the result, got %d files", len(args))
	case c.check:
		c.input, c.result = args[0], args[1]
		return c.brick.Check()
	case len(args) == 0:
		c.input = "-"
	case len(args) == 1:
		c.input = args[0]
	default:
		return fmt.Errorf("%d files given: process one at a time", len(args))
	}
	if c.input == "-" && c.json && c.output == "" {
		return errors.New("--json and the G-code cannot share standard output: use --summary or -o")
	}
	return c.brick.Check()
}

// slicerSettings returns the settings that a slicer passes to a post-processing script in its environment, as lines
// such as "layer_height = 0.2".
func slicerSettings() []byte {
	var text []byte
	for _, v := range os.Environ() {
		if key, value, ok := strings.Cut(v, "="); ok && strings.HasPrefix(key, "SLIC3R_") {
			text = fmt.Appendf(text, "%s = %s\n", strings.ToLower(strings.TrimPrefix(key, "SLIC3R_")), value)
		}
	}
	return text
}
