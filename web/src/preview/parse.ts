// Reads G-code for the preview, byte by byte: a print has a million lines.
import { kindOf, labelOf } from "./labels";
import { Collector, Kind, type Print } from "./print";

const newline = 10;
const semicolon = 59;

/** More pieces than a browser can be expected to draw. */
export const maxPieces = 6_000_000;

export class TooLarge extends Error {}

// Words of a line, by their letter's place in the alphabet.
const X = 23;
const Y = 24;
const Z = 25;
const E = 4;
const I = 8;
const J = 9;

export class Parser {
  private out = new Collector();
  private rest = new Uint8Array(0);
  private words = new Float64Array(26);
  private has = new Uint8Array(26);
  private x = 0;
  private y = 0;
  private z = 0;
  private e = 0;
  private relative = false;
  private relativeE = false;
  private scale = 1; // mm a unit
  private kind: number = Kind.other;
  private width = 0.45;
  private height = 0;
  private raisedZ = NaN; // where the loop is laid that brick has raised
  private labelled = false; // layers are told by comments
  private layerDue = true;
  private layerZ = -Infinity;

  /** Takes the next bytes. */
  feed(chunk: Uint8Array) {
    let data = chunk;
    if (this.rest.length > 0) {
      data = new Uint8Array(this.rest.length + chunk.length);
      data.set(this.rest);
      data.set(chunk, this.rest.length);
    }
    let from = 0;
    for (;;) {
      const end = data.indexOf(newline, from);
      if (end < 0) break;
      this.line(data, from, end);
      from = end + 1;
    }
    this.rest = data.slice(from);
  }

  finish(): Print {
    this.line(this.rest, 0, this.rest.length);
    return this.out.finish();
  }

  private line(d: Uint8Array, from: number, to: number) {
    let i = from;
    while (i < to && d[i]! <= 32) i++;
    if (i >= to) return;
    const first = d[i]! & 0xdf; // upper case
    if (d[i] === semicolon) this.comment(text(d, i + 1, to));
    else if (first === 71 || first === 77) this.command(first === 71, d, i + 1, to); // G, M
  }

  private comment(said: string) {
    const label = labelOf(said);
    switch (label?.what) {
      case "layer":
        this.labelled = true;
        this.layerDue = true;
        this.raisedZ = NaN;
        break;
      case "type":
        this.kind = kindOf(label.text);
        break;
      case "width":
        this.width = Number(label.text) || this.width;
        break;
      case "height":
        this.height = Number(label.text) || this.height;
        break;
    }
  }

  private command(isG: boolean, d: Uint8Array, at: number, to: number) {
    let code = 0;
    let i = at;
    for (; i < to && d[i]! >= 48 && d[i]! <= 57; i++) code = code * 10 + d[i]! - 48;
    if (i === at) return;
    if (!isG) {
      if (code === 82 || code === 83) this.relativeE = code === 83;
      return;
    }
    switch (code) {
      case 0:
      case 1:
        return this.move(d, this.read(d, i, to), to, 0);
      case 2:
        return this.move(d, this.read(d, i, to), to, -1);
      case 3:
        return this.move(d, this.read(d, i, to), to, 1);
      case 20:
      case 21:
        this.scale = code === 20 ? 25.4 : 1;
        return;
      case 90:
      case 91:
        this.relative = this.relativeE = code === 91;
        return;
      case 92:
        this.read(d, i, to);
        this.x = this.word(X, this.x);
        this.y = this.word(Y, this.y);
        this.z = this.word(Z, this.z);
        this.e = this.word(E, this.e);
    }
  }

  private word(which: number, otherwise: number): number {
    return this.has[which] ? this.words[which]! * this.scale : otherwise;
  }

