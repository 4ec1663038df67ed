package dialect

import "bytes"

// stamps are the comments that tools of this kind leave, and who leaves them.
var stamps = []struct{ text, by string }{
	{"bricklayers.dev/brick ", "brick"},
	{"brick up", "brick"},
	{"brick down", "brick"},
	{"bricklayers brick ", "bricklayers (Rust)"},
	{"== BrickLayers Post-Processed", "BrickLayers (GeekDetour)"},
	{"BRICK:", "BrickLayers (GeekDetour)"},
	{"Shifted Z for block #", "Bricklayers (TengerTechnologies)"},
	{"Reset Z for block #", "Bricklayers (TengerTechnologies)"},
	{"Adjusted E for", "Bricklayers (TengerTechnologies)"},
}

// StampedBy returns the tool whose stamp the comment (without its first ';') is, or "".
func StampedBy(comment []byte) string {
	for {
		for len(comment) > 0 && (comment[0] == ';' || comment[0] == ' ' || comment[0] == '\t') {
			comment = comment[1:]
		}
		if len(comment) < len("BRICK:") {
			return ""
		}
		switch comment[0] {
		case 'b', 'B', '=', 'S', 'R', 'A':
			for i := range stamps {
				if bytes.HasPrefix(comment, []byte(stamps[i].text)) {
					return stamps[i].by
				}
			}
		}
		i := bytes.IndexByte(comment, ';')
		if i < 0 {
			return ""
		}
		comment = comment[i:]
	}
}
