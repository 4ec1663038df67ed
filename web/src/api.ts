// Calls of the gateway.
import { signal } from "@preact/signals";
import type { Job, Problem, Processor } from "./types";

const tokenKey = "bricklayers.token";

/** The token of an installation that asks for one. It is kept for this tab only. */
export const token = signal(sessionStorage.getItem(tokenKey) ?? "");

/** Whether the gateway has said that it wants a token, or another one. */
export const tokenWanted = signal(false);

export function setToken(text: string) {
  token.value = text.trim();
  tokenWanted.value = false;
  if (token.value) sessionStorage.setItem(tokenKey, token.value);
  else sessionStorage.removeItem(tokenKey);
}

/** An answer that is an error, with what the gateway says about it. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title ?? `the gateway answered ${problem.status}`);
  }
}

export function authorization(): Record<string, string> {
  return token.value ? { Authorization: `Bearer ${token.value}` } : {};
}

/** Reads what is wrong from the text of an answer, which a proxy in between may have written. */
export function problemOf(status: number, text: string): Problem {
  if (status === 401) tokenWanted.value = true;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return { ...parsed, status } as Problem;
  } catch {
    // not the gateway's words
  }
  return { status, detail: `the server answered ${status}` };
}

export async function call(address: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(address, { ...init, headers: { ...authorization(), ...init.headers } });
  if (!response.ok) throw new ApiError(problemOf(response.status, await response.text()));
  return response;
}

/** The address at which the gateway sends a file itself: the page's policy does not let it follow to a bucket. */
export function through(address: string): string {
  return address + (address.includes("?") ? "&" : "?") + "redirect=false";
}

export async function processors(): Promise<Processor[]> {
  const answer = (await (await call("/api/v1/processors")).json()) as { processors: Processor[] };
  return answer.processors;
}

export async function status(id: string): Promise<Job> {
  return (await (await call(`/api/v1/status/${encodeURIComponent(id)}`)).json()) as Job;
}

/** Makes a job of a link to a file. */
export async function sendLink(
  address: string,
  processor: string,
  values: Record<string, string>,
  priority: string,
  key: string,
): Promise<Job> {
  const form = new FormData();
  form.set("url", address);
  form.set("processor", processor);
  if (priority) form.set("priority", priority);
  for (const [name, value] of Object.entries(values)) form.set(`parameters[${name}]`, value);
  const answer = await call("/api/v1/upload", { method: "POST", body: form, headers: { "Idempotency-Key": key } });
  return (await answer.json()) as Job;
}

export async function cancel(id: string): Promise<void> {
  await call(`/api/v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** What to say about an error of any kind. */
export function words(err: unknown): string {
  if (err instanceof ApiError) return err.message;
  if (err instanceof TypeError) return "the gateway cannot be reached; check the connection";
  return err instanceof Error ? err.message : String(err);
}
