// Elements made one by one. There is no way from a text to markup here, and the page's Trusted Types forbid any other.

export const byId = (id) => document.getElementById(id);

// el("a", { class: "x", href: "#", onclick: f }, "text", child): attributes by name, listeners by on…; null and false leave out.
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

// Says a text to screen readers.
export function announce(text) {
  byId("status").textContent = text;
}
