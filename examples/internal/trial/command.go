package trial

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// Parse parses args. It returns flag.ErrHelp after printing the help on stdout, and a UsageError
// for a flag that is unknown or malformed and for an argument that is none.
func Parse(flags *flag.FlagSet, args []string, stdout io.Writer) error {
	flags.SetOutput(io.Discard) // It would print the whole help after each error.
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "Usage: %s [flags]\n", flags.Name())
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return err
	case err != nil:
		return Usagef("%v (see %s -h)", err, flags.Name())
	case flags.NArg() > 0:
		return Usagef("unexpected argument %q (see %s -h)", flags.Arg(0), flags.Name())
	}
	return nil
}

// InRange returns a UsageError unless low <= value <= high.
func InRange(name string, value, low, high int) error {
	if value < low || value > high {
		return Usagef("-%s %d: must be %d to %d", name, value, low, high)
	}
	return nil
}

// Status prints err on stderr and returns the exit status: 2 for a UsageError, 1 for any other.
func Status(program string, err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", program, err)
	if _, ok := errors.AsType[*UsageError](err); ok {
		return 2
	}
	return 1
}
