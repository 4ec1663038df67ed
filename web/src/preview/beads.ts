// Draws pieces of plastic as strips that face the camera and are shaded as if they were round: two triangles each.
import {
  BufferAttribute,
  Color,
  DoubleSide,
  GLSL3,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  Mesh,
  ShaderMaterial,
  Sphere,
  Vector3,
} from "three";
import { kinds, type Print } from "./print";

const vertexShader = /* glsl */ `
in vec3 start;
in vec3 end;
in vec4 style; // kind, width and height in 1/100 mm

uniform int hidden; // a bit for each kind
uniform int first;  // piece from which on they are drawn
uniform int top;    // piece from which on they belong to the top layer
uniform vec3 colours[${kinds.length}];

out vec3 colour;
out vec3 side;
out vec3 up;
out float across;

void main() {
  int kind = int(style.x + 0.5);
  if ((hidden >> kind & 1) == 1 || gl_InstanceID < first) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0); // outside of everything
    return;
  }
  vec3 along = end - start;
  float len = length(along);
  along = len > 1e-6 ? along / len : vec3(1.0, 0.0, 0.0);
  vec3 p = position.x < 0.5 ? start : end;
  vec3 away = cameraPosition - p;
  side = normalize(cross(along, away));
  up = normalize(cross(side, along));
  vec2 half_ = style.yz * 0.005;
  // How wide an ellipse of that width and height looks from here.
  float radius = length(vec2(half_.x * length(side.xy), half_.y * side.z));
  p += side * position.y * radius + along * (position.x * 2.0 - 1.0) * half_.x * 0.6;
  across = position.y;
  colour = colours[kind] * (gl_InstanceID >= top ? 1.0 : 0.86);
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

export type Beads = Mesh<InstancedBufferGeometry, ShaderMaterial>;

export function makeBeads(print: Print): Beads {
  const geometry = new InstancedBufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(new Float32Array([0, -1, 0, 1, -1, 0, 0, 1, 0, 1, 1, 0]), 3));
  geometry.setIndex([0, 1, 2, 2, 1, 3]);
  geometry.setAttribute("start", new InstancedBufferAttribute(print.starts, 3));
  geometry.setAttribute("end", new InstancedBufferAttribute(print.ends, 3));
  geometry.setAttribute("style", new InstancedBufferAttribute(print.styles, 4));
  geometry.boundingSphere = new Sphere(new Vector3(), Infinity);
  const material = new ShaderMaterial({
    glslVersion: GLSL3,
    vertexShader,
    fragmentShader,
    side: DoubleSide,
    uniforms: {
      hidden: { value: 0 },
      first: { value: 0 },
      top: { value: 0 },
      colours: { value: kinds.map(() => new Color()) },
    },
  });
  const mesh = new Mesh(geometry, material);
  mesh.frustumCulled = false;
  return mesh;
}

/** Shows the layers from..to (counted from 0, both included), without the kinds that are hidden. */
export function show(beads: Beads, print: Print, from: number, to: number, hidden: number) {
  const uniforms = beads.material.uniforms;
  beads.geometry.instanceCount = print.layers[to + 1] ?? print.count;
  uniforms.first!.value = print.layers[from] ?? 0;
  uniforms.top!.value = print.layers[to] ?? 0;
  uniforms.hidden!.value = hidden;
}
