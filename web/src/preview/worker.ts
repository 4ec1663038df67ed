// Fetches and reads a print beside the page, so that the page stays usable.
import { coarse } from "./coarse";
import { Parser, TooLarge } from "./parse";
import { buffers, type Print } from "./print";
import { textOf } from "./source";

export interface Order {
  address: string;
  headers: Record<string, string>;
}

export type Answer =
  | { state: "reading"; done: number } // bytes
  | { state: "ready"; print: Print; coarse: Print | null }
  | { state: "failed"; why: "too-large" | "format" | "answer"; detail: string };

/** How many pieces can be drawn while the view moves. */
const movingBudget = 60_000;

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
};

scope.onmessage = (event) => {
  read(event.data).catch((err: unknown) => {
    const why = err instanceof TooLarge ? "too-large" : err instanceof RangeError ? "too-large" : "format";
    scope.postMessage({ state: "failed", why, detail: err instanceof Error ? err.message : String(err) });
  });
};

async function read(order: Order) {
  const response = await fetch(order.address, { headers: order.headers });
  if (!response.ok) {
    scope.postMessage({ state: "failed", why: "answer", detail: `the gateway answered ${response.status}` });
    return;
  }
  const parser = new Parser();
  let done = 0;
  let told = 0;
  for await (const chunk of textOf(counted(response.body!))) parser.feed(chunk);
  const print = parser.finish();
  const fewer = coarse(print, movingBudget);
  scope.postMessage({ state: "ready", print, coarse: fewer }, [...buffers(print), ...(fewer ? buffers(fewer) : [])]);

  async function* counted(body: ReadableStream<Uint8Array>) {
    const reader = body.getReader();
    for (;;) {
      const { done: end, value } = await reader.read();
      if (end) return;
      done += value.length;
      if (done - told > 500_000) scope.postMessage({ state: "reading", done: (told = done) });
      yield value;
    }
  }
}
