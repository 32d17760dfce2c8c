// The wall of cameras: which ones are shown, which have a stream, and their size.
import { $, absolute, address, figures, opened, sleep, status, text } from "./page.js";
import { Camera } from "./camera.js";
import { listen } from "./keys.js";
import { inPip, togglePip } from "./pip.js";
import { overall } from "./status.js";

// A browser opens at most six connections to a host, and each stream occupies one. Four streams leave one connection for
// /state and one for stills and snapshots.
const LIVE_MAX = 4;
const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;
const HIDDEN_MS = 30000;
const MESSAGE_MS = 6000;
const TILE_PX_MIN = 310;
const GAP_PX = 16;

const only = opened.get('camera') || null; // the camera in the page's URL

let cameras = []; // the shown cameras, in the order of /state
let names = []; // of all cameras
let live = []; // cameras with a stream, the oldest stream first
let liveMax = LIVE_MAX;
let isResting = false; // the page is hidden: no streams, no requests
let isReachable = true;
let uptime = 0; // of the server, as last reported

const wall = { alone: false, promote, maximise, arrange, report };

function demoteOldest() {
  const camera = live.shift();
  camera.isLive = false;
  camera.freeze();
  camera.close();
  camera.refresh();
}

function promote(camera) {
  while (live.length >= liveMax) demoteOldest();
  live.push(camera);
  camera.isLive = true;
  camera.open();
  camera.render();
}

// Shows the error of `promise`.
async function report(promise) {
  try {
    await promise;
  } catch (error) {
    text('#message', error.message ?? error);
    clearTimeout(report.timer);
    report.timer = setTimeout(() => text('#message', ''), MESSAGE_MS);
  }
}

// Shows `camera` in full screen, or the wall if it is null. The whole page enters full screen, so that another camera can
// be selected there. Where a browser does not allow it (iPhone, frames), the tile covers the page.
function maximise(camera) {
  cameras.forEach(({ tile }) => tile.classList.toggle('maximised', tile === camera?.tile));
  if (camera && !document.fullscreenElement) document.documentElement.requestFullscreen?.().catch(() => {});
  if (!camera && document.fullscreenElement) document.exitFullscreen();
  setTitle();
}

// Sets the title of the page.
function setTitle() {
  const camera = cameras.find(({ isFull }) => isFull) ?? (cameras.length === 1 ? cameras[0] : null);
  document.title = camera ? `${camera.name} · framecast` : 'framecast';
}

function showNoSuch() {
  if ($('.nosuch')) return;
  const section = $('#nosuch').content.firstElementChild.cloneNode(true);
  text('h2', `Unknown camera “${only}”`, section);
  for (const name of names) {
    const link = Object.assign(document.createElement('a'), { textContent: name, href: address('', { camera: name }) });
    const item = document.createElement('li');
    item.append(link);
    $('ul', section).append(item);
  }
  $('main').append(section);
}

function build(states) {
  wall.alone = states.length === 1;
  cameras = states.map(({ name }) => new Camera(name, wall));
  cameras.slice(0, liveMax).forEach(promote);
  if (wall.alone) $('header a[href^=table]').href = address('table', { camera: states[0].name });
  setTitle();
}

function show(state) {
  const wanted = state.cameras.filter(({ name }) => name === (only ?? name));
  const same = (list) => list.map(({ name }) => name).join('\n') === cameras.map(({ name }) => name).join('\n');
  const clients = Object.values(state.result.stream.clients_stat);
  const hasHistory = state.limits.history_ms > 0;
  names = state.cameras.map(({ name }) => name);
  if (!cameras.length) build(wanted);
  if (!same(wanted)) return location.reload();
  cameras.forEach((camera, i) => camera.update(wanted[i], clients.find(({ key }) => key === camera.key), hasHistory));
  figures($('footer'), { viewers: state.cameras.reduce((sum, { viewers }) => sum + viewers, 0) });
  if (cameras.length) status(...overall(state.cameras, cameras));
  else {
    showNoSuch();
    status('warn', 'Unknown camera');
  }
  arrange();
}

function showUnreachable(sentence) {
  status('bad', sentence);
  for (const camera of cameras) {
    camera.unreachable = sentence;
    camera.render();
  }
}

// Chooses the number of columns with the largest pictures that fit into the window.
function arrange() {
  if (!cameras.length) return;
  const main = $('main');
  const ratios = cameras.map(({ ratio }) => ratio);
  const ratio = ratios.every((other) => Math.abs(other - ratios[0]) < 0.01) ? ratios[0] : 16 / 9;
  const caption = Math.min(...cameras.map(({ tile }) => $('.caption', tile).offsetHeight));
  const width = main.clientWidth - 2 * parseFloat(getComputedStyle(main).paddingLeft);
  const height = innerHeight - $('header').offsetHeight - $('footer').offsetHeight;
  let tile = width < 2 * TILE_PX_MIN + GAP_PX ? width : TILE_PX_MIN;
  for (let columns = 1; columns <= cameras.length; columns += 1) {
    const across = (width + GAP_PX) / columns - GAP_PX;
    const down = (height + GAP_PX) / Math.ceil(cameras.length / columns) - GAP_PX - caption;
    tile = Math.max(tile, Math.min(across, down * ratio));
  }
  main.style.setProperty('--tile', `${Math.floor(Math.min(tile, width))}px`);
  main.style.setProperty('--ratio', ratio);
}

