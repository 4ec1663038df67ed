// Choosing files by their addresses.
import { useRef } from "preact/hooks";
import { addLink } from "../state/links";

/** A field that takes a link as soon as it is pasted, or with Enter or its button. */
export function LinkField() {
  const input = useRef<HTMLInputElement>(null);
  const take = () => {
    addLink(input.current!.value);
    input.current!.value = "";
  };
  return (
    <div class="link">
      <label for="link">or paste a link to one</label>
      <input
        ref={input}
        id="link"
        type="url"
        inputMode="url"
        autocomplete="off"
        placeholder="https://"
        onInput={(e) => e.inputType === "insertFromPaste" && take()}
        onKeyDown={(e) => {
          if (e.key !== "Enter") return;
          e.preventDefault(); // or the form would be sent
          take();
        }}
      />
      <button type="button" onClick={take}>
        Add
      </button>
    </div>
  );
}

/** The link in what is pasted somewhere on the page, or "". */
export function pastedLink(e: ClipboardEvent): string {
  if ((e.target as HTMLElement).matches("input, textarea")) return ""; // it is the field's
  const text = e.clipboardData?.getData("text/plain").trim() ?? "";
  return /^https:\/\/\S+$/i.test(text) ? text : "";
}
