// The form for a processor's parameters, made from what the Processor declares.
import { bounds, type Values } from "../parameters";
import type { Parameter } from "../types";

interface FieldProps {
  p: Parameter;
  value: string;
  error: string;
  onChange(text: string): void;
}

export function ParameterFields(props: {
  parameters: Parameter[];
  values: Values;
  errors: Record<string, string>;
  onChange(name: string, text: string): void;
}) {
  return (
    <div class="fields">
      {props.parameters.map((p) => (
        <Field
          key={p.name}
          p={p}
          value={props.values[p.name] ?? ""}
          error={props.errors[p.name] ?? ""}
          onChange={(text) => props.onChange(p.name, text)}
        />
      ))}
    </div>
  );
}

function Field(props: FieldProps) {
  const { p, error } = props;
  const id = `parameter-${p.name}`;
  const described = [`${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={`field ${error ? "wrong" : ""}`}>
      <label for={id}>{label(p.name)}</label>
      <Control {...props} id={id} described={described} />
      <p class="hint" id={`${id}-hint`}>
        {hint(p)}
      </p>
      {error && (
        <p class="error" id={`${id}-error`} role="alert">
          {label(p.name)} {error}.
        </p>
      )}
    </div>
  );
}

function Control({ p, value, error, onChange, id, described }: FieldProps & { id: string; described: string }) {
  const common = { id, name: p.name, "aria-describedby": described, "aria-invalid": error ? true : undefined };
  switch (p.type) {
    case "Enum":
      return (
        <select {...common} value={value || p.default || ""} onChange={(e) => onChange(e.currentTarget.value)}>
          {p.default === undefined && <option value="">Choose…</option>}
          {p.values?.map((v) => (
            <option key={v} value={v}>
              {v}
            </option>
          ))}
        </select>
      );
    case "Boolean":
      if (p.default === undefined) {
        return (
          <select {...common} value={value} onChange={(e) => onChange(e.currentTarget.value)}>
            <option value="">Choose…</option>
            <option value="true">yes</option>
            <option value="false">no</option>
          </select>
        );
      }
      return (
        <input
          {...common}
          type="checkbox"
          checked={(value || p.default) === "true"}
          onChange={(e) => onChange(String(e.currentTarget.checked))}
        />
      );
    case "Integer":
    case "Number":
      return (
        <input
          {...common}
          type="number"
          inputMode={p.type === "Integer" ? "numeric" : "decimal"}
          step={p.type === "Integer" ? 1 : "any"}
          min={p.minimum}
          max={p.maximum}
          placeholder={p.default}
          required={p.default === undefined}
          value={value}
          onInput={(e) => onChange(e.currentTarget.validity.badInput ? "?" : e.currentTarget.value)}
        />
      );
    case "String":
      return (
        <input
          {...common}
          type="text"
          autocomplete="off"
          spellcheck={false}
          placeholder={p.default}
          required={p.default === undefined}
          value={value}
          onInput={(e) => onChange(e.currentTarget.value)}
        />
      );
  }
}

/** startLayer → Start layer */
export function label(name: string): string {
  const spaced = name.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function standard(p: Parameter): string {
  if (p.default === undefined) return "must be set";
  if (p.default === "") return ""; // the empty field says it
  if (p.type === "Boolean") return `default ${p.default === "true" ? "on" : "off"}`;
  return `default ${p.default}`;
}

function hint(p: Parameter): string {
  const parts = [p.description, bounds(p).trim().replace(/^of /, ""), standard(p)];
  return parts
    .filter((part): part is string => !!part)
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1).replace(/\.$/, "") + ".")
    .join(" ");
}
