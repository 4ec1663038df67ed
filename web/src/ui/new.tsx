// Choosing files and what is to be done with them.
import { computed, signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { processors as fetchProcessors, token, words } from "../api";
import { bytes } from "../format";
import { checkAll, checkFile, checkLink, given, type Values } from "../parameters";
import { addLink, links, nameOf, removeLink, submitLink } from "../state/links";
import { send } from "../state/uploads";
import type { Processor } from "../types";
import { Icon } from "./icons";
import { LinkField, pastedLink } from "./links";
import { ParameterFields } from "./parameters";

const processors = signal<Processor[] | null>(null);
const trouble = signal("");
const chosenName = signal("");
const values = signal<Record<string, Values>>({}); // by processor
const priority = signal("");
const files = signal<File[]>([]);
const showErrors = signal(false);

const chosen = computed(() => {
  const all = processors.value ?? [];
  return all.find((p) => p.name === chosenName.value) ?? all.find((p) => p.default) ?? all[0];
});
const chosenValues = computed(() => (chosen.value && values.value[chosen.value.name]) || {});
const wrongParameters = computed(() => checkAll(chosen.value?.parameters ?? [], chosenValues.value));
const wrongPriority = computed(() => {
  const text = priority.value;
  const fine = text === "" || (/^-?[0-9]+$/.test(text) && Math.abs(Number(text)) <= 1_000_000);
  return fine ? "" : "must be a whole number from −1,000,000 to 1,000,000";
});
const wrongFiles = computed(() =>
  files.value.map((f) => (chosen.value ? checkFile(f, chosen.value, bytes) : "")),
);
const wrongLinks = computed(() =>
  links.value.map((l) => l.error || (chosen.value ? checkLink(l.address, nameOf(l.address), chosen.value) : "")),
);
/** What the gateway said of a link does not keep it from being tried again. */
const goodLinks = computed(() => links.value.filter((l, i) => l.error || !wrongLinks.value[i]));

async function load() {
  try {
    processors.value = await fetchProcessors();
    trouble.value = "";
  } catch (err) {
    trouble.value = words(err);
  }
}

export function addFiles(list: Iterable<File>) {
  const known = new Set(files.value.map((f) => `${f.name}/${f.size}/${f.lastModified}`));
  files.value = [...files.value, ...[...list].filter((f) => !known.has(`${f.name}/${f.size}/${f.lastModified}`))];
}

function submit(event: Event) {
  event.preventDefault();
  showErrors.value = true;
  const p = chosen.value;
  if (!p) return;
  if (Object.keys(wrongParameters.value).length > 0 || wrongPriority.value) {
    queueMicrotask(() => document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
    return;
  }
  const fine = files.value.filter((_, i) => !wrongFiles.value[i]);
  const set = given(p.parameters, chosenValues.value);
  for (const link of goodLinks.value) void submitLink(link, p.name, set, priority.value);
  if (fine.length > 0) send(fine, p.name, set, priority.value);
  files.value = files.value.filter((f) => !fine.includes(f));
  showErrors.value = false;
}

export function NewJobs() {
  useEffect(() => void load(), [token.value]);
  const ready = files.value.filter((_, i) => !wrongFiles.value[i]).length + goodLinks.value.length;
  const some = files.value.length + links.value.length > 0;
  return (
    <form class="card new" aria-labelledby="new-title" onSubmit={submit} noValidate>
      <h2 id="new-title">New print</h2>
      <DropZone />
      {some && <Chosen />}
      {trouble.value && (
        <p class="notice bad" role="alert">
          The processors could not be read: {trouble.value}.{" "}
          <button type="button" class="plain" onClick={() => void load()}>
            Try again
          </button>
        </p>
      )}
      {processors.value?.length === 0 && (
        <p class="notice">There is no processor yet. Whoever runs this installation can add one.</p>
      )}
      {chosen.value && <Settings processor={chosen.value} />}
      <div class="actions">
        <button type="submit" class="primary" disabled={ready === 0 || !chosen.value}>
          <Icon name="upload" />
          {ready > 1 ? `Process ${ready} files` : "Process"}
        </button>
        {!some && <span class="hint">Choose a file first.</span>}
      </div>
    </form>
  );
}

function DropZone() {
  const over = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => dropAnywhere((is) => (over.value = is)), []);
  const formats = chosen.value?.formats ?? [];
  return (
    <div class={`drop ${over.value ? "over" : ""}`}>
      <div class="bricks" aria-hidden="true" />
      <p class="big">Drop sliced prints here</p>
      <button type="button" onClick={() => input.current?.click()}>
        Choose files
      </button>
      <input
        ref={input}
        id="files"
        class="hidden"
        type="file"
        multiple
        tabIndex={-1}
        aria-label="Files to process"
        onChange={(e) => {
          addFiles(e.currentTarget.files ?? []);
          e.currentTarget.value = "";
        }}
      />
      <LinkField />
      {chosen.value && (
        <p class="hint">
          {formats.length > 0 ? formats.map((f) => "." + f).join(", ") : "Any file"}, up to {bytes(chosen.value.max_size)}
        </p>
      )}
    </div>
  );
}

/** Takes files that are dropped, and files and links that are pasted, anywhere on the page. */
function dropAnywhere(over: (is: boolean) => void): () => void {
  let depth = 0;
  const hasFiles = (e: DragEvent) => e.dataTransfer?.types.includes("Files") ?? false;
  const listeners = {
    dragenter: (e: DragEvent) => hasFiles(e) && over(++depth > 0),
    dragleave: (e: DragEvent) => hasFiles(e) && over(--depth > 0),
    dragover: (e: DragEvent) => hasFiles(e) && e.preventDefault(),
    drop: (e: DragEvent) => {
      depth = 0;
      over(false);
      if (!hasFiles(e)) return;
      e.preventDefault();
      addFiles(e.dataTransfer!.files);
    },
  };
  const paste = (e: ClipboardEvent) => {
    addFiles(e.clipboardData?.files ?? []);
    addLink(pastedLink(e));
  };
  for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener as EventListener);
  addEventListener("paste", paste);
  return () => {
    for (const [name, listener] of Object.entries(listeners)) removeEventListener(name, listener as EventListener);
    removeEventListener("paste", paste);
  };
}

