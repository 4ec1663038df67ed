package brick

import "testing"

// TestLargeLayersStayFew: when large and small layers take turns, the small ones must not all grow to be large.
func TestLargeLayersStayFew(t *testing.T) {
	var pool layerPool
	fill := func(size int) *layer {
		l := pool.take()
		l.text = append(l.text, make([]byte, size)...)
		pool.text = size
		return l
	}
	for range 50 {
		var flight []*layer
		for i := range 40 {
			size := 1000
			if i%4 == 0 {
				size = 1 << 20
			}
			flight = append(flight, fill(size))
		}
		for _, l := range flight {
			pool.give(l)
		}
	}
	held := 0
	for _, l := range append(pool.small, pool.large...) {
		held += cap(l.text)
	}
	if held > 24<<20 {
		t.Errorf("the pool holds %d MB for 10 MB in flight", held>>20)
	}
}
