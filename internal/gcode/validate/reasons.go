package validate

import (
	"errors"

	"bricklayers.dev/bricklayers/internal/gcode/bgcode"
	"bricklayers.dev/bricklayers/internal/gcode/threemf"
)

// Why a file is rejected, beside what packages bgcode and threemf reject.
const (
	ReasonEmpty            = "empty"
	ReasonTooLarge         = "too_large"
	ReasonBadExtension     = "bad_extension"
	ReasonUTF16            = "utf16"
	ReasonCompressed       = "compressed"
	ReasonPDF              = "not_gcode_pdf"
	ReasonELF              = "not_gcode_elf"
	ReasonPicture          = "not_gcode_picture"
	ReasonTar              = "not_gcode_tar"
	ReasonModel            = "not_gcode_model"
	ReasonBinaryData       = "binary_data"
	ReasonLineTooLong      = "line_too_long"
	ReasonNoMotion         = "no_motion"
	ReasonNoExtrusion      = "no_extrusion"
	ReasonCoordRange       = "coord_range"
	ReasonBadNumber        = "bad_number"
	ReasonUnitsInches      = "units_inches"
	ReasonLineChecksums    = "line_checksums"
	ReasonAlreadyProcessed = "already_processed"
	ReasonMaybeTruncated   = WarnMaybeTruncated // with Options.Strict
)

// Why processing would change nothing.
const (
	NoopUnknownDialect = "unknown_dialect"
	NoopNoLayers       = "no_layers"
	NoopNoInnerWalls   = "no_inner_walls"
	NoopSingleWall     = "single_wall"
	NoopSpiralVase     = "spiral_vase"
)

// Warnings, beside those of package threemf.
const (
	WarnExtMismatch      = "ext_mismatch"
	WarnMaybeTruncated   = "maybe_truncated"
	WarnRelativeXYZ      = "relative_xyz"
	WarnBadHeight        = "bad_height"
	WarnDefaultWidth     = "default_width"
	WarnStepLarge        = "step_large"
	WarnAlreadyProcessed = ReasonAlreadyProcessed // with Options.Force
)

// Reasons returns all labels a Reject can have, for metrics that start at zero.
func Reasons() []string {
	return []string{
		ReasonEmpty, ReasonTooLarge, ReasonBadExtension, ReasonUTF16, ReasonCompressed, ReasonPDF, ReasonELF,
		ReasonPicture, ReasonTar, ReasonModel, ReasonBinaryData, ReasonLineTooLong, ReasonNoMotion, ReasonNoExtrusion,
		ReasonCoordRange, ReasonBadNumber, ReasonUnitsInches, ReasonLineChecksums, ReasonAlreadyProcessed,
		ReasonMaybeTruncated,
		bgcode.ReasonVersion, bgcode.ReasonTruncated, bgcode.ReasonChecksum, bgcode.ReasonBlock, bgcode.ReasonCodec,
		bgcode.ReasonNoGCode, bgcode.ReasonInflateLimit,
		threemf.ReasonBad, threemf.ReasonPath, threemf.ReasonEncrypted, threemf.ReasonNoGCode,
	}
}

func reasonOf(err error) string {
	var r interface{ Reason() string }
	if errors.As(err, &r) {
		return r.Reason()
	}
	return ""
}
