//go:build !weakmapcheck

package weakmap

func (t *table[K, P, A]) checkInvariants(*shard[P, A]) {}
