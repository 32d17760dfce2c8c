// The view of a camera: rotated and flipped. It is stored per camera in this browser, and in the page's URL, which
// has priority. `rotate=90` and `flip=h`, `v` or `hv` apply to every shown camera, `rotate.NAME=90` to one of them.
import { opened } from "./page.js";

const TURNS = [0, 90, 180, 270];
const names = (name, alone) => (alone ? ['rotate', 'flip'] : [`rotate.${name}`, `flip.${name}`]);

function parse(rotate, flip) {
  const turn = TURNS.includes(Number(rotate)) ? Number(rotate) : 0;
  return { turn, h: !!flip?.includes('h'), v: !!flip?.includes('v') };
}

const format = ({ turn, h, v }) => [`${turn}`, `${h ? 'h' : ''}${v ? 'v' : ''}`];

// Some private windows have no storage. The URL remains.
function stored(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`framecast.view.${name}`);
    if (value) localStorage.setItem(`framecast.view.${name}`, value);
    else localStorage.removeItem(`framecast.view.${name}`);
  } catch {}
  return null;
}

// Returns the view of camera `name`.
export function load(name) {
  const own = names(name, false).map((parameter, i) => opened.get(parameter) ?? opened.get(['rotate', 'flip'][i]));
  if (own.some((value) => value !== null)) return parse(...own);
  return parse(...(stored(name) ?? '').split(' '));
}

// Stores the view of camera `name`. `alone` states whether no other camera is shown.
export function save(name, view, alone) {
  const values = format(view);
  stored(name, values.join(' ') === '0 ' ? '' : values.join(' '));
  names(name, false).forEach((parameter) => opened.delete(parameter));
  names(name, alone).forEach((parameter, i) => {
    const common = alone ? null : opened.get(['rotate', 'flip'][i]);
    if (values[i] === (common ?? ['0', ''][i])) opened.delete(parameter);
    else opened.set(parameter, values[i]);
  });
  history.replaceState(history.state, '', location.pathname + (opened.size ? `?${opened}` : ''));
}

// Rotates clockwise by `degrees`, as seen.
export const rotated = (view, degrees) => ({ ...view, turn: (view.turn + degrees + 360) % 360 });

// Swaps left and right ('h') or top and bottom ('v'), as seen: a rotated picture has its own axes the other way.
export function flipped(view, axis) {
  const own = view.turn % 180 ? { h: 'v', v: 'h' }[axis] : axis;
  return { ...view, [own]: !view[own] };
}
