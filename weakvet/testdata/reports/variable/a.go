// Package reports: listeners that are held weakly by the variable they came in.
package reports

import "weak"

type Listener interface{ Notify(event string) }

type Bus struct{ listeners []weak.Pointer[Listener] }

func (b *Bus) Subscribe(l Listener) {
	b.listeners = append(b.listeners, weak.Make(&l))
}

func (b *Bus) Publish(event string) {
	for _, w := range b.listeners {
		if l := w.Value(); l != nil {
			(*l).Notify(event)
		}
	}
}
