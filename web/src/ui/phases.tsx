// A job's way from the queue to its end, as a bar of three steps.
import { finished, type Job } from "../types";

const steps = ["Queued", "Running", "Done"];

export function Phases({ job }: { job: Job }) {
  const at = finished(job.status) ? 2 : job.status === "Running" ? 1 : 0;
  const bad = job.status === "Error" || job.status === "Timeout";
  const last = job.status === "Error" ? "Failed" : job.status === "Timeout" ? "Out of time" : "Done";
  const names = [...steps.slice(0, 2), last];
  return (
    <ol class={`phases ${bad ? "bad" : ""}`} aria-label={`Phase: ${names[at]}`}>
      {names.map((name, i) => (
        <li
          key={i}
          class={i < at || (i === at && at === 2) ? "done" : i === at ? "now" : ""}
          aria-current={i === at ? "step" : undefined}
        >
          {name}
        </li>
      ))}
    </ol>
  );
}
