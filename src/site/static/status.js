// Decides what the page claims about a camera and about the server. Nothing here knows an element.
import { duration } from "./page.js";

// A running camera is late after this long, or after three of its usual intervals.
const STALE_MS = 5000;
const STALE_INTERVALS = 3;

export const isOffline = (state) => state.offline;

export function isStale({ state, usualMs }) {
  return state.frame_age_ms > Math.max(STALE_MS, STALE_INTERVALS * usualMs);
}

// Returns the kind of a camera's tile (a class), the word on its picture, and the sentence in place of a picture.
// `unreachable` is why the server does not answer, `obstacle` why its pictures cannot be shown, `hasPicture` whether
// there is one to see.
export function judge(camera) {
  const { state, unreachable, obstacle, isPaused, isLive, hasPicture } = camera;
  if (unreachable) return { kind: 'unreachable', label: 'No connection', notice: unreachable };
  if (isPaused && hasPicture) return { kind: 'paused', label: 'Paused', notice: '' };
  if (isOffline(state)) return { kind: 'offline', label: 'Offline', notice: hasPicture ? '' : state.error ?? 'Offline' };
  if (obstacle) return { kind: 'obstructed', label: 'No picture', notice: obstacle };
  if (!hasPicture) return { kind: 'waiting', label: 'Waiting', notice: 'Waiting for a picture…' };
  if (isStale(camera)) return { kind: 'stale', label: `${duration(state.frame_age_ms)} old`, notice: '' };
  if (!state.online) return { kind: 'waiting', label: 'Waiting', notice: '' };
  return isLive ? { kind: 'live', label: 'Live', notice: '' } : { kind: 'still', label: '', notice: '' };
}

const NAMES_MAX = 3;

// `names` as they fit into a header.
function listed(names) {
  const more = names.length - NAMES_MAX;
  return names.slice(0, NAMES_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

// Returns the level and the words of the header: cameras that are offline first, then those that show nothing new.
export function overall(states, shown) {
  const offline = states.filter(isOffline).map(({ name }) => name);
  if (offline.length) {
    const all = offline.length === states.length;
    return [all ? 'bad' : 'warn', all && offline.length > 1 ? 'All cameras are offline' : `Offline: ${listed(offline)}`];
  }
  const late = shown.filter(({ kind }) => kind === 'stale' || kind === 'obstructed').map(({ name }) => name);
  return late.length ? ['warn', `No new picture: ${listed(late)}`] : ['good', 'Connected'];
}
