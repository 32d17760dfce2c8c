// One camera: its tile, with a stream or with stills.
import { $, absolute, address, duration, figures, sleep, text } from "./page.js";
import { hasPip, togglePip } from "./pip.js";
import { saveCanvas, saveSnapshot } from "./save.js";
import { cameraStatus } from "./status.js";
import * as views from "./view.js";

const TIMEOUT_MS = 5000;
const MISSING_MS = 3000;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 8000;
const UNDECODABLE = 'Pictures arrive, but this browser cannot decode them.';

// One pixel. A JPEG has no transparency: if drawing it leaves the pixel transparent, it could not be decoded.
const probe = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });

function isBlank(img) {
  probe.clearRect(0, 0, 1, 1);
  try {
    probe.drawImage(img, 0, 0, 1, 1);
  } catch {
    return true;
  }
  return probe.getImageData(0, 0, 1, 1).data[3] === 0;
}

export class Camera {
  key = null; // identifies our stream in /state; null without a stream
  backoff = BACKOFF_MS_MIN;
  refreshed = 0; // when the last still was requested
  isLive = false; // it has one of the page's streams, or will reopen it
  isPaused = false;
  unreachable = ''; // why the server does not respond
  failures = 0; // consecutive streams that ended without a picture
  obstacle = ''; // why its pictures cannot be shown
  usualMs = 0; // usual time between two frames
  state = null; // its part of /state
  kind = 'waiting';

  // `wall` has `alone` (there is no other camera), `promote(camera)`, `maximise(camera)`, `arrange()`, and
  // `report(promise)`, which shows the error message.
  constructor(name, wall) {
    const tile = $('#camera').content.firstElementChild.cloneNode(true);
    Object.assign(this, { name, wall, tile, view: views.load(name), canvas: $('canvas', tile) });
    tile.ariaLabel = name;
    text('h2 a', name, tile);
    text('.osd b', name, tile);
    this.canvas.ariaLabel = `Picture from ${name}`;
    $('h2 a', tile).href = address('', { camera: name });
    $('h2 a', tile).title = `Only ${name}`;
    this.connect();
    this.use($('img', tile));
    this.turn(this.view);
    $('main').append(tile);
  }

  // Connects the buttons of the tile.
  connect() {
    const { name, tile, wall } = this;
    const on = (selector, action) => ($(selector, tile).onclick = action);
    on('.promote', () => wall.promote(this));
    on('.pause', () => this.pause(!this.isPaused));
    on('.full', () => wall.maximise(this));
    on('.leave', () => wall.maximise(null));
    on('.left', () => this.rotate(-90));
    on('.right', () => this.rotate(90));
    on('.mirror', () => this.flip('h'));
    on('.flip', () => this.flip('v'));
    on('.pip', () => wall.report(togglePip(this)));
    $('.pip', tile).hidden = !hasPip;
    on('.snapshot', (event) => {
      event.preventDefault();
      this.saveSnapshot();
    });
    $('.snapshot', tile).href = address('snapshot', { camera: name });
    $('.table', tile).href = address('table', { camera: name });
    const field = $('.address', tile);
    field.value = absolute('stream', { camera: name });
    field.onfocus = () => field.select();
    on('.copy', () => {
      field.focus();
      document.execCommand('copy'); // navigator.clipboard is missing on plain HTTP
      text('.copy', 'Copied', tile);
    });
  }

  // Shows `img`.
  use(img) {
    img.className = 'frame';
    img.alt = `Picture from ${this.name}`;
    img.onerror = () => this.key && this.fail();
    // Firefox fires for each frame of a stream, Chromium for the first one.
    img.onload = () => {
      if (this.kind === 'live') return;
      this.render();
      this.wall.arrange();
    };
    this.img = img;
  }

  // Each stream has a new key: the server may still list the last one.
  open() {
    this.close();
    if (this.isPaused) return;
    this.key = Math.random().toString(36).slice(2);
    this.seen = Date.now();
    this.img.hidden = false;
    this.img.src = absolute('video_feed', { camera: this.name, key: this.key });
  }

  // An empty `src` makes every browser close the connection.
  close() {
    clearTimeout(this.timer);
    this.timer = this.key = null;
    this.img.hidden = true;
    this.img.src = '';
  }

  fail() {
    this.failures += 1;
    this.retry();
    if (this.failures > 1) this.diagnose();
  }

  // An `img` has no error message, so the request is repeated with `fetch`.
  async diagnose() {
    const leave = new AbortController();
    const timer = setTimeout(() => leave.abort(), TIMEOUT_MS);
    try {
      const response = await fetch(absolute('video_feed', { camera: this.name }), { signal: leave.signal });
      const refusal = response.ok ? UNDECODABLE : (await response.text()).trim();
      if (this.failures) this.obstacle = refusal;
    } catch {
      // No connection: polling /state reports it.
    } finally {
      clearTimeout(timer);
      leave.abort();
    }
    this.render();
  }

  // The last picture stays, dimmed, until a new one arrives.
  retry() {
    this.freeze();
    this.close();
    this.timer = setTimeout(() => this.open(), this.backoff);
    this.backoff = Math.min(2 * this.backoff, BACKOFF_MS_MAX);
    this.render();
  }

