import type { Job } from "../types";
export function Preview(_: { job: Job }) { return null; }
