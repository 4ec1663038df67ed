// The uploads under way.
import { bytes, duration } from "../format";
import { discard, pause, resume, type Upload, uploads } from "../state/uploads";
import { Icon } from "./icons";

export function Uploads() {
  if (uploads.value.length === 0) return null;
  return (
    <section class="card" aria-labelledby="uploads-title">
      <h2 id="uploads-title">Uploading</h2>
      <ul class="rows">
        {uploads.value.map((u) => (
          <UploadRow key={u.kept.key} u={u} />
        ))}
      </ul>
    </section>
  );
}

function UploadRow({ u }: { u: Upload }) {
  const { file } = u.kept;
  const state = u.state.value;
  return (
    <li class="row upload" data-state={state}>
      <div class="head">
        <span class="name">{file.name}</span>
        <span class="buttons">
          {(state === "sending" || state === "waiting" || state === "offline") && (
            <button type="button" class="plain" onClick={() => pause(u)} aria-label={`Pause ${file.name}`}>
              <Icon name="pause" /> Pause
            </button>
          )}
          {(state === "paused" || state === "failed") && (
            <button type="button" class="plain" onClick={() => resume(u)} aria-label={`Go on with ${file.name}`}>
              <Icon name={state === "paused" ? "play" : "again"} /> {state === "paused" ? "Go on" : "Try again"}
            </button>
          )}
          {state === "refused" ? (
            <button type="button" class="plain" onClick={() => discard(u)} aria-label={`Take ${file.name} off the list`}>
              <Icon name="cross" /> Dismiss
            </button>
          ) : (
            <button type="button" class="plain" onClick={() => discard(u)} aria-label={`Cancel ${file.name}`}>
              <Icon name="cross" /> Cancel
            </button>
          )}
        </span>
      </div>
      {state !== "refused" && <Sent u={u} />}
      {(state === "failed" || state === "refused") && (
        <p class="error" role="alert">
          {state === "refused" && "Not accepted: "}
          {u.error.value}
          {u.errors.value.map((e) => (
            <span key={e.parameter} class="line">
              {e.parameter} {e.message}
            </span>
          ))}
        </p>
      )}
    </li>
  );
}

function Sent({ u }: { u: Upload }) {
  const { file } = u.kept;
  const percent = Math.floor((u.sent.value / file.size) * 100);
  return (
    <>
      <progress max={file.size} value={u.sent.value} aria-label={`Progress of ${file.name}`} />
      <p class="hint">
        {bytes(u.sent.value)} of {bytes(file.size)} · {percent} %{rest(u)}
      </p>
    </>
  );
}

function rest(u: Upload): string {
  switch (u.state.value) {
    case "waiting":
      return " · waits for the others";
    case "paused":
      return " · paused";
    case "offline":
      return " · no network; it goes on by itself when it is back";
    case "failed":
    case "refused":
      return "";
    case "sending": {
      const speed = u.speed.value;
      if (speed <= 0) return "";
      return ` · ${bytes(speed)}/s · ${duration((u.kept.file.size - u.sent.value) / speed)} left`;
    }
  }
}