  // Copies the picture, since closing its stream removes it.
  freeze() {
    const { naturalWidth: width, naturalHeight: height } = this.img;
    if (!width || this.img.hidden) return;
    Object.assign(this.canvas, { width, height, hidden: false });
    this.canvas.getContext('2d').drawImage(this.img, 0, 0);
  }

  // Returns the element that shows a picture, if any.
  shownFrame() {
    if (!this.img.hidden && this.img.naturalWidth) return this.img;
    return this.canvas.hidden ? null : this.canvas;
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    const label = isPaused ? 'Resume' : 'Pause';
    Object.assign($('.pause', this.tile), { ariaPressed: isPaused, ariaLabel: label, title: `${label} (Space)` });
    if (isPaused) {
      this.pausedAt = this.capturedAt();
      this.freeze();
      this.close();
    } else if (this.isLive) this.open();
    this.render();
  }

  // Returns the capture time of the picture, by this machine's clock.
  capturedAt() {
    return this.isPaused && this.pausedAt ? this.pausedAt : Date.now() - (this.state?.frame_age_ms ?? 0);
  }

  saveSnapshot() {
    const isFrozen = this.isPaused && !this.canvas.hidden;
    this.wall.report(isFrozen ? saveCanvas(this.canvas, this.name, this.pausedAt) : saveSnapshot(this.name));
  }

  rotate(degrees) {
    this.turn(views.rotated(this.view, degrees), true);
  }

  flip(axis) {
    this.turn(views.flipped(this.view, axis), true);
  }

  turn(view, save = false) {
    this.view = view;
    if (save) views.save(this.name, view, this.wall.alone);
    this.applyView();
    this.wall.arrange();
  }

  // Returns the current view. A placeholder is upright already.
  turned() {
    return this.state?.placeholder ? { turn: 0, h: false, v: false } : this.view;
  }

  applyView() {
    const { turn, h, v } = this.turned();
    this.tile.style.setProperty('--turn', `${turn}deg`);
    this.tile.style.setProperty('--flip', `${h ? -1 : 1} ${v ? -1 : 1}`);
    this.tile.classList.toggle('sideways', turn % 180 !== 0);
    $('.mirror', this.tile).ariaPressed = this.view.turn % 180 ? this.view.v : this.view.h;
    $('.flip', this.tile).ariaPressed = this.view.turn % 180 ? this.view.h : this.view.v;
  }

  // The aspect ratio as shown. The picture's own has priority, since it may have an orientation.
  get ratio() {
    const frame = this.shownFrame();
    const { width, height } = this.state?.resolution ?? {};
    const ratio = (frame?.naturalWidth ?? frame?.width ?? width) / (frame?.naturalHeight ?? frame?.height ?? height) || 16 / 9;
    return this.turned().turn % 180 ? 1 / ratio : ratio;
  }

  get isFull() {
    return this.tile.classList.contains('maximised');
  }

  // A stream that ends does not always fire `error`, but then /state has no client with its key.
  watch(client) {
    if (client) this.seen = Date.now();
    if (client?.delivered) this.backoff = BACKOFF_MS_MIN;
    if (this.key && Date.now() - this.seen > MISSING_MS) this.retry();
  }

  // Applies the state of the camera and of our stream from /state.
  update(state, client, hasHistory) {
    if (state.sequence !== this.state?.sequence && state.captured_fps > 0) this.usualMs = 1000 / state.captured_fps;
    const { width, height } = state.resolution;
    this.state = state;
    this.unreachable = '';
    if (hasHistory) Object.assign($('.clip', this.tile), { hidden: false, href: address('clip.avi', { camera: this.name }) });
    figures(this.tile, {
      size: width ? `${width}×${height}` : null,
      fps: state.captured_fps.toFixed(1),
      viewers: state.viewers,
      age: duration(state.frame_age_ms),
      skipped: client?.skipped_slow,
    });
    if (this.isLive) this.watch(client);
    this.render();
  }

  // Shows the current status.
  render() {
    if (!this.state && !this.unreachable) return;
    const frame = this.shownFrame();
    if (frame === this.img) this.check();
    const status = cameraStatus({ ...this, hasPicture: !!frame });
    this.kind = status.kind;
    const classes = [status.kind, this.isLive && 'has-stream', this.isFull && 'maximised'];
    this.tile.className = classes.filter(Boolean).join(' ');
    text('.mode', status.label, this.tile);
    text('.notice', status.notice, this.tile);
    text('.reason', status.kind === 'offline' && !status.notice ? this.state.error ?? '' : '', this.tile);
    text('time', new Date(this.capturedAt()).toLocaleString(), this.tile);
    this.applyView();
  }

  // Checks a loaded picture: some browsers fire `load` for one that they cannot decode.
  check() {
    this.canvas.hidden = true;
    this.failures = isBlank(this.img) ? this.failures + 1 : 0;
    if (!this.failures) this.obstacle = '';
    else if (this.failures > 1) this.obstacle = UNDECODABLE;
  }

  // Loads the new still before it replaces the old one, so that nothing flickers.
  async refresh() {
    this.refreshed = Date.now();
    const next = new Image();
    next.src = absolute('snapshot', { camera: this.name, t: this.refreshed });
    await Promise.race([next.decode().catch(() => 0), sleep(TIMEOUT_MS)]);
    if (!next.naturalWidth || this.isLive || this.isPaused) return void (next.src = '');
    this.img.replaceWith(next);
    this.use(next);
    this.render();
  }
}
