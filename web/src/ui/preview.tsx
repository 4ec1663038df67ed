// The preview of a print: loaded when it is asked for.
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { through } from "../api";
import { bytes } from "../format";
import type { FileInfo, Job } from "../types";
import { Icon } from "./icons";

/** What a browser can be expected to show. */
const limit = 100_000_000;

const shown = /\.(gcode|g|gco|bgcode|gcode\.3mf|3mf)$/i;

export interface Source {
  which: "Output" | "Input";
  address: string;
}

function sources(job: Job): { sources: Source[]; largest: FileInfo | undefined } {
  const found: Source[] = [];
  const output = job.output?.find((f) => shown.test(f.name));
  if (output?.download) found.push({ which: "Output", address: through(output.download) });
  const input = job.input && shown.test(job.input.name) ? job.input : undefined;
  if (input && job.links.input) found.push({ which: "Input", address: through(job.links.input) });
  const files = [output, input].filter((f) => f !== undefined);
  return { sources: found, largest: files.sort((a, b) => b.size - a.size)[0] };
}

export function Preview({ job }: { job: Job }) {
  const Layers = useSignal<ComponentType<{ sources: Source[] }> | null>(null);
  const trouble = useSignal("");
  const { sources: found, largest } = sources(job);
  if (job.status !== "Completed" || found.length === 0 || !largest) return null;
  if (largest.size > limit) {
    return (
      <section class="card" aria-labelledby="preview-title">
        <h3 id="preview-title">Layers</h3>
        <p class="notice">
          The print has {bytes(largest.size)}, which is too large to be shown here; up to {bytes(limit)} are. The numbers above say
          what was done, and any slicer shows the downloaded file.
        </p>
      </section>
    );
  }
  const open = async () => {
    try {
      Layers.value = (await import("../preview/layers")).Layers;
    } catch {
      trouble.value = "The preview could not be loaded; check the connection and try again.";
    }
  };
  return (
    <section class="card preview" aria-labelledby="preview-title">
      <h3 id="preview-title">Layers</h3>
      {Layers.value ? (
        <Layers.value sources={found} />
      ) : (
        <button type="button" onClick={() => void open()}>
          <Icon name="eye" /> Show the layers
        </button>
      )}
      {trouble.value && (
        <p class="error" role="alert">
          {trouble.value}
        </p>
      )}
    </section>
  );
}
