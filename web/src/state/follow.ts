// Follows jobs over one stream of server-sent events, however many they are: browsers allow a server six connections.
// fetch instead of EventSource, because a token goes into a header.
import { effect, signal, untracked } from "@preact/signals";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { ApiError, call, token, tokenWanted, words } from "../api";
import type { Job, Problem } from "../types";
import { type Entry, entries, live } from "./jobs";

/** Why there is no news at the moment, or "". */
export const trouble = signal("");

/** Jobs that are looked at without being in the list. */
export const guests = signal<Entry[]>([]);

const versions = new Map<string, string>(); // of the jobs that were heard of, as the stream names them
let stream: AbortController | null = null;
let followed = "";
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Starts to follow; called once. */
export function start() {
  effect(() => {
    void [entries.value, guests.value, token.value];
    schedule(50); // several may come at once
  });
  addEventListener("online", () => schedule(0));
  document.addEventListener("visibilitychange", () => schedule(0));
}

function wanted(): Entry[] {
  return untracked(() => [...entries.value, ...guests.value].filter(live));
}

function schedule(after: number) {
  clearTimeout(timer);
  timer = setTimeout(connect, after);
}

function connect() {
  const ids = document.visibilityState === "hidden" ? [] : wanted().map((e) => e.id);
  const key = [token.value, ...ids].join("\n");
  if (stream && key === followed) return;
  stream?.abort();
  stream = null;
  followed = key;
  if (ids.length === 0) return;
  const current = new AbortController();
  stream = current;
  read(ids, current.signal).then(
    () => ended(current, 0, ""),
    (err: unknown) => ended(current, ++failures, words(err), err),
  );
}

/** Comes back after a stream has ended: at once after a good one, later after each bad one. */
function ended(which: AbortController, failed: number, why: string, err?: unknown) {
  if (which.signal.aborted || stream !== which) return;
  stream = null;
  if (err instanceof ApiError && err.problem.status === 401) return; // until there is a token
  trouble.value = why;
  schedule(failed === 0 ? 500 : Math.min(30_000, 500 * 2 ** Math.min(failed, 6)) * (0.5 + Math.random() / 2));
}

async function read(ids: string[], signal: AbortSignal) {
  const jobs = Object.fromEntries(ids.map((id) => [id, versions.get(id) ?? ""]));
  const response = await call("/api/v1/events", { method: "POST", body: JSON.stringify({ jobs }), signal });
  failures = 0;
  trouble.value = "";
  tokenWanted.value = false;
  const parser = createParser({ onEvent: take });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(value);
  }
}

function take(event: EventSourceMessage) {
  if (event.event === "status") {
    const job = JSON.parse(event.data) as Job;
    if (event.id) versions.set(job.job_id, event.id);
    for (const e of everywhere(job.job_id)) e.job.value = job;
  } else if (event.event === "queue") {
    const { job_id, queue } = JSON.parse(event.data) as Pick<Job, "job_id" | "queue">;
    for (const e of everywhere(job_id)) if (e.job.value) e.job.value = { ...e.job.value, queue };
  } else if (event.event === "gone") {
    const { job_id } = JSON.parse(event.data) as Problem & { job_id: string };
    for (const e of everywhere(job_id)) e.gone.value = true;
  }
}

function everywhere(id: string): Entry[] {
  return [...entries.value, ...guests.value].filter((e) => e.id === id);
}
