import { readFileSync } from "node:fs";
import { createServer, request as ask, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { choose, expect, huge, process_, test } from "./page";

const count = 1000;

function status(i: number, phase: string): string {
  const id = i.toString(16).padStart(32, "0");
  const job = {
    job_id: id, status: phase, reason: phase === "Running" ? "Started" : phase, processor: "brick", priority: 0, attempts: 1,
    created_at: "2026-01-01T00:00:00Z", input: { name: `part-${i}.gcode`, size: 1e6, sha256: "" }, links: {},
  };
  return `event: status\nid: ${id}-${phase}\ndata: ${JSON.stringify(job)}\n\n`;
}

test("1,000 jobs scroll without an event being dropped", async ({ browser, baseURL }) => {
  // The gateway's page, with the events of a thousand jobs from here.
  let stream: ServerResponse | undefined;
  const server = createServer((req, res) => {
    if (req.url !== "/api/v1/events") {
      req.pipe(ask(new URL(req.url!, baseURL), { method: req.method, headers: req.headers }, (r) => {
        res.writeHead(r.statusCode!, r.headers);
        r.pipe(res);
      }));
      return;
    }
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    stream = res;
    for (let i = 0; i < count; i++) res.write(status(i, "Pending"));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const page = await browser.newPage({ baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  await page.addInitScript((n) => {
    const ids = Array.from({ length: n }, (_, i) => ({ id: i.toString(16).padStart(32, "0"), name: "" }));
    localStorage.setItem("bricklayers.jobs", JSON.stringify(ids));
  }, count);
  await page.goto("/");
  await expect(page.locator('li.job[data-phase="Pending"]')).toHaveCount(count);

  // Down and up for as long as events come in.
  const frames = page.evaluate(async () => {
    const times: number[] = [];
    let last = performance.now();
    for (let i = 0; !("enough" in window); i++) {
      scrollBy(0, i % 120 < 60 ? 900 : -900);
      await new Promise(requestAnimationFrame);
      times.push(performance.now() - last);
      last = performance.now();
    }
    return times.sort((a, b) => a - b);
  });
  // In two waves: each event has to show, not only a job's last one.
  const wave = async (phase: (i: number) => string) => {
    for (let i = 0; i < count; i++) {
      stream!.write(status(i, phase(i)));
      if (i % 50 === 0) await new Promise((done) => setTimeout(done, 10)); // the pace of events, not a wait
    }
  };
  await wave(() => "Running");
  await expect(page.locator('li.job[data-phase="Running"]')).toHaveCount(count);
  await wave((i) => (i % 2 ? "Completed" : "Error"));
  await expect(page.locator('li.job[data-phase="Completed"]')).toHaveCount(count / 2);
  await expect(page.locator('li.job[data-phase="Error"]')).toHaveCount(count / 2);
  await page.evaluate(() => Object.assign(window, { enough: true }));
  const times = await frames;
  const at = (part: number) => times[Math.floor(times.length * part)]!;
  console.log(`figure: ${2 * count} events over ${count} jobs while scrolling, each was shown; frame ${at(0.5).toFixed(0)} ms (median), ` +
    `${at(0.95).toFixed(0)} ms (95th percentile)`);
  expect(at(0.5)).toBeLessThan(250); // beside a cluster on the same processors
  await page.close();
  server.closeAllConnections();
  server.close();
});

test("memory stays flat over an upload of 500 MB", async ({ page, browser }) => {
  test.setTimeout(300_000);
  await page.goto("/");
  await choose(page, huge);
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = (await session.send("SystemInfo.getProcessInfo")) as { processInfo: { type: string; id: number }[] };
  const renderers = processInfo.filter((p) => p.type === "renderer").map((p) => p.id);
  const resident = () =>
    renderers
      .map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024)
      .reduce((a, b) => a + b, 0);
  const before = resident();
  await process_(page);
  const samples: number[] = [];
  while ((await page.locator(".upload[data-state=sending]").count()) > 0) {
    samples.push(resident());
    await page.waitForTimeout(250); // a sample, not a wait for something
  }
  const id = (await page.locator("li.job a.name").getAttribute("href"))!.split("/").at(-1)!;
  await page.request.delete(`/api/v1/jobs/${id}`); // nothing is to be made of it
  const most = Math.max(...samples);
  console.log(`figure: 500 MB sent; resident memory of the tab ${before.toFixed(0)} MiB before, at most ${most.toFixed(0)} MiB, ${samples.length} samples`);
  expect(samples.length).toBeGreaterThan(3);
  expect(most - before).toBeLessThan(80);
});
