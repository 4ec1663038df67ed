// The jobs of this browser. A job's id is all that is needed to read it, so the ids are kept, and the files' names to
// show until the gateway answers.
import { computed, type Signal, signal } from "@preact/signals";
import { finished, type Job } from "../types";

export interface Entry {
  id: string;
  name: string; // of the file, until the gateway has told
  job: Signal<Job | null>; // null: not heard of yet
  gone: Signal<boolean>; // expired or cancelled
}

const storageKey = "bricklayers.jobs";

/** More are dropped, the oldest first: their files are long gone by then. */
const maxEntries = 1000;

export const entries = signal<Entry[]>(load());

const byId = computed(() => new Map(entries.value.map((e) => [e.id, e])));

function entry(id: string, name: string): Entry {
  return { id, name, job: signal(null), gone: signal(false) };
}

function load(): Entry[] {
  try {
    const kept = JSON.parse(localStorage.getItem(storageKey) ?? "[]") as { id: string; name: string }[];
    return kept.filter((k) => typeof k.id === "string").map((k) => entry(k.id, String(k.name ?? "")));
  } catch {
    return []; // damaged, or storage is off
  }
}

function save() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(entries.value.map(({ id, name }) => ({ id, name }))));
  } catch {
    // storage is off or full: the list lasts as long as the page
  }
}

// Another tab's changes: what it added is taken over, what this one knows stays as it is.
addEventListener("storage", (event) => {
  if (event.key === storageKey) entries.value = load().map((e) => byId.value.get(e.id) ?? e);
});

export function find(id: string): Entry | undefined {
  return byId.value.get(id);
}

/** Adds a job on top of the list, or returns the one that is there. */
export function add(id: string, name: string, job: Job | null = null): Entry {
  const known = find(id);
  if (known) return known;
  const added = entry(id, name);
  added.job.value = job;
  entries.value = [added, ...entries.value].slice(0, maxEntries);
  save();
  return added;
}

export function remove(id: string) {
  entries.value = entries.value.filter((e) => e.id !== id);
  save();
}

/** Takes those off the list whose jobs are no more. */
export function removeGone() {
  entries.value = entries.value.filter((e) => !e.gone.value);
  save();
}

/** Whether there may be news of a job. */
export function live(e: Entry): boolean {
  return !e.gone.value && !(e.job.value && finished(e.job.value.status));
}
