// Saves pictures as files, named after the camera and the time of the picture.
import { absolute } from "./page.js";

const TIMEOUT_MS = 12000; // a camera that is not running is started first

// 2026-11-27T14-05-09, local time: a colon is not allowed in every file system.
export function fileTime(ms) {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60e3);
  return date.toISOString().slice(0, 19).replaceAll(':', '-');
}

const fileName = (name, ms) => `${name.replace(/[\/\\:*?"<>|\p{Cc}]/gu, '_')}-${fileTime(ms)}.jpg`;

function save(blob, name, ms) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: fileName(name, ms) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
  return link.download;
}

// Saves the newest frame of a camera and returns the file's name. Throws a sentence.
export async function saveSnapshot(name) {
  let response;
  try {
    response = await fetch(absolute('snapshot', { camera: name }), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw 'No snapshot: the server cannot be reached.';
  }
  if (!response.ok) throw `No snapshot: ${(await response.text()).trim()}`;
  const captured = Number(response.headers.get('X-Timestamp')) * 1e3;
  return save(await response.blob(), name, captured || Date.now());
}

// The same of a paused camera: the picture that is seen.
export async function saveCanvas(canvas, name, ms) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
  if (!blob) throw 'No snapshot: this browser does not let the page read its picture.';
  return save(blob, name, ms);
}