function Chosen() {
  return (
    <ul class="chosen" aria-label="Chosen files">
      {files.value.map((file, i) => (
        <ChosenOne
          key={i}
          name={file.name}
          hint={bytes(file.size)}
          wrong={wrongFiles.value[i]}
          remove={() => (files.value = files.value.filter((f) => f !== file))}
        />
      ))}
      {links.value.map((link, i) => (
        <ChosenOne key={link.address} name={link.address} hint="link" wrong={wrongLinks.value[i]} remove={() => removeLink(link)} />
      ))}
    </ul>
  );
}

function ChosenOne({ name, hint, wrong, remove }: { name: string; hint: string; wrong: string | undefined; remove: () => void }) {
  return (
    <li class={wrong ? "wrong" : ""}>
      <span class="name">{name}</span>
      <span class="hint">{hint}</span>
      <button type="button" class="plain icon-only" aria-label={`Take ${name} off`} onClick={remove}>
        <Icon name="cross" />
      </button>
      {wrong && (
        <p class="error" role="alert">
          {wrong}
        </p>
      )}
    </li>
  );
}

function Settings({ processor }: { processor: Processor }) {
  const all = processors.value ?? [];
  return (
    <fieldset class="settings">
      <legend>What to do</legend>
      <div class="field">
        <label for="processor">Processor</label>
        <select id="processor" value={processor.name} onChange={(e) => (chosenName.value = e.currentTarget.value)}>
          {all.map((p) => (
            <option key={p.name} value={p.name}>
              {p.name}
            </option>
          ))}
        </select>
        {processor.description && <p class="hint">{processor.description.replace(/\.?$/, ".")}</p>}
      </div>
      <ParameterFields
        parameters={processor.parameters}
        values={chosenValues.value}
        errors={shown()}
        onChange={(name, text) => {
          const changed = { ...chosenValues.value, [name]: text };
          values.value = { ...values.value, [processor.name]: changed };
        }}
      />
      <Priority />
    </fieldset>
  );
}

/** Errors of fields that were filled in at once, of empty ones only after an attempt to send. */
function shown(): Record<string, string> {
  const wrong = Object.entries(wrongParameters.value);
  return Object.fromEntries(wrong.filter(([name]) => showErrors.value || chosenValues.value[name]));
}

function Priority() {
  return (
    <details class="more">
      <summary>Priority</summary>
      <div class={`field ${wrongPriority.value ? "wrong" : ""}`}>
        <label for="priority">Priority</label>
        <input
          id="priority"
          type="number"
          inputMode="numeric"
          step={1}
          placeholder="0"
          value={priority.value}
          aria-describedby="priority-hint"
          aria-invalid={wrongPriority.value ? true : undefined}
          onInput={(e) => (priority.value = e.currentTarget.validity.badInput ? "?" : e.currentTarget.value)}
        />
        <p class="hint" id="priority-hint">
          The higher, the sooner it starts. Default 0.
        </p>
        {wrongPriority.value && (
          <p class="error" role="alert">
            Priority {wrongPriority.value}.
          </p>
        )}
      </div>
    </details>
  );
}
