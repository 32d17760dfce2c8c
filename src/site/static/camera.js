// One camera: its tile, and the stream or the stills in it.
import { $, absolute, address, duration, figures, sleep, text } from "./page.js";
import { hasPip, togglePip } from "./pip.js";
import { saveCanvas, saveSnapshot } from "./save.js";
import { judge } from "./status.js";
import * as views from "./view.js";

const TIMEOUT_MS = 5000;
const MISSING_MS = 3000;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 8000;
const UNDECODABLE = 'Pictures arrive, but this browser cannot decode them.';

// One pixel: a JPEG has no transparency, so what leaves it transparent could not be decoded.
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
  key = null; // marks our stream in /state; null while there is none
  backoff = BACKOFF_MS_MIN;
  refreshed = 0; // when the last still was asked for
  isLive = false; // it has one of the page's streams, or is about to have it again
  isPaused = false;
  unreachable = ''; // why the server does not answer
  failures = 0; // streams in a row that ended without a picture
  obstacle = ''; // why
  usualMs = 0; // between two frames
  state = null; // its part of /state
  kind = 'waiting';

  // `wall` has `alone` (there is no other camera), `promote(camera)`, `maximise(camera)`, `arrange()`, and
  // `report(promise)`, which shows the sentence that is thrown.
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

  // What the buttons of the tile do.
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

  // Makes `img` the one that is shown.
  use(img) {
    img.className = 'frame';
    img.alt = `Picture from ${this.name}`;
    img.onerror = () => this.key && this.fail();
    // Firefox reports each frame of a stream, Chromium the first.
    img.onload = () => {
      if (this.kind === 'live') return;
      this.render();
      this.wall.arrange();
    };
    this.img = img;
  }

  // A new key each time: the server may still know the last stream.
  open() {
    this.close();
    if (this.isPaused) return;
    this.key = Math.random().toString(36).slice(2);
    this.seen = Date.now();
    this.img.hidden = false;
    this.img.src = absolute('video_feed', { camera: this.name, key: this.key });
  }

  // An empty `src` is what makes every browser close the connection.
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

  // An `img` does not report why it fails, but the same request by `fetch` has a status.
  async diagnose() {
    const leave = new AbortController();
    const timer = setTimeout(() => leave.abort(), TIMEOUT_MS);
    try {
      const response = await fetch(absolute('video_feed', { camera: this.name }), { signal: leave.signal });
      const refusal = response.ok ? UNDECODABLE : (await response.text()).trim();
      if (this.failures) this.obstacle = refusal;
    } catch {
      // The server is gone, which /state shows too.
    } finally {
      clearTimeout(timer);
      leave.abort();
    }
    this.render();
  }

  // The last picture stays, dimmed, until there is a new one.
  retry() {
    this.freeze();
    this.close();
    this.timer = setTimeout(() => this.open(), this.backoff);
    this.backoff = Math.min(2 * this.backoff, BACKOFF_MS_MAX);
    this.render();
  }

  // Copies the picture that is shown, since closing its stream removes it.
  freeze() {
    const { naturalWidth: width, naturalHeight: height } = this.img;
    if (!width || this.img.hidden) return;
    Object.assign(this.canvas, { width, height, hidden: false });
    this.canvas.getContext('2d').drawImage(this.img, 0, 0);
  }

  // The element that shows a picture now, if one does.
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

  // When the picture that is shown was captured, by this machine's clock.
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

  // The view as it applies now: a picture that stands in for the camera's own is the right way up already.
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

  // The shape of the picture as it is seen: the picture's own, as it may say itself which side is up.
  get ratio() {
    const frame = this.shownFrame();
    const { width, height } = this.state?.resolution ?? {};
    const ratio = (frame?.naturalWidth ?? frame?.width ?? width) / (frame?.naturalHeight ?? frame?.height ?? height) || 16 / 9;
    return this.turned().turn % 180 ? 1 / ratio : ratio;
  }

  get isFull() {
    return this.tile.classList.contains('maximised');
  }

  // A stream that ends does not always raise `error`, but then /state has no client of its key.
  watch(client) {
    if (client) this.seen = Date.now();
    if (client?.delivered) this.backoff = BACKOFF_MS_MIN;
    if (this.key && Date.now() - this.seen > MISSING_MS) this.retry();
  }

  // Takes what /state says of the camera and of our stream.
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

  // Shows what may be claimed.
  render() {
    if (!this.state && !this.unreachable) return;
    const frame = this.shownFrame();
    if (frame === this.img) this.look();
    const claim = judge({ ...this, hasPicture: !!frame });
    this.kind = claim.kind;
    const classes = [claim.kind, this.isLive && 'has-stream', this.isFull && 'maximised'];
    this.tile.className = classes.filter(Boolean).join(' ');
    text('.mode', claim.label, this.tile);
    text('.notice', claim.notice, this.tile);
    text('.reason', claim.kind === 'offline' && !claim.notice ? this.state.error ?? '' : '', this.tile);
    text('time', new Date(this.capturedAt()).toLocaleString(), this.tile);
    this.applyView();
  }

  // Judges a picture that has loaded: some browsers notice only later that they cannot decode it.
  look() {
    this.canvas.hidden = true;
    this.failures = isBlank(this.img) ? this.failures + 1 : 0;
    if (!this.failures) this.obstacle = '';
    else if (this.failures > 1) this.obstacle = UNDECODABLE;
  }

  // The new still loads beside the old one and then takes its place: nothing flickers.
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
