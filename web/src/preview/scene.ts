// The 3D view: one canvas, one camera, one print or two side by side.
import { Color, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { type Beads, makeBeads, show } from "./beads";
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
  private moving = false;
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
    this.view = view;
    for (const s of view.prints) if (!this.models.has(s.print)) this.models.set(s.print, this.make(s));
    if (first) this.fit();
    this.draw();
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
    const aspect = this.aspect();
    const far = (radius / Math.sin((this.camera.fov * Math.PI) / 360)) * Math.max(0.8, 0.8 / aspect);
    this.camera.position.copy(centre).addScaledVector(new Vector3(-0.55, -1, 0.75).normalize(), far);
    this.camera.near = far / 100;
    this.camera.far = far * 10;
    this.controls.target.copy(centre);
    this.controls.update();
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
    const parts = this.view.prints.length;
    this.view.prints.forEach((s, i) => {
      const x = this.beside() ? (w / parts) * i : 0;
      const y = this.stacked() ? (h / parts) * (parts - 1 - i) : 0;
      const [pw, ph] = [this.beside() ? w / parts : w, this.stacked() ? h / parts : h];
      this.renderer.setViewport(x, y, pw, ph);
      this.renderer.setScissor(x, y, pw, ph);
      this.only(this.models.get(s.print)!);
      this.renderer.render(this.scene, this.camera);
    });
    this.drawn();
  }

  /** Makes one model the only one to be seen. */
  private only(model: Model) {
    const fewer = this.moving && model.coarse && model.coarseBeads;
    for (const other of this.models.values()) {
      other.beads.visible = other === model && !fewer;
      if (other.coarseBeads) other.coarseBeads.visible = other === model && !!fewer;
    }
    const beads = fewer ? model.coarseBeads! : model.beads;
    show(beads, fewer ? model.coarse! : model.print, this.view.from, this.view.to, this.view.hidden);
    const colours = beads.material.uniforms.colours!.value as Color[];
    this.colours().forEach((c, i) => colours[i]!.set(c).convertLinearToSRGB());
  }

  dispose() {
    cancelAnimationFrame(this.due);
    clearTimeout(this.settle);
    this.observer.disconnect();
    this.controls.dispose();
    for (const m of this.models.values()) {
      for (const beads of [m.beads, m.coarseBeads]) {
        beads?.geometry.dispose();
        beads?.material.dispose();
      }
    }
    this.renderer.dispose();
  }
}
