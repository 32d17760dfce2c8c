// Draws the `loop` events of /events. The server sends ten per second.
import { $, absolute, bytes, figures, micros, opened, sleep, status, text } from "./page.js";

const WINDOW_US = 10e6; // time span of the chart
const SAMPLES = 100;
const TURN_US_MIN = 1; // the vertical axis is logarithmic
const TURN_US_MAX = 100e3;
const SCALE_PX = 56; // width of the axis labels
const STRIP_BYTES_MIN = 64 * 1024; // minimum of the top of a strip's axis
const SLOW_READ_BYTES = 4096;
const SLOW_READ_MS = 250;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
const camera = opened.get('camera');

let turns = [];
let omitted = []; // [time, count] of turns that did not fit into an event
const lanes = new Map(); // by number of the connection
const ours = new Set(); // keys of the viewers that this page has opened

// Returns a cleared canvas with one pixel per device pixel.
function paper(canvas) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function drawTurns(now) {
  const { pen, width, height } = paper($('#turns canvas'));
  const y = (us) => height - (height * Math.log(Math.max(us, TURN_US_MIN))) / Math.log(TURN_US_MAX);
  pen.font = '11px system-ui, sans-serif';
  const perMicro = (width - SCALE_PX) / WINDOW_US;
  for (const [at, took, , , , frames] of turns) {
    pen.fillStyle = colour(frames ? '--accent' : '--soft');
    pen.fillRect(width - (now - at) * perMicro, y(took), Math.max(1.5, took * perMicro), height);
  }
  for (let us = 10; us < TURN_US_MAX; us *= 10) {
    pen.fillStyle = '#8883';
    pen.fillRect(0, y(us), width, 1);
    pen.fillStyle = colour('--soft');
    pen.fillText(micros(us), 4, y(us) - 4);
  }
}

function showTurns({ turns: fresh, turns_omitted: count }) {
  const last = fresh.at(-1);
  if (!last) return;
  const now = last[0] + last[1];
  omitted.push([now, count]);
  turns = [...turns, ...fresh].filter(([at]) => at > now - WINDOW_US);
  omitted = omitted.filter(([at]) => at > now - WINDOW_US);
  const seconds = Math.max(now - turns[0][0], 1) / 1e6;
  const sum = (place) => turns.reduce((total, turn) => total + turn[place], 0);
  const missing = omitted.reduce((total, [, count]) => total + count, 0);
  figures($('#turns'), {
    rate: ((turns.length + missing) / seconds).toFixed(0),
    longest: micros(Math.max(...turns.map(([, took]) => took))),
    events: (sum(2) / turns.length).toFixed(1),
    written: `${bytes(Math.round(sum(4) / seconds))}/s`,
    asleep: missing ? '–' : `${(100 * (1 - sum(1) / 1e6 / seconds)).toFixed(1)} %`,
  });
  drawTurns(now);
}

class Lane {
  samples = []; // [queued bytes, whether writable], the oldest first

  constructor({ number, kind, peer }) {
    this.tile = $('#lane').content.firstElementChild.cloneNode(true);
    text('b', `#${number}`, this.tile);
    text('small', peer, this.tile);
    this.tile.dataset.kind = kind;
    $('#lanes .list').append(this.tile);
  }

  show(lane) {
    const { tile, samples } = this;
    samples.push([lane.queued_bytes, lane.writable]);
    if (samples.length > SAMPLES) samples.shift();
    text('.kind', lane.kind, tile);
    tile.dataset.kind = lane.kind;
    tile.dataset.key = lane.key;
    tile.classList.toggle('ours', ours.has(lane.key));
    $('.readable', tile).classList.toggle('on', lane.readable);
    $('.writable', tile).classList.toggle('on', lane.writable);
    const part = lane.in_flight;
    $('.bar i', tile).style.width = part ? `${100 * (1 - part.bytes_left / part.bytes)}%` : 0;
    let state = 'idle';
    if (part) state = `frame ${part.sequence} in flight, ${bytes(part.bytes_left)} of ${bytes(part.bytes)} left`;
    if (lane.waiting_sequence) state += `; frame ${lane.waiting_sequence} waiting`;
    text('.text', state, tile);
    figures(tile, {
      queued: bytes(lane.queued_bytes),
      blocks: lane.would_blocks,
      slow: lane.skipped_slow,
      rate: lane.skipped_rate,
      delivered: lane.delivered + lane.repeated,
      sent: bytes(lane.sent_bytes),
    });
    this.draw();
  }

