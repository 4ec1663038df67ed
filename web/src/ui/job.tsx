// The page of one job, which can be shared by its address.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { bytes, count, duration, time } from "../format";
import { explain, summaryOf, whyUnchanged } from "../reasons";
import { guests, trouble } from "../state/follow";
import { type Entry, find } from "../state/jobs";
import { finished, type Job } from "../types";
import { CancelButton, DownloadFile } from "./actions";
import { Icon } from "./icons";
import { queued } from "./jobs";
import { label } from "./parameters";
import { Phases } from "./phases";
import { Preview } from "./preview";

export function JobPage({ id }: { id: string }) {
  const e = useMemo<Entry>(() => find(id) ?? { id, name: "", job: signal(null), gone: signal(false) }, [id]);
  useEffect(() => {
    if (find(id)) return;
    guests.value = [e];
    return () => (guests.value = []);
  }, [id]);
  const job = e.job.value;
  const name = job?.input?.name || e.name || "Print";
  useEffect(() => {
    document.title = `${job ? `${explain(job).title} · ` : ""}${name} · Bricklayers`;
    return () => (document.title = "Bricklayers");
  }, [name, job?.status]);
  return (
    <article class="job-page" aria-labelledby="job-title">
      <a class="back" href="#/">
        <Icon name="back" /> All prints
      </a>
      <h2 id="job-title" class="name" tabIndex={-1}>
        {name}
      </h2>
      {e.gone.value ? (
        <p class="notice">There is no such job any more: it has expired or was cancelled, and its files are gone.</p>
      ) : job ? (
        <Details job={job} />
      ) : (
        <p class="hint" role="status">
          {trouble.value ? `No news at the moment: ${trouble.value}.` : "Asking the gateway…"}
        </p>
      )}
    </article>
  );
}

function Details({ job }: { job: Job }) {
  return (
    <>
      <section class="card" aria-label="State">
        <Phases job={job} />
        <Said job={job} />
        <div class="actions">
          {job.output?.map((f, i, all) => (
            <DownloadFile key={f.name} file={f} strong={i === 0} label={all.length > 1 ? f.name : `Download (${bytes(f.size)})`} />
          ))}
          <Share />
          {!finished(job.status) && <CancelButton job={job} />}
        </div>
      </section>
      <Numbers job={job} />
      <Preview job={job} />
      <Facts job={job} />
    </>
  );
}

function Said({ job }: { job: Job }) {
  const said = explain(job);
  const summary = summaryOf(job);
  const unchanged = summary ? whyUnchanged(summary) : "";
  return (
    <div class="said" role="status" aria-live="polite">
      <p class="big">{unchanged ? "Left as it is" : said.title + queued(job)}</p>
      {unchanged && <p>{unchanged}</p>}
      {said.message && <p class={finished(job.status) ? "error" : "hint"}>{said.message}</p>}
      {said.todo && <p>{said.todo}</p>}
    </div>
  );
}

function Share() {
  const copied = useSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      copied.value = "Copied";
    } catch {
      copied.value = "Copy this page's address"; // not allowed to, or no https
    }
  };
  return (
    <button type="button" class="plain" onClick={() => void copy()} title="Whoever has the link can see the job and download its result">
      <Icon name={copied.value === "Copied" ? "check" : "link"} /> <span role="status">{copied.value || "Copy link"}</span>
    </button>
  );
}

function Numbers({ job }: { job: Job }) {
  const s = summaryOf(job);
  if (!s || s.outcome === "noop") return null;
  const rows: [string, string][] = [
    ["layers", count(s.layers)],
    ["inner loops", count(s.loops)],
    ["raised", count(s.raised)],
    ["capped flat below a surface", count(s.capped)],
  ];
  return (
    <section class="numbers" aria-label="What was done">
      <dl>
        {rows.map(([what, n]) => (
          <div key={what} class={what.startsWith("raised") ? "raised" : ""}>
            <dt>{what}</dt>
            <dd>{n}</dd>
          </div>
        ))}
      </dl>
      {s.warnings?.length ? <p class="hint">Warnings: {s.warnings.join(", ")}</p> : null}
    </section>
  );
}

function Facts({ job }: { job: Job }) {
  const took =
    job.started_at && job.finished_at
      ? duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000)
      : undefined;
  const parameters = Object.entries(job.parameters ?? {});
  const rows: [string, string | undefined][] = [
    ["Processor", job.processor],
    ["Parameters", parameters.length ? parameters.map(([k, v]) => `${label(k)} ${v}`).join(", ") : "defaults"],
    ["Priority", job.priority ? String(job.priority) : undefined],
    ["Sent", time(job.created_at)],
    ["Took", took],
    ["Attempts", job.attempts > 1 ? String(job.attempts) : undefined],
    ["Slicer", summaryOf(job)?.slicer],
    ["Input", job.input && `${job.input.name}, ${bytes(job.input.size)}`],
    ["SHA-256", job.input?.sha256],
    ...(job.output ?? []).flatMap((f): [string, string][] => [
      ["Result", `${f.name}, ${bytes(f.size)}`],
      ["SHA-256", f.sha256],
    ]),
    ["Job", job.job_id],
  ];
  return (
    <section class="card" aria-labelledby="facts-title">
      <h3 id="facts-title">Details</h3>
      <dl class="facts">
        {rows.map(([what, text], i) =>
          text ? (
            <div key={i}>
              <dt>{what}</dt>
              <dd class={what === "SHA-256" || what === "Job" ? "code" : ""}>{text}</dd>
            </div>
          ) : null,
        )}
      </dl>
    </section>
  );
}
