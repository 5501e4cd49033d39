//go:build !race

package weakmap_test

const raceEnabled = false
