// Links to files, which a job's pod fetches by itself: nothing is uploaded.
import { signal } from "@preact/signals";
import { sendLink, words } from "../api";
import type { Values } from "../parameters";
import { randomKey } from "../random";
import { add } from "./jobs";

export interface Link {
  address: string;
  key: string; // the Idempotency-Key of its job
  error: string; // what the gateway said when it was sent, or ""
}

/** Those that are chosen and not sent yet. */
export const links = signal<Link[]>([]);

export function addLink(text: string) {
  const address = text.trim();
  if (!address || links.value.some((l) => l.address === address)) return;
  links.value = [...links.value, { address, key: randomKey(), error: "" }];
}

export function removeLink(link: Link) {
  links.value = links.value.filter((l) => l.key !== link.key);
}

/** The file's name that an address ends with; the gateway finds it in the same way. */
export function nameOf(address: string): string {
  try {
    return decodeURIComponent(new URL(address).pathname.split("/").at(-1)!) || "input";
  } catch {
    return "input";
  }
}

/** Makes a job of a link, which then goes from the chosen ones to the jobs. */
export async function submitLink(link: Link, processor: string, values: Values, priority: string) {
  try {
    const job = await sendLink(link.address, processor, values, priority, link.key);
    add(job.job_id, nameOf(link.address), job);
    removeLink(link);
  } catch (err) {
    // Another key: with other parameters it is another job.
    links.value = links.value.map((l) => (l.key === link.key ? { ...l, key: randomKey(), error: words(err) } : l));
  }
}
