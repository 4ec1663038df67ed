// The 3D view: one canvas, one camera, one print or two side by side.
import { Color, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { type Beads, disposeBeads, makeBeads, show } from "./beads";
import type { Print } from "./print";

/** A print as it is drawn: whole, and coarser while the view moves. */
export interface Shown {
  print: Print;
  coarse: Print | null;
}

export interface View {
  prints: Shown[]; // one or two, side by side
  from: number; // first layer
  to: number; // last layer
  hidden: number; // a bit for each kind
}

/** How long one frame may take, in milliseconds. */
const longestFrame = 1200;

function piecesIn(print: Print, view: View): number {
  return (print.layers[view.to + 1] ?? print.count) - (print.layers[view.from] ?? 0);
}

interface Model extends Shown {
  beads: Beads;
  coarseBeads: Beads | null;
}

export class Viewer {
  private renderer: WebGLRenderer;
  private scene = new Scene();
  private camera = new PerspectiveCamera(35, 1, 0.5, 5000);
  private controls: OrbitControls;
  private models = new Map<Print, Model>();
  private view: View = { prints: [], from: 0, to: 0, hidden: 0 };
  private moving = true; // at first, too: something is to be seen soon
  private rate = 0; // pieces drawn in a millisecond, as far as was measured
  private measured = 0; // frames
  private due = 0;
  private settle: ReturnType<typeof setTimeout> | undefined;
  private observer: ResizeObserver;

  constructor(
    private canvas: HTMLCanvasElement,
    private colours: () => string[],
    private drawn: () => void,
  ) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, powerPreference: "high-performance" });
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.addEventListener("start", () => (this.moving = true));
    this.controls.addEventListener("change", () => this.move());
    this.controls.addEventListener("end", () => this.rest());
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(canvas);
  }

  /** Changes what is shown. The first print that is shown is brought into view. */
  set(view: View) {
    const first = this.view.prints.length === 0 && view.prints.length > 0;
    const room = this.room();
    this.view = view;
    this.turn(0, 0, room / this.room()); // with less room for each, from farther away
    for (const s of view.prints) if (!this.models.has(s.print)) this.models.set(s.print, this.make(s));
    if (first) this.fit();
    this.draw();
    this.rest();
  }

  private make(s: Shown): Model {
    const model = { ...s, beads: makeBeads(s.print), coarseBeads: s.coarse && makeBeads(s.coarse) };
    this.scene.add(model.beads);
    if (model.coarseBeads) this.scene.add(model.coarseBeads);
    return model;
  }

  /** Looks at the whole print from the front and above. */
  fit() {
    const print = this.view.prints[0]?.print;
    if (!print) return;
    const low = new Vector3(...print.low);
    const high = new Vector3(...print.high);
    const centre = low.clone().add(high).multiplyScalar(0.5);
    const radius = Math.max(1, high.distanceTo(low) / 2);
    const far = (radius / Math.sin((this.camera.fov * Math.PI) / 360)) * this.room();
    this.camera.position.copy(centre).addScaledVector(new Vector3(-0.55, -1, 0.75).normalize(), far);
    this.camera.near = far / 100;
    this.camera.far = far * 10;
    this.controls.target.copy(centre);
    this.controls.update();
  }

  /** How far away to stand, as a share of where a ball around the print fills the height. */
  private room(): number {
    return Math.max(0.8, 0.95 / this.aspect());
  }

  /** Turns by angles (rad) around the print, and comes nearer by a factor. */
  turn(around: number, over: number, nearer: number) {
    const offset = this.camera.position.clone().sub(this.controls.target);
    offset.applyAxisAngle(this.camera.up, around);
    const right = new Vector3().crossVectors(this.camera.up, offset).normalize();
    const tilted = offset.clone().applyAxisAngle(right, over);
    if (Math.abs(tilted.clone().normalize().z) < 0.995) offset.copy(tilted);
    this.camera.position.copy(this.controls.target).addScaledVector(offset, 1 / nearer);
    this.controls.update();
    this.rest();
  }

  private move() {
    if (this.moving) clearTimeout(this.settle);
    this.draw();
  }

  private rest() {
    clearTimeout(this.settle);
    this.settle = setTimeout(() => {
      this.moving = false;
      this.draw();
    }, 150);
  }

  /** Draws with the next frame. */
  draw() {
    if (!this.due) this.due = requestAnimationFrame(() => this.render());
  }

  private aspect(): number {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const parts = this.beside() ? w / 2 / h : this.stacked() ? w / (h / 2) : w / h;
    return parts || 1;
  }

  private beside(): boolean {
    return this.view.prints.length > 1 && this.canvas.clientWidth >= 560;
  }

  private stacked(): boolean {
    return this.view.prints.length > 1 && !this.beside();
  }

  private render() {
    this.due = 0;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (w === 0 || h === 0) return;
    this.renderer.setPixelRatio(this.moving ? 1 : Math.min(2, devicePixelRatio));
    this.renderer.setSize(w, h, false);
    this.camera.aspect = this.aspect();
    this.camera.updateProjectionMatrix();
    this.renderer.setScissorTest(true);
    const started = performance.now();
    let pieces = 0;
    const parts = this.view.prints.length;
    this.view.prints.forEach((s, i) => {
      const x = this.beside() ? (w / parts) * i : 0;
      const y = this.stacked() ? (h / parts) * (parts - 1 - i) : 0;
      const [pw, ph] = [this.beside() ? w / parts : w, this.stacked() ? h / parts : h];
      this.renderer.setViewport(x, y, pw, ph);
      this.renderer.setScissor(x, y, pw, ph);
      pieces += this.only(this.models.get(s.print)!);
      this.renderer.render(this.scene, this.camera);
    });
    this.measure(pieces, started);
    this.drawn();
  }

  /** Finds out with the first frames how fast this machine draws; the very first makes the shaders, too. */
  private measure(pieces: number, started: number) {
    if (this.measured >= 3 || pieces === 0) return;
    this.measured++;
    const gl = this.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits until all is drawn
    this.rate = Math.max(this.rate, pieces / Math.max(1, performance.now() - started));
  }

  /** Makes one model the only one to be seen, and returns how many pieces of it are. */
  private only(model: Model): number {
    const fewer = model.coarse && model.coarseBeads && (this.moving || this.tooSlow(model.print));
    for (const other of this.models.values()) {
      other.beads.visible = other === model && !fewer;
      if (other.coarseBeads) other.coarseBeads.visible = other === model && !!fewer;
    }
    const beads = fewer ? model.coarseBeads! : model.beads;
    const print = fewer ? model.coarse! : model.print;
    show(beads, print, this.view.from, this.view.to, this.view.hidden);
    const colours = beads.material.uniforms.colours!.value as Color[];
    this.colours().forEach((c, i) => colours[i]!.set(c).convertLinearToSRGB());
    return piecesIn(print, this.view);
  }

  /** Whether to draw all of what is shown would keep the page from answering for too long. */
  private tooSlow(print: Print): boolean {
    return this.rate > 0 && piecesIn(print, this.view) / this.rate > longestFrame;
  }

  dispose() {
    cancelAnimationFrame(this.due);
    clearTimeout(this.settle);
    this.observer.disconnect();
    this.controls.dispose();
    for (const m of this.models.values()) {
      disposeBeads(m.beads);
      if (m.coarseBeads) disposeBeads(m.coarseBeads);
    }
    this.renderer.dispose();
  }
}
