// Checks a form's values as the gateway will, so that what is wrong is said before anything is sent.
import type { Parameter } from "./types";

export type Values = Record<string, string>;

/** What is wrong with a value and how to mend it, or "". An empty text stands for the default. */
export function check(p: Parameter, text: string): string {
  if (text === "") return p.default === undefined ? `must be set: ${expects(p)}` : "";
  if ([...text].length > 1024) return "is longer than 1,024 characters";
  switch (p.type) {
    case "Integer":
      return checkNumber(p, text, /^-?[0-9]+$/);
    case "Number":
      return checkNumber(p, text, /^-?[0-9]+(\.[0-9]+)?$/);
    case "Boolean":
      return text === "true" || text === "false" ? "" : `must be ${expects(p)}`;
    case "Enum":
      return p.values?.includes(text) ? "" : `must be ${expects(p)}`;
    case "String":
      return checkPattern(p, text);
  }
}

function checkNumber(p: Parameter, text: string, form: RegExp): string {
  const n = Number(text);
  const wrong =
    !form.test(text) ||
    text.length > 32 ||
    (p.minimum !== undefined && n < Number(p.minimum)) ||
    (p.maximum !== undefined && n > Number(p.maximum));
  return wrong ? `must be ${expects(p)}` : "";
}

function checkPattern(p: Parameter, text: string): string {
  if (!p.pattern) return "";
  let form: RegExp;
  try {
    form = new RegExp(`^(?:${p.pattern})$`, "u");
  } catch {
    return ""; // the gateway's expressions are not all the browser's; it will check
  }
  return form.test(text) ? "" : `must look like ${p.pattern}`;
}

/** What a parameter takes, in words. */
export function expects(p: Parameter): string {
  switch (p.type) {
    case "Integer":
      return "a whole number" + bounds(p);
    case "Number":
      return "a number" + bounds(p);
    case "Boolean":
      return "true or false";
    case "Enum":
      return "one of " + (p.values ?? []).join(", ");
    case "String":
      return p.pattern ? `text like ${p.pattern}` : "text";
  }
}

export function bounds(p: Parameter): string {
  if (p.minimum !== undefined && p.maximum !== undefined) return ` from ${p.minimum} to ${p.maximum}`;
  if (p.minimum !== undefined) return ` of at least ${p.minimum}`;
  if (p.maximum !== undefined) return ` of at most ${p.maximum}`;
  return "";
}

/** Everything that is wrong, by parameter. */
export function checkAll(parameters: Parameter[], values: Values): Record<string, string> {
  const wrong: Record<string, string> = {};
  for (const p of parameters) {
    const message = check(p, values[p.name] ?? "");
    if (message) wrong[p.name] = message;
  }
  return wrong;
}

/** The values that say something else than nothing; the gateway fills in the rest. */
export function given(parameters: Parameter[], values: Values): Values {
  const set: Values = {};
  for (const p of parameters) {
    const text = values[p.name];
    if (text) set[p.name] = text;
  }
  return set;
}

/** What is wrong with a file before it is sent, or "". */
export function checkFile(
  file: { name: string; size: number },
  accepts: { formats?: string[]; max_size: number },
  size: (n: number) => string,
): string {
  if (file.size === 0) return "The file is empty.";
  if (file.size > accepts.max_size) return `The file has ${size(file.size)}; the limit is ${size(accepts.max_size)}.`;
  return checkName(file.name, accepts.formats);
}

function checkName(name: string, formats: string[] = []): string {
  const lower = name.toLowerCase();
  if (formats.length > 0 && !formats.some((f) => lower.endsWith("." + f))) {
    return `Only files ending in ${formats.map((f) => "." + f).join(", ")} are taken.`;
  }
  return "";
}

/** What is wrong with a link before it is sent, or "". */
export function checkLink(address: string, name: string, accepts: { formats?: string[] }): string {
  if (!URL.canParse(address) || new URL(address).protocol !== "https:") return "A link must begin with https://.";
  return checkName(name, accepts.formats);
}
