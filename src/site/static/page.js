// Shared by the pages: elements, texts, units, and URLs with the page's token.

export const $ = (selector, within = document) => within.querySelector(selector);
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The parameters of the page's URL.
export const opened = new URLSearchParams(location.search);

// Returns `path` with `parameters` and with the token of the page's URL.
export function address(path, parameters = {}) {
  const token = opened.get('token');
  const all = Object.entries(token ? { ...parameters, token } : parameters);
  const pairs = all.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return pairs.length ? `${path}?${pairs.join('&')}` : path;
}

// Like `address`, but absolute: a browser fetches no relative URL if that of the page has user and password.
const folder = location.origin + location.pathname.replace(/[^/]*$/, '');
export const absolute = (path, parameters) => new URL(address(path, parameters), folder).href;

// Changes the text only if it differs, so that screen readers stay silent and selections are kept.
export function text(selector, value, within) {
  const element = $(selector, within);
  if (element.textContent !== `${value}`) element.textContent = value;
}

export function figures(within, values) {
  for (const name in values) text(`[data-figure=${name}]`, values[name] ?? '–', within);
}

// Shows the state of the server in the header: `level` is 'good', 'warn' or 'bad'.
export function status(level, message) {
  $('#status').className = level;
  text('#status', message);
}

export function bytes(count) {
  if (count < 1e4) return `${count} B`;
  return count < 1e7 ? `${(count / 1e3).toFixed(0)} KB` : `${(count / 1e6).toFixed(1)} MB`;
}

export function micros(us) {
  return us < 1e3 ? `${Math.round(us)} µs` : `${+(us / 1e3).toFixed(1)} ms`;
}

export function duration(ms) {
  if (ms === null) return null;
  if (ms < 1e3) return `${ms} ms`;
  if (ms < 1e5) return `${(ms / 1e3).toFixed(1)} s`;
  return ms < 72e5 ? `${Math.round(ms / 6e4)} min` : `${Math.round(ms / 36e5)} h`;
}
