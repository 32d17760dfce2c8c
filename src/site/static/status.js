// The state of a camera and of the server as the page shows it. This file uses no elements.
import { duration } from "./page.js";

// A picture is stale after this time, or after three usual intervals.
const STALE_MS = 5000;
const STALE_INTERVALS = 3;

export const isOffline = (state) => state.offline;

export function isStale({ state, usualMs }) {
  return state.frame_age_ms > Math.max(STALE_MS, STALE_INTERVALS * usualMs);
}

// Returns the class of a camera's tile, the label on its picture, and the notice in place of a picture. `unreachable`
// is why the server does not respond, `obstacle` why its pictures cannot be shown, `hasPicture` whether one is shown.
export function cameraStatus(camera) {
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

// Returns `names` as a text, shortened for the header.
function listed(names) {
  const more = names.length - NAMES_MAX;
  return names.slice(0, NAMES_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

// Returns the level and the text of the header: offline cameras first, then those with stale pictures.
export function overall(states, shown) {
  const offline = states.filter(isOffline).map(({ name }) => name);
  if (offline.length) {
    const all = offline.length === states.length;
    return [all ? 'bad' : 'warn', all && offline.length > 1 ? 'All cameras are offline' : `Offline: ${listed(offline)}`];
  }
  const late = shown.filter(({ kind }) => kind === 'stale' || kind === 'obstructed').map(({ name }) => name);
  return late.length ? ['warn', `No new picture: ${listed(late)}`] : ['good', 'Connected'];
}
