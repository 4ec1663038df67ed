package validate

import "bytes"

// stamps are the comments that tools of this kind leave behind, and who leaves them.
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

// stampedBy returns whose stamp a comment is or has behind a further ';', or "".
func stampedBy(comment []byte) string {
	for {
		comment = bytes.TrimLeft(comment, "; \t")
		if len(comment) == 0 {
			return ""
		}
		for i := range stamps {
			if bytes.HasPrefix(comment, []byte(stamps[i].text)) {
				return stamps[i].by
			}
		}
		next := bytes.IndexByte(comment, ';')
		if next < 0 {
			return ""
		}
		comment = comment[next:]
	}
}
