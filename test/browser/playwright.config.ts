import { defineConfig } from "@playwright/test";

// What the tests need to know comes from the environment: see browser_test.go beside the end-to-end tests.
const url = process.env.GATEWAY_URL;
if (!url) throw new Error("GATEWAY_URL must be the address of a running gateway");

export default defineConfig({
  testDir: "tests",
  outputDir: process.env.ARTEFACTS ?? "../../bin/browser",
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 30_000 }, // pods take seconds, and the machine may be busy
  reporter: [["list"], ["json", { outputFile: (process.env.ARTEFACTS ?? "../../bin/browser") + "/results.json" }]],
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 900 },
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--enable-unsafe-swiftshader"], // root, and no graphics card
    },
  },
});
