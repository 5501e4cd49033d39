package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestEachParticipantHasItsTurns(t *testing.T) {
	var out, errors strings.Builder
	const rounds = 2
	if status := run([]string{"-cell", "/1000$", "-rounds", "2", "-format", "bench"}, &out, &errors); status != 0 || errors.Len() > 0 {
		t.Fatalf("exit status %d: %s", status, errors.String())
	}
	turns := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^Benchmark(InTurns/.*) \t\d+\t[\d.]+ ns/op$`).FindAllStringSubmatch(out.String(), -1) {
		turns[m[1]]++
	}
	for _, name := range []string{
		"InTurns/LoadHit/impl=weakmap/key=string/size=1000", "InTurns/LoadHit/impl=xsync4/key=uint64/size=1000",
		"InTurns/LoadMiss/impl=rwmutex/key=string/size=1000", "InTurns/InternHit/impl=unique/key=string/size=1000",
		"InTurns/RetainHit/impl=weakmap-retain2/key=uint64/size=1000", "InTurns/RetainHit/impl=strong-xsync4/key=string/size=1000",
	} {
		if turns[name] != rounds {
			t.Errorf("%d turns of %s, want %d", turns[name], name, rounds)
		}
	}
}

func TestIdentityIsComparedWithTheBestOther(t *testing.T) {
	for _, c := range []cell{keyLoads[[8]uint64]("object=64B", 500, true), keyLoads[[8]uint64]("object=64B", 500, false), retains("key=string", 500, texts)} {
		var out strings.Builder
		compare(&out, c, c.run(regexp.MustCompile("."), 1))
		if !regexp.MustCompile(`best other / ours \d+\.\d\d: .*weakmap \d.*xsync4 \d|best other / ours \d+\.\d\d: .*xsync4 \d.*weakmap \d`).MatchString(out.String()) {
			t.Errorf("compare printed %q", out.String())
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	var out, errors strings.Builder
	if status := run([]string{"-help"}, &out, &errors); status != 0 || !strings.Contains(errors.String(), "-rounds") {
		t.Errorf("run(-help): exit status %d, errors %q; want 0, and the flags", status, errors.String())
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-cell", "("}, {"-peers", "["}, {"-rounds", "0"}, {"-format", "json"}, {"LoadHit"}, {"-nothing"}} {
		var out, errors strings.Builder
		if status := run(args, &out, &errors); status != 2 || out.Len() > 0 || errors.Len() == 0 {
			t.Errorf("run(%q): exit status %d, output %q, errors %q; want 2, none and some", args, status, out.String(), errors.String())
		}
	}
}