  draw() {
    const { pen, width, height } = paper($('canvas', this.tile));
    const most = Math.max(STRIP_BYTES_MIN, ...this.samples.map(([queued]) => queued));
    const [good, bad] = [colour('--accent'), colour('--bad')];
    this.samples.forEach(([queued, writable], place) => {
      const x = width - ((this.samples.length - place) * width) / SAMPLES;
      const tall = queued ? Math.max(2, (height * queued) / most) : 0;
      pen.fillStyle = writable ? good : bad;
      pen.fillRect(x, height - tall, width / SAMPLES + 0.5, tall);
      if (!writable) pen.fillRect(x, 0, width / SAMPLES + 0.5, 3);
    });
  }
}

function showLanes({ connections: shown, connections_open: open }) {
  const numbers = new Set(shown.map(({ number }) => number));
  for (const [number, lane] of lanes) {
    if (numbers.has(number)) continue;
    lane.tile.remove();
    lanes.delete(number);
  }
  for (const lane of shown) {
    if (!lanes.has(lane.number)) lanes.set(lane.number, new Lane(lane));
    lanes.get(lane.number).show(lane);
  }
  const more = open - shown.length;
  text('#lanes .more', more > 0 ? `and ${more} more` : '');
}

// The key of a viewer that this page opens identifies its lane.
function open(profile) {
  const key = `loop-${Math.random().toString(36).slice(2, 8)}`;
  const card = $('#card').content.firstElementChild.cloneNode(true);
  const address = absolute('video_feed', camera ? { key, camera } : { key });
  const close = { fast: watch, limited: watch, slow: readSlowly }[profile](card, address, profile);
  ours.add(key);
  $('button', card).onclick = () => {
    close();
    ours.delete(key);
    card.remove();
  };
  $('#viewers .cards').append(card);
}

function watch(card, address, profile) {
  const img = new Image();
  img.alt = 'Live picture';
  img.src = profile === 'limited' ? `${address}&kbps=200` : address;
  $('.view', card).append(img);
  text(
    'figcaption',
    profile === 'limited' ? 'At most 200 kbit/s: the server skips whole frames.' : 'Every frame.',
    card,
  );
  return () => (img.src = ''); // makes every browser close the connection
}

// Reads slowly, so that the socket buffer of the server fills up. The buffers of the browser and the kernel take some
// megabytes first.
function readSlowly(card, address) {
  const leave = new AbortController();
  text('figcaption', 'Reads 16 KB per second. The buffers on the way fill up first, which takes a while.', card);
  (async () => {
    const response = await fetch(address, { signal: leave.signal });
    const reader = response.body.getReader({ mode: 'byob' });
    let read = 0;
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(SLOW_READ_BYTES));
      if (done) break;
      read += value.length;
      text('.view', `${bytes(read)} received`, card);
      await sleep(SLOW_READ_MS);
    }
    text('.view', 'The server has closed the connection.', card);
  })().catch(() => leave.signal.aborted || text('.view', 'The server has closed the connection.', card));
  return () => leave.abort();
}

for (const button of document.querySelectorAll('.buttons button')) {
  button.onclick = () => open(button.dataset.profile);
}

const source = new EventSource(absolute('events', { loop: 1 }));
source.onopen = () => status('good', 'Connected');
source.onerror = () => status('bad', 'Cannot reach the server. Retrying…');
source.addEventListener('loop', ({ data }) => {
  const event = JSON.parse(data);
  showTurns(event);
  showLanes(event);
});
