import { expect, test, withinReason } from "./page";

test("is ready at once on a cold cache, and small", async ({ page }) => {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let received = 0;
  session.on("Network.loadingFinished", (e) => (received += e.encodedDataLength));
  const started = Date.now();
  await page.goto("/", { waitUntil: "commit" });
  await expect(page.getByLabel("Multiplier")).toBeEditable(); // the form is made from the gateway's answer
  const took = Date.now() - started;
  await page.waitForLoadState("networkidle");
  console.log(`figure: ${received} bytes received for the first paint`);
  withinReason("interactive", took, 1000);
  expect(received).toBeLessThan(100_000);
});

test("is served with a strict policy", async ({ page }) => {
  const answer = await page.goto("/");
  const policy = answer!.headers()["content-security-policy"]!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
});

test("the form is built from the processor's parameters", async ({ page }) => {
  await page.goto("/");
  const multiplier = page.getByLabel("Multiplier");
  await expect(multiplier).toHaveAttribute("type", "number");
  await expect(multiplier).toHaveAttribute("min", "1");
  await expect(multiplier).toHaveAttribute("max", "1.5");
  await expect(multiplier).toHaveAccessibleDescription("Flow of the inner walls. From 1 to 1.5. Default 1.05.");
  await expect(page.getByLabel("Order").locator("option")).toHaveText(["slicer", "contour"]);
});
