import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

// The licences of what is bundled ask for their text to go along. Workers are bundled by themselves, before the page is.
const bundled = new Set<string>();

const collect: Plugin = {
  name: "collect-bundled",
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== "chunk") continue;
      for (const id of Object.keys(chunk.modules)) {
        const found = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id);
        if (found?.[1]) bundled.add(found[1]);
      }
    }
  },
};

const licences: Plugin = {
  name: "licences",
  generateBundle() {
    const source = [...bundled].sort().map(licenceOf).join("\n\n");
    this.emitFile({ type: "asset", fileName: "licenses.txt", source });
  },
};

function licenceOf(name: string): string {
  const folder = join(import.meta.dirname ?? ".", "node_modules", name);
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"].map((f) => join(folder, f)).find(existsSync);
  const text = file ? readFileSync(file, "utf8").trim() : `Licence: ${about.license}`;
  return `${name} ${about.version} (${about.license})\n\n${text}\n`;
}

export default defineConfig({
  plugins: [collect, licences],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  worker: { format: "es", plugins: () => [collect] },
  build: {
    outDir: "../internal/web/dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's policy allows no data: addresses
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800, // three.js, which is loaded on demand
    reportCompressedSize: true,
  },
  server: { proxy: { "/api": process.env.GATEWAY_URL ?? "http://127.0.0.1:8000" } },
});
