// What the preview knows of a print: straight pieces of plastic in the order in which they are laid.

export const kinds = ["Outer wall", "Inner wall", "Raised loop", "Surface", "Infill", "Support", "Other"] as const;

export const Kind = { outer: 0, inner: 1, raised: 2, surface: 3, infill: 4, support: 5, other: 6 } as const;

export interface Print {
  count: number;
  starts: Float32Array; // x, y, z of each piece, mm
  ends: Float32Array;
  styles: Uint8Array; // kind, width and height in 1/100 mm, 0
  layers: Uint32Array; // where each layer begins, and behind the last one the count
  heights: Float32Array; // z of each layer, mm
  low: [number, number, number]; // corner of what is printed, without what stands beside it
  high: [number, number, number];
  raisedLoops: number; // as brick has marked them
}

/** How many layers a print has. */
export function layerCount(p: Print): number {
  return p.heights.length;
}

/** Collects pieces without knowing how many there will be. */
export class Collector {
  count = 0;
  private capacity = 1 << 16;
  private starts = new Float32Array(this.capacity * 3);
  private ends = new Float32Array(this.capacity * 3);
  private styles = new Uint8Array(this.capacity * 4);
  private layers: number[] = [];
  private heights: number[] = [];
  raisedLoops = 0;

  add(x0: number, y0: number, z0: number, x1: number, y1: number, z1: number, kind: number, width: number, height: number) {
    if (this.count === this.capacity) this.grow();
    const i = this.count++;
    this.starts.set([x0, y0, z0], i * 3);
    this.ends.set([x1, y1, z1], i * 3);
    this.styles[i * 4] = kind;
    this.styles[i * 4 + 1] = Math.min(255, Math.round(width * 100));
    this.styles[i * 4 + 2] = Math.min(255, Math.round(height * 100));
  }

  beginLayer(z: number) {
    this.layers.push(this.count);
    this.heights.push(z);
  }

  private grow() {
    this.capacity *= 2;
    const grown = <T extends Float32Array | Uint8Array>(old: T, made: T): T => {
      made.set(old);
      return made;
    };
    this.starts = grown(this.starts, new Float32Array(this.capacity * 3));
    this.ends = grown(this.ends, new Float32Array(this.capacity * 3));
    this.styles = grown(this.styles, new Uint8Array(this.capacity * 4));
  }

  finish(): Print {
    const { count } = this;
    const print: Print = {
      count,
      starts: this.starts.slice(0, count * 3),
      ends: this.ends.slice(0, count * 3),
      styles: this.styles.slice(0, count * 4),
      layers: Uint32Array.from([...this.layers, count]),
      heights: Float32Array.from(this.heights),
      low: [0, 0, 0],
      high: [0, 0, 0],
      raisedLoops: this.raisedLoops,
    };
    measure(print, (kind) => kind < Kind.support) || measure(print, () => true);
    return print;
  }
}

function measure(p: Print, counts: (kind: number) => boolean): boolean {
  const low: Print["low"] = [Infinity, Infinity, Infinity];
  const high: Print["high"] = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < p.count; i++) {
    if (!counts(p.styles[i * 4]!)) continue;
    for (let axis = 0; axis < 3; axis++) {
      const v = p.ends[i * 3 + axis]!;
      if (v < low[axis]!) low[axis] = v;
      if (v > high[axis]!) high[axis] = v;
    }
  }
  if (low[0] > high[0]) return false;
  p.low = low;
  p.high = high;
  return true;
}

/** The memory that a worker can hand over instead of copying it. */
export function buffers(p: Print): ArrayBuffer[] {
  return [p.starts, p.ends, p.styles, p.layers, p.heights].map((a) => a.buffer as ArrayBuffer);
}
