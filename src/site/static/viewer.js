// A browser opens six connections to a host at most, and a live picture holds one for as long as it is shown: four
// live cameras leave one connection for /state and one for stills of the others.
const LIVE_MAX = 4;
const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;
const MISSING_MS = 3000;
const HIDDEN_MS = 30000;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 8000;
const TILE_PX_MIN = 310;
const GAP_PX = 16;

const $ = (selector, within = document) => within.querySelector(selector);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What the page was opened with opens all that it asks for.
const token = new URLSearchParams(location.search).get('token');
const carried = token ? `&token=${encodeURIComponent(token)}` : '';
// A browser fetches nothing relative to a page whose address holds a name and a password.
const here = location.origin + location.pathname;

let cameras = []; // in the order of /state
let live = []; // those with a stream, the oldest first
let liveMax = LIVE_MAX;
let resting = false; // nobody looks: no streams, no requests
let reachable = true;
let uptime = 0; // of the server, as it last said

class Camera {
  key = null; // marks our stream in /state; null while there is none
  backoff = BACKOFF_MS_MIN;
  refreshed = 0;

  constructor(name) {
    const query = `?camera=${encodeURIComponent(name)}${carried}`;
    const tile = $('template').content.firstElementChild.cloneNode(true);
    const address = $('input', tile);
    Object.assign(this, { name, tile, stream: `video_feed${query}`, still: `snapshot${query}` });
    tile.ariaLabel = name;
    text('h2 a', name, tile);
    $('h2 a', tile).href = query;
    $('.snapshot', tile).href = this.still;
    $('.promote', tile).onclick = () => promote(this);
    $('.full', tile).onclick = () => $('.picture', tile).requestFullscreen();
    if (!document.fullscreenEnabled) $('.full', tile).remove();
    address.value = new URL(this.stream, location);
    address.onfocus = () => address.select();
    $('.copy', tile).onclick = () => {
      address.focus();
      document.execCommand('copy'); // navigator.clipboard is missing on plain HTTP
      text('.copy', 'Copied', tile);
    };
    this.use($('img', tile));
    $('main').append(tile);
  }

  use(img) {
    img.alt = `Picture from ${this.name}`;
    img.onerror = () => this.key && this.retry();
    this.img = img;
  }

  // A new key each time, lest the last stream, still known to the server, be taken for this one.
  open() {
    this.close();
    this.key = Math.random().toString(36).slice(2);
    this.seen = Date.now();
    this.img.hidden = false;
    this.img.src = `${this.stream}&key=${this.key}`;
  }

  // An emptied `src` is what makes every browser let go of the connection.
  close() {
    clearTimeout(this.timer);
    this.timer = this.key = null;
    this.img.hidden = true;
    this.img.src = '';
  }

  retry() {
    this.close();
    this.timer = setTimeout(() => this.open(), this.backoff);
    this.backoff = Math.min(2 * this.backoff, BACKOFF_MS_MAX);
  }

  // A stream that ends does not always raise `error`, but then /state has no client of its key.
  watch(client) {
    if (client) this.seen = Date.now();
    if (client?.delivered) this.backoff = BACKOFF_MS_MIN;
    if (this.key && Date.now() - this.seen > MISSING_MS) this.retry();
  }

  show(state, client) {
    const { width, height } = state.resolution;
    const isLive = live.includes(this);
    const presence = state.online ? 'online' : 'offline';
    this.error = state.error;
    this.ratio = width / height || 16 / 9;
    const told = state.stood_in_for ? 'told' : ''; // the stream itself says what is wrong
    this.tile.className = `${isLive ? 'live' : 'still'} ${presence} ${told}`;
    text('.badge', presence, this.tile);
    text('.notice', state.error ?? 'Waiting for a picture…', this.tile);
    figures(this.tile, {
      size: width ? `${width}×${height}` : null,
      fps: state.captured_fps.toFixed(1),
      viewers: state.viewers,
      age: duration(state.frame_age_ms),
      skipped: client?.skipped_slow,
    });
    if (isLive) this.watch(client);
  }

  // The new still loads beside the old one and then takes its place, so that nothing flickers.
  async refresh() {
    this.refreshed = Date.now();
    const next = new Image();
    next.src = `${this.still}&t=${this.refreshed}`;
    await Promise.race([next.decode().catch(() => 0), sleep(TIMEOUT_MS)]);
    if (!next.naturalWidth || live.includes(this)) return void (next.src = '');
    this.img.replaceWith(next);
    this.use(next);
  }
}

function demoteOldest() {
  const camera = live.shift();
  camera.close();
  camera.refresh();
}

