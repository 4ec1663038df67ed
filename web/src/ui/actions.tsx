// What can be done with a job.
import { useSignal } from "@preact/signals";
import { cancel, token, words } from "../api";
import { saveFile } from "../download";
import { find } from "../state/jobs";
import type { FileInfo, Job } from "../types";
import { Icon } from "./icons";

/** Downloads the result, if there is one file only; the job's page has the others. */
export function DownloadButton({ job }: { job: Job }) {
  const files = job.output ?? [];
  if (job.status !== "Completed" || files.length === 0) return null;
  if (files.length > 1) return <a href={`#/job/${job.job_id}`}>{files.length} files</a>;
  return <DownloadFile file={files[0]!} label="Download" />;
}

export function DownloadFile({ file, label, strong }: { file: FileInfo; label: string; strong?: boolean }) {
  const trouble = useSignal("");
  if (!file.download) return null;
  const inside = (
    <>
      <Icon name="download" /> {label}
    </>
  );
  const look = strong ? "button primary" : "button plain";
  const name = `Download ${file.name}`;
  // A link lets the browser do it as it likes; it cannot carry a token.
  if (!token.value) {
    return (
      <a class={look} href={file.download} download={file.name} aria-label={name}>
        {inside}
      </a>
    );
  }
  const save = () => saveFile(file).catch((err: unknown) => (trouble.value = words(err)));
  return (
    <>
      <button type="button" class={look} aria-label={name} onClick={() => void save()}>
        {inside}
      </button>
      {trouble.value && <span class="error">{trouble.value}</span>}
    </>
  );
}

export function CancelButton({ job }: { job: Job }) {
  const asking = useSignal(false);
  const trouble = useSignal("");
  const name = job.input?.name ?? job.job_id;
  const really = async () => {
    try {
      await cancel(job.job_id);
      const entry = find(job.job_id);
      if (entry) entry.gone.value = true;
    } catch (err) {
      trouble.value = words(err);
      asking.value = false;
    }
  };
  if (asking.value) {
    return (
      <span class="asking" role="group" aria-label={`Cancel ${name}?`}>
        <button type="button" class="danger" onClick={() => void really()} ref={(b) => b?.focus()}>
          Cancel it, files too
        </button>
        <button type="button" class="plain" onClick={() => (asking.value = false)}>
          Keep
        </button>
      </span>
    );
  }
  return (
    <>
      <button type="button" class="plain" aria-label={`Cancel ${name}`} onClick={() => (asking.value = true)}>
        <Icon name="cross" /> Cancel
      </button>
      {trouble.value && <span class="error">{trouble.value}</span>}
    </>
  );
}
