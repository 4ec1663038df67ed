import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import type { Page } from "@playwright/test";
import { choose, expect, job, pictures, prints, test } from "./page";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Found {
  id: string;
  impact: string;
  nodes: { target: string[]; failureSummary: string }[];
}

/** What axe-core finds that is serious or critical. */
async function serious(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const axe = (window as unknown as { axe: { run(): Promise<{ violations: Found[]; passes: unknown[] }> } }).axe;
    const { violations, passes } = await axe.run();
    return { violations, passes: passes.length };
  });
  console.log(`figure: axe-core: ${found.passes} rules passed, ${found.violations.length} violated of any impact`);
  return found.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(" ")} ${n.failureSummary}`).join("; ")}`);
}

for (const scheme of ["light", "dark"] as const) {
  test(`axe-core finds nothing serious, ${scheme}`, async ({ page, baseURL }) => {
    await page.emulateMedia({ colorScheme: scheme });
    const id = await job(page, prints.small, baseURL!);
    await page.addInitScript((id) => localStorage.setItem("bricklayers.jobs", JSON.stringify([{ id, name: "a.gcode" }])), id);
    await page.goto("/");
    await expect(page.locator('li.job[data-phase="Completed"]')).toBeVisible();
    await choose(page, prints.small);
    await page.getByLabel("Multiplier").fill("9");
    await expect(page.getByRole("alert")).toBeVisible();
    expect(await serious(page)).toEqual([]);
    await page.screenshot({ path: `${pictures}/home-${scheme}.png`, fullPage: true });
    await page.locator("a.name").click();
    await page.getByRole("button", { name: "Show the layers" }).click();
    await page.locator("canvas[data-drawn]").waitFor();
    expect(await serious(page)).toEqual([]);
    await page.screenshot({ path: `${pictures}/job-${scheme}.png`, fullPage: true });
  });
}

test("everything can be done with the keyboard alone", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByLabel("Multiplier")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to the content")).toBeFocused();
  const dialog = page.waitForEvent("filechooser");
  await tabTo(page, "Choose files");
  await page.keyboard.press("Enter");
  await (await dialog).setFiles(prints.small);
  await tabTo(page, "Multiplier");
  await page.keyboard.type("1.07");
  await tabTo(page, "Process");
  await page.keyboard.press("Enter");
  await expect(page.locator('li.job[data-phase="Completed"]')).toBeVisible({ timeout: 60_000 });
  await tabTo(page, basename(prints.small));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: basename(prints.small) })).toBeFocused();
  const download = page.waitForEvent("download");
  await tabTo(page, /^Download/);
  await page.keyboard.press("Enter");
  await download;
  await tabTo(page, "Show the layers");
  await page.keyboard.press("Enter");
  await page.locator("canvas[data-drawn]").waitFor();
  await tabTo(page, "Layer");
  await page.keyboard.press("End");
});

/** Presses Tab until what has the focus is called so; every stop must be visible and show that it has it. */
async function tabTo(page: Page, name: string | RegExp) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement as HTMLElement & { labels?: NodeListOf<HTMLElement> };
      const style = getComputedStyle(e);
      return {
        name: e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent ?? "",
        shown: style.outlineStyle !== "none" && e.getClientRects().length > 0,
      };
    });
    if (typeof name === "string" ? at.name.trim() === name : name.test(at.name.trim())) {
      expect(at.shown, `${at.name} shows that it has the focus`).toBe(true);
      return;
    }
  }
  throw new Error(`no way to ${String(name)} with Tab`);
}

test("fits a phone", async ({ page, baseURL }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const id = await job(page, prints.small, baseURL!);
  await page.addInitScript((id) => localStorage.setItem("bricklayers.jobs", JSON.stringify([{ id, name: "a.gcode" }])), id);
  for (const address of ["/", `/#/job/${id}`]) {
    await page.goto(address);
    await expect(page.locator(".phases").first()).toBeVisible();
    const { width, inner } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, inner: innerWidth }));
    expect(width).toBeLessThanOrEqual(inner);
  }
  await page.getByRole("button", { name: "Show the layers" }).click();
  await page.locator("canvas[data-drawn]").waitFor();
  await page.screenshot({ path: `${pictures}/phone.png`, fullPage: true });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

test("is dark when the system is, or when told to", async ({ page }) => {
  const lightness = () =>
    page.evaluate(() => {
      const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g)!.map(Number);
      return (r! + g! + b!) / 3;
    });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("/");
  expect(await lightness()).toBeLessThan(60);
  const button = page.getByRole("button", { name: /^Colours/ });
  await button.click(); // light
  expect(await lightness()).toBeGreaterThan(200);
  await button.click(); // dark
  await page.emulateMedia({ colorScheme: "light" });
  await page.reload();
  expect(await lightness()).toBeLessThan(60);
});

test("asks for a token where one is wanted, and keeps it for the tab", async ({ page, context }) => {
  const problem = { title: "Unauthorized", status: 401, reason: "unauthenticated", detail: "send a token" };
  const sent: (string | undefined)[] = [];
  await page.route("**/api/v1/processors", async (route) => {
    const token = route.request().headers().authorization;
    sent.push(token);
    if (token === "Bearer secret") await route.continue();
    else await route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify(problem) });
  });
  await page.goto("/");
  await page.getByRole("textbox", { name: "Token" }).fill("secret");
  await page.getByRole("button", { name: "Use it" }).click();
  await expect(page.getByLabel("Multiplier")).toBeVisible();
  expect(sent.at(-1)).toBe("Bearer secret");
  await page.reload();
  await expect(page.getByLabel("Multiplier")).toBeVisible();
  const other = await context.newPage();
  await other.goto("/");
  expect(await other.evaluate(() => JSON.stringify([sessionStorage, localStorage, document.cookie]))).not.toContain("secret");
});

test("with a token a result is saved past the bucket, or not at all when nobody wants to", async ({ page, baseURL }) => {
  const id = await job(page, prints.small, baseURL!);
  await page.addInitScript(() => {
    sessionStorage.setItem("bricklayers.token", "secret");
    const cancelled = () => Promise.reject(new DOMException("cancelled", "AbortError"));
    Object.defineProperty(window, "showSaveFilePicker", { value: cancelled, configurable: true });
  });
  const asked: string[] = [];
  page.on("request", (r) => r.url().includes("/api/v1/download/") && asked.push(r.url()));
  await page.goto(`/#/job/${id}`);
  const button = page.getByRole("button", { name: /^Download/ });
  await button.click();
  await page.evaluate(() => Object.defineProperty(window, "showSaveFilePicker", { value: undefined }));
  const download = page.waitForEvent("download");
  await button.click();
  expect((await download).suggestedFilename()).toBe(basename(prints.small).replace(".gcode", "_brick.gcode"));
  expect(asked.map((address) => new URL(address).searchParams.get("redirect"))).toEqual(["false"]);
  await expect(page.locator(".error")).toHaveCount(0);
});
