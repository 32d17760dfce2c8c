// Saves pictures as files, named after the camera and the time of the picture.
import { absolute } from "./page.js";

const TIMEOUT_MS = 12000; // a stopped camera has to start first

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

// Saves the newest frame of a camera. Returns the file's name, or throws an error message.
export async function saveSnapshot(name) {
  let response;
  try {
    response = await fetch(absolute('snapshot', { camera: name }), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw 'Snapshot failed: cannot reach the server.';
  }
  if (!response.ok) throw `Snapshot failed: ${(await response.text()).trim()}`;
  const captured = Number(response.headers.get('X-Timestamp')) * 1e3;
  return save(await response.blob(), name, captured || Date.now());
}

// Saves the shown picture of a paused camera.
export async function saveCanvas(canvas, name, ms) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
  if (!blob) throw 'Snapshot failed: the browser does not allow reading the picture.';
  return save(blob, name, ms);
}
