// Uploads by the tus protocol: they go on after a pause, a lost network and a reload of the page. The file is kept in
// the browser's database until it has arrived, so that a reload does not lose it.
import { type Signal, signal } from "@preact/signals";
import { createStore, del, entries as stored, set } from "idb-keyval";
import { DetailedError, type HttpRequest, Upload as Tus } from "tus-js-client";
import { ApiError, authorization, problemOf } from "../api";
import type { Values } from "../parameters";
import { randomKey } from "../random";
import type { ParameterProblem } from "../types";
import { add } from "./jobs";
import { Speed } from "./speed";

/** failed may go well when it is tried again, refused will not. */
export type State = "waiting" | "sending" | "paused" | "offline" | "failed" | "refused";

/** What is kept of an upload. */
interface Kept {
  key: string; // of the upload, and the Idempotency-Key of its job
  file: File;
  processor: string;
  values: Values;
  priority: string;
  url?: string; // of the upload at the gateway, once it has one
  paused?: boolean;
}

export interface Upload {
  kept: Kept;
  state: Signal<State>;
  sent: Signal<number>; // bytes
  speed: Signal<number>; // bytes a second
  error: Signal<string>;
  errors: Signal<ParameterProblem[]>; // of the parameters
  tus: Tus | null;
  meter: Speed;
}

export const uploads = signal<Upload[]>([]);

/** How many are sent at once; the others wait. */
const atOnce = 3;

const database = createStore("bricklayers", "uploads");

function make(kept: Kept): Upload {
  return {
    kept,
    state: signal<State>(kept.paused ? "paused" : "waiting"),
    sent: signal(0),
    speed: signal(0),
    error: signal(""),
    errors: signal<ParameterProblem[]>([]),
    tus: null,
    meter: new Speed(),
  };
}

function keep(kept: Kept) {
  // Without a database (a private window, a full disk) the upload only lasts as long as the page.
  set(kept.key, kept, database).catch(() => undefined);
}

/** Takes up what an earlier page has left; called once. */
export async function restore() {
  let left: Kept[] = [];
  try {
    left = (await stored<string, Kept>(database)).map(([, kept]) => kept);
  } catch {
    return; // no database
  }
  for (const kept of left) await claim(kept.key, () => (uploads.value = [...uploads.value, make(kept)]));
  next();
}

/** Runs take if no other tab has the upload. Where there are no locks (no https), the gateway keeps them apart. */
async function claim(key: string, take: () => void) {
  if (!navigator.locks) return take();
  await new Promise<void>((decided) => {
    void navigator.locks.request(`bricklayers-${key}`, { ifAvailable: true }, (lock) => {
      if (lock) take();
      decided();
      return lock ? new Promise(() => undefined) : undefined; // held until the page ends
    });
  });
}

export function send(files: File[], processor: string, values: Values, priority: string) {
  for (const file of files) {
    const kept: Kept = { key: randomKey(), file, processor, values, priority };
    keep(kept);
    void claim(kept.key, () => undefined);
    uploads.value = [...uploads.value, make(kept)];
  }
  next();
  // On a narrow screen they are below the form.
  requestAnimationFrame(() => document.getElementById("uploads-title")?.scrollIntoView({ block: "nearest" }));
}

function next() {
  const active = uploads.value.filter((u) => u.state.value === "sending" || u.state.value === "offline").length;
  uploads.value
    .filter((u) => u.state.value === "waiting")
    .slice(0, Math.max(0, atOnce - active))
    .forEach(run);
}

function run(u: Upload) {
  u.state.value = "sending";
  u.error.value = "";
  u.meter = new Speed();
  u.tus ??= build(u);
  u.tus.start();
}

function build(u: Upload): Tus {
  const { kept } = u;
  let jobId = "";
  return new Tus(kept.file, {
    endpoint: "/api/v1/uploads/",
    uploadUrl: kept.url,
    uploadSize: kept.file.size,
    storeFingerprintForResuming: false,
    retryDelays: [0, 500, 1000, 2000, 4000, 8000, 8000, 8000],
    headers: { "Idempotency-Key": kept.key },
    metadata: metadata(kept),
    onBeforeRequest: authorize,
    onAfterResponse: (_, response) => {
      jobId = response.getHeader("Upload-Job-Id") ?? jobId;
    },
    onShouldRetry: (err) => navigator.onLine && worthAnotherTry(err.originalResponse?.getStatus()),
    onUploadUrlAvailable: () => {
      kept.url = u.tus?.url ?? undefined;
      keep(kept);
    },
    onProgress: (sent) => {
      u.sent.value = sent;
      u.speed.value = u.meter.sample(sent, performance.now());
    },
    onError: (err) => failed(u, err),
    onSuccess: () => arrived(u, jobId),
  });
}

function authorize(request: HttpRequest) {
  for (const [name, value] of Object.entries(authorization())) request.setHeader(name, value);
}

function metadata(kept: Kept): Record<string, string> {
  const fields: Record<string, string> = { filename: kept.file.name, processor: kept.processor };
  if (kept.priority) fields.priority = kept.priority;
  if (Object.keys(kept.values).length > 0) fields.parameters = JSON.stringify(kept.values);
  return fields;
}

/** No answer, a conflict about the offset, a lock, too many requests, or a fault that is not the file's. */
function worthAnotherTry(status: number | undefined): boolean {
  return !status || status === 409 || status === 423 || status === 429 || (status >= 500 && status !== 507);
}

function failed(u: Upload, err: Error | DetailedError) {
  const response = err instanceof DetailedError ? err.originalResponse : null;
  if (!response && !navigator.onLine) return lose(u);
  const status = response?.getStatus() ?? 0;
  const problem = status ? problemOf(status, response?.getBody() ?? "") : null;
  u.state.value = status >= 400 && status < 500 && status !== 401 && !worthAnotherTry(status) ? "refused" : "failed";
  u.error.value = problem ? new ApiError(problem).message : "The gateway cannot be reached.";
  u.errors.value = problem?.errors ?? [];
  u.speed.value = 0;
  next();
}

/** Waits for the network. */
function lose(u: Upload) {
  void u.tus?.abort();
  u.state.value = "offline";
  u.speed.value = 0;
}

function arrived(u: Upload, jobId: string) {
  if (jobId) {
    add(jobId, u.kept.file.name);
    forget(u);
  } else {
    u.state.value = "failed";
    u.error.value = "The file has arrived, but the gateway did not say which job it made of it.";
  }
  next();
}

function forget(u: Upload) {
  uploads.value = uploads.value.filter((other) => other !== u);
  del(u.kept.key, database).catch(() => undefined);
}

export function pause(u: Upload) {
  void u.tus?.abort();
  u.state.value = "paused";
  u.speed.value = 0;
  u.kept.paused = true;
  keep(u.kept);
  next();
}

export function resume(u: Upload) {
  u.state.value = "waiting";
  u.kept.paused = false;
  keep(u.kept);
  next();
}

/** Ends an upload; what the gateway has of it goes too. */
export function discard(u: Upload) {
  forget(u);
  // The gateway drops what is left over by itself after a while, so nobody needs to hear of a failure here.
  if (u.tus) u.tus.abort(true).catch(() => undefined);
  else if (u.kept.url) Tus.terminate(u.kept.url, { onBeforeRequest: authorize }).catch(() => undefined);
  next();
}

// A connection that was cut may take minutes to be noticed otherwise.
addEventListener("offline", () => {
  for (const u of uploads.value) if (u.state.value === "sending") lose(u);
});

addEventListener("online", () => {
  for (const u of uploads.value) if (u.state.value === "offline") u.state.value = "waiting";
  next();
});
