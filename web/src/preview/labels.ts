// What slicers say in comments: what is being printed, and where layers begin.
import { Kind } from "./print";

const rules: [RegExp, number][] = [
  [/support|raft/, Kind.support],
  [/skirt|brim|custom|tower|prime|wipe|purge/, Kind.other],
  [/external|outer|overhang/, Kind.outer],
  [/perimeter|inner|wall|loop/, Kind.inner],
  [/solid|top|bottom|skin|surface|bridge|iron/, Kind.surface],
  [/fill|sparse|gap/, Kind.infill],
];

/** The kind that a label such as "External perimeter" or "WALL-OUTER" stands for. */
export function kindOf(label: string): number {
  const text = label.toLowerCase();
  return rules.find(([form]) => form.test(text))?.[1] ?? Kind.other;
}

export interface Label {
  what: "layer" | "type" | "width" | "height";
  text: string;
}

const layer = /^(?:LAYER_CHANGE|CHANGE_LAYER|LAYER:-?\d+|BEGIN_LAYER_OBJECT)/;
const value = /^(TYPE|FEATURE|WIDTH|LINE_WIDTH|HEIGHT|LAYER_HEIGHT):\s*(.*)$/;
const meanings: Record<string, Label["what"]> = {
  TYPE: "type",
  FEATURE: "type",
  WIDTH: "width",
  LINE_WIDTH: "width",
  HEIGHT: "height",
  LAYER_HEIGHT: "height",
};

/** What a comment says, without its semicolon; null if nothing that matters here. */
export function labelOf(comment: string): Label | null {
  const text = comment.trim();
  if (layer.test(text)) return { what: "layer", text };
  const found = value.exec(text);
  return found ? { what: meanings[found[1]!]!, text: found[2]!.trim() } : null;
}
