package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"bricklayers.dev/bricklayers/internal/podapi"
)

// Run is the command line: "fetch" or "store", followed by flags.
func Run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: fetch or store")
	}
	switch args[0] {
	case "fetch":
		f, err := parseFetch(args[1:])
		if err != nil {
			return err
		}
		return f.Run(ctx)
	case "store":
		s := &Store{backoff: defaultBackoff}
		flags := flag.NewFlagSet("store", flag.ContinueOnError)
		common(flags, &s.Gateway, &s.TokenFile, &s.Data)
		if err := parse(flags, args[1:]); err != nil {
			return err
		}
		if s.Gateway == "" {
			return errors.New("--gateway is missing")
		}
		return s.Run(ctx)
	}
	return fmt.Errorf("%q is not known: say fetch or store", args[0])
}

func parseFetch(args []string) (*Fetch, error) {
	f := &Fetch{backoff: defaultBackoff}
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	common(flags, &f.Gateway, &f.TokenFile, &f.Data)
	flags.StringVar(&f.Name, "name", "", "name of the file, as the process sees it")
	flags.BoolVar(&f.Upload, "upload", false, "the input is a file that was uploaded to the gateway")
	flags.Int64Var(&f.Size, "size", 0, "size of the upload in bytes")
	flags.StringVar(&f.SHA256, "sha256", "", "SHA-256 of the upload")
	flags.StringVar(&f.URL, "url", "", "https address of the input")
	flags.StringVar(&f.File, "file", "", "path of the input on a mounted volume")
	flags.Int64Var(&f.MaxSize, "max-size", 0, "largest input in bytes; 0 is no limit")
	var cidrs string
	flags.StringVar(&cidrs, "allow-cidr", "", "private ranges that --url may lead to, with commas between")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	sources := 0
	for _, given := range []bool{f.Upload, f.URL != "", f.File != ""} {
		if given {
			sources++
		}
	}
	switch {
	case f.Name == "":
		return nil, errors.New("--name is missing")
	case sources != 1:
		return nil, errors.New("say where the input comes from with one of --upload, --url, --file")
	case f.Upload && f.Gateway == "":
		return nil, errors.New("--gateway is missing")
	}
	var err error
	if cidrs != "" {
		f.AllowCIDRs, err = parseCIDRs(strings.Split(cidrs, ","))
	}
	return f, err
}

// common are the flags of both steps.
func common(flags *flag.FlagSet, gateway, tokenFile, data *string) {
	flags.StringVar(gateway, "gateway", "", "address of the gateway's pod port")
	flags.StringVar(tokenFile, "token-file", podapi.TokenFile, "file with the pod's token")
	flags.StringVar(data, "data", "/data", "folder that the steps of the pod share")
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}
