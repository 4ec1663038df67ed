// Finds the text of a print in what was fetched: plain, in an archive of a project, or binary.
import { unzipSync } from "fflate";
import { decodeBinary } from "./binary";

type Chunks = AsyncIterable<Uint8Array>;

/** Yields the G-code as text. Plain text passes through as it comes; containers are read as a whole first. */
export async function* textOf(chunks: Chunks): Chunks {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  const head = String.fromCharCode(...first.value.subarray(0, 4));
  if (head === "GCDE") {
    yield* decodeBinary(await whole(first.value, iterator));
  } else if (head.startsWith("PK")) {
    yield* fromArchive(await whole(first.value, iterator));
  } else {
    yield first.value;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
}

async function whole(first: Uint8Array, rest: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  const parts = [first];
  for (let next = await rest.next(); !next.done; next = await rest.next()) parts.push(next.value);
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/** The first plate of a sliced project. */
function* fromArchive(archive: Uint8Array): Iterable<Uint8Array> {
  // Not the asynchronous call: it makes workers of its own, from addresses that the page's policy does not allow.
  const files = unzipSync(archive, { filter: (f) => /\.gcode$/i.test(f.name) });
  const first = Object.keys(files).sort()[0];
  if (!first) throw new Error("the project has no sliced plate");
  yield files[first]!;
}
