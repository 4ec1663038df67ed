// MeatPack (https://github.com/scottmudge/OctoPrint-MeatPack): two characters in a byte where they are common ones.

const common = [..."0123456789. \nGX"].map((c) => c.charCodeAt(0));
const whole = 15; // stands for a character that follows as a whole byte
const blank = 11;
const newline = 12;
const signal = 0xff; // two of them, then a command

/** Unpacks one block. */
export function unpack(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length * 2);
  let n = 0;
  let packing = false;
  let noBlanks = false;
  const character = (code: number) => (code === blank && noBlanks ? 69 /* E */ : common[code]!);
  for (let i = 0; i < data.length; ) {
    const b = data[i++]!;
    if (b === signal && data[i] === signal) {
      const command = data[i + 1];
      i += 2;
      if (command === 0xfb) packing = true;
      else if (command === 0xfa) packing = false;
      else if (command === 0xf9) packing = noBlanks = false;
      else if (command === 0xf7) noBlanks = true;
      else if (command === 0xf6) noBlanks = false;
    } else if (!packing) {
      out[n++] = b;
    } else {
      const low = b & 15;
      const high = b >> 4;
      out[n++] = low === whole ? data[i++]! : character(low);
      if (low === newline) continue; // the other half is padding
      out[n++] = high === whole ? data[i++]! : character(high);
    }
  }
  return out.subarray(0, n);
}
