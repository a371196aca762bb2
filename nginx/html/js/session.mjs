// What the tab remembers until it is closed: the token, and the webhooks that were looked at.
const TOKEN = "webhook-calls.token";
const RECENT = "webhook-calls.recent";

export const token = () => sessionStorage.getItem(TOKEN) ?? "";

export function setToken(text) {
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
}

// Pairs of id and name, the latest first.
export function recentWebhooks() {
  try {
    return JSON.parse(sessionStorage.getItem(RECENT)) ?? [];
  } catch {
    return [];
  }
}

export function rememberWebhook(id, name) {
  const others = recentWebhooks().filter(([other]) => other !== id);
  sessionStorage.setItem(RECENT, JSON.stringify([[id, name], ...others].slice(0, 20)));
}
