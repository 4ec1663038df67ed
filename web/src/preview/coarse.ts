// A coarser copy of a print, to be drawn while it is turned: fewer pieces, the same shape from afar.
import { Collector, type Print } from "./print";

/** Returns a copy of no more than about `budget` pieces, or null if the print has no more anyway. */
export function coarse(p: Print, budget: number): Print | null {
  if (p.count <= budget) return null;
  let made = merge(p, 0.1, 1);
  if (made.count > budget) made = merge(p, 0.5, 1);
  // Then fewer layers, as thick as those that they stand for.
  return made.count > budget ? merge(p, 0.5, Math.ceil(made.count / budget)) : made;
}

/** Takes runs of pieces together whose ends all lie within tolerance (mm) of the straight line, in every nth layer. */
function merge(p: Print, tolerance: number, nth: number): Print {
  const out = new Collector();
  p.heights.forEach((z, layer) => {
    out.beginLayer(z);
    if (layer % nth !== 0) return;
    const limit = p.layers[layer + 1]!;
    for (let i = p.layers[layer]!; i < limit; ) {
      const end = run(p, i, limit, tolerance);
      const [a, b, s] = [i * 3, end * 3, i * 4];
      out.add(
        p.starts[a]!, p.starts[a + 1]!, p.starts[a + 2]!,
        p.ends[b]!, p.ends[b + 1]!, p.ends[b + 2]!,
        p.styles[s]!, p.styles[s + 1]! / 100, (p.styles[s + 2]! / 100) * nth,
      );
      i = end + 1;
    }
  });
  return out.finish();
}

/** The last piece of a run that begins with piece `first`: a wedge from its start narrows with each end it must hit. */
function run(p: Print, first: number, limit: number, tolerance: number): number {
  const x = p.starts[first * 3]!;
  const y = p.starts[first * 3 + 1]!;
  let low = -Infinity;
  let high = Infinity;
  let base = NaN;
  let last = first;
  for (let i = first; i < limit && i < first + 64; i++) {
    if (i > first && !continues(p, i)) break;
    const dx = p.ends[i * 3]! - x;
    const dy = p.ends[i * 3 + 1]! - y;
    const far = Math.hypot(dx, dy);
    if (far > tolerance) {
      let angle = Math.atan2(dy, dx);
      if (Number.isNaN(base)) base = angle;
      angle -= base;
      angle -= 2 * Math.PI * Math.round(angle / (2 * Math.PI));
      if (angle < low || angle > high) break;
      const spread = Math.asin(Math.min(1, tolerance / far));
      low = Math.max(low, angle - spread);
      high = Math.min(high, angle + spread);
    }
    last = i;
  }
  return last;
}

function continues(p: Print, i: number): boolean {
  const a = (i - 1) * 3;
  const b = i * 3;
  return (
    p.styles[i * 4] === p.styles[(i - 1) * 4] &&
    p.starts[b] === p.ends[a] &&
    p.starts[b + 1] === p.ends[a + 1] &&
    p.starts[b + 2] === p.ends[a + 2]
  );
}