async function refreshFigures() {
  let state;
  let problem;
  try {
    const keys = live.map((camera) => camera.key).filter(Boolean);
    const response = await fetch(absolute('state', { key: keys }), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) state = await response.json();
    else problem = `The server responded with status ${response.status}. Retrying…`;
  } catch (error) {
    problem = 'Cannot reach the server. Retrying…';
    // Other windows may use all connections that the browser allows to this host: close one stream.
    if (error.name === 'TimeoutError' && live.length > 1) {
      liveMax = live.length - 1;
      demoteOldest();
    }
  }
  if (isResting) return;
  if (problem) showUnreachable(problem);
  else {
    // After a restart, the new process does not know our streams.
    const isNew = state.loop.uptime_ms < uptime;
    uptime = state.loop.uptime_ms;
    for (const camera of isReachable && !isNew ? [] : live) {
      if (camera.timer) camera.open();
      else camera.seen = 0;
    }
    show(state);
  }
  isReachable = !problem;
}

async function refreshStill() {
  const stills = cameras.filter(({ isLive, isPaused, kind }) => !isLive && !isPaused && kind !== 'offline');
  const [oldest] = stills.sort((a, b) => a.refreshed - b.refreshed);
  if (isReachable) await oldest?.refresh();
}

// Runs `action` periodically, never twice at once.
async function each(action) {
  for (;;) {
    const begun = Date.now();
    if (!isResting) await action().catch(console.error);
    await sleep(Math.max(PERIOD_MS - (Date.now() - begun), 100));
  }
}

// Closes the streams, which the back/forward cache would keep open after leaving the page.
function rest() {
  isResting = true;
  live.forEach((camera) => {
    camera.freeze();
    camera.close();
  });
}

function wake() {
  if (isResting) live.forEach((camera) => camera.open());
  isResting = false;
  liveMax = LIVE_MAX;
}

// Returns the camera that a hot key acts on.
function selected() {
  const hasFocus = ({ tile }) => tile.contains(document.activeElement);
  const isHovered = ({ tile }) => tile.matches(':hover');
  return cameras.find(({ isFull }) => isFull) ?? cameras.find(hasFocus) ?? cameras.find(isHovered) ?? cameras[0];
}

const act = (action) => () => selected() && action(selected());

// Selects the next or previous camera, also in full screen.
function step(name) {
  const from = cameras.indexOf(selected());
  const to = cameras.at((from + (name === 'ArrowRight' ? 1 : -1)) % cameras.length);
  if (!to || cameras.length < 2) return;
  const { isFull } = selected();
  if (!to.isLive) promote(to);
  to.tile.focus();
  if (isFull) maximise(to);
}

function showAlone(digit) {
  const name = names[digit - 1];
  if (digit === '0') location.href = address(location.pathname);
  else if (name !== undefined) location.href = address(location.pathname, { camera: name });
}

listen([
  { keys: ['Space', 'K'], does: 'Pause or resume', run: act((camera) => camera.pause(!camera.isPaused)) },
  { keys: ['F'], does: 'Full screen', run: act((camera) => maximise(camera.isFull ? null : camera)) },
  { keys: ['S'], does: 'Save a snapshot', run: act((camera) => camera.saveSnapshot()) },
  { keys: ['C'], does: 'Save the last seconds (needs --history)', run: act(({ tile }) => $('.clip:not([hidden])', tile)?.click()) },
  { keys: ['P'], does: 'Picture-in-picture', run: act((camera) => $('.pip:not([hidden])', camera.tile) && report(togglePip(camera))) },
  { keys: ['R'], does: 'Rotate right', run: act((camera) => camera.rotate(90)) },
  { keys: ['Shift+R'], does: 'Rotate left', run: act((camera) => camera.rotate(-90)) },
  { keys: ['M'], does: 'Mirror horizontally', run: act((camera) => camera.flip('h')) },
  { keys: ['V'], does: 'Flip vertically', run: act((camera) => camera.flip('v')) },
  { keys: ['ArrowLeft', 'ArrowRight'], shown: ['←', '→'], does: 'Previous or next camera', run: step },
  { keys: [...'123456789'], shown: ['1', '…', '9'], does: 'Show one camera', run: showAlone },
  { keys: ['0'], does: 'Show all cameras', run: showAlone },
]);

// Menus close with Escape, or with a click elsewhere.
function closeMenus(except) {
  document.querySelectorAll('details[open]').forEach((details) => details.contains(except) || (details.open = false));
}
addEventListener('pointerdown', ({ target }) => closeMenus(target));
addEventListener('keydown', ({ key }) => {
  if (key !== 'Escape') return;
  closeMenus(null);
  maximise(null);
});

let hidden;
addEventListener('pagehide', rest);
addEventListener('pageshow', wake);
addEventListener('resize', arrange);
document.addEventListener('fullscreenchange', () => document.fullscreenElement || maximise(null));
document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(() => inPip() || rest(), HIDDEN_MS);
  else wake();
});
each(refreshFigures);
each(refreshStill);