function promote(camera) {
  while (live.length >= liveMax) demoteOldest();
  live.push(camera);
  camera.open();
}

function show(state) {
  const only = new URLSearchParams(location.search).get('camera');
  const wanted = state.cameras.filter(({ name }) => name === (only ?? name));
  const clients = Object.values(state.result.stream.clients_stat);
  const names = (list) => list.map(({ name }) => name).join();
  if (!cameras.length) {
    cameras = wanted.map(({ name }) => new Camera(name));
    cameras.slice(0, liveMax).forEach(promote);
  }
  if (names(wanted) !== names(cameras)) return location.reload();
  cameras.forEach((camera, i) => camera.show(wanted[i], clients.find(({ key }) => key === camera.key)));
  figures($('footer'), {
    viewers: state.cameras.reduce((sum, { viewers }) => sum + viewers, 0),
    turns: state.loop.turns_per_second.toFixed(1),
    longest: `${state.loop.longest_turn_us} µs`,
  });
  arrange();
}

// Chooses the columns that make the pictures largest while the whole wall fits the window.
function arrange() {
  const main = $('main');
  const ratio = cameras.every((camera) => camera.ratio === cameras[0].ratio) ? cameras[0]?.ratio : 16 / 9;
  const width = main.clientWidth - 2 * parseFloat(getComputedStyle(main).paddingLeft);
  const height = innerHeight - $('header').offsetHeight - $('footer').offsetHeight;
  let tile = width < 2 * TILE_PX_MIN ? width : TILE_PX_MIN;
  for (let columns = 1; columns <= cameras.length; columns += 1) {
    const across = (width + GAP_PX) / columns - GAP_PX;
    const down = (height + GAP_PX) / Math.ceil(cameras.length / columns) - GAP_PX - $('.caption').offsetHeight;
    tile = Math.max(tile, Math.min(across, down * ratio));
  }
  main.style.setProperty('--tile', `${Math.floor(tile)}px`);
  main.style.setProperty('--ratio', ratio);
}

// Writes what changed alone, lest a screen reader wake or a selection be lost each second.
function text(selector, value, within) {
  const element = $(selector, within);
  if (element.textContent !== `${value}`) element.textContent = value;
}

function figures(within, values) {
  for (const name in values) text(`[data-figure=${name}]`, values[name] ?? '–', within);
}

function duration(ms) {
  if (ms === null) return null;
  if (ms < 1e3) return `${ms} ms`;
  return ms < 1e5 ? `${(ms / 1e3).toFixed(1)} s` : `${Math.round(ms / 6e4)} min`;
}

async function refreshFigures() {
  let state;
  try {
    const keys = live.map((camera) => camera.key).filter(Boolean);
    const response = await fetch(new URL(`state?key=${keys}${carried}`, here), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw `The server answers ${response.status}. Trying again…`;
    state = await response.json();
    // A successor may have taken the server's place without a moment's silence: it does not know our streams.
    const isNew = state.loop.uptime_ms < uptime;
    uptime = state.loop.uptime_ms;
    for (const camera of reachable && !isNew ? [] : live) {
      if (camera.timer) camera.open();
      else camera.seen = 0;
    }
    text('#status', 'Connected');
  } catch (error) {
    text('#status', error.name ? 'The server cannot be reached. Trying again…' : error);
    // Other windows may hold all the connections that this host is allowed: give one up.
    if (error.name === 'TimeoutError' && live.length > 1) {
      liveMax = live.length - 1;
      demoteOldest();
    }
  }
  reachable = !!state;
  document.body.classList.toggle('unreachable', !reachable);
  if (reachable && !resting) show(state);
}

async function refreshStill() {
  const stills = cameras.filter((camera) => !camera.error && !live.includes(camera));
  const [oldest] = stills.sort((a, b) => a.refreshed - b.refreshed);
  if (reachable) await oldest?.refresh();
}

// Never two at once: the next begins when the last has its answer or gave up.
async function each(action) {
  for (;;) {
    const begun = Date.now();
    if (!resting) await action().catch(console.error);
    await sleep(Math.max(PERIOD_MS - (Date.now() - begun), 100));
  }
}

// The back/forward cache would keep the streams of a page that was left.
function rest() {
  resting = true;
  live.forEach((camera) => camera.close());
}

function wake() {
  if (resting) live.forEach((camera) => camera.open());
  resting = false;
  liveMax = LIVE_MAX;
}

let hidden;
addEventListener('pagehide', rest);
addEventListener('pageshow', wake);
addEventListener('resize', arrange);
addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(rest, HIDDEN_MS);
  else wake();
});
each(refreshFigures);
each(refreshStill);
