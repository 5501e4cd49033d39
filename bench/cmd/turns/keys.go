package main

import "unsafe"

// A maker makes the keys of the given numbers. Those that are not to be kept are valid until its next
// call.
type maker[K any] func(to []K, ids []int, keep bool)

// textLen is the length of a key that is a string.
const textLen = 21

// texts makes strings.
func texts(to []string, ids []int, keep bool) {
	bytes := buffer[:]
	if keep {
		bytes = make([]byte, textLen*len(ids))
	}
	for i, id := range ids {
		b := bytes[i*textLen : (i+1)*textLen]
		copy(b, "key/")
		digits(b[4:12], uint32(id))
		b[12] = '/'
		digits(b[13:], uint32(id)*2654435761)
		to[i] = unsafe.String(&b[0], textLen)
	}
}

var buffer [2 * stretch * textLen]byte

// digits writes the eight hexadecimal digits of n.
func digits(to []byte, n uint32) {
	for i := range 8 {
		to[i] = "0123456789abcdef"[n>>(28-4*i)&15]
	}
}

// numbers makes integers.
func numbers(to []uint64, ids []int, keep bool) {
	for i, id := range ids {
		to[i] = uint64(id) * 0x9e3779b97f4a7c15
	}
}

// names is a key of two strings.
type names struct{ first, last string }

// fullNames makes pairs of strings.
func fullNames(to []names, ids []int, keep bool) {
	all, both := make([]int, 2*len(ids)), make([]string, 2*len(ids))
	for i, id := range ids {
		all[2*i], all[2*i+1] = id, id+1<<30
	}
	texts(both, all, keep)
	for i := range ids {
		to[i] = names{both[2*i], both[2*i+1]}
	}
}

// objects returns a maker of objects with numbers below 2n, which makes each once: they are told apart
// by identity.
func objects[T any](n int) maker[*T] {
	made := make([]*T, 2*n)
	return func(to []*T, ids []int, _ bool) {
		for i, id := range ids {
			if made[id] == nil {
				made[id] = new(T)
			}
			to[i] = made[id]
		}
	}
}
