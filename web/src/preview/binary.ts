// Binary G-code (https://github.com/prusa3d/libbgcode/blob/main/doc/specifications.md): blocks, compressed by
// themselves, and in them MeatPack.
import { unzlibSync } from "fflate";
import { unpack } from "./meatpack";

const gcodeBlock = 1;
const parameterBytes = [2, 2, 2, 2, 2, 6]; // by block type; thumbnails have six
const checksumBytes = 4;

/** Yields the text of the blocks of G-code. */
export function* decodeBinary(file: Uint8Array): Iterable<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const checksum = view.getUint16(8, true) === 1 ? checksumBytes : 0;
  for (let at = 10; at + 8 <= file.length; ) {
    const type = view.getUint16(at, true);
    const compression = view.getUint16(at + 2, true);
    const size = view.getUint32(at + 4, true);
    const stored = compression === 0 ? size : view.getUint32(at + 8, true);
    const begin = at + (compression === 0 ? 8 : 12);
    const data = begin + (parameterBytes[type] ?? 2);
    if (data + stored > file.length) throw new Error("the binary G-code ends early");
    if (type === gcodeBlock) {
      const text = inflate(compression, file.subarray(data, data + stored), size);
      yield view.getUint16(begin, true) === 0 ? text : unpack(text);
    }
    at = data + stored + checksum;
  }
}

function inflate(compression: number, data: Uint8Array, size: number): Uint8Array {
  switch (compression) {
    case 0:
      return data;
    case 1:
      return unzlibSync(data, { out: new Uint8Array(size) });
    case 2:
      return heatshrink(data, size, 11, 4);
    case 3:
      return heatshrink(data, size, 12, 4);
  }
  throw new Error(`the binary G-code has a compression of a kind that is not known (${compression})`);
}

/** LZSS as heatshrink (https://github.com/atomicobject/heatshrink) has it: a bit says literal or copy. */
function heatshrink(data: Uint8Array, size: number, window: number, lookahead: number): Uint8Array {
  const out = new Uint8Array(size);
  let bit = 0;
  const bits = (n: number) => {
    let value = 0;
    for (; n > 0; n--, bit++) value = (value << 1) | ((data[bit >> 3]! >> (7 - (bit & 7))) & 1);
    return value;
  };
  for (let n = 0; n < size; ) {
    if (bits(1) === 1) {
      out[n++] = bits(8);
      continue;
    }
    const back = bits(window) + 1;
    const count = bits(lookahead) + 1;
    for (let i = 0; i < count && n < size; i++, n++) out[n] = n >= back ? out[n - back]! : 0;
  }
  return out;
}
