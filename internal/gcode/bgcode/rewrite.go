package bgcode

import "io"

// Rewrite copies a file from r to w and replaces the text of its G-code by what transform makes of it. Transform gets
// all of it as one text, from the first block to the last, with the metadata that came before; it may read and write
// from different goroutines, but none may go on after it returned. What it does not read is checked and dropped.
//
// All other blocks are copied byte for byte. The new blocks are compressed and encoded like the first block of G-code
// in r. Encoding loses nothing, so text that transform passes on decodes to the same text again. Both streams go by
// once, and memory does not depend on their length.
//
// On any error, what was written to w is to be thrown away. An error in the file is an *Error, even where transform
// swallowed it.
func Rewrite(r io.Reader, w io.Writer, transform func(in *Reader, out io.Writer) error) error {
	reader, err := newReader(r, w, DefaultMaxText)
	if err != nil {
		return err
	}
	if reader.err = reader.fill(); reader.err != nil && reader.err != io.EOF { // the block says now how it is packed
		return reader.err
	}
	writer := newWriter(w, reader.Block(), reader.blocks.checksum, reader.unpack.NoSpaces())
	err = transform(reader, writer)
	if reader.err != nil && reader.err != io.EOF {
		return reader.err
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return err
	}
	return writer.Close()
}
