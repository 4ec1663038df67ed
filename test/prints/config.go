package prints

// The texts around a print: start and end G-code, and the settings a slicer records. In the settings %name is replaced
// by the option of that name (see settings in document.go).

var prusaStart = []string{
	"M201 X4000 Y4000 Z200 E2500 ; sets maximum accelerations, mm/sec^2",
	"M203 X300 Y300 Z40 E100 ; sets maximum feedrates, mm / sec",
	"M205 X8.00 Y8.00 Z2.00 E10.00 ; sets the jerk limits, mm/sec",
	"M107",
	"G90 ; use absolute coordinates",
	"%M83 ; extruder mode",
	"M104 S215 ; set extruder temp",
	"M140 S60 ; set bed temp",
	"M190 S60 ; wait for bed temp",
	"M109 S215 ; wait for extruder temp",
	"G28 ; home all",
	"G92 E0",
	"G1 Z15 F720",
	"M221 S95",
	"M900 K0.05 ; filament gcode",
	"G21 ; set units to millimeters",
}

var prusaEnd = []string{
	"M107",
	"G1 Z220 F720 ; move print head up",
	"G1 X10 Y200 F6000 ; park",
	"M104 S0 ; turn off temperature",
	"M140 S0 ; turn off heatbed",
	"M84 ; disable motors",
	"; filament used [mm] = 4321.09",
	"; estimated printing time (normal mode) = 1h 12m 33s",
}

var prusaConfig = []string{
	"; bed_shape = 0x0,250x0,250x210,0x210",
	"; brim_width = 0",
	"; complete_objects = %sequential",
	"; external_perimeter_extrusion_width = 0.45",
	"; external_perimeter_speed = 40",
	"; external_perimeters_first = %outerfirst",
	"; filament_diameter = 1.75",
	"; filament_type = PLA",
	"; first_layer_height = %first",
	"; gcode_comments = %comments",
	"; gcode_flavor = marlin2",
	"; infill_extrusion_width = 0.45",
	"; layer_height = %height",
	"; nozzle_diameter = 0.4",
	"; perimeter_extrusion_width = 0.45",
	"; perimeters = %walls",
	"; retract_before_travel = 2",
	"; retract_length = 0.8",
	"; retract_lift = 0.2",
	"; spiral_vase = %vase",
	"; travel_speed = 180",
	"; use_relative_e_distances = %relative",
	"; wipe = 1",
	"; z_offset = 0",
}

var orcaConfig = []string{
	"; accel_to_decel_enable = 0",
	"; enable_arc_fitting = %arcs",
	"; gcode_flavor = klipper",
	"; initial_layer_print_height = %first",
	"; inner_wall_line_width = 0.45",
	"; layer_height = %height",
	"; nozzle_diameter = 0.4",
	"; outer_wall_line_width = 0.45",
	"; print_sequence = %sequence",
	"; retraction_minimum_travel = 2",
	"; spiral_mode = %vase",
	"; use_relative_e_distances = %relative",
	"; wall_loops = %walls",
	"; wall_sequence = %wallorder",
}

var bambuConfig = []string{
	"; enable_arc_fitting = %arcs",
	"; gcode_flavor = marlin",
	"; initial_layer_print_height = %first",
	"; inner_wall_line_width = 0.45",
	"; layer_height = %height",
	"; nozzle_diameter = 0.4",
	"; outer_wall_line_width = 0",
	"; print_sequence = %sequence",
	"; retraction_minimum_travel = 2",
	"; spiral_mode = %vase",
	"; use_relative_e_distances = %relative",
	"; wall_loops = %walls",
	"; wall_infill_order = %wallorder",
}

var curaConfig = []string{
	`;SETTING_3 {"global_quality": "[general]\\nversion = 4\\nname = Draft\\n\\n[values]\\nlayer_height = %height\\n`,
	`;SETTING_3 layer_height_0 = %first\\nwall_line_count = %walls\\n", "extruder_quality": ["[general]\\n`,
	`;SETTING_3 wall_line_width = 0.45\\nouter_inset_first = False\\nretraction_min_travel = 2\\n"]}`,
}

var ideaConfig = []string{
	";Dimension: 250.000 210.000 200.000 0.400",
	";Layer Height: %height",
	";Shells: %walls",
}

var kissConfig = []string{
	"; layer_thickness_mm = %height",
	"; first_layer_thickness_mm = %first",
	"; extrusion_width_mm = 0.45",
	"; num_ISOs = %walls",
	"; layer_height = %height",
	"; nozzle_diameter = 0.4",
}

var klipperStart = []string{
	"M190 S60",
	"M109 S220",
	"PRINT_START EXTRUDER=220 BED=60",
	"G90",
	"G21",
	"%M83 ; extruder mode",
	"SET_VELOCITY_LIMIT ACCEL=5000 ACCEL_TO_DECEL=2500",
	"SET_PRESSURE_ADVANCE ADVANCE=0.035",
	"G28",
	"G92 E0",
	"G1 Z5 F600",
}

var klipperEnd = []string{
	"PRINT_END",
	"; filament used [mm] = 4321.09",
	"; total filament change = 0",
}

var bambuStart = []string{
	"; EXECUTABLE_BLOCK_START",
	"M73 P0 R14",
	"M201 X20000 Y20000 Z500 E5000",
	"M203 X500 Y500 Z20 E30",
	"M106 P3 S180",
	"G90",
	"G21",
	"M104 S220",
	"G28",
	"M620 M ;enable remap",
	"M620 S0A   ; switch material if AMS exist",
	"G91",
	"G1 Z5 F1200",
	"G90",
	"T0",
	"M621 S0A",
	"%M83 ; extruder mode",
	"G92 E0",
	"M981 S1 P20000 ;open spaghetti detector",
}

var bambuEnd = []string{
	"; filament end gcode",
	"M106 S0",
	"M981 S0 P20000",
	"G91",
	"G1 Z10 F900 ; lower z a little",
	"G90",
	"M104 S0",
	"M140 S0",
	"M73 P100 R0",
	"; EXECUTABLE_BLOCK_END",
}

var curaStart = []string{
	";Generated with Cura_SteamEngine 4.10.0",
	"M140 S60",
	"M105",
	"M190 S60",
	"M104 S200",
	"M109 S200",
	"%M83 ; extruder mode",
	"M201 X500.00 Y500.00 Z100.00 E5000.00 ;Setup machine max acceleration",
	"G28 ;Home",
	"G92 E0 ;Reset Extruder",
	"G1 Z2.0 F3000 ;Move Z Axis up",
	"G1 X10.1 Y20 Z0.28 F5000.0 ;Move to start position",
	"G92 E0",
	"G92 E0",
}

var curaEnd = []string{
	"M140 S0",
	"M107",
	"G91 ;Relative positioning",
	"G1 E-2 F2700 ;Retract a bit",
	"G1 E-2 Z0.2 F2400 ;Retract and raise Z",
	"G1 X5 Y5 F3000 ;Wipe out",
	"G1 Z10 ;Raise Z more",
	"G90 ;Absolute positioning",
	"M106 S0 ;Turn-off fan",
	"M104 S0 ;Turn-off hotend",
	"M84 X Y E ;Disable all steppers but Z",
}
