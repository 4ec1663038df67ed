// What the gateway's JSON looks like; docs/http-api.md is its description.

export type Phase = "Pending" | "Running" | "Completed" | "Error" | "Timeout";

export interface FileInfo {
  name: string;
  size: number; // bytes
  sha256: string;
  download?: string; // address
}

export interface Queue {
  reason?: string;
  message?: string;
  position?: number; // jobs ahead
  estimate_seconds?: number;
}

export interface Job {
  job_id: string;
  status: Phase;
  reason?: string;
  message?: string;
  processor: string;
  parameters?: Record<string, string>;
  priority: number;
  attempts: number;
  created_at: string;
  started_at?: string;
  finished_at?: string;
  queue?: Queue;
  input?: FileInfo;
  output?: FileInfo[];
  links: { status: string; events: string; download: string; input?: string };
}

export type ParameterType = "String" | "Number" | "Integer" | "Boolean" | "Enum";

export interface Parameter {
  name: string;
  type: ParameterType;
  description?: string;
  default?: string; // none: it must be set
  minimum?: string;
  maximum?: string;
  values?: string[];
  pattern?: string; // RE2, of the whole text
}

export interface Processor {
  name: string;
  default: boolean;
  description?: string;
  formats?: string[]; // none: any file
  max_size: number; // bytes
  parameters: Parameter[];
}

export interface ParameterProblem {
  parameter: string;
  message: string;
}

export interface Problem {
  status: number;
  title?: string;
  reason?: string;
  detail?: string;
  errors?: ParameterProblem[];
}

export function finished(phase: Phase): boolean {
  return phase === "Completed" || phase === "Error" || phase === "Timeout";
}
