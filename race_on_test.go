//go:build race

package weakmap_test

const raceEnabled = true
