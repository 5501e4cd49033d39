package canon

import (
	"sync"
	"unsafe"
)

// The objects in which canonical values are put.
//
// To make a weak pointer, the runtime walks a list of those that objects on the
// same stretch of memory have, twice. Among small objects that takes longer than
// all else that Intern does. So canonical values are allocated with that in mind.

// tinySize is the size up to which the runtime puts several pointer-free objects
// into one block, where one keeps all alive.
const tinySize = 16

// A roomy is an object for a tiny value. One with a pointer in it is not tiny.
type roomy[T any] struct {
	value T
	_     *byte
}

// A stock is some new objects that are used in the reverse order of their
// allocation. The runtime gives out the places on a stretch of memory upwards,
// and its list goes upwards: a weak pointer to the object that was allocated last
// comes after all others. The other way round, it comes after old ones only.
type stock[B any] struct {
	objects []*B
	size    int // how many there were at first
}

const (
	// stockMax is about how many objects of 16 bytes a stretch of memory has. With 64
	// most of the gain is gone.
	stockMax = 512

	// stockBytes bounds what a stock takes, so that it is small beside what it is
	// for: each processor may have one of each type, and one more from before the
	// last collection. It bounds no stock of objects of up to 128 bytes; of large
	// objects a stretch of memory has few, and the lists are short.
	stockBytes = 64 << 10
)

// fromStock returns a new object from one of stocks, all of which are of B. The runtime
// frees a stock that is not used between two collections.
func fromStock[B any](stocks *sync.Pool) *B {
	s, _ := stocks.Get().(*stock[B])
	if s == nil {
		s = new(stock[B])
	}
	if len(s.objects) == 0 {
		s.size = min(2*s.size+1, stockMax, max(stockBytes/int(unsafe.Sizeof(*new(B))), 1))
		for range s.size {
			s.objects = append(s.objects, new(B))
		}
	}
	last := len(s.objects) - 1
	b := s.objects[last]
	s.objects[last], s.objects = nil, s.objects[:last]
	stocks.Put(s)
	return b
}

// A stringBox is a string in one object with its bytes: one allocation instead of
// two, and a larger object, with fewer neighbors.
type stringBox[B any] struct {
	header string
	bytes  B
}

// stringStocks are stocks of stringBoxes, by size.
var stringStocks [7]sync.Pool

// boxString returns a pointer to a copy of s in a stringBox, or nil if s is empty
// or too long.
func boxString(s string) *string {
	size := (len(s) + 15) / 16
	switch size {
	case 1:
		return fill[[16]byte](s, size)
	case 2:
		return fill[[32]byte](s, size)
	case 3:
		return fill[[48]byte](s, size)
	case 4:
		return fill[[64]byte](s, size)
	case 5:
		return fill[[80]byte](s, size)
	case 6:
		return fill[[96]byte](s, size)
	case 7:
		return fill[[112]byte](s, size)
	}
	return nil
}

// fill is boxString for boxes of one size.
func fill[B any](s string, size int) *string {
	b := fromStock[stringBox[B]](&stringStocks[size-1])
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&b.bytes)), unsafe.Sizeof(b.bytes))
	b.header = unsafe.String(&bytes[0], copy(bytes, s))
	return &b.header
}

// byteStocks are stocks of bytes without a header, by size.
var byteStocks [7]sync.Pool

// Bytes returns the address of a copy of s in an object of its own, of at least 16 bytes without
// pointers.
func Bytes(s string) unsafe.Pointer {
	var p unsafe.Pointer
	switch (len(s) + 15) / 16 {
	case 0, 1:
		p = unsafe.Pointer(fromStock[[16]byte](&byteStocks[0]))
	case 2:
		p = unsafe.Pointer(fromStock[[32]byte](&byteStocks[1]))
	case 3:
		p = unsafe.Pointer(fromStock[[48]byte](&byteStocks[2]))
	case 4:
		p = unsafe.Pointer(fromStock[[64]byte](&byteStocks[3]))
	case 5:
		p = unsafe.Pointer(fromStock[[80]byte](&byteStocks[4]))
	case 6:
		p = unsafe.Pointer(fromStock[[96]byte](&byteStocks[5]))
	case 7:
		p = unsafe.Pointer(fromStock[[112]byte](&byteStocks[6]))
	default:
		p = unsafe.Pointer(unsafe.SliceData(make([]byte, len(s))))
	}
	copy(unsafe.Slice((*byte)(p), len(s)), s)
	return p
}
