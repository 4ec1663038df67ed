import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { start } from "./state/follow";
import { type Theme, theme } from "./state/theme";
import { restore } from "./state/uploads";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/preview.css";
import { Icon } from "./ui/icons";
import { JobPage } from "./ui/job";
import { Jobs } from "./ui/jobs";
import { NewJobs } from "./ui/new";
import { TokenForm } from "./ui/token";
import { Uploads } from "./ui/uploads";

const route = signal(location.hash);
addEventListener("hashchange", () => (route.value = location.hash));

function App() {
  const job = jobIn(route.value);
  useEffect(() => {
    scrollTo(0, 0);
    if (job) document.getElementById("job-title")?.focus({ preventScroll: true });
  }, [job]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <TokenForm />
        {job ? (
          <>
            <Uploads />
            <JobPage id={job} />
          </>
        ) : (
          <div class="home">
            <NewJobs />
            <div class="stack">
              <Uploads />
              <Jobs />
            </div>
          </div>
        )}
      </main>
      <footer>
        <a href="/licenses.txt">Licences</a>
      </footer>
    </>
  );
}

/** The id of the job that an address is of; anything that nobody could have made is an id of no job. */
function jobIn(address: string): string | undefined {
  const id = /^#\/job\/([^/?]+)/.exec(address)?.[1];
  try {
    return id && decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** The address stands for what is shown, so the link must not change it. */
function skip(e: Event) {
  e.preventDefault();
  document.getElementById("main")?.focus();
}

function Header() {
  return (
    <header>
      <h1>
        <a href="#/">
          <img src="/icon.svg" alt="" width="32" height="32" /> Bricklayers
        </a>
      </h1>
      <ThemeButton />
    </header>
  );
}

const themes: Theme[] = ["auto", "light", "dark"];

function ThemeButton() {
  const now = theme.value;
  const words = { auto: "as the system", light: "light", dark: "dark" }[now];
  const icon = ({ auto: "half", light: "sun", dark: "moon" } as const)[now];
  return (
    <button
      type="button"
      class="plain"
      onClick={() => (theme.value = themes[(themes.indexOf(now) + 1) % themes.length]!)}
      aria-label={`Colours: ${words}. Change`}
      title={`Colours: ${words}`}
    >
      <Icon name={icon} />
    </button>
  );
}

render(<App />, document.getElementById("app")!);
start();
void restore();
