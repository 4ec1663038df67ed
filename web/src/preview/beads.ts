// Draws pieces of plastic as strips that face the camera and are shaded as if they were round: two triangles each.
import { BufferGeometry, Color, DataTexture, DoubleSide, FloatType, GLSL3, Mesh, RGBAFormat, ShaderMaterial } from "three";
import { kinds, type Print } from "./print";

/** Texels in a row of the texture of pieces; every WebGL 2 has textures that large. */
const textureWidth = 2048;

const vertexShader = /* glsl */ `
uniform highp sampler2D pieces; // two texels for each: start and style, end
uniform int hidden; // a bit for each kind
uniform int top;    // piece from which on they belong to the top layer
uniform vec3 colours[${kinds.length}];

out vec3 colour;
out vec3 side;
out vec3 up;
out float across;

const int corners[6] = int[6](0, 1, 2, 2, 1, 3);

void main() {
  int piece = gl_VertexID / 6;
  int corner = corners[gl_VertexID - piece * 6];
  ivec2 at = ivec2(piece * 2 % ${textureWidth}, piece * 2 / ${textureWidth});
  vec4 from = texelFetch(pieces, at, 0);
  vec3 start = from.xyz;
  vec3 end = texelFetch(pieces, at + ivec2(1, 0), 0).xyz;
  // As packed by pack(): kind, width and height in 1/100 mm.
  int style = int(from.w + 0.5);
  int kind = style & 7;
  float isEnd = float(corner & 1);
  across = float(corner & 2) - 1.0;
  if ((hidden >> kind & 1) == 1) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0); // outside of everything
    return;
  }
  vec3 along = end - start;
  float len = length(along);
  along = len > 1e-6 ? along / len : vec3(1.0, 0.0, 0.0);
  vec3 p = isEnd < 0.5 ? start : end;
  vec3 away = cameraPosition - p;
  side = normalize(cross(along, away));
  up = normalize(cross(side, along));
  vec2 half_ = vec2(float(style >> 3 & 255), float(style >> 11 & 255)) * 0.005;
  // How wide an ellipse of that width and height looks from here.
  float radius = length(vec2(half_.x * length(side.xy), half_.y * side.z));
  p += side * across * radius + along * (isEnd * 2.0 - 1.0) * half_.x * 0.6;
  colour = colours[kind] * (piece >= top ? 1.0 : 0.86);
  gl_Position = projectionMatrix * viewMatrix * vec4(p, 1.0);
}
`;

const fragmentShader = /* glsl */ `
precision highp float;

in vec3 colour;
in vec3 side;
in vec3 up;
in float across;

out vec4 result;

void main() {
  vec3 normal = normalize(side * across + up * sqrt(max(0.0, 1.0 - across * across)));
  float sun = max(0.0, dot(normal, normalize(vec3(-0.35, -0.55, 0.75))));
  float sky = 0.5 + 0.5 * normal.z;
  result = vec4(colour * (0.38 + 0.27 * sky + 0.45 * sun), 1.0);
}
`;

export type Beads = Mesh<BufferGeometry, ShaderMaterial>;

/**
 * The pieces lie in a texture and the corners are told by their number alone: drawing each piece as an instance is very
 * slow where the processor stands in for a graphics card.
 */
export function makeBeads(print: Print): Beads {
  const pieces = new DataTexture(pack(print), textureWidth, textureHeight(print), RGBAFormat, FloatType);
  pieces.needsUpdate = true;
  const material = new ShaderMaterial({
    glslVersion: GLSL3,
    vertexShader,
    fragmentShader,
    side: DoubleSide,
    uniforms: {
      pieces: { value: pieces },
      hidden: { value: 0 },
      top: { value: 0 },
      colours: { value: kinds.map(() => new Color()) },
    },
  });
  const mesh = new Mesh(new BufferGeometry(), material);
  mesh.frustumCulled = false;
  return mesh;
}

function textureHeight(print: Print): number {
  return Math.max(1, Math.ceil((print.count * 2) / textureWidth));
}

/** Style and place of each piece, as the shader reads them. */
function pack(print: Print): Float32Array {
  const packed = new Float32Array(textureWidth * textureHeight(print) * 4);
  for (let i = 0; i < print.count; i++) {
    const [at, p, s] = [i * 8, i * 3, i * 4];
    packed[at] = print.starts[p]!;
    packed[at + 1] = print.starts[p + 1]!;
    packed[at + 2] = print.starts[p + 2]!;
    packed[at + 3] = print.styles[s]! | (print.styles[s + 1]! << 3) | (print.styles[s + 2]! << 11);
    packed[at + 4] = print.ends[p]!;
    packed[at + 5] = print.ends[p + 1]!;
    packed[at + 6] = print.ends[p + 2]!;
  }
  return packed;
}

/** Shows the layers from..to (counted from 0, both included), without the kinds that are hidden. */
export function show(beads: Beads, print: Print, from: number, to: number, hidden: number) {
  const uniforms = beads.material.uniforms;
  const first = print.layers[from] ?? 0;
  beads.geometry.setDrawRange(first * 6, ((print.layers[to + 1] ?? print.count) - first) * 6);
  uniforms.top!.value = print.layers[to] ?? 0;
  uniforms.hidden!.value = hidden;
}

export function disposeBeads(beads: Beads) {
  beads.geometry.dispose();
  (beads.material.uniforms.pieces!.value as DataTexture).dispose();
  beads.material.dispose();
}
