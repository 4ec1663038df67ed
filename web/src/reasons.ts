// What a job's reason means for whoever sent the file, and what to do. The words themselves are a closed list,
// docs/processingjob.md.
import type { Job } from "./types";

interface Advice {
  title: string;
  todo?: string;
}

const advice: Record<string, Advice> = {
  Queued: { title: "Waiting for its turn" },
  InstallationLimit: { title: "Waiting for its turn", todo: "As many jobs run as this installation allows." },
  ProcessorLimit: { title: "Waiting for its turn", todo: "As many jobs run as this processor allows." },
  NamespaceLimit: { title: "Waiting for its turn", todo: "As many jobs run as this namespace may." },
  Suspended: { title: "On hold", todo: "It was suspended; whoever did that can release it." },
  Kueue: { title: "Waiting for Kueue", todo: "The cluster's queue decides when it starts." },
  ProcessorNotFound: {
    title: "Its processor does not exist",
    todo: "It starts when there is one. Ask whoever runs this installation, or cancel it and choose another processor.",
  },
  Starting: { title: "Starting" },
  Started: { title: "Running" },
  Retrying: { title: "Trying again", todo: "An attempt failed; another one follows by itself." },
  ImagePull: {
    title: "Cannot start: the processor's image cannot be had",
    todo: "It goes on by itself once the image is there. Ask whoever runs this installation.",
  },
  Unschedulable: {
    title: "Cannot start: the cluster has no room",
    todo: "It goes on by itself once there is room.",
  },
  ContainerSetup: { title: "Cannot start", todo: "The processor is set up wrongly. Ask whoever runs this installation." },
  PodNotCreated: { title: "Cannot start", todo: "The cluster does not let its pod in, for example because of a quota." },
  Completed: { title: "Done" },
  InputRejected: {
    title: "The file was not accepted",
    todo: "Trying again will not help. Mend what the message says, slice the model again, and send the new file.",
  },
  InvalidParameters: { title: "The parameters do not fit", todo: "Send the file again with other parameters." },
  ProcessorFailed: {
    title: "The processor failed",
    todo: "This is not the file's fault as far as can be told. Send it again; if that fails too, pass this page's link on.",
  },
  FetchFailed: { title: "The file could not be fetched", todo: "Send it again, or check the link." },
  StoreFailed: { title: "The result could not be stored", todo: "Send the file again later." },
  OutOfMemory: {
    title: "The processor ran out of memory",
    todo: "The file is too large for this processor's limits. Ask for a higher limit, or send a smaller file.",
  },
  ResultMissing: { title: "No result was stored", todo: "Send the file again." },
  NameConflict: { title: "The job could not start", todo: "Something else in the cluster has its name. Send the file again." },
  JobRefused: { title: "The cluster refused the job", todo: "Pass the message on to whoever runs this installation." },
  JobDeleted: { title: "Somebody stopped it", todo: "Send the file again if that was a mistake." },
  NotStarted: { title: "It did not start in time", todo: "The cluster had no room for it, or its image. Send it again later." },
  DeadlineExceeded: {
    title: "It did not end in time",
    todo: "The file takes longer than this processor may. Ask for a longer time, or send a smaller file.",
  },
};

export interface Words {
  title: string;
  message: string; // what was said about this very job, or ""
  todo: string; // or ""
}

/** A job's state in words. */
export function explain(job: Job): Words {
  const reason = job.queue?.reason || job.reason || job.status;
  const found = advice[reason] ?? { title: reason };
  const raw = job.queue?.message || job.message || "";
  return { title: found.title, message: job.status === "Completed" ? "" : raw, todo: found.todo ?? "" };
}

/** What brick says of a print it has processed: the message of a completed job. */
export interface Summary {
  outcome: string;
  reason?: string;
  detail?: string;
  warnings?: string[];
  slicer?: string;
  layers: number;
  loops: number;
  raised: number;
  capped: number;
}

/** brick's summary, if the job's message is one. */
export function summaryOf(job: Job): Summary | null {
  if (job.status !== "Completed" || !job.message?.trimStart().startsWith("{")) return null;
  try {
    const parsed = JSON.parse(job.message) as Partial<Summary>;
    return typeof parsed.outcome === "string" && typeof parsed.layers === "number" ? (parsed as Summary) : null;
  } catch {
    return null;
  }
}

/** Why a print came back as it was, or "". */
export function whyUnchanged(s: Summary): string {
  if (s.outcome !== "noop") return "";
  return s.detail ?? "Nothing could be done with it.";
}
