package bgcode

import (
	"bytes"
	"io"
)

// readMetadata keeps the key=value lines of a block.
func (r *Reader) readMetadata(block Block) error {
	if r.metadataSize += r.left; r.metadataSize > maxMetadata {
		return r.blocks.fail(ReasonInflateLimit, nil, "more than %d bytes of metadata", maxMetadata)
	}
	var buf bytes.Buffer
	buf.Grow(int(r.left) + bytes.MinRead) // which it wants to have at the end, too
	if _, err := io.CopyN(&buf, r.body, r.left); err == io.EOF {
		return r.damaged(nil, "its data ends %d bytes short of the size it states", r.left-int64(buf.Len()))
	} else if err != nil {
		return r.damaged(err, "cannot decompress its data")
	}
	for line := range bytes.Lines(buf.Bytes()) {
		if key, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte("=")); ok {
			r.metadata = append(r.metadata, KeyValue{block.Type, string(key), string(value)})
		}
	}
	return r.checkEnd()
}
