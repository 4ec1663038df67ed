// What the tests share: a page that may do nothing its policy forbids, and the files to send.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type CDPSession, expect, type Page, test as base } from "@playwright/test";

function named(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set`);
  return value;
}

/** Prints of about 1, 10 and 50 MB, and a file of 500 MB. */
export const prints = { small: named("PRINT"), medium: named("PRINT_10MB"), large: named("PRINT_50MB") };
export const huge = named("FILE_500MB");

/** A processor whose jobs do not end by themselves. */
export const endless = named("ENDLESS_PROCESSOR");

/** The same, of which one runs at a time. */
export const narrow = named("NARROW_PROCESSOR");

/**
 * Holds what was measured against its bar. The figure is printed to be judged on a quiet machine; beside a cluster that
 * works on the same processors only a multiple of it can be asked for without failing by chance.
 */
export function withinReason(what: string, took: number, bar: number) {
  console.log(`figure: ${what} after ${took} ms; the bar is ${bar} ms`);
  expect(took).toBeLessThanOrEqual(5 * bar);
}

/** Where screenshots are kept to be looked at. */
export const pictures = (process.env.ARTEFACTS ?? "../../bin/browser") + "/pictures";

/** A page on which every test fails that makes it break its policy, ask another host, or throw. */
export const test = base.extend<{ page: Page }>({
  page: async ({ page, baseURL }, use) => {
    const wrong: string[] = [];
    page.on("pageerror", (e) => wrong.push(`exception: ${e.message}`));
    page.on("console", (m) => {
      if (/Content.Security.Policy|Refused to/i.test(m.text())) wrong.push(`policy: ${m.text()}`);
    });
    page.on("request", (r) => {
      const address = new URL(r.url());
      if (address.protocol.startsWith("http") && address.origin !== new URL(baseURL!).origin) wrong.push(`request to ${r.url()}`);
    });
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (e) => console.error(`Content-Security-Policy: ${e.violatedDirective} ${e.blockedURI}`));
    });
    await use(page);
    expect(wrong).toEqual([]);
  },
});

export { expect };

/** Chooses files on the page as the file dialog would. */
export async function choose(page: Page, ...files: string[]) {
  await page.setInputFiles("#files", files);
}

export async function process_(page: Page) {
  await page.getByRole("button", { name: /^Process/ }).click();
}

/** Sends a file and waits for its row to be in a phase. */
export async function send(page: Page, file: string, phase = "Completed") {
  await page.goto("/");
  await choose(page, file);
  await process_(page);
  const row = page.locator(`li.job[data-phase="${phase}"]`, { hasText: basename(file) });
  await expect(row).toBeVisible({ timeout: 60_000 });
  return row;
}

/** Sends a file past the page and returns its job, finished. */
export async function job(page: Page, file: string, baseURL: string): Promise<string> {
  const name = basename(file);
  const address = `${baseURL}/api/v1/upload?name=${name}`;
  const answer = await page.request.post(address, { data: readFileSync(file), headers: { "Content-Type": "application/octet-stream" } });
  expect(answer.status()).toBe(201);
  const { job_id } = (await answer.json()) as { job_id: string };
  await expect
    .poll(async () => ((await (await page.request.get(`/api/v1/status/${job_id}`)).json()) as { status: string }).status, { timeout: 120_000 })
    .toBe("Completed");
  return job_id;
}

const sessions = new WeakMap<Page, CDPSession>();

/** Cuts the page's network, or lets it send no more than this many bytes a second; -1 is no limit. */
export async function network(page: Page, state: { offline?: boolean; upload?: number }) {
  const session = sessions.get(page) ?? (await page.context().newCDPSession(page));
  sessions.set(page, session);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", {
    offline: state.offline ?? false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: state.upload ?? -1,
  });
}

/** How far the upload on the page is, 0 to 1. */
export async function progress(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelector<HTMLProgressElement>(".upload progress")?.position ?? -1);
}
