// The preview and its controls.
import { batch, effect, type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { bytes, count } from "../format";
import { theme } from "../state/theme";
import type { Source } from "../ui/preview";
import { load, LoadError } from "./load";
import { Kind, kinds, layerCount, type Print } from "./print";
import { type Shown, Viewer } from "./scene";

type Which = "Output" | "Input" | "Both";

interface State {
  loaded: Signal<Partial<Record<Source["which"], Shown>>>;
  which: Signal<Which>;
  top: Signal<number>;
  only: Signal<boolean>; // the top layer alone
  hidden: Signal<number>; // a bit for each kind
}

export function Layers({ sources }: { sources: Source[] }) {
  const state: State = {
    loaded: useSignal({}),
    which: useSignal<Which>(sources[0]!.which),
    top: useSignal(0),
    only: useSignal(false),
    hidden: useSignal(1 << Kind.other),
  };
  const progress = useSignal("");
  const trouble = useSignal("");
  const wanted = state.which.value === "Both" ? sources : sources.filter((s) => s.which === state.which.value);
  useEffect(() => {
    for (const s of wanted) if (!state.loaded.value[s.which]) void fetchPrint(s, state, progress, trouble);
  }, [state.which.value]);
  const prints = wanted.map((s) => state.loaded.value[s.which]).filter((p) => p !== undefined);
  const ready = prints.length === wanted.length;
  return (
    <>
      {sources.length > 1 && <Choice state={state} />}
      {trouble.value && (
        <p class="notice bad" role="alert">
          {trouble.value}
        </p>
      )}
      {!ready && !trouble.value && (
        <p class="hint" role="status">
          Reading the print… {progress.value}
        </p>
      )}
      {prints.length > 0 && <View state={state} prints={prints} labels={wanted.map((s) => s.which)} />}
    </>
  );
}

async function fetchPrint(s: Source, state: State, progress: Signal<string>, trouble: Signal<string>) {
  try {
    const got = await load(s.address, (n) => (progress.value = bytes(n)));
    if (got.print.count === 0) throw new LoadError("format", "there is nothing in it that could be shown");
    batch(() => {
      // From here on one sees into the walls, which is where something was done.
      if (Object.keys(state.loaded.value).length === 0) state.top.value = Math.floor((layerCount(got.print) - 1) * 0.6);
      state.loaded.value = { ...state.loaded.value, [s.which]: got };
    });
  } catch (err) {
    const large = err instanceof LoadError && err.why === "too-large";
    trouble.value = large
      ? "The print has too many moves to be shown here. The numbers above say what was done; any slicer shows the file."
      : `The ${s.which.toLowerCase()} cannot be shown: ${err instanceof Error ? err.message : String(err)}.`;
  }
}

function Choice({ state }: { state: State }) {
  return (
    <div class="segments" role="group" aria-label="What is shown">
      {(["Output", "Input", "Both"] as const).map((w) => (
        <button key={w} type="button" class="plain" aria-pressed={state.which.value === w} onClick={() => (state.which.value = w)}>
          {w === "Both" ? "Side by side" : w}
        </button>
      ))}
    </div>
  );
}

function View({ state, prints, labels }: { state: State; prints: Shown[]; labels: string[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewer = useRef<Viewer | null>(null);
  const noGraphics = useSignal(false);
  useEffect(() => {
    const element = canvas.current!;
    const drawn = () => (element.dataset.drawn = String(Number(element.dataset.drawn ?? 0) + 1));
    try {
      viewer.current = new Viewer(element, colours, drawn);
    } catch {
      noGraphics.value = true;
    }
    const repaint = effect(() => {
      void theme.value;
      viewer.current?.draw();
    });
    return () => {
      repaint();
      viewer.current?.dispose();
    };
  }, []);
  const layers = Math.max(...prints.map((p) => layerCount(p.print)));
  const top = Math.min(state.top.value, layers - 1);
  const view = { prints, from: state.only.value ? top : 0, to: top, hidden: state.hidden.value };
  useEffect(() => viewer.current?.set(view));
  if (noGraphics.value) {
    return <p class="notice">This browser has no WebGL, which drawing in three dimensions needs. Any slicer shows the downloaded file.</p>;
  }
  return (
    <>
      <div class={`stage parts-${prints.length}`}>
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={describe(prints[0]!.print, top, layers)}
          aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown + - 0"
          onKeyDown={(e) => viewer.current && steer(viewer.current, e)}
        />
        {prints.length > 1 && labels.map((l) => <span key={l} class={`tag ${l.toLowerCase()}`}>{l}</span>)}
      </div>
      <LayerSlider state={state} top={top} layers={layers} z={prints[0]!.print.heights[top] ?? 0} />
      <Legend state={state} prints={prints} />
      <p class="hint">Drag or use the arrow keys to turn, scroll or + and − to come nearer, 0 to see it all.</p>
    </>
  );
}

function describe(p: Print, top: number, layers: number): string {
  const raised = p.raisedLoops > 0 ? `, ${count(p.raisedLoops)} raised loops in orange` : "";
  return `Three-dimensional view of the print up to layer ${top + 1} of ${layers}${raised}`;
}

function steer(viewer: Viewer, e: KeyboardEvent) {
  const step = 0.12;
  const moves: Record<string, () => void> = {
    ArrowLeft: () => viewer.turn(-step, 0, 1),
    ArrowRight: () => viewer.turn(step, 0, 1),
    ArrowUp: () => viewer.turn(0, -step, 1),
    ArrowDown: () => viewer.turn(0, step, 1),
    "+": () => viewer.turn(0, 0, 1.15),
    "-": () => viewer.turn(0, 0, 1 / 1.15),
    "0": () => viewer.fit(),
  };
  const move = moves[e.key];
  if (!move) return;
  e.preventDefault();
  move();
}

function LayerSlider({ state, top, layers, z }: { state: State; top: number; layers: number; z: number }) {
  return (
    <div class="slider">
      <label for="layer">Layer</label>
      <input
        id="layer"
        type="range"
        min={1}
        max={layers}
        value={top + 1}
        aria-valuetext={`${top + 1} of ${layers}, ${z.toFixed(2)} mm`}
        onInput={(e) => (state.top.value = e.currentTarget.valueAsNumber - 1)}
      />
      <output for="layer">
        {count(top + 1)} of {count(layers)} · {z.toFixed(2)} mm
      </output>
      <label class="check">
        <input type="checkbox" checked={state.only.value} onChange={(e) => (state.only.value = e.currentTarget.checked)} />
        This layer only
      </label>
    </div>
  );
}

function Legend({ state, prints }: { state: State; prints: Shown[] }) {
  // All pieces are walked through, millions of them, so not at each step of the slider.
  const present = useMemo(() => {
    const found = new Set<number>();
    for (const { print } of prints) for (let i = 0; i < print.styles.length; i += 4) found.add(print.styles[i]!);
    return found;
  }, [prints.length, prints[0], prints[1]]);
  return (
    <div class="legend" role="group" aria-label="What is drawn">
      {kinds.map((name, kind) =>
        present.has(kind) ? (
          <label key={name} class={`check kind-${kind}`}>
            <input
              type="checkbox"
              checked={(state.hidden.value & (1 << kind)) === 0}
              onChange={() => (state.hidden.value ^= 1 << kind)}
            />
            <span class="swatch" aria-hidden="true" />
            {name}
          </label>
        ) : null,
      )}
    </div>
  );
}

/** The colours of the kinds, as the style sheet has them for light and dark. */
function colours(): string[] {
  const style = getComputedStyle(document.documentElement);
  return kinds.map((_, kind) => style.getPropertyValue(`--kind-${kind}`).trim());
}
