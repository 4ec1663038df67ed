import { expect, process_, test } from "./page";

/** Pastes text where the focus is, as the keyboard would. */
async function paste(page: import("@playwright/test").Page, text: string) {
  await page.evaluate((t) => {
    const data = new DataTransfer();
    data.setData("text/plain", t);
    (document.activeElement ?? document.body).dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
  }, text);
}

test("a pasted link becomes a job, whose pod fetches no private address", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByLabel("Multiplier")).toBeVisible();
  await paste(page, "https://127.0.0.1/prints/benchy.gcode");
  const chosen = page.getByRole("list", { name: "Chosen files" });
  await expect(chosen).toContainText("https://127.0.0.1/prints/benchy.gcode");
  await page.getByLabel("Multiplier").fill("1.08");
  await process_(page);
  const row = page.locator("li.job", { hasText: "benchy.gcode" });
  await expect(row).toHaveAttribute("data-phase", "Error", { timeout: 60_000 });
  await expect(row).toContainText("127.0.0.1");
  await expect(chosen).toHaveCount(0);
  const id = (await row.locator("a.name").getAttribute("href"))!.split("/").at(-1)!;
  const job = (await (await page.request.get(`/api/v1/status/${id}`)).json()) as { parameters: Record<string, string> };
  expect(job.parameters).toEqual({ multiplier: "1.08" });
});

test("what is wrong with a link is said beside it, before and after it is sent", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByLabel("Multiplier")).toBeVisible();
  const field = page.getByLabel("or paste a link to one");
  await field.fill("http://example.com/benchy.gcode");
  await field.press("Enter");
  await expect(page.getByRole("alert")).toHaveText("A link must begin with https://.");
  await page.getByRole("button", { name: /^Take http:/ }).click();
  await field.fill("https://example.com/model.stl");
  await page.getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("alert")).toContainText("Only files ending in");
  await page.getByRole("button", { name: /^Take https:/ }).click();
  await field.fill("https://me:secret@example.com/benchy.gcode");
  await field.press("Enter");
  await process_(page);
  await expect(page.getByRole("alert")).toContainText("no user and password");
});
