package weakmap

// HoldPasses lets no pass of the reaper begin until release is called, whatever the
// collector finds. It waits for one that is under way. Settle waits as well.
func HoldPasses() (release func()) {
	reaper.turn <- struct{}{}
	return func() { <-reaper.turn }
}
