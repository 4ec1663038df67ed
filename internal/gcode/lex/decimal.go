package lex

// Unit is the fixed-point scale of every number in a G-code word: 1e-6 of a millimetre, degree or mm/min.
// It is an integer so that adding and subtracting extrusion never rounds.
const Unit = 1_000_000

// MaxValue is the largest magnitude ParseDecimal accepts, one million. No printer has a coordinate, a length of
// filament or a speed near it, and staying below it keeps sums of many words inside an int64.
const MaxValue = 1_000_000 * Unit

var pow10 = [...]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000}

// ParseDecimal reads the number that b starts with, written [+-]digits[.digits] with either digit string optional but
// not both, and returns it in Units together with the number of bytes read. Digits past the sixth decimal are rounded
// half away from zero. ok is false when there is no number or when its magnitude is above MaxValue; n then still says
// how far the digits went.
func ParseDecimal(b []byte) (v int64, n int, ok bool) {
	i := 0
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i = 1
	}
	start := i
	for i < len(b) && isDigit(b[i]) {
		v = v*10 + int64(b[i]-'0')
		i++
	}
	whole, decimals := i-start, 0
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for i < len(b) && isDigit(b[i]) {
			v = v*10 + int64(b[i]-'0')
			i++
		}
		decimals = i - point
	}
	if whole > 7 || decimals > 6 {
		v = longDecimal(b[start:i])
	} else {
		v *= pow10[6-decimals]
	}
	if negative {
		v = -v
	}
	return v, i, whole+decimals > 0 && v <= MaxValue && v >= -MaxValue
}

// longDecimal reads digits with a point somewhere, of any length. What is too large comes out larger than MaxValue.
func longDecimal(b []byte) (v int64) {
	i := 0
	for ; i < len(b) && b[i] != '.'; i++ {
		if v <= MaxValue {
			v = v*10 + int64(b[i]-'0')
		}
	}
	if v > MaxValue/Unit {
		v = MaxValue
	}
	v *= Unit
	for k, scale := i+1, int64(Unit/10); k < len(b) && k <= i+7; k, scale = k+1, scale/10 {
		if k == i+7 {
			if b[k] >= '5' {
				v++
			}
			break
		}
		v += int64(b[k]-'0') * scale
	}
	return v
}

// AppendDecimal writes v (in Units) with at most the given number of decimals (0 to 6), rounded half away from zero,
// without trailing zeros, without an exponent and never as "-0". bareFraction leaves out the zero before the point, as
// PrusaSlicer and its relatives write.
func AppendDecimal(dst []byte, v int64, decimals int, bareFraction bool) []byte {
	v = Round(v, decimals)
	if v == 0 {
		return append(dst, '0')
	}
	if v < 0 {
		dst = append(dst, '-')
		v = -v
	}
	whole, fraction := uint64(v)/Unit, uint64(v)%Unit
	if whole > 0 || !bareFraction {
		dst = appendUint(dst, whole)
	}
	if fraction == 0 {
		return dst
	}
	text := [7]byte{0: '.'}
	for i := 6; i > 0; i-- {
		text[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	end := len(text)
	for text[end-1] == '0' {
		end--
	}
	return append(dst, text[:end]...)
}

// Round rounds v (in Units) to the given number of decimals (0 to 6), half away from zero.
func Round(v int64, decimals int) int64 {
	switch decimals {
	case 6:
		return v
	case 5: // by far the most frequent, and division by a constant is ten times as fast
		if v < 0 {
			return -((-v + 5) / 10 * 10)
		}
		return (v + 5) / 10 * 10
	}
	step := pow10[6-decimals]
	if v < 0 {
		return -((-v + step/2) / step * step)
	}
	return (v + step/2) / step * step
}

func appendUint(dst []byte, v uint64) []byte {
	if v < 10 {
		return append(dst, byte('0'+v))
	}
	var digits [20]byte
	i := len(digits)
	for v > 0 {
		i--
		digits[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, digits[i:]...)
}
