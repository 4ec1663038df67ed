package bgcode

import "fmt"

// The reasons of an Error: stable labels, safe to count by.
const (
	ReasonVersion      = "bgcode_version"   // not a version or checksum type this package knows
	ReasonTruncated    = "bgcode_truncated" // the file ends inside a block
	ReasonChecksum     = "bgcode_checksum"  // a block's CRC-32 does not match its bytes
	ReasonBlock        = "bgcode_block"     // a block of unknown type, or one that is out of place
	ReasonCodec        = "bgcode_codec"     // unknown compression or encoding, or data that does not follow it
	ReasonNoGCode      = "bgcode_no_gcode"  // no block of G-code
	ReasonInflateLimit = "inflate_limit"    // more text than the limit allows
)

// Error says why a file was refused, and where.
type Error struct {
	reason string
	block  int   // index, -1 for the file header
	offset int64 // of the block
	detail string
	err    error
}

// Reason returns the stable label.
func (e *Error) Reason() string { return e.reason }

func (e *Error) Error() string {
	where := "file header"
	if e.block >= 0 {
		where = fmt.Sprintf("block %d at byte %d", e.block, e.offset)
	}
	if e.err != nil {
		return fmt.Sprintf("binary G-code, %s: %s: %v", where, e.detail, e.err)
	}
	return fmt.Sprintf("binary G-code, %s: %s", where, e.detail)
}

func (e *Error) Unwrap() error { return e.err }
