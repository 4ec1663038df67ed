// Asking for a token, where the installation wants one.
import { useSignal } from "@preact/signals";
import { setToken, token, tokenWanted } from "../api";

export function TokenForm() {
  const text = useSignal("");
  if (!tokenWanted.value) {
    return token.value ? (
      <p class="notice">
        You are signed in with a token, in this tab only.{" "}
        <button type="button" class="plain" onClick={() => setToken("")}>
          Forget it
        </button>
      </p>
    ) : null;
  }
  const submit = (e: Event) => {
    e.preventDefault();
    setToken(text.value);
    text.value = "";
  };
  return (
    <form class="card token" onSubmit={submit} aria-labelledby="token-title">
      <h2 id="token-title">A token, please</h2>
      <p>
        {token.value
          ? "The gateway did not accept the token; it may have expired."
          : "This installation lets in whoever the cluster knows."}{" "}
        <code>kubectl create token NAME</code> makes one. It is kept for this tab only.
      </p>
      <div class="field">
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          required
          value={text.value}
          onInput={(e) => (text.value = e.currentTarget.value)}
        />
      </div>
      <button type="submit" class="primary">
        Use it
      </button>
    </form>
  );
}
