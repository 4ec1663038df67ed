package prints

import "io"

// tallest is the most layers a print of Sized has; what does not fit in so many is put beside it on the bed.
const tallest = 1000

// Sized returns o with as many layers, and then copies, as make a print of about the given number of bytes.
func Sized(o Options, bytes int64) (Options, error) {
	o.Scene, o.Copies = "bushing", 1
	small, err := sizeOf(o, 60)
	if err != nil {
		return o, err
	}
	large, err := sizeOf(o, 120)
	if err != nil {
		return o, err
	}
	perLayer := float64(large-small) / 60
	layers := 60 + float64(bytes-small)/perLayer
	o.Copies = int(layers/tallest) + 1
	o.Layers = max(8, int(60/float64(o.Copies)+float64(bytes-small)/perLayer/float64(o.Copies)))
	return o, nil
}

func sizeOf(o Options, layers int) (int64, error) {
	o.Layers = layers
	var n counter
	err := Write(&n, o, nil)
	return int64(n), err
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

var _ io.Writer = (*counter)(nil)
