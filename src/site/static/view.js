// How the picture of a camera is turned: remembered per camera in this browser, and in the page's address, which
// takes precedence. `rotate=90` and `flip=h`, `v` or `hv` mean every camera shown, `rotate.NAME=90` one of several.
import { opened } from "./page.js";

const TURNS = [0, 90, 180, 270];
const names = (name, alone) => (alone ? ['rotate', 'flip'] : [`rotate.${name}`, `flip.${name}`]);

function parse(rotate, flip) {
  const turn = TURNS.includes(Number(rotate)) ? Number(rotate) : 0;
  return { turn, h: !!flip?.includes('h'), v: !!flip?.includes('v') };
}

const spell = ({ turn, h, v }) => [`${turn}`, `${h ? 'h' : ''}${v ? 'v' : ''}`];

// Storage is refused in some private windows, and the address is then all there is.
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

// Remembers the view of camera `name`, which is shown `alone` or beside others.
export function save(name, view, alone) {
  const spelt = spell(view);
  stored(name, spelt.join(' ') === '0 ' ? '' : spelt.join(' '));
  names(name, false).forEach((parameter) => opened.delete(parameter));
  names(name, alone).forEach((parameter, i) => {
    const common = alone ? null : opened.get(['rotate', 'flip'][i]);
    if (spelt[i] === (common ?? ['0', ''][i])) opened.delete(parameter);
    else opened.set(parameter, spelt[i]);
  });
  history.replaceState(history.state, '', location.pathname + (opened.size ? `?${opened}` : ''));
}

// Turns clockwise by `degrees`, as seen.
export const rotated = (view, degrees) => ({ ...view, turn: (view.turn + degrees + 360) % 360 });

// Swaps left and right ('h') or top and bottom ('v') as seen: on its side, the picture's own axes are the other way.
export function flipped(view, axis) {
  const own = view.turn % 180 ? { h: 'v', v: 'h' }[axis] : axis;
  return { ...view, [own]: !view[own] };
}
