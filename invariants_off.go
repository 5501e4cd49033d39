//go:build !weakmapcheck

package weakmap

func (t *table) checkInvariants(*shard) {}
