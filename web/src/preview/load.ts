// Has a worker read a print.
import { authorization } from "../api";
import type { Shown } from "./scene";
import type { Answer, Order } from "./worker";

export class LoadError extends Error {
  constructor(
    readonly why: string,
    detail: string,
  ) {
    super(detail);
  }
}

export function load(address: string, progress: (bytes: number) => void): Promise<Shown> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  return new Promise<Shown>((resolve, reject) => {
    worker.onerror = () => reject(new LoadError("format", "the preview could not be started"));
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.state === "reading") progress(data.done);
      else if (data.state === "ready") resolve({ print: data.print, coarse: data.coarse });
      else reject(new LoadError(data.why, data.detail));
    };
    const order: Order = { address: new URL(address, location.href).href, headers: authorization() };
    worker.postMessage(order);
  }).finally(() => worker.terminate());
}