  /** Reads the words of a line and returns where its comment begins. */
  private read(d: Uint8Array, at: number, to: number): number {
    this.has.fill(0);
    let i = at;
    while (i < to) {
      const c = d[i]!;
      if (c === semicolon) return i;
      const letter = (c & 0xdf) - 65;
      i++;
      if (letter < 0 || letter > 25) continue;
      let sign = 1;
      let value = 0;
      let digits = 0;
      if (d[i] === 45) {
        sign = -1;
        i++;
      } else if (d[i] === 43) i++;
      for (; i < to && d[i]! >= 48 && d[i]! <= 57; i++, digits++) value = value * 10 + d[i]! - 48;
      if (d[i] === 46) {
        let unit = 0.1;
        for (i++; i < to && d[i]! >= 48 && d[i]! <= 57; i++, digits++, unit /= 10) value += (d[i]! - 48) * unit;
      }
      if (digits > 0) {
        this.words[letter] = sign * value;
        this.has[letter] = 1;
      }
    }
    return to;
  }

  private move(d: Uint8Array, comment: number, to: number, turn: number) {
    const { x, y, z } = this;
    const base = this.relative ? 1 : 0;
    const nx = this.has[X] ? this.word(X, 0) + base * x : x;
    const ny = this.has[Y] ? this.word(Y, 0) + base * y : y;
    const nz = this.has[Z] ? this.word(Z, 0) + base * z : z;
    let pushed = 0;
    if (this.has[E]) {
      const e = this.word(E, 0);
      pushed = this.relativeE ? e : e - this.e;
      this.e = this.relativeE ? this.e + e : e;
    }
    this.x = nx;
    this.y = ny;
    this.z = nz;
    if (comment < to) this.mark(d, comment + 1, to);
    if (pushed <= 0 || (nx === x && ny === y && turn === 0)) return;
    this.startLayer(nz);
    const raised = Math.abs(nz - this.raisedZ) < 1e-3;
    const kind = raised ? Kind.raised : this.kind;
    if (turn === 0) this.piece(x, y, z, nx, ny, nz, kind);
    else this.arc(x, y, z, nx, ny, nz, kind, turn);
  }

  /** brick says on the travel to a loop that it goes up, and on the next one, where it matters, that it comes down. */
  private mark(d: Uint8Array, from: number, to: number) {
    let i = from;
    while (i < to && d[i] === 32) i++;
    if (d[i] !== 98 || d[i + 4] !== 107) return; // b…k
    const said = text(d, i, to).trim();
    if (said === "brick up") {
      this.raisedZ = this.z;
      this.out.raisedLoops++;
    } else if (said === "brick down") this.raisedZ = NaN;
  }

  private startLayer(z: number) {
    if (this.labelled ? !this.layerDue : z <= this.layerZ + 1e-3) return;
    const step = z - this.layerZ;
    if (this.height === 0 || !this.labelled) this.height = step > 0 && step < 1.5 ? step : 0.2;
    this.layerDue = false;
    this.layerZ = z;
    this.out.beginLayer(z);
  }

  private piece(x0: number, y0: number, z0: number, x1: number, y1: number, z1: number, kind: number) {
    if (this.out.count >= maxPieces) throw new TooLarge();
    this.out.add(x0, y0, z0, x1, y1, z1, kind, this.width, this.height);
  }

  private arc(x0: number, y0: number, z0: number, x1: number, y1: number, z1: number, kind: number, turn: number) {
    const cx = x0 + this.word(I, 0);
    const cy = y0 + this.word(J, 0);
    const radius = Math.hypot(x0 - cx, y0 - cy);
    const from = Math.atan2(y0 - cy, x0 - cx);
    let sweep = Math.atan2(y1 - cy, x1 - cx) - from;
    if (turn > 0 && sweep <= 0) sweep += 2 * Math.PI;
    if (turn < 0 && sweep >= 0) sweep -= 2 * Math.PI;
    const steps = Math.min(64, Math.max(1, Math.ceil((Math.abs(sweep) * Math.sqrt(radius)) / 0.6)));
    let px = x0;
    let py = y0;
    let pz = z0;
    for (let s = 1; s <= steps; s++) {
      const part = s / steps;
      const nx = s === steps ? x1 : cx + radius * Math.cos(from + sweep * part);
      const ny = s === steps ? y1 : cy + radius * Math.sin(from + sweep * part);
      const nz = z0 + (z1 - z0) * part;
      this.piece(px, py, pz, nx, ny, nz, kind);
      px = nx;
      py = ny;
      pz = nz;
    }
  }
}

const decoder = new TextDecoder();

function text(d: Uint8Array, from: number, to: number): string {
  return decoder.decode(d.subarray(from, to));
}
