// The list of this browser's jobs.
import { useComputed } from "@preact/signals";
import { bytes, count, duration, time } from "../format";
import { explain, summaryOf, whyUnchanged } from "../reasons";
import { trouble } from "../state/follow";
import { type Entry, entries, remove, removeGone } from "../state/jobs";
import { finished, type Job } from "../types";
import { CancelButton, DownloadButton } from "./actions";
import { Icon } from "./icons";
import { Phases } from "./phases";

export function Jobs() {
  const some = entries.value.length > 0;
  return (
    <section class="card jobs" aria-labelledby="jobs-title">
      <div class="head">
        <h2 id="jobs-title">Your prints</h2>
        {entries.value.some((e) => e.gone.value) && (
          <button type="button" class="plain" onClick={removeGone}>
            Clear expired ones
          </button>
        )}
      </div>
      {trouble.value && (
        <p class="notice bad" role="status">
          No news at the moment: {trouble.value}. It is tried again.
        </p>
      )}
      {some ? (
        <ul class="rows" tabIndex={-1}>
          {entries.value.map((e) => (
            <JobRow key={e.id} e={e} />
          ))}
        </ul>
      ) : (
        <p class="empty">Nothing yet. What you send is listed here, in this browser only.</p>
      )}
    </section>
  );
}

function JobRow({ e }: { e: Entry }) {
  const name = useComputed(() => e.job.value?.input?.name || e.name || e.id).value;
  const job = e.job.value;
  const gone = e.gone.value;
  return (
    <li class="row job" data-phase={gone ? "Gone" : (job?.status ?? "")}>
      <div class="head">
        <a class="name" href={`#/job/${e.id}`}>
          {name}
        </a>
        <span class="buttons">
          {!gone && job && <DownloadButton job={job} />}
          {!gone && job && !finished(job.status) && <CancelButton job={job} />}
          {(gone || !job || finished(job.status)) && (
            <button type="button" class="plain icon-only" aria-label={`Take ${name} off the list`} onClick={() => remove(e.id)}>
              <Icon name="cross" />
            </button>
          )}
        </span>
      </div>
      {gone ? <p class="hint">Expired or cancelled; its files are gone.</p> : job ? <State job={job} /> : <p class="hint">…</p>}
    </li>
  );
}

function State({ job }: { job: Job }) {
  const said = explain(job);
  const summary = summaryOf(job);
  return (
    <>
      <Phases job={job} />
      <p class="hint">
        {job.status === "Completed" && summary ? numbers(job) : said.title + queued(job)}
        <span class="dim"> · {facts(job)}</span>
      </p>
      {said.message && finished(job.status) && <p class="error">{said.message}</p>}
    </>
  );
}

function numbers(job: Job): string {
  const s = summaryOf(job)!;
  if (s.outcome === "noop") return `Left as it is: ${whyUnchanged(s)}`;
  return `${count(s.raised)} of ${count(s.loops)} inner loops raised`;
}

/** Where a job stands in the queue, as far as that is known. */
export function queued(job: Job): string {
  const { position, estimate_seconds: estimate } = job.queue ?? {};
  if (job.status !== "Pending" || position === undefined) return "";
  const ahead = position === 0 ? "next in line" : `${count(position)} ahead`;
  return `: ${ahead}${estimate !== undefined ? `, about ${duration(estimate)}` : ""}`;
}

function facts(job: Job): string {
  const parts = [job.processor];
  if (job.input) parts.push(bytes(job.input.size));
  if (job.started_at && job.finished_at) {
    parts.push(`took ${duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000)}`);
  } else {
    parts.push(time(job.created_at));
  }
  return parts.join(" · ");
}
