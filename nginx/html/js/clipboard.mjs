// Copies a text, also where the page has come by plain HTTP, to which browsers give no clipboard.
import { announce, el } from "./dom.mjs";

async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // not allowed: the older way, below
    }
  }
  const area = el("textarea", { class: "off-screen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

// copyButton(LABEL, TEXT): text() is asked for when it is needed.
export function copyButton(label, text) {
  const button = el("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    const done = await copy(text());
    button.focus();
    button.textContent = done ? "Copied" : "Not copied";
    announce(done ? "Copied." : "The browser did not allow to copy.");
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}
