// What the tab remembers until it is closed: the token, and the webhooks that were looked at.
const TOKEN = "webhook-calls.token";
const RECENT = "webhook-calls.recent";

// A browser may forbid to remember anything: then that lasts as long as the page.
function storage() {
  try {
    sessionStorage.getItem(TOKEN);
    return sessionStorage;
  } catch {
    const items = new Map();
    return {
      getItem: (name) => items.get(name) ?? null,
      setItem: (name, text) => items.set(name, text),
      removeItem: (name) => items.delete(name),
    };
  }
}

const memory = storage();

export const token = () => memory.getItem(TOKEN) ?? "";

export function setToken(text) {
  if (text) memory.setItem(TOKEN, text);
  else memory.removeItem(TOKEN);
}

// Pairs of id and name, the latest first.
export function recentWebhooks() {
  try {
    return JSON.parse(memory.getItem(RECENT)) ?? [];
  } catch {
    return [];
  }
}

export function rememberWebhook(id, name) {
  const others = recentWebhooks().filter(([other]) => other !== id);
  memory.setItem(RECENT, JSON.stringify([[id, name], ...others].slice(0, 20)));
}
